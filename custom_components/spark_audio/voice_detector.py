"""The voice detector that Assist brings along."""

from .spark_engine.speech.voice_activity import VoiceDetector


def new_detector() -> VoiceDetector | None:
    """A detector for one utterance; None where Assist is not installed, and nobody can tell pauses."""
    try:
        from pymicro_vad import MicroVad  # noqa: PLC0415 - a requirement of Assist's, not of ours
    except ImportError:
        return None
    return MicroVad().Process10ms
