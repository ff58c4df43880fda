"""Users, their logins, groups and roles, every situation, in memory."""

import time
from contextlib import closing
from datetime import UTC, datetime

import msgspec
import pytest
from factory import make_looker
from harness import Memory
from harness import restore as restore_any

from lvrestore.catalog.client import IndexedClient
from lvrestore.catalog.index import Index
from lvrestore.catalog.listings import LISTINGS
from lvrestore.content.calls import Mapped
from lvrestore.looker.client import LookerClient
from lvrestore.looker.protocol import Request
from lvrestore.model import ContentType, MappedId, MappingState, MatchRule, Operation
from lvrestore.settings import Caller

KEPT = ("first_name", "last_name", "locale", "is_disabled", "home_folder_id", "ui_state", "email")


@pytest.fixture
def looker():
    looker = make_looker()
    looker.group = looker.call("POST", "/groups", {"name": "Sellers"})["id"]
    sets = [
        looker.call("POST", f"/{one}_sets", {"name": f"Own {one}"})["id"] for one in ("permission", "model")
    ]
    role = {"name": "Seller", "permission_set_id": sets[0], "model_set_id": sets[1]}
    looker.role = looker.call("POST", "/roles", role)["id"]
    looker.bob = looker.call("POST", "/users", {"first_name": "Bob", "last_name": "C"})["id"]
    looker.call("POST", f"/users/{looker.bob}/credentials_email", {"email": "bob@example.com"})
    looker.call("PATCH", f"/users/{looker.bob}", {"home_folder_id": looker.folder, "locale": "fr"})
    looker.call("POST", f"/groups/{looker.group}/users", {"user_id": looker.bob})
    looker.call("PUT", f"/roles/{looker.role}/users", [looker.bob])
    looker.clear_log()
    return looker


def view(looker, kind, item_id):
    live = looker.call("GET", f"/{kind}s/{item_id}")
    return {k: v for k, v in live.items() if v is not None}


def memory_of(looker, *, kinds=("user", "group", "role"), **policy):
    """A memory whose backup holds the users, groups and roles as they are now."""
    policy.setdefault("caller", Caller(id=looker.call("GET", "/user")["id"]))
    memory = Memory(**policy)
    for kind in kinds:
        for one in looker.call("GET", f"/{kind}s"):
            memory.contents[kind, one["id"]] = view(looker, kind, one["id"])
    looker.clear_log()
    return memory


def restore(looker, memory, kind, item_id, **more):
    blob = msgspec.msgpack.encode(memory.contents[kind, item_id])
    (result,) = restore_any(looker, [(item_id, blob)], memory, content_type=ContentType[kind.upper()], **more)
    return result


def writes(looker):
    said = [f"{r.method} {r.path}" for r in looker.requests if r.method != "GET"]
    looker.clear_log()
    return said


def test_the_same_costs_a_read_and_nothing_is_written(looker):
    memory = memory_of(looker)
    assert restore(looker, memory, "user", looker.bob).operation is Operation.UNCHANGED
    assert len(looker.requests) == 2  # the user, and whether its home folder is there
    assert restore(looker, memory, "role", looker.role).operation is Operation.UNCHANGED
    assert not writes(looker)


@pytest.mark.widens_access
def test_a_changed_user_gets_its_names_and_login_back(looker):
    memory = memory_of(looker, access="restore")
    looker.call("PATCH", f"/users/{looker.bob}", {"first_name": "Rob", "locale": "de"})
    looker.call("PATCH", f"/users/{looker.bob}/credentials_email", {"email": "rob@example.com"})
    before = memory.contents["user", looker.bob]
    assert restore(looker, memory, "user", looker.bob).operation is Operation.UPDATED
    live = view(looker, "user", looker.bob)
    assert {k: live.get(k) for k in KEPT} == {k: before.get(k) for k in KEPT}


@pytest.mark.parametrize("access", ["new", pytest.param("restore", marks=pytest.mark.widens_access), "skip"])
def test_what_an_existing_user_may_do_changes_only_when_asked(looker, access):
    memory = memory_of(looker, access=access)
    looker.call("DELETE", f"/groups/{looker.group}/users/{looker.bob}")
    looker.call("PUT", f"/roles/{looker.role}/users", [])
    looker.call("PATCH", f"/users/{looker.bob}", {"is_disabled": True})
    looker.clear_log()
    results = [restore(looker, memory, "user", looker.bob), restore(looker, memory, "role", looker.role)]
    live = view(looker, "user", looker.bob)
    if access == "restore":
        assert [r.operation for r in results] == [Operation.UPDATED] * 2
        assert looker.group in live["group_ids"]
        assert live["role_ids"] == [looker.role]
        assert not live["is_disabled"]
        assert sum("PUT" in one for one in writes(looker)) == 1
    else:
        assert not writes(looker)
        told = [kind for r in results for kind, _ in r.warnings]
        assert told == (["access_differs"] * 3 if access == "new" else ["access_differs"])


@pytest.mark.parametrize("access", ["new", "skip"])
def test_an_address_that_somebody_signs_in_with_is_left_unless_asked_for(looker, access):
    memory = memory_of(looker, access=access)
    looker.call("PATCH", f"/users/{looker.bob}/credentials_email", {"email": "rob@example.com"})
    looker.clear_log()
    result = restore(looker, memory, "user", looker.bob)
    assert (result.operation, writes(looker)) == (Operation.UNCHANGED, [])
    assert "signs in as bob@example.com" in dict(result.warnings)["access_differs"]


