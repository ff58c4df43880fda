"""Groups: users in them, groups in them; one of them holds everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lvrestore.sandbox.api.call import Call, check_name, need, not_blank, the, with_ids
from lvrestore.sandbox.api.search import listing
from lvrestore.sandbox.api.views import GROUP, GROUP_IN_TREE, GROUP_WITH_ROLES, USER, View
from lvrestore.sandbox.refusals import forbidden, invalid, not_found

if TYPE_CHECKING:
    from lvrestore.sandbox.api.call import Handler
    from lvrestore.sandbox.instance import Instance
    from lvrestore.sandbox.store import Row


def _readable(call: Call) -> Row:
    call.instance.see("group", call.ids[0])
    return the(call.instance.store.groups, call.ids[0])


def _editable(instance: Instance, group_id: str) -> Row:
    """Return a group, unless somebody else keeps it: an identity provider, or the server itself."""
    row = the(instance.store.groups, group_id)
    if row.get("externally_managed") or group_id == instance.store.access.everyone:
        raise forbidden()
    return row


def create_group(call: Call) -> Row:
    """Make an empty group."""
    instance, body = call.instance, call.body
    need(body, "name")
    check_name(instance, instance.store.groups, body)
    row = {"id": instance.store.new_id("group"), **body}
    instance.store.groups[row["id"]] = row
    instance.born("group", row["id"])
    return call.show(GROUP, row)


def update_group(call: Call) -> Row:
    """Rename a group."""
    row = _editable(call.instance, call.ids[0])
    not_blank(call.body, "name")
    check_name(call.instance, call.instance.store.groups, {**row, **call.body})
    row.update(call.body)
    return call.show(GROUP, row)


def delete_group(call: Call) -> None:
    """Delete a group, not those who are in it."""
    row = _editable(call.instance, call.ids[0])
    call.instance.store.access.forget_group(row["id"])
    del call.instance.store.groups[row["id"]]


def get_group(call: Call) -> Row:
    """Show a group."""
    return call.show(GROUP, _readable(call))


def _finder(view: View) -> Handler:
    def find(call: Call) -> list[Row]:
        groups = listing(call.instance, with_ids(call, call.instance.store.groups), call.params, view)
        return [call.show(view, row) for row in groups]

    return find


# Who is in a group


def group_users(call: Call) -> list[Row]:
    """List the users in a group."""
    store, group_id = call.instance.store, _readable(call)["id"]
    users = [store.users[i] for i in store.access.members_of(group_id)]
    return [call.show(USER, row) for row in listing(call.instance, users, call.params, USER)]


def add_group_user(call: Call) -> Row:
    """Put a user into a group."""
    store = call.instance.store
    row = _editable(call.instance, call.ids[0])
    need(call.body, "user_id")
    user = the(store.users, call.body["user_id"])
    store.access.members.add(row["id"], user["id"])
    return call.show(USER, user)


def remove_group_user(call: Call) -> None:
    """Take a user out of a group."""
    group_id, user_id = call.ids
    _editable(call.instance, group_id)
    if not call.instance.store.access.members.has(group_id, user_id):
        raise not_found()
    call.instance.store.access.members.remove(group_id, user_id)


def group_groups(call: Call) -> list[Row]:
    """List the groups directly inside a group."""
    store = call.instance.store
    return [call.show(GROUP, store.groups[i]) for i in store.access.nested.rights(_readable(call)["id"])]


def add_group_group(call: Call) -> Row:
    """Put a group into a group."""
    instance, access = call.instance, call.instance.store.access
    row = _editable(instance, call.ids[0])
    need(call.body, "group_id")
    inner = the(instance.store.groups, call.body["group_id"])
    if row["id"] in access.groups_below(inner["id"]) and instance.on("group_cycle", "refused"):
        raise invalid("group_id", "a group cannot be inside itself")
    access.nested.add(row["id"], inner["id"])
    return call.show(GROUP, inner)


def remove_group_group(call: Call) -> None:
    """Take a group out of a group."""
    outer_id, inner_id = call.ids
    _editable(call.instance, outer_id)
    if not call.instance.store.access.nested.has(outer_id, inner_id):
        raise not_found()
    call.instance.store.access.nested.remove(outer_id, inner_id)


ROUTES = {
    "GET /groups": _finder(GROUP),
    "POST /groups": create_group,
    "GET /groups/search": _finder(GROUP),
    "GET /groups/search/with_hierarchy": _finder(GROUP_IN_TREE),
    "GET /groups/search/with_roles": _finder(GROUP_WITH_ROLES),
    "GET /groups/{group_id}": get_group,
    "PATCH /groups/{group_id}": update_group,
    "DELETE /groups/{group_id}": delete_group,
    "GET /groups/{group_id}/users": group_users,
    "POST /groups/{group_id}/users": add_group_user,
    "DELETE /groups/{group_id}/users/{user_id}": remove_group_user,
    "GET /groups/{group_id}/groups": group_groups,
    "POST /groups/{group_id}/groups": add_group_group,
    "DELETE /groups/{group_id}/groups/{deleting_group_id}": remove_group_group,
}
