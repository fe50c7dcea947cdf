"""Names that a caller expects: put right in the transcript, and handed to servers that take them."""

import json as jsonlib

import pytest
from spark_engine.speech.audio import write_wav

from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.fakes.server import json
from tests.helpers.proxy.forms import error_in, send, upload
from tests.helpers.proxy.recordings import tone
from tests.helpers.proxy.running_proxy import Proxy

SPEECH = write_wav(tone(1.5))
POST = ("POST", TRANSCRIPTIONS)


@pytest.mark.parametrize(
    ("fields", "heard", "text"),
    [
        ({"keywords": "Kallax, Ecobee"}, "The kalax is on the eco bee.", "The Kallax is on the Ecobee."),
        ({"keywords": '["Kallax", "Ecobee"]'}, "The kalax is on the eco bee.", "The Kallax is on the Ecobee."),
        ({"keywords[]": "Kallax lamp"}, "The Calax lamp is on.", "The Kallax lamp is on."),
        ({"prompt": "Kallax, Ecobee, Nuki lock."}, "The kalax is on.", "The Kallax is on."),
        ({"prompt": "Kallax; Ecobee\nNuki lock"}, "The kalax is on.", "The Kallax is on."),
        ({"prompt": "We spoke of Kallax. It was nice, too."}, "The kalax is on.", "The kalax is on."),
        ({"prompt": "Kallax"}, "The kalax is on.", "The kalax is on."),
        ({"prompt": "this is, as far as I can tell, only prose"}, "The kalax is on.", "The kalax is on."),
        ({"keywords": "Kallax"}, "The colour is on.", "The colour is on."),
        ({"keywords": ""}, "The kalax is on.", "The kalax is on."),
    ],
)
async def test_names_are_put_right(proxy: Proxy, fields: dict[str, str], heard: str, text: str) -> None:
    proxy.parakeet.answers[POST] = json({"text": heard})
    status, _, body = await send(proxy, upload(SPEECH, **fields))
    assert (status, jsonlib.loads(body)["text"]) == (200, text)


async def test_segments_have_the_names_too(proxy: Proxy) -> None:
    segments = [
        {"id": 0, "start": 0.0, "end": 1.0, "text": "The kalax"},
        {"id": 1, "start": 1.0, "end": 1.5, "text": "is on."},
    ]
    proxy.parakeet.answers[POST] = json({"text": "The kalax is on.", "segments": segments})
    fields = {"keywords": "Kallax", "response_format": "verbose_json"}
    document = jsonlib.loads((await send(proxy, upload(SPEECH, **fields)))[2])
    assert document["text"] == "The Kallax is on."
    assert [segment["text"].strip() for segment in document["segments"]] == ["The Kallax", "is on."]


@pytest.mark.parametrize("keywords", [", ".join(f"name {number}" for number in range(501)), "Kallax, " + "lamp " * 41])
async def test_too_many_or_too_long_ones_are_refused(proxy: Proxy, keywords: str) -> None:
    status, _, body = await send(proxy, upload(SPEECH, keywords=keywords))
    assert status == 400
    assert error_in(body)["param"] == "keywords"
