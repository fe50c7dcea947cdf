"""How a tool fails."""


class ToolError(Exception):
    """Ends a run with one sentence. `faults` names the processes whose last log lines tell more."""

    def __init__(self, sentence: str, *faults: str) -> None:
        """`sentence` is shown to the user as it stands."""
        super().__init__(sentence)
        self.faults = faults
