"""How the demo fails: with one sentence, and with the log of whoever is at fault."""


class DemoError(Exception):
    """Ends the demo. `faults` names the processes whose last log lines are worth showing."""

    def __init__(self, sentence: str, *faults: str) -> None:
        """`sentence` is shown to the user as it stands."""
        super().__init__(sentence)
        self.faults = faults