def test_a_destroyed_user_comes_back_with_login_home_groups_and_roles(looker):
    memory = memory_of(looker)
    before = memory.contents["user", looker.bob]
    looker.call("DELETE", f"/users/{looker.bob}")
    result = restore(looker, memory, "user", looker.bob)
    assert result.operation is Operation.CREATED
    live = view(looker, "user", result.destination_id)
    assert {k: live.get(k) for k in KEPT} == {k: before.get(k) for k in KEPT}
    assert looker.group in live["group_ids"]
    assert (
        memory.mappings["folder", before["personal_folder_id"]].destination_id == live["personal_folder_id"]
    )
    assert restore(looker, memory, "role", looker.role).operation is Operation.UPDATED
    assert view(looker, "user", result.destination_id)["role_ids"] == [looker.role]
    writes(looker)
    for again in (memory, memory_of_backup(memory)):
        for kind, item_id in (("user", looker.bob), ("role", looker.role)):
            assert restore(looker, again, kind, item_id).operation is Operation.UNCHANGED
    assert not writes(looker)


def memory_of_backup(memory):
    """The same backup and policy, without any memory of what was done."""
    fresh = Memory()
    fresh.policy, fresh.contents = memory.policy, memory.contents
    return fresh


def test_a_disabled_user_comes_back_disabled(looker):
    looker.call("PATCH", f"/users/{looker.bob}", {"is_disabled": True})
    memory = memory_of(looker, access="skip")
    looker.call("DELETE", f"/users/{looker.bob}")
    result = restore(looker, memory, "user", looker.bob)
    assert view(looker, "user", result.destination_id)["is_disabled"]


def test_an_account_of_the_same_address_is_taken_over(looker):
    memory = memory_of(looker)
    looker.call("DELETE", f"/users/{looker.bob}")
    other = looker.add_user("Robert", "C", "BOB@example.com")
    result = restore(looker, memory, "user", looker.bob)
    assert (result.operation, result.destination_id) == (Operation.UPDATED, other)
    assert view(looker, "user", other)["first_name"] == "Bob"


def elsewhere(memory, **policy):
    """The same backup, for an instance that is another one, and nobody in a group there."""
    other = Memory(same_instance=False, caller=memory.policy.caller, **policy)
    other.contents = {
        item: {**content, "group_ids": []} if "group_ids" in content else content
        for item, content in memory.contents.items()
    }
    return other


@pytest.mark.parametrize("access", ["new", "restore"])
def test_elsewhere_an_account_of_the_same_address_is_the_person_and_keeps_its_own(looker, access):
    memory = elsewhere(memory_of(looker), access=access)
    looker.call("PATCH", f"/users/{looker.bob}", {"first_name": "Robert", "is_disabled": True})
    before = view(looker, "user", looker.bob)
    memory.contents["user", "900"] = {**memory.contents["user", looker.bob], "id": "900"}
    looker.clear_log()
    for _ in range(2):  # the mapping of the first run does not make it ours
        result = restore(looker, memory, "user", "900")
        assert (result.operation, result.destination_id) == (Operation.UNCHANGED, looker.bob)
        said = dict(result.warnings)["account_differs"]
        assert f"user {looker.bob} here, with other first_name, is_disabled" in said
    assert view(looker, "user", looker.bob) == before
    assert not writes(looker)


def test_elsewhere_an_account_that_was_made_from_the_backup_is_kept_equal(looker):
    memory = elsewhere(memory_of(looker))
    looker.call("DELETE", f"/users/{looker.bob}")
    made = restore(looker, memory, "user", looker.bob)
    assert made.operation is Operation.CREATED
    looker.call("PATCH", f"/users/{made.destination_id}", {"first_name": "Robert"})
    again = restore(looker, memory, "user", looker.bob)
    assert (again.operation, again.warnings) == (Operation.UPDATED, ())
    assert view(looker, "user", made.destination_id)["first_name"] == "Bob"


@pytest.mark.widens_access
def test_a_user_that_was_cut_off_after_its_making_is_new_and_gets_what_a_new_one_gets(looker):
    memory = memory_of(looker)
    looker.call("DELETE", f"/users/{looker.bob}")
    made = looker.call("POST", "/users", {"first_name": "Bob", "last_name": "C"})["id"]
    result = restore(looker, memory, "user", looker.bob, uncertain_since=datetime.now(UTC))
    assert (result.operation, result.destination_id) == (Operation.CREATED, made)
    assert view(looker, "user", made)["email"] == "bob@example.com"
    assert looker.group in view(looker, "user", made)["group_ids"]


def test_the_calling_account_keeps_what_it_may_do(looker):
    me = looker.call("GET", "/user")
    looker.call("POST", f"/groups/{looker.group}/users", {"user_id": me["id"]})
    memory = memory_of(looker, access="restore", assignments="exact")
    memory.contents["user", me["id"]] |= {"group_ids": ["1"], "role_ids": [], "is_disabled": True}
    admin = me["role_ids"][0]
    assert restore(looker, memory, "user", me["id"]).error is None
    assert restore(looker, memory, "role", admin).error is None
    live = looker.call("GET", "/user")
    assert live["role_ids"] == me["role_ids"]
    assert looker.group in live["group_ids"]
    assert not live["is_disabled"]


def test_a_role_and_a_group_of_the_calling_account_are_not_changed(looker):
    me = looker.call("GET", "/user")["id"]
    looker.call("POST", f"/groups/{looker.group}/users", {"user_id": me})
    caller = Caller(id=me, role_ids=(looker.role,), group_ids=(looker.group,))
    memory = memory_of(looker, caller=caller)
    looker.call("PATCH", f"/groups/{looker.group}", {"name": "Renamed"})
    looker.call("PATCH", f"/roles/{looker.role}", {"name": "Renamed"})
    looker.clear_log()
    for kind, item_id in (("group", looker.group), ("role", looker.role)):
        result = restore(looker, memory, kind, item_id)
        assert (result.operation, result.reason) == (
            Operation.SKIPPED,
            f"the calling account's own {kind} is not changed",
        )
    assert not writes(looker)


