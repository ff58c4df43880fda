"""The rules of the sandbox for groups, roles and sets."""

import pytest

from lvrestore.sandbox.api.facts import FACTS
from lvrestore.sandbox.permissions import BUILT_IN_SETS, PARENTS


def make_role(api, name="Reader"):
    may = api.ok("POST", "/permission_sets", {"name": name, "permissions": ["see_looks"]})["id"]
    see = api.ok("POST", "/model_sets", {"name": name, "models": ["shop"]})["id"]
    return api.ok("POST", "/roles", {"name": name, "permission_set_id": may, "model_set_id": see})


def make_group(api, name="Sales"):
    return api.ok("POST", "/groups", {"name": name})["id"]


def make_user(api, name="Ann", **fields):
    return api.looker.add_user(name, "B", f"{name}@example.com", **fields)


# What an instance starts with


def test_built_ins_are_there_from_the_start(api):
    sets = api.ok("GET", "/permission_sets")
    assert {s["name"] for s in sets} == {"Admin", *BUILT_IN_SETS}
    assert all(s["built_in"] and set(s["permissions"]) <= set(PARENTS) for s in sets)
    assert [s["name"] for s in api.ok("GET", "/model_sets", fields="name")] == ["All"]
    (role,) = api.ok("GET", "/roles")
    assert (role["permission_set"]["all_access"], role["model_set"]["built_in"]) == (True, True)
    (group,) = api.ok("GET", "/groups")
    assert (group["name"], group["include_by_default"], group["user_count"]) == ("All Users", True, 1)


def test_caller_is_an_administrator(api):
    me = api.ok("GET", "/user")
    (role,) = api.ok("GET", f"/users/{me['id']}/roles")
    assert (role["name"], me["role_ids"]) == ("Admin", [role["id"]])
    assert me["group_ids"] == api.found("/groups")
    assert [key["type"] for key in me["credentials_api3"]] == ["api3"]


@pytest.mark.parametrize("path", ["/permission_sets/1", "/permission_sets/2", "/model_sets/1", "/roles/1"])
def test_built_ins_cannot_be_modified(api, path):
    assert api.refused("PATCH", path, {"name": "x"}) == (405,)
    assert api.refused("DELETE", path) == (405,)


def test_internal_role_can_be_neither_changed_nor_given(api):
    role = api.looker.add("roles", name="Support", internal=True)
    assert api.refused("PATCH", f"/roles/{role}", {"name": "x"}) == (405,)
    assert api.refused("PUT", f"/roles/{role}/users", []) == (405,)
    assert api.refused("PUT", f"/roles/{role}/groups", []) == (405,)


# Sets and roles


def test_role_shows_its_sets_and_never_their_ids(api):
    made = make_role(api)
    assert made == api.ok("GET", f"/roles/{made['id']}")
    assert made.keys() == FACTS.types["Role"].keys() - {"permission_set_id", "model_set_id"}
    assert made["permission_set"]["permissions"] == ["see_looks"]
    assert made["model_set"]["models"] == ["shop"]
    assert api.refused("GET", "/roles", fields="permission_set_id")[0] == 422


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"permission_set_id": "1", "model_set_id": "1"}, ("name", "missing_field")),
        ({"name": "x", "model_set_id": "1"}, ("permission_set_id", "missing_field")),
        ({"name": "x", "permission_set_id": "1"}, ("model_set_id", "missing_field")),
        ({"name": "x", "permission_set_id": "9", "model_set_id": "1"}, ("permission_set_id", "missing")),
        ({"name": "Admin", "permission_set_id": "1", "model_set_id": "1"}, ("name", "already_exists")),
        (
            {"name": "x", "permission_set": {"name": "Admin"}, "model_set_id": "1"},
            ("permission_set_id", "missing_field"),
        ),
    ],
)
def test_role_refused(api, body, fault):
    assert api.refused("POST", "/roles", body) == (422, fault)


