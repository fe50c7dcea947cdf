"""Fake Magpie servers: each family as its documentation and source describe it, what it refuses included."""

import struct
from array import array
from collections.abc import Mapping
from xml.etree import ElementTree as ET

from aiohttp import web

from tests.fakes.openai_parakeet import LOCALAI_PAGES, VOX_PAGES
from tests.fakes.server import FakeServer, Handler, json, text

SYNTHESIZE = "/v1/audio/synthesize"
SYNTHESIZE_ONLINE = "/v1/audio/synthesize_online"
LIST_VOICES = "/v1/audio/list_voices"
SPEECH = "/v1/audio/speech"

SECONDS_PER_CHARACTER = 0.08

LOCALES = ("EN-US", "ES-US", "FR-FR", "DE-DE", "IT-IT")
SPEAKERS = ("Aria", "Jason", "Leo", "Mia", "Sofia")
EMOTIONS = ("", ".Neutral", ".Calm", ".Happy")
OPEN_SPEAKERS = ("John", "Sofia", "Aria", "Jason", "Leo")
VOICES = tuple(
    f"Magpie-Multilingual.{locale}.{speaker}{emotion}"
    for locale in LOCALES
    for speaker in SPEAKERS
    for emotion in EMOTIONS
)


SAWTOOTH = array("h", ((i * 97) % 4001 - 2000 for i in range(4001))).tobytes()


