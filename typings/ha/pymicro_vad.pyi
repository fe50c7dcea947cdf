class MicroVad:
    def Process10ms(self, audio: bytes, /) -> float: ...  # noqa: N802 - its own name
