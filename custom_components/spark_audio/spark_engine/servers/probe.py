"""Ask a server for a few small pages at once, so that its dialect can be told from what it answers."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from ..errors import Busy, Rejected, ServerFault, SparkError, TimedOut, Unauthorized, Unreachable
from ..models import Json
from .transport import LONGEST_NAME, Reply, Transport

MODELS = "/v1/models"
OPENAPI = "/openapi.json"

LOCALAI = "/.well-known/localai.json"
LOCALAI_MODELS = "/v1/models/capabilities"
LOCALAI_SYSTEM = "/system"
VOX_LOADED = "/v1/models/loaded"

MOST_NAMES = 1000
"""Of a list that is taken from a server, the first ones. The NIM with the most languages lists about 150 voices."""

SPARK_AUDIO_CREATED = 1_735_689_600
"""The date of every model that our own proxy lists: 2025-01-01."""

_ABSENT = (404, 405, 501)

_DOUBTS = (Unreachable, Unauthorized, TimedOut, Busy, ServerFault)
"""Errors that leave open what a page would have said, the most telling first."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What each path answered."""

    replies: Mapping[str, Reply | SparkError]
    _documents: dict[str, Json] = field(default_factory=dict, repr=False, compare=False)
    """Each page is decoded once, however many families are tried."""

    def exists(self, path: str) -> bool:
        """Return whether the path answers JSON. A web page says nothing: some servers show one on every path."""
        return self._json(path) is not None

    def lacks(self, path: str) -> bool:
        """Return whether the server says that it has no such page."""
        reply = self.replies.get(path)
        return isinstance(reply, SparkError) and reply.status in _ABSENT

    def posts_to(self, path: str) -> bool:
        """Return whether the path is there for POST: a GET is answered 405, or the server's own description says so."""
        match self.replies.get(path):
            case Rejected(status=405):
                return True
        match self.document(OPENAPI).get("paths"):
            case {**paths}:
                described = paths.get(path)
                return isinstance(described, dict) and "post" in described
        return False

    def document(self, path: str) -> Mapping[str, Json]:
        """Return the JSON object that the path answered, empty where there was none."""
        document = self._json(path)
        return document if isinstance(document, dict) else {}

    def text(self, path: str) -> str:
        """Return the text that the path answered, empty where there was none."""
        reply = self.replies.get(path)
        return reply.data.decode("utf-8", "replace") if isinstance(reply, Reply) else ""

    def is_web_page(self, path: str) -> bool:
        """Return whether the path answers HTML."""
        reply = self.replies.get(path)
        return isinstance(reply, Reply) and reply.content_type in ("text/html", "application/xhtml+xml")

    def models(self) -> tuple[Mapping[str, Json], ...]:
        """Return the items of OpenAI's model list."""
        return items(self.document(MODELS).get("data"))

    def model_ids(self) -> tuple[str, ...]:
        """Return the ids in OpenAI's model list."""
        return ids(self.models())

    def is_owned_by(self, owner: str) -> bool:
        """Return whether a listed model names this owner, as many servers name themselves."""
        return any(model.get("owned_by") == owner for model in self.models())

    def version(self) -> str | None:
        """Return the version that the server tells beside its health."""
        return as_name(self.document("/health").get("version"))

    def is_xr_ai(self, *, speaks: bool) -> bool:
        """Return whether this is that one of the two servers of NVIDIA's xr-ai that hold their model themselves."""
        match self.models():
            case [{"id": str(name), "object": "model", "owned_by": "local", **rest}] if not rest:
                names_magpie = any(word in name.lower() for word in ("magpie", "tts"))
                return self.document("/health") == {"status": "ok"} and names_magpie is speaks
        return False

    def is_spark_audio(self) -> bool:
        """Return whether this is our own proxy: its models have a name, which OpenAI's have not, and all one date.

        Where it shows its lists to callers with a key only, its page tells.
        """
        listed = any(model.get("created") == SPARK_AUDIO_CREATED and "name" in model for model in self.models())
        return listed or "<title>Spark Audio</title>" in self.text("/")

    def is_localai(self) -> bool:
        """Return whether this is LocalAI, which describes itself at an address of its own."""
        return "endpoints" in self.document(LOCALAI)

    def localai_models(self, capability: str) -> tuple[str, ...]:
        """Return the ids of LocalAI's models that can do this."""
        listed = items(self.document(LOCALAI_MODELS).get("data"))
        return ids([model for model in listed if capability in names(model.get("capabilities"))])

    def is_vox(self) -> bool:
        """Return whether this is vox-runtime: its model list has another shape than OpenAI's."""
        return "data" not in self.document(MODELS) and isinstance(self.document(MODELS).get("models"), list)

    def vox_models(self, kind: str) -> tuple[str, ...]:
        """Return the names of vox-runtime's models of a kind, stt or tts."""
        listed = items(self.document(MODELS).get("models"))
        return tuple(name for model in listed if model.get("type") == kind and (name := as_name(model.get("name"))))

    def settle(self, paths: Sequence[str]) -> None:
        """Raise what keeps us from knowing: while any of these cannot be read, the server may be of any family."""
        for kind in _DOUBTS:
            for path in paths:
                reply = self.replies[path]
                if isinstance(reply, kind) and reply.status not in _ABSENT:
                    raise reply

    def are_all_refused(self) -> bool:
        """Return whether every page wants another key, as those of a gateway may that passes requests nevertheless."""
        return all(isinstance(reply, Unauthorized) for reply in self.replies.values())

    def redirect(self) -> Rejected | None:
        """Return where the server redirects, if it does."""
        replies = self.replies.values()
        return next((reply for reply in replies if isinstance(reply, Rejected) and (reply.status or 400) < 400), None)

    def _json(self, path: str) -> Json:
        if path not in self._documents:
            reply = self.replies.get(path)
            try:
                self._documents[path] = reply.json() if isinstance(reply, Reply) else None
            except ServerFault:
                self._documents[path] = None
        return self._documents[path]


