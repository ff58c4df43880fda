"""What items are told of mappings: the same for one item, and fresh for the next."""

import importlib
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from lvrestore.model import MappingNote, MatchRule
from lvrestore.play.answers import StateReferences
from lvrestore.settings import Policy
from lvrestore.state.reader import StateReader
from lvrestore.state.store import StateStore
from lvrestore.vault import Lookups

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
make_vault = importlib.import_module("make_vault")


@pytest.fixture
def world(tmp_path):
    """References, and what commits a mapping as another process would."""
    vault = tmp_path / "vault.db"
    make_vault.write_vault(vault, dashboards=3, looks=2, folders=4, users=1)
    with StateStore(tmp_path / "state.db") as store, closing(Lookups(vault, tmp_path)) as lookups:
        scope = store.begin_session("source", "https://there", {}, {})
        reader = StateReader(tmp_path / "state.db")
        refs = StateReferences(reader, scope, lookups, {}, (), same_instance=True, policy=Policy())

        def commit(source_id, destination_id):
            rule = MatchRule.CREATED
            note = MappingNote(kind="look", source_id=source_id, destination_id=destination_id, rule=rule)
            store.write(scope, [note])

        yield refs, commit


def here(refs, source_id="1"):
    found = refs.mapped("look", source_id)
    return found.destination_id if found is not None else None


def test_who_has_begun_no_item_is_told_what_is_so_by_now(world):
    refs, commit = world
    assert here(refs) is None
    commit("1", "91")
    assert here(refs) == "91"
    commit("1", "92")
    assert here(refs) == "92"


def test_an_item_is_told_the_same_and_the_next_one_what_is_so_by_now(world):
    refs, commit = world
    refs.begin_item()
    assert here(refs) is None
    commit("1", "91")
    assert here(refs) is None
    refs.begin_item()
    assert here(refs) == "91"


def test_an_item_sees_what_it_has_mapped_itself(world):
    refs, commit = world
    refs.begin_item()
    assert (here(refs, "1"), here(refs, "2")) == (None, None)
    commit("1", "91")
    commit("2", "92")
    refs.forget("look", "1")
    assert (here(refs, "1"), here(refs, "2")) == ("91", None)


def test_items_of_other_threads_are_told_for_themselves(world):
    refs, commit = world
    refs.begin_item()
    assert here(refs) is None
    commit("1", "91")
    told = []

    def other():
        refs.begin_item()
        told.append(here(refs))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert told == ["91"]
    assert here(refs) is None


def test_rows_of_the_backup(world):
    refs, _ = world
    assert refs.has_row("dashboard", "1")
    assert not refs.has_row("dashboard", "999")
    # `in_vault` says yes of a type that was not backed up.
    assert refs.in_vault("board", "1")
    assert not refs.has_row("board", "1")
