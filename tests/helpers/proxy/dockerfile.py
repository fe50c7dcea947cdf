"""Follows a Dockerfile without Docker: its RUN steps are run, in a folder that stands for the image's file system."""

import json
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

PLACES = re.compile(r"(?<![\w/.])/(?:opt/spark-audio|usr/local/bin|src|state|etc/passwd|etc/group)(?![\w.-])")
"""The absolute paths that belong to the image; all others are this machine's."""

NETWORK = re.compile(r"(?i)(ssl_cert_file|ssl_cert_dir|\w+_proxy|uv_(default_)?index\w*|uv_system_certs|uv_cache_dir)")
"""The variables that tell how this machine reaches the package index."""


@dataclass(frozen=True, slots=True)
class Step:
    """One instruction, its lines joined."""

    word: str
    rest: str


@dataclass(slots=True)
class Image:
    """What an image says of itself, and the folder that holds its files."""

    root: Path
    environment: dict[str, str]
    folder: Path
    user: str = "root"
    entrypoint: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)

    def inside(self, text: str) -> str:
        """The same text with the image's paths as they are on this machine."""
        return PLACES.sub(lambda match: f"{self.root}{match[0]}", text)

    def command(self, words: Sequence[str], given: Mapping[str, str]) -> list[str]:
        """The words as a container of this image runs them: given these variables, without rights beyond its files'."""
        drop = ["/usr/bin/setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
        variables = [f"{key}={value}" for key, value in {**self.environment, **given}.items()]
        # Who is not root has no such rights to drop.
        return ["/usr/bin/env", "-i", *variables, *(drop if os.geteuid() == 0 else []), *words]


def instructions(path: Path) -> list[Step]:
    """Comments and line continuations are gone."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", "")
    return [Step(*line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def stages(path: Path) -> dict[str, tuple[str, list[Step]]]:
    """Each stage's base and steps, by name."""
    found: dict[str, tuple[str, list[Step]]] = {}
    for step in instructions(path):
        if step.word == "FROM":
            base, _, name = step.rest.partition(" AS ")
            found[name] = (base, [])
        else:
            list(found.values())[-1][1].append(step)
    return found


@dataclass(slots=True)
class Build:
    """Builds stages. All share one folder, so what is copied from one to another has to keep its place."""

    path: Path
    context: Path
    root: Path
    python: Path
    uv: Path
    done: dict[str, Image] = field(default_factory=dict)

    def stage(self, name: str) -> Image:
        """The image of a stage, once."""
        if name not in self.done:
            base, steps = stages(self.path)[name]
            image = self.done[name] = self._start(base)
            for step in steps:
                self._follow(image, step)
        return self.done[name]

    def _start(self, base: str) -> Image:
        if base in stages(self.path):
            below = self.stage(base)
            return replace(below, environment=dict(below.environment))
        assert base == "python:3.14-slim"
        tools = self.root / "usr/local/bin"
        if not tools.exists():
            tools.mkdir(parents=True)
            (self.root / "etc").mkdir()
        return Image(self.root, {"PATH": f"{tools}:{self.python.parent}:/usr/bin:/bin"}, self.root)

    def _follow(self, image: Image, step: Step) -> None:
        match step.word:
            case "COPY":
                self._copy(image, *step.rest.split())
            case "RUN":
                _run(image, step.rest)
            case "ENV":
                for item in image.inside(step.rest).split():
                    key, _, value = item.partition("=")
                    image.environment[key] = value.replace("$PATH", image.environment["PATH"])
            case "WORKDIR":
                image.folder = Path(image.inside(step.rest))
                image.folder.mkdir(exist_ok=True)
            case "USER":
                image.user = step.rest
            case "ENTRYPOINT":
                image.entrypoint = json.loads(step.rest)
            case "HEALTHCHECK":
                image.healthcheck = json.loads(step.rest.partition(" CMD ")[2])
            case other:
                assert other == "EXPOSE", f"{other} is not followed here"

    def _copy(self, image: Image, *words: str) -> None:
        *sources, destination = words
        if sources[0].startswith("--from=ghcr.io/astral-sh/uv:"):
            Path(image.inside(destination)).symlink_to(self.uv)
        elif sources[0].startswith("--from="):
            assert sources[1:] == [destination]
            self.stage(sources[0].removeprefix("--from="))
            assert Path(image.inside(destination)).exists()
        else:
            for source in sources:
                _copy_in(self.context / source, image.folder / destination, many=destination.endswith("/"))


def _copy_in(source: Path, destination: Path, *, many: bool) -> None:
    if source.is_dir():
        shutil.copytree(source, destination, ignore=shutil.ignore_patterns("__pycache__"))
        return
    destination = destination / source.name if many else destination
    destination.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, destination)


def _run(image: Image, script: str) -> None:
    """With only the way to the package index of this process's environment. The current user is the image's user."""
    script = script.replace("-o 65532", f"-o {os.getuid()}").replace("-g 65532", f"-g {os.getgid()}")
    network = {key: value for key, value in os.environ.items() if NETWORK.fullmatch(key)}
    subprocess.run(
        ["/bin/sh", "-c", image.inside(script)],
        env={"UV_SYSTEM_CERTS": "1"} | network | image.environment,
        cwd=image.folder,
        check=True,
    )


def make_read_only(tree: Path, besides: Path) -> None:
    """Take every right to write away, except below one folder."""
    for path in [tree, *tree.rglob("*")]:
        if not (path.is_symlink() or path == besides or besides in path.parents):
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)


def make_writable(tree: Path) -> None:
    """Give the rights back, so that it can be removed."""
    for path in [tree, *tree.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
