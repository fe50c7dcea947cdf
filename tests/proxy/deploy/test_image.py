"""The image: what its Dockerfile says is done here, and started as it will be."""

import asyncio
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Generator
from dataclasses import fields
from pathlib import Path
from typing import NotRequired, TypedDict
from urllib.request import Request, urlopen

import pytest
from spark_audio_proxy.config import PREFIX, Settings
from yarl import URL

from tests.fakes.server import FakeServer, running
from tests.helpers.proxy import dockerfile
from tests.helpers.proxy.dockerfile import Image
from tests.helpers.proxy.program import started
from tests.helpers.repository import ROOT

pytestmark = pytest.mark.build

DOCKERFILE = ROOT / "proxy/Dockerfile"
DOCKERFILES = [
    DOCKERFILE,
    ROOT / "proxy/deploy/home-assistant-app/Dockerfile",
    ROOT / "proxy/deploy/kubernetes/parakeet.Dockerfile",
]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
EXTRAS = ("metrics", "ssh")


@pytest.fixture(scope="module")
def image() -> Generator[Image]:
    """The target `runtime`, built from the lock file; what only the build needs is gone, and nothing can be written."""
    own = ROOT / ".tools/bin/uv"
    uv = own if own.exists() else Path(shutil.which("uv") or "uv")
    python = Path(sys.executable).resolve()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "image"
        root.mkdir()
        built = dockerfile.Build(DOCKERFILE, ROOT, root, python, uv).stage("runtime")
        shutil.rmtree(root / "src")
        (root / "usr/local/bin/uv").unlink()
        dockerfile.make_read_only(root, besides=root / "state")
        try:
            yield built
        finally:
            dockerfile.make_writable(root)


def free_port() -> str:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return str(server.getsockname()[1])


def healthy(image: Image, given: dict[str, str]) -> bool:
    """What the HEALTHCHECK finds out."""
    return subprocess.run(image.command(image.healthcheck, given), check=False, capture_output=True).returncode == 0


