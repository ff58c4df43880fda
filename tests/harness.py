"""Run the engine's driver against an in-memory Looker: no socket, no process, no waiting."""

from datetime import datetime

import msgspec

from lvrestore.catalog.alert_search import AlertSearch
from lvrestore.catalog.client import IndexedClient
from lvrestore.content.knowledge import mapped_as
from lvrestore.content.moved.renaming import remapped, remapped_query
from lvrestore.looker.client import LookerClient
from lvrestore.looker.retry import RetryPolicy
from lvrestore.model import (
    ContentType,
    History,
    MappedId,
    MappingState,
    Operation,
    RestorationTask,
    Waits,
    is_lost,
)
from lvrestore.play.driver import Driver
from lvrestore.play.known import KnownIds
from lvrestore.play.listener import IndexListener
from lvrestore.play.needs import Facts, Patience
from lvrestore.play.workbench import decode
from lvrestore.rehearsal.client import RehearsalClient, Rehearsed
from lvrestore.settings import Policy
from lvrestore.state.mappings import state_of


class Memory:
    """State without a file: recorder, references and history of an in-memory run.

    `contents` is the backup's other items, decoded, by (kind, id); `policy` are fields of `Policy`.
    """

    def __init__(self, *, same_instance=True, **policy):
        self.same_instance, self.policy = same_instance, Policy(**policy)
        self.contents, self.queries, self.made, self.again = {}, {}, set(), False
        self.merges, self.refusals, self.withheld_definitions = {}, {}, {}
        self.deleted, self.not_here = set(), set()
        self.mappings, self.rules, self.accepted, self.before = {}, {}, {}, []
        self.ended_items = {}
        self.tried = []
        self.undeletes, self.switched_off = {}, []
        self.vault_ids, self.kind, self.ids = None, "", set()
        self.rehearsed = {}
        self.own_writes = {}
        self.told, self.told_lost = None, None

    def note(self, m):
        self.rules[m.kind, m.source_id] = m.rule
        self.mappings[m.kind, m.source_id] = MappedId(m.destination_id, m.created_at, state_of(m), m.rule)

    def note_known(self, kind, source_id, destination_id=None):
        """Have an item mapped, under its own id if none is given."""
        self.mappings[kind, source_id] = MappedId(destination_id or source_id)

    def finish(self, kind, source_id, destination_id=None, *, lacking=False):
        """An item has come to its end, wherever it is mapped to, or there."""
        mapping = self.mappings.get((kind, source_id)) or (destination_id and MappedId(destination_id))
        if mapping:
            state = MappingState.LACKING if lacking else MappingState.DONE
            here = destination_id or mapping.destination_id
            self.mappings[kind, source_id] = msgspec.structs.replace(
                mapping, destination_id=here, state=state
            )

    def keep(self, kind, destination_id, body):
        self.before.append((kind, destination_id, body))

    def create(self, task):
        self.sent = task.source_id

    def undelete(self, task, destination_id):
        self.undeletes[task.source_id] = destination_id

    def switch_off(self, note):
        self.switched_off.append((note.kind, note.destination_id, note.body))

    def begin_item(self):
        self.told, self.told_lost = {}, {}

    def forget(self, kind, source_id):
        (self.told or {}).pop((kind, mapped_as(self.policy, kind, source_id)), None)

    def wrote(self, own):
        if own is not None:
            until, key = datetime.fromisoformat(own.until), (own.kind, own.destination_id)
            self.own_writes[key] = max(until, self.own_writes.get(key, until))

    def own_write(self, kind, destination_id):
        return self.own_writes.get((kind, destination_id))

    def mapped(self, kind, source_id):
        key = kind, mapped_as(self.policy, kind, source_id)
        return _as_told(self.told, key, self.mappings.get(key))

    def mapped_from(self, kind, destination_id):
        meant = (
            s for (k, s), to in self.mappings.items() if (k, to.destination_id) == (kind, destination_id)
        )
        return next(meant, None)

    def in_vault(self, kind, source_id):
        if self.vault_ids is not None:
            return (kind, source_id) in self.vault_ids or kind not in {one for one, _ in self.vault_ids}
        return kind != self.kind or source_id in self.ids

    def has_row(self, kind, source_id):
        return (kind, source_id) in self.contents

    def marked_deleted(self, kind, source_id):
        content = self.contents.get((kind, source_id)) or {}
        says = content.get("deleted") is True if kind in {"dashboard", "look"} else False
        says = says or (kind == "board" and bool(content.get("deleted_at")))
        return says or (kind, source_id) in self.deleted

    def made_now(self, kind, source_id):
        return (kind, source_id) in self.made

    def ended(self, kind, source_id):
        return (kind, source_id) in self.ended_items

    def lost(self, kind, source_id):
        key = kind, source_id
        return _as_told(self.told_lost, key, self.ended_items.get(key, False))

    def content(self, kind, source_id):
        content = self.contents.get((kind, source_id))
        return None if content is None else remapped(ContentType[kind.upper()], content, self.policy.remap)

    def query(self, query_id):
        """The whole definition that a tile embeds, else that of a result maker, else what a test has given."""
        found = next((one for one in self._in_tiles() if str(one.get("id")) == query_id), None)
        return self._named(found or self.queries.get(query_id))

    def merge_query(self, merge_id):
        return self._named(self.merges.get(merge_id))

    def _named(self, definition):
        return None if definition is None else remapped_query(definition, self.policy.remap)

    def _in_tiles(self):
        boards = (content for (kind, _), content in self.contents.items() if kind == "dashboard")
        tiles = [tile for one in boards for tile in one.get("dashboard_elements") or ()]
        wholes = [one for tile in tiles for one in (tile.get("query"), (tile.get("look") or {}).get("query"))]
        return filter(None, wholes + [(tile.get("result_maker") or {}).get("query") for tile in tiles])

    def _living(self, kind):
        rows = ((i, content) for (one, i), content in self.contents.items() if one == kind)
        return [(i, content) for i, content in rows if not self.marked_deleted(kind, i)]

    def refusal(self, kind, source_id):
        return self.refusals.get((kind, source_id))

    def withheld(self, kind, source_id):
        return self.withheld_definitions.get((kind, source_id))

    def holders(self, kind, source_id, *, managed=False):
        flags = ("is_service_account", "credentials_embed")
        flags += ("roles_externally_managed",) if kind == "role" else ()
        return tuple(
            i
            for i, c in self._living("user")
            if source_id in (c.get(f"{kind}_ids") or ()) and any(c.get(f) for f in flags) == managed
        )

    def personal_folder(self, user_id):
        if said := (self.content("user", user_id) or {}).get("personal_folder_id"):
            return said
        folders = ((i, c) for (kind, i), c in self.contents.items() if kind == "folder")
        return next((i for i, c in folders if c.get("is_personal") and c.get("creator_id") == user_id), None)

    def owner_of(self, folder_id):
        users = (
            i
            for (k, i), c in self.contents.items()
            if k == "user" and c.get("personal_folder_id") == folder_id
        )
        return next(users, (self.content("folder", folder_id) or {}).get("creator_id"))

    def namesakes(self, kind, source_id):
        fields = ("parent_id", "name") if kind == "folder" else ("first_name", "last_name")
        name = _name(self.contents.get((kind, source_id)) or {}, fields)
        elsewhere = ("is_service_account", "credentials_embed")
        people = [(i, c) for i, c in self._living(kind) if not any(c.get(flag) for flag in elsewhere)]
        same = [i for i, c in people if _name(c, fields) == name]
        return tuple(sorted(same, key=lambda i: (len(i), i)))


