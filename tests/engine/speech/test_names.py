"""Names put right in a transcript: what was meant is found, and nothing else is touched."""

import sys
from collections.abc import Iterable, Mapping, Sequence

import pytest
from spark_engine.speech.names import MOST_OPENED, MOST_PAIRS, MOST_PARSES, MOST_WORDS, corrected, vocabulary

HOME = (
    "Kallax lamp",
    "Ecobee",
    "Nuki lock",
    "Friedas Zimmer",
    "powder room",
    "Kitchen light",
    "Kitchen",
    "Lina's lamp",
)


class Sentences:
    """A grammar of these sentences with any of these names in them; counts what it is asked."""

    def __init__(self, sentences: Iterable[str], names: Sequence[str] = HOME) -> None:
        self.asked: list[str] = []
        self._known = {
            sentence.format(one, other).casefold() for sentence in sentences for one in names for other in names
        }

    async def parses(self, text: str) -> bool:
        self.asked.append(text)
        return text.rstrip(".?!").casefold() in self._known

    async def is_about_home(self, text: str) -> bool:
        return await self.parses(text)


ENGLISH = ("turn on the {}", "set the {} to 20 degrees", "turn on the {} in the {}", "lock the {}")


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("Turn on the colics lamp.", "Turn on the Kallax lamp."),
        ("turn on the call axe lamp", "turn on the Kallax lamp"),
        ("Set the eco bee to 20 degrees.", "Set the Ecobee to 20 degrees."),
        ("lock the new key lock", "lock the Nuki lock"),
        ("Turn on the powdered room.", "Turn on the powder room."),
        ("turn on the freed us simmer", "turn on the Friedas Zimmer"),
        ("Turn on the Leena's lamp.", "Turn on the Lina's lamp."),
        ("Turn on the colics lamp in the freed us simmer.", "Turn on the Kallax lamp in the Friedas Zimmer."),
    ],
)
async def test_a_misheard_name_is_put_right(heard: str, meant: str) -> None:
    assert await corrected(heard, vocabulary(HOME, "en-US"), Sentences(ENGLISH)) == meant


async def test_a_word_that_is_close_to_a_name_stays_where_no_sentence_is_known() -> None:
    for language, name, word in (
        ("es", "galería", "galera"),
        ("de", "Galerie", "Galeere"),
        ("en", "Marantz", "marathon"),
    ):
        heard = f"x {word} x"
        assert await corrected(heard, vocabulary([name], language), Sentences([])) == heard


async def test_articles_do_not_make_a_name_closer() -> None:
    names = ["bomba de la piscina", "luz de Inés"]
    grammar = Sentences(["{}", "x {}"], names)
    for heard in ("Háblame de la persona.", "x luces de Navidad"):
        assert await corrected(heard, vocabulary(names, "es"), grammar) == heard


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("Could you perhaps dim the Calax lamp a bit?", "Could you perhaps dim the Kallax lamp a bit?"),
        ("People like the eco bee.", "People like the Ecobee."),
    ],
)
async def test_a_name_that_hardly_differs_is_put_in_where_no_sentence_is_known(heard: str, meant: str) -> None:
    """Many agents understand more than the grammar does."""
    assert await corrected(heard, vocabulary(HOME, "en"), Sentences(ENGLISH)) == meant


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("Dim the Kallax lamp to forty per cent.", "Dim the Kallax lamp to forty percent."),
        ("Dim the colics lamp to forty per cent.", "Dim the Kallax lamp to forty percent."),
        ("What is forty per cent of ninety?", "What is forty per cent of ninety?"),
    ],
)
async def test_per_cent_is_percent_where_that_makes_a_sentence(heard: str, meant: str) -> None:
    grammar = Sentences(["dim the {} to forty percent"])
    assert await corrected(heard, vocabulary(HOME, "en"), grammar) == meant


