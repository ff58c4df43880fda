"""Text of a server made fit to be kept and shown: without what is named like a secret."""

from __future__ import annotations

import re

_NAMES = "secret|token|password|api_key|private_key|authorization"
_IN_JSON = re.compile(rf'("[^"]*(?:{_NAMES})[^"]*"\s*:\s*)("(?:[^"\\]|\\.)*"?|[^\s,}}\]"]+)', re.IGNORECASE)
_BEARER = re.compile(r"((?:bearer|basic)\s+)[\w.~+/=-]+", re.IGNORECASE)
# As in a form, a header or a log line: `client_secret=x&`, `Authorization: x`.
_IN_TEXT = re.compile(
    rf"""(\b[\w-]*(?:{_NAMES})[\w-]*\s*[=:]\s*(?:token\s+)?)(?![\s"'])[^\s&,;"'<>}}\]]+""", re.IGNORECASE
)
# A secret that is shorter stands in ordinary words as well, and would give itself away by what is masked.
SHORTEST_MASKED = 8


def masked(text: str, secret: str) -> str:
    """Give a text without a secret that is known."""
    return text.replace(secret, "***") if len(secret) >= SHORTEST_MASKED else text


def redacted(text: str) -> str:
    """Give a text, JSON or not, without the values of what is named like a secret."""
    return _IN_TEXT.sub(r"\1***", _BEARER.sub(r"\1***", _IN_JSON.sub(r'\1"***"', text)))
