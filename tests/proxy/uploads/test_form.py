"""The form reader against forms of every kind, cut in every place."""

import base64
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spark_audio_proxy.problems import Problem
from spark_audio_proxy.uploads.form import Form, read_form
from spark_audio_proxy.uploads.multipart_reader import LARGEST_FIELD, LONGEST_CODE, FormReader
from spark_engine.speech.audio import write_wav

from tests.helpers.proxy.forms import part
from tests.helpers.proxy.recordings import tone

BOUNDARY = "x1"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"

TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
NAMES = st.sampled_from(["model", "language", "prompt", "timestamp_granularities[]", "x"])


async def cut(body: bytes, places: list[int]) -> AsyncGenerator[bytes]:
    """The body in pieces; HTTP cuts where it likes."""
    ends = sorted({place % (len(body) + 1) for place in places})
    for start, end in zip([0, *ends], [*ends, len(body)], strict=True):
        if body[start:end]:
            yield body[start:end]


@given(
    fields=st.lists(st.tuples(NAMES, TEXT), max_size=6),
    audio=st.binary(max_size=200),
    position=st.integers(0, 6),
    places=st.lists(st.integers(0, 2000), max_size=6),
)
async def test_any_form_cut_anywhere_is_read_whole(
    fields: list[tuple[str, str]], audio: bytes, position: int, places: list[int]
) -> None:
    """Every value in order, the file untouched, wherever it is."""
    parts = [part(name, value.encode()) for name, value in fields]
    parts.insert(position, part("file", audio, "a.wav"))
    form = await read_form(TYPE, cut(b"".join(parts) + b"--x1--\r\n", places))
    expected: dict[str, list[str]] = {}
    for name, value in fields:
        expected.setdefault(name.removesuffix("[]"), []).append(value)
    assert form.fields == expected
    assert form.upload is not None
    assert (form.upload.data.tell(), form.upload.data.read()) == (0, audio)


@given(body=st.binary(max_size=300), places=st.lists(st.integers(0, 300), max_size=4), framed=st.booleans())
async def test_garbage_is_a_problem_and_nothing_else(body: bytes, places: list[int], *, framed: bool) -> None:
    """The answer is a form or a 400."""
    try:
        answer: Form | Problem = await read_form(TYPE, cut(b"--x1\r\n" + body if framed else body, places))
    except Problem as problem:
        answer = problem
    assert isinstance(answer, Form) or answer.status in (400, 413)


@given(end=st.integers(0, 150))
async def test_a_form_that_was_cut_is_never_taken_for_whole(end: int) -> None:
    """Half an upload must not become half a transcript."""
    body = part("model", b"whisper-1") + part("file", b"RIFF" * 10, "a.wav") + b"--x1--"
    if end < len(body):
        with pytest.raises(Problem, match="400"):
            await read_form(TYPE, cut(body[:end], []))


async def test_files_of_other_names_are_passed_over() -> None:
    """Only `file` is the recording, and one that is empty is none where another one is not."""
    empty, other = part("file", b"", "a.wav"), part("other", b"1", "o.bin")
    for parts in (
        (other, part("file", b"2", "a.wav")),
        (empty, part("file", b"2"), other),
        (part("file", b"2"), empty),
    ):
        form = await read_form(TYPE, cut(b"".join(parts) + b"--x1--", []))
        assert form.upload is not None
        assert form.upload.data.read() == b"2"
        assert form.fields == {}


async def test_two_recordings_are_refused() -> None:
    """The transcript of one would look like that of both."""
    body = part("file", b"2", "a.wav") + part("file[]", b"3", "b.wav") + b"--x1--"
    with pytest.raises(Problem, match="The form holds two recordings"):
        await read_form(TYPE, cut(body, []))


async def test_a_form_without_a_boundary_says_so() -> None:
    """As where a program writes the Content-Type itself."""
    for content_type in ("multipart/form-data", "Multipart/Form-Data; boundary="):
        with pytest.raises(Problem, match="The Content-Type has no boundary"):
            await read_form(content_type, cut(b"--x1--", []))


ENCODING = "Content-Transfer-Encoding: "


@given(audio=st.binary(max_size=300), places=st.lists(st.integers(0, 900), max_size=6), width=st.integers(1, 80))
async def test_a_file_and_fields_that_came_coded(audio: bytes, places: list[int], width: int) -> None:
    """As libraries for mail write them, wrapped anywhere."""
    text = base64.b64encode(audio)
    wrapped = b"\r\n".join(text[at : at + width] for at in range(0, len(text), width))
    parts = [
        part("prompt", base64.b64encode("Grüße".encode()), None, ENCODING + "BASE64"),
        part("file", wrapped, "a.wav", "Content-Type: audio/wav", ENCODING + "base64"),
        part("model", b"whisper=2D=\r\n1=20caf=C3=A9", None, ENCODING + "Quoted-Printable"),
    ]
    form = await read_form(TYPE, cut(b"".join(parts) + b"--x1--", places))
    assert form.fields == {"prompt": ["Grüße"], "model": ["whisper-1 café"]}
    assert form.upload is not None
    assert form.upload.data.read() == audio


