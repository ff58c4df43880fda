"""Held over every test that restores: no scheduled plan is ever run."""

import pytest

from lvrestore.sandbox.looker import Looker


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch):
    """Watch every Looker that a test makes."""
    made = []
    begin = Looker.__init__

    def watched(looker, *arguments, **options):
        begin(looker, *arguments, **options)
        made.append(looker)

    monkeypatch.setattr(Looker, "__init__", watched)
    yield
    for looker in made:
        assert looker.runs == []
        assert not [r for r in looker.requests if "run_once" in r.path]
