"""Models, sets, roles and groups: names are their keys, what is built in is not touched."""

import msgspec
import pytest
from factory import make_looker
from harness import Memory
from harness import restore as restore_any

from lvrestore.model import ContentType, MappedId, Operation
from lvrestore.settings import Remap

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


FEWER = {
    "permission_set": ({"permissions": ["access_data"]}, "gains permission see_looks"),
    "model_set": ({"models": []}, "gains model thelook"),
}


@pytest.mark.parametrize("kind", list(FEWER))
@pytest.mark.parametrize("dry_run", [False, True])
def test_what_people_gain_by_a_set_is_named(kind, dry_run):
    looker = make_looker()
    fewer, gained = FEWER[kind]
    item_id = make(looker, kind)
    row = backup(looker, kind, item_id)
    looker.call("PATCH", f"/{kind}s/{item_id}", fewer)
    looker.clear_log()
    (result,) = restore(looker, kind, [row], dry_run=dry_run)
    assert result.operation is Operation.UPDATED
    assert gained in dict(result.warnings)["access_widens"]
    assert writes(looker) == ([] if dry_run else ["PATCH"])


@pytest.mark.parametrize("kind", list(FEWER))
def test_nobody_is_told_of_access_that_narrows(kind):
    looker = make_looker()
    item_id = make(looker, kind, **FEWER[kind][0])
    row = backup(looker, kind, item_id)
    looker.call("PATCH", f"/{kind}s/{item_id}", MADE[kind])
    (result,) = restore(looker, kind, [row])
    assert (result.operation, result.warnings) == (Operation.UPDATED, ())


@pytest.mark.parametrize("kind", list(FEWER))
def test_what_people_may_do_is_left_as_it_is_when_access_is_skipped(kind):
    looker = make_looker()
    item_id = make(looker, kind)
    row = backup(looker, kind, item_id)
    looker.call("PATCH", f"/{kind}s/{item_id}", {**FEWER[kind][0], "name": "Renamed"})
    (result,) = restore(looker, kind, [row], Memory(access="skip"))
    assert (result.operation, [kind for kind, _ in result.warnings]) == (
        Operation.UPDATED,
        ["access_differs"],
    )
    live = looker.call("GET", f"/{kind}s/{item_id}")
    assert live | {**FEWER[kind][0], "name": MADE[kind]["name"]} == live


@pytest.fixture
def seller():
    """A Looker with a role of two sets, as it is in the backup, that has got two smaller ones."""
    looker = make_looker()
    sets = {f"{kind}_id": make(looker, kind) for kind in FEWER}
    looker.role = looker.call("POST", "/roles", {"name": "Seller", **sets})["id"]
    looker.row = backup(looker, "role", looker.role)
    small = {f"{kind}_id": make(looker, kind, name="Small", **FEWER[kind][0]) for kind in FEWER}
    looker.call("PATCH", f"/roles/{looker.role}", small)
    looker.clear_log()
    return looker


def test_what_people_gain_by_the_sets_of_a_role_is_named(seller):
    (result,) = restore(seller, "role", [seller.row])
    assert result.operation is Operation.UPDATED
    assert "gains permission see_looks, model thelook" in dict(result.warnings)["access_widens"]


def test_a_role_keeps_its_sets_when_access_is_skipped(seller):
    (result,) = restore(seller, "role", [seller.row], Memory(access="skip"))
    assert (result.operation, writes(seller)) == (Operation.UNCHANGED, [])
    assert "permission_set_id and model_set_id" in dict(result.warnings)["access_differs"]


def test_everything_is_named_when_a_role_gets_the_set_that_has_it(seller):
    everything = next(one["id"] for one in seller.call("GET", "/permission_sets") if one["all_access"])
    seller.call("PATCH", f"/roles/{seller.role}", {"permission_set_id": everything})
    row = backup(seller, "role", seller.role)
    small = next(one["id"] for one in seller.call("GET", "/permission_sets") if one["name"] == "Small")
    seller.call("PATCH", f"/roles/{seller.role}", {"permission_set_id": small})
    (result,) = restore(seller, "role", [row], dry_run=True)
    assert "gains every permission" in dict(result.warnings)["access_widens"]


@pytest.mark.parametrize("kind", list(FEWER))
def test_elsewhere_a_namesake_is_taken_only_if_it_is_equal(kind):
    looker = make_looker()
    item_id = make(looker, kind)
    _, blob = backup(looker, kind, item_id)
    row = ("900", blob)
    (result,) = restore(looker, kind, [row], Memory(same_instance=False))
    assert (result.operation, result.destination_id) == (Operation.UNCHANGED, item_id)
    looker.call("PATCH", f"/{kind}s/{item_id}", FEWER[kind][0])
    looker.clear_log()
    (result,) = restore(looker, kind, [row], Memory(same_instance=False))
    assert result.operation is Operation.CONFLICT
    assert f"{kind} {item_id}" in result.reason
    assert not writes(looker)
    memory = Memory(same_instance=False)
    memory.mappings[kind, "900"] = MappedId(item_id)
    (result,) = restore(looker, kind, [row], memory)
    assert result.operation is Operation.UPDATED


