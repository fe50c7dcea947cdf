"""URLs as people write them: what is kept of them, and what is none."""

import pytest

from custom_components.spark_audio.addresses import normalize_url


@pytest.mark.parametrize(
    "url",
    [
        "ftp://spark/",
        "spark 9000",
        "http:/",
        "http://",
        "http:///v1",
        "http://spark:99999",
        "spark:0",
        "http://[::1",
        "http://a b/",
        "http://a,http://b",
        "http://user:secret@spark/",
        "http://spark/?key=secret",
        "http://spark/#top",
        "http://spark..local/",
    ],
)
def test_no_usable_url(url: str) -> None:
    """What is not a URL is refused, and what has no place in one here."""
    with pytest.raises(ValueError):
        normalize_url(url)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://spark:9000", "http://spark:9000"),
        ("spark", "http://spark"),
        ("192.168.1.50:9000", "http://192.168.1.50:9000"),
        ("//spark.local:9000/", "http://spark.local:9000"),
        ("http:/192.168.1.50:9000", "http://192.168.1.50:9000"),
        ("https:spark:9000", "https://spark:9000"),
        ("[::1]:9000", "http://[::1]:9000"),
        ("fd00::1", "http://[fd00::1]"),
        ("spark:9000/v1/audio/transcriptions", "http://spark:9000"),
        ("http://Spark:9000/V1/", "http://spark:9000"),
        ("http://spark:9000/v1/health/ready", "http://spark:9000"),
        ("HTTP://Spark.Local:80/", "http://spark.local"),
        ("https://spark:443/v1", "https://spark"),
        ("https://spark/speech/v1/", "https://spark/speech"),
        ("http://[::1]:9000/", "http://[::1]:9000"),
        ("http://spark_1:9000//", "http://spark_1:9000"),
        ("http://spärk/a%20b", "http://xn--sprk-moa/a%20b"),
    ],
)
def test_one_spelling(url: str, kept: str) -> None:
    """However a URL is written, it is kept in one way, so that duplicates are seen."""
    assert normalize_url(url) == kept
    assert normalize_url(kept) == kept
