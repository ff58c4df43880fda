"""Text from a backup made safe to print: names may hold anything a browser accepted."""

from __future__ import annotations

import unicodedata

# Line and paragraph separators, control characters and lone surrogates; letters of any script stay.
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Format characters that turn the direction of what follows: they can make one name look like another.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str, limit: int | None = None) -> str:
    """Return `text` with control characters as escapes, cut to `limit` characters with an ellipsis."""
    if limit is not None and len(text) > limit:
        text = text[: max(limit - 1, 0)] + "…"
    if text.isprintable():
        return text
    return "".join(_escaped(char) if _is_unsafe(char) else char for char in text)


def _is_unsafe(char: str) -> bool:
    return char in _TURNING or unicodedata.category(char) in _UNSAFE_CATEGORIES


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
