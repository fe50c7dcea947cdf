# The part of multipart 2 that the proxy uses; the package carries annotations but no py.typed.
from collections.abc import Iterator

class MultipartError(ValueError): ...
class ParserLimitReached(MultipartError): ...

class MultipartSegment:
    name: str
    def header(self, name: str, default: str) -> str: ...

class PushMultipartParser:
    def __init__(
        self,
        boundary: str,
        content_length: int = ...,
        max_header_size: int = ...,
        max_header_count: int = ...,
        max_segment_size: float = ...,
        max_segment_count: float = ...,
        header_charset: str = ...,
        strict: bool = ...,
    ) -> None: ...
    def parse(self, chunk: bytes) -> Iterator[MultipartSegment | bytes | bytearray | None]: ...
    def close(self, check_complete: bool = ...) -> None: ...

def parse_options_header(header: str) -> tuple[str, dict[str, str]]: ...
