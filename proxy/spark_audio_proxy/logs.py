"""The log on stderr: lines for people, or JSON for collectors. Every line of a request carries its id."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal, override

from spark_engine.transport import REQUEST_ID

type LogFormat = Literal["text", "json"]


def start_logging(log_format: LogFormat) -> None:
    """Log from INFO on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("zeroconf").addFilter(_without_traceback)


def _without_traceback(record: logging.LogRecord) -> bool:
    """zeroconf shows one for every network that it cannot send to; its sentence says as much."""
    record.exc_info = None
    return True


class TextFormatter(logging.Formatter):
    """`time level logger: message id=...`."""

    def __init__(self) -> None:
        """As the lines have always looked."""
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    @override
    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
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
        return json.dumps(document, ensure_ascii=False)
