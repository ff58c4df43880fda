"""Which rows are restored, and what was left out: counted, and said before anything is asked of the instance."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import TypeVar

import msgspec

from lvrestore.engine.connected import Connected
from lvrestore.engine.proved import Proved
from lvrestore.engine.session import Session
from lvrestore.engine.subject import Subject
from lvrestore.errors import LimitReachedError, NotFoundError, UsageError
from lvrestore.model import ContentType, VaultRow
from lvrestore.plan.chosen import Chosen
from lvrestore.plan.dependencies import circles
from lvrestore.preflight.estimate import least_calls
from lvrestore.report.wording import left_the_source, named, plural
from lvrestore.settings import RestorationConfig, Selection
from lvrestore.text import quoted
from lvrestore.vault import DoneIn, Vault, Wanted

NAMED_IDS = 10
BATCH = 500
IN_FOLDERS = (ContentType.DASHBOARD, ContentType.LOOK)
BY_FOLDER = frozenset({*IN_FOLDERS, ContentType.FOLDER})
SELECTS = "--folder selects only folders, looks and dashboards"
T = TypeVar("T")


class Selected(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a run. `counts` are those that are left to be restored, by type, in the order of the run."""

    rows: Vault
    chosen: Chosen
    counts: dict[ContentType, int]
    left_out_deleted: int
    done_in: DoneIn | None

    @property
    def total(self) -> int:
        """Items to restore."""
        return sum(self.counts.values())

    @property
    def types(self) -> list[ContentType]:
        """The types that items are left of."""
        return [one for one, n in self.counts.items() if n]

    def wanted(self) -> Wanted:
        """What the vault is asked for: the rows that are left."""
        return self.chosen.rows(self.done_in)

    def only(self) -> VaultRow | None:
        """The one row that is left, if it is one."""
        if self.total != 1:
            return None
        return next((row for t in self.types for row in self.rows.rows(t, **self.wanted())), None)


def require_selected(vault: Vault, config: RestorationConfig) -> None:
    """Ids that the vault does not have are an error before anything is done."""
    if config.selection.ids is None:
        return
    for content_type in config.selection.types:
        if absent := vault.absent(content_type, config.selection.ids):
            names = ", ".join(f"{content_type.label} {i}" for i in absent[:NAMED_IDS])
            more = f" and {len(absent) - NAMED_IDS} more" if len(absent) > NAMED_IDS else ""
            hint = f"`lvrestore vault list --type {content_type.label}` shows what is in it"
            raise NotFoundError(names + more, f"the vault {vault.path}", hint)


def require_calls(config: RestorationConfig, vault: Vault, done_in: DoneIn | None = None) -> None:
    """Refuse a run, before the login, that could only read until its calls are used up."""
    limit = config.own_limits.calls
    if limit is None:
        return
    chosen = _chosen(vault, config.selection)
    left = {one: vault.count(one, **chosen.rows(done_in)) for one in chosen.in_order}
    if (least := least_calls(left, vault.count)) > limit:
        raise LimitReachedError(f"to log in and to read the lists takes {least} calls (--max-calls {limit})")


def select(here: Connected, session: Session, subject: Subject) -> Selected:
    """Choose the rows; say what no folder holds, and what the backup marks deleted."""
    selection, rows = subject.config.selection, subject.rows
    chosen = _chosen(rows, selection)
    if chosen.folder_ids is not None:
        _say_what_no_folder_holds(here, subject)
    selected = Selected(
        rows=rows,
        chosen=chosen,
        counts={one: _left(one, here, session, subject, chosen) for one in chosen.in_order},
        left_out_deleted=_left_out_deleted(rows, chosen),
        done_in=session.done_in(here),
    )
    _say_what_is_marked_deleted(here, selected)
    return selected


def _chosen(vault: Vault, selection: Selection) -> Chosen:
    return Chosen(
        types=selection.types,
        ids=selection.ids,
        deleted="include" if selection.ids is not None else selection.deleted,
        folder_ids=_folders(vault, selection.folder, recursive=selection.recursive),
    )


