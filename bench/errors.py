"""Why there is no figure."""


class BenchError(Exception):
    """A measurement could not be made; the message says why."""
