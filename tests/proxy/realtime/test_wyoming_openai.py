"""wyoming-openai with STT_REALTIME_MODELS: the client of the realtime door that Home Assistant's users have."""

import pytest

from tests.fakes import live_parakeet
from tests.fakes.live_parakeet import BYTES_PER_WORD, Live
from tests.fakes.parakeet import CUDA, TEXT, TRANSCRIPTIONS
from tests.fakes.server import json
from tests.helpers.proxy.running_proxy import StartProxy
from tests.helpers.proxy.spoken import silence, words
from tests.helpers.proxy.wyoming_openai import running, satellite

pytestmark = pytest.mark.slow


async def test_a_command(start_proxy: StartProxy) -> None:
    """With a key. Its words come in a pause, the whole at its end; and another command after that."""
    proxy = await start_proxy(api_key=("right",))
    async with running(proxy.url, "right") as port:
        for _ in range(2):
            async with satellite(port) as speaker:
                speaker.say(silence(0.3) + words() + silence(0.5))
                assert await speaker.told("transcript-chunk") == TEXT.removesuffix(".")
                speaker.end()
                assert await speaker.told("transcript") == TEXT
    assert len(proxy.parakeet.posts(TRANSCRIPTIONS)) == 2


async def test_words_come_while_they_are_spoken(start_proxy: StartProxy) -> None:
    """From a server that hears live."""
    proxy = await start_proxy(live_parakeet.streaming_nim(Live()))
    async with running(proxy.url) as port, satellite(port) as speaker:
        for word in ("Turn", " on", " the"):
            # A converter keeps some samples back.
            speaker.say(bytes(BYTES_PER_WORD + 640))
            assert await speaker.told("transcript-chunk") == word
        speaker.end()
        assert await speaker.told("transcript") == TEXT


async def test_a_parakeet_that_fails(start_proxy: StartProxy) -> None:
    """It says so, instead of waiting."""
    proxy = await start_proxy()
    proxy.parakeet.answers["POST", TRANSCRIPTIONS] = json({"detail": CUDA}, status=500)
    async with running(proxy.url) as port, satellite(port) as speaker:
        speaker.say(words())
        speaker.end()
        assert "failed" in (await speaker.told("error")).lower()
