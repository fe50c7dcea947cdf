"""What answers at a URL where a Parakeet or a Magpie was expected and none is: asked only after it has refused."""

from collections.abc import Callable
from html import unescape
from re import IGNORECASE, search

from ..errors import Rejected, ServerFault, SparkError, WrongServer
from ..models import Service
from . import magpie_dialects, parakeet_dialects
from .probe import Answers, probe
from .transport import Transport

OLLAMA = "/api/version"
HOME_ASSISTANT = "/manifest.json"

_OF_ANY_SERVER = ("/", "/health", "/healthz", OLLAMA, HOME_ASSISTANT)
"""Pages that web applications have as well."""

_LONGEST_TITLE = 40

_LACKS = ("does not support", "not include", "no model", "model not found", "unavailable model", "bad model")
"""What servers of many kinds say, lower case, when they do not have what they were asked for."""

_LANGUAGE_MODELS = {"vllm": "vLLM", "llamacpp": "llama.cpp", "sglang": "SGLang", "library": "Ollama"}
"""Servers of language models by the owner that their model lists name."""


def _owned_by(owner: str) -> Callable[[Answers], bool]:
    return lambda answers: answers.is_owned_by(owner)


KINDS: tuple[tuple[str, Callable[[Answers], bool]], ...] = (
    ("Spark Audio's proxy", Answers.is_spark_audio),
    ("Ollama", lambda answers: answers.text("/").startswith("Ollama is running")),
    ("Home Assistant", lambda answers: answers.document(HOME_ASSISTANT).get("name") == "Home Assistant"),
    ("CrispASR with another model", _owned_by("crispasr")),
    *((f"a server of language models ({name})", _owned_by(owner)) for owner, name in _LANGUAGE_MODELS.items()),
)
"""What is neither, and how it shows."""

_PAGES = tuple(
    dict.fromkeys(
        (*parakeet_dialects.PROBED, *magpie_dialects.PROBED, parakeet_dialects.TRANSCRIPTIONS, OLLAMA, HOME_ASSISTANT)
    )
)


def denies(err: SparkError) -> bool:
    """Return whether the error may mean that the server is no such service at all."""
    match err:
        case Rejected(status=404 | 405) | ServerFault(status=501):
            return True
        case Rejected(status=400):
            return any(words in err.message.lower() for words in _LACKS)
        case ServerFault(status=int(status)):
            # It answers well, and something else than what was asked for.
            return status < 300
    return False


async def wrong_server(transport: Transport, expected: Service) -> WrongServer | None:
    """Return the error that names what the server certainly is, None where that cannot be told."""
    answers = await probe(transport, _PAGES)
    kind = _kind(answers, expected)
    return WrongServer(f"This is {kind}, not a {expected.display_name}.", status=404) if kind else None


def _kind(answers: Answers, expected: Service) -> str | None:
    kind = next((name for name, is_it in KINDS if is_it(answers)), None)
    return kind or _other_service(answers, expected) or _web_page(answers)


def _other_service(answers: Answers, expected: Service) -> str | None:
    if expected is Service.PARAKEET:
        for magpie in magpie_dialects.FAMILIES:
            # A NIM that hears has the list as well, an empty one.
            if magpie.recognise(answers) and magpie.read(answers).voices:
                return f"a Magpie ({magpie.name})"
        return "a server that speaks" if magpie_dialects.OPENAI.recognise(answers) else None
    parakeet = next((family for family in parakeet_dialects.FAMILIES if family.recognise(answers)), None)
    if parakeet and parakeet.is_certain:
        return f"a Parakeet ({parakeet.name})"
    return "a server that hears" if answers.posts_to(parakeet_dialects.TRANSCRIPTIONS) else None


def _web_page(answers: Answers) -> str | None:
    """Return which web page this is, where there is one and no page that only a server of models would have."""
    told = (path for path in answers.replies if path not in _OF_ANY_SERVER)
    if not any(map(answers.is_web_page, answers.replies)) or any(map(answers.exists, told)):
        return None
    title = search(r"<title[^>]*>([^<]+)</title>", answers.text("/"), IGNORECASE)
    name = " ".join(unescape(title[1]).split())[:_LONGEST_TITLE] if title else ""
    return f"the web page “{name}”" if name else "a web page"
