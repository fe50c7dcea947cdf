"""What is spoken of sentences as assistants write them in seven languages, with their own quotation marks and stops."""

from collections.abc import AsyncGenerator

import pytest
from spark_engine.speech.text import utterances

CASES = {
    "English": [
        (
            "“Turn it off,” she said. “Now!” Then it was 21.5 °C — no wind.",
            ["“Turn it off,” she said.", "“Now!”", "Then it was 21.5 °C — no wind."],
        ),
        (
            "It's 5 p.m. in St. Louis, e.g. now. Dr. Smith isn't in; call No. 5.",
            ["It's 5 p.m. in St. Louis, e.g. now.", "Dr. Smith isn't in; call No. 5."],
        ),
        ("Prices: $3.50, £2 & €1. See [1] and (b) for **more**…", ["Prices: $3.50, £2 & €1.", "See and (b) for more…"]),
        (
            "The J.S. Bach concert starts at 8:30 p.m. Doors open at 8.",
            ["The J.S. Bach concert starts at 8:30 p.m. Doors open at 8."],
        ),
    ],
    "German": [
        (
            "„Mach das Licht aus“, sagte sie. „Jetzt!“ Danach war es z. B. 21,5 °C.",
            ["„Mach das Licht aus“, sagte sie.", "„Jetzt!“", "Danach war es z. B. 21,5 °C."],
        ),
        (
            "»Guten Morgen!« Es ist der 3. Oktober, ca. 8 Uhr. Die 2. Lampe ist aus.",
            ["»Guten Morgen!«", "Es ist der 3. Oktober, ca. 8 Uhr.", "Die 2. Lampe ist aus."],
        ),
        (
            "Das kostet 1.299,50 €, d. h. zu viel. Straße, Maß und Öl: ok?",
            ["Das kostet 1.299,50 €, d. h. zu viel.", "Straße, Maß und Öl: ok?"],
        ),
        ("Kaffee → Küche, Wind >50 km/h, Temperatur <10 °C.", ["Kaffee Küche, Wind 50 km/h, Temperatur 10 °C."]),
    ],
    "French": [
        (
            "« Éteins la lumière », dit-elle. « Maintenant ! » Il fait 21,5 °C ; c’est bien ?",
            ["« Éteins la lumière », dit-elle.", "« Maintenant! »", "Il fait 21,5 °C; c’est bien ?"],
        ),
        (
            "M. Dupont arrive à 8 h 30. Le 1er étage est à 19 °C, p. ex. la chambre.",
            ["M. Dupont arrive à 8 h 30.", "Le 1er étage est à 19 °C, p. ex. la chambre."],
        ),
        ("L’été, aujourd’hui, c’est-à-dire : demain !", ["L’été, aujourd’hui, c’est-à-dire : demain!"]),
        ("Attention… le prix est de 1 299,50 € !", ["Attention… le prix est de 1 299,50 €!"]),
    ],
    "Spanish": [
        (
            "¿Apago la luz? ¡Sí, apágala ya! Son las 8:30 p. m. en la cocina.",
            ["¿Apago la luz?", "¡Sí, apágala ya!", "Son las 8:30 p. m. en la cocina."],
        ),
        (
            "«Hola», dijo el Sr. López. La 1.ª lámpara está encendida.",
            ["«Hola», dijo el Sr. López.", "La 1.ª lámpara está encendida."],
        ),
        ("EE. UU. y la Sra. Pérez: 3,5 % más.", ["EE. UU. y la Sra. Pérez: 3,5 % más."]),
        ("Hace 21,5 °C; ¿verdad?", ["Hace 21,5 °C; ¿verdad?"]),
    ],
    "Italian": [
        (
            "«Spegni la luce», disse. «Adesso!» Sono le 8:30, ca. 21,5 °C.",
            ["«Spegni la luce», disse.", "«Adesso!»", "Sono le 8:30, ca. 21,5 °C."],
        ),
        ("Il sig. Rossi è al 1° piano. Perché? Perché sì!", ["Il sig. Rossi è al 1° piano.", "Perché?", "Perché sì!"]),
        ("L’acqua dell’hotel costa 1.299,50 €.", ["L’acqua dell’hotel costa 1.299,50 €."]),
        (
            "Cos'è? È un po' di tutto: pane, latte, ecc. Ciao.",
            ["Cos'è?", "È un po' di tutto: pane, latte, ecc.", "Ciao."],
        ),
    ],
    "Japanese": [
        (
            "「電気を消して」と彼女は言った。今は２１．５℃です！本当ですか？はい。",
            ["「電気を消して」と彼女は言った。", "今は２１．５°Cです！", "本当ですか？", "はい。"],
        ),
        (
            "キッチンの照明をつけました。リビングは…まだです。",
            ["キッチンの照明をつけました。", "リビングは…まだです。"],
        ),
        ("ＡＢＣと㎡、㌔を読む。①番です。", ["ＡＢＣとm2、キロを読む。", "①番です。"]),
    ],
    "Chinese": [
        (
            "“把灯关掉。”她说。现在是21.5℃！真的吗？是的。",
            ["“把灯关掉。”", "她说。", "现在是21.5°C！", "真的吗？", "是的。"],
        ),
        ("客厅的灯已打开；卧室的灯还亮着，温度是25%。", ["客厅的灯已打开；卧室的灯还亮着，温度是25%。"]),
        ("《三体》很好看，“对吧？”他问。", ["《三体》很好看，“对吧？”", "他问。"]),
    ],
}


async def _written(text: str, size: int) -> AsyncGenerator[str]:
    for start in range(0, len(text), size):
        yield text[start : start + size]


@pytest.mark.parametrize("language", CASES)
async def test_each_language_is_spoken_sentence_by_sentence(language: str) -> None:
    for text, spoken in CASES[language]:
        assert [utterance async for utterance in utterances(text)] == spoken


@pytest.mark.parametrize("size", [1, 3, 17])
@pytest.mark.parametrize("language", CASES)
async def test_each_language_is_spoken_the_same_while_it_is_written(language: str, size: int) -> None:
    """But that the first clause may go ahead: the words and their order are the same."""
    for text, spoken in CASES[language]:
        heard = [utterance async for utterance in utterances(_written(text, size)) if utterance is not None]
        assert "".join(heard).replace(" ", "") == "".join(spoken).replace(" ", "")
