"""When checkpoints are written, and what they say."""

import apsw

from lvrestore.model import ContentType, ItemError, Operation, RestorationResult
from lvrestore.state.checkpoints import MOST_REASONS
from lvrestore.state.reader import StateReader
from lvrestore.state.store import StateStore

D, L = ContentType.DASHBOARD, ContentType.LOOK


def result(source_id, content_type=D, operation=Operation.UPDATED, **more):
    given = {"seq": 0, "content_type": content_type, "source_id": str(source_id), "name": "n"}
    return RestorationResult(**given, operation=operation, **more)


def test_one_is_written_with_every_interval_of_a_type(tmp_path):
    path = tmp_path / "state.db"
    with StateStore(path, checkpoint_interval=3) as store:
        scope, reader = store.begin_session("a", "b", {}, {}), StateReader(path)
        store.write(scope, [result(1), result(2), result(1, L)])
        assert reader.checkpoints(scope.session_id) == []
        failed = result(3, operation=Operation.FAILED, error=ItemError(kind="validation", message=""))
        store.write(scope, [failed])
        (first,) = reader.checkpoints(scope.session_id)
        assert (first.content_type, first.item_count, first.error_count, first.position) == (D, 3, 1, "3")
        store.write(scope, [result(one) for one in (4, 5, 6, 7)])
        (second,) = reader.checkpoints(scope.session_id)
        assert (second.item_count, second.started_at) == (7, first.started_at)
        uncounted = "SELECT content_type FROM restored_items WHERE counted = 0"
        assert apsw.Connection(str(path)).execute(uncounted).fetchall() == [(L,)]


def test_the_end_of_a_run_writes_what_is_left(tmp_path):
    path = tmp_path / "state.db"
    with StateStore(path) as store:
        scope = store.begin_session("a", "b", {}, {})
        store.write(scope, [result(1), result(2, L)])
    with StateStore(path) as store:
        counts = {"total_items": 2, "success_count": 2, "error_count": 0}
        store.finish_session(scope, "completed", {"summary": counts}, result(1).calls, 0)
    found = StateReader(path).checkpoints(scope.session_id)
    assert [(one.content_type, one.position) for one in found] == [(D, "1"), (L, "2")]


def test_reasons_that_name_an_id_do_not_grow_without_end(tmp_path):
    path = tmp_path / "state.db"
    with StateStore(path, checkpoint_interval=50) as store:
        scope = store.begin_session("a", "b", {}, {})
        for start in range(0, 2 * MOST_REASONS, 100):
            rare = [
                result(one, operation=Operation.SKIPPED, reason=f"became {one}")
                for one in range(start, start + 100)
            ]
            common = result(f"c{start}", operation=Operation.SKIPPED, reason="built in")
            store.write(scope, [*rare, common])
        (counts,) = StateReader(path).counts(scope.session_id).values()
    assert len(counts.skipped) <= MOST_REASONS
    assert counts.skipped["built in"] == 2 * MOST_REASONS / 100
    assert counts.operations == {"skipped": 2 * MOST_REASONS + 20}
