"""Import mappings that somebody says: check each against backup, instance and state file, ask, store all or none."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import closing

import msgspec

from lvrestore.catalog.listings import LISTINGS
from lvrestore.catalog.scan import Scanner
from lvrestore.engine.connected import Connected, RestoreRequest, connected
from lvrestore.engine.proved import prove
from lvrestore.errors import ApiError, CancelledError, IDMappingError
from lvrestore.looker.classify import Refused
from lvrestore.looker.client import GaveUp
from lvrestore.looker.protocol import Request, path
from lvrestore.model import ContentType, parse_content_type
from lvrestore.plan.identity import UNKNOWN, instance_name
from lvrestore.play.known import KnownIds
from lvrestore.preflight.estimate import FEW_ITEMS
from lvrestore.report.wording import counted
from lvrestore.state.mapping_file import MappingRow, Problem
from lvrestore.state.mappings import Group, IDMapper, imported
from lvrestore.state.sessions import Scope, now_text
from lvrestore.state.store import StateStore
from lvrestore.vault import Vault, bare_id


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the file whose type is known: what is said to be what."""

    line: int
    content_type: ContentType
    source_id: str
    destination_id: str
    source_instance: str

    @property
    def item(self) -> tuple[str, ContentType, str]:
        """What is mapped."""
        return self.source_instance, self.content_type, self.source_id

    @property
    def target(self) -> tuple[str, ContentType, str]:
        """What it is mapped to, for its source."""
        return self.source_instance, self.content_type, self.destination_id

    def __str__(self) -> str:
        return f"{self.content_type.label} {self.source_id}"


class Sorted(msgspec.Struct, frozen=True):
    """The rows of a file by what they mean for the state file."""

    new: list[Pair]
    same: list[Pair]
    replaced: list[Pair]

    @property
    def to_write(self) -> list[Pair]:
        """Those that change something."""
        return self.new + self.replaced