@pytest.mark.widens_access
@pytest.mark.parametrize("by_user", [True, False])
@pytest.mark.parametrize("kind", ["group", "role"])
def test_others_get_back_what_they_share_with_the_calling_account(looker, kind, by_user):
    """Only its own membership is not touched; the group or role itself is neither."""
    me = looker.call("GET", "/user")["id"]
    looker.call("POST", f"/groups/{looker.group}/users", {"user_id": me})
    caller = Caller(id=me, role_ids=(looker.role,), group_ids=(looker.group,))
    memory = memory_of(looker, caller=caller, access="restore", members_by_user=by_user)
    looker.call("PATCH", f"/{kind}s/{getattr(looker, kind)}", {"name": "Renamed"})
    looker.call("DELETE", f"/groups/{looker.group}/users/{looker.bob}")
    looker.call("PUT", f"/roles/{looker.role}/users", [me])
    looker.clear_log()
    result = restore(looker, memory, kind, getattr(looker, kind))
    restore(looker, memory, "user", looker.bob)
    assert result.operation is (
        Operation.SKIPPED if (kind, by_user) == ("group", True) else Operation.UPDATED
    )
    assert view(looker, kind, getattr(looker, kind))["name"] == "Renamed"
    bob = view(looker, "user", looker.bob)
    assert getattr(looker, kind) in bob[f"{kind}_ids"]
    assert looker.group in looker.call("GET", "/user")["group_ids"]
    assert me in [one["id"] for one in looker.call("GET", f"/roles/{looker.role}/users")]


def test_with_new_access_alone_the_members_of_such_a_group_are_named(looker):
    me = looker.call("GET", "/user")["id"]
    looker.call("POST", f"/groups/{looker.group}/users", {"user_id": me})
    caller = Caller(id=me, group_ids=(looker.group,))
    memory = memory_of(looker, caller=caller, members_by_user=False)
    looker.call("PATCH", f"/groups/{looker.group}", {"name": "Renamed"})
    looker.call("DELETE", f"/groups/{looker.group}/users/{looker.bob}")
    looker.clear_log()
    result = restore(looker, memory, "group", looker.group)
    assert (result.operation, writes(looker)) == (Operation.SKIPPED, [])
    assert [kind for kind, _ in result.warnings] == ["access_differs"]


def test_exact_takes_away_what_the_backup_does_not_have(looker):
    memory = memory_of(looker, access="restore", assignments="exact")
    looker.call("POST", f"/groups/{looker.group}/users", {"user_id": looker.owner})
    looker.call("PUT", f"/roles/{looker.role}/users", [looker.bob, looker.owner])
    looker.clear_log()
    assert restore(looker, memory, "user", looker.owner).operation is Operation.UPDATED
    assert restore(looker, memory, "role", looker.role).operation is Operation.UPDATED
    live = view(looker, "user", looker.owner)
    assert looker.group not in live["group_ids"]
    assert not live["role_ids"]
    assert "1" in live["group_ids"]


ELSEWHERE = [
    {"is_service_account": True},
    {"roles_externally_managed": True},
    {"credentials_embed": [{"external_user_id": "x"}]},
]


@pytest.mark.parametrize("field", ELSEWHERE)
@pytest.mark.parametrize("in_backup", [True, False])
def test_exact_takes_no_role_from_those_of_whom_somebody_else_decides(looker, field, in_backup):
    looker.instance.store.users[looker.bob].update(field)
    memory = memory_of(looker, access="restore", assignments="exact")
    if in_backup:
        looker.instance.store.users[looker.bob].update(dict.fromkeys(field))  # the live one does not tell
    else:
        del memory.contents["user", looker.bob]
    assert restore(looker, memory, "role", looker.role).operation is Operation.UNCHANGED
    assert not writes(looker)


def test_exact_takes_no_role_from_somebody_whose_roles_the_backup_does_not_hold(looker):
    memory = memory_of(looker, access="restore", assignments="exact")
    del memory.contents["user", looker.bob]["role_ids"]
    assert restore(looker, memory, "role", looker.role).operation is Operation.UNCHANGED
    assert not writes(looker)


def test_exact_takes_nothing_from_a_user_while_a_role_of_the_backup_is_not_known_here(looker):
    memory = memory_of(
        looker, access="restore", assignments="exact", same_instance=False, grants_by_role=False
    )
    memory.mappings["user", looker.bob] = MappedId(looker.bob)
    restore(looker, memory, "user", looker.bob)
    assert view(looker, "user", looker.bob)["role_ids"] == [looker.role]


@pytest.mark.parametrize("field", ELSEWHERE)
def test_a_role_and_a_group_made_again_have_those_of_whom_somebody_else_decides(looker, field):
    looker.instance.store.users[looker.bob].update(field)
    memory = memory_of(looker)
    looker.call("DELETE", f"/roles/{looker.role}")
    role = restore(looker, memory, "role", looker.role)
    assert view(looker, "user", looker.bob)["role_ids"] == [role.destination_id]
    if "roles_externally_managed" not in field:  # that one joins its groups as a user
        looker.call("DELETE", f"/groups/{looker.group}")
        group = restore(looker, memory, "group", looker.group)
        assert group.destination_id in view(looker, "user", looker.bob)["group_ids"]


def test_whom_a_new_role_cannot_be_given_to_is_named(looker):
    user = looker.instance.store.users[looker.bob]
    user.update({"roles_externally_managed": True, "allow_direct_roles": False})
    memory = memory_of(looker)
    looker.call("DELETE", f"/roles/{looker.role}")
    looker.clear_log()
    result = restore(looker, memory, "role", looker.role)
    assert f"user {looker.bob} has role {looker.role}" in dict(result.warnings)["access_differs"]
    assert writes(looker) == ["POST /roles"]


def test_a_role_that_an_identity_provider_took_away_stays_away_and_is_named(looker):
    looker.instance.store.users[looker.bob]["roles_externally_managed"] = True
    memory = memory_of(looker, access="restore")
    looker.call("PUT", f"/roles/{looker.role}/users", [])
    looker.clear_log()
    result = restore(looker, memory, "role", looker.role)
    assert f"user {looker.bob} has role {looker.role}" in dict(result.warnings)["access_differs"]
    assert not writes(looker)


