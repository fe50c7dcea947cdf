"""Voice names: read, listed, found."""

import pytest
from spark_engine.models import Voice
from spark_engine.speech.language import base_language, normalize_language, with_region
from spark_engine.speech.voices import (
    OPENAI_VOICES,
    default_voice,
    find_voice,
    label,
    languages,
    parse_voice,
    short_ids,
    voices_for,
)

VOICES = [
    parse_voice(f"Magpie-Multilingual.{name}")
    for name in (
        *(
            "EN-US.Aria.Calm",
            "EN-US.Aria",
            "EN-US.Jason",
            "DE-DE.Aria",
            "DE-DE.Leo.Happy",
            "ES-US.Diego",
            "ZH-CN.Siwei",
        ),
        *("PT-BR.Mia",),
    )
]


def test_a_name_tells_model_language_speaker_and_emotion() -> None:
    """As NIM writes it."""
    assert parse_voice("Magpie-Multilingual.EN-US.Aria.PleasantSurprised") == Voice(
        name="Magpie-Multilingual.EN-US.Aria.PleasantSurprised",
        speaker="Aria",
        language="en-US",
        emotion="PleasantSurprised",
        model="Magpie-Multilingual",
    )


@pytest.mark.parametrize("name", ["Aria", "John", "en_US-joe-medium", "a.b", ""])
def test_any_other_name_is_a_bare_speaker(name: str) -> None:
    """Open-weights servers list speakers only."""
    assert parse_voice(name) == Voice(name=name, speaker=name)


@pytest.mark.parametrize(
    ("tag", "normal", "base"),
    [("EN-US", "en-US", "en"), ("de", "de", "de"), ("pt_br", "pt-BR", "pt"), ("zh-hant-TW", "zh-Hant-TW", "zh")],
)
def test_language_tags_get_the_case_servers_insist_on(tag: str, normal: str, base: str) -> None:
    """NIM refuses `hi-in`."""
    assert (normalize_language(tag), base_language(tag)) == (normal, base)


@pytest.mark.parametrize(
    ("tag", "full"),
    [("en", "en-US"), ("de", "de-DE"), ("sv", "sv-SE"), ("pt_pt", "pt-PT"), ("en-GB", "en-GB"), ("FR", "fr-FR")],
)
def test_a_bare_language_gets_its_usual_region(tag: str, full: str) -> None:
    """A NIM refuses `en`."""
    assert with_region(tag) == full


def test_languages_are_listed_once() -> None:
    """For a language picker."""
    assert languages(VOICES) == ["de-DE", "en-US", "es-US", "pt-BR", "zh-CN"]


def test_another_region_serves_when_the_right_one_is_missing() -> None:
    """A user in Madrid is better served with es-US than with English."""
    assert [voice.speaker for voice in voices_for(VOICES, "es-ES")] == ["Diego"]
    assert voices_for(VOICES, "sv-SE") == []


def test_bare_speakers_come_after_those_of_the_language() -> None:
    """They speak every language, with an accent."""
    bare = parse_voice("John")
    assert voices_for([bare, *VOICES], "de-DE")[-1] == bare


def test_the_default_voice_is_neutral() -> None:
    """`Aria.Calm` is listed before `Aria`."""
    assert default_voice(VOICES, "en-US") == VOICES[1]
    assert default_voice(VOICES, "sv-SE") is None
    assert default_voice([]) is None


@pytest.mark.parametrize(
    ("wanted", "language", "found"),
    [
        ("magpie-multilingual.en-us.aria.calm", None, "EN-US.Aria.Calm"),
        ("Mia", None, "PT-BR.Mia"),
        ("aria", None, "EN-US.Aria"),
        ("Aria", "de-DE", "DE-DE.Aria"),
        ("leo.happy", None, "DE-DE.Leo.Happy"),
        ("echo", None, "EN-US.Jason"),
        ("EN-US.Aria", "de-DE", "EN-US.Aria"),
        ("de-DE.Leo.Happy", None, "DE-DE.Leo.Happy"),
        ("Leo · Happy (de-DE)", None, "DE-DE.Leo.Happy"),
        ("Leo (Happy), de-DE", None, "DE-DE.Leo.Happy"),
        ("alloy → Aria (en-US)", None, "EN-US.Aria"),
        ("Other-Model.PT-BR.Mia", None, "PT-BR.Mia"),
        ("nova", "en-US", "PT-BR.Mia"),
    ],
)
def test_a_voice_is_found_by_any_of_its_names(wanted: str, language: str | None, found: str) -> None:
    """Full name, short id, label, OpenAI name, and a full name of a model that was here before."""
    voice = find_voice(VOICES, wanted, language)
    assert voice is not None
    assert voice.name == f"Magpie-Multilingual.{found}"


@pytest.mark.parametrize("name", OPENAI_VOICES)
def test_every_openai_name_gets_some_voice(name: str) -> None:
    """Even where the speaker that usually answers to it is not on the server."""
    assert find_voice(VOICES, name) is not None
    assert find_voice([], name) is None


def test_ids_are_as_short_as_they_can_be() -> None:
    """The speaker alone, with the language where several share the name, the full name where that is shared as well."""
    names = ["M.EN-US.Mia", "M.EN-US.Mia.Calm", "M.DE-DE.Leo", "M.EN-US.Leo", "A.IT-IT.Ray", "B.IT-IT.Ray", "Solo"]
    ids = short_ids([parse_voice(name) for name in names])
    assert list(ids) == ["Mia", "Mia.Calm", "de-DE.Leo", "en-US.Leo", "A.IT-IT.Ray", "B.IT-IT.Ray", "Solo"]
    assert [voice.name for voice in ids.values()] == names


@pytest.mark.parametrize("shown", [*short_ids(VOICES), *map(label, VOICES)])
def test_what_is_shown_is_found(shown: str) -> None:
    found = find_voice(VOICES, shown)
    assert found is not None
    assert shown in (label(found), *short_ids(VOICES))
    assert shown == label(found) or short_ids(VOICES)[shown] == found


def test_an_unknown_voice_is_not_found() -> None:
    """The caller decides whether that is an error."""
    assert find_voice(VOICES, "zorg") is None
