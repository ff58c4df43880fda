"""Whether somebody edited an object after the backup: the rule, without any object."""

from datetime import UTC, datetime, timedelta

import pytest

from lvrestore.content.identity.edited import edited_after_backup, updated_by

BACKUP = datetime(2026, 11, 1, 4, tzinfo=UTC)


def at(**later):
    return (BACKUP + timedelta(**later)).isoformat()


def never_asked():
    raise AssertionError


@pytest.mark.parametrize(
    ("live", "ours", "begun", "edited"),
    [
        (at(), None, False, False),
        (at(hours=-1), None, False, False),
        (at(milliseconds=900), None, False, False),  # an older backup has whole seconds
        (at(days=3), None, False, True),
        (at(days=3), BACKUP + timedelta(days=3), False, False),
        (at(days=3, seconds=9), BACKUP + timedelta(days=3), False, False),
        (at(days=3, minutes=2), BACKUP + timedelta(days=3), False, True),
        (at(days=3), BACKUP + timedelta(days=4), False, False),
        (at(days=3), None, True, False),
        (None, None, False, None),
        ("yesterday", None, False, None),
        (None, None, True, None),
    ],
)
def test_the_rule(live, ours, begun, edited):
    assert edited_after_backup(BACKUP, live, lambda: ours, begun=begun) is edited
    assert edited_after_backup(BACKUP.isoformat(), live, lambda: ours, begun=begun) is edited


def test_without_a_time_in_the_backup_nobody_can_tell():
    assert edited_after_backup(None, at(days=1), never_asked, begun=False) is None


def test_our_own_writes_are_asked_only_when_they_matter():
    assert edited_after_backup(BACKUP, at(), never_asked, begun=False) is False
    assert edited_after_backup(BACKUP, at(days=1), never_asked, begun=True) is False


@pytest.mark.parametrize(
    ("live", "by"),
    [
        ({"last_updater_id": "5", "last_updater_name": "Ann B"}, "Ann B"),
        ({"last_updater_id": "5"}, "Cid D"),
        ({"last_updater_id": "6"}, "6"),
        ({"last_updater_id": None, "last_updater_name": None}, None),
        ({}, None),
    ],
)
def test_who_changed_it(live, by):
    assert updated_by(live, {"5": "Cid D"}.get) == by