class ProblemsError(IDMappingError):
    """Rows of a file that cannot be imported."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(
            f"{counted(len(problems), 'problem')} in the file: nothing was written", "correct these lines"
        )
        self.args, self.problems = (problems,), problems


class _Import(msgspec.Struct, frozen=True):
    """What an import goes by: the instance, and the backup with the name of its own instance."""

    here: Connected
    vault: Vault
    source: str

    def mapper(self, source_instance: str) -> IDMapper:
        """The mappings that there are of a source instance."""
        return self.here.reader().mapper(Scope("", 0, source_instance, self.here.instance))


def import_mappings(
    request: RestoreRequest,
    vault: Vault,
    rows: Iterable[MappingRow],
    problems: Iterable[Problem],
    confirm: Callable[[str], bool],
) -> Sorted:
    """Store the rows, if `confirm` agrees to what it is told; nothing is written to the instance.

    Raises `ProblemsError` that has all problems.
    """
    with connected(request) as here:
        source = prove(here, request.config, vault, vault, request.config.source_instance).source
        work = _Import(here, vault, source)
        pairs, unusable = _typed(rows, source)
        found = _sorted(work, pairs)
        found_out = [*problems, *unusable, *_told_twice(pairs), *_problems(work, found)]
        if found_out:
            raise ProblemsError(tuple(sorted(found_out, key=lambda one: one.line)))
        if found.to_write and not request.config.dry_run:
            if not confirm(_question(here, found)):
                raise CancelledError
            _store(here, found.to_write)
        return found


def _question(here: Connected, found: Sorted) -> str:
    counts = f"{len(found.new):,} new, {len(found.replaced):,} replaced, {len(found.same):,} as they are"
    return f"Import mappings to objects of {here.instance} into {here.state_path}: {counts}."


def _sorted(work: _Import, pairs: Iterable[Pair]) -> Sorted:
    found = Sorted([], [], [])
    for (source, content_type), some in _grouped(pairs).items():
        known = work.mapper(source).get_many(content_type.label, [one.source_id for one in some])
        for one in some:
            now = known.get(one.source_id)
            is_same = now is not None and now.destination_id == one.destination_id
            (found.new if now is None else found.same if is_same else found.replaced).append(one)
    return found


def _problems(work: _Import, found: Sorted) -> Iterable[Problem]:
    """What backup, instance and state file have against the rows that change something."""
    moved = {one.item for one in found.replaced}
    for (source, content_type), some in _grouped(found.to_write).items():
        mapper = work.mapper(source)
        yield from _without_source(work, source, content_type, some)
        yield from _without_target(work.here, content_type, some)
        yield from (problem for one in some if (problem := _taken(one, mapper, moved)))


def _without_source(
    work: _Import, source: str, content_type: ContentType, some: list[Pair]
) -> Iterable[Problem]:
    if work.source not in {UNKNOWN, source}:
        text = f"it is of {source}, and the backup of {work.source}: give the backup of {source} by --db-path"
        yield from (Problem(one.line, text) for one in some)
        return
    absent = set(work.vault.absent(content_type, [one.source_id for one in some]))
    for one in some:
        if one.source_id in absent:
            hint = f"`lvrestore vault list --type {content_type.label}` shows what is in it"
            yield Problem(one.line, f"{one} is not in the backup {work.vault.path}: {hint}")


def _without_target(here: Connected, content_type: ContentType, some: list[Pair]) -> Iterable[Problem]:
    absent = _absent(here, content_type, list(dict.fromkeys(one.destination_id for one in some)))
    for one in some:
        if one.destination_id in absent:
            where = f"{content_type.label} {one.destination_id} is not on {here.instance}"
            yield Problem(one.line, f"{where}: name one that is, or leave {one} out, to be found or made")


def _absent(here: Connected, content_type: ContentType, ids: list[str]) -> Collection[str]:
    """Which ids the instance does not have, neither alive nor in the trash."""
    client = here.connection.client
    try:
        if content_type is ContentType.EXPLORE:
            return {one for one in ids if client.call(_explore(one)).json is None}
        known = KnownIds({content_type.label: _listed(here, content_type.label, len(ids))})
        return known.absent(content_type.label, tuple(ids), client)[0]
    except (GaveUp, Refused) as failure:
        raise ApiError(
            f"cannot look for {content_type.label}s: {failure}", "nothing was written; try again later"
        ) from failure


def _listed(here: Connected, kind: str, wanted: int) -> frozenset[str]:
    """The ids that a list shows, where that costs fewer calls than asking for each."""
    if wanted <= FEW_ITEMS or kind not in LISTINGS:
        return frozenset()
    with closing(here.index()) as index:
        Scanner(here.connection.client, index, {}, same_instance=True).note_ids(kind, wanted)
        return frozenset(index.ids(kind))


def _store(here: Connected, pairs: Iterable[Pair]) -> None:
    at = now_text()
    with StateStore(here.state_path) as store:
        store.put_mappings(
            imported(
                Group(one.source_instance, here.instance, one.content_type.label),
                one.source_id,
                one.destination_id,
                at,
            )
            for one in pairs
        )


def _typed(rows: Iterable[MappingRow], source_instance: str) -> tuple[list[Pair], list[Problem]]:
    """The rows whose type is known; those that name no source instance are of this one."""
    pairs: list[Pair] = []
    problems: list[Problem] = []
    for row in rows:
        try:
            content_type = parse_content_type(row.content_type)
        except ValueError as error:
            problems.append(Problem(row.line, str(error)))
            continue
        said = row.source_instance
        pairs.append(
            Pair(
                line=row.line,
                content_type=content_type,
                source_id=bare_id(content_type, row.source_id),
                destination_id=row.destination_id,
                source_instance=source_instance
                if said is None
                else said
                if said == UNKNOWN
                else instance_name(said),
            )
        )
    return pairs, problems


def _grouped(pairs: Iterable[Pair]) -> dict[tuple[str, ContentType], list[Pair]]:
    groups: dict[tuple[str, ContentType], list[Pair]] = {}
    for one in pairs:
        groups.setdefault((one.source_instance, one.content_type), []).append(one)
    return groups


def _told_twice(pairs: Iterable[Pair]) -> Iterable[Problem]:
    """An item can be one object only, and an object one item."""
    items: dict[object, Pair] = {}
    targets: dict[object, Pair] = {}
    for one in pairs:
        first = items.setdefault(one.item, one)
        if first is not one:
            yield Problem(one.line, f"{one} is mapped in line {first.line} already: leave one of them out")
            continue
        other = targets.setdefault(one.target, one)
        if other is not one:
            object_name = f"{one.content_type.label} {one.destination_id}"
            text = f"{object_name} of the destination is that of {other} (line {other.line}): leave one of them out"
            yield Problem(one.line, text)


def _taken(one: Pair, mapper: IDMapper, moved: Collection[object]) -> Problem | None:
    """Whether another item, which the import does not move, is mapped to the object already."""
    holder = mapper.source_of(one.content_type.label, one.destination_id)
    if holder is None or (one.source_instance, one.content_type, holder) in moved:
        return None
    kind = one.content_type.label
    return Problem(
        one.line,
        f"{kind} {one.destination_id} of the destination is that of {kind} {holder} already: "
        f"import another one for that as well, or `lvrestore map clear {kind}:{holder}` first",
    )


def _explore(explore_id: str) -> Request:
    model, _, name = explore_id.partition("::")
    return Request("GET", path("lookml_models", model, "explores", name), {"fields": "name"})


def counts_of(found: Sorted) -> Mapping[str, int]:
    """How many rows are new, as they are, and replaced."""
    return {"new": len(found.new), "same": len(found.same), "replaced": len(found.replaced)}
