"""The two speech requests the demo makes itself: a command to speak, from Magpie, and the proxy's ear."""

from aiohttp import ClientError, ClientSession, FormData

from .answers import Json, items, pick, text
from .errors import DemoError
from .processes import PROXY, SPARK
from .sound import ASSIST_RATE, Clip, read_wav, resample, write_wav


async def synthesize(session: ClientSession, magpie_url: str, words: str) -> Clip:
    """Have Magpie say `words`; 16 kHz."""
    form = FormData({"text": words, "language": "en-US", "encoding": "LINEAR_PCM"})
    try:
        async with session.post(f"{magpie_url}/v1/audio/synthesize", data=form) as response:
            body = await response.read()
            if not response.ok:
                raise DemoError(f"Magpie answered {response.status}: {body[:300]!r}", SPARK)
    except TimeoutError:
        raise DemoError("Magpie did not answer in time.", SPARK) from None
    except ClientError as error:
        raise DemoError(f"Magpie cannot be reached: {error}", SPARK) from error
    return resample(read_wav(body), ASSIST_RATE)


async def models(session: ClientSession, proxy_url: str) -> Json | None:
    """The proxy's model list, or None while it does not answer."""
    try:
        async with session.get(f"{proxy_url}/v1/models") as response:
            listing: Json = await response.json() if response.ok else None
            return listing
    except TimeoutError, ClientError:
        return None


async def transcribe(session: ClientSession, proxy_url: str, clip: Clip) -> str:
    """What the proxy's `/v1/audio/transcriptions` hears in `clip`, asked the way OpenAI's clients ask."""
    listing = await models(session, proxy_url)
    names = [text(model, "id") for model in items(listing, "data")] if listing else []
    model = next((name for name in names if "parakeet" in name.lower()), "whisper-1")
    form = FormData({"model": model})
    form.add_field("file", write_wav(clip), filename="command.wav", content_type="audio/wav")
    try:
        async with session.post(f"{proxy_url}/v1/audio/transcriptions", data=form) as response:
            if not response.ok:
                raise DemoError(f"The proxy answered {response.status}: {await response.text():.300}", PROXY)
            answer: Json = await response.json()
    except TimeoutError:
        raise DemoError("The proxy did not answer in time.", PROXY) from None
    except ClientError as error:
        raise DemoError(f"The proxy cannot be reached: {error}", PROXY) from error
    heard = pick(answer, "text")
    return heard if isinstance(heard, str) else ""
