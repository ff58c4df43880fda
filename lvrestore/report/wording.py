"""Sentences about a run that people read, without any terminal in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from lvrestore.content.identity.edited import TIMED
from lvrestore.model import ContentType, Edit
from lvrestore.plan.identity import UNKNOWN
from lvrestore.plan.plausibility import Visible
from lvrestore.report.evidence import identity_lines
from lvrestore.report.reporter import Intent, RetryIntent
from lvrestore.text import printable, quoted
from lvrestore.times import parse_time

NAMED_ITEMS = 10
# How a dry run ends that does not come to its end: there is nothing to resume.
NOT_SHOWN = "nothing was written, and what else would be done is not shown"


def plural(content_type: ContentType, n: int) -> str:
    """`1 dashboard`, `1,234 dashboards`."""
    return counted(n, named(content_type))


def counted(n: int, noun: str) -> str:
    """`1 mapping`, `1,234 mappings`."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def named(content_type: ContentType) -> str:
    """What people call one item of a type."""
    return content_type.label.replace("_", " ").replace("lookml", "LookML")


def left_the_source(content_type: ContentType, gone: Sequence[tuple[str, str]]) -> str:
    """The items, as (source id, destination id), that the backup does not have any more."""
    listed = ", ".join(f"{source_id} (here {here})" for source_id, here in gone[:NAMED_ITEMS])
    more = f" and {len(gone) - NAMED_ITEMS:,} more" if len(gone) > NAMED_ITEMS else ""
    what = plural(content_type, len(gone))
    return (
        f"{what} of earlier runs left the source since: {listed}{more}; what is here of them stays as it is"
    )


def fetched_line(source: str, fetched: Mapping[str, int]) -> str:
    """What the source gave."""
    return f"{source} gave {fetched['query']:,} queries and {fetched['merge_query']:,} merge queries"


def queries_line(queries: Mapping[str, Mapping[str, int]]) -> str:
    """How many queries and merge queries were made; empty if there was nothing to make."""
    said = []
    for kind, name in (("query", "queries"), ("merge_query", "merge queries")):
        counts = [f"{n:,} {what}" for what, n in queries[kind].items() if n]
        said += [f"{name}: {', '.join(counts)}"] if counts else []
    return "; ".join(said)


def last_change(edit: Edit) -> str:
    """When an object was changed last, and by whom if that is known."""
    at = parse_time(edit.at)
    when = f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if at is not None else edit.at
    return f"{when} by {edit.by}" if edit.by else when


def api_calls(n: int) -> str:
    """`1 API call`, `1,234 API calls`."""
    return counted(n, "API call")


def intent_lines(intent: Intent) -> list[str]:
    """What is about to happen, to which host, from which backup."""
    what = ", ".join(plural(t, n) for t, n in intent.counts.items() if n) or "nothing"
    if intent.only is not None:
        what = f"{named(intent.only.content_type)} {intent.only.source_id} {quoted(intent.only.name)}"
    lines = [
        f"Restore {what} into {intent.instance}",
        f"from {intent.vault_path}{_age(intent.vault_newest)}."
        if intent.retry is None
        else _what_is_tried_again(intent.retry, intent.vault_path),
    ]
    if intent.session is not None:
        lines.append(f"This continues session {intent.session.id}.")
    lines += identity_lines(intent.verdict, intent.instance)
    if intent.verdict.same:
        lines += _overwriting_lines(intent)
    else:
        lines += _other_instance_lines(intent)
    if edited := [plural(t, n) for t, n in intent.edited.items() if n]:
        were = "was" if sum(intent.edited.values()) == 1 else "were"
        lines.append(f"Edited on the instance after the backup {were}: {', '.join(edited)}.")
    if intent.left_out_deleted:
        n = intent.left_out_deleted
        rows = (
            "1 row that is deleted in the backup is"
            if n == 1
            else f"{n:,} rows that are deleted in the backup are"
        )
        lines.append(f"{rows} left out (--deleted include takes them).")
    return [*lines, *intent.sending, *_reading_lines(intent)]