def test_role_gets_other_sets(api):
    made = make_role(api)
    changed = api.ok("PATCH", f"/roles/{made['id']}", {"permission_set_id": "1"})
    assert changed["permission_set"]["name"] == "Admin"
    assert changed["model_set"] == made["model_set"]


def test_sets_are_found_by_content_and_name(api):
    made = make_role(api)
    assert api.found("/permission_sets/search", permissions="see_looks", built_in="false") == [
        made["permission_set"]["id"]
    ]
    assert api.found("/model_sets/search", name="READ%") == [made["model_set"]["id"]]
    assert api.found("/roles/search", built_in="true") == ["1"]
    assert api.found("/roles/search", model_set_ids=made["model_set"]["id"]) == [made["id"]]
    assert api.found("/roles", ids=f"{made['id']},99") == [made["id"]]


# Who has a role


def test_put_replaces_everyone_who_has_a_role(api):
    role, ann, bob = make_role(api)["id"], make_user(api), make_user(api, "Bob")
    assert [u["id"] for u in api.ok("PUT", f"/roles/{role}/users", [ann])] == [ann]
    assert [u["id"] for u in api.ok("PUT", f"/roles/{role}/users", [bob])] == [bob]
    assert api.ok("GET", f"/users/{ann}")["role_ids"] == []
    assert [r["id"] for r in api.ok("PUT", f"/users/{ann}/roles", [role, "1"])] == ["1", role]
    assert api.found(f"/roles/{role}/users") == [ann, bob]
    assert api.refused("PUT", f"/roles/{role}/users", ["99"]) == (422, ("ids", "missing"))
    assert api.refused("PUT", f"/roles/{role}/users", {"ids": []}) == (422, ("ids", "invalid"))
    assert api.refused("PUT", f"/users/{ann}/roles", ["99"]) == (422, ("ids", "missing"))


def test_roles_of_groups_reach_members_but_are_not_their_own(api):
    role, ann = make_role(api)["id"], make_user(api)
    outer, inner = make_group(api, "Outer"), make_group(api, "Inner")
    api.ok("POST", f"/groups/{outer}/groups", {"group_id": inner})
    api.ok("POST", f"/groups/{inner}/users", {"user_id": ann})
    assert [g["id"] for g in api.ok("PUT", f"/roles/{role}/groups", [outer])] == [outer]
    assert api.found(f"/roles/{role}/groups") == [outer]
    assert api.found(f"/roles/{role}/users") == [ann]
    assert api.found(f"/roles/{role}/users", direct_association_only="true") == []
    assert api.found(f"/users/{ann}/roles") == [role]
    assert api.found(f"/users/{ann}/roles", direct_association_only="true") == []
    assert api.ok("GET", "/roles/search/with_user_count", id=role, fields="user_count") == [{"user_count": 1}]
    assert api.refused("PUT", f"/roles/{role}/groups", ["99"]) == (422, ("ids", "missing"))


def test_deleted_role_is_taken_from_all(api):
    role, ann = make_role(api)["id"], make_user(api)
    api.ok("PUT", f"/roles/{role}/users", [ann])
    api.ok("DELETE", f"/roles/{role}")
    assert api.refused("GET", f"/roles/{role}/users") == (404,)
    assert api.ok("GET", f"/users/{ann}")["role_ids"] == []


# Groups


def test_everybody_is_in_all_users(api):
    ann = make_user(api)
    assert set(api.found("/groups/1/users")) == {ann, api.ok("GET", "/user")["id"]}
    assert api.ok("GET", f"/users/{ann}")["group_ids"] == ["1"]
    for method, path, body in [
        ("PATCH", "/groups/1", {"name": "x"}),
        ("DELETE", "/groups/1", None),
        ("DELETE", f"/groups/1/users/{ann}", None),
        ("POST", "/groups/1/users", {"user_id": ann}),
    ]:
        assert api.refused(method, path, body) == (403,)


