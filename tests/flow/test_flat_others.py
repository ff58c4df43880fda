"""Models, sets, roles and groups: names are their keys, what is built in is not touched."""

import msgspec
import pytest
from factory import make_looker
from harness import Memory
from harness import restore as restore_any

from lvrestore.model import ContentType, Operation

MADE = {
    "permission_set": {"name": "Editors", "permissions": ["access_data", "see_looks"]},
    "model_set": {"name": "Sales models", "models": ["thelook"]},
    "group": {"name": "Sales, NOT NULL %", "can_add_to_content_metadata": True},
    "lookml_model": {"name": "shop", "project_name": "shop", "allowed_db_connection_names": ["warehouse"]},
}
CHANGED = {
    "permission_set": {"permissions": ["access_data"]},
    "model_set": {"models": []},
    "group": {"name": "Renamed"},
    "lookml_model": {"allowed_db_connection_names": []},
}
KINDS = list(MADE)


def restore(looker, kind, rows, memory=None, **more):
    return restore_any(looker, rows, memory, content_type=ContentType[kind.upper()], **more)


def make(looker, kind, **fields):
    made = looker.call("POST", f"/{kind}s", {**MADE[kind], **fields})
    return made.get("id") or made["name"]


def backup(looker, kind, item_id, **changes):
    live = looker.call("GET", f"/{kind}s/{item_id}")
    content = {k: v for k, v in {**live, **changes}.items() if v is not None}
    return str(item_id), msgspec.msgpack.encode(content)


def writes(looker):
    return [r.method for r in looker.requests if r.method != "GET"]


@pytest.mark.parametrize("kind", KINDS)
def test_unchanged_changed_and_gone(kind):
    looker = make_looker()
    item_id = make(looker, kind)
    row = backup(looker, kind, item_id)
    looker.clear_log()
    (result,) = restore(looker, kind, [row])
    assert (result.operation, writes(looker)) == (Operation.UNCHANGED, [])

    looker.call("PATCH", f"/{kind}s/{item_id}", CHANGED[kind])
    looker.clear_log()
    (result,) = restore(looker, kind, [row])
    assert (result.operation, writes(looker)) == (Operation.UPDATED, ["PATCH"])
    assert backup(looker, kind, item_id) == row

    looker.call("DELETE", f"/{kind}s/{item_id}")
    looker.clear_log()
    memory = Memory()
    (result,) = restore(looker, kind, [row], memory)
    assert (result.operation, writes(looker)) == (Operation.CREATED, ["POST"])
    for again in (memory, Memory()):
        looker.clear_log()
        (found,) = restore(looker, kind, [row], again)
        assert (found.operation, found.destination_id) == (Operation.UNCHANGED, result.destination_id)
        assert writes(looker) == []


def test_a_role_gets_the_new_ids_of_its_sets():
    looker = make_looker()
    sets = {kind: make(looker, kind) for kind in ("permission_set", "model_set")}
    body = {"name": "Seller", **{f"{kind}_id": item_id for kind, item_id in sets.items()}}
    role = looker.call("POST", "/roles", body)["id"]
    rows = {kind: backup(looker, kind, item_id) for kind, item_id in {**sets, "role": role}.items()}
    looker.clear_log()
    assert restore(looker, "role", [rows["role"]])[0].operation is Operation.UNCHANGED

    looker.call("DELETE", f"/roles/{role}")
    for kind, item_id in sets.items():
        looker.call("DELETE", f"/{kind}s/{item_id}")
    memory = Memory()
    (lost,) = restore(looker, "role", [rows["role"]], memory)
    assert set(lost.error.blockers) == {f"{kind} {item_id}" for kind, item_id in sets.items()}
    for kind in ("permission_set", "model_set", "role"):
        (result,) = restore(looker, kind, [rows[kind]], memory)
        assert result.operation is Operation.CREATED
    made = looker.call("GET", f"/roles/{result.destination_id}")
    assert made["permission_set"]["name"] == "Editors"
    assert made["model_set"]["name"] == "Sales models"
    looker.clear_log()
    assert restore(looker, "role", [rows["role"]], memory)[0].operation is Operation.UNCHANGED


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("permission_set", {"built_in": True}),
        ("model_set", {"all_access": True}),
        ("group", {"externally_managed": True}),
        ("group", {"external_group_id": "tenant"}),
        ("group", {"include_by_default": True}),
    ],
)
def test_what_is_built_in_or_managed_elsewhere_is_skipped(kind, changes):
    looker = make_looker()
    row = backup(looker, kind, make(looker, kind), name="Other", **changes)
    looker.clear_log()
    (result,) = restore(looker, kind, [row])
    assert result.operation is Operation.SKIPPED
    assert result.reason
    assert looker.requests == []


@pytest.mark.parametrize("kind", ["group", "permission_set", "model_set"])
def test_two_of_a_name_are_a_conflict_that_names_both(kind):
    looker = make_looker(name_taken="allowed")
    row = backup(looker, kind, make(looker, kind))
    looker.call("DELETE", f"/{kind}s/{row[0]}")
    twins = [make(looker, kind), make(looker, kind)]
    looker.clear_log()
    (result,) = restore(looker, kind, [row])
    assert result.operation is Operation.CONFLICT
    assert all(f"{kind} {twin}" in result.reason for twin in twins)
    assert writes(looker) == []
