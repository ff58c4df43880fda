"""Do everything that the state file is asked to do, and note the statements."""

import msgspec

from lvrestore.model import (
    BeforeImage,
    Calls,
    ContentType,
    CreateSent,
    ItemError,
    MappingNote,
    MatchRule,
    Operation,
    OwnWrite,
    RestorationResult,
    SwitchedOff,
    UndeleteSent,
    Waits,
)
from lvrestore.report.session import session_summary
from lvrestore.state.dead_letters import LetterFilter
from lvrestore.state.journal import JournalFilter
from lvrestore.state.mappings import Group, imported
from lvrestore.state.reader import StateReader
from lvrestore.state.store import StateStore

D = ContentType.DASHBOARD
HERE = "https://there"
SENT = ("SELECT", "INSERT", "UPDATE", "DELETE")


def asked_by_everything(path):
    """The statements of all methods of both sides, with what was bound; the file is left at `path`."""
    seen = {}
    with StateStore(path, checkpoint_interval=2) as store:
        note_statements(store._db, seen)
        reader = StateReader(path)
        note_statements(reader._db, seen)
        scope = write(store)
        read(reader, scope)
        everything = {"status": "completed", "exit_code": 0, "own_calls": Calls()}
        counts = {"total_items": 1, "success_count": 1, "error_count": 0}
        store.finish_session(scope, summary={"summary": counts}, **everything)
        session_summary(reader, reader.newest_session())
    return seen


def note_statements(db, seen):
    def note(_cursor, sql, bindings):
        if sql.lstrip().startswith(SENT):
            seen[sql] = bindings
        return True

    db.exec_trace = note


def switched_off(plan_id, body=b"{}"):
    names = {"kind": "scheduled_plan", "name": "Daily", "owner": "Ann B"}
    return SwitchedOff(
        destination_id=plan_id, body=body, content_kind="dashboard", content_id="5", ticket=0, **names
    )


def write(store):
    failed = store.begin_session("source", HERE, {}, {})
    failure = {"name": "n", "seq": 0, "content_type": D, "operation": Operation.FAILED}
    blocked = ItemError(kind="dependency", message="", blockers=("folder 7",))
    store.write(failed, [RestorationResult(source_id="9", error=blocked, blob=b"{}", **failure)])
    letters = [one.id for one in store.dead_letters.find(LetterFilter())]
    scope = store.begin_session("source", HERE, {}, {}, letters=letters)
    store.claim(scope, [(D, "1"), (D, "2")])
    store.unclaim(scope, [(D, "2")])
    done = {"name": "n", "seq": 0, "content_type": D, "operation": Operation.UPDATED, "destination_id": "5"}
    done["own_write"] = OwnWrite("dashboard", "5", "2026-11-01T00:00:00.000+00:00")
    store.write(
        scope,
        [
            CreateSent(content_type=D, source_id="1", ticket=0),
            UndeleteSent(content_type=D, source_id="1", destination_id="5", ticket=0),
            switched_off("9"),
            MappingNote(kind="dashboard", source_id="1", destination_id="5", rule=MatchRule.SLUG),
            BeforeImage(kind="dashboard", destination_id="5", body=b"{}", ticket=0),
            RestorationResult(source_id="1", waits=Waits.FOR_NAME, **done),
            RestorationResult(source_id="1", earlier=Operation.UPDATED, **done),
            RestorationResult(source_id="3", error=ItemError(kind="transient", message=""), **failure),
        ],
    )
    store.uncertain(scope)
    store.cut_off(scope)
    store.reopen(scope, ["transient"])
    store.clear_dead_letters([77])
    group = Group("source", HERE, "look")
    store.put_mappings([imported(group, "1", "2", "2026")])
    store.take_over(msgspec.structs.replace(scope, other_names=("another name",)))
    store.clear_mappings({group: ["1"], msgspec.structs.replace(group, content_type="role"): None})
    return store.continue_session(StateReader(store.path).session(scope.session_id))


def read(reader, scope):
    mapper = reader.mapper(scope)
    mapper.get("dashboard", "1")
    mapper.get_many("dashboard", ["1", "2"])
    mapper.source_of("dashboard", "5")
    group = next(reader.mappings.groups())
    list(reader.mappings.find(["dashboard"], "source", limit=3))
    list(reader.mappings.rows(group))
    reader.mappings.get(group, "1")
    reader.mappings.count(group)
    reader.mappings.count(group, ["1"])
    reader.mapped("source", HERE)
    list(reader.mapped_ids("source", HERE, "dashboard"))
    reader.source_samples(HERE)
    reader.declared_sources(HERE)
    reader.history(scope, D, "1")
    reader.own_write(HERE, "dashboard", "5")
    reader.is_begun(HERE, D, "1")
    reader.begun(HERE)
    reader.status(scope, D, "1")
    reader.lost(scope, D, "1")
    reader.became(scope, D, "1")
    list(reader.waiting(scope, D, for_name=True))
    reader.has_moved(scope)
    reader.sessions()
    reader.session(scope.session_id)
    reader.counts(scope.session_id)
    reader.checkpoints(scope.session_id)
    session = reader.newest_session()
    for wanted in (
        JournalFilter(),
        JournalFilter(operations=(Operation.FAILED,), warnings=True, failures=True),
    ):
        list(reader.journal(session, wanted))
    reader.last_activity(scope.session_id)
    letters = reader.dead_letters
    for wanted in (
        LetterFilter(),
        LetterFilter(ids=(1, 2)),
        LetterFilter(session_id=scope.session_id),
        LetterFilter(content_type=D),
        LetterFilter(kind="dependency"),
        LetterFilter(destination=HERE),
        LetterFilter(retried_in=scope.session_id),
        LetterFilter(session_id=scope.session_id, content_type=D, kind="dependency", destination=HERE),
    ):
        letters.find(wanted)
    letters.get(1)
    letters.absent([1])
    list(letters.keys(LetterFilter(retried_in=scope.session_id)))
