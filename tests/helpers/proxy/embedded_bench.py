"""An embedded Spark without models, and its clock that is moved by hand: what the tests of its wedges share."""

from dataclasses import dataclass

from aiohttp import ClientSession, FormData
from embedded_spark import EmbeddedSpark
from embedded_spark.wav import write_wav

TRANSCRIPTIONS = "/v1/audio/transcriptions"
SYNTHESIZE = "/v1/audio/synthesize"
ONLINE = "/v1/audio/synthesize_online"
SECOND = write_wav(b"\x00\x01" * 16_000, 16_000)
TEXT = "Turn on the kitchen light."
LOUD = b"\x00\x10" * 22_050
INFERENCE = (TRANSCRIPTIONS, SYNTHESIZE, ONLINE)


@dataclass
class HandClock:
    """A clock that goes where it is told."""

    now: float = 1000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


@dataclass
class Bench:
    """An embedded Spark without models, its clock, and a client."""

    spark: EmbeddedSpark
    clock: HandClock
    client: ClientSession

    def url(self, path: str) -> str:
        """Where that path is served: on Parakeet's server or on Magpie's."""
        return (self.spark.parakeet_url if path == TRANSCRIPTIONS else self.spark.magpie_url) + path

    def control(self, path: str, what: str = "") -> str:
        """The control routes of the server of an inference path."""
        return self.url(path).removesuffix(path) + "/embedded" + what

    async def infer(self, path: str, text: str = TEXT, sample_rate: int = 16_000) -> tuple[int, bytes]:
        """One transcription or one synthesis: status and body."""
        form = FormData({"text": text, "sample_rate_hz": str(sample_rate)}, default_to_multipart=True)
        if path == TRANSCRIPTIONS:
            form = FormData()
            form.add_field("file", SECOND, filename="a.wav")
        async with self.client.post(self.url(path), data=form) as response:
            return response.status, await response.read()

    async def wedge(self, path: str, mode: str) -> object:
        """Wedge the server of that path."""
        async with self.client.post(self.control(path, "/wedge"), json={"mode": mode}) as response:
            assert response.status == 200
            return await response.json()

    async def restart(self, path: str) -> None:
        """Restart it."""
        async with self.client.post(self.control(path, "/restart")) as response:
            assert (response.status, await response.read()) == (204, b"")

    async def state(self, path: str) -> object:
        """What it tells about itself."""
        async with self.client.get(self.control(path)) as response:
            return await response.json()

    async def get(self, url: str) -> tuple[int, object]:
        """Status and document of a page."""
        async with self.client.get(url) as response:
            return response.status, await response.json()

    async def pages(self) -> list[tuple[int, object]]:
        """Everything that needs no inference."""
        hears = [self.spark.parakeet_url + path for path in ("/health", "/v1/models")]
        speaks = [
            self.spark.magpie_url + path for path in ("/v1/health/live", "/v1/health/ready", "/v1/audio/list_voices")
        ]
        return [await self.get(url) for url in hears + speaks]


def form_for(path: str) -> FormData:
    """A good request."""
    if path != TRANSCRIPTIONS:
        return FormData({"text": TEXT}, default_to_multipart=True)
    form = FormData()
    form.add_field("file", SECOND, filename="a.wav")
    return form
