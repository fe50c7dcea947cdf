"""The error tree is what its drawing says."""

import pytest
from spark_engine import errors
from spark_engine.errors import Busy, SparkError


def test_every_error_is_a_direct_child_of_the_base() -> None:
    """Callers decide differently on each: a child of a child would be decided on twice."""
    classes = [item for item in vars(errors).values() if isinstance(item, type) and item is not SparkError]
    tree = [child for child in classes if issubclass(child, Exception)]
    assert {child.__base__ for child in tree} == {SparkError}
    assert {child.__name__ for child in tree} == {
        *("Unreachable", "TimedOut", "ServerFault", "OutOfMemory", "WrongServer"),
        *("Busy", "Unauthorized", "Held", "Rejected"),
    }


@pytest.mark.parametrize("name", [child.__name__ for child in SparkError.__subclasses__()])
def test_the_drawing_names_every_error(name: str) -> None:
    """The docstring is the map."""
    assert f"─ {name} " in (errors.__doc__ or "")


def test_an_error_carries_its_sentence_status_and_retry_after() -> None:
    """What a host needs for its answer."""
    error = Busy("Loading.", status=503, retry_after=7.0)
    assert (str(error), error.message, error.status, error.retry_after) == ("Loading.", "Loading.", 503, 7.0)
