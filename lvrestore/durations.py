"""Lengths of time as people write and read them: `2h`, `1h30m`, `90 s`."""

from __future__ import annotations

import re

_UNITS_S = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([dhms])")


def parse_duration(text: str) -> float:
    """Read `2h`, `1h30m`, `45s`, or a plain number of seconds; raise ValueError that says so."""
    squeezed = "".join(text.lower().split())
    parts = _PART.findall(squeezed)
    if parts and "".join(number + unit for number, unit in parts) == squeezed:
        seconds = sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    else:
        try:
            seconds = float(squeezed)
        except ValueError:
            seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError(f"{text!r} is no length of time; say it like 2h, 1h30m, 90s or 5400")
    return seconds


def spoken(seconds: float) -> str:
    """`45 s`, `1 min 3 s`, `2 h 5 min`: the two largest units, whole."""
    left, words = round(seconds), []
    for name, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        if left >= size:
            words.append(f"{left // size} {name}")
            left %= size
    return " ".join(words[:2]) or "0 s"