@pytest.mark.widens_access
def test_merge_leaves_what_the_backup_does_not_have(looker):
    memory = memory_of(looker, access="restore")
    looker.call("PUT", f"/roles/{looker.role}/users", [looker.owner])
    restore(looker, memory, "role", looker.role)
    holders = {one["id"] for one in looker.call("GET", f"/roles/{looker.role}/users")}
    assert holders == {looker.bob, looker.owner}


def test_a_role_that_comes_from_a_group_is_not_given_again(looker):
    looker.call("PUT", f"/roles/{looker.role}/users", [])
    looker.call("PUT", f"/roles/{looker.role}/groups", [looker.group])
    memory = memory_of(looker, access="restore")
    memory.contents["user", looker.bob]["role_ids"] = [looker.role]
    assert restore(looker, memory, "role", looker.role).operation is Operation.UNCHANGED


@pytest.fixture
def index(tmp_path):
    """What a run reads of users and roles before it begins, filled by `read_in_bulk`."""
    with closing(Index(tmp_path, 600.0)) as index:
        yield index


def read_in_bulk(looker, index):
    for kind in ("user", "role"):
        listing = LISTINGS[kind]
        index.put(kind, looker.call("GET", listing.path, params={"fields": listing.fields}))
        index.set_scanned(kind, time.monotonic(), complete=True, trash=True)
    looker.clear_log()


def test_whom_the_list_of_users_shows_with_a_role_nobody_is_asked_about(looker, index):
    memory = memory_of(looker, access="restore", grants_by_role=True)
    read_in_bulk(looker, index)
    for kind, one in (("user", looker.bob), ("role", looker.role)):
        assert restore(looker, memory, kind, one, index=index).operation is Operation.UNCHANGED
    assert not [r.path for r in looker.requests if "role" in r.path]


def test_a_list_of_users_that_lacks_roles_of_groups_is_not_believed(looker, index):
    looker.call("PUT", f"/roles/{looker.role}/users", [])
    looker.call("PUT", f"/roles/{looker.role}/groups", [looker.group])
    memory = memory_of(looker, access="restore", grants_by_role=True)
    memory.contents["user", looker.bob]["role_ids"] = [looker.role]
    read_in_bulk(looker, index)
    index.put("user", [{"id": looker.bob, "role_ids": []}])
    assert restore(looker, memory, "role", looker.role, index=index).operation is Operation.UNCHANGED
    assert f"/roles/{looker.role}/users" in {r.path for r in looker.requests}


@pytest.mark.widens_access
def test_who_has_lost_a_role_in_this_run_gets_it_back(looker, index):
    memory = memory_of(looker, access="restore", grants_by_role=True)
    read_in_bulk(looker, index)
    client = IndexedClient(LookerClient(looker), index, same_instance=True)
    client.call(Request("PUT", f"/roles/{looker.role}/users", body=[]))
    assert restore(looker, memory, "role", looker.role, index=index).operation is Operation.UPDATED
    assert [one["id"] for one in looker.call("GET", f"/roles/{looker.role}/users")] == [looker.bob]
    read_in_bulk(looker, index)
    client.call(Request("PUT", f"/users/{looker.bob}/roles", body=[]))
    assert restore(looker, memory, "role", looker.role, index=index).operation is Operation.UPDATED


def test_a_new_role_and_a_new_group_get_their_people_back(looker):
    memory = memory_of(looker, members_by_user=False)
    looker.call("DELETE", f"/roles/{looker.role}")
    looker.call("DELETE", f"/groups/{looker.group}")
    role = restore(looker, memory, "role", looker.role)
    group = restore(looker, memory, "group", looker.group)
    assert (role.operation, group.operation) == (Operation.CREATED,) * 2
    live = view(looker, "user", looker.bob)
    assert live["role_ids"] == [role.destination_id]
    assert group.destination_id in live["group_ids"]


@pytest.mark.parametrize("by_role", [True, False])
@pytest.mark.parametrize("access", ["new", "restore"])
def test_a_role_to_do_everything_with_is_given_only_when_asked_for(looker, by_role, access):
    admin = next(one["id"] for one in looker.call("GET", "/roles") if one["name"] == "Admin")
    holders = [one["id"] for one in looker.call("GET", f"/roles/{admin}/users")]
    looker.call("PUT", f"/roles/{admin}/users", [*holders, looker.bob])
    memory = memory_of(looker, access=access, grants_by_role=by_role)
    looker.call("DELETE", f"/users/{looker.bob}")
    made = restore(looker, memory, "user", looker.bob)
    said = [*made.warnings, *(restore(looker, memory, "role", admin).warnings if by_role else ())]
    has_it = admin in view(looker, "user", made.destination_id)["role_ids"]
    assert has_it == (access == "restore")
    told = any(
        f"user {looker.bob} has role {admin}" in text for kind, text in said if kind == "access_differs"
    )
    assert told != has_it


def test_a_new_role_to_do_everything_with_is_given_to_nobody_unless_asked_for(looker):
    everything = next(one["id"] for one in looker.call("GET", "/permission_sets") if one["all_access"])
    looker.call("PATCH", f"/roles/{looker.role}", {"permission_set_id": everything})
    memory = memory_of(looker)
    looker.call("DELETE", f"/roles/{looker.role}")
    looker.clear_log()
    result = restore(looker, memory, "role", looker.role)
    assert (result.operation, writes(looker)) == (Operation.CREATED, ["POST /roles"])
    assert f"user {looker.bob} has role {looker.role}" in dict(result.warnings)["access_differs"]


