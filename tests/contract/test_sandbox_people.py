"""The rules of the sandbox for users, their logins and LookML models."""

import pytest


def make_user(api, first_name="Ann", last_name="B", **fields):
    return api.ok("POST", "/users", {"first_name": first_name, "last_name": last_name, **fields})


def give_login(api, user, email="ann@example.com"):
    return api.ok("POST", f"/users/{user['id']}/credentials_email", {"email": email})


# Users


def test_new_user_has_a_folder_and_is_in_all_users(api):
    made = make_user(api)
    assert made == api.ok("GET", f"/users/{made['id']}")
    assert (made["display_name"], made["group_ids"], made["role_ids"]) == ("Ann B", ["1"], [])
    folder = api.ok("GET", f"/folders/{made['personal_folder_id']}")
    assert (folder["name"], folder["is_personal"], folder["parent_id"]) == ("Ann B", True, "2")
    assert (made["email"], made["credentials_email"]) == (None, None)


def test_two_users_of_one_name_have_folders_of_one_name(api):
    folders = {make_user(api)["personal_folder_id"] for _ in range(2)}
    assert set(api.found("/folders/search", name="Ann B")) == folders
    assert len(folders) == 2


def test_personal_folder_stays_but_holds_folders(api):
    folder = make_user(api)["personal_folder_id"]
    assert api.refused("PATCH", f"/folders/{folder}", {"name": "x"}) == (405,)
    assert api.refused("DELETE", f"/folders/{folder}") == (405,)
    inner = api.folder("Drafts", folder)
    assert api.ok("GET", f"/folders/{inner}")["is_personal_descendant"]


def test_user_changes(api):
    made, folder = make_user(api), api.folder()
    body = {"last_name": "C", "is_disabled": True, "home_folder_id": folder, "locale": None}
    changed = api.ok("PATCH", f"/users/{made['id']}", body)
    assert {name: changed[name] for name in body} == body
    assert changed["display_name"] == "Ann C"


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"home_folder_id": "99"}, ("home_folder_id", "missing")),
        ({"group_ids": ["1"]}, ("group_ids", "invalid")),
        ({"role_ids": ["1"]}, ("role_ids", "invalid")),
        ({"email": "ann@example.com"}, ("email", "invalid")),
        ({"credentials_email": {"type": "email"}}, ("credentials_email.type", "invalid")),
        ({"credentials_google": {"email": "x"}}, ("credentials_google", "invalid")),
        ({"is_disabled": None}, ("is_disabled", "invalid")),
    ],
)
def test_user_refused(api, body, fault):
    assert api.refused("POST", "/users", body) == (422, fault)


def test_nobody_removes_themselves(api):
    me = api.ok("GET", "/user")["id"]
    assert api.refused("DELETE", f"/users/{me}") == (403,)
    assert api.refused("PATCH", f"/users/{me}", {"is_disabled": True}) == (403,)


def test_content_of_a_deleted_user_is_in_the_trash(api):
    made = make_user(api)
    group = api.ok("POST", "/groups", {"name": "Sales"})["id"]
    api.ok("POST", f"/groups/{group}/users", {"user_id": made["id"]})
    api.ok("PUT", "/roles/1/users", [made["id"], api.ok("GET", "/user")["id"]])
    owned = api.dashboard("Owned", user_id=made["id"])["id"]
    inside = api.dashboard("Inside", folder_id=made["personal_folder_id"])["id"]
    look = api.look(user_id=made["id"])["id"]
    api.dashboard("Other")
    give_login(api, made)
    api.ok("DELETE", f"/users/{made['id']}")
    assert set(api.found("/dashboards/search", deleted="true")) == {owned, inside}
    assert api.found("/looks/search", deleted="true") == [look]
    assert api.refused("GET", f"/folders/{made['personal_folder_id']}") == (404,)
    assert (api.found(f"/groups/{group}/users"), len(api.found("/roles/1/users"))) == ([], 1)
    assert api.refused("PATCH", f"/dashboards/{inside}", {"deleted": False}) == (
        422,
        ("folder_id", "missing"),
    )
    assert give_login(api, make_user(api))["email"] == "ann@example.com"


# Logins


