"""Fake Magpie servers: each dialect as facts/upstreams.md describes it."""

from aiohttp import web

from tests.fakes.server import FakeServer, Handler, json

SYNTHESIZE = "/v1/audio/synthesize"
SYNTHESIZE_ONLINE = "/v1/audio/synthesize_online"
LIST_VOICES = "/v1/audio/list_voices"

SECONDS_PER_CHARACTER = 0.08

LOCALES = ("EN-US", "ES-US", "FR-FR", "DE-DE", "IT-IT")
SPEAKERS = ("Aria", "Jason", "Leo", "Mia", "Sofia")
EMOTIONS = ("", ".Neutral", ".Calm", ".Happy")
VOICES = tuple(
    f"Magpie-Multilingual.{locale}.{speaker}{emotion}"
    for locale in LOCALES
    for speaker in SPEAKERS
    for emotion in EMOTIONS
)


def spoken(text: str, sample_rate: int = 22_050) -> bytes:
    """PCM of a plausible length for the text: a quiet sawtooth, so that cuts and swaps are visible."""
    samples = round(len(text) * SECONDS_PER_CHARACTER * sample_rate)
    return b"".join(((i * 97) % 4001 - 2000).to_bytes(2, "little", signed=True) for i in range(samples))


def nim() -> FakeServer:
    """NVIDIA's NIM: multipart in, chunked PCM out."""
    return FakeServer(
        {
            ("GET", LIST_VOICES): json({"en-US,es-US,fr-FR,de-DE,it-IT": {"voices": list(VOICES)}}),
            ("GET", "/v1/health/ready"): json({"status": "ready"}),
            ("POST", SYNTHESIZE_ONLINE): stream_pcm,
            ("POST", SYNTHESIZE): json({"detail": "not here"}, status=500),
        }
    )


async def stream_pcm(request: web.Request) -> web.StreamResponse:
    """The text as PCM, in chunks of an odd number of bytes as real ones may be."""
    form = await request.post()
    pcm = spoken(str(form["text"]), int(str(form["sample_rate_hz"])))
    response = web.StreamResponse()
    await response.prepare(request)
    for start in range(0, len(pcm), 4001):
        await response.write(pcm[start : start + 4001])
    return response


def in_pieces(*pieces: bytes, then_reset: bool = False) -> Handler:
    """A handler that streams these pieces, and may then cut the connection."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        if then_reset and request.transport is not None:
            request.transport.abort()
        return response

    return answer
