"""Users and their logins by e-mail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lvrestore.sandbox.api.call import Call, need, not_blank, refer, the, with_ids
from lvrestore.sandbox.api.destroy import destroy_folder, lose_owner
from lvrestore.sandbox.api.search import listing
from lvrestore.sandbox.api.views import CREDENTIALS_EMAIL, CREDENTIALS_FOUND, USER
from lvrestore.sandbox.instance import iso
from lvrestore.sandbox.refusals import conflict, forbidden, invalid, not_found, taken

if TYPE_CHECKING:
    from lvrestore.sandbox.instance import Instance
    from lvrestore.sandbox.store import Row

FLAGS = {
    "allow_direct_roles": True,
    "allow_normal_group_membership": True,
    "allow_roles_from_normal_groups": True,
}

# Kind of login: the field of a user that has its credentials, and what in them tells users apart.
LOGINS = {
    "email": ("credentials_email", "email"),
    "google": ("credentials_google", "google_user_id"),
    "saml": ("credentials_saml", "saml_user_id"),
    "oidc": ("credentials_oidc", "oidc_user_id"),
    "ldap": ("credentials_ldap", "ldap_id"),
    "api3": ("credentials_api3", "client_id"),
    "embed": ("credentials_embed", "external_user_id"),
    "looker_openid": ("credentials_looker_openid", "email"),
}


def _display_name(row: Row) -> str | None:
    return " ".join(filter(None, (row.get("first_name"), row.get("last_name")))) or None


def me(call: Call) -> Row:
    """Show the caller."""
    return call.show(USER, call.instance.store.users[call.instance.caller_id])


def all_users(call: Call) -> list[Row]:
    """List users: all of them, those with the ids or in the group asked for."""
    store, group_id = call.instance.store, call.params.get("group_id")
    users = with_ids(call, store.users)
    if group_id is not None:
        users = [user for user in users if group_id in store.access.groups_of(user["id"])]
    return [call.show(USER, user) for user in listing(call.instance, users, call.params, USER)]


def get_user(call: Call) -> Row:
    """Show a user."""
    call.instance.see("user", call.ids[0])
    return call.show(USER, the(call.instance.store.users, call.ids[0]))


def user_for_credential(call: Call) -> Row:
    """Show the user with a login of some kind, whatever the case of its letters."""
    kind, wanted = call.ids
    for user in call.instance.store.users.values():
        if wanted.casefold() in _login_ids(user, kind):
            return call.show(USER, user)
    raise not_found()


def _login_ids(user: Row, kind: str) -> list[str]:
    field, name = LOGINS.get(kind, ("", ""))
    logins = user.get(field) or []
    return [str(c.get(name)).casefold() for c in (logins if isinstance(logins, list) else [logins])]


# Changing users


def _body(call: Call) -> Row:
    """Return what a body says about a user, without a login that the instance takes elsewhere only."""
    refer(call.body, "home_folder_id", call.instance.store.folders)
    state = call.body.get("ui_state") or {}
    if call.instance.on("ui_state", "text") and not all(isinstance(value, str) for value in state.values()):
        raise invalid("ui_state", "ui_state must hold text")
    return {name: value for name, value in call.body.items() if name != "credentials_email"}


def _inline_login(call: Call, row: Row) -> None:
    credentials = call.body.get("credentials_email")
    if credentials and call.instance.on("inline_credentials", "honoured"):
        _set_login(call.instance, row, credentials)


def _check_inline_login(call: Call) -> None:
    email = (call.body.get("credentials_email") or {}).get("email")
    if email and call.instance.on("inline_credentials", "honoured"):
        _check_email(call.instance, email, None)


def create_user(call: Call) -> Row:
    """Make a user with a folder of its own."""
    instance, body = call.instance, _body(call)
    _check_inline_login(call)
    row = {"id": instance.store.new_id("user"), **FLAGS, **body, "display_name": _display_name(body)}
    instance.store.users[row["id"]] = row
    _inline_login(call, row)
    row["personal_folder_id"] = _personal_folder(instance, row)
    instance.born("user", row["id"])
    return call.show(USER, row)


def _personal_folder(instance: Instance, user: Row) -> str:
    """Make the folder of a new user; two users of one name have two folders of one name."""
    store = instance.store
    root = next(row["id"] for row in store.folders.values() if row.get("is_users_root"))
    folder_id = store.new_id("folder")
    store.put_folder(
        {
            "id": folder_id,
            "name": user["display_name"] or f"User {user['id']}",
            "parent_id": root,
            "is_personal": True,
            "creator_id": user["id"],
            "created_at": instance.now(),
        }
    )
    return folder_id


def update_user(call: Call) -> Row:
    """Change a user."""
    row, body = the(call.instance.store.users, call.ids[0]), _body(call)
    if body.get("is_disabled") and row["id"] == call.instance.caller_id:
        raise forbidden()
    row.update(body)
    if body.keys() & {"first_name", "last_name"}:
        row["display_name"] = _display_name(row)
    _inline_login(call, row)
    return call.show(USER, row)


def delete_user(call: Call) -> None:
    """Delete a user and the folder of its own; what it owns goes into the trash, its plans go for good."""
    instance = call.instance
    row = the(instance.store.users, call.ids[0])
    if row["id"] == instance.caller_id:
        raise forbidden()
    lose_owner(instance, row["id"])
    if row.get("personal_folder_id") in instance.store.folders:
        destroy_folder(instance, row["personal_folder_id"], destroys=False)
    instance.store.access.forget_user(row["id"])
    instance.store.set_email(row, None)
    del instance.store.users[row["id"]]


# Logins by e-mail


def _check_email(instance: Instance, email: Any, own_id: str | None) -> None:  # noqa: ANN401 - any JSON
    if not email or "@" not in email:
        raise invalid("email", "email is not valid")
    if instance.store.emails.get(email.casefold(), own_id) != own_id:
        raise conflict() if instance.on("email_taken", "409") else taken("email", "Email already in use")


def _set_login(instance: Instance, row: Row, given: Row) -> Row:
    """Give a user a login by e-mail, or change it."""
    before = row.get("credentials_email") or {
        "created_at": iso(instance.now()),
        "type": "email",
        "user_id": row["id"],
    }
    if "email" in given:
        _check_email(instance, given["email"], row["id"])
        instance.store.set_email(row, given["email"])
    row["credentials_email"] = {**before, **given}
    credentials: Row = row["credentials_email"]
    return credentials


def _user(call: Call) -> Row:
    if call.instance.on("email_credentials", "forbidden"):
        raise forbidden()
    return the(call.instance.store.users, call.ids[0])


def _user_with_login(call: Call) -> Row:
    row = _user(call)
    if not row.get("credentials_email"):
        raise not_found()
    return row


def get_login(call: Call) -> Row:
    """Show a user's login by e-mail."""
    return call.show(CREDENTIALS_EMAIL, _user_with_login(call)["credentials_email"])


