"""Checkpoints: at any moment they and the rows after them say what the whole journal says."""

import tempfile
from pathlib import Path

import apsw
from hypothesis import given
from hypothesis import strategies as st

from lvrestore.model import Calls, ContentType, ItemError, Operation, RestorationResult
from lvrestore.state.checkpoints import JOURNALED, Counts
from lvrestore.state.reader import StateReader
from lvrestore.state.store import StateStore

ITEMS = st.tuples(st.sampled_from([ContentType.LOOK, ContentType.DASHBOARD]), st.sampled_from("12345"))
KINDS = st.sampled_from(["transient", "validation"])


@st.composite
def results(draw):
    content_type, source_id = draw(ITEMS)
    operation = draw(st.sampled_from(Operation))
    error = ItemError(kind=draw(KINDS), message="") if operation is Operation.FAILED else None
    return RestorationResult(
        seq=0,
        content_type=content_type,
        source_id=source_id,
        name="n",
        operation=operation,
        reason=draw(st.sampled_from(["", "built in"])),
        calls=Calls(by_method={"GET": draw(st.integers(1, 3))}, retries=draw(st.integers(0, 1))),
        warnings=draw(st.sampled_from([(), (("orphan", "x"),), (("orphan", "x"), ("not_kept", "y"))])),
        error=error,
        earlier=draw(st.sampled_from([None, None, Operation.CREATED])),
    )


STEPS = st.lists(
    st.one_of(st.lists(results(), min_size=1, max_size=4), st.sampled_from(["reopen", "restart", "finish"])),
    max_size=12,
)


def counted_again(path, session_id):
    """The same from every row of the journal."""
    counts = {}
    with apsw.Connection(str(path)) as db:
        sql = f"SELECT content_type, {JOURNALED} FROM restored_items WHERE session_id = ?"
        for content_type, *row in db.execute(sql, (session_id,)):
            counts.setdefault(ContentType(content_type), Counts()).add(row)
    return counts


def plain(counts):
    """Counts without zeros."""
    return {
        content_type: (
            one.operations,
            one.errors,
            one.warnings,
            one.skipped,
            {method: n for method, n in one.calls.by_method.items() if n},
            one.calls.retries,
        )
        for content_type, one in counts.items()
        if one.items
    }


@given(STEPS, st.integers(1, 5))
def test_they_say_what_the_journal_says(steps, interval):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.db"
        store = StateStore(path, interval)
        scope = store.begin_session("a", "b", {}, {})
        for step in steps:
            match step:
                case "reopen":
                    store.reopen(scope, ["transient"])
                case "restart":
                    store.close()
                    store = StateStore(path, interval)
                case "finish":
                    counts = {"total_items": 0, "success_count": 0, "error_count": 0}
                    store.finish_session(scope, "stopped", {"summary": counts}, Calls(), 7)
                case _:
                    store.write(scope, step)
            reader = StateReader(path)
            assert plain(reader.counts(scope.session_id)) == plain(counted_again(path, scope.session_id))
            for one in reader.checkpoints(scope.session_id):
                assert one.item_count >= one.error_count
        store.close()
