"""A real Home Assistant, with pipelines through Spark Audio and through what it is compared with.

It is a process of its own, set up over its public interfaces as a user does.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from aiohttp import ClientSession, ClientTimeout

from demo.answers import Json, items, pick, text
from demo.errors import DemoError
from demo.folder import LOOPBACK, ONBOARDING, held, new_password
from demo.home_assistant import LANGUAGE, Account, HomeAssistant, Socket
from demo.processes import HOME_ASSISTANT, Child, Processes, free_port
from demo.spark_setup import COUNTRY, HOME

from .errors import BenchError
from .processes import REPOSITORY
from .turn_peers import LIBRARIES, WYOMING_OPENAI

HASS = REPOSITORY / ".venv-ha/bin/hass"
AGENT = Path(__file__).with_name("agent")
WYOMING = "wyoming-openai"
WRITER = "conversation.writer"

NO_PROXY = f"NO_PROXY={LOOPBACK}"
"""A machine's proxy for the internet has no place between processes of one machine."""

START_SECONDS = 120.0
LOADED_SECONDS = 30.0
NEVER = 86_400.0
"""Seconds between canaries: none among the requests that are measured."""


@dataclass(frozen=True, slots=True)
class Engines:
    """The entities of one config entry; None where it has no such engine."""

    stt: str | None
    tts: str | None


class House:
    """The Home Assistant, and what is set up in it."""

    def __init__(self, home_assistant: HomeAssistant, hass: Child, processes: Processes, backend: str) -> None:
        """`backend` is the speech server's URL."""
        self.home_assistant = home_assistant
        self._hass = hass
        self._processes = processes
        self._backend = backend

    async def add_spark_audio(self, face: str, options: Mapping[str, Json], *, magpie: bool) -> Engines:
        """An entry of its own for each set of options, so that none is loaded anew between two turns."""
        url = f"{self._backend}/{face}"
        urls = {"parakeet_url": url} | ({"magpie_url": url} if magpie else {})
        entry = await self._add("spark_audio", {"next_step_id": "direct"}, urls)
        before = await self._engines(entry)
        await self._choose(entry, {**options, "canary_interval": NEVER})
        await self._engines(entry)
        return before

    async def add_openai(self) -> Engines:
        """Core's own integration; OPENAI_BASE_URL tells it where OpenAI is."""
        return await self._engines(await self._add("openai_conversation", {"api_key": "bench"}))

    async def add_wyoming(self) -> Engines:
        """Core's Wyoming integration, with wyoming-openai behind it, set up as its documentation has it."""
        port, url = free_port(0), f"{self._backend}/openai/v1"
        server = await self._processes.start(
            WYOMING,
            *("env", "-u", "PYTHONPATH", NO_PROXY, WYOMING_OPENAI / "bin/python", "-m", "wyoming_openai"),
            *("--uri", f"tcp://{LOOPBACK}:{port}", "--log-level", "WARNING", "--languages", LANGUAGE),
            *("--stt-openai-url", url, "--stt-openai-key", "bench", "--stt-backend", "OPENAI"),
            *("--stt-models", "gpt-4o-mini-transcribe"),
            *("--tts-openai-url", url, "--tts-openai-key", "bench", "--tts-backend", "OPENAI"),
            *("--tts-streaming-models", "gpt-4o-mini-tts", "--tts-voices", "alloy"),
            cwd=self._processes.logs,
        )
        await server.until(lambda: _listens(port), within=LOADED_SECONDS)
        return await self._engines(await self._add("wyoming", {"host": LOOPBACK, "port": port}))

    async def add_pipeline(self, name: str, stt: str, tts: str) -> str:
        """Its id. The agent is the one that writes at a steady pace."""
        async with self.home_assistant.socket() as socket:
            pipeline = await socket.call(
                "assist_pipeline/pipeline/create",
                name=name,
                language=LANGUAGE,
                conversation_engine=WRITER,
                conversation_language=LANGUAGE,
                stt_engine=stt,
                stt_language=await _language(socket, "stt", stt),
                tts_engine=tts,
                tts_language=await _language(socket, "tts", tts),
                tts_voice=None,
                wake_word_entity=None,
                wake_word_id=None,
            )
        return text(pipeline, "id")

    async def _add(self, domain: str, *steps: Mapping[str, Json]) -> str:
        """Run a config flow, and give the id of the entry that came of it."""
        flows = "/api/config/config_entries/flow"
        flow = await self.home_assistant.request("POST", flows, {"handler": domain})
        for step in steps:
            flow = await self.home_assistant.request("POST", f"{flows}/{text(flow, 'flow_id')}", step)
        if pick(flow, "type") != "create_entry":
            raise DemoError(f"{domain} cannot be set up: {pick(flow, 'reason') or pick(flow, 'errors')}")
        return text(flow, "result", "entry_id")

    async def _choose(self, entry: str, wanted: Mapping[str, Json]) -> None:
        """Fill in the form of an entry's options; what is not wanted otherwise stays as shipped."""
        flows = "/api/config/config_entries/options/flow"
        flow = await self.home_assistant.request("POST", flows, {"handler": entry})
        answers = fill_in(items(flow, "data_schema"), wanted)
        flow = await self.home_assistant.request("POST", f"{flows}/{text(flow, 'flow_id')}", answers)
        if pick(flow, "type") != "create_entry":
            raise DemoError(f"Spark Audio refuses the options {wanted}: {pick(flow, 'errors')}")

    async def _engines(self, entry: str) -> Engines:
        async def loaded() -> bool | None:
            async with self.home_assistant.socket() as socket:
                state = pick(await socket.call("config_entries/get_single", entry_id=entry), "config_entry", "state")
            if state in {"setup_error", "migration_error"}:
                raise DemoError(f"An integration was added, but does not start: {state}", HOME_ASSISTANT)
            return state == "loaded" or None

        await self._hass.until(loaded, within=LOADED_SECONDS)
        async with self.home_assistant.socket() as socket:
            entities = items(await socket.call("config/entity_registry/list"))
        own = [text(entity, "entity_id") for entity in entities if pick(entity, "config_entry_id") == entry]
        stt, tts = (next((name for name in own if name.startswith(f"{kind}.")), None) for kind in ("stt", "tts"))
        return Engines(stt, tts)


