"""What is spoken for units, names and abbreviations."""

import pytest
from spark_engine.speech.replacements import BadReplacement, Replacements, Sound
from spark_engine.speech.text import clean

LIST = """
# Everywhere
km/h -> kilometres per hour
km → kilometres
Spark -> Sparky
PM -> post meridiem
EZB => European Central Bank

[de]
km/h -> Kilometer pro Stunde
z.Hd. -> zu Händen

[de-AT]
km/h -> Kilometer in der Stunde
[ja]
東京 -> とうきょう
[hi]
की -> X
"""


@pytest.mark.parametrize(
    ("language", "text", "spoken"),
    [
        ("en-US", "At 30 km/h.", "At 30 kilometres per hour."),
        ("en-US", "At 30km/h.", "At 30 kilometres per hour."),
        ("en-US", "30 KM away", "30 kilometres away"),
        ("en-US", "a kmx, xkm, km_", "a kmx, xkm, km_"),
        ("en-US", "(km)", "(kilometres)"),
        ("en-US", "Spark sparks a spark, SPARK", "Sparky sparks a spark, SPARK"),
        ("en-US", "4 PM, not 4 pm", "4 post meridiem, not 4 pm"),
        ("de-DE", "30 km/h", "30 Kilometer pro Stunde"),
        ("de", "30 km/h", "30 Kilometer pro Stunde"),
        ("de_at", "30 km/h", "30 Kilometer in der Stunde"),
        ("de-DE", "z.Hd. EZB", "zu Händen European Central Bank"),
        ("fr-FR", "z.Hd.", "z.Hd."),
        (None, "30 km/h", "30 kilometres per hour"),
        ("ja-JP", "私は東京です", "私はとうきょうです"),
        ("hi-IN", "की कीमत", "X कीमत"),
    ],
)
def test_whole_words(language: str | None, text: str, spoken: str) -> None:
    """The most exact language counts, the longest rule first, and case only where a rule has a capital."""
    assert Replacements.parse(LIST).for_language(language)(text) == spoken


@pytest.mark.parametrize(
    ("rules", "text", "spoken"),
    [
        ("~ -> about", "It is ~5 °C.", "It is about 5 °C."),
        ("☀️ -> sunny", "Today ☀, tomorrow ☀️☀️!", "Today sunny, tomorrow sunny sunny!"),
        ("# -> number", "We are #1", "We are number 1"),
        ("€ -> euros", "5€ or € 5", "5 euros or euros 5"),
        ("°c -> degrees", "20℃", "20 degrees"),
        ("m² -> square metres", "65 m²", "65 square metres"),
        ("kitchen  light -> lamp", "The **kitchen light** and the kitchen\nlight", "The lamp and the lamp"),
        ("Rowenta ->", "The Rowenta is on", "The is on"),
        ("a -> b\nb -> a", "a b", "b a"),
        ("tv -> telly", "TV_ TV's TV-set", "TV_ telly's telly-set"),
        ("cafe\u0301 -> coffee", "café", "coffee"),
        ("$1 -> \\1", "$1", "1"),
    ],
)
def test_as_part_of_what_is_spoken(rules: str, text: str, spoken: str) -> None:
    """Markup is gone by then; signs and emoji, which are not spoken, may get words."""
    assert clean(text, Replacements.parse(rules).for_language("en-US")) == spoken


@pytest.mark.parametrize(("text", "line"), [("km", 1), ("\n-> x", 2), ("a -> b\n[german]\nx", 2), ("[de\na -> b", 1)])
def test_lines_that_are_no_rules(text: str, line: int) -> None:
    with pytest.raises(BadReplacement, match=f"line {line} ") as raised:
        Replacements.parse(text)
    assert raised.value.line == line


IPA = """
Nvidia -> /ɛnˈvɪdiə/
Nvidia Spark -> the box
gpu -> /ˌdʒiːpiːˈjuː/
DGX Spark -> /ˌdiːdʒiːˈɛks spɑːk/
Spark -> Sparky
[de]
Nvidia -> Enwidia
"""


@pytest.mark.parametrize(
    ("language", "text", "sounds"),
    [
        (
            "en-US",
            "The **Nvidia** GPU, my Spark",
            [
                Sound("The "),
                Sound("Nvidia", "ɛnˈvɪdiə"),
                Sound(" "),
                Sound("GPU", "ˌdʒiːpiːˈjuː"),
                Sound(", my Sparky"),
            ],
        ),
        ("en-US", "A DGX Spark", [Sound("A "), Sound("DGX Spark", "ˌdiːdʒiːˈɛks spɑːk")]),
        ("en-US", "Nvidia Spark", [Sound("the box")]),
        ("en-US", "4GPU", [Sound("4 "), Sound("GPU", "ˌdʒiːpiːˈjuː")]),
        ("de-DE", "Nvidia", [Sound("Enwidia")]),
        ("en-US", "Nvidias", [Sound("Nvidias")]),
        ("en-US", "none", [Sound("none")]),
    ],
)
def test_pronunciations(language: str, text: str, sounds: list[Sound]) -> None:
    """IPA stands between slashes. The words stay in the text; they are marked once it is clean."""
    rewrite = Replacements.parse(IPA).for_language(language)
    assert rewrite.sounds(clean(text, rewrite)) == sounds


def test_no_rules() -> None:
    assert Replacements.parse("\n# nothing\n[de]\n").for_language("de")("as it is") == "as it is"
