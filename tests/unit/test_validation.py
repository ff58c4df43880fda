"""What will go wrong, found before anything is written: which lines there are, and what they count."""

import msgspec
import pytest

from lvrestore.content.outgoing import Outgoing
from lvrestore.content.writing.required import REQUIRED
from lvrestore.looker.models import WriteDashboard, WriteDashboardFilter, WriteLookWithQuery
from lvrestore.model import ContentType, VaultRow
from lvrestore.plan import validation
from lvrestore.plan.dependencies import DependencyGraph
from lvrestore.plan.validation import LINES, Account, Destination, RestorationValidator
from lvrestore.settings import Policy

DASHBOARD, LOOK, FOLDER, USER = ContentType.DASHBOARD, ContentType.LOOK, ContentType.FOLDER, ContentType.USER


class Rows:
    """A backup of a few items, as (type, content); all are selected but those of `unselected` types."""

    def __init__(self, *items, unselected=()):
        self.items, self.unselected = items, unselected
        self.counts = {}
        for content_type, _ in items:
            if content_type not in unselected:
                self.counts[content_type] = self.counts.get(content_type, 0) + 1

    def rows(self):
        for content_type, content in self.items:
            if content_type not in self.unselected:
                blob = content if isinstance(content, bytes) else msgspec.msgpack.encode(content)
                source_id = "bad" if isinstance(content, bytes) else content["id"]
                yield VaultRow(content_type=content_type, source_id=source_id, name="", blob=blob)

    def has(self, content_type, source_id):
        return any(t is content_type and c["id"] == source_id for t, c in self.items if isinstance(c, dict))

    def selected(self, content_type, source_id):
        return content_type not in self.unselected and self.has(content_type, source_id)


class There:
    """Ids that the destination has, by type; remembers what it was asked for."""

    def __init__(self, **ids):
        self.ids, self.asked = ids, []

    def __call__(self, content_type, ids):
        self.asked.append((content_type.label, sorted(ids)))
        return [one for one in ids if one not in self.ids.get(content_type.label, ())]


def dashboard(item_id="1", **fields):
    content = {"id": item_id, "title": "Sales", "folder_id": "7", "user_id": "3"}
    return DASHBOARD, {**content, "dashboard_elements": [], "dashboard_filters": [], **fields}


def look(item_id="1", **fields):
    return LOOK, {"id": item_id, "title": "Look", "folder_id": "7", "query_id": "5", "user_id": "3", **fields}


def folder(item_id="7", **fields):
    return FOLDER, {"id": item_id, "name": "Sales", "parent_id": "1", **fields}


def pre_flight(*items, unselected=(), orphans_to=None, **destination):
    destination.setdefault("absent", There(folder="17", user="3"))
    validator = RestorationValidator(Destination(**destination), policy=Policy(orphans_to=orphans_to))
    return validator.validate_pre_flight(Rows(*items, unselected=unselected))


def messages(*items, **given):
    return [problem.message for problem in pre_flight(*items, **given)]


def test_nothing_is_wrong_when_all_is_there_or_selected():
    assert pre_flight(dashboard(), look(), folder()) == []


def test_what_is_selected_is_not_asked_for():
    absent = There(folder="1", user="3")
    assert pre_flight(dashboard(), folder(), absent=absent) == []
    assert sorted(absent.asked) == [("folder", ["1"]), ("user", ["3"])]


def test_a_folder_that_neither_the_destination_nor_the_selection_has():
    items = [dashboard("1", folder_id="99"), dashboard("2", folder_id="99"), look("3", folder_id="99")]
    assert messages(*items) == [
        "folder 99 is not on the destination and not in the backup: 3 items lie in it"
    ]
    assert messages(*items, folder("99"), unselected=(FOLDER,)) == [
        "folder 99 is not on the destination and not selected: 3 items lie in it"
    ]
    assert messages(*items, orphans_to="5")[0].endswith("3 items lie in it (--orphans-to gives them a place)")


def test_an_owner_that_neither_has():
    (problem,) = pre_flight(dashboard(user_id="17"))
    assert (problem.kind, problem.what, problem.items) == ("owner", "user 17", 1)
    assert (
        problem.message
        == "user 17 is not on the destination and not in the backup: 1 item gets another owner"
    )


def test_an_item_counts_once_for_what_it_names_twice():
    tiles = [{"id": "1", "look_id": "55"}, {"id": "2", "look_id": "55"}]
    (problem,) = pre_flight(dashboard(dashboard_elements=tiles))
    assert (problem.what, problem.items) == ("look 55", 1)


