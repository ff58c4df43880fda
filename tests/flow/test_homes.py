"""What lost its folder: where it goes, where it stays, and what is said of the folder."""

from datetime import datetime

import msgspec
import pytest
from factory import make_dashboard, make_looker
from harness import Memory
from harness import restore as restore_any

from lvrestore.model import ContentType, Operation

KINDS = ("dashboard", "look")
BOB = "Bob K <bob@example.com>"
USERS = {"name": "Users", "is_users_root": True}
EMBED_USERS = {"name": "Embed Users", "is_embed_users_root": True}
PERSONAL = {"name": "Bob K", "parent_id": "2", "is_personal": True, "creator_id": "77"}
EMBED = {"name": "tenant", "parent_id": "4", "is_embed": True}
# What the backup says of the folder that is not there, and what is said of it; None: it says nothing.
LOST = {
    "personal": (PERSONAL, f" 'Users/Bob K' (the personal folder of {BOB})"),
    "in a personal one": (
        {"name": "drafts", "parent_id": "900"},
        f" 'Users/Bob K/drafts' (in the personal folder of {BOB})",
    ),
    "embed": (EMBED, " 'Embed Users/tenant' (a folder of signed embedding)"),
    "nowhere": (None, ""),
    "left out": ({"name": "Old", "parent_id": "1"}, " 'Old'"),
}
ACCOUNT_NEEDED = {"personal", "in a personal one"}


def memory_of(folder_id=None, lost="nowhere", **policy):
    """A backup of some folders and Bob, who is gone; `folder_id` is the folder that is lost."""
    memory = Memory(**policy)
    folders = {"2": USERS, "4": EMBED_USERS, "900": PERSONAL, folder_id: LOST[lost][0]}
    memory.contents = {("folder", i): {"id": i, **one} for i, one in folders.items() if one is not None}
    names = {"first_name": "Bob", "last_name": "K", "email": "bob@example.com"}
    own = folder_id if lost == "personal" else "900"
    memory.contents["user", "77"] = {"id": "77", **names, "personal_folder_id": own}
    return memory


def restore(looker, kind, row, memory, **more):
    (result,) = restore_any(looker, [row], memory, content_type=ContentType[kind.upper()], **more)
    return result


def backup(looker, kind, item_id, **changes):
    live = {**looker.call("GET", f"/{kind}s/{item_id}"), **changes}
    content = {k: v for k, v in live.items() if v is not None}
    if isinstance(content.get("created_at"), str):
        content["created_at"] = datetime.fromisoformat(content["created_at"])
    return item_id, msgspec.msgpack.encode(content)


def lose(looker, kind, how="destroyed"):
    """A row of an item whose folder was destroyed, and the folder's id; the item is in the trash, or destroyed too."""
    looker.switches["folder_delete"] = "trashes"
    folder = looker.call("POST", "/folders", {"name": "Gone", "parent_id": "1"})["id"]
    item_id = make_dashboard(looker, "Lost", tiles=1) if kind == "dashboard" else looker.look
    looker.call("PATCH", f"/{kind}s/{item_id}", {"folder_id": folder})
    row = backup(looker, kind, item_id)
    looker.call("DELETE", f"/folders/{folder}")
    if how == "destroyed":
        looker.call("DELETE", f"/{kind}s/{item_id}")
    looker.clear_log()
    return row, folder


def writes(looker):
    return [f"{r.method} {r.path}" for r in looker.requests if r.method != "GET"]


def kinds_of(result):
    return [kind for kind, _ in result.warnings]


@pytest.fixture(params=["yes", "no", "never"])
def looker(request):
    return make_looker(undelete_moves=request.param)