def run(image: Image, *arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
    """A container that ends by itself."""
    command = image.command([*image.entrypoint, *arguments], given)
    return subprocess.run(command, capture_output=True, text=True, check=False)


class TestDockerfiles:
    @pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
    def test_hadolint_finds_nothing(self, path: Path) -> None:
        hadolint = Path(sys.executable).with_name("hadolint")
        done = subprocess.run([str(hadolint), str(path)], capture_output=True, text=True, check=False)
        assert (done.stdout + done.stderr, done.returncode) == ("", 0)

    def test_hadolint_would_find_something(self, tmp_path: Path) -> None:
        wrong = tmp_path / "Dockerfile"
        wrong.write_text("FROM python\nRUN cd /tmp\n")
        hadolint = Path(sys.executable).with_name("hadolint")
        done = subprocess.run([str(hadolint), str(wrong)], capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "DL3006" in done.stdout

    def test_the_build_sees_what_it_copies_and_nothing_else(self) -> None:
        """No .env, no .git, no tests."""
        ignored = (ROOT / ".dockerignore").read_text().splitlines()
        assert [line for line in ignored if not line.startswith(("!", "#"))] == ["*", "**/__pycache__"]
        copied = {
            source
            for step in dockerfile.instructions(DOCKERFILE)
            if step.word == "COPY" and not step.rest.startswith("--")
            for source in step.rest.split()[:-1]
        }
        assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied

    def test_its_variables_are_settings(self) -> None:
        named = {name for path in DOCKERFILES for name in re.findall(rf"{PREFIX}(\w+)", path.read_text())}
        assert {"HOST", "PORT", "STATE_DIR", "EMBEDDED"} <= named
        assert {name.lower() for name in named} <= {item.name for item in fields(Settings)}

    def test_runtime_is_what_a_build_without_a_target_gives(self) -> None:
        """And both images are one but for the engines."""
        stages = dockerfile.stages(DOCKERFILE)
        assert list(stages)[-2:] == ["embedded", "runtime"]
        assert stages["runtime"][0] == stages["embedded"][0] == "base"

    def test_uv_is_the_one_that_the_project_uses(self) -> None:
        wanted = re.findall(r"^uv_version=(.*)$", (ROOT / "scripts/setup").read_text(), re.MULTILINE)
        for path in (DOCKERFILE, ROOT / "proxy/deploy/kubernetes/parakeet.Dockerfile"):
            assert re.findall(r"ghcr\.io/astral-sh/uv:([\d.]+)", path.read_text()) == wanted

    @pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
    def test_every_package_has_a_wheel_for_both_processors(self, machine: str) -> None:
        """Nothing is compiled: the slim image has no compiler."""
        packages = {item["name"]: item for item in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
        names = closure(packages, "embedded", *EXTRAS)
        assert {"aiohttp", "av", "asyncssh", "prometheus-client", "moonshine-voice", "piper-tts"} <= names
        lacking = [
            name for name in names if not any(fits(wheel["url"], machine) for wheel in packages[name].get("wheels", []))
        ]
        assert lacking == []


class Requirement(TypedDict):
    """What a package needs, as uv.lock writes it."""

    name: str
    marker: NotRequired[str]
    extra: NotRequired[list[str]]


Package = TypedDict(
    "Package",
    {
        "dependencies": NotRequired[list[Requirement]],
        "optional-dependencies": NotRequired[dict[str, list[Requirement]]],
    },
)


def closure(packages: dict[str, Package], *extras: str) -> set[str]:
    """Everything that the image installs, by name, without the project itself."""
    own = packages["spark-audio-proxy"]
    waiting = [*own["dependencies"], *(item for extra in extras for item in own["optional-dependencies"][extra])]
    found: set[str] = set()
    while waiting:
        item = waiting.pop()
        if item["name"] not in found and "win32" not in item.get("marker", ""):
            found.add(item["name"])
            waiting += packages[item["name"]].get("dependencies", [])
            for extra in item.get("extra", []):
                waiting += packages[item["name"]]["optional-dependencies"][extra]
    return found


def fits(url: str, machine: str) -> bool:
    """Whether a wheel can be installed in the image: Python 3.14, glibc."""
    python, abi, platforms = url.rpartition("/")[2].removesuffix(".whl").split("-")[-3:]
    new_enough = any(tag in ("py3", "cp314") or (tag.startswith("cp3") and abi == "abi3") for tag in python.split("."))
    return new_enough and any(
        tag == "any" or (tag.startswith("manylinux") and tag.endswith(machine)) for tag in platforms.split(".")
    )


class TestContainer:
    """The RUN steps were run, and this starts what they made."""

    def test_it_starts_and_is_healthy(self, image: Image) -> None:
        """By its own HEALTHCHECK, which fails before the start."""
        given = {
            "SPARK_AUDIO_HOST": "127.0.0.1",
            "SPARK_AUDIO_PORT": free_port(),
            "SPARK_AUDIO_API_KEY": "the-key-of-the-house",
            "SPARK_AUDIO_MAGPIE_URL": "http://127.0.0.1:9",
            "SPARK_AUDIO_METRICS": "on",
        }
        assert not healthy(image, given)
        with started(image.command(image.entrypoint, given)) as url:
            assert url == f"http://127.0.0.1:{given['SPARK_AUDIO_PORT']}"
            assert healthy(image, given)
            with urlopen(Request(f"{url}/metrics", headers={"Authorization": "Bearer the-key-of-the-house"})) as answer:
                assert b"spark_build_info" in answer.read()
        assert not healthy(image, given)
        assert (image.root / "state/magpie.json").exists()

    async def test_an_answer_is_not_enough(self, image: Image) -> None:
        """Something else on that port does not make it healthy."""
        async with running(FakeServer()) as other:
            given = {"SPARK_AUDIO_HOST": "127.0.0.1", "SPARK_AUDIO_PORT": str(URL(other.url).port)}
            assert not await asyncio.to_thread(healthy, image, given)
            assert [asked.path for asked in other.asked] == ["/healthz"]

    @pytest.mark.parametrize("place", ["opt/spark-audio/x", "opt/spark-audio/bin/spark-audio-proxy", "etc/passwd", "x"])
    def test_nothing_else_can_be_written(self, image: Image, place: str) -> None:
        """The test above relies on it."""
        command = image.command(
            [sys.executable, "-c", "import sys; open(sys.argv[1], 'w')", str(image.root / place)], {}
        )
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "PermissionError" in done.stderr

    def test_beyond_loopback_it_wants_a_key(self, image: Image) -> None:
        """The image listens on every address, so it must be told a key."""
        done = run(image, SPARK_AUDIO_MAGPIE_URL="http://127.0.0.1:9")
        assert done.returncode == 1
        assert "0.0.0.0 is open to the network" in done.stderr

    def test_it_has_the_extra_for_ssh(self, image: Image) -> None:
        """What is missing is the key, not the package."""
        target = "ssh://user@spark.local/nowhere/key?known_hosts=/nowhere/known_hosts"
        done = run(
            image,
            SPARK_AUDIO_HOST="127.0.0.1",
            SPARK_AUDIO_MAGPIE_URL="http://127.0.0.1:9",
            SPARK_AUDIO_MAGPIE_RESTART_SSH=target,
        )
        assert done.returncode == 1
        assert "/nowhere/key: No such file or directory" in done.stderr

    def test_it_sends_canaries(self, image: Image) -> None:
        """Arguments go to the program: a probe can be run in the container."""
        done = run(image, "canary", "magpie", "--url", "http://127.0.0.1:9")
        assert done.returncode == 1
        assert "No connection to 127.0.0.1:9" in done.stdout

    def test_it_runs_as_a_user_of_its_own(self, image: Image) -> None:
        """The user is in its list of users, and owns the state."""
        assert image.user == "65532:65532"
        assert "spark-audio:x:65532:65532:" in (image.root / "etc/passwd").read_text()
        assert "spark-audio:x:65532:" in (image.root / "etc/group").read_text()
        assert (image.root / "state").stat().st_mode & 0o777 == 0o700

    def test_only_what_is_locked_is_installed(self, image: Image) -> None:
        """No development tools, no engines."""
        (packages,) = (image.root / "opt/spark-audio/lib").glob("python3.14/site-packages")
        names = {path.name.partition("-")[0].lower().replace("_", "-") for path in packages.glob("*.dist-info")}
        locked = {item["name"]: item for item in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
        assert names == closure(locked, *EXTRAS) | {"spark-audio-proxy"}


class TestWorkflows:
    """What builds and pushes."""

    @pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
    def test_actions_are_pinned(self, path: Path) -> None:
        """To a commit, with its version beside it."""
        used = re.findall(r"uses: (?!\./)(.*)$", path.read_text(), re.MULTILINE)
        assert used
        assert [line for line in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # \S+", line)] == []

    def test_the_images_are_those_that_others_name(self) -> None:
        """Compose, Kubernetes and the app ask for what is pushed."""
        workflow = (ROOT / ".github/workflows/image.yml").read_text()
        assert "IMAGE: ghcr.io/${{ github.repository_owner }}/spark-audio-proxy\n" in workflow
        assert "images: ${{ env.IMAGE }}-app\n" in workflow
        assert "suffix=-embedded," in workflow
        assert workflow.count("platforms: ${{ env.PLATFORMS }}") == workflow.count("push: true") == 3
