"""Requests as clients really write them: each of these was found in a client's code or in a report about one."""

import base64
import json

import pytest
from spark_audio_proxy.uploads.audio_in_json import decode_audio
from spark_engine.speech.audio import wav_header, write_wav

from tests.fakes import parakeet
from tests.fakes.parakeet import TRANSCRIPTIONS
from tests.helpers.proxy.forms import error_in, part, send, upload
from tests.helpers.proxy.recordings import tone
from tests.helpers.proxy.running_proxy import Proxy, StartProxy

WAV = write_wav(tone(0.5))
HEARD = "Turn on the kitchen light."
SPEECH = {"input": "The light is on.", "voice": "alloy"}
KEY = "the-key-of-the-house"


async def post(proxy: Proxy, path: str, body: bytes, content_type: str, **headers: str) -> tuple[int, bytes]:
    """Status and body."""
    async with proxy.client.post(
        proxy.url + path, data=body, headers={"Content-Type": content_type} | headers
    ) as response:
        return response.status, await response.read()


async def post_form(proxy: Proxy, *parts: bytes, path: str = TRANSCRIPTIONS) -> tuple[int, bytes]:
    """The same for a form of these parts."""
    return await post(proxy, path, b"".join(parts) + b"--x1--\r\n", "multipart/form-data; boundary=x1")


def raw_part(disposition: bytes, value: bytes, *headers: bytes) -> bytes:
    """A part with a Content-Disposition letter by letter."""
    lines = [b"--x1", b"Content-Disposition: form-data; " + disposition, *headers, b"", value, b""]
    return b"\r\n".join(lines)


@pytest.mark.parametrize(
    "disposition",
    [
        b'name="file"',
        b"name=file",
        b'name="file[]"',
        b"name=\"file\"; filename*=UTF-8''m%C3%BCll.wav",
        b"filename*=UTF-8''a.wav; name=\"file\"",
        b'name="file"; filename*0="a"; filename*1=".wav"',
        'name="file"; filename="Geräusch.wav"'.encode("latin-1"),
        'name="file"; filename="Geräusch.wav"'.encode(),
        b'name="file"; filename="\x80\xff\xfe.wav"',
        'name="file"; filename="音.wav"'.encode("shift_jis"),
        b'name="file"; filename=""',
        b'name="file"; filename="a\\"b;c.wav"',
    ],
)
async def test_the_part_called_file_is_the_recording(proxy: Proxy, disposition: bytes) -> None:
    """With a file name in any characters, in any form, or without one; of any size."""
    for audio in (WAV, write_wav(tone(40))):
        status, body = await post_form(proxy, raw_part(disposition, audio), part("model", b"whisper-1"))
        assert (status, json.loads(body)["text"]) == (200, HEARD)
    assert proxy.parakeet.posts(TRANSCRIPTIONS)[0].file == WAV


@pytest.mark.parametrize(
    "ignored",
    [
        raw_part(b'name="prompt"', "Müller, Größe".encode("latin-1")),
        raw_part(b'name="x"', b"\x80\x81\xff\xfe\x00"),
        raw_part('name="größe"'.encode("latin-1"), b"1"),
        raw_part(b"name=\"photo\"; filename*=UTF-8''a.jpg", b"\xff\xd8" + bytes(2 << 20)),
        raw_part(b'name="photo"; filename="\xe4.jpg"', b"\xff\xd8" + bytes(2 << 20)),
        raw_part(b'name="user"', b"a", "X-Name: Jürgen".encode("latin-1")),
        raw_part(b"", b"without a name"),
    ],
)
async def test_what_is_ignored_may_hold_anything(proxy: Proxy, ignored: bytes) -> None:
    """Characters of Latin-1, and other files."""
    status, body = await post_form(proxy, ignored, part("file", WAV, "a.wav"), ignored)
    assert (status, json.loads(body)["text"]) == (200, HEARD)