@pytest.mark.parametrize(
    ("language", "name", "heard", "meant"),
    [
        ("en", "bedroom light", "bathroom light", "bathroom light"),
        ("en", "bedroom light", "bed room light", "bedroom light"),
        ("en", "bedroom light", "badroom light", "bedroom light"),
        ("en", "stairwell lights", "stairwell light", "stairwell lights"),
        ("en", "bedroom", "bathroom", "bathroom"),
        ("de", "Küchenlicht", "Küche", "Küche"),
        ("de", "Küchenlicht", "Küche Licht", "Küchenlicht"),
        ("de", "Rollo links", "Rollo rechts", "Rollo rechts"),
        ("de", "Kallax lamp", "Kalaks Lampe", "Kallax lamp"),
        ("es", "luz del salón", "luz del balcón", "luz del balcón"),
        ("fr", "lampe du salon", "lampe du balcon", "lampe du balcon"),
        ("it", "luce cucina", "luce cantina", "luce cantina"),
        ("en", "Fado globe", "fan club", "fan club"),
        ("en", "mudroom", "mood room", "mudroom"),
        ("en", "Fyrtur lamp", "floor lamp", "floor lamp"),
        ("es", "tira Yeelight", "tira LED", "tira LED"),
    ],
)
async def test_another_thing_of_a_household_was_said(language: str, name: str, heard: str, meant: str) -> None:
    """A home without a bathroom light must not turn on the bedroom light."""
    grammar = Sentences(["x {}"], [name])
    assert await corrected(f"x {heard}", vocabulary([name], language), grammar) == f"x {meant}"


@pytest.mark.parametrize(
    ("language", "name", "heard"),
    [
        ("en", "Vornado", "sonata"),
        ("en", "barn door", "border"),
        ("en", "scullery", "celery"),
        ("de", "Kaffeemaschine", "Kaffeemühle"),
        ("de", "Küchenlicht", "Gartenlicht"),
        ("de", "Kugellampe", "Kugellager"),
        ("de", "Flurlicht", "Flutlicht"),
        ("de", "Hoflampe", "Hutlampe"),
        ("en", "sunroom", "gunroom"),
        ("es", "galería", "galera"),
        ("es", "cafetera", "cafetería"),
        ("es", "despensa", "despedida"),
        ("fr", "plafonnier", "plafond"),
        ("fr", "buanderie", "batterie"),
        ("it", "plafoniera", "plafone"),
        ("it", "Vortice", "vernice"),
    ],
)
async def test_one_word_is_what_was_said(language: str, name: str, heard: str) -> None:
    grammar = Sentences(["x {}"], [name])
    assert await corrected(f"x {heard}", vocabulary([name], language), grammar) == f"x {heard}"


@pytest.mark.parametrize(
    ("name", "heard"),
    [("Vornado", "bournado"), ("kegerator", "caterator"), ("Meross fan", "merrispan"), ("Vornado", "board now though")],
)
async def test_one_word_that_hardly_differs_is_a_name_and_so_are_several(name: str, heard: str) -> None:
    assert await corrected(f"x {heard}", vocabulary([name], "en"), Sentences(["x {}"], [name])) == f"x {name}"


async def test_another_thing_of_the_same_room_was_said() -> None:
    names = ["pantry spots", "lámpara de Marta"]
    grammar = Sentences(["x {}"], names)
    assert await corrected("x pantry staples", vocabulary(names, "en"), grammar) == "x pantry staples"
    assert await corrected("x pantry's pots", vocabulary(names, "en"), grammar) == "x pantry spots"
    assert await corrected("x lámpara de Malta", vocabulary(names, "es"), grammar) == "x lámpara de Marta"


async def test_what_stands_for_all_that_was_heard_is_closer() -> None:
    grammar = Sentences(["{}"], ["pantry spots"])
    assert await corrected("Open tadpoles.", vocabulary(["pantry spots"], "en"), grammar) == "Open tadpoles."


class Questions(Sentences):
    """Sentences that take anything."""

    async def is_about_home(self, text: str) -> bool:
        return False