def fill_in(schema: Sequence[Json], wanted: Mapping[str, Json]) -> dict[str, dict[str, Json]]:
    """Answers to a form of sections. Raises BenchError for a wish that no section has a field for."""
    answers: dict[str, dict[str, Json]] = {}
    for part in schema:
        fields = {text(field, "name") for field in items(part, "schema")}
        answers[text(part, "name")] = {name: value for name, value in wanted.items() if name in fields}
    if missing := set(wanted) - {name for fields in answers.values() for name in fields}:
        # A service that is not there has no section; everything that is asked for here concerns one that is.
        raise BenchError(f"Spark Audio has no option {', '.join(sorted(missing))}.")
    return answers


@asynccontextmanager
async def house(backend: str) -> AsyncGenerator[House]:
    """Bring one up around a speech server, in a folder of its own; it ends with its use. Raises BenchError."""
    with TemporaryDirectory(prefix="spark-audio-bench-") as name, held(Path(name)) as lock:
        folder, port = Path(name), free_port(0)
        _lay_out(folder, port)
        async with Processes(folder / "logs", lock) as processes, _session() as session:
            try:
                hass = await processes.start(
                    HOME_ASSISTANT,
                    *("env", f"OPENAI_BASE_URL={backend}/openai/v1", f"PYTHONPATH={LIBRARIES}", NO_PROXY),
                    *(HASS, "--skip-pip", "--log-no-color", "-c", folder),
                    cwd=folder,
                )
                home_assistant = HomeAssistant(session, f"http://{LOOPBACK}:{port}")
                await hass.until(home_assistant.is_up, within=START_SECONDS)
                await home_assistant.sign_up(Account("bench", new_password()))
                await hass.until(home_assistant.is_running, within=START_SECONDS)
                async with home_assistant.socket() as socket:
                    await socket.call("config/core/update", **HOME)
                yield House(home_assistant, hass, processes, backend)
            except (DemoError, BenchError) as err:
                faults = err.faults if isinstance(err, DemoError) else (HOME_ASSISTANT, WYOMING)
                raise BenchError(f"{err}\n{processes.last_lines(faults)}".rstrip()) from err


def _session() -> ClientSession:
    return ClientSession(timeout=ClientTimeout(total=60, sock_connect=5))


def _lay_out(folder: Path, port: int) -> None:
    """What Home Assistant finds at its first start. Spark Audio is a copy: it must not change while it is measured."""
    (folder / "logs").mkdir()
    (folder / ".storage").mkdir()
    for name, version, data in (ONBOARDING, ("http", 1, {"server_host": [LOOPBACK], "server_port": port})):
        stored = {"version": version, "minor_version": 1, "key": name, "data": data}
        (folder / ".storage" / name).write_text(json.dumps(stored))
    for source, name in ((REPOSITORY / "custom_components/spark_audio", "spark_audio"), (AGENT, "bench_agent")):
        shutil.copytree(source, folder / "custom_components" / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(AGENT / "configuration.yaml", folder / "configuration.yaml")


async def _language(socket: Socket, kind: str, engine: str) -> str:
    """The first language of an engine that is English."""
    listing = await socket.call(f"{kind}/engine/list", language=LANGUAGE, country=COUNTRY)
    for provider in items(listing, "providers"):
        if pick(provider, "engine_id") == engine and (languages := items(provider, "supported_languages")):
            return text(languages[0])
    raise DemoError(f"{engine} is not there, or knows no English.", HOME_ASSISTANT)


async def _listens(port: int) -> bool | None:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return None
    writer.close()
    await writer.wait_closed()
    return True
