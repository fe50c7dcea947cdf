"""The documentation, held to what it says: commands run, examples parse, links lead somewhere, modules exist.

A block of shell or Python without a mark is run here, on loopback. A comment right above it says otherwise:

    <!-- run by tests/proxy/test_x.py: test_y -->
    <!-- not run here: needs Docker -->
"""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
import yaml
from embedded_spark import EmbeddedSpark
from spark_audio_proxy.config import OPTIONS, PREFIX, read_settings

from tests.helpers.proxy.browser import serving
from tests.helpers.proxy.pages import PAGES, Block, anchors, blocks, links
from tests.helpers.repository import ROOT
from tools.bench.__main__ import parse as parse_bench
from tools.screenshots.__main__ import parse as parse_screenshots

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.engines]

REASONS = (
    "needs Docker",
    "needs root",
    "needs a GPU box",
    "needs the published repository",
    "takes minutes",
)
"""Why a block is not run, each with more words behind it if they help."""

SAFE = (
    *(f"curl http://127.0.0.1:{port}/" for port in (8600, 8000, 9000)),
    "curl -X POST http://127.0.0.1:8600/",
    "spark-audio-proxy canary ",
)
"""What a block that is run may consist of."""

FLOWS = [ROOT / f"custom_components/spark_audio/{kind}_flow.py" for kind in ("config", "options")]

SHELL = blocks("sh", "bash", "shell", "console")
SCRIPT = re.compile(r"scripts/(?P<name>[a-z-]+)(?P<arguments>.*)")
SETTING = re.compile(rf"(?P<name>{PREFIX}\w+)='?(?P<value>.*?)'?")