def what_is_restored(intent: Intent) -> str:
    """The one item, or how many there are."""
    if intent.only is not None:
        return f"{named(intent.only.content_type)} {printable(intent.only.source_id)}"
    return counted(intent.total, "item")


def _other_instance_lines(intent: Intent) -> Iterator[str]:
    """What is known of an instance of which the numbers mean nothing here."""
    known = intent.source != UNKNOWN
    of = f"The backup is of {intent.source}" if known else "The backup does not say which instance it is of"
    yield f"{of}; no object is matched by its number."
    if intent.mapped:
        yield f"Earlier runs have brought {intent.mapped:,} of its objects here: these are updated where they differ."
    else:
        yield "No earlier run has brought anything of it here: objects are looked for by address, name and place."
    if intent.live_source is not None:
        yield (
            f"First {intent.to_fetch:,} definitions of queries that are in no backup are read from"
            f" {intent.live_source}, and those of the queries that merged results join."
        )


def hidden_line(one: Visible) -> str:
    """What to ask oneself where an instance shows next to nothing of the backup."""
    are, again = ("is" if n == 1 else "are" for n in (one.backed_up, one.missing))
    return (
        f"{one.shown:,} of {plural(one.content_type, one.backed_up)} {are} visible to this key: is it an admin's? "
        f"If the others are gone, {one.missing:,} {again} made again."
    )


def disbelieved_line(one: Visible) -> str:
    """Which list is not believed, and what is done instead."""
    what = named(one.content_type)
    return (
        f"the list of {what}s shows {one.shown:,} of {one.backed_up:,}, and a {what} that it lacks is there all the "
        "same: each is asked for by itself"
    )


def _overwriting_lines(intent: Intent) -> Iterator[str]:
    """What may be overwritten, with numbers as far as the destination was read before the question."""
    yield from map(hidden_line, intent.hidden)
    there = ", ".join(plural(t, n) for t, n in intent.there.items() if n)
    unread = [t for t, n in intent.counts.items() if n and t not in intent.there]
    if there:
        yield f"Already there, and overwritten where they differ from the backup: {there}."
    if unread:
        which = (
            f"{', '.join(named(t) + 's' for t in unread)} that exist and differ"
            if intent.there
            else "Objects that exist and differ"
        )
        newer = (
            ", newer edits included (--dry-run shows them)" if any(t.label in TIMED for t in unread) else ""
        )
        yield f"{which[0].upper()}{which[1:]} from the backup are overwritten{newer}."
    elif not there:
        yield "Nothing of it is there yet, so that nothing is overwritten."


def _reading_lines(intent: Intent) -> Iterator[str]:
    """How the destination is read: in bulk where that costs fewer calls, else item by item."""
    listed = {one.kind: one for one in intent.scanned if one.items and one.complete}
    whole = [plural(t, n) for t, n in intent.counts.items() if t.label in listed]
    single = [plural(t, n) for t, n in intent.counts.items() if n and t.label not in listed]
    if whole:
        calls = sum(one.calls for one in listed.values())
        yield f"Read in bulk, {calls:,} call{'s' if calls != 1 else ''}: {', '.join(whole)}."
    if whole and single:
        yield f"Asked for one by one: {', '.join(single)}."


def _what_is_tried_again(retry: RetryIntent, state_path: Path) -> str:
    """The letters, and what belongs to them."""
    letters = "1 dead letter" if retry.letters == 1 else f"{retry.letters:,} dead letters"
    parts = [f"from {letters} in {state_path}, as they were when they failed"]
    if retry.missing:
        parts.append(f"{retry.missing:,} that they lack come first, from {retry.backup}")
    if retry.waiting:
        parts.append(f"{retry.waiting:,} that wait for them come after, each once what it waits for is there")
    if retry.backup is None:
        parts.append("the backup is not there, so nothing else of it is known")
    return "; ".join(parts) + "."


def _age(newest: str | None) -> str:
    at = parse_time(newest)
    if at is None:
        return ""
    days = (datetime.now(UTC) - at).days
    return f", last synchronised {at:%Y-%m-%d %H:%M} UTC ({days:,} days ago)"