def query_tile(model, view):
    maker = {"filterables": [{"model": model, "view": view}]}
    return {"id": "1", "query_id": "9", "query": {"model": model, "view": view}, "result_maker": maker}


def test_models_and_explores_that_the_destination_lacks():
    tiles = [query_tile("finance_eu", "a"), query_tile("finance_eu", "b"), query_tile("thelook", "orders")]
    filters = [{"id": "1", "name": "F", "title": "F", "type": "x", "model": "thelook", "explore": "gone"}]
    items = [
        dashboard("1", dashboard_elements=tiles, dashboard_filters=filters),
        look("2", model={"id": "finance_eu"}),
        (ContentType.MODEL_SET, {"id": "3", "name": "Set", "models": ["finance_eu", "thelook"]}),
        (
            ContentType.SCHEDULED_PLAN,
            {"id": "4", "name": "P", "user_id": "3", "lookml_dashboard_id": "finance_eu::sales"},
        ),
        (
            ContentType.BOARD,
            {"id": "5", "board_sections": [{"board_items": [{"lookml_dashboard_id": "finance_eu::sales"}]}]},
        ),
    ]
    models = {"thelook": frozenset({"orders"})}
    assert messages(*items, folder(), models=models) == [
        "model finance_eu is not configured on the destination: 5 items refer to it",
        "explore gone of model thelook is not on the destination: 1 item refers to it",
    ]


def test_a_model_that_is_selected_comes_with_the_run():
    model = (ContentType.LOOKML_MODEL, {"id": "new", "name": "new"})
    tiles = [query_tile("new", "orders")]
    models = {"thelook": frozenset()}
    assert pre_flight(dashboard(dashboard_elements=tiles), folder(), model, models=models) == []


@pytest.mark.parametrize("models", [None, {"thelook": frozenset()}], ids=["all", "explores"])
def test_unknown_models_are_no_problem(models):
    tiles = [query_tile("thelook", "orders")]
    assert pre_flight(dashboard(dashboard_elements=tiles), folder(), models=models) == []


@pytest.mark.parametrize(
    ("versions", "found"),
    [
        (None, False),
        ({}, False),
        ({"supported_versions": []}, False),
        ({"supported_versions": [{"version": "4.0"}]}, False),
        ({"supported_versions": [{"version": "3.1"}, {"version": "4.0"}]}, False),
        ({"supported_versions": [{"version": None, "swagger_url": "https://x/api/4.0/swagger.json"}]}, False),
        ({"supported_versions": [{"version": "3.1", "swagger_url": None}]}, True),
    ],
)
def test_the_api_version_must_be_among_those_supported(versions, found):
    said = messages(dashboard(), folder(), versions=versions)
    assert said == ["the instance has no API 4.0, only 3.1: 2 items cannot be restored"][: int(found)]


def test_an_account_that_is_no_admin_is_told_what_it_may_not_do():
    items = [dashboard("1"), dashboard("2"), folder(), (USER, {"id": "3"})]
    account = Account("api@example.com", is_admin=False, permissions=frozenset({"manage_spaces"}))
    (said,) = messages(*items, account=account)
    assert said == (
        "api@example.com is no Admin: what it may not see seems to be absent, and it may not be allowed to write"
        " 2 dashboards (needs save_content or save_dashboards), 1 user (needs Admin)"
    )
    assert messages(*items, account=msgspec.structs.replace(account, is_admin=True)) == []


def test_an_account_with_all_permissions_is_still_no_admin():
    account = Account("me", is_admin=False, permissions=frozenset({"save_content", "manage_spaces"}))
    assert messages(dashboard(), folder(), account=account) == [
        "me is no Admin: what it may not see seems to be absent"
    ]


