"""Sentences about whether the destination is the instance of the backup."""

from __future__ import annotations

from collections.abc import Iterator

from lvrestore.plan.identity import Verdict

HOW_TO_DECLARE = (
    "If it is that instance, for example because all of this content was deleted, add --same-instance: folders, "
    "owners and queries are then found by their ids."
)


def identity_lines(verdict: Verdict, instance: str) -> Iterator[str]:
    """Which instance it is, how that is known, and what follows."""
    yield f"{instance} is {verdict}."
    if verdict.same and verdict.declared:
        yield (
            "Ids of the backup count as ids of this instance: an object that has such an id is taken for the "
            "backup's, unless it was created at another time."
        )
    if not verdict.same and not verdict.declared:
        yield HOW_TO_DECLARE
    elif verdict.same and verdict.evidence.is_thin:
        yield (
            f"Only {verdict.evidence.matches:,} of {verdict.evidence.looked_for:,} objects are there: the others were "
            "deleted, or this API key cannot see them, or this is a copy of that instance."
        )


def identity_warnings(verdict: Verdict, instance: str) -> list[str]:
    """The same lines for whoever is not shown the plan: none where the evidence is plain."""
    is_plain = verdict.declared or (verdict.same and not verdict.evidence.is_thin)
    return [] if is_plain else list(identity_lines(verdict, instance))


def identity_question(instance: str) -> str:
    """What is asked of whoever declares that it is the instance of the backup."""
    return f"Is {instance} really the instance this backup was taken from?"
