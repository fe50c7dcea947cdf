"""Failures on demand. A wedge: the process answers, inference does not, and only a restart cures it.

Two more need no restart: GPU memory that another program has taken, and a model that was unloaded.

It sits where the CUDA context of a real server does, behind everything that needs no inference: health, lists and the
checks of a request stay as they are.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf
from typing import override

from .engines import Engine, EngineLoading
from .refusals import Refusal, Unexplained

START_DELAY = 3.0
"""Seconds from a restart until the service is there again. A real model takes a minute or more."""

CUBLAS = (
    "CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasGemmEx( handle, opa, opb, m, n, k, &falpha, a, "
    "CUDA_R_16F, lda, b, CUDA_R_16F, ldb, &fbeta, c, CUDA_R_16F, ldc, compute_type, CUBLAS_GEMM_DEFAULT_TENSOR_OP)`"
)
"""PyTorch's text."""

ILLEGAL_ACCESS = "CUDA error: an illegal memory access was encountered"

OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate 512.00 MiB. GPU 0 has a total capacity of 119.64 GiB"
"""PyTorch's text."""


class Mode(StrEnum):
    """What a wedged service does with every inference."""

    CUBLAS = "cublas"
    """500 with CUDA text, in the server's own error shape."""
    OPAQUE500 = "opaque500"
    """500 that says nothing."""
    HANG = "hang"
    """No answer, ever."""
    GARBAGE = "garbage"
    """200: words that were not said; silence where there should be speech."""
    CUDA422 = "cuda422"
    """422 with CUDA text, as from servers that blame the request for every RuntimeError."""
    EMPTY = "empty"
    """200: no words; speech that is cut after a hundredth of a second."""
    MEMORY = "memory"
    """500 with PyTorch's text, until the memory is free again: no wedge, and no restart is needed."""


@dataclass(frozen=True, slots=True)
class Wedge:
    """What is wrong with one service, and what has been done about it; moments in monotonic seconds.

    `loaded_at` is when the model is loaded, infinity while it is unloaded and no request has come.
    """

    mode: Mode | None = None
    restarts: int = 0
    up_at: float = -inf
    loaded_at: float = -inf


def wedged(wedge: Wedge, mode: Mode) -> Wedge:
    """From now on inference fails; during a start, once it is over."""
    return replace(wedge, mode=mode)


def restarted(wedge: Wedge, now: float, delay: float) -> Wedge:
    """Start a new process, which needs `delay` seconds to start; one that was starting begins again."""
    return Wedge(restarts=wedge.restarts + 1, up_at=now + delay)


def freed(wedge: Wedge) -> Wedge:
    """The other program gives the memory back. A wedge stays."""
    return replace(wedge, mode=None) if wedge.mode is Mode.MEMORY else wedge


def unloaded(wedge: Wedge) -> Wedge:
    """The model leaves the memory until the next request."""
    return replace(wedge, loaded_at=inf)


def asked(wedge: Wedge, now: float, delay: float) -> Wedge:
    """A request came: a model that was unloaded is there after `delay` seconds."""
    return replace(wedge, loaded_at=now + delay) if wedge.loaded_at == inf else wedge


class WedgeableEngine[ModelT](Engine[ModelT]):
    """An engine whose inference can be wedged, and which can be restarted."""

    def __init__(
        self,
        load: Callable[[], ModelT],
        nonsense: Mapping[Mode, ModelT],
        start_delay: float = START_DELAY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`nonsense` are the models that stand in while the GPU computes garbage.

        `start_delay` is how many seconds a restart takes, and a load.
        """
        super().__init__(load)
        self.wedge = Wedge()
        self._nonsense = nonsense
        self._start_delay = start_delay
        self._clock = clock

    @property
    def starting(self) -> bool:
        """Return whether a restart is under way."""
        return self._clock() < self.wedge.up_at

    @property
    def loaded(self) -> bool:
        """Return whether the model is in memory."""
        return self._clock() >= self.wedge.loaded_at

    @property
    @override
    def ready(self) -> bool:
        return super().ready and not self.starting

    @property
    @override
    def full(self) -> bool:
        # A server that hangs does not count those that wait.
        return super().full and self.wedge.mode is not Mode.HANG

    def break_down(self, mode: Mode) -> None:
        """Wedge it."""
        self.wedge = wedged(self.wedge, mode)

    def free(self) -> None:
        """End a lack of memory."""
        self.wedge = freed(self.wedge)

    def unload(self) -> None:
        """Unload the model: the next request waits until it is loaded."""
        self.wedge = unloaded(self.wedge)

    def restart(self) -> None:
        """Restart it: for a while, requests get EngineLoading."""
        self.wedge = restarted(self.wedge, self._clock(), self._start_delay)

    @override
    async def steps[T](self, work: Callable[[ModelT], Generator[T]]) -> AsyncGenerator[T]:
        """As ever, or as the wedge has it. Raises EngineLoading."""
        if not self.ready:
            raise EngineLoading
        self.wedge = asked(self.wedge, self._clock(), self._start_delay)
        await asyncio.sleep(self.wedge.loaded_at - self._clock())
        mode = self.wedge.mode
        async with aclosing(super().steps(work) if mode is None else self._failing(mode, work)) as steps:
            async for step in steps:
                yield step

    async def _failing[T](self, mode: Mode, work: Callable[[ModelT], Generator[T]]) -> AsyncGenerator[T]:
        match mode:
            case Mode.CUBLAS:
                raise Refusal(500, CUBLAS)
            case Mode.MEMORY:
                raise Refusal(500, OUT_OF_MEMORY)
            case Mode.CUDA422:
                raise Refusal(422, ILLEGAL_ACCESS)
            case Mode.OPAQUE500:
                raise Unexplained
            case Mode.HANG:
                await asyncio.Event().wait()
            case Mode.GARBAGE | Mode.EMPTY:
                for step in work(self._nonsense[mode]):
                    yield step
