"""How close two keys are, by edit distance: the one module that needs rapidfuzz."""

from collections.abc import Iterator, Sequence

from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import extract


class Closeness:
    """Compares with a list of keys."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Compare with these keys."""
        self._keys = keys

    def closest(self, key: str, farthest: float, most: int) -> Iterator[int]:
        """Yield which keys are at most so far away, 0 to 1, the closest first."""
        found = extract(
            key, self._keys, scorer=Levenshtein.normalized_distance, score_cutoff=min(1.0, farthest), limit=most
        )
        return (at for _, _, at in found)

    @staticmethod
    def distance(one: str, other: str) -> float:
        """Return the share of letters that differ, 0 to 1."""
        return Levenshtein.normalized_distance(one, other)
