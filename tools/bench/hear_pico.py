"""SVOX Pico over a list of texts; runs where ttspico is installed.

`python hear_pico.py FOLDER` reads FOLDER/texts.json ({name: [voice, text]}) and writes FOLDER/NAME.wav, 16 kHz mono.
"""

import json
import sys
import wave
from importlib import import_module
from pathlib import Path

SAMPLE_RATE = 16_000


def main(folder: Path) -> None:
    """Write all files."""
    texts = json.loads((folder / "texts.json").read_text())
    engine = import_module("ttspico").TtsEngine
    voices = {voice: engine(voice) for voice in {voice for voice, _ in texts.values()}}
    for name, (voice, text) in texts.items():
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
            file.writeframes(voices[voice].speak(text))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