def test_elsewhere_a_role_of_the_same_name_with_other_sets_is_a_conflict(seller):
    memory = Memory(same_instance=False)
    content = msgspec.msgpack.decode(seller.row[1])
    for kind in FEWER:
        memory.mappings[kind, content[kind]["id"]] = MappedId(content[kind]["id"])
    (result,) = restore(seller, "role", [seller.row], memory)
    assert result.operation is Operation.CONFLICT
    assert f"role {seller.role}" in result.reason
    assert not writes(seller)


def models_elsewhere(**policy):
    """Another instance with a model `shop` of its own, and a backup that has one of this name."""
    looker = make_looker()
    make(looker, "lookml_model", allowed_db_connection_names=["theirs"])
    ours = {**MADE["lookml_model"], "project_name": "ours"}
    looker.clear_log()
    return (
        looker,
        ("shop", msgspec.msgpack.encode({**ours, "id": "shop"})),
        Memory(same_instance=False, **policy),
    )


def test_elsewhere_the_configuration_of_a_namesake_is_left_as_it_is_until_somebody_adopts_it():
    looker, row, memory = models_elsewhere()
    (result,) = restore(looker, "lookml_model", [row], memory)
    assert (result.operation, writes(looker)) == (Operation.CONFLICT, [])
    assert "lookml_model shop" in result.reason
    for said in ("on the destination", "of the backup", "project_name", "--adopt", "--remap"):
        assert said in result.reason
    memory.policy = Memory(adopt=True).policy
    (result,) = restore(looker, "lookml_model", [row], memory)
    assert result.operation is Operation.UPDATED
    looker.call("PATCH", "/lookml_models/shop", {"allowed_db_connection_names": ["changed"]})
    memory.policy = Memory().policy
    (result,) = restore(looker, "lookml_model", [row], memory)  # what was adopted follows the backup
    assert result.operation is Operation.UPDATED


def test_elsewhere_a_configuration_that_this_tool_made_follows_the_backup():
    looker, row, memory = models_elsewhere()
    looker.call("DELETE", "/lookml_models/shop")
    assert restore(looker, "lookml_model", [row], memory)[0].operation is Operation.CREATED
    looker.call("PATCH", "/lookml_models/shop", {"project_name": "changed"})
    assert restore(looker, "lookml_model", [row], memory)[0].operation is Operation.UPDATED


@pytest.mark.parametrize(
    "remap", [Remap(models={"shop": "shop"}), Remap(connections={"w": "warehouse"}), Remap(models={"x": "y"})]
)
def test_elsewhere_a_configuration_is_changed_that_a_remap_file_names(remap):
    looker, row, memory = models_elsewhere(remap=remap)
    (result,) = restore(looker, "lookml_model", [row], memory)
    named = "x" not in remap.models
    assert result.operation is (Operation.UPDATED if named else Operation.CONFLICT)


def test_elsewhere_a_group_that_has_only_the_name_is_told_and_never_renamed():
    looker = make_looker()
    item_id = make(looker, "group")
    _, blob = backup(looker, "group", item_id)
    memory = Memory(same_instance=False)
    (result,) = restore(looker, "group", [("900", blob)], memory)
    assert result.operation is Operation.UNCHANGED
    told = dict(result.warnings)["matched_by_name"]
    assert "group 900" in told
    assert f"group {item_id}" in told
    (again,) = restore(looker, "group", [("900", blob)], memory)
    assert not again.warnings
    renamed = msgspec.msgpack.encode({**msgspec.msgpack.decode(blob), "name": "Renamed at home"})
    looker.clear_log()
    (result,) = restore(looker, "group", [("900", renamed)], memory)
    assert (result.operation, writes(looker)) == (Operation.CONFLICT, [])
    assert all(
        said in result.reason for said in (f"group {item_id}", "Renamed at home", "map clear group:900")
    )
    memory.policy = Memory(adopt=True).policy
    (result,) = restore(looker, "group", [("900", renamed)], memory)
    assert result.operation is Operation.UPDATED
    assert looker.call("GET", f"/groups/{item_id}")["name"] == "Renamed at home"


def test_elsewhere_a_group_that_this_tool_made_is_renamed_as_the_backup_says():
    looker, memory = make_looker(), Memory(same_instance=False)
    content = {"id": "900", "name": "Sales"}
    (made,) = restore(looker, "group", [("900", msgspec.msgpack.encode(content))], memory)
    (result,) = restore(
        looker, "group", [("900", msgspec.msgpack.encode({**content, "name": "New"}))], memory
    )
    assert (made.operation, result.operation) == (Operation.CREATED, Operation.UPDATED)
    assert not made.warnings