def test_contents_that_no_object_can_be_made_of():
    filters = [{"id": "8", "name": "F", "title": None, "type": "field_filter"}]
    items = [
        dashboard("1", title=None),
        dashboard("2", dashboard_filters=filters),
        look("3", query_id=None),
        (ContentType.ROLE, {"id": "4", "name": "R", "permission_set": {"id": "1"}}),
        (DASHBOARD, b"\xc1"),
        dashboard("6", title=["no", "text"]),
    ]
    found = pre_flight(*items, folder())
    assert {p.kind for p in found} == {"content"}
    assert {p.what: p.message for p in found if p.what not in {"dashboard bad", "dashboard 6"}} == {
        "dashboard 1": "the backup of dashboard 1 has no title, which Looker requires",
        "filter 8 of dashboard 2": "the backup of filter 8 of dashboard 2 has no title, which Looker requires",
        "look 3": "the backup of look 3 has no query_id, which Looker requires",
        "role 4": "the backup of role 4 has no model_set_id, which Looker requires",
    }
    undecodable, mistyped = (p.message for p in found if p.what in {"dashboard bad", "dashboard 6"})
    assert "array" in undecodable
    assert mistyped.startswith("dashboard bad: ")


def test_what_is_never_written_needs_nothing():
    items = [
        folder("1", parent_id=None, is_shared_root=True),
        folder("2", parent_id="999", is_personal=True),
        (ContentType.ROLE, {"id": "2", "name": "Admin"}),
        dashboard("thelook::sales", folder_id="lookml"),
    ]
    assert pre_flight(*items) == []


def test_the_personal_folder_comes_with_its_user_but_roles_and_groups_do_not():
    user = {
        "id": "3",
        "personal_folder_id": "99",
        "home_folder_id": "98",
        "role_ids": ["5"],
        "group_ids": ["6"],
    }
    what = {p.what for p in pre_flight((USER, user))}
    assert what == {"folder 98", "role 5", "group 6"}


def test_the_lines_are_those_that_concern_most_items_and_the_rest_is_one_more():
    items = [dashboard(str(n), folder_id=str(100 + n % 30)) for n in range(45)]
    found = pre_flight(*items, (DASHBOARD, b"\xc1"))
    assert [p.items for p in found[:-1]] == [2] * 15 + [1] * 5
    assert len(found) == LINES + 1
    assert (found[-1].kind, found[-1].items, found[-1].message) == ("more", 11, "and 11 more")


def test_bad_contents_beyond_the_lines_are_counted():
    found = pre_flight(*[(DASHBOARD, b"\xc1")] * 50)
    assert len(found) == LINES + 1
    assert found[-1].message == "and 30 more"


def test_memory_is_bounded_by_asking_in_between(monkeypatch):
    monkeypatch.setattr(validation, "AT_ONCE", 4)
    absent = There(folder="", user="3")
    items = [dashboard(str(n), folder_id=str(n // 3)) for n in range(12)]
    found = pre_flight(*items, absent=absent)
    assert {p.what: p.items for p in found} == {f"folder {n}": 3 for n in range(4)}
    assert len(absent.asked) > 2


# --- the parts by themselves


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"title": "A", "folder_id": "1"}, None),
        ({"title": "A", "folder_id": "1", "hidden": False, "description": None}, None),
        ({"title": "", "folder_id": "1"}, "the backup of dashboard 1 has no title, which Looker requires"),
        ({"title": "A"}, "the backup of dashboard 1 has no folder_id, which Looker requires"),
        (
            {"title": "A", "folder_id": "1", "can": {}},
            "the backup of dashboard 1 has what Looker does not take: can",
        ),
    ],
)
def test_an_outgoing_body_is_checked_against_struct_and_table(body, said):
    validator = RestorationValidator(Destination(absent=There()))
    found = validator.validate_content(Outgoing("dashboard", "dashboard 1", body, WriteDashboard))
    assert (found and found.message) == said


def test_an_outgoing_body_of_a_wrong_type_is_refused_with_the_field():
    validator = RestorationValidator(Destination(absent=There()))
    body = {"title": "A", "folder_id": 1}
    found = validator.validate_content(Outgoing("dashboard", "dashboard 1", body, WriteDashboard))
    assert "$.folder_id" in found.message


@pytest.mark.parametrize(
    ("kind", "writes"),
    [("dashboard", WriteDashboard), ("dashboard_filter", WriteDashboardFilter), ("look", WriteLookWithQuery)],
)
def test_every_required_field_is_one_that_can_be_sent(kind, writes):
    assert set(REQUIRED[kind]) <= set(writes.__struct_fields__)


def test_dependencies_alone():
    validator = RestorationValidator(Destination(absent=There(user="3")), DependencyGraph())
    contents = [dashboard("1"), look("2", folder_id="8")]
    found = validator.validate_dependencies(contents, Rows(*contents, folder("8")))
    assert [(p.kind, p.what) for p in found] == [("reference", "folder 7")]