def _as_told(told, key, now):
    """What an item under way is told: what it was told before, else what is so now."""
    return now if told is None else told.setdefault(key, now)


def _name(content, fields):
    return [content.get(field) or "" for field in fields]


def restore(
    looker,
    rows,
    memory=None,
    *,
    content_type=ContentType.DASHBOARD,
    uncertain_since=None,
    lands_until=None,
    dry_run=False,
    max_retries=3,
    grace_s=1.0,
    index=None,
    twice=False,
):
    """Restore vault rows (id, blob) one after the other; return the results. `index`: what was read in bulk.

    `twice`: what waits for others is looked at again, as at the end of a run.
    """
    memory = memory or Memory()
    memory.kind, memory.ids = content_type.label, {source_id for source_id, _ in rows}
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds
        if hasattr(looker, "advance"):
            looker.advance(seconds)

    client = LookerClient(
        looker, policy=RetryPolicy(max_retries=max_retries), sleep=sleep, clock=lambda: now[0]
    )
    alerts = AlertSearch()
    if index is not None:
        client = IndexedClient(client, index, same_instance=memory.same_instance)

    def run(seq, source_id, blob, before=None):
        played = memory.rehearsed.setdefault((content_type, source_id), Rehearsed())

        def history(task):
            return History(
                uncertain_since,
                memory.accepted.get(task.source_id),
                before is not None,
                memory.again,
                memory.undeletes.get(task.source_id),
                begun=task.uncertain,
            )

        driver = Driver(
            RehearsalClient(client, played) if dry_run else client,
            memory,
            decode,
            Facts(memory, KnownIds({}), history, alerts),
            IndexListener(index, memory.tried.append),
            Patience(grace_s, max_retries, sleep, sleep, lambda: now[0]),
        )
        task = RestorationTask(
            seq=seq,
            content_type=content_type,
            source_id=source_id,
            name=source_id,
            blob=blob,
            uncertain=uncertain_since is not None,
            lands_until=lands_until,
            again=before.waits if before else Waits.FOR_OTHERS if memory.again else Waits.NO,
            earlier=before.operation if before else None,
            earlier_done=before.done if before else None,
            earlier_error=before.error.kind if before and before.error else None,
        )
        result = driver.restore(task)
        note_end(memory, content_type, result)
        memory.wrote(None if dry_run else result.own_write)
        return result

    results = [run(seq, *row) for seq, row in enumerate(rows)]
    _look_again(results, memory, lambda seq, result: run(seq, *rows[seq], result), twice=twice)
    waiting = _nameless(results)
    while waiting:
        results = [
            run(seq, *row, result) if result.waits >= Waits.FOR_NAME else result
            for seq, (row, result) in enumerate(zip(rows, results, strict=True))
        ]
        before, waiting = waiting, _nameless(results)
        if waiting == before or dry_run:
            break
    return results