def commands(block: Block) -> list[str]:
    """Its commands without comments, continued lines joined."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [command for line in lines if (command := re.sub(r"(^|\s+)#.*", "", line).strip())]


def made_of(block: Block, pattern: re.Pattern[str]) -> bool:
    """Whether each command is one of these."""
    return all(pattern.fullmatch(command) for command in commands(block))


UNMARKED = [block for block in SHELL if not block.mark]
SCRIPTS = [block for block in UNMARKED if made_of(block, SCRIPT)]
SETTINGS = [block for block in UNMARKED if made_of(block, SETTING)]
RUN = [block for block in UNMARKED if block not in SCRIPTS + SETTINGS]


@dataclass(frozen=True, slots=True)
class Desk:
    """Where examples are run: a folder, and what answers at the addresses that they name."""

    folder: Path
    addresses: dict[str, str]

    async def run(self, *program: str | Path, text: str) -> str:
        """What it prints. Fails unless it ends with status 0."""
        for written, real in self.addresses.items():
            text = text.replace(written, real)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        process = await asyncio.create_subprocess_exec(
            *program,
            text,
            cwd=self.folder,
            env=environment
            | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "CURL_HOME": str(self.folder)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        assert process.returncode == 0, errors.decode(errors="replace")
        return output.decode(errors="replace")


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="desk")
async def real_proxy(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Desk]:
    """A proxy with the embedded Spark, in place of the ports that the pages name."""
    folder = tmp_path_factory.mktemp("desk")
    # An answer of 400 or more ends the command, and so the example.
    (folder / ".curlrc").write_text("silent\nshow-error\nfail-with-body\n")
    async with EmbeddedSpark() as spark:
        state = str(folder / "state")
        async with serving(parakeet_url=spark.parakeet_url, magpie_url=spark.magpie_url, state_dir=state) as url:
            yield Desk(
                folder,
                {
                    "http://127.0.0.1:8600": url.rstrip("/"),
                    "ws://127.0.0.1:8600": url.rstrip("/").replace("http", "ws"),
                    "http://127.0.0.1:8000": spark.parakeet_url,
                    "http://127.0.0.1:9000": spark.magpie_url,
                },
            )


@pytest.mark.parametrize("block", RUN, ids=str)
async def test_a_command_does_what_the_page_says(desk: Desk, block: Block) -> None:
    foreign = [command for command in commands(block) if not command.startswith(SAFE)]
    assert foreign == [], "neither safe to run here nor marked"
    assert await desk.run("bash", "-euo", "pipefail", "-c", text=block.text)


async def test_what_the_contract_says_is_heard(desk: Desk) -> None:
    """The first example, down to the words."""
    first = next(block for block in RUN if block.page.name == "api.md")
    output = await desk.run("bash", "-euo", "pipefail", "-c", text=first.text)
    assert output.lower().count("kitchen light") == 2
    assert "00:00:00,000 --> " in output


@pytest.mark.parametrize("block", blocks("python"), ids=str)
async def test_a_program_does_what_the_page_says(desk: Desk, block: Block) -> None:
    """It prints what it heard."""
    assert "kitchen light" in (await desk.run(sys.executable, "-c", text=block.text)).lower()


@pytest.mark.parametrize("block", SCRIPTS, ids=str)
async def test_a_script_knows_its_options(block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    """Most take minutes: they are asked whether they would take these arguments."""
    parsers: dict[str, Callable[[list[str]], object]] = {
        "bench": parse_bench,
        "screenshots": parse_screenshots,
        "proxy": lambda given: read_settings(given, {}),
    }
    for command in commands(block):
        match = SCRIPT.fullmatch(command)
        assert match is not None
        assert os.access(ROOT / "scripts" / match["name"], os.X_OK), command
        arguments = match["arguments"].split()
        if match["name"] in parsers and (arguments or match["name"] != "bench"):
            parsers[match["name"]](arguments)
        elif arguments:
            assert f"scripts/{match['name']} {arguments[0]}" in (ROOT / "scripts" / match["name"]).read_text()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("block", SETTINGS, ids=str)
async def test_settings_are_taken(block: Block) -> None:
    given = {match["name"]: match["value"] for line in commands(block) if (match := SETTING.fullmatch(line))}
    base = {f"{PREFIX}PARAKEET_URL": "http://127.0.0.1:8000"}
    usual, taken = read_settings([], base), read_settings([], base | given)
    assert all(name.removeprefix(PREFIX).lower() in OPTIONS for name in given)
    assert taken != usual or given.items() <= base.items()


@pytest.mark.parametrize("block", [block for block in SHELL if block.mark], ids=str)
async def test_a_mark_is_true(block: Block) -> None:
    """The test that it names exists, and a reason is one of the few."""
    if match := re.fullmatch(r"run by (?P<file>tests/\S+\.py): (?P<name>\w+)", block.mark):
        assert re.search(rf"(def|class) {match['name']}\b", (ROOT / match["file"]).read_text())
    else:
        assert re.match(rf"not run here: ({'|'.join(REASONS)})\b", block.mark), block.mark


@pytest.mark.parametrize("block", blocks("yaml", "json"), ids=str)
async def test_an_example_parses(block: Block) -> None:
    assert json.loads(block.text) if block.language == "json" else list(yaml.safe_load_all(block.text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
async def test_links_lead_somewhere(page: Path) -> None:
    """To files, folders, pictures and headings of this repository."""
    lost = []
    for link in links(page):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


EXAMPLES = re.compile(r"(?:\w+\.local|192\.168\.\d+\.\d+|host\.docker\.internal|//parakeet|//magpie):(?P<port>\d+)")
PORTS = {
    "8000": "Parakeet",
    "9000": "Magpie",
    "8600": "the proxy",
    "9100": "the hook",
    "2375": "Docker",
    "2222": "SSH",
    "11434": "Ollama",
}
"""What listens on which port, wherever a reader may copy an address; docs/servers.md says so."""


@pytest.mark.parametrize(
    "path",
    [*PAGES, *(ROOT / "proxy").rglob("*.yaml"), ROOT / "proxy/.env.example", *FLOWS],
    ids=lambda path: str(path.relative_to(ROOT)),
)
async def test_one_set_of_example_ports(path: Path) -> None:
    """An address that is copied from one page fits what another page has started."""
    assert [match[0] for match in EXAMPLES.finditer(path.read_text()) if match["port"] not in PORTS] == []


async def test_every_guide_is_in_the_index() -> None:
    index = ROOT / "docs/README.md"
    assert {page for page in PAGES if page.parent == index.parent} - {index} <= {
        (index.parent / link).resolve() for link in links(index)
    }


async def test_modules_that_the_architecture_names_exist() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    paths = [str(path) for room in ("custom_components", "proxy", "tests") for path in (ROOT / room).rglob("*.py")]
    named = set(re.findall(r"[`(\s]([\w/]+\.py)\b", page))
    assert len(named) > 40
    assert [name for name in sorted(named) if not any(path.endswith(f"/{name}") for path in paths)] == []


async def test_the_readme_is_short() -> None:
    """What it is, how to use it, how it compares, what is missing; the rest is a link away."""
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150