@pytest.mark.parametrize(
    ("name", "value"),
    [("language", b"\xff\xfe"), ("response_format", b"j\xe4son"), ("timestamp_granularities[]", b"w\xf6rd")],
)
async def test_what_is_read_is_still_checked(proxy: Proxy, name: str, value: bytes) -> None:
    """By a sentence about the field, and no exception's."""
    status, body = await post_form(proxy, part("file", WAV, "a.wav"), part(name, value))
    error = error_in(body)
    assert (status, error["param"]) == (400, name.removesuffix("[]"))
    assert not [word for word in ("codec", "utf", "decode") if word in error["message"].lower()]


@pytest.mark.parametrize("word", ["auto", "multi", "null", "None", "undefined", "", "  ", "AUTO", "unknown", '"auto"'])
async def test_a_word_that_names_no_language_is_not_passed_on(start_proxy: StartProxy, word: str) -> None:
    """A NIM would get `auto-AUTO`."""
    for hearing in (parakeet.openai(), parakeet.nim()):
        proxy = await start_proxy(hearing)
        status, _, _ = await send(proxy, upload(WAV, language=word))
        assert status == 200
        language = proxy.parakeet.posts(TRANSCRIPTIONS)[-1].fields.get("language")
        assert language in (None, "multi", "en-US")
        assert (await proxy.client.post(f"{proxy.url}/v1/audio/speech", json=SPEECH | {"language": word})).status == 200


async def test_a_field_may_end_with_a_line_end(proxy: Proxy) -> None:
    """As `curl -F 'response_format=<file'` sends it."""
    fields = [part("response_format", b" text\n"), part("stream", b"false\r\n"), part("channels", b"mix\n")]
    status, body = await post_form(proxy, part("file", WAV, "a.wav"), *fields)
    assert (status, body.decode()) == (200, HEARD + "\n")


@pytest.mark.parametrize(
    ("name", "nim"),
    [("English", "en-US"), ("german", "de-DE"), ("français", "fr-FR"), ("en_US.UTF-8", "en-US"), ("de\r\n", "de-DE")],
)
async def test_a_language_may_be_named(start_proxy: StartProxy, name: str, nim: str) -> None:
    proxy = await start_proxy(parakeet.nim())
    assert (await send(proxy, upload(WAV, language=name)))[0] == 200
    assert proxy.parakeet.posts(TRANSCRIPTIONS)[-1].fields["language"] == nim


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/audio/transcriptions/"),
        ("POST", "/audio/transcriptions//"),
        ("GET", "/v1/models/"),
        ("GET", "/v1/models/whisper-1/"),
        ("GET", "/v1/audio/voices/"),
        ("GET", "/v1/audio/models/"),
        ("GET", "/healthz/"),
        ("GET", "/readyz/"),
        ("GET", "/v1/health/"),
        ("GET", "/api/status/"),
        ("GET", "/metrics/"),
    ],
)
async def test_a_slash_at_the_end(start_proxy: StartProxy, method: str, path: str) -> None:
    proxy = await start_proxy(metrics=True)
    data = upload(WAV) if method == "POST" else None
    async with proxy.client.request(method, proxy.url + path, data=data) as response:
        assert response.status == 200
    async with proxy.client.post(f"{proxy.url}/v1/audio/speech/", json=SPEECH) as response:
        assert response.status == 200
    async with proxy.client.post(f"{proxy.url}/v1/audio/translations/") as response:
        assert (response.status, (await response.json())["error"]["code"]) == (400, "unsupported_endpoint")


