"""What the sandbox shows but does not let anyone change: users, LookML models, and itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lvrestore.sandbox.call import Call, the, with_ids
from lvrestore.sandbox.instance import RELEASE
from lvrestore.sandbox.search import listing
from lvrestore.sandbox.views import MODEL, USER, pick

if TYPE_CHECKING:
    from lvrestore.sandbox.store import Row


def versions(call: Call) -> Row:
    """Say which release this is, and how the instance calls itself."""
    url = call.instance.web_server_url
    current = {"version": "4.0", "full_version": f"4.0.{RELEASE}", "status": "current", "swagger_url": None}
    shown = {
        "looker_release_version": RELEASE,
        "current_version": current,
        "supported_versions": [current],
        "api_server_url": url,
        "web_server_url": url,
    }
    return pick(shown, call.wanted)  # type: ignore[no-any-return]  # a dict, as given


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
    return call.show(USER, the(call.instance.store.users, call.ids[0]))


def all_models(call: Call) -> list[Row]:
    """List the configured LookML models with their explores."""
    models = listing(call.instance, call.instance.store.models.values(), call.params, MODEL)
    return [call.show(MODEL, model) for model in models]


def get_model(call: Call) -> Row:
    """Show a LookML model."""
    return call.show(MODEL, the(call.instance.store.models, call.ids[0]))


ROUTES = {
    "GET /versions": versions,
    "GET /user": me,
    "GET /users": all_users,
    "GET /users/search": all_users,
    "GET /users/{user_id}": get_user,
    "GET /lookml_models": all_models,
    "GET /lookml_models/{lookml_model_name}": get_model,
}
