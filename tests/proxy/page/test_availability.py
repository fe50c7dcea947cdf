"""The strip of the last day: what share of it a server could be used."""

import pytest
from spark_audio_proxy.availability import BUCKET, BUCKETS, Availability
from spark_audio_proxy.journal import RequestServed, ServerEvent
from spark_engine.healing.health import State, Transition
from spark_engine.models import ServerName, Service

PARAKEET = ServerName(Service.PARAKEET)
START = 1000 * BUCKET


class Scene:
    """One server, and a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = START
        self.availability = Availability(lambda: self.now)
        self._state = State.UNKNOWN

    def become(self, state: State, seconds: float) -> None:
        """Be in a state for so long."""
        event = Transition(at=self.now, before=self._state, after=state, evidence="")
        self.availability.tell(ServerEvent(PARAKEET, event))
        self._state = state
        self.now += seconds

    @property
    def buckets(self) -> list[float | None]:
        buckets = self.availability.of(PARAKEET)["buckets"]
        assert isinstance(buckets, list)
        assert len(buckets) == BUCKETS
        return [bucket if isinstance(bucket, float) else None for bucket in buckets]

    @property
    def ratio(self) -> object:
        return self.availability.of(PARAKEET)["ratio"]


def test_nothing_is_known_at_first() -> None:
    scene = Scene()
    assert scene.ratio is None
    assert scene.buckets == [None] * BUCKETS


def test_a_wedge_costs_its_time() -> None:
    scene = Scene()
    scene.become(State.HEALTHY, BUCKET * 1.5)
    scene.become(State.WEDGED, BUCKET * 0.1)
    scene.become(State.RESTARTING, BUCKET * 0.1)
    scene.become(State.HEALTHY, BUCKET * 0.1)
    assert scene.buckets[-2:] == [1.0, 0.75]
    assert scene.ratio == pytest.approx(1.6 / 1.8, abs=1e-4)


@pytest.mark.parametrize("state", [State.HEALTHY, State.SUSPECT, State.ASLEEP])
def test_what_serves_requests_is_usable(state: State) -> None:
    scene = Scene()
    scene.become(state, 10)
    assert scene.ratio == 1.0


def test_the_strip_moves_on_and_forgets() -> None:
    scene = Scene()
    scene.become(State.UNREACHABLE, BUCKET)
    scene.become(State.HEALTHY, BUCKET * (BUCKETS - 1) - 1)
    assert scene.buckets[0] == 0.0
    scene.now += BUCKET
    assert scene.buckets == [1.0] * BUCKETS
    scene.now += 10 * BUCKET * BUCKETS
    assert scene.ratio == 1.0


def test_a_clock_that_is_set_back_does_no_harm() -> None:
    scene = Scene()
    scene.become(State.HEALTHY, 600)
    assert scene.ratio == 1.0
    scene.now -= 300
    scene.become(State.WEDGED, 100)
    ratio = scene.ratio
    assert isinstance(ratio, float)
    assert 0 < ratio < 1


def test_other_events_do_not_count() -> None:
    scene = Scene()
    scene.availability.tell(RequestServed("/v1/models", "ok", 0.1, 200, None))
    assert scene.ratio is None