@pytest.mark.parametrize(
    ("language", "name", "heard", "meant"),
    [
        ("de", "Flurlicht", "Flutlicht", "Flutlicht"),
        ("de", "Galerie", "Galeere", "Galeere"),
        ("en", "Fado globe", "Photo globe", "Photo globe"),
        ("en", "Sonos Roam", "Sunos Roam", "Sonos Roam"),
    ],
)
async def test_in_a_sentence_that_takes_anything_a_name_hardly_differs(
    language: str, name: str, heard: str, meant: str
) -> None:
    grammar = Questions(["x {}"], [name])
    assert await corrected(f"x {heard}", vocabulary([name], language), grammar) == f"x {meant}"


ROOMS = ("Scullery", "Küche", "cocina", "cuisine", "cucina", "camera di Gioele", "Hunter fan")


@pytest.mark.parametrize(
    ("language", "sentence", "heard", "meant"),
    [
        ("en", "turn on the {}", "Purn on the scullery.", "Turn on the scullery."),
        ("en", "turn on the {}", "Purn on the hunter van.", "Turn on the Hunter fan."),
        ("en", "switch off the {}", "sweetch off the scullery", "switch off the scullery"),
        ("de", "mach das Licht in {} aus", "Nach das Licht in Küche aus.", "Mach das Licht in Küche aus."),
        ("es", "enciende {}", "entiende cocina", "enciende cocina"),
        ("fr", "allume {}", "Alune cuisine.", "Allume cuisine."),
        ("it", "spegni le luci in {}", "Spemile luci in camera di joele.", "Spegni le luci in camera di Gioele."),
        ("it", "accendi le luci in {}", "Accendile luci in cucina.", "Accendi le luci in cucina."),
        ("nl", "zet {} aan", "bet scullery aan", "bet scullery aan"),
    ],
)
async def test_the_first_word_is_put_right_where_a_name_makes_the_sentence(
    language: str, sentence: str, heard: str, meant: str
) -> None:
    assert await corrected(heard, vocabulary(ROOMS, language), Sentences([sentence], ROOMS)) == meant


@pytest.mark.parametrize(
    ("language", "sentence", "heard"),
    [
        ("en", "turn on the {}", "Turned on the scullery."),
        ("en", "turn on the {}", "I turn on the scullery."),
        ("en", "turn on the {}", "Purn on the skull."),
        ("en", "turn on the music", "Purn on the music."),
        ("en", "unlock the {}", "Unplug the scullery."),
        ("en", "unlock the {}", "Unloch the scullery."),
        ("en", "open the {}", "Opum the scullery."),
        ("de", "schalte {} an", "Halte Küche an."),
        ("es", "enciende {}", "Encendí cocina."),
        ("fr", "allume {}", "Allumé cuisine."),
        ("it", "spegni {}", "Spengo cucina."),
        ("en", "turn on the {}", "..."),
    ],
)
async def test_another_first_word_was_said(language: str, sentence: str, heard: str) -> None:
    """What people tell about is no command, and no door is opened on a guess."""
    assert await corrected(heard, vocabulary(ROOMS, language), Sentences([sentence], ROOMS)) == heard


@pytest.mark.parametrize(
    "heard",
    [
        "Turn on the kitchen light.",
        "Turn on the",
        "Turn on the light in the kitchen please and the radio.",
        "What do you think of the colics lamp?",
        "",
        "...",
        " ".join(["colics lamp"] * MOST_WORDS),
    ],
)
async def test_what_parses_or_never_would_stays(heard: str) -> None:
    assert await corrected(heard, vocabulary(HOME, "en"), Sentences(ENGLISH)) == heard


@pytest.mark.parametrize(
    "heard", ["turn on the kitchen l", "turn on the light", "turn on the lamp", "turn on the room"]
)
async def test_a_word_that_was_not_said_is_not_put_in(heard: str) -> None:
    """Within a turn, more of the name may follow; and people leave words out."""
    home = ("Kitchen light", "Kallax lamp", "Powder room")
    assert await corrected(heard, vocabulary(home, "en"), Sentences(ENGLISH, home)) in {
        heard,
        "turn on the Kitchen light",
    }


