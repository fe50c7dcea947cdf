"""What the texts of real CUDA failures, and of a lack of memory, are taken for."""

import pytest
from spark_engine.errors import OutOfMemory, ServerFault
from spark_engine.servers.faults import gpu_fault

MEMORY = [
    "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.10 GiB",
    "RuntimeError: CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
    "torch.OutOfMemoryError",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
    "onnxruntime::BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 37748736",
    "Available memory of 0 is smaller than requested bytes of 37748736",
    "ggml_backend_cuda_buffer_type_alloc_buffer: allocating 1024.00 MiB on device 0: cudaMalloc failed: out of memory",
    "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 1073741824 bytes.",
    "INTERNAL: CUDA error: Failed call to cuMemAlloc: CUDA_ERROR_OUT_OF_MEMORY",
    "cupy.cuda.memory.OutOfMemoryError: Out of memory allocating 4,000,000,000 bytes",
]

AMBIGUOUS = [
    "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR",
    "cuDNN error: CUDNN_STATUS_NOT_INITIALIZED",
    "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
    "cuFFT error: CUFFT_INTERNAL_ERROR",
]

BROKEN = [
    "CUDA error: device-side assert triggered",
    "CUDA error: an illegal memory access was encountered",
    "CUDA error: misaligned address",
    "CUDA error: unspecified launch failure",
    "INTERNAL: CUDA error: Failed call to cuStreamSynchronize: CUDA_ERROR_ILLEGAL_ADDRESS",
    "CUDA failure 700: an illegal memory access was encountered ; GPU=0",
    "CUBLAS failure 13: CUBLAS_STATUS_EXECUTION_FAILED",
    "CUDNN failure 5000: CUDNN_STATUS_EXECUTION_FAILED",
    "cuFFT error: CUFFT_EXEC_FAILED",
    "RuntimeError: No CUDA GPUs are available",
    "CUDA unknown error - this may be due to an incorrectly set up environment",
]

PASSING = [
    "CUDA error: operation failed due to a previous error during capture",
    "CUDA error: operation not permitted when stream is capturing",
]


@pytest.mark.parametrize("status", [400, 422, 500, 503])
@pytest.mark.parametrize("text", MEMORY)
def test_a_lack_of_memory_is_named_on_any_status(text: str, status: int) -> None:
    error = gpu_fault(text, text, status, None)
    assert isinstance(error, OutOfMemory)
    assert (error.status, error.retry_after) == (status, 30.0)
    assert error.message.startswith(f"The server lacks GPU memory ({status}): ")


def test_the_servers_own_retry_after_is_kept() -> None:
    error = gpu_fault(MEMORY[0], "", 503, 7.0)
    assert isinstance(error, OutOfMemory)
    assert error.retry_after == 7.0


@pytest.mark.parametrize(
    ("text", "has_signature", "ambiguous"),
    [(text, False, True) for text in AMBIGUOUS]
    + [(text, True, False) for text in BROKEN]
    + [(text, False, False) for text in PASSING],
)
def test_what_a_cuda_failure_says(text: str, *, has_signature: bool, ambiguous: bool) -> None:
    """A signature is a context that never works again; the ambiguous may be a lack of memory; a capture passes."""
    error = gpu_fault(text, text, 422, None)
    assert isinstance(error, ServerFault)
    assert (error.signature is not None, error.ambiguous) == (has_signature, ambiguous)


@pytest.mark.parametrize(
    "text",
    [
        *("Internal Server Error", "Audio is longer than 400 s", "no such model: cuda-asr", ""),
        # gRPC's status for everything that is too much: a long utterance of a NIM, the quota of a gateway.
        'status = StatusCode.RESOURCE_EXHAUSTED details = "Received message larger than max (5242880 vs. 4194304)"',
        "RESOURCE_EXHAUSTED: quota exceeded",
    ],
)
def test_other_texts_say_nothing_about_the_gpu(text: str) -> None:
    assert gpu_fault(text, text, 500, None) is None