@pytest.mark.parametrize("name", ["7bit", "8bit", "binary", "Binary", "8BIT; x=1"])
async def test_parts_that_say_that_they_are_not_coded(name: str) -> None:
    """They are taken as they come."""
    body = part("file", b"=AA=\r\n", "a.wav", ENCODING + name) + part("x", b"=41", None, ENCODING + name) + b"--x1--"
    form = await read_form(TYPE, cut(body, []))
    assert form.upload is not None
    assert (form.upload.data.read(), form.fields) == (b"=AA=\r\n", {"x": ["=41"]})


@pytest.mark.parametrize(
    ("value", "encoding", "said"),
    [
        (b"RIFF@", "base64", "'file' is not coded as its Content-Transfer-Encoding says."),
        (b"AA==AAAA", "base64", "'file' is not coded as"),
        (b"AA==A", "base64", "'file' is not coded as"),
        (b"AAAAA", "base64", "'file' is not coded as"),
        (b"AAAA", "quoted-printable", "The Content-Transfer-Encoding 'quoted-printable' is not taken of files"),
        (b"AAAA", "x-uuencode", "The Content-Transfer-Encoding 'x-uuencode' is not taken of files: send the bytes as"),
    ],
)
async def test_what_is_not_coded_as_it_says_is_refused(value: bytes, encoding: str, said: str) -> None:
    """With the name of the part, or of the coding."""
    body = part("file", value, "a.wav", ENCODING + encoding) + b"--x1--"
    for places in ([], list(range(len(body)))):
        with pytest.raises(Problem) as caught:
            await read_form(TYPE, cut(body, places))
        assert caught.value.status == 400
        assert caught.value.message.startswith(said)


async def test_a_coded_field_is_bounded_as_any_other() -> None:
    """By what it stands for, and by what came."""
    for encoding in ("base64", "quoted-printable"):
        body = part("x", b"AAAA" * (1 << 19), None, ENCODING + encoding) + b"--x1--"
        with pytest.raises(Problem, match="exceeds"):
            await read_form(TYPE, cut(body, []))


def test_a_coded_field_is_refused_before_all_of_it_is_there() -> None:
    """What waits to be decoded takes memory as well."""
    reader = FormReader(TYPE)
    reader.feed(part("x", b"", None, ENCODING + "quoted-printable")[:-2] + b"A")
    piece, taken = b"A" * LARGEST_FIELD, 0
    with pytest.raises(Problem, match="exceeds"):
        for _ in range(LONGEST_CODE + 1):
            reader.feed(piece)
            taken += 1
    assert taken < LONGEST_CODE + 1


@pytest.mark.parametrize(
    ("charset", "written"),
    [
        ("iso-8859-1", "iso-8859-1"),
        ("Windows-1252", "cp1252"),
        ('"UTF-16LE"', "utf-16-le"),
        ("utf8", "utf-8"),
        ("x-unknown", "utf-8"),
        ("punycode", "utf-8"),
        ("iso-8859-99", "utf-8"),
        ("rot13", "utf-8"),
        ("", "utf-8"),
    ],
)
async def test_a_field_in_another_charset(charset: str, written: str) -> None:
    """The part says which one; of the names that it may have, some are no charsets."""
    body = part("prompt", "Grüße".encode(written), None, f"Content-Type: text/plain; charset={charset}") + b"--x1--"
    assert (await read_form(TYPE, cut(body, []))).fields == {"prompt": ["Grüße"]}


async def test_a_boundary_that_cannot_be_one_is_a_problem() -> None:
    """Nothing of the form can be read then."""
    with pytest.raises(Problem, match="incomplete or not a form"):
        await read_form('multipart/form-data; boundary="x\n1"', cut(b"--x1--\r\n", []))


async def test_what_breaks_behind_a_file_that_is_read_as_it_comes() -> None:
    """Another part begins that is invalid: the reader of the file gets the error."""
    body = part("file", b"RIFF" * 10, "a.wav")
    start = body.index(b"RIFF") + 8
    reader = FormReader(TYPE)
    reader.feed(body[:start])
    heard = b""
    rest = body[start:-2]
    with pytest.raises(Problem, match="incomplete or not a form"):
        async for piece in reader.rest_of_file(40, cut(rest + b"\r\n--x1\r\nnonsense\r\n\r\n", [len(rest)])):
            heard += piece
    assert heard
    assert (b"RIFF" * 8).startswith(heard)


def test_a_file_that_is_there_at_once_is_known_as_well() -> None:
    """As from a caller in the same house: more than its head comes in the first piece."""
    reader = FormReader(TYPE)
    reader.feed(part("file", write_wav(tone(10.0)), "a.wav"))
    assert reader.head is not None