@pytest.fixture
def home(looker):
    return looker.call("POST", "/folders", {"name": "Handover", "parent_id": "1"})["id"]


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("how", ["destroyed", "trash"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_get_its_folder_is_put_into_the_one_for_orphans(looker, home, kind, how, lost):
    row, folder = lose(looker, kind, how)
    memory = memory_of(folder, lost, orphans_to=home)
    result = restore(looker, kind, row, memory)
    assert result.error is None, result.error
    live = looker.call("GET", f"/{kind}s/{result.destination_id}")
    assert (live["folder_id"], bool(live["deleted"])) == (home, False)
    said = {message for one, message in result.warnings if one == "orphan"}
    assert said == {f"folder {folder}{LOST[lost][1]} is not there: put into folder {home}"}
    looker.clear_log()
    again = restore(looker, kind, row, memory)
    assert (again.operation, writes(looker), kinds_of(again)) == (Operation.UNCHANGED, [], [])


@pytest.mark.parametrize("lost", LOST)
@pytest.mark.parametrize("how", ["destroyed", "trash"])
@pytest.mark.parametrize("kind", KINDS)
def test_without_it_nothing_is_written_and_the_folder_is_named(kind, how, lost):
    looker = make_looker()
    row, folder = lose(looker, kind, how)
    result = restore(looker, kind, row, memory_of(folder, lost))
    assert (result.operation, result.error.kind, writes(looker)) == (Operation.FAILED, "dependency", [])
    assert result.error.blockers == (f"folder {folder}",)
    message = result.error.message
    assert f"folder {folder}{LOST[lost][1]}" in message
    assert "--orphans-to FOLDER" in message
    assert ("--fix-dependencies" in message) is (lost in {*ACCOUNT_NEEDED, "left out"})
    assert (f"the account of {BOB}" in message) is (lost in ACCOUNT_NEEDED)


@pytest.mark.parametrize("kind", KINDS)
def test_a_dry_run_shows_the_same(looker, home, kind):
    row, folder = lose(looker, kind, "trash")
    memory = memory_of(folder, "personal", orphans_to=home)
    result = restore(looker, kind, row, memory, dry_run=True)
    assert (result.operation, writes(looker)) == (Operation.UNDELETED, [])
    assert "orphan" in kinds_of(result)
    failed = restore(looker, kind, row, memory_of(folder, "personal"), dry_run=True)
    assert failed.operation is Operation.FAILED


@pytest.mark.parametrize("kind", KINDS)
def test_elsewhere_it_works_as_well(kind):
    looker = make_looker()
    row, folder = lose(looker, kind)
    memory = memory_of(folder, "in a personal one", same_instance=False, orphans_to=looker.folder)
    memory.note_known("query", looker.query)
    memory.note_known("user", looker.owner)
    memory.queries[looker.query] = {"model": "thelook", "view": "orders"}
    result = restore(looker, kind, row, memory)
    assert result.operation is Operation.CREATED, result.error
    assert looker.call("GET", f"/{kind}s/{result.destination_id}")["folder_id"] == looker.folder


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_there_stays_where_somebody_put_it(kind):
    looker = make_looker()
    home = looker.call("POST", "/folders", {"name": "Handover", "parent_id": "1"})["id"]
    item_id = make_dashboard(looker, "Kept", tiles=1) if kind == "dashboard" else looker.look
    row = backup(looker, kind, item_id, folder_id="900", title="As it was")
    looker.clear_log()
    result = restore(looker, kind, row, memory_of(orphans_to=home))
    assert (result.operation, kinds_of(result)) == (Operation.UPDATED, [])
    live = looker.call("GET", f"/{kind}s/{item_id}")
    assert (live["title"], live["folder_id"]) == ("As it was", looker.folder)


def test_a_folder_of_what_is_gone_is_put_there_and_its_content_goes_into_it():
    looker = make_looker()
    home = looker.call("POST", "/folders", {"name": "Handover", "parent_id": "1"})["id"]
    board, folder = lose(looker, "dashboard")
    memory = memory_of(folder, "in a personal one", orphans_to=home)
    drafts = (folder, msgspec.msgpack.encode(memory.contents["folder", folder]))
    made = restore(looker, "folder", drafts, memory)
    live = looker.call("GET", f"/folders/{made.destination_id}")
    assert (made.operation, live["name"], live["parent_id"]) == (Operation.CREATED, "drafts", home)
    result = restore(looker, "dashboard", board, memory)
    assert kinds_of(result) == []
    assert looker.call("GET", f"/dashboards/{result.destination_id}")["folder_id"] == made.destination_id
    looker.clear_log()
    assert restore(looker, "folder", drafts, memory).operation is Operation.UNCHANGED
    assert writes(looker) == []


def test_the_folder_for_orphans_is_not_put_into_itself():
    looker = make_looker()
    row = backup(looker, "folder", looker.folder, parent_id="903")
    looker.clear_log()
    result = restore(looker, "folder", row, memory_of(orphans_to=looker.folder))
    assert (result.operation, writes(looker)) == (Operation.UNCHANGED, [])


@pytest.mark.parametrize("embedding", ["made", "refused"])
def test_a_folder_in_one_of_signed_embedding_is_an_ordinary_one(embedding):
    """That of the user is made when the user logs in; what lies in it is not."""
    looker = make_looker()
    tenant = looker.call("POST", "/folders", {"name": "tenant", "parent_id": "4"})["id"]
    looker.instance.store.folders[tenant]["is_embed"] = True
    looker.switches["embed_subfolders"] = embedding
    memory = memory_of(tenant, "embed")
    row = {"id": "905", "name": "reports", "parent_id": tenant, "is_embed": True}
    result = restore(looker, "folder", ("905", msgspec.msgpack.encode(row)), memory)
    outcome = (result.operation, result.error and result.error.kind)
    assert (
        outcome == {"made": (Operation.CREATED, None), "refused": (Operation.FAILED, "forbidden")}[embedding]
    )
    for own in ({"id": "906", **EMBED}, {**row, "external_id": "t1"}):
        skipped = restore(looker, "folder", (own["id"], msgspec.msgpack.encode(own)), memory)
        assert skipped.operation is Operation.SKIPPED
