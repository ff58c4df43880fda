"""Which of two kinds of objects belong together: members of groups, holders of roles, parts of boards."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Sized


def id_order(text: str) -> tuple[int, str]:
    """Sort ids as the numbers that most of them are."""
    return (int(text), "") if text.isdecimal() else (1 << 62, text)


def _closure(starts: Iterable[str], step: Callable[[str], list[str]]) -> set[str]:
    """Return the starts and all that can be reached from them, which may be in circles."""
    seen, waiting = set[str](), list(starts)
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            waiting.extend(step(current))
    return seen


class Relation:
    """Pairs of ids, found from either side, in the order in which they were made."""

    def __init__(self) -> None:
        self._rights: dict[str, dict[str, None]] = {}
        self._lefts: dict[str, dict[str, None]] = {}

    def add(self, left: str, right: str) -> None:
        """Add a pair, once."""
        self._rights.setdefault(left, {})[right] = None
        self._lefts.setdefault(right, {})[left] = None

    def remove(self, left: str, right: str) -> None:
        """Remove a pair."""
        del self._rights[left][right]
        del self._lefts[right][left]

    def has(self, left: str, right: str) -> bool:
        """Tell whether the two belong together."""
        return right in self._rights.get(left, ())

    def rights(self, left: str) -> list[str]:
        """Return what belongs to the left one."""
        return list(self._rights.get(left, ()))

    def lefts(self, right: str) -> list[str]:
        """Return what the right one belongs to."""
        return list(self._lefts.get(right, ()))

    def count(self, left: str) -> int:
        """Return how many belong to the left one."""
        return len(self._rights.get(left, ()))

    def set_rights(self, left: str, rights: Iterable[str]) -> None:
        """Let exactly these belong to the left one."""
        self.forget_left(left)
        for right in rights:
            self.add(left, right)

    def set_lefts(self, right: str, lefts: Iterable[str]) -> None:
        """Let the right one belong to exactly these."""
        self.forget_right(right)
        for left in lefts:
            self.add(left, right)

    def forget_left(self, left: str) -> None:
        """Remove every pair of the left one."""
        for right in self._rights.pop(left, ()):
            del self._lefts[right][left]

    def forget_right(self, right: str) -> None:
        """Remove every pair of the right one."""
        for left in self._lefts.pop(right, ()):
            del self._rights[left][right]


class _Users(Sized, Container[str]) if TYPE_CHECKING else object:  # type: ignore[misc]
    pass
