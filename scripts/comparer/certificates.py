"""Certificates: status and notes. Who certified, and when, cannot be restored."""

from __future__ import annotations

from typing import Any

from comparer.sources import Content

WRITABLE = ("certification_status", "notes")


def certificate(content: Content) -> dict[str, Any] | None:
    """What a certificate says; None where there is none."""
    found = content.get("certification_metadata") or {}
    return {name: found.get(name) for name in WRITABLE} if found.get("certification_status") else None
