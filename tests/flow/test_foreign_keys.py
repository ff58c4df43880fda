"""Every foreign key of the table, unmapped on another instance: an item ends before a write, or a line says it.

What has another id there must never reach it with the old one.
"""

import copy

import msgspec
import pytest
from factory import make_dashboard, make_looker
from harness import Memory
from harness import restore as restore_any

from lvrestore.content.moved.renaming import remapped
from lvrestore.model import ContentType, MappedId, Operation
from lvrestore.plan.remapping import Survey, There
from lvrestore.settings import Remap
from lvrestore.vault.foreign_keys import (
    ID_KINDS,
    IN_MODELS,
    NAME_KINDS,
    REFERENCES,
    TYPES,
    explores_of,
    foreign_keys_of,
)

NOWHERE = "987654321"
# Names are the same wherever the thing is: they are written as they are, or as a remap says.
NAMES = NAME_KINDS | {"lookml_model"}
ROWS = [(t, path, kind) for t, rows in REFERENCES.items() for path, kind in rows]
IDS = [(t, path, kind) for t, path, kind in ROWS if kind not in NAMES]
BLOCKS, INCOMPLETE = "blocks", "incomplete"
# What becomes of an item: it fails before its first write and names what is missing; it is restored but for that, and
# is partial; or a line of this kind names it. None: nothing is said, as the field only tells how parts of the item
# itself hang together, or what comes by itself, and is never sent.
ENDS = {
    (ContentType.DASHBOARD, "folder_id"): BLOCKS,
    (ContentType.DASHBOARD, "user_id"): "owner_missing",
    (ContentType.DASHBOARD, "dashboard_elements.*.look_id"): INCOMPLETE,
    (ContentType.DASHBOARD, "dashboard_elements.*.query_id"): INCOMPLETE,
    (ContentType.DASHBOARD, "dashboard_elements.*.merge_result_id"): INCOMPLETE,
    (ContentType.DASHBOARD, "dashboard_elements.*.dashboard_layout_id"): None,
    (ContentType.DASHBOARD, "dashboard_elements.*.filter_id"): "broken_reference",
    (ContentType.DASHBOARD, "dashboard_layouts.*.dashboard_layout_components.*.dashboard_layout_id"): None,
    (ContentType.DASHBOARD, "dashboard_layouts.*.dashboard_layout_components.*.dashboard_element_id"):
        "broken_reference",
    (ContentType.LOOK, "folder_id"): BLOCKS,
    (ContentType.LOOK, "user_id"): "owner_missing",
    (ContentType.LOOK, "query_id"): BLOCKS,
    (ContentType.FOLDER, "parent_id"): BLOCKS,
    (ContentType.BOARD, "user_id"): "owner_missing",
    (ContentType.BOARD, "section_order.*"): None,
    (ContentType.BOARD, "board_sections.*.item_order.*"): None,
    (ContentType.BOARD, "board_sections.*.board_items.*.dashboard_id"): INCOMPLETE,
    (ContentType.BOARD, "board_sections.*.board_items.*.look_id"): INCOMPLETE,
    (ContentType.USER, "group_ids.*"): INCOMPLETE,
    (ContentType.USER, "role_ids.*"): INCOMPLETE,
    (ContentType.USER, "home_folder_id"): INCOMPLETE,
    (ContentType.USER, "personal_folder_id"): None,
    (ContentType.ROLE, "permission_set.id"): BLOCKS,
    (ContentType.ROLE, "model_set.id"): BLOCKS,
    (ContentType.SCHEDULED_PLAN, "user_id"): BLOCKS,
    (ContentType.SCHEDULED_PLAN, "dashboard_id"): BLOCKS,
    (ContentType.SCHEDULED_PLAN, "look_id"): BLOCKS,
    (ContentType.SCHEDULED_PLAN, "query_id"): BLOCKS,
    (ContentType.SCHEDULED_PLAN, "tab_ids.*"): INCOMPLETE,
}  # fmt: skip


def items(looker):
    """An item of each type whose references are all on this Looker."""
    folder, owner = looker.folder, looker.owner
    dashboard = looker.call("GET", f"/dashboards/{make_dashboard(looker, tiles=1, filters=1)}")
    sets = [looker.call("POST", f"/{one}_sets", {"name": one})["id"] for one in ("permission", "model")]
    tab = dashboard["dashboard_layouts"][0]["id"]
    plan = {
        "name": "Daily", "user_id": owner, "dashboard_id": dashboard["id"], "crontab": "0 6 * * *", "tab_ids": [tab],
        "scheduled_plan_destination": [{"type": "email", "format": "csv", "address": "a@b.c"}],
    }  # fmt: skip
    item = {"id": "1", "dashboard_id": dashboard["id"]}
    sections = [{"id": "1", "title": "s", "item_order": ["1"], "board_items": [item]}]
    return {
        ContentType.DASHBOARD: {k: v for k, v in dashboard.items() if v is not None} | {"title": "New"},
        ContentType.LOOK: {"title": "New", "folder_id": folder, "user_id": owner, "query_id": looker.query},
        ContentType.FOLDER: {"name": "New", "parent_id": folder},
        ContentType.BOARD: {"title": "New", "user_id": owner, "section_order": ["1"], "board_sections": sections},
        ContentType.USER: {"first_name": "New", "email": "new@example.com", "home_folder_id": folder,
                           "group_ids": [], "role_ids": []},
        ContentType.ROLE: {"name": "New", "permission_set": {"id": sets[0]}, "model_set": {"id": sets[1]}},
        ContentType.SCHEDULED_PLAN: plan,
        ContentType.MODEL_SET: {"name": "New", "models": ["thelook"]},
        ContentType.LOOKML_MODEL: {"name": "thelook"},
    }  # fmt: skip


