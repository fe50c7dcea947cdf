"""What is compared with and does not belong to the project: fetched on demand into `.tools`, which git ignores."""

import asyncio
import os
import shutil
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from .processes import REPOSITORY

TOOLS = REPOSITORY / ".tools"

INSTALL_DEADLINE = 300.0
"""Seconds."""


class NotInstalled(Exception):
    """A peer that cannot be had here; the message says why."""


@dataclass(frozen=True, slots=True)
class Package:
    """A distribution and its version."""

    name: str
    version: str


async def install_environment(folder: Path, python: Path, wanted: Sequence[Package]) -> tuple[Path, ...]:
    """An environment with these packages, made where it is missing; gives its site-packages. Raises NotInstalled."""
    if lacking(wanted, *_site_packages(folder)):
        await uv("venv", "--clear", "-p", str(python), str(folder))
        pins = (f"{package.name}=={package.version}" for package in wanted)
        await uv("pip", "install", "-p", str(folder), "--only-binary", ":all:", *pins)
    return _site_packages(folder)


def _site_packages(folder: Path) -> tuple[Path, ...]:
    return tuple(folder.glob("lib/*/site-packages"))


async def unpack_debian(package: str, program: str) -> Path:
    """A program out of Debian's package, unpacked and not installed: a package may start a server.

    `program` is its path in the package. Raises NotInstalled.
    """
    unpacked = TOOLS / "bin" / Path(program).name
    if not os.access(unpacked, os.X_OK):
        with tempfile.TemporaryDirectory() as folder:
            await _said("apt-get", "download", "-qq", package, folder=folder)
            await _said("sh", "-c", "dpkg-deb -x *.deb .", folder=folder)
            try:
                os.makedirs(unpacked.parent, exist_ok=True)  # noqa: PTH103 - one more call
                shutil.copy(f"{folder}/{program}", unpacked)
            except OSError as err:
                raise NotInstalled(f"{program} of Debian's {package} cannot be copied: {err.strerror}") from err
    return unpacked


def found(names: Sequence[str], *folders: Path) -> tuple[Package, ...]:
    """Those of these packages that are there."""
    there = distributions(path=[str(folder) for folder in folders])
    return tuple(Package(each.name, each.version) for each in there if each.name in names)


def lacking(wanted: Sequence[Package], *folders: Path) -> set[Package]:
    """Those that are not there in the very version that is wanted."""
    return set(wanted) - set(found([package.name for package in wanted], *folders))


async def uv(*arguments: str) -> str:
    """What uv says. Raises NotInstalled with its last line."""
    return await _said(shutil.which("uv") or str(TOOLS / "bin/uv"), "-q", *arguments)


async def _said(program: str, *arguments: str, folder: str | None = None) -> str:
    """What a program says. Raises NotInstalled with its last line."""
    name = Path(program).name
    environment = {**os.environ, "UV_SYSTEM_CERTS": "1"}
    try:
        process = await asyncio.create_subprocess_exec(
            program, *arguments, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, env=environment, cwd=folder
        )
    except OSError as err:
        raise NotInstalled(f"{name} cannot be started: {err.strerror}") from err
    try:
        async with asyncio.timeout(INSTALL_DEADLINE):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise NotInstalled(f"{name} took longer than {INSTALL_DEADLINE:.0f} s") from None
    text = said.decode(errors="replace").strip()
    if process.returncode:
        raise NotInstalled(text.splitlines()[-1] if text else f"{name} ended with status {process.returncode}")
    return text
