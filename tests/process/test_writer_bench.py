"""The benchmark of the writer, small: what it says is stored, and it counts what is committed for that."""

import pytest
import writer

COUNT, PARTS = 150, 4


@pytest.mark.parametrize(
    ("kind", "messages", "mappings", "letters"),
    [("updated", 1, 1, 0), ("created", PARTS + 2, PARTS + 1, 0), ("failed", 1, 0, 1)],
)
def test_every_outcome_is_stored_and_counted(tmp_path, kind, messages, mappings, letters):
    load = writer.Load(kind=kind, count=COUNT, rate=0, procs=2, inflight=3, parts=PARTS)
    figures = writer.measure(load, tmp_path)
    assert figures["outcomes"] == COUNT
    assert figures["messages"] == COUNT * messages
    held = figures["stored"]
    assert (held["restored_items"], held["id_mappings"]) == (COUNT, COUNT * mappings)
    assert (held["dead_letter_queue"], held["claims"]) == (COUNT * letters, 0)
    # One row for each type of which a hundred items have ended.
    assert held["restoration_checkpoints"] == 1
    # No more can be under way than there are threads, and all say at most this much at once.
    assert 1 <= figures["batch_p50"] <= figures["batch_max"] <= 2 * 3 * (PARTS + 2)


def test_a_rate_is_kept(tmp_path):
    load = writer.Load(kind="updated", count=40, rate=80, procs=2, inflight=3, parts=0)
    figures = writer.measure(load, tmp_path)
    assert figures["stored"]["restored_items"] == 40
    # The last of 40 is due 39/80 s after the first.
    assert figures["outcomes_per_s"] <= 40 / (39 / 80)
