"""The proxy's status as Home Assistant reads it: of another version, with other services, or damaged."""

import json

import pytest
from spark_engine.healing.status import from_json
from spark_engine.models import Json, ServerName, Service
from spark_engine.servers.documents import read_json

MOMENT = "2026-11-01T12:00:00.000+00:00"


def document(*services: Json) -> dict[str, Json]:
    """A status with these services."""
    return {
        "id": None,
        "automatic_restarts": True,
        "restart_limit": 3,
        "restart_window": 1800,
        "services": list(services),
    }


def server(**changes: Json) -> dict[str, Json]:
    """A server in good health."""
    about: dict[str, Json] = {
        "name": "parakeet",
        "url": "http://spark",
        "state": "healthy",
        "since": MOMENT,
        "evidence": "",
        "last_canary": {"at": MOMENT, "latency": 0.1, "outcome": "success", "detail": ""},
        "last_success": MOMENT,
        "restart_target": None,
        "restarts": [],
        "restarts_left": 3,
        "history": [],
    }
    return about | changes


@pytest.mark.parametrize(
    "other",
    [
        {"name": "cockatoo"},
        {"name": "kitchen speaker", "url": 5},
        {"name": "parakeet-x"},
        {"name": "parakeet-01"},
        {"name": "parakeet-1"},
        {"name": "parakeet-\u0662"},
        {"name": "parakeet-" + "9" * 5_000},
        {"name": "Parakeet"},
        {"name": ""},
        {"name": None},
        {"name": ["parakeet"]},
        {"url": "http://spark"},
        {},
        "parakeet",
        None,
        7,
    ],
)
def test_services_that_are_unknown_here_are_left_out(other: Json) -> None:
    """The others are shown all the same."""
    read = from_json(document(other, server(), other))
    assert [each.name for each in read.servers] == [ServerName(Service.PARAKEET)]


@pytest.mark.parametrize(
    "text",
    [
        '{"latency": NaN}',
        '{"latency": Infinity}',
        '{"restarts_left": -Infinity}',
        '{"restarts_left": NaN}',
        '{"restarts_left": 1e999}',
        '{"since": "yesterday"}',
        '{"since": 5}',
        '{"history": {}}',
        '{"restarts": [null]}',
    ],
)
def test_numbers_that_are_none_are_no_status(text: str) -> None:
    """They could not be stored, shown or sent on."""
    changes = read_json(text.encode())
    assert isinstance(changes, dict)
    canary: dict[str, Json] = {"at": MOMENT, "latency": 0.1, "outcome": "success", "detail": ""}
    read = server(last_canary=canary | changes) if "latency" in changes else server() | changes
    with pytest.raises((KeyError, TypeError, ValueError, OverflowError)):
        from_json(document(read))


def test_what_is_whole_is_read() -> None:
    """As it comes over the wire."""
    read = from_json(read_json(json.dumps(document(server())).encode()))
    assert [(each.state, each.restarts_left) for each in read.servers] == [("healthy", 3)]
