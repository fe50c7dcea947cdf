"""Text to speech as the settings of the proxy have it: words that are replaced, and loudness."""

from array import array
from math import sqrt

import pytest
from spark_engine.speech.audio import WavReader
from spark_engine.speech.replacements import Replacements

from tests.fakes.magpie import SYNTHESIZE_ONLINE
from tests.helpers.proxy.running_proxy import Proxy, StartProxy
from tests.helpers.proxy.speech import SECONDS, TEXT, seconds_in


async def say(proxy: Proxy, **fields: object) -> tuple[int, bytes]:
    """Status and body of one request."""
    body = {"model": "tts-1", "input": TEXT} | fields
    async with proxy.client.post(f"{proxy.url}/v1/audio/speech", json=body) as response:
        return response.status, await response.read()


def rms(pcm: bytes) -> float:
    """Root mean square of s16le samples."""
    samples = array("h", pcm)
    return sqrt(sum(sample * sample for sample in samples) / len(samples))


RULES = """
kitchen -> bathroom
[de]
light -> Licht
[en]
light -> lamp
"""


@pytest.mark.parametrize(
    ("fields", "spoken_instead"),
    [
        ({}, "the bathroom lamp"),
        ({"language": "de"}, "the bathroom Licht"),
        ({"voice": "Magpie-Multilingual.DE-DE.Leo"}, "the bathroom Licht"),
        ({"voice": "Magpie-Multilingual.FR-FR.Leo"}, "the bathroom light"),
    ],
)
async def test_words_are_replaced(start_proxy: StartProxy, fields: dict[str, str], spoken_instead: str) -> None:
    """By the language that is spoken: the one that is asked for, or the voice's."""
    proxy = await start_proxy(replacements=Replacements.parse(RULES))
    assert (await say(proxy, input="the kitchen light", **fields))[0] == 200
    assert [post.fields["text"] for post in proxy.magpie.posts(SYNTHESIZE_ONLINE)] == [spoken_instead]


async def test_a_nim_gets_ipa(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(replacements=Replacements.parse("Jörg -> /jœʁk/"))
    assert (await say(proxy, input="It is Jörg."))[0] == 200
    [asked] = proxy.magpie.posts(SYNTHESIZE_ONLINE)
    assert asked.fields["text"] == "<speak>It is <phoneme alphabet='ipa' ph=\"jœʁk\">Jörg</phoneme>.</speak>"


async def test_replacements_ask_nothing_of_a_magpie_that_is_away(start_proxy: StartProxy) -> None:
    """Which language it would speak needs no answer: there is an error anyway."""
    proxy = await start_proxy(replacements=Replacements.parse(RULES), magpie_url="http://127.0.0.1:9")
    assert (await say(proxy))[0] == 503


async def test_even_loudness(start_proxy: StartProxy) -> None:
    """By setting: the quiet voice of the fake is as loud as any other, and as long as before."""
    even, plain = await start_proxy(even_loudness=True), await start_proxy()
    levelled, before = [WavReader().feed((await say(proxy, response_format="wav"))[1]) for proxy in (even, plain)]
    assert len(levelled) == len(before)
    assert rms(levelled) > 1.5 * rms(before)


async def test_even_loudness_with_a_speed(start_proxy: StartProxy) -> None:
    proxy = await start_proxy(even_loudness=True)
    _, audio = await say(proxy, response_format="mp3", speed=2)
    assert seconds_in(audio) == pytest.approx(SECONDS / 2, abs=0.1)