def test_a_role_that_is_not_in_the_backup_is_not_given_to_a_new_user(looker):
    memory = memory_of(looker, grants_by_role=False)
    memory.vault_ids = {("user", looker.bob), ("role", "1")}
    memory.contents["user", looker.bob]["group_ids"] = []
    looker.call("DELETE", f"/users/{looker.bob}")
    result = restore(looker, memory, "user", looker.bob)
    assert not view(looker, "user", result.destination_id)["role_ids"]
    assert f"has role {looker.role}" in dict(result.warnings)["access_differs"]


@pytest.mark.widens_access
def test_a_role_and_a_group_that_were_cut_off_after_their_making_get_their_people(looker):
    memory = memory_of(looker, members_by_user=False)
    sets = {
        f"{one}_set_id": view(looker, "role", looker.role)[f"{one}_set"]["id"]
        for one in ("permission", "model")
    }
    bodies = {"role": {"name": "Seller", **sets}, "group": {"name": "Sellers"}}
    for kind, body in bodies.items():
        looker.call("DELETE", f"/{kind}s/{getattr(looker, kind)}")
        made = looker.call("POST", f"/{kind}s", body)["id"]
        result = restore(looker, memory, kind, getattr(looker, kind), uncertain_since=datetime.now(UTC))
        assert (result.operation, result.destination_id) == (Operation.CREATED, made)
        assert made in view(looker, "user", looker.bob)[f"{kind}_ids"]


@pytest.mark.parametrize("same_instance", [True, False])
@pytest.mark.widens_access
def test_a_user_whose_roles_were_refused_gets_them_and_its_groups_by_a_retry(same_instance, looker):
    memory = memory_of(looker, grants_by_role=False)
    looker.call("DELETE", f"/users/{looker.bob}")
    looker.on("PUT", "/users/*/roles").answer(422, {"message": "Validation Failed"})
    assert restore(looker, memory, "user", looker.bob).operation is Operation.FAILED
    result = restore(looker, memory, "user", looker.bob)
    live = view(looker, "user", result.destination_id)
    assert result.operation is Operation.CREATED
    assert (live["role_ids"], looker.group in live["group_ids"]) == ([looker.role], True)
    again = restore(looker, memory, "user", looker.bob)
    assert again.operation is Operation.UNCHANGED


@pytest.mark.parametrize("kind", ["role", "group"])
@pytest.mark.widens_access
def test_a_role_or_group_whose_people_were_refused_gets_them_by_a_retry(kind, looker):
    memory = memory_of(looker, members_by_user=False)
    memory.contents["user", looker.bob]["is_service_account"] = True  # nobody but a new one gives it them
    looker.call("DELETE", f"/{kind}s/{getattr(looker, kind)}")
    looker.on("*", f"/{kind}s/*/users").answer(422, {"message": "Validation Failed"})
    assert restore(looker, memory, kind, getattr(looker, kind)).operation is Operation.FAILED
    made = restore(looker, memory, kind, getattr(looker, kind)).destination_id
    assert made in view(looker, "user", looker.bob)[f"{kind}_ids"]


@pytest.mark.widens_access
def test_what_an_earlier_attempt_made_and_ended_is_not_new_any_more(looker):
    memory = memory_of(looker, grants_by_role=False)
    looker.call("DELETE", f"/users/{looker.bob}")
    made = restore(looker, memory, "user", looker.bob).destination_id
    looker.call("PUT", f"/users/{made}/roles", [])
    memory.made.clear()  # by another run
    result = restore(looker, memory, "user", looker.bob)
    assert result.operation is Operation.UNCHANGED
    assert view(looker, "user", made)["role_ids"] == []


def test_a_group_that_is_nowhere_keeps_its_user_partial_at_every_attempt(looker):
    memory = memory_of(looker)
    memory.vault_ids = {("group", looker.group), ("user", looker.bob)}
    looker.call("DELETE", f"/users/{looker.bob}")
    looker.call("DELETE", f"/groups/{looker.group}")
    ends = [restore(looker, memory, "user", looker.bob) for _ in range(2)]
    assert [end.error.blockers for end in ends] == [(f"group {looker.group}",)] * 2


def test_users_alone_get_roles_and_groups(looker):
    memory = memory_of(looker, grants_by_role=False)
    looker.call("DELETE", f"/users/{looker.bob}")
    result = restore(looker, memory, "user", looker.bob)
    live = view(looker, "user", result.destination_id)
    assert live["role_ids"] == [looker.role]
    assert looker.group in live["group_ids"]


def test_a_group_that_is_gone_is_named_and_the_user_is_there(looker):
    memory = memory_of(looker)
    memory.vault_ids = {("group", looker.group), ("user", looker.bob)}
    looker.call("DELETE", f"/users/{looker.bob}")
    looker.call("DELETE", f"/groups/{looker.group}")
    result = restore(looker, memory, "user", looker.bob)
    assert result.error.blockers == (f"group {looker.group}",)
    assert memory.mappings["user", looker.bob]


def test_a_home_that_is_not_there_yet_waits(looker):
    memory = memory_of(looker)
    looker.call("PATCH", f"/users/{looker.bob}", {"home_folder_id": "1"})
    looker.call("DELETE", f"/folders/{looker.folder}")
    result = restore(looker, memory, "user", looker.bob)
    assert result.waits
    folder = looker.call("POST", "/folders", {"name": "Sales", "parent_id": "1"})["id"]
    memory.again = True
    absent = restore(looker, memory, "user", looker.bob)
    assert (absent.operation, absent.done) == (Operation.PARTIAL, Operation.UNCHANGED)
    assert absent.error.blockers == (f"folder {looker.folder}",)
    memory.mappings["folder", looker.folder] = MappedId(folder)
    assert restore(looker, memory, "user", looker.bob).operation is Operation.UPDATED
    assert view(looker, "user", looker.bob)["home_folder_id"] == folder


