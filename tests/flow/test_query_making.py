"""Queries and merged results on another instance, in memory."""

import msgspec
import pytest
from factory import backup, make_dashboard, make_looker, new_query, requests
from harness import Memory, restore

from lvrestore.content.moved.queries import content_key, is_query, query_body
from lvrestore.model import Operation

QUERY = {"id": "7", "model": "thelook", "view": "orders", "fields": ["orders.a", "orders.b"]}


def with_merge(looker, **fields):
    """A dashboard with one tile of merged results; its id, and the definitions that the source has."""
    sources = [new_query(looker, f"orders.s{n}") for n in range(2)]
    merge_fields = [{"field_name": "orders.s0", "source_field_name": "orders.s1"}]
    joined = [
        {"name": "a", "query_id": sources[0], "merge_fields": []},
        {"name": "b", "query_id": sources[1], "merge_fields": merge_fields},
    ]
    merge = looker.call("POST", "/merge_queries", {"source_queries": joined, "total": True})
    dashboard_id = make_dashboard(looker, tiles=0, **fields)
    listens = [
        {
            "model": "thelook",
            "view": "orders",
            "name": name,
            "listen": [{"dashboard_filter_name": "Filter 0"}],
        }
        for name in "ab"
    ]
    tile = {
        "dashboard_id": dashboard_id,
        "type": "vis",
        "title": "Merged",
        "merge_result_id": merge["id"],
        "result_maker": {"filterables": listens},
    }
    looker.call("POST", "/dashboard_elements", tile)
    return dashboard_id, merge["id"], sources


def elsewhere(looker, dashboard_id, merge_id, sources, *, defined=True):
    """Another instance, its memory, and the backup's row."""
    other = make_looker()
    for n in range(20):  # so that the ids are not the same by chance
        new_query(other, f"orders.other{n}")
    memory = Memory(same_instance=False)
    memory.note_known("folder", looker.folder, other.folder)
    if defined:
        memory.merges[merge_id] = looker.call("GET", f"/merge_queries/{merge_id}")
        memory.queries |= {one: looker.call("GET", f"/queries/{one}") for one in sources}
    other.clear_log()
    return other, memory, [backup(looker, dashboard_id)]


@pytest.fixture
def moved():
    looker = make_looker()
    made = with_merge(looker, slug="sales")
    return looker, made, *elsewhere(looker, *made)


def tile_of(looker):
    (dashboard,) = looker.call("GET", "/dashboards/search", params={"slug": "sales"})
    (tile,) = looker.call("GET", f"/dashboards/{dashboard['id']}")["dashboard_elements"]
    return tile


def test_merged_results_are_made_after_the_queries_that_they_join(moved):
    source, (_, merge_id, _), other, memory, rows = moved
    (result,) = restore(other, rows, memory)
    assert result.operation is Operation.CREATED
    posts = [one for one in requests(other) if one.startswith("POST")]
    assert posts[:4] == ["POST /queries", "POST /queries", "POST /merge_queries", "POST /dashboards"]
    tile = tile_of(other)
    live = other.call("GET", f"/merge_queries/{tile['merge_result_id']}")
    told = source.call("GET", f"/merge_queries/{merge_id}")
    assert [one["name"] for one in live["source_queries"]] == ["a", "b"]
    assert live["source_queries"][1]["merge_fields"] == told["source_queries"][1]["merge_fields"]
    fields = [other.call("GET", f"/queries/{one['query_id']}")["fields"] for one in live["source_queries"]]
    assert fields == [["orders.s0"], ["orders.s1"]]
    assert [one["name"] for one in tile["result_maker"]["filterables"]] == ["a", "b"]


def test_merged_results_that_are_there_are_recognised_without_a_write(moved):
    _, _, other, memory, rows = moved
    restore(other, rows, memory)
    requests(other)
    forgetful = Memory(same_instance=False)
    forgetful.merges, forgetful.queries = memory.merges, memory.queries
    forgetful.mappings = {key: to for key, to in memory.mappings.items() if key[0] == "folder"}
    (again,) = restore(other, rows, forgetful)
    assert again.operation is Operation.UNCHANGED
    assert [one for one in requests(other) if not one.startswith("GET")] == []


def test_without_a_definition_the_rest_is_restored_and_the_letter_tells_of_the_source(moved):
    source, made, *_ = moved
    other, memory, rows = elsewhere(source, *made, defined=False)
    (result,) = restore(other, rows, memory)
    assert (result.operation, result.done) == (Operation.PARTIAL, Operation.CREATED)
    assert result.error.blockers == (f"merge_query {made[1]}",)
    assert "--source NAME" in result.error.message
    assert len(other.call("GET", "/dashboards/search", params={"slug": "sales"})) == 1


def test_what_the_source_does_not_give_is_said_with_its_words(moved):
    source, made, *_ = moved
    other, memory, rows = elsewhere(source, *made, defined=False)
    memory.withheld_definitions["merge_query", made[1]] = "403 not for you"
    (result,) = restore(other, rows, memory)
    assert f"the source does not give merge_query {made[1]}: 403 not for you" in result.error.message
    assert "--source NAME" not in result.error.message


@pytest.mark.parametrize("kind", ["query", "merge_query"])
def test_what_was_refused_in_this_run_is_not_sent_again(moved, kind):
    source, (_, merge_id, _), other, memory, rows = moved
    if kind == "query":
        rows = [backup(source, make_dashboard(source, "Other", tiles=1))]
        (tile,) = msgspec.msgpack.decode(rows[0][1])["dashboard_elements"]
        refused = (kind, tile["query_id"])
    else:
        refused = (kind, merge_id)
    memory.refusals[refused] = "422 it is too odd"
    (result,) = restore(other, rows, memory)
    assert (result.operation, result.error.kind) == (Operation.PARTIAL, "dependency")
    assert f"({kind} {refused[1]}: 422 it is too odd)" in result.error.message
    assert [one for one in requests(other) if one in {"POST /queries", "POST /merge_queries"}] == []


def test_a_rehearsal_sends_no_query(moved):
    _, _, other, memory, rows = moved
    (result,) = restore(other, rows, memory, dry_run=True)
    assert result.operation is Operation.CREATED
    assert [one for one in requests(other) if not one.startswith("GET")] == []


@pytest.mark.parametrize(
    "same",
    [
        {**QUERY, "id": "9", "slug": "x", "client_id": "y", "share_url": "z"},
        {**QUERY, "filters": None, "pivots": [], "filter_expression": "", "vis_config": {}},
        dict(reversed(QUERY.items())),
    ],
)
def test_queries_of_one_content_are_the_same(same):
    assert is_query("7", QUERY, same)


@pytest.mark.parametrize(
    "other",
    [
        {**QUERY, "fields": ["orders.b", "orders.a"]},
        {**QUERY, "sorts": ["orders.a desc"]},
        {**QUERY, "total": False},
        {**QUERY, "view": "users"},
        None,
    ],
)
def test_queries_of_another_content_or_order_are_not(other):
    assert not is_query("7", QUERY, other)


def test_what_names_a_query_alone_is_not_sent():
    body = query_body("7", {**QUERY, "slug": "x", "client_id": "y", "share_url": "z"})
    assert body == {name: QUERY[name] for name in ("model", "view", "fields")}
    assert content_key(body) == content_key({**body, "limit": None})