def spoken(text: str, sample_rate: int = 22_050) -> bytes:
    """PCM of a plausible length for the text: a quiet sawtooth, so that cuts and swaps are visible."""
    size = 2 * round(len(text) * SECONDS_PER_CHARACTER * sample_rate)
    return (SAWTOOTH * (size // len(SAWTOOTH) + 1))[:size]


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


def nim_offline() -> FakeServer:
    """A NIM whose model cannot stream."""
    fake = nim()
    del fake.answers["POST", SYNTHESIZE_ONLINE]
    fake.answers["POST", SYNTHESIZE] = whole_wav
    return fake


def nemo_speech() -> FakeServer:
    """NVIDIA NeMo-Speech.cpp: voices and languages in the model list; a POST route is 404 for GET."""

    async def answer(request: web.Request) -> web.Response:
        wanted = await request.json()
        if wanted["voice"].casefold() not in [speaker.casefold() for speaker in OPEN_SPEAKERS]:
            return _error("unknown voice", 400)
        if wanted["language"].partition("-")[0] not in ("en", "es", "de", "fr", "it", "vi", "hi"):
            return _error(f"unsupported language_code '{wanted['language']}'", 400)
        if wanted.get("speed", 1.0) != 1.0:
            return _error("this model does not support changing speech speed", 400)
        return _wav(wanted["input"], wanted.get("sample_rate", 22_050))

    local = {"object": "model", "owned_by": "local", "device": "cuda"}
    languages = ["en-US", "es-ES", "de-DE", "fr-FR", "it-IT", "vi-VN", "hi-IN"]
    speaking = {"id": "magpietts", **local, "capability": "speech", "voices": list(OPEN_SPEAKERS)}
    models = [{"id": "fastconformer", **local, "capability": "transcription"}, {**speaking, "languages": languages}]
    return FakeServer(
        {
            ("GET", "/health"): json({"status": "ok", "version": "0.1.0"}),
            ("GET", "/v1/models"): json({"object": "list", "data": models}),
            ("GET", SPEECH): json({"error": {"message": "API route not found"}}, status=404),
            ("POST", SPEECH): answer,
        }
    )


def xr_ai() -> FakeServer:
    """NVIDIA xr-ai magpie-tts: no voices, and a complete WAV whatever format is asked for."""

    async def answer(request: web.Request) -> web.Response:
        return _wav((await request.json())["input"], 22_050)

    model = {"id": "nvidia/magpie_tts_multilingual_357m", "object": "model", "owned_by": "local"}
    return FakeServer(
        {
            ("GET", "/health"): json({"status": "ok"}),
            ("GET", "/v1/models"): json({"object": "list", "data": [model]}),
            ("POST", SPEECH): answer,
        }
    )


def xr_ai_shim() -> FakeServer:
    """NVIDIA xr-ai magpie-nim-tts: everything but the text is in its configuration; only PCM is streamed."""
    settings = {"kind": "tts", "voice": VOICES[0], "language": "en-US", "sample_rate": 44_100, "base_url": "nim:50051"}

    async def answer(request: web.Request) -> web.StreamResponse:
        wanted = await request.json()
        if wanted.get("stream") and wanted.get("response_format", "wav") != "pcm":
            return web.json_response({"detail": "streaming speech requires response_format 'pcm'"}, status=400)
        response = web.StreamResponse(headers={"X-Audio-Sample-Rate": "44100", "X-Audio-Channels": "1"})
        return await _send(request, response, spoken(wanted["input"], 44_100))

    health = json({"status": "ok", "service": "magpie-nim-tts", "configuration": settings})
    return FakeServer(
        {
            ("GET", "/health"): health,
            ("GET", "/v1/health/ready"): health,
            ("GET", "/v1/models"): json({"object": "list", "data": [{"id": "magpie", "object": "model"}]}),
            ("POST", SPEECH): answer,
        }
    )


def pipecat() -> FakeServer:
    """pipecat's Nemotron container: lower-case names, bare languages, and PCM even where a WAV is asked for."""
    speakers = [speaker.lower() for speaker in OPEN_SPEAKERS]
    languages = ["en", "es", "de", "fr", "vi", "it", "zh"]

    async def answer(request: web.Request) -> web.Response:
        wanted = await request.json()
        if wanted.get("voice", "aria").lower() not in speakers:
            return web.json_response({"detail": f"Unknown voice. Available: {speakers}"}, status=400)
        if wanted.get("language", "en").lower() not in languages:
            return web.json_response({"detail": f"Unknown language. Available: {languages}"}, status=400)
        content_type = "audio/pcm" if wanted.get("response_format", "pcm") == "pcm" else "audio/wav"
        headers = {"X-Sample-Rate": "22000", "X-Channels": "1"}
        return web.Response(body=spoken(wanted["input"], 22_000), content_type=content_type, headers=headers)

    config = {"sample_rate": 22_000, "channels": 1, "encoding": "pcm_s16le", "voices": speakers, "languages": languages}
    return FakeServer(
        {
            ("GET", "/health"): json({"status": "healthy", "model_loaded": True}),
            ("GET", "/v1/audio/config"): json(config),
            ("POST", SPEECH): answer,
        }
    )


def spark_audio() -> FakeServer:
    """Our own proxy: a voice list with OpenAI's names in it, and a WAV of unknown length."""
    items: list[dict[str, object]] = [
        {"id": name, "name": name, "language": "en-US", "speaker": "Aria", "emotion": None} for name in VOICES
    ]
    ours = {"object": "model", "created": 1_735_689_600, "owned_by": "nvidia"}
    models = [
        {"id": "parakeet-tdt-0.6b", **ours, "name": "Parakeet"},
        {"id": "Magpie-Multilingual", **ours, "name": "Magpie"},
    ]
    return FakeServer(
        {
            ("GET", "/v1/models"): json({"object": "list", "data": models}),
            ("GET", "/v1/audio/voices"): json({"voices": [*items, {**items[0], "id": "nova", "alias_of": VOICES[0]}]}),
            ("POST", SPEECH): openai_speech,
        }
    )


def mvdb() -> FakeServer:
    """MvdB's server: German unless told otherwise, and no region in a language."""
    voices = sorted(speaker.lower() for speaker in OPEN_SPEAKERS)
    languages = ["ar", "de", "en", "es", "fr", "hi", "it", "ja", "ko", "pt", "vi", "zh"]

    async def answer(request: web.Request) -> web.Response:
        wanted = await request.json()
        if "input" not in wanted:
            return web.json_response({"detail": [{"loc": ["body", "input"], "msg": "Field required"}]}, status=422)
        if wanted.get("voice", "sofia").lower() not in voices:
            return web.json_response({"detail": f"Unbekannte Stimme. Verfügbar: {voices}"}, status=400)
        if wanted.get("language", "de") not in languages:
            return web.json_response({"detail": f"Sprache nicht unterstützt: {languages}"}, status=400)
        return _wav(wanted["input"], 22_050)

    return FakeServer(
        {
            ("GET", "/health"): json({"status": "ok", "model": "/models/magpie.nemo", "tn": False}),
            ("GET", "/v1/voices"): json({"voices": voices, "languages": languages}),
            ("POST", SPEECH): answer,
        }
    )


def localai() -> FakeServer:
    """LocalAI: a model is required; it lists no voices."""

    async def answer(request: web.Request) -> web.Response:
        wanted = await request.json()
        if wanted.get("model") != "magpie-tts-cpp":
            return _error("Bad Request", 400)
        return _wav(wanted["input"], 22_050)

    return FakeServer({**LOCALAI_PAGES, ("POST", SPEECH): answer})


def vox() -> FakeServer:
    """vox-runtime with vox-magpie: each language in one region, or in none."""

    async def answer(request: web.Request) -> web.Response:
        wanted = await request.json()
        if not wanted.get("model", "magpie:").startswith("magpie:"):
            return web.json_response({"detail": f"Model not found: {wanted['model']}"}, status=404)
        if wanted.get("voice", "aria").lower() not in [speaker.lower() for speaker in OPEN_SPEAKERS]:
            return web.json_response({"detail": "unknown voice"}, status=400)
        if wanted.get("language", "en-US").lower() not in ("en", "en-us", "es", "es-es", "de", "de-de", "fr", "fr-fr"):
            return web.json_response({"detail": f"Magpie does not support {wanted['language']}"}, status=400)
        return _wav(wanted["input"], 22_050)

    return FakeServer({**VOX_PAGES, ("POST", SPEECH): answer})


def openai() -> FakeServer:
    """OpenAI's contract: nothing says which voices there are."""
    return FakeServer(
        {
            ("GET", "/v1/models"): json({"object": "list", "data": [{"id": "whisper-1"}, {"id": "tts-1"}]}),
            ("POST", SPEECH): openai_speech,
        }
    )


async def stream_pcm(request: web.Request) -> web.StreamResponse:
    """The text as PCM, in chunks of an odd number of bytes as real ones may be."""
    form = await request.post()
    words = nim_words(str(form["text"]))
    if words is None:
        return json_error(MAPPING_FAILED)
    pcm = spoken(words, int(str(form["sample_rate_hz"])))
    return await _send(request, web.StreamResponse(), pcm)


async def whole_wav(request: web.Request) -> web.Response:
    """The text of a form as a complete WAV file."""
    form = await request.post()
    words = nim_words(str(form["text"]))
    if words is None:
        return json_error(MAPPING_FAILED)
    return _wav(words, int(str(form["sample_rate_hz"])))


MAPPING_FAILED = "Mapping failed. Check that all pronunciations are specified properly."


def json_error(detail: str) -> web.Response:
    """What a NIM answers to a request that is at fault."""
    return web.json_response({"detail": detail}, status=400)


def nim_words(text: str) -> str | None:
    """What a NIM speaks: the text of SSML, anything else as it is; None where a pronunciation is none."""
    try:
        document = ET.fromstring(text)
    except ET.ParseError:
        return text
    if document.tag != "speak":
        return text
    for phoneme in document.iter("phoneme"):
        sounds = phoneme.get("ph", "")
        if phoneme.get("alphabet") != "ipa" or not sounds or any(char in "@{}0123456789" for char in sounds):
            return None
    return "".join(document.itertext())


async def openai_speech(request: web.Request) -> web.StreamResponse:
    """The text of a JSON request as a WAV file whose header does not know its length."""
    wanted = await request.json()
    if wanted.get("response_format") != "wav":
        return _error("response_format must be wav", 400)
    response = web.StreamResponse(headers={"Content-Type": "audio/wav"})
    return await _send(request, response, _header(22_050, 0xFFFFFFFF) + spoken(wanted["input"]))


async def _send(request: web.Request, response: web.StreamResponse, data: bytes) -> web.StreamResponse:
    await response.prepare(request)
    for start in range(0, len(data), 4001):
        await response.write(data[start : start + 4001])
    return response


def _header(sample_rate: int, size: int) -> bytes:
    """A WAV header of 16-bit mono PCM, written without the code that is tested with it."""
    form = struct.pack("<IHHIIHH", 16, 1, 1, sample_rate, sample_rate * 2, 2, 16)
    return (
        b"RIFF" + struct.pack("<I", min(size + 36, 0xFFFFFFFF)) + b"WAVEfmt " + form + b"data" + struct.pack("<I", size)
    )


def _wav(words: str, sample_rate: int) -> web.Response:
    pcm = spoken(words, sample_rate)
    return web.Response(body=_header(sample_rate, len(pcm)) + pcm, content_type="audio/wav")


def _error(message: str, status: int) -> web.Response:
    return web.json_response({"error": {"message": message, "type": "invalid_request_error"}}, status=status)


WEDGED: Mapping[str, Handler] = {
    "nim": json({"detail": "Failed to connect to remote host: connect: Connection refused (111)"}, status=500),
    "nim offline": json({"detail": "received message larger than max"}, status=500),
    "nemo-speech.cpp": json({"error": {"message": "ggml_cuda failed", "type": "server_error"}}, status=500),
    "xr-ai": text("Internal Server Error", status=500),
    "xr-ai shim": json({"detail": "Speech NIM request failed"}, status=502),
    "pipecat": text("Internal Server Error", status=500),
    "dgx-spark-tts": text("Internal Server Error", status=500),
    "localai": json({"error": {"message": "rpc error: code = Unavailable", "code": 500, "type": ""}}, status=500),
    "vox": json({"detail": "Internal synthesis error"}, status=500),
    "spark audio": json({"error": {"message": "Magpie failed.", "type": "server_error"}}, status=500),
    "openai": json({"error": {"message": "CUDA error: device-side assert triggered"}}, status=400),
}
"""What each family answers to a synthesis once its GPU is gone; its other pages stay as they were."""


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