@pytest.mark.parametrize(
    "field", [{"credentials_embed": [{"external_user_id": "x"}]}, {"is_service_account": True}]
)
def test_who_is_not_made_by_an_api_is_left_alone(looker, field):
    memory = memory_of(looker)
    memory.contents["user", looker.bob] |= field
    looker.call("DELETE", f"/users/{looker.bob}")
    writes(looker)
    assert restore(looker, memory, "user", looker.bob).operation is Operation.SKIPPED
    assert not writes(looker)


def test_a_lost_answer_makes_nobody_twice(looker):
    memory = memory_of(looker)
    looker.call("DELETE", f"/users/{looker.bob}")
    looker.on("POST", "/users").drop_after()
    looker.on("POST", f"/groups/{looker.group}/users").drop_after()
    result = restore(looker, memory, "user", looker.bob)
    assert result.operation is Operation.CREATED
    names = [u["display_name"] for u in looker.call("GET", "/users")]
    assert names.count("Bob C") == 1


def namesake(looker, memory):
    """Another user of Bob's name in the backup, who has no address and is gone."""
    memory.contents["user", "77"] = {"id": "77", "first_name": "Bob", "last_name": "C"}
    memory.same_instance = False


def half_made(looker, memory):
    """Bob as he is between the POST that makes him and the one that gives him his login."""
    looker.call("DELETE", f"/users/{looker.bob}")
    bob = looker.call("POST", "/users", {"first_name": "Bob", "last_name": "C"})["id"]
    memory.note(Mapped("user", looker.bob, bob, MatchRule.EMAIL))
    looker.clear_log()
    return bob


def test_a_namesake_who_has_no_address_is_not_taken_for_one_who_has_none_yet(looker):
    memory = memory_of(looker)
    namesake(looker, memory)
    bob = half_made(looker, memory)
    result = restore(looker, memory, "user", "77")
    assert result.operation is Operation.CREATED
    assert result.destination_id != bob


def test_a_lost_answer_is_not_looked_for_in_a_namesake(looker):
    memory = memory_of(looker)
    namesake(looker, memory)
    bob = half_made(looker, memory)
    looker.on("POST", "/users").drop_before()
    result = restore(looker, memory, "user", "77")
    assert result.operation is Operation.CREATED
    assert result.destination_id != bob
    assert sum(u["display_name"] == "Bob C" for u in looker.call("GET", "/users")) == 2


@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
def test_a_lost_answer_is_looked_for_until_a_namesake_who_is_being_made_is_noted(looker, fault):
    memory = memory_of(looker)
    namesake(looker, memory)
    bob = half_made(looker, memory)
    (name, note), asked = memory.mappings.popitem(), []
    mapped_from = memory.mapped_from

    def noted_by_and_by(kind, destination_id):
        asked.append(destination_id)
        if asked.count(bob) > 2:
            memory.mappings[name] = note
        return mapped_from(kind, destination_id)

    memory.contents["user", "77"]["credentials_email"] = {"email": "bobby@example.com"}
    memory.mapped_from = noted_by_and_by
    getattr(looker.on("POST", "/users"), fault)()
    result = restore(looker, memory, "user", "77")
    assert result.operation is Operation.CREATED
    assert result.destination_id != bob
    assert view(looker, "user", result.destination_id)["email"] == "bobby@example.com"
    assert sum(u["display_name"] == "Bob C" for u in looker.call("GET", "/users")) == 2


def test_an_instance_that_keeps_logins_to_itself():
    looker = make_looker(email_credentials="allowed")
    looker.bob = looker.owner
    memory = memory_of(looker)
    looker.call("DELETE", f"/users/{looker.bob}")
    looker.instance.switches["email_credentials"] = "forbidden"
    result = restore(looker, memory, "user", looker.bob)
    assert result.operation is Operation.CREATED
    assert "login_not_restored" in dict(result.warnings)


def test_a_login_that_the_instance_refuses_is_not_sent_at_every_run(looker):
    memory = memory_of(looker, access="restore")
    looker.call("DELETE", f"/users/{looker.bob}")
    looker.instance.switches["email_credentials"] = "forbidden"
    made = restore(looker, memory, "user", looker.bob)
    writes(looker)
    again = restore(looker, memory, "user", looker.bob)
    assert (again.operation, writes(looker)) == (Operation.UNCHANGED, [])
    assert "login_not_restored" in dict(again.warnings)
    memory.contents["user", looker.bob]["credentials_email"] = {"email": "bobby@example.com"}
    restore(looker, memory, "user", looker.bob)
    assert writes(looker) == [f"POST /users/{made.destination_id}/credentials_email"]


@pytest.mark.parametrize("same_instance", [True, False])
def test_one_whose_login_was_refused_is_found_again_when_the_mappings_are_lost(looker, same_instance):
    memory = memory_of(looker)
    memory = memory if same_instance else elsewhere(memory)
    looker.call("DELETE", f"/users/{looker.bob}")
    looker.instance.switches["email_credentials"] = "forbidden"
    made = restore(looker, memory, "user", looker.bob)
    writes(looker)
    memory.mappings.clear()
    memory.accepted.clear()
    memory.made.clear()
    again = restore(looker, memory, "user", looker.bob)
    assert (again.operation, again.destination_id) == (Operation.UNCHANGED, made.destination_id)
    assert not writes(looker)


def test_an_account_of_a_program_is_nobody_with_an_address(looker):
    memory = memory_of(looker)
    looker.call("DELETE", f"/users/{looker.bob}")
    program = looker.call("POST", "/users", {"first_name": "Bob", "last_name": "C"})["id"]
    looker.instance.store.users[program]["credentials_api3"] = [{"id": "1", "client_id": "key"}]
    result = restore(looker, memory, "user", looker.bob)
    assert result.operation is Operation.CREATED
    assert result.destination_id != program


