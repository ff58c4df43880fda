"""Permission sets, model sets and roles: what people may do, where, and who may."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from lvrestore.sandbox.api.call import Call, check_name, need, not_blank, refer, the, with_ids
from lvrestore.sandbox.api.search import listing
from lvrestore.sandbox.api.views import GROUP, MODEL_SET, PERMISSION_SET, ROLE, ROLE_FOUND, USER, View, pick
from lvrestore.sandbox.permissions import PARENTS
from lvrestore.sandbox.refusals import invalid, missing, not_modifiable

if TYPE_CHECKING:
    from lvrestore.sandbox.instance import Instance
    from lvrestore.sandbox.store import Row


class SetKind(msgspec.Struct, frozen=True):
    """What tells permission sets and model sets apart."""

    kind: str
    plural: str
    holds: str
    view: View

    def table(self, instance: Instance) -> dict[str, Row]:
        """Return the sets of this kind by id."""
        sets: dict[str, Row] = getattr(instance.store, self.plural)
        return sets


PERMISSION_SETS = SetKind("permission_set", "permission_sets", "permissions", PERMISSION_SET)
MODEL_SETS = SetKind("model_set", "model_sets", "models", MODEL_SET)


def _check_content(kind: SetKind, instance: Instance, body: Row) -> None:
    known = instance.store.permissions if kind is PERMISSION_SETS else instance.store.models
    strangers = [name for name in body.get(kind.holds) or () if name not in known]
    if strangers and instance.on(f"unknown_{kind.holds[:-1]}", "refused"):
        raise invalid(kind.holds, f"unknown {kind.holds}: {', '.join(strangers)}")


def _editable_set(kind: SetKind, call: Call) -> Row:
    row = the(kind.table(call.instance), call.ids[0])
    if row.get("built_in") or row.get("all_access"):
        raise not_modifiable()
    return row


def _create_set(kind: SetKind, call: Call) -> Row:
    instance, body = call.instance, call.body
    need(body, "name")
    check_name(instance, kind.table(instance), body)
    _check_content(kind, instance, body)
    row = {"id": instance.store.new_id(kind.kind), **body}
    kind.table(instance)[row["id"]] = row
    return call.show(kind.view, row)


def _update_set(kind: SetKind, call: Call) -> Row:
    instance, row = call.instance, _editable_set(kind, call)
    not_blank(call.body, "name")
    check_name(instance, kind.table(instance), {**row, **call.body})
    _check_content(kind, instance, call.body)
    row.update(call.body)
    return call.show(kind.view, row)


def _delete_set(kind: SetKind, call: Call) -> None:
    row, link = _editable_set(kind, call), f"{kind.kind}_id"
    users = [role for role in call.instance.store.roles.values() if role.get(link) == row["id"]]
    if users and call.instance.on("set_in_use", "refused"):
        raise not_modifiable()
    for role in users:
        role[link] = None
    del kind.table(call.instance)[row["id"]]


def _all_sets(kind: SetKind, call: Call) -> list[Row]:
    sets = listing(call.instance, kind.table(call.instance).values(), call.params, kind.view)
    return [call.show(kind.view, row) for row in sets]


def _get_set(kind: SetKind, call: Call) -> Row:
    return call.show(kind.view, the(kind.table(call.instance), call.ids[0]))


def all_permissions(call: Call) -> list[Row]:
    """List the permissions that there are."""
    names = call.instance.store.permissions
    return [pick({"permission": n, "parent": PARENTS.get(n), "description": None}, {}) for n in names]


# Roles


def _role_body(call: Call) -> Row:
    """Return what a body says about a role; nested sets in it say nothing."""
    store = call.instance.store
    body = {n: v for n, v in call.body.items() if n not in {"permission_set", "model_set"}}
    refer(body, "permission_set_id", store.permission_sets)
    refer(body, "model_set_id", store.model_sets)
    return body


def _editable_role(call: Call) -> Row:
    row = the(call.instance.store.roles, call.ids[0])
    if row.get("internal") or row.get("built_in"):
        raise not_modifiable()
    return row


def _assignable_role(call: Call) -> str:
    row = the(call.instance.store.roles, call.ids[0])
    if row.get("internal"):
        raise not_modifiable()
    return str(row["id"])


def create_role(call: Call) -> Row:
    """Make a role of two sets."""
    store, body = call.instance.store, _role_body(call)
    need(body, "name", "permission_set_id", "model_set_id")
    check_name(call.instance, store.roles, body)
    row = {"id": store.new_id("role"), **body}
    store.roles[row["id"]] = row
    return call.show(ROLE, row)


def update_role(call: Call) -> Row:
    """Rename a role or give it other sets."""
    row, body = _editable_role(call), _role_body(call)
    not_blank(body, "name", "permission_set_id", "model_set_id")
    check_name(call.instance, call.instance.store.roles, {**row, **body})
    row.update(body)
    return call.show(ROLE, row)


def delete_role(call: Call) -> None:
    """Delete a role; who had it has it no more."""
    row = _editable_role(call)
    call.instance.store.access.forget_role(row["id"])
    del call.instance.store.roles[row["id"]]


def all_roles(call: Call) -> list[Row]:
    """List or find roles."""
    roles = listing(call.instance, with_ids(call, call.instance.store.roles), call.params, ROLE)
    return [call.show(ROLE, row) for row in roles]


def roles_with_user_count(call: Call) -> list[Row]:
    """Find roles, with how many users have each."""
    roles = listing(call.instance, call.instance.store.roles.values(), call.params, ROLE_FOUND)
    return [call.show(ROLE_FOUND, row) for row in roles]


def get_role(call: Call) -> Row:
    """Show a role with its sets."""
    return call.show(ROLE, the(call.instance.store.roles, call.ids[0]))


# Who has a role


def role_users(call: Call) -> list[Row]:
    """List the users that have a role, also through groups unless told otherwise."""
    store = call.instance.store
    the(store.roles, call.ids[0])
    inherited = call.params.get("direct_association_only") != "true"
    return [
        call.show(USER, store.users[i]) for i in store.access.users_with(call.ids[0], inherited=inherited)
    ]


def set_role_users(call: Call) -> list[Row]:
    """Give a role to exactly these users."""
    store, role_id = call.instance.store, _assignable_role(call)
    _all_known(call.body["ids"], store.users)
    store.access.user_roles.set_rights(role_id, call.body["ids"])
    return [call.show(USER, store.users[i]) for i in store.access.users_with(role_id, inherited=False)]


def role_groups(call: Call) -> list[Row]:
    """List the groups that have a role."""
    store = call.instance.store
    the(store.roles, call.ids[0])
    return [call.show(GROUP, store.groups[i]) for i in store.access.group_roles.rights(call.ids[0])]


def set_role_groups(call: Call) -> list[Row]:
    """Give a role to exactly these groups."""
    store, role_id = call.instance.store, _assignable_role(call)
    _all_known(call.body["ids"], store.groups)
    store.access.group_roles.set_rights(role_id, call.body["ids"])
    return role_groups(call)


def user_roles(call: Call) -> list[Row]:
    """List a user's roles, also those of its groups unless told otherwise."""
    store = call.instance.store
    the(store.users, call.ids[0])
    inherited = call.params.get("direct_association_only") != "true"
    return [call.show(ROLE, store.roles[i]) for i in store.access.roles_of(call.ids[0], inherited=inherited)]