WORD, SEGMENT, BOTH = ("word",), ("segment",), ("word", "segment")


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ([("timestamp_granularities[]", "word")], WORD),
        ([("timestamp_granularities", "word")], WORD),
        ([("timestamp_granularities[0]", "word"), ("timestamp_granularities[1]", "segment")], BOTH),
        ([("timestamp_granularities[]", "word"), ("timestamp_granularities[]", "segment")], BOTH),
        ([("timestamp_granularities[]", "word,segment")], BOTH),
        ([("timestamp_granularities", "word, segment")], BOTH),
        ([("timestamp_granularities", '["word"]')], WORD),
        ([("timestamp_granularities[]", '["word", "segment"]')], BOTH),
        ([("timestamp_granularities", "['word']")], WORD),
        ([("timestamp_granularities", "Word")], WORD),
        ([("timestamp_granularities", "words")], WORD),
        ([("timestamp_granularities[]", "word"), ("timestamp_granularities[]", "word")], WORD),
        ([("timestamp_granularities[]", "")], SEGMENT),
        ([("timestamp_granularities", "[]")], SEGMENT),
        ([("timestamp_granularities", " , ")], SEGMENT),
        ([], SEGMENT),
    ],
)
async def test_granularities_as_they_are_sent(
    proxy: Proxy, fields: list[tuple[str, str]], wanted: tuple[str, ...]
) -> None:
    """In forms, and in JSON as text or as a list."""
    parts = [part(name, value.encode()) for name, value in [("response_format", "verbose_json"), *fields]]
    status, body = await post_form(proxy, part("file", WAV, "a.wav"), *parts)
    heard = json.loads(body)
    assert (status, "words" in heard, "segments" in heard) == (200, "word" in wanted, "segment" in wanted)
    audio = {"input_audio": {"data": base64.b64encode(WAV).decode()}, "response_format": "verbose_json"}
    status, body = await post(proxy, TRANSCRIPTIONS, json.dumps(audio | dict(fields)).encode(), "application/json")
    assert status == 200


async def test_nothing_asked_for_needs_no_verbose_json(proxy: Proxy) -> None:
    status, _ = await post_form(proxy, part("file", WAV, "a.wav"), part("timestamp_granularities[]", b""))
    assert status == 200
    status, _ = await post_form(proxy, part("file", WAV, "a.wav"), part("timestamp_granularities[]", b"word"))
    assert status == 400


PLAIN = base64.b64encode(bytes(range(256))).decode()
URL_SAFE = base64.urlsafe_b64encode(bytes(range(256))).decode()


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        URL_SAFE,
        PLAIN.rstrip("="),
        URL_SAFE.rstrip("="),
        "\n".join(PLAIN[at : at + 76] for at in range(0, len(PLAIN), 76)),
        "\r\n".join(PLAIN[at : at + 64] for at in range(0, len(PLAIN), 64)) + "\r\n",
        f"  {PLAIN}\t",
        f"data:audio/wav;base64,{PLAIN}",
        f"DATA:audio/webm;codecs=opus;BASE64,{URL_SAFE}",
        f"data:;base64,{PLAIN}",
        f"data:video/webm;codecs=vp8,opus;base64,{PLAIN}",
        f'data:audio/webm;codecs="vp9,opus";base64,{PLAIN}',
        f"data:audio/wav;base64, {PLAIN}",
        "data:audio/wav;base64," + PLAIN.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D"),
    ],
)
def test_base64_in_every_spelling(text: str) -> None:
    assert decode_audio(text) == bytes(range(256))


@pytest.mark.parametrize(
    "text",
    ["@@@@", "A", "AAAAA", "AA=AA", "data:audio/wav,RIFF", "data:audio/wav;base64,@", "ü", "\ud800", "http://x/a.wav"],
)
def test_what_is_no_base64(text: str) -> None:
    with pytest.raises(ValueError):
        decode_audio(text)


@pytest.mark.parametrize(
    "document",
    [
        {"input_audio": {"data": f"data:audio/wav;base64,{base64.b64encode(WAV).decode()}", "format": "wav"}},
        {"input_audio": base64.encodebytes(WAV).decode()},
        {"file": f"data:audio/wav;base64,{base64.b64encode(WAV).decode()}", "model": "whisper-1"},
        {"input_audio": {"data": base64.urlsafe_b64encode(WAV).decode().rstrip("=")}, "language": None},
        {"input_audio": None, "file": base64.b64encode(WAV).decode()},
        {"input_audio": {"data": base64.b64encode(WAV).decode()}, "file": None},
    ],
)
async def test_audio_in_json(proxy: Proxy, document: dict[str, object]) -> None:
    status, body = await post(proxy, TRANSCRIPTIONS, json.dumps(document).encode(), "application/json")
    assert (status, json.loads(body)["text"]) == (200, HEARD)


