"""A file of faults: TOML with a list of rules, as docs/sandbox.md describes."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from lvrestore.errors import ValidationError
from lvrestore.sandbox.faults import AnyRule, RuleError, parse_rule

_HINT = "docs/sandbox.md describes the file; it is a list of tables that begin with [[rules]]"


def read_fault_file(path: Path) -> list[AnyRule]:
    """Return the rules of a file; raise ValidationError with file, number of the rule, key, and what is valid."""
    rules = _tables(path)
    return [_rule(path, number, given) for number, given in enumerate(rules, start=1)]


def _tables(path: Path) -> list[Any]:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ValidationError(f"cannot read {path}: {error.strerror}", _HINT) from None
    except ValueError as error:  # no TOML, or not even text
        raise ValidationError(f"{path} is not TOML: {error}", _HINT) from None
    if unknown := sorted(content.keys() - {"rules"}):
        raise ValidationError(f"{path}: there is no key {unknown[0]!r}; there is: rules", _HINT)
    rules = content.get("rules")
    if not isinstance(rules, list) or not rules:
        raise ValidationError(f"{path}: rules must be a list of at least one rule", _HINT)
    return rules


def _rule(path: Path, number: int, given: object) -> AnyRule:
    try:
        return parse_rule(given)
    except RuleError as error:
        raise ValidationError(f"{path}: rule {number}: {error}", _HINT) from None
