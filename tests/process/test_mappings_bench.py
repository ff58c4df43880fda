"""The benchmark of look-ups, small: it counts right while somebody writes."""

import argparse

import mappings


def test_smoke_finds_every_id_that_is_mapped(tmp_path):
    path = tmp_path / "state.db"
    mappings.fill(path, 300)
    given = argparse.Namespace(mappings=300, lookups=400, batch=50, workers=2)
    figures = mappings.measure(path, given)
    assert figures["looked_up"] == 2 * 2 * 400
    assert figures["commits_meanwhile"] >= 1


def test_what_is_not_mapped_is_not_found(tmp_path):
    path = tmp_path / "state.db"
    mappings.fill(path, 10)
    *_, found = mappings.look_up(path, 1000, 200, 50, seed=1)
    assert 0 < found < 2 * 200
