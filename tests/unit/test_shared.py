"""Numbers shared by processes."""

import pickle
from pathlib import Path

import pytest

from lvrestore.looker.shared import SharedRow


@pytest.fixture
def row():
    row = SharedRow.create(3)
    yield row
    row.close()


def test_a_new_row_holds_zeros(row):
    assert list(row.cells) == [0.0, 0.0, 0.0]


def test_who_attaches_sees_what_the_other_writes(row):
    other = SharedRow.attach(pickle.loads(pickle.dumps(row.handle)))
    with row.locked():
        row.cells[1] = 2.5
    with other.locked():
        other.cells[2] = other.cells[1] * 2
    assert list(row.cells) == [0.0, 2.5, 5.0]
    other.close()


def test_nobody_else_can_read_it_and_nothing_stays():
    row = SharedRow.create(1)
    folder = row.handle.folder
    assert folder.stat().st_mode & 0o777 == 0o700
    row.close()
    assert not folder.exists()


def test_who_attached_leaves_the_file_to_its_maker(row):
    SharedRow.attach(row.handle).close()
    assert Path(row.handle.path).exists()


def test_an_error_inside_the_lock_gives_it_back(row):
    with pytest.raises(ZeroDivisionError), row.locked():
        row.cells[0] = 1 / 0
    with row.locked():
        assert row.cells[0] == 0.0


def test_a_row_that_is_closed_is_not_locked_by_chance(row):
    """Its number of an open file may by then be that of somebody else's file."""
    other = SharedRow.attach(row.handle)
    other.close()
    with pytest.raises(ValueError, match="closed"), other.locked():
        pass
