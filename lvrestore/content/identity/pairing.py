"""Pair the parts that a vault describes with the parts that are live, each live part at most once."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

import msgspec

W = TypeVar("W")
L = TypeVar("L")
Key = Hashable | None


class Rule(msgspec.Struct, Generic[W, L], frozen=True):
    """Two parts belong together when both keys are equal. None never matches."""

    wanted: Callable[[W], Key]
    live: Callable[[L], Key]


def pair(
    wanted: Sequence[W], live: Sequence[L], rules: Sequence[Rule[W, L]]
) -> tuple[list[tuple[W, L | None]], list[L]]:
    """Return every wanted part with its live part (or None), and the live parts nobody wants.

    Rules are tried from the surest to the loosest; equal keys are paired in the order given.
    """
    partner: dict[int, L] = {}
    left = list(live)
    for rule in rules:
        if len(partner) == len(wanted) or not left:
            break
        waiting: defaultdict[Hashable, deque[L]] = defaultdict(deque)
        for part in left:
            if (key := rule.live(part)) is not None:
                waiting[key].append(part)
        taken: set[int] = set()
        for i, part_wanted in enumerate(wanted):
            key = None if i in partner else rule.wanted(part_wanted)
            if key is not None and waiting.get(key):
                partner[i] = waiting[key].popleft()
                taken.add(id(partner[i]))
        left = [part for part in left if id(part) not in taken]
    return [(w, partner.get(i)) for i, w in enumerate(wanted)], left
