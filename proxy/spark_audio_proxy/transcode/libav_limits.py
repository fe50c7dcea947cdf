"""A bound on what libav takes from the system in one piece."""

import ctypes
import logging

import av.frame

LOGGER = logging.getLogger(__name__)

LARGEST_BLOCK = 64 << 20
"""Bytes that libav may take in one piece: a table of 16 hours of frames fits, while a header of a few bytes may ask
for gigabytes (a compressed index, a table of equal sizes, one endless packet), and would get them."""


def limit_blocks() -> None:
    """Set the bound for the whole process.

    PyAV does not offer it. Its wheels link each module to the library that has the function; where one is linked
    otherwise, the bound is missing and the log says so.
    """
    try:
        ctypes.CDLL(av.frame.__file__).av_max_alloc(ctypes.c_size_t(LARGEST_BLOCK))
    except (OSError, AttributeError) as err:
        LOGGER.warning("Damaged recordings may take more memory than they should: libav cannot be limited (%s)", err)
