"""What the restore of one item asks about other rows."""

import apsw
import msgspec
import pytest
from make_vault import write_vault

from lvrestore.model import ContentType
from lvrestore.vault import Lookups

FOLDER, USER = ContentType.FOLDER, ContentType.USER
QUERY = {"id": "70", "model": "shop", "view": "orders", "fields": ["orders.count"]}
WHOLE = {**QUERY, "vis_config": {"type": "looker_bar"}}


@pytest.fixture
def ask(tmp_path):
    """Make lookups of a backup that holds these (type, id, content) alone."""
    path = tmp_path / "vault.db"
    write_vault(path, dashboards=1, looks=1, folders=1, users=1)
    db = apsw.Connection(str(path))

    def lookups(*rows):
        db.execute("DELETE FROM content_items")
        for content_type, source_id, content in rows:
            blob = msgspec.msgpack.encode(content)
            db.execute(
                "INSERT INTO content_items VALUES (?, ?, 'name', NULL, NULL, '', '', '', NULL, ?, ?, NULL)",
                (source_id, int(content_type), len(blob), blob),
            )
        return Lookups(path, tmp_path)

    yield lookups
    db.close()


def dashboard(*tiles):
    return ContentType.DASHBOARD, "1", {"id": "1", "dashboard_elements": list(tiles)}


@pytest.mark.parametrize("whole", [{"query": WHOLE}, {"look": {"query": WHOLE}}])
def test_a_query_is_taken_from_where_it_is_whole(ask, whole):
    lookups = ask(dashboard({"result_maker": {"query": QUERY}}, whole))
    assert lookups.query("70") == WHOLE
    assert lookups.query("71") is None
    lookups.close()


def test_a_query_that_only_a_result_maker_has_is_better_than_none(ask):
    lookups = ask(dashboard({"query": None, "result_maker": {"query": QUERY}}))
    assert lookups.query("70") == QUERY
    lookups.close()


def test_namesakes_come_in_the_order_of_their_ids(ask):
    folders = [(FOLDER, i, {"name": "Dev", "parent_id": "1"}) for i in ("10", "9")]
    users = [(USER, i, {"first_name": "Ann", "last_name": "B"}) for i in ("3", "10")]
    elsewhere = (FOLDER, "4", {"name": "Dev", "parent_id": "9"})
    embedded = (USER, "5", {"first_name": "Ann", "last_name": "B", "credentials_embed": [{"id": "1"}]})
    lookups = ask(*folders, elsewhere, *users, embedded)
    assert lookups.namesakes(FOLDER, "10") == ("9", "10")
    assert lookups.namesakes(FOLDER, "4") == ("4",)
    assert lookups.namesakes(USER, "10") == ("3", "10")
    lookups.close()


def test_holders_are_told_apart_by_who_decides_about_them(ask):
    ties = {"role_ids": ["3"], "group_ids": ["8"]}
    lookups = ask(
        (USER, "10", ties),
        (USER, "11", {**ties, "roles_externally_managed": True}),
        (USER, "12", {**ties, "is_service_account": True}),
        (USER, "13", {**ties, "credentials_embed": [{"external_user_id": "x"}]}),
    )
    assert lookups.holders("role", "3") == ("10",)
    assert lookups.holders("role", "3", managed=True) == ("11", "12", "13")
    assert lookups.holders("group", "8") == ("10", "11")
    assert lookups.holders("group", "8", managed=True) == ("12", "13")
    lookups.close()
