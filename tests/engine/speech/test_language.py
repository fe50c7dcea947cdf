"""Language tags: which ones are offered, and which other spellings mean the same."""

import json

import pytest
from spark_engine.speech.language import MAGPIE_LANGUAGES, PARAKEET_LANGUAGES, Spellings

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
