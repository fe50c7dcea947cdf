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

from .folders import FETCHED

INSTALL_SECONDS = 300.0


class NotInstalled(Exception):
    """Something that cannot be had here; the message says why."""


@dataclass(frozen=True, slots=True)
class Package:
    """A distribution and its version."""

    name: str
    version: str


async def install_environment(folder: Path, python: Path, wanted: Sequence[Package]) -> tuple[Path, ...]:
    """Make an environment with these packages where it is missing; return its site-packages. Raises NotInstalled."""
    if lacking(wanted, *site_packages(folder)):
        await uv("venv", "--clear", "-p", str(python), str(folder))
        await uv("pip", "install", "-p", str(folder), "--only-binary", ":all:", *pins(wanted))
    return site_packages(folder)


def site_packages(folder: Path) -> tuple[Path, ...]:
    """Return those of an environment, none where there is none."""
    return tuple(folder.glob("lib/*/site-packages"))


async def unpack_debian(package: str, program: str) -> Path:
    """Return a program out of Debian's package, unpacked and not installed: a package may start a server.

    `program` is its path in the package. Raises NotInstalled.
    """
    unpacked = FETCHED / "bin" / Path(program).name
    if not os.access(unpacked, os.X_OK):
        with tempfile.TemporaryDirectory() as folder:
            await said("apt-get", "download", "-qq", package, folder=folder)
            await said("sh", "-c", "dpkg-deb -x *.deb .", folder=folder)
            try:
                unpacked.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(f"{folder}/{program}", unpacked)
            except OSError as err:
                raise NotInstalled(f"{program} of Debian's {package} cannot be copied: {err.strerror}") from err
    return unpacked


def pins(packages: Sequence[Package]) -> tuple[str, ...]:
    """Return them as arguments of an installer."""
    return tuple(f"{package.name}=={package.version}" for package in packages)


def found(names: Sequence[str], *folders: Path) -> tuple[Package, ...]:
    """Return those of these packages that are there."""
    there = distributions(path=[str(folder) for folder in folders])
    return tuple(Package(each.name, each.version) for each in there if each.name in names)


def lacking(wanted: Sequence[Package], *folders: Path) -> set[Package]:
    """Return those that are not there in the very version that is wanted."""
    return set(wanted) - set(found([package.name for package in wanted], *folders))


async def uv(*arguments: str) -> str:
    """Return what uv says. Raises NotInstalled with its last line."""
    return await said(shutil.which("uv") or str(FETCHED / "bin/uv"), "-q", *arguments)


async def said(program: str, *arguments: str, folder: str | None = None) -> str:
    """Return what a program says. Raises NotInstalled with its last line."""
    name = Path(program).name
    environment = {**os.environ, "UV_SYSTEM_CERTS": "1"}
    try:
        process = await asyncio.create_subprocess_exec(
            program, *arguments, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, env=environment, cwd=folder
        )
    except OSError as err:
        raise NotInstalled(f"{name} cannot be started: {err.strerror}") from err
    try:
        async with asyncio.timeout(INSTALL_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise NotInstalled(f"{name} took longer than {INSTALL_SECONDS:.0f} s") from None
    text = output.decode(errors="replace").strip()
    if process.returncode:
        raise NotInstalled(text.splitlines()[-1] if text else f"{name} ended with status {process.returncode}")
    return text
