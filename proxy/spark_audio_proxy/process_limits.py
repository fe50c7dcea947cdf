"""What the process asks of the operating system before it serves."""

import ctypes
import resource
from contextlib import suppress

MOST_FILES = 1 << 16
"""Open files to ask for: the usual 1,024 are fewer than 1,000 callers and their requests to the services need."""

LARGE_BLOCK = 1 << 20
"""Bytes from which a block of memory is the system's own, so that it goes back to it as soon as it is freed."""

KEPT_FREE = 16 << 20
"""Bytes of free memory that are kept at hand: a voice turn must not fetch anew what the one before it gave back."""

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3


def prepare() -> None:
    """Allow many connections, and let memory be taken and given back in a way that fits uploads."""
    # A sandbox may refuse to tell, or to change anything; then things stay as they are.
    with suppress(ValueError, OSError):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = MOST_FILES if most == resource.RLIM_INFINITY else min(MOST_FILES, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    # glibc's (mallopt(3)); others do without. Left alone it moves both limits with what is freed, and some processes
    # give back and take again 350 KiB for each voice turn, a fifth of its time, while large uploads leave holes.
    with suppress(AttributeError, OSError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, LARGE_BLOCK)
        mallopt(_M_TRIM_THRESHOLD, KEPT_FREE)
