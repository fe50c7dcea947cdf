"""JSON of others: what is read, and what would cost too much."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spark_engine.servers.documents import MOST_DEPTH, MOST_VALUES, read_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_documents_are_read_as_they_are(value: object) -> None:
    """Brackets and quotes within texts are nothing but text."""
    for escaped in (True, False):
        assert read_json(json.dumps(value, ensure_ascii=escaped).encode()) == value


@pytest.mark.parametrize(
    "text", ["[" * 100, "[{" * 100, '"', '\\"[', "]" * 100 + "[" * 100, "}{", '"' + "[" * 100, "[" * 100 + "]" * 100]
)
def test_brackets_within_texts_count_for_nothing(text: str) -> None:
    assert read_json(json.dumps({"input": text, text: [text]}).encode()) == {"input": text, text: [text]}


def test_depth_has_a_limit() -> None:
    nested = [b"[" * depth + b"]" * depth for depth in (MOST_DEPTH, MOST_DEPTH + 1)]
    assert isinstance(read_json(nested[0]), list)
    with pytest.raises(ValueError, match="nested too deeply"):
        read_json(nested[1])


@pytest.mark.parametrize(
    "deep",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'["]",' * 100_000,
        b'["\\"]",' * 50_000,
        b"[]]" + b"[" * 100_000,
        b'"' + b"[" * 100_000,
        b"]" * 700_000 + b"[" * 100_000,
        b"\xef\xbb\xbf" + b"[" * 100_000,
        ("[" * 100_000).encode("utf-16"),
        ("\u2222[" * 100_000).encode("utf-16"),
    ],
)
def test_no_depth_gets_past(deep: bytes) -> None:
    """However it is written: the parser never comes to what would make it call itself too often."""
    with pytest.raises(ValueError, match=r"nested too deeply|not valid JSON"):
        read_json(deep)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"[" + b"[]," * MOST_VALUES, "more than"),
        (b'"' * (8 * MOST_VALUES + 1), "more than"),
        (b"", "line 1, column 1"),
        (b'{"a": 1,}', "line 1"),
        (b"\xff", "not valid JSON"),
        (b"1" * 5_000, "not valid JSON"),
    ],
)
def test_the_sentence_is_ours(body: bytes, sentence: str) -> None:
    """No exception of a library in it."""
    with pytest.raises(ValueError, match=sentence) as raised:
        read_json(body)
    assert not {word for word in ("Expecting", "codec", "digits", "char") if word in str(raised.value)}


def test_a_byte_order_mark_is_passed_over() -> None:
    assert read_json(b"\xef\xbb\xbf[1]") == [1]
