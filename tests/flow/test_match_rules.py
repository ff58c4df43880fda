"""By which rule an item was found, in memory."""

from datetime import UTC, datetime

import msgspec
import pytest
from factory import make_dashboard, make_looker
from harness import Memory, restore

from lvrestore.model import ContentType, MatchRule

COLLECTIONS = {"dashboard": "dashboards", "folder": "folders", "look": "looks", "user": "users"}


def backup(looker, kind):
    """What a backup holds of the object of a kind."""
    ids = {"user": looker.owner, "folder": looker.folder, "look": looker.look}
    item_id = ids.get(kind) or make_dashboard(looker, slug="sales")
    live = looker.call("GET", f"/{COLLECTIONS[kind]}/{item_id}")
    return {name: value for name, value in live.items() if value is not None}


def rule(looker, kind, content, memory=None, **more):
    """How the item was found that has this content."""
    memory = memory or Memory()
    rows = [(content["id"], msgspec.msgpack.encode(content))]
    restore(looker, rows, memory, content_type=ContentType[kind.upper()], **more)
    return memory.rules.get((kind, content["id"]))


@pytest.mark.parametrize("kind", COLLECTIONS)
def test_on_the_instance_of_the_backup_the_id_tells(kind):
    looker = make_looker()
    assert rule(looker, kind, backup(looker, kind)) == MatchRule.ID


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("dashboard", MatchRule.SLUG),
        ("folder", MatchRule.PATH),
        ("look", MatchRule.TITLE_IN_FOLDER),
        ("user", MatchRule.EMAIL),
    ],
)
def test_where_the_id_is_gone_the_natural_key_does(kind, key):
    looker = make_looker()
    content = {**backup(looker, kind), "id": "90000"}
    assert rule(looker, kind, content) == key


def test_a_dashboard_without_its_slug_is_found_by_title_and_folder():
    looker = make_looker()
    content = {**backup(looker, "dashboard"), "id": "90000"}
    del content["slug"]
    assert rule(looker, "dashboard", content) == MatchRule.TITLE_IN_FOLDER


def test_what_is_nowhere_is_created():
    looker = make_looker()
    content = {**backup(looker, "folder"), "id": "90000", "name": "New"}
    assert rule(looker, "folder", content) == MatchRule.CREATED


def test_what_a_lost_attempt_made_is_known_by_when_it_was_made():
    looker = make_looker()
    content = {**backup(looker, "look"), "id": "90000"}
    looker.call("PATCH", f"/looks/{looker.look}", {"description": "cut off half-way"})
    made = datetime.fromisoformat(looker.call("GET", f"/looks/{looker.look}")["created_at"])
    assert rule(looker, "look", content, uncertain_since=made.astimezone(UTC)) == MatchRule.LOST_POST


def test_a_root_folder_of_another_instance_is_found_by_what_it_is():
    looker = make_looker()
    shared = next(one for one in looker.call("GET", "/folders") if one.get("is_shared_root"))
    content = {**{k: v for k, v in shared.items() if v is not None}, "id": "777", "name": "Renamed"}
    assert rule(looker, "folder", content, Memory(same_instance=False)) == MatchRule.ROOT


def test_the_personal_folder_goes_with_its_user():
    looker = make_looker()
    looker.owner = looker.call("POST", "/users", {"first_name": "Eve", "last_name": "D"})["id"]
    looker.call("POST", f"/users/{looker.owner}/credentials_email", {"email": "eve@example.com"})
    content = {**backup(looker, "user"), "id": "90000", "personal_folder_id": "90001"}
    memory = Memory(same_instance=False)
    memory.contents["user", "90000"] = content
    rule(looker, "user", content, memory)
    assert memory.rules["folder", "90001"] == MatchRule.PERSONAL_FOLDER