async def test_of_two_names_that_are_close_neither_is_put_in() -> None:
    home = ("Lena's lamp", "Lina's lamp")
    assert await corrected("turn on the Lana's lamp", vocabulary(home, "en"), Sentences(ENGLISH, home)) == (
        "turn on the Lana's lamp"
    )


async def test_a_close_name_that_makes_no_sense_does_not_stand_in_the_way() -> None:
    grammar = Sentences(["turn on the {}"], ["Lena's lamp"])
    names = vocabulary(("Lena's lamp", "Lina's lamp"), "en")
    assert await corrected("turn on the Lana's lamp", names, grammar) == "turn on the Lena's lamp"


async def test_the_grammar_is_asked_only_so_often() -> None:
    grammar = Sentences([])
    names = vocabulary([f"{first}olics lamp" for first in "bcdfghklmnprst"], "en")
    assert await corrected("turn on the colix lamp", names, grammar) == "turn on the colix lamp"
    assert MOST_PARSES < len(grammar.asked) <= 1 + MOST_PARSES + MOST_PAIRS
    grammar.asked.clear()
    await corrected("purn on the colix lamp", names, grammar)
    assert MOST_PARSES < len(grammar.asked) <= 1 + MOST_PARSES + MOST_PAIRS + MOST_OPENED


LANGUAGES: Mapping[str, tuple[tuple[str, ...], str, str]] = {
    "de": (("Küchenlicht", "Friedas Zimmer", "Kallax"), "schalte das friedes zimmer ein", "schalte das {} ein"),
    "es": (("luz de la cocina", "habitación de Inés"), "enciende la habitacion de y nes", "enciende la {}"),
    "fr": (("chambre d'amis", "lampe Ikea"), "allume la lampe i quéa", "allume la {}"),
    "it": (("luce del soggiorno", "lampada Tradfri"), "accendi la lampada trad fri", "accendi la {}"),
    "nl": (("Kallax lamp", "bijkeuken"), "zet de kalaks lamp aan", "zet de {} aan"),
}


@pytest.mark.parametrize("language", LANGUAGES)
async def test_each_language_has_its_sounds(language: str) -> None:
    home, heard, sentence = LANGUAGES[language]
    meant = await corrected(heard, vocabulary(home, language), Sentences([sentence], home))
    assert meant in {sentence.format(name) for name in home}


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("I bought a Kalax lamp, and an Eco Bee.", "I bought a Kallax lamp, and an Ecobee."),
        ("The colics lamp is nice.", "The colics lamp is nice."),
        ("Call the new key lock.", "Call the Nuki lock."),
        ("They lock it.", "They lock it."),
    ],
)
async def test_without_a_grammar_only_what_hardly_differs_is_put_in(heard: str, meant: str) -> None:
    assert await corrected(heard, vocabulary((*HOME, "Loc"), "en"), None) == meant


async def test_without_names_nothing_is_asked() -> None:
    grammar = Sentences(ENGLISH)
    assert await corrected("turn on the light", vocabulary((), "en"), grammar) == "turn on the light"
    assert not grammar.asked


async def test_without_the_library_transcripts_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spark_engine.speech.closeness", None)
    heard = "turn on the colics lamp"
    assert await corrected(heard, vocabulary(HOME, "en"), Sentences(ENGLISH)) == heard


@pytest.mark.parametrize(
    ("text", "rests"),
    [
        ("Turn on the kitchen", ["light", "ceiling light"]),
        ("turn on the kitchen light", []),
        ("turn on the kitchen ceiling.", ["light"]),
        ("turn on the living room", []),
        ("good night", []),
        ("", []),
    ],
)
def test_a_longer_name_may_follow(text: str, rests: list[str]) -> None:
    names = vocabulary(("Kitchen", "Kitchen ceiling light", "Kitchen light", "Light strip", "Living room"), "en")
    assert list(names.rests_of(text)) == rests


def test_names_are_kept_as_they_are_spelled_and_once() -> None:
    assert vocabulary(["Kallax  lamp", "kallax lamp", "", "!?", "Küche"], "de").names == ("kallax lamp", "Küche")
