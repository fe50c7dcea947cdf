"""What answers at a URL where a Parakeet or a Magpie was expected and none is: asked only after it has refused."""

from collections.abc import Callable
from html import unescape
from re import IGNORECASE, search

from ..errors import Kind, Rejected, ServerFault, SparkError, WrongServer
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


KINDS: tuple[tuple[Kind, str, Callable[[Answers], bool]], ...] = (
    (Kind.PROXY, "Spark Audio's proxy", Answers.is_spark_audio),
    (Kind.LANGUAGE_MODEL, "Ollama", lambda answers: answers.text("/").startswith("Ollama is running")),
    (Kind.OTHER, "Home Assistant", lambda answers: answers.document(HOME_ASSISTANT).get("name") == "Home Assistant"),
    (Kind.OTHER, "CrispASR with another model", _owned_by("crispasr")),
    *((Kind.LANGUAGE_MODEL, name, _owned_by(owner)) for owner, name in _LANGUAGE_MODELS.items()),
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
    found = _known_kind(answers) or _other_service(answers, expected) or _web_page(answers)
    return found and _error(*found, expected)


async def what_answers(transport: Transport) -> tuple[Kind, str] | None:
    """Return what the server certainly is and its name, empty where it has none; None where that cannot be told."""
    answers = await probe(transport, _PAGES)
    services = (_other_service(answers, expected) for expected in Service)
    return _known_kind(answers) or next(filter(None, services), None) or _web_page(answers)


type _Found = tuple[Kind, str]


def _error(kind: Kind, name: str, expected: Service) -> WrongServer:
    match kind:
        case Kind.PARAKEET | Kind.MAGPIE:
            is_what = "speaks" if kind is Kind.MAGPIE else "hears"
            described = f"a {kind.title()} ({name})" if name else f"a server that {is_what}"
        case Kind.LANGUAGE_MODEL if name != "Ollama":
            described = f"a server of language models ({name})"
        case Kind.WEB_PAGE:
            described = f"the web page “{name}”" if name else "a web page"
        case _:
            described = name
    return WrongServer(f"This is {described}, not a {expected.display_name}.", status=404, said=name, kind=kind)


def _known_kind(answers: Answers) -> _Found | None:
    return next(((kind, name) for kind, name, is_it in KINDS if is_it(answers)), None)


def _other_service(answers: Answers, expected: Service) -> _Found | None:
    if expected is Service.PARAKEET:
        for magpie in magpie_dialects.FAMILIES:
            # A NIM that hears has the list as well, an empty one.
            if magpie.recognise(answers) and magpie.read(answers).voices:
                return Kind.MAGPIE, magpie.name
        return (Kind.MAGPIE, "") if magpie_dialects.OPENAI.recognise(answers) else None
    parakeet = next((family for family in parakeet_dialects.FAMILIES if family.recognise(answers)), None)
    if parakeet and parakeet.is_certain:
        return Kind.PARAKEET, parakeet.name
    return (Kind.PARAKEET, "") if answers.posts_to(parakeet_dialects.TRANSCRIPTIONS) else None


def _web_page(answers: Answers) -> _Found | None:
    """Return which web page this is, where there is one and no page that only a server of models would have."""
    told = (path for path in answers.replies if path not in _OF_ANY_SERVER)
    if not any(map(answers.is_web_page, answers.replies)) or any(map(answers.exists, told)):
        return None
    title = search(r"<title[^>]*>([^<]+)</title>", answers.text("/"), IGNORECASE)
    return Kind.WEB_PAGE, " ".join(unescape(title[1]).split())[:_LONGEST_TITLE] if title else ""