def note_end(memory, content_type, result):
    """Keep how an item of this run ended, as a state file would."""
    source_id = result.source_id
    kind = content_type.label
    memory.ended_items[kind, source_id] = is_lost(kind, result.operation, result.waits)
    if result.operation is not Operation.FAILED:
        memory.undeletes.pop(source_id, None)
    if result.operation not in {Operation.FAILED, Operation.CONFLICT}:
        lacking = result.operation is Operation.PARTIAL
        here = None if result.operation is Operation.SKIPPED else result.destination_id
        memory.finish(kind, source_id, here, lacking=lacking)
    if result.became is Operation.CREATED:
        memory.made.add((content_type.label, source_id))
    if result.live_fingerprint:
        memory.accepted[source_id] = (result.vault_fingerprint, result.live_fingerprint)


def _look_again(results, memory, run, *, twice):
    memory.again = memory.again or twice
    for seq, result in enumerate(results if twice else ()):
        if result.waits is Waits.FOR_OTHERS:
            results[seq] = run(seq, result)


def _nameless(results):
    """Which items wait until their names are free, as the run looks at them again while that changes anything."""
    return [(r.source_id, r.waits) for r in results if r.waits >= Waits.FOR_NAME]


class PowerCut(BaseException):
    """Ends the process that runs the driver."""


class Cut:
    """Sends so many requests, then nothing ever again; the last one is carried out."""

    def __init__(self, looker, after):
        self._looker, self._left = looker, after

    def send(self, request):
        answer = self._looker.send(request)
        if self._left == 0:
            raise PowerCut
        self._left -= 1
        return answer
