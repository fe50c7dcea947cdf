"""A wheel of PyAV that is linked otherwise costs the bound on libav's memory, and not the proxy."""

import ctypes

import av.frame
import pytest
from spark_audio_proxy.transcode.libav_limits import LARGEST_BLOCK, limit_blocks


def test_the_bound_is_set_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    """The installed wheel has the function: the decoder refuses a larger block from here on."""
    limit_blocks()
    assert not caplog.records
    libav = ctypes.CDLL(av.frame.__file__)
    libav.av_malloc.restype = ctypes.c_void_p
    assert libav.av_malloc(ctypes.c_size_t(LARGEST_BLOCK + 1)) is None


@pytest.mark.parametrize("library", [ctypes.__file__, "libc.so.6"], ids=["no library", "no such function"])
def test_a_wheel_without_the_function_is_said_and_no_more(
    library: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A Python file is no library (OSError); the C library has no av_max_alloc (AttributeError)."""
    monkeypatch.setattr(av.frame, "__file__", library)
    limit_blocks()
    assert "Damaged recordings may take more memory than they should" in caplog.text