def test_externally_managed_group_is_left_alone(api):
    ann = make_user(api)
    group = api.looker.add("groups", name="IdP", externally_managed=True, external_group_id="x")
    assert api.refused("PATCH", f"/groups/{group}", {"name": "x"}) == (403,)
    assert api.refused("POST", f"/groups/{group}/users", {"user_id": ann}) == (403,)
    assert api.refused("DELETE", f"/groups/{group}") == (403,)
    assert api.found("/groups/search", externally_managed="true") == [group]


def test_membership_is_one_call_an_edge(api):
    ann, group = make_user(api), make_group(api)
    for _ in range(2):
        assert api.ok("POST", f"/groups/{group}/users", {"user_id": ann})["group_ids"] == ["1", group]
    assert api.ok("GET", f"/groups/{group}")["user_count"] == 1
    api.ok("DELETE", f"/groups/{group}/users/{ann}")
    assert api.refused("DELETE", f"/groups/{group}/users/{ann}") == (404,)
    assert api.refused("POST", f"/groups/{group}/users", {"user_id": "99"}) == (404,)
    assert api.refused("POST", f"/groups/{group}/users", {}) == (422, ("user_id", "missing_field"))


def test_groups_nest_but_not_in_circles(api):
    outer, inner = make_group(api, "Outer"), make_group(api, "Inner")
    api.ok("POST", f"/groups/{outer}/groups", {"group_id": inner})
    assert api.found(f"/groups/{outer}/groups") == [inner]
    for group in (outer, inner):
        assert api.refused("POST", f"/groups/{group}/groups", {"group_id": outer}) == (
            422,
            ("group_id", "invalid"),
        )
    fields = "id,parent_group_ids,role_ids"
    shown = api.ok("GET", "/groups/search/with_hierarchy", fields=fields, sorts="id", limit=2, offset=1)
    assert shown == [
        {"id": outer, "parent_group_ids": [], "role_ids": []},
        {"id": inner, "parent_group_ids": [outer], "role_ids": []},
    ]
    api.ok("DELETE", f"/groups/{outer}/groups/{inner}")
    assert api.refused("DELETE", f"/groups/{outer}/groups/{inner}") == (404,)


def test_deleted_group_leaves_no_trace(api):
    ann, outer, inner = make_user(api), make_group(api, "Outer"), make_group(api, "Inner")
    api.ok("POST", f"/groups/{outer}/groups", {"group_id": inner})
    api.ok("POST", f"/groups/{inner}/users", {"user_id": ann})
    api.ok("PUT", "/roles/1/groups", [inner])
    api.ok("DELETE", f"/groups/{inner}")
    assert (api.found(f"/groups/{outer}/groups"), api.found("/roles/1/groups")) == ([], [])
    assert api.ok("GET", f"/users/{ann}")["group_ids"] == ["1"]


def test_two_instances_can_have_ids_of_their_own(api):
    from lvrestore.sandbox.looker import Looker  # noqa: PLC0415 - only here

    other = Looker(first_id=1000)
    ids = {i for rows in other.dump().values() for i in rows}
    assert min(ids) == "1000"
    assert max(ids - {"lookml"}) < "1010"
    assert other.call("GET", "/folders/search", params={"is_shared_root": "true"})[0]["id"] == "1000"
    assert other.call("POST", "/groups", {"name": "x"})["id"] == "1001"


def test_dump_has_grants_and_memberships(api):
    role, ann, group = make_role(api)["id"], make_user(api), make_group(api)
    api.ok("POST", f"/groups/{group}/users", {"user_id": ann})
    api.ok("PUT", f"/roles/{role}/groups", [group])
    dump = api.looker.dump()
    assert dump["memberships"] == {
        "1": {"user_ids": [], "group_ids": []},
        group: {"user_ids": [ann], "group_ids": []},
    }
    assert dump["grants"][role] == {"user_ids": [], "group_ids": [group]}
    assert dump["roles"][role]["permission_set"]["name"] == "Reader"