def few_fields(memory, looker):
    """What an extraction with few fields knows of Bob: an address, and nothing of how he signs in."""
    whole = memory.contents["user", looker.bob]
    few = {name: whole[name] for name in ("id", "email", "first_name", "last_name", "group_ids", "role_ids")}
    memory.contents["user", looker.bob] = few


def test_of_somebody_with_an_address_alone_that_is_the_login(looker):
    memory = memory_of(looker)
    few_fields(memory, looker)
    looker.call("DELETE", f"/users/{looker.bob}")
    made = restore(looker, memory, "user", looker.bob)
    assert made.operation is Operation.CREATED
    assert "login_not_restored" not in dict(made.warnings)
    live = view(looker, "user", made.destination_id)
    assert live["email"] == live["credentials_email"]["email"] == "bob@example.com"


def test_who_signs_in_by_other_means_gets_no_login_by_an_address_alone(looker):
    memory = memory_of(looker)
    few_fields(memory, looker)
    row = looker.instance.store.users[looker.bob]
    row["credentials_saml"], row["credentials_email"] = {"email": "bob@example.com"}, None
    assert restore(looker, memory, "user", looker.bob).operation is Operation.UNCHANGED
    assert not writes(looker)


def without_login(memory, user_id):
    content = memory.contents["user", user_id]
    saml = {"email": content["email"]}
    memory.contents["user", user_id] = {**content, "credentials_saml": saml, "credentials_email": None}


def test_one_without_a_login_is_found_by_name_when_the_mappings_are_lost(looker):
    memory = memory_of(looker)
    without_login(memory, looker.bob)
    looker.call("DELETE", f"/users/{looker.bob}")
    made = restore(looker, memory, "user", looker.bob).destination_id
    memory.mappings.clear()
    again = restore(looker, memory, "user", looker.bob)
    assert (again.operation, again.destination_id) == (Operation.UNCHANGED, made)


def test_two_of_a_name_do_not_become_one(looker):
    """While one of them is being made it has no login yet, and looks like the other."""
    other = looker.call("POST", "/users", {"first_name": "Bob", "last_name": "C"})["id"]
    looker.call("POST", f"/users/{other}/credentials_email", {"email": "bob.c@example.com"})
    memory = memory_of(looker)
    without_login(memory, looker.bob)
    for user_id in (looker.bob, other):
        looker.call("DELETE", f"/users/{user_id}")
    being_made = looker.call("POST", "/users", {"first_name": "Bob", "last_name": "C"})["id"]
    made = restore(looker, memory, "user", looker.bob)
    assert made.operation is Operation.CREATED
    looker.call("POST", f"/users/{being_made}/credentials_email", {"email": "bob.c@example.com"})
    memory.mappings.clear()
    again = restore(looker, memory, "user", looker.bob)
    assert (again.operation, again.destination_id) == (Operation.UNCHANGED, made.destination_id)


def test_several_of_a_name_that_nothing_tells_apart_are_a_conflict(looker):
    memory = memory_of(looker)
    without_login(memory, looker.bob)
    looker.call("DELETE", f"/users/{looker.bob}")
    live = [looker.call("POST", "/users", {"first_name": "Bob", "last_name": "C"})["id"] for _ in range(2)]
    result = restore(looker, memory, "user", looker.bob)
    assert result.operation is Operation.CONFLICT
    assert all(f"user {user_id}" in result.reason for user_id in live)


def test_people_whom_the_server_does_not_know_yet_get_their_role():
    """What this run has made is there, although a server may answer 404 for it once."""
    looker = make_looker(not_found_just_after_create="once")
    sets = [looker.call("POST", f"/{one}_sets", {"name": one})["id"] for one in ("permission", "model")]
    looker.call("GET", f"/permission_sets/{sets[0]}", params={"fields": "id"})
    body = {"name": "Seller", "permission_set_id": sets[0], "model_set_id": sets[1]}
    role = looker.call("POST", "/roles", body)["id"]
    looker.call("PUT", f"/roles/{role}/users", [looker.owner])
    memory = memory_of(looker)
    looker.call("DELETE", f"/users/{looker.owner}")
    made = restore(looker, memory, "user", looker.owner)
    restore(looker, memory, "role", role)
    assert [u["id"] for u in looker.call("GET", f"/roles/{role}/users")] == [made.destination_id]


STATES = [{"width": 7}, {"tips": True, "theme": "dark"}, {"theme": "dark"}]


@pytest.mark.parametrize("belief", ["any", "text"])
@pytest.mark.parametrize("state", STATES)
def test_a_user_made_again_gets_what_the_interface_remembered(state, belief, looker):
    memory = memory_of(looker)
    memory.contents["user", looker.bob]["ui_state"] = state
    looker.call("DELETE", f"/users/{looker.bob}")
    looker.switches["ui_state"] = belief
    looker.clear_log()
    made = restore(looker, memory, "user", looker.bob)
    texts = {name: value for name, value in state.items() if isinstance(value, str)}
    kept = texts if belief == "text" else state
    assert (looker.call("GET", f"/users/{made.destination_id}").get("ui_state") or {}) == kept
    assert [kind for kind, _ in made.warnings].count("ui_state_lost") == (kept != state)
    assert [w for w in writes(looker) if w == "POST /users"] == ["POST /users"] * (1 + (kept != state))
    looker.clear_log()
    assert restore(looker, memory, "user", looker.bob).operation is Operation.UNCHANGED
    assert writes(looker) == []


@pytest.mark.widens_access  # the account that was made is not the tool's own, but said to be
@pytest.mark.parametrize("state", STATES)
def test_an_account_that_was_cut_off_gets_what_the_interface_remembered(state, looker):
    memory = memory_of(looker)
    memory.contents["user", looker.bob]["ui_state"] = state
    looker.call("DELETE", f"/users/{looker.bob}")
    here = looker.call("POST", "/users", {"first_name": "Bob", "last_name": "C"})["id"]
    for kind in ("user", "made_user"):
        memory.mappings[kind, looker.bob] = MappedId(here, state=MappingState.BEGUN)
    restore(looker, memory, "user", looker.bob)
    assert looker.call("GET", f"/users/{here}")["ui_state"] == state