def test_login_is_made_changed_and_removed(api):
    made = make_user(api)
    path = f"/users/{made['id']}/credentials_email"
    assert api.refused("GET", path) == (404,)
    assert api.refused("PATCH", path, {"email": "x@example.com"}) == (404,)
    login = give_login(api, made, "Ann@Example.com")
    assert (login["email"], login["type"], login["user_id"]) == ("Ann@Example.com", "email", made["id"])
    assert api.ok("GET", f"/users/{made['id']}")["email"] == "Ann@Example.com"
    assert api.refused("POST", path, {"email": "b@example.com"}) == (409,)
    changed = api.ok("PATCH", path, {"forced_password_reset_at_next_login": True})
    assert (changed["email"], changed["forced_password_reset_at_next_login"]) == ("Ann@Example.com", True)
    api.ok("DELETE", path)
    assert api.ok("GET", f"/users/{made['id']}", fields="email,credentials_email") == {
        "email": None,
        "credentials_email": None,
    }
    assert give_login(api, make_user(api), "ann@example.com")


@pytest.mark.parametrize("body", [{}, {"email": None}, {"email": "nobody"}])
def test_login_refused(api, body):
    assert api.refused("POST", f"/users/{make_user(api)['id']}/credentials_email", body)[0] == 422
    assert api.refused("POST", "/users/99/credentials_email", {"email": "a@b.c"}) == (404,)


def test_email_belongs_to_one_user_in_any_case(api):
    first, second = make_user(api), make_user(api, "Bob")
    give_login(api, first)
    path = f"/users/{second['id']}/credentials_email"
    assert api.refused("POST", path, {"email": "ANN@EXAMPLE.COM"}) == (409,)
    give_login(api, second, "bob@example.com")
    assert api.refused("PATCH", path, {"email": "Ann@example.com"}) == (409,)
    assert api.ok("PATCH", path, {"email": "BOB@example.com"})["email"] == "BOB@example.com"


def test_users_are_found_by_login(api):
    ann = make_user(api)
    give_login(api, ann)
    guest = api.looker.add("users", credentials_embed=[{"external_user_id": "ext-1"}])
    assert api.ok("GET", "/users/credential/email/ANN%40example.com")["id"] == ann["id"]
    assert api.ok("GET", "/users/credential/embed/ext-1")["id"] == guest
    assert api.refused("GET", "/users/credential/google/ext-1") == (404,)
    assert api.refused("GET", "/users/credential/nothing/x") == (404,)
    found = api.ok("GET", "/credentials_email/search", emails="nobody@x.y,Ann@example.com", fields="user_id")
    assert found == [{"user_id": ann["id"]}]
    assert len(api.ok("GET", "/credentials_email/search", email="%@%")) == 2


# Models


def test_explores_are_code_and_outlive_the_configuration(api):
    api.ok("DELETE", "/lookml_models/shop")
    assert api.refused("GET", "/lookml_models/shop/explores/orders") == (404,)
    made = api.ok("POST", "/lookml_models", {"name": "shop", "project_name": "shops"})
    assert ([e["name"] for e in made["explores"]], made["has_content"]) == (["orders"], True)
    explore = api.ok("GET", "/lookml_models/shop/explores/orders", fields="id,name")
    assert explore == {"id": "shop::orders", "name": "orders"}
    assert api.refused("GET", "/lookml_models/shop/explores/none") == (404,)


def test_model_is_configured_under_a_name_of_its_own(api):
    assert api.refused("POST", "/lookml_models", {"name": "shop"}) == (422, ("name", "already_exists"))
    assert api.refused("POST", "/lookml_models", {}) == (422, ("name", "missing_field"))
    assert api.refused("POST", "/lookml_models", {"name": "x", "explores": []}) == (
        422,
        ("explores", "invalid"),
    )
    api.ok("POST", "/lookml_models", {"name": "other"})
    assert api.refused("PATCH", "/lookml_models/other", {"name": "shop"})[0] == 422
    body = {"name": "third", "allowed_db_connection_names": ["a"], "unlimited_db_connections": True}
    changed = api.ok("PATCH", "/lookml_models/other", body)
    assert {name: changed[name] for name in body} == body
    assert api.refused("GET", "/lookml_models/other") == (404,)


def test_content_without_its_model_is_found(api):
    look, dashboard = api.look()["id"], api.dashboard()["id"]
    api.tile(dashboard)
    assert api.ok("GET", "/content_validation")["content_with_errors"] == []
    api.ok("DELETE", "/lookml_models/shop")
    broken = api.ok("GET", "/content_validation")["content_with_errors"]
    assert [entry["id"] for entry in broken] == [f"look:{look}", f"dashboard:{dashboard}"]
    assert broken[0]["errors"][0]["message"] == 'Unknown model "shop"'


def test_alerts_and_user_attributes_are_listed(api):
    attribute = api.looker.add("user_attributes", name="region", label="Region", type="string")
    assert api.found("/user_attributes") == [attribute]
    assert api.ok("GET", f"/user_attributes/{attribute}")["name"] == "region"
    assert api.ok("GET", "/alerts/search", all_owners="true") == []
