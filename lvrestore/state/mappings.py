"""Id mappings: which object of the destination an item of a backup is, or a part of one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, cast

import msgspec
import orjson

from lvrestore.content.knowledge import DEFINED
from lvrestore.model import ContentType, MappedId, MappingNote, MappingState, MatchRule

if TYPE_CHECKING:
    import apsw

PAGE = 500
CONTENT_TYPES = tuple(one.label for one in ContentType)
# What is mapped besides: parts of items, and what they show.
PARTS = (
    "dashboard_element",
    "dashboard_filter",
    "dashboard_layout",
    "board_section",
    "board_item",
    "query",
    "merge_query",
)
# What goes with the items of a type when their mappings are cleared; `made_user` says that a user was made here.
BELONGS_TO: Mapping[str, tuple[str, ...]] = {
    "dashboard": ("dashboard_element", "dashboard_filter", "dashboard_layout"),
    "board": ("board_section", "board_item"),
    "user": ("made_user",),
    "group": ("made_group",),
    "role": ("made_role",),
}
_MADE = ("made_user", "made_group", "made_role")
# What an older version said of all that is not done, also of personal folders, of which nothing is left to do.
OLD_STATE = "partial"
_COLUMNS = "source_id, destination_id, state, rule, mapped_at, session_id"
_OF_GROUP = "source_instance = ? AND destination_instance = ? AND content_type = ?"


class Group(msgspec.Struct, frozen=True):
    """The mappings of one kind between two instances."""

    source_instance: str
    destination_instance: str
    content_type: str

    @property
    def key(self) -> tuple[str, str, str]:
        """As it is bound to a statement."""
        return self.source_instance, self.destination_instance, self.content_type


class IDMapping(msgspec.Struct, frozen=True, kw_only=True):
    """One mapping as it is stored; an older version may have said neither `rule` (empty) nor `mapped_at`."""

    source_instance: str
    destination_instance: str
    content_type: str
    source_id: str
    destination_id: str
    state: MappingState
    rule: str
    mapped_at: str | None
    session_id: str


def state_of(note: MappingNote) -> MappingState:
    """How far a mapping is true from what is noted of it on."""
    if note.settled:
        return MappingState.DONE
    return MappingState.REFERRED if note.referred else MappingState.BEGUN


def _state(stored: str, rule: str) -> MappingState:
    """The state of a mapping as it is stored; an older version had one for all that is not done."""
    if stored != OLD_STATE:
        return MappingState(stored)
    return MappingState.DONE if rule == MatchRule.PERSONAL_FOLDER else MappingState.BEGUN


class IDMapper:
    """Look-ups for one source and destination, from any thread: each is a statement of its own, nothing is cached.

    Another process may commit a mapping at any moment, so that what was absent may be there the next time.
    """

    def __init__(
        self,
        connection: Callable[[], apsw.Connection],
        source_instance: str,
        destination_instance: str,
        *,
        is_same_instance: bool = False,
        other_names: Collection[str] = (),
    ) -> None:
        """`connection` gives the one of the calling thread. `is_same_instance`: that was proved or declared.

        `other_names` are those of the same source in earlier runs; of two mappings the newer one counts.
        """
        self._connection = connection
        self._pair = (source_instance, destination_instance)
        self._others = [(name, destination_instance) for name in other_names]
        self.is_same_instance = is_same_instance

    def get(self, kind: str, source_id: str) -> MappedId | None:
        """The committed mapping of a source id."""
        rows = [
            row
            for pair in self._pairs(kind)
            for row in self._connection().execute(
                "SELECT destination_id, created_at, state, rule, coalesce(mapped_at, '') FROM id_mappings"
                " WHERE source_instance = ? AND destination_instance = ? AND content_type = ? AND source_id = ?",
                (*pair, kind, source_id),
            )
        ]
        return _mapped(max(rows, key=itemgetter(4))[:4]) if rows else None

    def _pairs(self, kind: str) -> list[tuple[str, str]]:
        """The pairs of instances whose mappings count; a query that another instance needed anew is still there."""
        return [self._pair, *([] if kind in DEFINED else self._others)]

    def get_many(self, kind: str, source_ids: Iterable[str]) -> dict[str, MappedId]:
        """The committed mappings of any number of source ids, by these; those that have none are left out."""
        # CROSS JOIN: the ids are gone through, and each is looked up.
        rows = (
            self._connection()
            .execute(
                "SELECT source_id, destination_id, created_at, state, rule FROM json_each(?)"
                " CROSS JOIN id_mappings WHERE source_instance = ? AND destination_instance = ?"
                " AND content_type = ? AND source_id = json_each.value",
                (orjson.dumps(list(source_ids)).decode(), *self._pair, kind),
            )
            .fetchall()
        )
        return {str(source_id): _mapped(row) for source_id, *row in rows}

    def source_of(self, kind: str, destination_id: str) -> str | None:
        """A source id whose committed mapping names that destination id."""
        statement = (
            "SELECT source_id FROM id_mappings WHERE source_instance = ? AND destination_instance = ?"
            " AND content_type = ? AND destination_id = ? LIMIT 1"
        )
        for pair in self._pairs(kind):
            found = self._connection().execute(statement, (*pair, kind, destination_id)).get
            if found is not None:
                return str(found)
        return None


def _mapped(row: Any) -> MappedId:  # noqa: ANN401 - a row
    destination_id, created_at, state, rule = row
    rule = str(rule or "")
    return MappedId(str(destination_id), cast("str | None", created_at), _state(str(state), rule), rule)


def take_over(db: apsw.Connection, names: Iterable[str], name: str, destination: str) -> None:
    """Let the mappings of other names be of `name`; of two mappings of an item the newer one stays.

    Those of queries stay behind: on the instance of the backup queries keep their ids. The caller has the transaction.
    """
    kinds = orjson.dumps([kind for kind in (*CONTENT_TYPES, *PARTS, *_MADE) if kind not in DEFINED]).decode()
    for other in names:
        given = {"other": other, "name": name, "destination": destination, "kinds": kinds}
        db.execute(_FORGET_OLDER, given)
        db.execute(_RENAME, given)


_OF_OTHER = (
    "source_instance = :other AND destination_instance = :destination"
    " AND content_type IN (SELECT value FROM json_each(:kinds))"
)
_FORGET_OLDER = (
    f"DELETE FROM id_mappings AS old WHERE {_OF_OTHER} AND EXISTS (SELECT 1 FROM id_mappings AS own"  # noqa: S608 - constants
    " WHERE own.source_instance = :name AND own.destination_instance = :destination"
    " AND own.content_type = old.content_type AND own.source_id = old.source_id"
    " AND coalesce(own.mapped_at, '') >= coalesce(old.mapped_at, ''))"
)
_RENAME = f"UPDATE OR REPLACE id_mappings SET source_instance = :name WHERE {_OF_OTHER}"  # noqa: S608 - constants


class Mappings:
    """All mappings of a state file, one after the other. The connection is the caller's."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    def groups(self) -> Iterator[Group]:
        """Which kinds are mapped between which instances, in order; each is one look into the index."""
        after = ("", "", "")
        while True:
            rows = self._db.execute(
                "SELECT source_instance, destination_instance, content_type FROM id_mappings"
                " WHERE (source_instance, destination_instance, content_type) > (?, ?, ?)"
                " ORDER BY source_instance, destination_instance, content_type LIMIT 1",
                after,
            ).fetchall()
            if not rows:
                return
            after = cast("tuple[str, str, str]", rows[0])
            yield Group(*after)

    def rows(self, group: Group) -> Iterator[IDMapping]:
        """The mappings of a group by source id; nothing stays open between two of them."""
        after = ""
        while True:
            rows: list[Any] = self._db.execute(
                f"SELECT {_COLUMNS} FROM id_mappings"  # noqa: S608 - constants
                f" WHERE {_OF_GROUP} AND source_id > ? ORDER BY source_id LIMIT ?",
                (*group.key, after, PAGE),
            ).fetchall()
            if not rows:
                return
            after = str(rows[-1][0])
            yield from (_stored(group, row) for row in rows)

    def find(
        self, kinds: Collection[str], source: str | None = None, *, limit: int | None = None, offset: int = 0
    ) -> Iterator[IDMapping]:
        """The mappings of these kinds, of one source instance or of all."""
        wanted = (g for g in self.groups() if g.content_type in kinds and source in {None, g.source_instance})
        found = (row for group in wanted for row in self.rows(group))
        return islice(found, offset, None if limit is None else offset + limit)

    def get(self, group: Group, source_id: str) -> IDMapping | None:
        """One mapping."""
        rows: list[Any] = self._db.execute(
            f"SELECT {_COLUMNS} FROM id_mappings"  # noqa: S608 - constants
            f" WHERE {_OF_GROUP} AND source_id = ?",
            (*group.key, source_id),
        ).fetchall()
        return _stored(group, rows[0]) if rows else None

    def count(self, group: Group, source_ids: Collection[str] | None = None) -> int:
        """How many mappings a group has, or how many of these ids are mapped."""
        if source_ids is None:
            sql, bound = f"SELECT count(*) FROM id_mappings WHERE {_OF_GROUP}", group.key  # noqa: S608 - a constant
            return int(self._db.execute(sql, bound).get)
        return int(
            self._db.execute(
                f"SELECT count(*) FROM json_each(?) CROSS JOIN id_mappings WHERE {_OF_GROUP}"  # noqa: S608 - a constant
                " AND source_id = json_each.value",
                (_listed(source_ids), *group.key),
            ).get
        )

    # -- writing: in a transaction of the store's

    def put(self, rows: Iterable[IDMapping]) -> None:
        """Store mappings that somebody says; what was known of the object that they replace is forgotten."""
        self._db.executemany(
            "INSERT INTO id_mappings VALUES (?, ?, ?, ?, ?, ?, NULL, NULL, NULL, NULL, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET destination_id = excluded.destination_id, state = excluded.state,"
            " created_at = NULL, slug = NULL, vault_fingerprint = NULL, live_fingerprint = NULL,"
            " session_id = excluded.session_id, rule = excluded.rule, mapped_at = excluded.mapped_at",
            (
                (
                    one.source_instance,
                    one.destination_instance,
                    one.content_type,
                    one.source_id,
                    one.destination_id,
                    one.state,
                    one.session_id,
                    one.rule,
                    one.mapped_at,
                )
                for one in rows
            ),
        )

    def clear(self, group: Group, source_ids: Collection[str] | None = None) -> None:
        """Forget the mappings of a group, or those of these ids."""
        if source_ids is None:
            self._db.execute(f"DELETE FROM id_mappings WHERE {_OF_GROUP}", group.key)  # noqa: S608 - a constant
            return
        self._db.execute(
            f"DELETE FROM id_mappings WHERE {_OF_GROUP} AND source_id IN (SELECT value FROM json_each(?))",  # noqa: S608
            (*group.key, _listed(source_ids)),
        )


def _listed(source_ids: Iterable[str]) -> str:
    return orjson.dumps(list(source_ids)).decode()


def _stored(group: Group, row: Iterable[Any]) -> IDMapping:
    stored = dict(zip(_COLUMNS.split(", "), row, strict=True))
    stored["state"] = _state(stored["state"], stored["rule"])
    return IDMapping(**msgspec.structs.asdict(group), **stored)


def imported(group: Group, source_id: str, destination_id: str, mapped_at: str) -> IDMapping:
    """A mapping that somebody says is so."""
    return IDMapping(
        **msgspec.structs.asdict(group),
        source_id=source_id,
        destination_id=destination_id,
        state=MappingState.DONE,
        rule=MatchRule.IMPORT,
        mapped_at=mapped_at,
        session_id="",
    )