@pytest.mark.parametrize("state", STATES)
def test_what_the_interface_remembered_means_nothing_on_another_instance(state, looker):
    memory = memory_of(looker)
    memory.same_instance = False
    memory.contents["user", looker.bob]["ui_state"] = state
    looker.call("DELETE", f"/users/{looker.bob}")
    made = restore(looker, memory, "user", looker.bob)
    assert [kind for kind, _ in made.warnings].count("ui_state_lost") == 1
    assert looker.call("GET", f"/users/{made.destination_id}").get("ui_state") is None


def test_an_account_that_was_never_gone_keeps_what_the_interface_remembers(looker):
    memory = memory_of(looker)
    memory.contents["user", looker.bob]["ui_state"] = {"theme": "dark"}
    looker.call("PATCH", f"/users/{looker.bob}", {"ui_state": {"theme": "light"}})
    looker.clear_log()
    assert restore(looker, memory, "user", looker.bob).operation is Operation.UNCHANGED
    assert writes(looker) == []


def test_a_login_is_given_with_one_call(looker):
    memory = memory_of(looker)
    looker.call("DELETE", f"/users/{looker.bob}")
    looker.clear_log()
    restore(looker, memory, "user", looker.bob)
    assert [f"{r.method} {r.path}" for r in looker.requests if r.path.endswith("/credentials_email")] == [
        next(w for w in writes(looker) if w.endswith("/credentials_email"))
    ]


def test_a_dry_run_knows_the_personal_folder_and_what_a_new_user_has_by_then(looker):
    memory = memory_of(looker)
    memory.contents["user", looker.bob]["home_folder_id"] = "9999"
    personal = memory.contents["user", looker.bob]["personal_folder_id"]
    looker.call("DELETE", f"/users/{looker.bob}")
    looker.clear_log()
    first = restore(looker, memory, "user", looker.bob, dry_run=True)
    assert (first.operation, first.waits) == (Operation.CREATED, True)
    assert memory.mapped("folder", personal).destination_id.startswith("new-")
    memory.mappings["folder", "9999"] = MappedId(looker.folder)
    memory.again = True
    second = restore(looker, memory, "user", looker.bob, dry_run=True)
    assert [change[0] for change in second.changes] == ["home_folder_id"]
    assert not writes(looker)


@pytest.mark.parametrize("lost", ["role", "bob"])
def test_a_dry_run_believes_that_holders_of_a_role_are_kept(lost, looker):
    memory = memory_of(looker, access="restore")
    looker.call("PUT", f"/roles/{looker.role}/users", [])
    if lost == "role":
        looker.call("DELETE", f"/roles/{looker.role}")
    planned = restore(looker, memory, "role", looker.role, dry_run=True)
    assert (planned.error, planned.warnings) == (None, ())
    assert planned.changes[-1][0] == "users"


@pytest.mark.widens_access
@pytest.mark.parametrize("status", ["409", "422"])
def test_people_who_have_each_others_addresses_get_their_own_back(looker, status):
    looker.switches["email_taken"] = status
    memory = memory_of(looker, access="restore")
    memory.vault_ids = set(memory.contents)
    both = {looker.bob: "bob@example.com", looker.owner: "ann@example.com"}
    logins = {one: f"/users/{one}/credentials_email" for one in both}
    looker.call("PATCH", logins[looker.bob], {"email": "moment@example.com"})
    looker.call("PATCH", logins[looker.owner], {"email": "bob@example.com"})
    looker.call("PATCH", logins[looker.bob], {"email": "ann@example.com"})
    rows = [(one, msgspec.msgpack.encode(memory.contents["user", one])) for one in both]
    results = restore_any(looker, rows, memory, content_type=ContentType.USER)
    assert {(r.operation, r.error) for r in results} == {(Operation.UPDATED, None)}
    assert {one: looker.call("GET", where)["email"] for one, where in logins.items()} == both


@pytest.mark.widens_access
def test_an_address_that_a_stranger_has_is_named_and_all_else_is_restored(looker):
    memory = memory_of(looker, access="restore")
    memory.vault_ids = set(memory.contents)
    looker.call("PATCH", f"/users/{looker.bob}/credentials_email", {"email": "other@example.com"})
    looker.call("PATCH", f"/users/{looker.bob}", {"locale": "de"})
    looker.call("DELETE", f"/groups/{looker.group}/users/{looker.bob}")
    stranger = looker.call("POST", "/users", {"first_name": "Eve"})["id"]
    looker.call("POST", f"/users/{stranger}/credentials_email", {"email": "BOB@example.com"})
    result = restore(looker, memory, "user", looker.bob)
    assert result.operation is Operation.FAILED
    assert f"user {stranger} has the email" in result.error.message
    assert result.error.request.endswith("/credentials_email")
    assert result.error.response
    live = view(looker, "user", looker.bob)
    assert (live["locale"], looker.group in live["group_ids"]) == ("fr", True)


def test_a_group_that_is_only_joined_is_told_when_it_is_a_namesake(looker):
    """Users alone are restored: their group is looked for by its name."""
    memory = Memory(same_instance=False)
    memory.contents["group", "700"] = {"id": "700", "name": "Sellers"}
    content = {"first_name": "New", "last_name": "One", "email": "new@example.com", "group_ids": ["700"]}
    row = "900", msgspec.msgpack.encode({**content, "id": "900"})
    (result,) = restore_any(looker, [row], memory, content_type=ContentType.USER)
    assert result.operation is Operation.CREATED
    assert f"group {looker.group} of the destination" in dict(result.warnings)["matched_by_name"]
    members = looker.call("GET", f"/groups/{looker.group}/users")
    assert result.destination_id in {one["id"] for one in members}