async def test_two_recordings_in_json_are_refused(proxy: Proxy) -> None:
    """The transcript of one would look like that of both."""
    audio = base64.b64encode(WAV).decode()
    document = json.dumps({"input_audio": {"data": audio}, "file": audio}).encode()
    status, body = await post(proxy, TRANSCRIPTIONS, document, "application/json")
    assert (status, json.loads(body)["error"]["param"]) == (400, "input_audio")


AZURE = "/openai/deployments/my-whisper/audio"


class TestAzure:
    """Its clients put the deployment in the path, the version in the query, and the key in a header of its own."""

    @pytest.mark.parametrize("prefix", [AZURE, "/openai/v1/audio", "/openai/deployments/a.b-c/v1/audio", f"/{AZURE}"])
    async def test_its_paths(self, start_proxy: StartProxy, prefix: str) -> None:
        proxy = await start_proxy(api_key=(KEY,))
        headers = {"api-key": KEY}
        for path, status in (("transcriptions", 200), ("translations", 400)):
            async with proxy.client.post(
                f"{proxy.url}{prefix}/{path}?api-version=2024-06-01", data=upload(WAV), headers=headers
            ) as response:
                assert response.status == status
        async with proxy.client.post(
            f"{proxy.url}{prefix}/speech?api-version=2025-04-01-preview", json=SPEECH, headers=headers
        ) as response:
            assert (response.status, response.content_type) == (200, "audio/mpeg")

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"api-key": KEY}, 200),
            ({"Api-Key": KEY}, 200),
            ({"api-key": KEY, "Authorization": "Bearer wrong"}, 200),
            ({"api-key": "wrong"}, 401),
            ({"api-key": ""}, 401),
            ({"api-key": f"Bearer {KEY}"}, 401),
            ({"x-api-key": KEY}, 401),
        ],
    )
    async def test_its_key(self, start_proxy: StartProxy, headers: dict[str, str], status: int) -> None:
        """Accepted on every path."""
        proxy = await start_proxy(api_key=(KEY,))
        for path in (f"{AZURE}/speech", "/v1/audio/speech"):
            async with proxy.client.post(proxy.url + path, json=SPEECH, headers=headers) as response:
                assert response.status == status

    async def test_ours_are_not_below_its_path(self, proxy: Proxy) -> None:
        for path in ("/openai/deployments/a/api/status", "/openai/healthz", "/openai/deployments/a/b/audio/voices"):
            async with proxy.client.get(proxy.url + path) as response:
                assert response.status == 404


@pytest.mark.parametrize(
    ("name", "content_type", "start"),
    [
        ("ogg", "audio/ogg", b"OggS"),
        ("OGG", "audio/ogg", b"OggS"),
        ("ogg_opus", "audio/ogg", b"OggS"),
        ("MP3", "audio/mpeg", b"\xff"),
        ("pcm16", "audio/pcm", b""),
    ],
)
async def test_formats_by_other_names(proxy: Proxy, name: str, content_type: str, start: bytes) -> None:
    async with proxy.client.post(f"{proxy.url}/v1/audio/speech", json=SPEECH | {"response_format": name}) as response:
        assert (response.status, response.content_type) == (200, content_type)
        assert (await response.read()).startswith(start)