def put(value, steps, found):
    """Put `found` at a path, making on the way what is not there."""
    step, *rest = steps
    if step == "*":
        value[:] = value or [{} if rest else None]
        at = 0
    else:
        at = step
        if rest and value.get(step) is None:
            value[step] = [] if rest[0] == "*" else {}
    if not rest:
        value[at] = found
    else:
        put(value[at], rest, found)


def at(value, steps):
    """All that a path leads to."""
    for number, step in enumerate(steps):
        if step == "*":
            return [one for entry in value for one in at(entry, steps[number + 1 :])]
        value = value[step]
    return [value]


def changed(content, path, found):
    content = copy.deepcopy(content)
    sources = {"look_id", "query_id", "merge_result_id", "dashboard_id"}
    *within, field = path.split(".")
    if field in sources:  # there is only one
        for one in at(content, within):
            for other in sources & one.keys() - ({"dashboard_id"} if "title_hidden" in one else set()):
                one[other] = None
            for shown in ("query", "look", "result_maker"):
                one.pop(shown, None)
    put(content, path.split("."), found)
    return content


@pytest.fixture(scope="module")
def source():
    looker = make_looker()
    looker.items = items(looker)
    return looker


def everything_mapped(source, elsewhere):
    """What the source's items refer to has its own id there; the vault has the query of the look."""
    memory = Memory(same_instance=False, grants_by_role=False)
    contents = items(elsewhere)
    for content_type, content in source.items.items():
        for key, there in zip(
            foreign_keys_of(content_type, content), foreign_keys_of(content_type, contents[content_type]), strict=True
        ):  # fmt: skip
            memory.mappings[key.kind, key.value] = MappedId(there.value)
    memory.vault_ids = set()
    return memory


def writes(looker):
    return [r for r in looker.requests if r.method != "GET"]


def test_every_row_of_the_table_has_an_end():
    assert {(t, path) for t, path, _ in IDS} == set(ENDS)
    assert {kind for _, _, kind in ROWS} <= TYPES.keys() | ID_KINDS | NAME_KINDS


@pytest.mark.parametrize(("content_type", "path", "kind"), IDS, ids=lambda one: getattr(one, "label", one))
def test_an_unmapped_reference_blocks_or_is_told_and_never_reaches_the_destination(
    source, content_type, path, kind
):
    elsewhere = make_looker()
    elsewhere.call("POST", "/folders", {"name": "Other", "parent_id": "1"})
    memory = everything_mapped(source, elsewhere)
    elsewhere.clear_log()
    content = changed(source.items[content_type], path, NOWHERE)
    assert NOWHERE in [key.value for key in foreign_keys_of(content_type, content)]
    memory.vault_ids = {(kind, NOWHERE)}
    row = "777", msgspec.msgpack.encode({**content, "id": "777"})
    (result,) = restore_any(elsewhere, [row], memory, content_type=content_type)
    if result.waits:  # at the last look it is known what is missing for good
        memory.again = True
        (result,) = restore_any(elsewhere, [row], memory, content_type=content_type)
    said = [str(r.body) + r.path for r in writes(elsewhere)]
    assert NOWHERE not in str(said)
    end = ENDS[content_type, path]
    if end in {BLOCKS, INCOMPLETE}:
        operation = Operation.PARTIAL if end == INCOMPLETE else Operation.FAILED
        assert (result.operation, result.error.kind) == (operation, "dependency"), result
        assert f"{kind} {NOWHERE}" in result.error.blockers
        assert bool(said) == (end == INCOMPLETE)
        return
    assert result.operation is Operation.CREATED, result
    memory.again = True  # the last look says what is missing for good
    (last,) = restore_any(elsewhere, [row], memory, content_type=content_type)
    told = [text for kind, text in (*result.warnings, *last.warnings) if kind == end]
    assert end is None or NOWHERE in str(told), result
    assert NOWHERE not in str([str(r.body) + r.path for r in writes(elsewhere)])


@pytest.mark.parametrize(
    ("content_type", "path", "kind"),
    [row for row in ROWS if row[2] in {"lookml_model", *IN_MODELS}],
    ids=lambda one: getattr(one, "label", one),
)
def test_every_name_of_a_model_is_looked_for_and_can_be_remapped(source, content_type, path, kind):
    name = NOWHERE if kind == "lookml_model" else f"{NOWHERE}::daily"
    content = changed(source.items[content_type], path, name)
    assert NOWHERE in {model for model, _ in explores_of(content_type, content)}
    found = remapped(content_type, content, Remap(models={NOWHERE: "shop"}))
    assert found == changed(content, path, name.replace(NOWHERE, "shop"))


def test_every_connection_is_looked_for_and_can_be_remapped(source):
    assert [(t, path) for t, path, kind in ROWS if kind == "connection"] == [
        (ContentType.LOOKML_MODEL, "allowed_db_connection_names.*")
    ]
    content = changed(source.items[ContentType.LOOKML_MODEL], "allowed_db_connection_names.*", NOWHERE)
    survey = Survey(Remap(), {})
    survey.add(ContentType.LOOKML_MODEL, "m", content)
    assert [NOWHERE in line for line in survey.left_behind(There(connections=frozenset()))] == [True]
    found = remapped(ContentType.LOOKML_MODEL, content, Remap(connections={NOWHERE: "lake"}))
    assert found == changed(content, "allowed_db_connection_names.*", "lake")