def create_login(call: Call) -> Row:
    """Give a user a login by e-mail; nobody gets mail."""
    row = _user(call)
    need(call.body, "email")
    if row.get("credentials_email"):
        raise conflict()
    return call.show(CREDENTIALS_EMAIL, _set_login(call.instance, row, call.body))


def update_login(call: Call) -> Row:
    """Change a user's login by e-mail."""
    row = _user_with_login(call)
    not_blank(call.body, "email")
    return call.show(CREDENTIALS_EMAIL, _set_login(call.instance, row, call.body))


def delete_login(call: Call) -> None:
    """Take a user's login by e-mail away."""
    row = _user_with_login(call)
    call.instance.store.set_email(row, None)
    row["credentials_email"] = None


def search_logins(call: Call) -> list[Row]:
    """Find logins by e-mail; `emails` is a list of addresses."""
    wanted = call.params.pop("emails", None)
    logins = [
        u["credentials_email"] for u in call.instance.store.users.values() if u.get("credentials_email")
    ]
    if wanted is not None:
        folded = [email.strip().casefold() for email in wanted.split(",")]
        logins = [login for login in logins if str(login.get("email")).casefold() in folded]
    found = listing(call.instance, logins, call.params, CREDENTIALS_FOUND)
    return [call.show(CREDENTIALS_FOUND, login) for login in found]


ROUTES = {
    "GET /user": me,
    "GET /users": all_users,
    "POST /users": create_user,
    "GET /users/search": all_users,
    "GET /users/credential/{credential_type}/{credential_id}": user_for_credential,
    "GET /users/{user_id}": get_user,
    "PATCH /users/{user_id}": update_user,
    "DELETE /users/{user_id}": delete_user,
    "GET /users/{user_id}/credentials_email": get_login,
    "POST /users/{user_id}/credentials_email": create_login,
    "PATCH /users/{user_id}/credentials_email": update_login,
    "DELETE /users/{user_id}/credentials_email": delete_login,
    "GET /credentials_email/search": search_logins,
}
