"""The log on stderr: lines for people, or JSON for collectors. Every line of a request carries its id."""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Literal, override

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from spark_engine.servers.transport import REQUEST_ID

type LogFormat = Literal["text", "json"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""What ends a line, or moves a terminal's cursor: it comes from URLs, and from servers' own error messages."""


def start_logging(log_format: LogFormat) -> None:
    """Log from INFO on."""
    # What no line shows need not be found out for each (Python's logging HOWTO, "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001 - named there
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("zeroconf").addFilter(_without_traceback)
    logging.getLogger("aiohttp.server").addFilter(_without_request)


def _without_traceback(record: logging.LogRecord) -> bool:
    """zeroconf shows one for every network that it cannot send to; its sentence says as much."""
    record.exc_info = None
    return True


def _without_request(record: logging.LogRecord) -> bool:
    """aiohttp shows the line that it could not read of a request, which may be the one with the key."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError | web.RequestPayloadError):
        record.exc_info = None
        record.msg, record.args = "A request that is not HTTP was refused (%s)", (type(error).__name__,)
        record.levelno, record.levelname = logging.INFO, "INFO"
    return True


class TextFormatter(logging.Formatter):
    """`time level logger: message id=...`, on one line whatever is in the message; a traceback follows on its own."""

    def __init__(self) -> None:
        """As the lines have always looked."""
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    @override
    def formatMessage(self, record: logging.LogRecord) -> str:
        line = _CONTROL.sub(lambda found: repr(found[0])[1:-1], super().formatMessage(record))
        request_id = REQUEST_ID.get()
        return f"{line} id={request_id}" if request_id else line


class JsonFormatter(logging.Formatter):
    """One object a line: `time`, `level`, `logger`, `message`, and where there are any `request_id`, `exception`."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        document = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        # The line about a request is written when that is over, and brings its id along.
        if request_id := record.__dict__.get("request_id") or REQUEST_ID.get():
            document["request_id"] = request_id
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return json.dumps(document)
