"""Make a lookervault backup of any size from a seed, byte for byte shaped like one that lookervault wrote.

Every object follows from the seed, its type and its number alone, so the rows are written as they are
made and memory does not grow with the vault. Every reference between rows resolves.
"""

from __future__ import annotations

import argparse
from contextlib import closing
from inspect import signature
from pathlib import Path
from typing import Any

import apsw
import msgspec
from vaultmaker.rows import KINDS, IdForm, Kind, rows_of
from vaultmaker.schema import NEWEST_SCHEMA, VERSION_ROWS, schema_sql
from vaultmaker.tree import ROOTS
from vaultmaker.wording import EXTRACTED_AT, MODELS
from vaultmaker.world import World

ROWS_PER_COMMIT = 1000
# What an instance of ordinary habits consists of; the dashboards are the rest, some 55 %.
SHARES = {
    "looks": 0.2,
    "folders": 0.05,
    "users": 0.05,
    "boards": 0.02,
    "groups": 0.015,
    "roles": 0.0075,
    "permission_sets": 0.005,
    "model_sets": 0.005,
    "plans": 0.0475,
}
# The roots, the folder of LookML, and the models are in every vault.
FIXED_ROWS = len(ROOTS) + 1 + len(MODELS)
DEFAULTS = {name: given.default for name, given in signature(World).parameters.items()}


def mixed(total: int) -> dict[str, int]:
    """Return what `write_vault` takes to make a whole instance of this many rows, of every type."""
    counts = {name: max(1, round(total * share)) for name, share in SHARES.items()}
    # Each user brings a personal folder.
    dashboards = total - sum(counts.values()) - counts["users"] - FIXED_ROWS
    if dashboards < 1:
        raise ValueError(f"{total} rows are too few for a vault of all types")
    return {"dashboards": dashboards, **counts, "whole": True}


def write_vault(
    path: Path,
    *,
    id_form: IdForm = "bare",
    schema: int = NEWEST_SCHEMA,
    **world: Any,  # noqa: ANN401 - World's
) -> dict[str, int]:
    """Write a new vault and return the number of rows per type; see `World` for what can be chosen."""
    made = World(disjoint_ids=schema < NEWEST_SCHEMA and id_form == "bare", **world)
    kinds = [kind for kind in KINDS if made.counts[kind.label] or not kind.optional]
    path.unlink(missing_ok=True)
    with closing(apsw.Connection(str(path))) as db:
        for setting in ("page_size = 16384", "journal_mode = OFF", "synchronous = OFF"):
            db.execute(f"PRAGMA {setting}")
        db.execute(schema_sql(schema))
        for kind in kinds:
            _write_kind(db, made, kind, id_form, schema)
        counts = {kind.label: made.counts[kind.label] for kind in kinds}
        _write_history(db, kinds, counts, schema)
        # lookervault leaves its files in this mode.
        db.execute("PRAGMA journal_mode = WAL").fetchall()
    return counts


def _write_kind(db: apsw.Connection, world: World, kind: Kind, id_form: IdForm, schema: int) -> None:
    # The first schema has no folder_id, the last column.
    columns = 12 if schema > 1 else 11
    # S608: the statement is put together from this file's own text.
    statement = f"INSERT INTO content_items VALUES ({', '.join('?' * columns)})"  # noqa: S608
    total = world.counts[kind.label]
    for start in range(1, total + 1, ROWS_PER_COMMIT):
        numbers = range(start, min(start + ROWS_PER_COMMIT, total + 1))
        with db:
            db.executemany(statement, (row[:columns] for row in rows_of(world, kind, numbers, id_form)))


def _write_history(db: apsw.Connection, kinds: list[Kind], counts: dict[str, int], schema: int) -> None:
    at = EXTRACTED_AT.isoformat()
    session_id = "71e114eb-9e77-52c9-b029-5dcd82fab582"
    config = msgspec.json.encode(
        {"content_types": [kind.number for kind in kinds], "batch_size": 100}
    ).decode()
    with db:
        for version in VERSION_ROWS[schema]:
            db.execute("INSERT INTO schema_version VALUES (?, ?, ?)", (version, at, "schema"))
        db.execute(
            "INSERT INTO extraction_sessions VALUES (?, ?, ?, 'completed', ?, 0, ?, NULL)",
            (session_id, at, at, sum(counts.values()), config),
        )
        for kind in kinds:
            db.execute(
                "INSERT INTO sync_checkpoints VALUES (NULL, ?, ?, '{}', ?, ?, ?, NULL)",
                (session_id, kind.number, at, at, counts[kind.label]),
            )


def main() -> None:
    """Write a vault as the arguments say, and tell what is in it."""
    parser = _parser()
    given = vars(parser.parse_args())
    out, items = given.pop("out"), given.pop("items")
    try:
        shares = {} if items is None else mixed(items)
    except ValueError as error:
        parser.error(str(error))
    counts = write_vault(out, **(shares | given))
    print(f"{out}: " + ", ".join(f"{count:,} {label}s" for label, count in counts.items()))


def _parser() -> argparse.ArgumentParser:
    # What is not given is left to `mixed` or to the defaults of `World`.
    parser = argparse.ArgumentParser(
        description="Make a lookervault backup from a seed.", argument_default=argparse.SUPPRESS
    )
    parser.add_argument("out", type=Path, metavar="OUT.db")
    parser.add_argument(
        "--items",
        type=int,
        default=None,
        metavar="N",
        help="a whole instance of N rows of all types; a count given as well replaces its share",
    )
    for name, default in DEFAULTS.items():
        if type(default) is int:
            option = f"--{name.replace('_', '-')}"
            parser.add_argument(option, dest=name, type=int, metavar="N", help=f"default {default}")
    parser.add_argument("--id-form", choices=("bare", "composite"))
    parser.add_argument("--schema", type=int, choices=sorted(VERSION_ROWS))
    parser.add_argument("--oddities", action=argparse.BooleanOptionalAction)
    parser.add_argument(
        "--whole",
        action=argparse.BooleanOptionalAction,
        help="also links between content, other logins, embed folders; with --items the default",
    )
    return parser


if __name__ == "__main__":
    main()
