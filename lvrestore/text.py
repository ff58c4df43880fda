"""Text from a backup or a server made safe to show: names may hold anything a browser accepted, at any length."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from itertools import takewhile
from typing import Any

# As many characters of a name are shown in a sentence or a table.
NAME_LIMIT = 60
# What a difference keeps of the text on each side that both values share.
CONTEXT = 12
# Line and paragraph separators, control characters and lone surrogates; letters of any script stay.
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Format characters that turn the direction of what follows: they can make one name look like another.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str, limit: int | None = None) -> str:
    """Return `text` with control characters as escapes, cut to `limit` characters with an ellipsis."""
    text = text if limit is None else shortened(text, limit)
    if text.isprintable():
        return text
    return "".join(_escaped(char) if _is_unsafe(char) else char for char in text)


def shortened(text: str, limit: int = NAME_LIMIT) -> str:
    """Return `text`, or as much of its beginning as fits into `limit` characters with an ellipsis."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "…"


def quoted(name: object) -> str:
    """Return a name in quotes for a sentence, cut; what is no text is shown as Python writes it."""
    return repr(shortened(name) if isinstance(name, str) else name)


def person_name(user: Mapping[str, Any]) -> str:
    """Return how people know a user: `Ann B <ann@example.com>`, or what there is of it; empty if nothing is."""
    name = " ".join(str(user[part]) for part in ("first_name", "last_name") if user.get(part))
    login = user.get("credentials_email")
    address = user.get("email") or (login.get("email") if isinstance(login, Mapping) else None)
    if not address:
        return name
    return f"{name} <{address}>" if name else str(address)


def shortened_pair(before: str, after: str, limit: int = NAME_LIMIT) -> tuple[str, str]:
    """Cut two texts that are to be compared, so that what differs stays: their equal ends go first."""
    if len(before) <= limit and len(after) <= limit:
        return before, after
    start = max(_equal_at_start(before, after) - CONTEXT, 0)
    end = max(_equal_at_start(before[start:][::-1], after[start:][::-1]) - CONTEXT, 0)
    return _cut(before, start, end, limit), _cut(after, start, end, limit)


def _cut(text: str, start: int, end: int, limit: int) -> str:
    middle = text[start : len(text) - end]
    lead, tail = "…" if start else "", "…" if end else ""
    return lead + shortened(middle, limit - len(lead) - len(tail)) + tail


def _equal_at_start(one: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _is_unsafe(char: str) -> bool:
    return char in _TURNING or unicodedata.category(char) in _UNSAFE_CATEGORIES


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