@dataclass(frozen=True, slots=True)
class SleepPage:
    """A page that tells, without waking it, whether a server has unloaded its model."""

    path: str
    tells: Callable[[Mapping[str, Json], str], bool]
    """Whether the JSON object there says that the model of this name is not loaded."""

    async def is_asleep(self, transport: Transport, model: str) -> bool:
        """Return whether the server says so. Raises SparkError where the page cannot be read."""
        answers = await probe(transport, (self.path,))
        reply = answers.replies[self.path]
        if isinstance(reply, SparkError):
            raise reply
        return self.tells(answers.document(self.path), model)


LOCALAI_SLEEP = SleepPage(
    LOCALAI_SYSTEM,
    lambda page, model: "loaded_models" in page and model not in ids(items(page["loaded_models"])),
)
"""LocalAI shows it to administrators alone."""


VOX_SLEEP = SleepPage(
    VOX_LOADED,
    lambda page, model: (
        "models" in page
        and model not in [f"{loaded.get('name')}:{loaded.get('tag')}" for loaded in items(page["models"])]
    ),
)
"""vox-runtime unloads a model after 300 s of rest."""


def items(listed: Json) -> tuple[Mapping[str, Json], ...]:
    """Return the objects in a JSON list; none where it is no list."""
    return tuple(item for item in listed if isinstance(item, dict)) if isinstance(listed, list) else ()


def ids(models: Sequence[Mapping[str, Json]]) -> tuple[str, ...]:
    """Return the ids of some items of a model list."""
    return names([item.get("id") for item in models])


def names(listed: Json) -> tuple[str, ...]:
    """Return the names in a JSON list, MOST_NAMES at most; none where it is no list."""
    return tuple(islice(filter(None, map(as_name, listed)), MOST_NAMES)) if isinstance(listed, list) else ()


def as_name(value: Json) -> str | None:
    """Return a name of a voice, a model or a version; None for what is none. It is shown to people, and kept."""
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST_NAME else None


async def probe(transport: Transport, paths: Sequence[str]) -> Answers:
    """GET every path, all at once."""

    async def ask(path: str) -> Reply | SparkError:
        try:
            return await transport.get(path, deadline=transport.deadlines.page)
        except SparkError as err:
            return err

    return Answers(dict(zip(paths, await asyncio.gather(*map(ask, paths)), strict=True)))