@pytest.mark.parametrize(
    ("name", "content_type", "silence"),
    [
        ("ulaw", "audio/PCMU", 0xFF),
        ("mulaw", "audio/PCMU", 0xFF),
        ("g711_ulaw", "audio/PCMU", 0xFF),
        ("alaw", "audio/PCMA", 0xD5),
        ("g711_alaw", "audio/PCMA", 0xD5),
    ],
)
async def test_g711_is_what_telephones_play(
    start_proxy: StartProxy, name: str, content_type: str, silence: int
) -> None:
    """8,000 bytes a second without a header; silence is the code that G.711 has for it."""
    proxy = await start_proxy()
    async with proxy.client.post(
        f"{proxy.url}/v1/audio/speech", json={"input": "---", "response_format": name}
    ) as response:
        assert (response.status, response.headers["Content-Type"]) == (200, content_type)
        quiet = await response.read()
    assert len(quiet) == pytest.approx(0.2 * 8_000, abs=40)
    assert set(quiet) <= {silence, silence ^ 0x80}
    async with proxy.client.post(f"{proxy.url}/v1/audio/speech", json=SPEECH | {"response_format": "wav"}) as response:
        seconds = (len(await response.read()) - len(wav_header(22_050))) / 2 / 22_050
    async with proxy.client.post(f"{proxy.url}/v1/audio/speech", json=SPEECH | {"response_format": name}) as response:
        assert len(await response.read()) == pytest.approx(seconds * 8_000, abs=80)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/v1/audio/speech", False), ("/v1/models", False), ("/v1/nothing", False), ("/v1/audio/speech", True)],
)
async def test_a_preflight_says_which_setting_is_missing(start_proxy: StartProxy, path: str, *, allowed: bool) -> None:
    """Its text is the only one that the developer of a page can see, in the browser's network tab."""
    proxy = await start_proxy(api_key=(KEY,), cors_origins=("https://app.example",) if allowed else ())
    headers = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    async with proxy.client.options(proxy.url + path, headers=headers) as response:
        assert response.status == (204 if allowed else 403)
        if not allowed:
            assert "SPARK_AUDIO_CORS_ORIGINS" in (await response.json())["error"]["message"]


async def test_options_without_an_origin_is_no_preflight(proxy: Proxy) -> None:
    async with proxy.client.options(f"{proxy.url}/v1/audio/speech") as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("nothing", ["null", "None", "undefined", "", '""', " "])
async def test_a_client_that_has_no_value_writes_so(proxy: Proxy, nothing: str) -> None:
    """JavaScript and Python make words of what is none."""
    names = ("response_format", "language", "timestamp_granularities[]", "channels", "keywords", "prompt", "stream")
    status, _, body = await send(proxy, upload(WAV, **dict.fromkeys(names, nothing)))
    assert (status, json.loads(body)["text"]) == (200, HEARD)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("response_format", "JSON"),
        ("response_format", '"json"'),
        ("channels", "Mix"),
        ("timestamp_granularities", "[]"),
    ],
)
async def test_a_choice_counts_in_any_case_and_in_quotes(proxy: Proxy, name: str, value: str) -> None:
    status, _, body = await send(proxy, upload(WAV, **{name: value}))
    assert (status, json.loads(body)["text"]) == (200, HEARD)


@pytest.mark.parametrize("speed", ["1.0", "1", "", 1, None])
async def test_a_number_may_be_text(proxy: Proxy, speed: object) -> None:
    """As forms of web pages send it."""
    body = json.dumps(SPEECH | {"speed": speed}).encode()
    status, audio = await post(proxy, "/v1/audio/speech", body, "application/json")
    assert status == 200
    assert audio


@pytest.mark.parametrize("speed", ["fast", "9", "nan", "1" * 100, [], True])
async def test_any_other_text_is_no_speed(proxy: Proxy, speed: object) -> None:
    body = json.dumps(SPEECH | {"speed": speed}).encode()
    status, answer = await post(proxy, "/v1/audio/speech", body, "application/json")
    assert (status, error_in(answer)["param"]) == (400, "speed")


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_behind_a_damaged_body_the_connection_says_that_it_closes(proxy: Proxy, encoding: str) -> None:
    """A client would send its next request on it, and lose that."""
    headers = {"Content-Type": "multipart/form-data; boundary=x1", "Content-Encoding": encoding}
    async with proxy.client.post(proxy.url + TRANSCRIPTIONS, data=b"no such coding", headers=headers) as response:
        assert response.status == 400
        assert response.headers["Connection"] == "close"
    assert (await send(proxy, upload(WAV)))[0] == 200
