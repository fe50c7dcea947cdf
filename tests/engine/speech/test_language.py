"""Language tags: which ones are offered, and which other spellings mean the same."""

import json

import pytest
from spark_engine.speech.language import (
    MAGPIE_LANGUAGES,
    PARAKEET_LANGUAGES,
    Spellings,
    base_language,
    names_no_language,
    read_language,
)

LANGUAGES = Spellings(["de-DE", "en-US", "es-US", "zh-CN"])


@pytest.mark.parametrize(
    "tag",
    [
        "de",
        "en",
        "en-GB",
        "de-AT",
        "es-419",
        "de_DE",
        "de-de",
        "EN_us",
        "de-LU",
        "es_419",
        "zh-Hans",
        "zh-Hant-TW",
        "ZH",
    ],
)
def test_other_spellings_are_understood(tag: str) -> None:
    assert tag in LANGUAGES


@pytest.mark.parametrize(
    "tag",
    ["", "nl", "nl-NL", "d", "den", "german", "de-", "-DE", "de--DE", "de-DE-1996", "de.UTF-8", "de-419x", None, 49],
)
def test_others_are_not(tag: object) -> None:
    assert tag not in LANGUAGES


@pytest.mark.parametrize("languages", [PARAKEET_LANGUAGES, MAGPIE_LANGUAGES], ids=["Parakeet", "Magpie"])
def test_pickers_show_each_tag_once(languages: tuple[str, ...]) -> None:
    """With hyphens and in one case."""
    offered = Spellings(languages)
    assert set(languages) <= set(offered)
    assert len(set(offered)) == len(offered) == len({tag.replace("_", "-").casefold() for tag in offered})
    assert not [tag for tag in offered if "_" in tag]
    assert json.loads(json.dumps(offered)) == offered


WORDS = "auto AUTO Auto-Detect auto_detect automatic multi multilingual mul null None nil undefined unknown und any"


@pytest.mark.parametrize("text", ["", " ", '""', '"auto"', "(auto)", *WORDS.split()])
def test_words_that_leave_the_language_open(text: str) -> None:
    """Clients send what their settings hold where nothing is chosen."""
    assert names_no_language(text)
    assert read_language(text) is None


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("en", "en"),
        ("EN_us", "en-US"),
        ("de-DE", "de-DE"),
        ("es-419", "es-419"),
        ("zh-hans-cn", "zh-Hans-CN"),
        ("en_US.UTF-8", "en-US"),
        ("de_DE@euro", "de-DE"),
        (" fr ", "fr"),
        ('"it"', "it"),
        ("English", "en"),
        ("german", "de"),
        ("Deutsch", "de"),
        ("français", "fr"),
        ("FRANCAIS", "fr"),
        ("Español", "es"),
        ("日本語", "ja"),
        ("हिन्दी", "hi"),
        ("Tiếng Việt", "vi"),
        ("English (United Kingdom)", "en"),
        ("Brazilian Portuguese", "pt"),
        ("english-us", "en"),
        ("ger", "de"),
        ("Turkish", "tr"),
        ("norwegian", "no"),
        ("eng-US", "en-US"),
        ("nl", "nl"),
        ("gsw", "gsw"),
        ("sv-SE", "sv-SE"),
    ],
)
def test_languages_as_people_write_them(text: str, tag: str) -> None:
    assert read_language(text) == tag


@pytest.mark.parametrize(
    "text",
    ["klingon", "English or German", "en,de", "e", "***", "en us please", "en-", "x" * 10_000, "en\r\nX: y"],
)
def test_what_names_no_language_and_is_no_word_for_that(text: str) -> None:
    with pytest.raises(ValueError, match="not a language"):
        read_language(text)


NAMES = """Arabic Bulgarian Chinese Croatian Czech Danish Dutch English Estonian Finnish French German Greek Hindi
Hungarian Italian Japanese Korean Latvian Lithuanian Maltese Polish Portuguese Romanian Russian Slovak Slovenian Spanish
Swedish Ukrainian Vietnamese"""


def test_each_language_that_is_heard_or_spoken_has_a_name() -> None:
    """In English at least."""
    known = {read_language(name) for name in NAMES.split()}
    assert {base_language(tag) for tag in (*PARAKEET_LANGUAGES, *MAGPIE_LANGUAGES)} <= known
