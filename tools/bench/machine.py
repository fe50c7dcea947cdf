"""What the machine is and what a process has used, read from Linux's /proc."""

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tools.stack.errors import ToolError

PROC = Path("/proc")

MIB = 1 << 20


def cpu_seconds(stat: str, ticks_per_second: int) -> float:
    """Return the CPU time of a process with all its threads, in seconds, from its /proc/PID/stat (proc_pid_stat(5))."""
    # The name stands in parentheses and may hold anything, spaces and parentheses included.
    fields = stat.rpartition(")")[2].split()
    user, system = int(fields[11]), int(fields[12])
    return (user + system) / ticks_per_second


def field(status: str, name: str) -> str:
    """Return the value of a line `name: value`, as in /proc/PID/status and /proc/cpuinfo. Raises ToolError."""
    for line in status.splitlines():
        label, _, value = line.partition(":")
        if label.strip() == name:
            return value.strip()
    raise ToolError(f"/proc tells no {name}.")


def used_cpu(pid: int) -> float:
    """Return the CPU seconds that a process has used so far, counted in ticks of usually 10 ms. Raises ToolError."""
    return cpu_seconds(_read(PROC / str(pid) / "stat"), os.sysconf("SC_CLK_TCK"))


def used_memory(pid: int, name: str) -> int:
    """Return the bytes of memory of a process: VmRSS is resident now, VmHWM its peak. Raises ToolError."""
    return int(field(_read(PROC / str(pid) / "status"), name).removesuffix("kB")) << 10


@dataclass(frozen=True, slots=True)
class Vitals:
    """What a process holds at a moment: bytes of resident memory, open files (connections included), threads."""

    memory: int
    open_files: int
    threads: int


def vitals(pid: int) -> Vitals:
    """Return those of a process, now. Raises ToolError where it is gone."""
    folder = PROC / str(pid)
    threads = int(field(_read(folder / "status"), "Threads"))
    return Vitals(used_memory(pid, "VmRSS"), len(list((folder / "fd").iterdir())), threads)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as err:
        raise ToolError(f"{path} cannot be read ({err.strerror}): figures come from Linux's /proc.") from err


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
    """Return the machine at this moment."""
    cpuinfo = _read(PROC / "cpuinfo")
    return Machine(
        cores=os.process_cpu_count() or 1,
        # ARM's has no name.
        cpu=field(cpuinfo, "model name") if "model name" in cpuinfo else "processor without a name",
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        aiohttp=version("aiohttp"),
        load=os.getloadavg()[0],
    )
