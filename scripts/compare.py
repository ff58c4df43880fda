"""Compare the content of a sandbox with a vault, field by field, all types.

Shares no code with the tool on purpose: it reads the vault with sqlite3 and the sandbox from its dump, and
knows for itself which fields Looker lets one write. Exit code 1 when anything differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from comparer.pairing import ORDER, automatic, key_of, pair_all, wrong_with
from comparer.senders import lost_alerts, woken
from comparer.sources import TABLE, Backup, Content, read_dump
from comparer.ties import compare_ties
from comparer.world import World

SHOWN = 20
GONE = "gone"
Dump = Mapping[str, Mapping[str, Content]]
NOTHING: Dump = MappingProxyType({})


class Finding(NamedTuple):
    """What is wrong with one object: the vault's id, or the live one for what is too much."""

    kind: str
    object_id: str
    what: str


def compare(backup: Backup, dump: Dump, before: Dump = NOTHING, *, asleep: bool = False) -> Iterator[Finding]:
    """Yield everything that is not as the vault says: gone, different, tied otherwise, or too much.

    `before` is the dump from before the restore: what was there then is not too much, and alerts that were there
    then must still be there. `asleep`: what lay in the trash then must not send anything now.
    """
    world = World(backup, dump, before)
    pair_all(world)
    for kind in ORDER:
        for source_id, content in backup.items[kind].items():
            if automatic(kind, content) is None:
                yield from _compare_item(kind, source_id, content, world)
    yield from (Finding(*one) for one in compare_ties(world, {name: dict(t) for name, t in before.items()}))
    yield from _too_much(world, before)
    yield from (Finding(*one) for one in lost_alerts(dump, before))
    yield from (Finding(*one) for one in (woken(dump, before) if asleep else ()))


def _compare_item(kind: str, source_id: str, content: Content, world: World) -> Iterator[Finding]:
    live_id = world.there.ids[kind].get(source_id)
    if live_id is None:
        yield Finding(kind, source_id, GONE)
    else:
        found = wrong_with(kind, content, world.live(kind)[live_id], world)
        yield from (Finding(kind, source_id, what) for what in found)


def _too_much(world: World, before: Dump) -> Iterator[Finding]:
    """Yield what has no counterpart and was not there before; a second one of the same key is a duplicate."""
    for kind in ORDER:
        paired = set(world.there.ids[kind].values())
        keys = {_key(kind, world.live(kind)[i]) for i in paired}
        for live_id, one in world.live(kind).items():
            in_trash = one.get("deleted") or one.get("deleted_at")
            if live_id in paired or in_trash or live_id in before.get(TABLE[kind], {}):
                continue
            if not _comes_by_itself(kind, one, world):
                what = "duplicate" if _key(kind, one) in keys else "surplus"
                yield Finding(kind, live_id, f"{what} {one.get('title') or one.get('name')!r}")


def _key(kind: str, live: Content) -> object:
    return key_of(kind, live, lambda _, live_id: live_id)


def _comes_by_itself(kind: str, live: Content, world: World) -> bool:
    """Whether the server made it: with the instance, or with a user."""
    if kind == "folder" and live.get("is_personal"):
        return live.get("creator_id") in world.live("user")
    return automatic(kind, live) is not None


# --- the command


def _verdict(found: Mapping[tuple[str, str], list[str]], total: int) -> str:
    if not found:
        return (
            f"All {total:,} items that can be restored are there, with every field, part, reference and"
            " membership as in the backup; none is there twice."
        )
    worst = Counter(_sort(paths) for paths in found.values())
    parts = ", ".join(f"{n:,} {what}" for what, n in worst.items())
    return f"{len(found):,} of {total:,} items are not as in the backup: {parts}."


def _sort(paths: list[str]) -> str:
    first = paths[0].split()[0]
    named = {
        "gone": "are gone",
        "in": "are in the trash",
        "duplicate": "are there twice",
        "surplus": "are too much",
    }
    return named.get(first, "differ")


def main() -> int:
    """Compare, say what was found, and return the exit code."""
    parser = argparse.ArgumentParser(description="Compare a sandbox's content with a vault's.")
    where = "a dump of the sandbox, or the URL of a running one"
    parser.add_argument("dump", metavar="DUMP.json", help=where)
    parser.add_argument("vault", metavar="VAULT.db", type=Path)
    parser.add_argument("--before", metavar="DUMP.json", help="a dump from before: what was there is allowed")
    parser.add_argument(
        "--asleep", action="store_true", help="with --before: what came back from the trash must send nothing"
    )
    parser.add_argument("--keep", metavar="DUMP.json", type=Path, help="write the dump here, for --before")
    parser.add_argument("-q", "--quiet", action="store_true", help="the verdict only")
    given = parser.parse_args()
    backup, dump = Backup(given.vault), read_dump(given.dump)
    if given.keep:
        given.keep.write_text(json.dumps(dump))
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    before = read_dump(given.before) if given.before else NOTHING
    for kind, object_id, what in compare(backup, dump, before, asleep=given.asleep):
        found[kind, object_id].append(what)
    for (kind, object_id), paths in [] if given.quiet else list(found.items())[:SHOWN]:
        print(f"{kind} {object_id}: {'; '.join(paths)[:300]}")
    total = sum(automatic(k, one) is None for k, items in backup.items.items() for one in items.values())
    print(_verdict(found, total))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
