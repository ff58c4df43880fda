"""What is done with a namesake that differs, and with what belongs to nobody here."""

import msgspec
import pytest
from factory import make_dashboard, make_looker
from harness import Memory
from harness import restore as restore_any

from lvrestore.model import ContentType, MappedId, Operation
from lvrestore.settings import Caller


def site():
    looker = make_looker()
    looker.dashboard = make_dashboard(looker, tiles=1, filters=0)
    return looker


def restore(looker, kind, row, memory):
    looker.clear_log()
    (result,) = restore_any(looker, [row], memory, content_type=ContentType[kind.upper()])
    return result


def row_of(looker, kind, item_id, **changes):
    """A backup row of a live object, under an id that means nothing here."""
    live = looker.call("GET", f"/{kind}s/{item_id}")
    content = {k: v for k, v in {**live, **changes, "id": "900000"}.items() if v is not None}
    content.pop("created_at", None)
    return "900000", msgspec.msgpack.encode(content)


def elsewhere(looker, **policy):
    """What is known of another instance's backup: its folder and its owner are here."""
    memory = Memory(same_instance=False, **policy)
    for kind, here in (("folder", looker.folder), ("folder", "1"), ("user", looker.owner)):
        memory.mappings[kind, here] = MappedId(here)
    memory.mappings["query", looker.query] = MappedId(looker.query)
    return memory


def namesake(looker, kind):
    """An object of the destination, and a backup row with its name in its place and something else in it."""
    if kind in {"dashboard", "look"}:
        item_id = getattr(looker, kind)
        return item_id, row_of(looker, kind, item_id, description="other", slug=None)
    if kind == "board":
        made = looker.call("POST", "/boards", {"title": "All of it", "user_id": looker.owner})
        return made["id"], row_of(looker, kind, made["id"], description="other")
    made = looker.call("POST", "/permission_sets", {"name": "Explorers", "permissions": ["access_data"]})
    return made["id"], row_of(looker, kind, made["id"], permissions=["access_data", "see_looks"])


KINDS = ["dashboard", "look", "board", "permission_set"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_namesake_that_differs_is_not_touched(kind):
    looker = site()
    item_id, row = namesake(looker, kind)
    before = looker.dump()
    result = restore(looker, kind, row, elsewhere(looker))
    assert result.operation in {Operation.CONFLICT, Operation.FAILED}
    assert f"{kind} {item_id}" in f"{result.reason} {result.error and result.error.message}"
    assert looker.dump() == before


@pytest.mark.widens_access
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_overwritten_when_it_is_adopted_and_kept_beforehand(kind):
    looker = site()
    item_id, row = namesake(looker, kind)
    memory = elsewhere(looker, adopt=True)
    result = restore(looker, kind, row, memory)
    assert (result.operation, result.destination_id) == (Operation.UPDATED, item_id)
    assert [(one, i) for one, i, _ in memory.before] == [(kind, item_id)]
    assert restore(looker, kind, row, memory).operation is Operation.UNCHANGED


def test_a_slug_of_another_title_is_adopted_only_if_it_is_free():
    looker = site()
    live = looker.call("GET", f"/dashboards/{looker.dashboard}")
    row = row_of(looker, "dashboard", looker.dashboard, title="Renamed since", slug=live["slug"])
    memory = elsewhere(looker, adopt=True)
    memory.mappings["dashboard", "777"] = MappedId(looker.dashboard)
    assert "slug_taken" in dict(restore(looker, "dashboard", row, memory).warnings)
    memory = elsewhere(looker, adopt=True)
    assert restore(looker, "dashboard", row, memory).destination_id == looker.dashboard


@pytest.mark.parametrize("kind", ["dashboard", "look", "board"])
@pytest.mark.parametrize("known", [True, False], ids=["gone", "unknown"])
@pytest.mark.parametrize("policy", ["keep", "me", "EMAIL"])
def test_what_belongs_to_nobody_here_gets_the_owner_that_was_asked_for(kind, known, policy):
    looker = site()
    caller = looker.call("GET", "/user")["id"]
    heir = {"keep": None, "me": caller, "EMAIL": looker.owner}[policy]
    item_id, _ = namesake(looker, kind)
    row = row_of(looker, kind, item_id, title="Nobody's", slug=None, user_id="31337")
    memory = elsewhere(looker, heir=heir, caller=Caller(id=caller))
    if known:
        memory.mappings["user", "31337"] = MappedId("31337")
    made = restore(looker, kind, row, memory)
    assert made.operation is Operation.CREATED, made
    assert dict(made.warnings)["owner_missing"]
    live = looker.call("GET", f"/{kind}s/{made.destination_id}")
    assert live["user_id"] == (heir or caller)
    again = restore(looker, kind, row, memory)
    assert again.operation is Operation.UNCHANGED, again.changes


@pytest.mark.parametrize("kind", ["dashboard", "look", "board"])
@pytest.mark.parametrize("policy", ["keep", "me"])
def test_what_is_here_already_stays_with_its_owner_unless_another_is_asked_for(kind, policy):
    looker = site()
    caller = looker.call("GET", "/user")["id"]
    item_id, _ = namesake(looker, kind)
    looker.call("PATCH", f"/{kind}s/{item_id}", {"user_id": looker.owner})
    row = row_of(looker, kind, item_id, user_id="31337")
    memory = elsewhere(looker, heir=caller if policy == "me" else None, caller=Caller(id=caller))
    memory.mappings[kind, "900000"] = MappedId(item_id)
    result = restore(looker, kind, row, memory)
    live = looker.call("GET", f"/{kind}s/{item_id}")
    if policy == "keep":
        assert (result.operation, live["user_id"]) == (Operation.UNCHANGED, looker.owner)
    else:
        assert (result.operation, live["user_id"]) == (Operation.UPDATED, caller)
