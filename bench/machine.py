"""What the machine is and what a process has used, read from Linux's /proc."""

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from .errors import BenchError

PROC = Path("/proc")

MIB = 1 << 20


def cpu_seconds(stat: str, ticks_per_second: int) -> float:
    """CPU time of a process with all its threads, in seconds, from its /proc/PID/stat (proc_pid_stat(5))."""
    # The name stands in parentheses and may hold anything, spaces and parentheses included.
    fields = stat.rpartition(")")[2].split()
    user, system = int(fields[11]), int(fields[12])
    return (user + system) / ticks_per_second


def status_bytes(status: str, name: str) -> int:
    """A size such as VmHWM (the peak of resident memory) in bytes, from /proc/PID/status (proc_pid_status(5))."""
    for line in status.splitlines():
        label, _, value = line.partition(":")
        if label == name:
            return int(value.removesuffix("kB")) << 10
    raise BenchError(f"/proc tells no {name}.")


def cpu_model(cpuinfo: str) -> str:
    """The processor's name from /proc/cpuinfo, which ARM's lacks."""
    names = (line.partition(":")[2].strip() for line in cpuinfo.splitlines() if line.startswith("model name"))
    return next(names, "processor without a name")


def used_cpu(pid: int) -> float:
    """CPU seconds that a process has used so far. Counted in ticks of usually 10 ms."""
    return cpu_seconds(_read(PROC / str(pid) / "stat"), os.sysconf("SC_CLK_TCK"))


def used_memory(pid: int, name: str) -> int:
    """Bytes of memory of a process: VmRSS is resident now, VmHWM its peak."""
    return status_bytes(_read(PROC / str(pid) / "status"), name)


@dataclass(frozen=True, slots=True)
class Vitals:
    """What a process holds at a moment: bytes of resident memory, open files (connections included), threads."""

    memory: int
    open_files: int
    threads: int


def vitals(pid: int) -> Vitals:
    """Of a process, now. Raises BenchError where it is gone."""
    folder = PROC / str(pid)
    status = _read(folder / "status")
    threads = next(line.partition(":")[2] for line in status.splitlines() if line.startswith("Threads:"))
    try:
        open_files = sum(1 for _ in (folder / "fd").iterdir())
    except OSError as err:
        raise BenchError(f"{folder}/fd cannot be read ({err.strerror}).") from err
    return Vitals(status_bytes(status, "VmRSS"), open_files, int(threads))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as err:
        raise BenchError(f"{path} cannot be read ({err.strerror}): figures come from Linux's /proc.") from err


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a measurement was made. `load` is the load average of the minute before it began."""

    cores: int
    cpu: str
    system: str
    python: str
    aiohttp: str
    load: float


def this_machine() -> Machine:
    """The machine at this moment."""
    return Machine(
        cores=os.process_cpu_count() or 1,
        cpu=cpu_model(_read(PROC / "cpuinfo")),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        aiohttp=version("aiohttp"),
        load=os.getloadavg()[0],
    )