def set_user_roles(call: Call) -> list[Row]:
    """Give a user exactly these roles."""
    store = call.instance.store
    the(store.users, call.ids[0])
    _all_known(call.body["ids"], store.roles)
    store.access.user_roles.set_lefts(call.ids[0], call.body["ids"])
    return [call.show(ROLE, store.roles[i]) for i in store.access.roles_of(call.ids[0], inherited=False)]


def _all_known(ids: list[str], table: dict[str, Any]) -> None:
    if not table.keys() >= set(ids):
        raise missing("ids")


def _set_routes(kind: SetKind) -> dict[str, Any]:
    path = f"/{kind.plural}"
    one = f"{path}/{{{kind.kind}_id}}"
    return {
        f"GET {path}": partial(_all_sets, kind),
        f"POST {path}": partial(_create_set, kind),
        f"GET {path}/search": partial(_all_sets, kind),
        f"GET {one}": partial(_get_set, kind),
        f"PATCH {one}": partial(_update_set, kind),
        f"DELETE {one}": partial(_delete_set, kind),
    }


ROUTES = {
    **_set_routes(PERMISSION_SETS),
    **_set_routes(MODEL_SETS),
    "GET /permissions": all_permissions,
    "GET /roles": all_roles,
    "POST /roles": create_role,
    "GET /roles/search": all_roles,
    "GET /roles/search/with_user_count": roles_with_user_count,
    "GET /roles/{role_id}": get_role,
    "PATCH /roles/{role_id}": update_role,
    "DELETE /roles/{role_id}": delete_role,
    "GET /roles/{role_id}/users": role_users,
    "PUT /roles/{role_id}/users": set_role_users,
    "GET /roles/{role_id}/groups": role_groups,
    "PUT /roles/{role_id}/groups": set_role_groups,
    "GET /users/{user_id}/roles": user_roles,
    "PUT /users/{user_id}/roles": set_user_roles,
}
