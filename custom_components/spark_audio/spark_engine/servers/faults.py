"""What a server's error text gives away about its GPU. As PyTorch, ONNX Runtime, ggml and JAX write it."""

from ..errors import OutOfMemory, ServerFault

_MEMORY = (
    "out of memory",
    "out_of_memory",
    "outofmemory",
    "cudaerrormemoryallocation",
    "_alloc_failed",
    "failed to allocate",
    "is smaller than requested bytes",
)
"""A lack of memory, which passes. PyTorch writes `CUDA error: out of memory`, too: this comes before all others.

Not `RESOURCE_EXHAUSTED`: JAX says beside it that it is memory, and gRPC says it of messages and quotas.
"""

_AMBIGUOUS = (
    "cudnn_status_internal_error",
    "cudnn_status_not_initialized",
    "cublas_status_not_initialized",
    "cufft_internal_error",
)
"""A library that could not begin: with a broken context and with a lack of memory."""

_PASSING = ("previous error during capture", "when stream is capturing")
"""The capture of a CUDA graph that another thread has disturbed: the next request works."""

_BROKEN = (
    "cuda error",
    "cudaerror",
    "cuda failure",
    "cuda_error",
    "cuda unknown error",
    "cublas_status_",
    "cublas failure",
    "cudnn_status",
    "cudnn failure",
    "cufft error",
    "illegal memory access",
    "device-side assert",
    "no cuda gpus are available",
    "no cuda-capable device",
)
"""A broken CUDA context, or a GPU that is gone: the process never works again."""


def gpu_fault(text: str, said: str, status: int, retry_after: float | None) -> OutOfMemory | ServerFault | None:
    """Return the error that the text of an answer stands for, on any status: some servers send it with a 4xx.

    `said` is the server's own sentence, for people. None where the text says nothing about the GPU.
    """
    text = text.lower()
    if _found(text, _MEMORY):
        message = f"The server lacks GPU memory ({status}): {said}"
        return OutOfMemory(message, status=status, said=said, retry_after=30.0 if retry_after is None else retry_after)
    message = f"The server reports a CUDA failure ({status}): {said}"
    if _found(text, _AMBIGUOUS):
        return ServerFault(message, status=status, said=said, ambiguous=True)
    if _found(text, _PASSING):
        return ServerFault(message, status=status, said=said)
    if signature := _found(text, _BROKEN):
        return ServerFault(message, status=status, said=said, signature=signature)
    return None


def _found(text: str, signs: tuple[str, ...]) -> str | None:
    return next((sign for sign in signs if sign in text), None)