def _left(
    content_type: ContentType, here: Connected, session: Session, subject: Subject, chosen: Chosen
) -> int:
    """How many rows of a type are left; what an ordinary session has done is among those that are selected."""
    if subject.retry is not None:
        return subject.rows.count(content_type, **chosen.rows(session.done_in(here)))
    done = session.earlier.tally.by_type.get(content_type)
    return subject.rows.count(content_type, **chosen.rows()) - (done.total() if done else 0)


def _left_out_deleted(rows: Vault, chosen: Chosen) -> int:
    if chosen.deleted != "exclude":
        return 0
    folders = chosen.folder_ids
    return sum(rows.count(one, ids=None, folder_ids=folders, deleted="only") for one in chosen.types)


def _folders(vault: Vault, folder: str | None, *, recursive: bool) -> Collection[str] | None:
    if folder is None:
        return None
    try:
        root = vault.find_folder(folder)
    except NotFoundError:
        # A backup of some types has no folder rows, but its items say by id where they lie.
        if not any(vault.count(t, folder_ids={folder}, deleted="include") for t in IN_FOLDERS):
            raise
        root = folder
    return {root, *(vault.subfolders(root) if recursive else ())}


# --- what is said of the selection


def _say_what_no_folder_holds(here: Connected, subject: Subject) -> None:
    types = subject.config.selection.types
    outside = [one for one in types if one not in BY_FOLDER]
    if len(outside) == len(types):
        names = " or ".join(f"{named(one)}s" for one in outside)
        raise UsageError(f"--folder cannot select {names}: {SELECTS}")
    if lost := [f"{named(one)}s" for one in outside if subject.rows.has_type(one)]:
        here.reporter.warn(f"{SELECTS}: left out are all {', '.join(lost)}")


def _say_what_is_marked_deleted(here: Connected, selected: Selected) -> None:
    """Who names an item gets it, also one that was deleted before the backup was made, perhaps on purpose."""
    deleted = msgspec.structs.replace(selected.chosen, deleted="only")
    for content_type in deleted.in_order if deleted.ids is not None else ():
        if marked := [*selected.rows.ids(content_type, **deleted.rows())]:
            named_ones = ", ".join(marked[:NAMED_IDS]) + (", ..." if len(marked) > NAMED_IDS else "")
            here.reporter.warn(
                f"the backup marks {plural(content_type, len(marked))} deleted that "
                f"{'is' if len(marked) == 1 else 'are'} named: {named_ones}"
            )


def say_which_circles(here: Connected, selected: Selected) -> None:
    """Folders that lie in each other can never be made; each fails, and here it is said why."""
    folders = selected.rows.folder_tree.folders if ContentType.FOLDER in selected.chosen.types else {}
    for circle in circles({one: folder.parent_id for one, folder in folders.items()}):
        names = ", ".join(f"{one} {quoted(folders[one].name)}" for one in circle[:NAMED_IDS])
        here.reporter.warn(f"in the backup these folders lie in each other: {names}")


def say_what_left_the_source(here: Connected, subject: Subject, proved: Proved, selected: Selected) -> int:
    """Name what earlier runs brought here and the other instance has no more, which stays; return how many."""
    chosen = selected.chosen
    whole = chosen.ids is None and chosen.folder_ids is None and subject.is_whole
    if proved.same or not whole:
        return 0
    reader, lost = here.reader(), 0
    for content_type in (one for one in chosen.types if subject.rows.has_type(one)):
        brought = reader.mapped_ids(proved.source, here.instance, content_type.label)
        gone = [*_left_out(brought, partial(subject.rows.ids, content_type, deleted="exclude"))]
        lost += len(gone)
        if gone:
            here.reporter.warn(left_the_source(content_type, gone))
    return lost


def _left_out(
    mapped: Iterable[tuple[str, str]], present: Callable[..., Iterable[str]]
) -> Iterator[tuple[str, str]]:
    """Those of (source id, destination id) that the backup does not have; asked for in batches."""
    for batch in batches(mapped):
        there = set(present(ids=[source_id for source_id, _ in batch]))
        yield from (one for one in batch if one[0] not in there)


def batches(items: Iterable[T]) -> Iterator[list[T]]:
    """All items, so many at a time as one statement asks about."""
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        yield batch
