"""Dashboards that link to each other get new ids: their links follow, and a second run finds nothing to do."""

import json

import msgspec
import pytest
from factory import backup, decoded, destroy, make_dashboard, make_looker
from harness import Memory, restore

from lvrestore.model import ContentType, MappedId, Operation

HOST = "https://sandbox.looker.com"


def text_tile(looker, dashboard_id, body_text, **fields):
    tile = {"dashboard_id": dashboard_id, "type": "text", "body_text": body_text, **fields}
    return looker.call("POST", "/dashboard_elements", tile)["id"]


def two_linked(looker):
    """Two dashboards that link to each other, and their rows."""
    ids = [make_dashboard(looker, title, tiles=1) for title in ("East", "West")]
    for here, there in zip(ids, reversed(ids), strict=True):
        text_tile(
            looker, here, f'<a href="/dashboards/{there}?Date=7+days">x</a> {HOST}/dashboards/{there}/edit'
        )
        url = {"url": f"/dashboards/{there}"}
        text_tile(looker, here, "", title_text=f"/dashboards/{there}", rich_content_json=json.dumps([url]))
        (tile,) = (t for t in decoded(looker, here)["dashboard_elements"] if t["query_id"])
        config = {"type": "x", "links": [{"url": f"/dashboards/{there}"}]}
        maker = {"vis_config": config, "filterables": tile["result_maker"]["filterables"]}
        body = {"result_maker": maker, "note_text": f"/dashboards/{there}"}
        looker.call("PATCH", f"/dashboard_elements/{tile['id']}", body)
    return [backup(looker, one) for one in ids]


def memory_of(rows, **policy):
    memory = Memory(**{"link_hosts": {"sandbox.looker.com": "sandbox.looker.com"}, **policy})
    memory.contents = {("dashboard", one): msgspec.msgpack.decode(blob) for one, blob in rows}
    return memory


def restore_all(looker, rows, memory, **given):
    """A run: every item once, then those that wait a second time. Return the last result of each."""
    memory.again = False
    results = {r.source_id: r for r in restore(looker, rows, memory, **given)}
    memory.again = True
    waiting = [row for row in rows if results[row[0]].waits]
    results |= {r.source_id: r for r in restore(looker, waiting, memory, **given)}
    memory.again = False
    return results


def texts(looker, dashboard_id):
    """Everything in a dashboard that holds links, as one text."""
    tiles = decoded(looker, dashboard_id)["dashboard_elements"]
    names = ("body_text", "title_text", "rich_content_json", "note_text")
    said = [tile[name] for tile in tiles for name in names if tile[name]]
    said += [
        tile["result_maker"]["vis_config"] for tile in tiles if (tile["result_maker"] or {}).get("vis_config")
    ]
    return json.dumps(said)


def writes(looker):
    return [f"{r.method} {r.path}" for r in looker.requests if r.method != "GET"]


def assert_links_go_to(looker, live_ids):
    for here, there in zip(live_ids, reversed(live_ids), strict=True):
        said = texts(looker, here)
        assert said.count(f"/dashboards/{there}") == 6
        assert said.count("/dashboards/") == 6


def test_links_follow_dashboards_to_their_new_ids_and_a_third_pass_finds_nothing():
    looker = make_looker()
    rows = two_linked(looker)
    for source_id, _ in rows:
        destroy(looker, source_id)
    memory = memory_of(rows)
    first = restore(looker, rows, memory)
    live_ids = [r.destination_id for r in first]
    assert [r.waits for r in first] == [True, False]
    assert not set(live_ids) & {row[0] for row in rows}
    memory.again = True
    looker.clear_log()
    second = restore(looker, rows[:1], memory)
    assert [r.operation for r in second] == [Operation.UPDATED]
    # One PATCH for each tile with a link: nothing else differs.
    assert len(writes(looker)) == 3
    assert_links_go_to(looker, live_ids)
    memory.again = False
    looker.clear_log()
    third = restore(looker, rows, memory)
    assert [r.operation for r in third] == [Operation.UNCHANGED] * 2
    assert [r.waits for r in third] == [False] * 2
    assert len(looker.requests) == 2


def test_with_all_mappings_lost_nothing_is_written():
    looker = make_looker()
    rows = two_linked(looker)
    for source_id, _ in rows:
        destroy(looker, source_id)
    live_ids = [r.destination_id for r in restore_all(looker, rows, memory_of(rows)).values()]
    looker.clear_log()
    results = restore_all(looker, rows, memory_of(rows))
    assert writes(looker) == []
    assert [r.destination_id for r in results.values()] == live_ids
    assert {r.operation for r in results.values()} == {Operation.UNCHANGED}


def test_a_link_that_was_spoiled_is_repaired_at_once_when_its_target_is_there():
    looker = make_looker()
    rows = two_linked(looker)
    (tile,) = (t for t in decoded(looker, rows[0][0])["dashboard_elements"] if t["note_text"])
    looker.call("PATCH", f"/dashboard_elements/{tile['id']}", {"note_text": "/dashboards/999"})
    results = restore(looker, rows, memory_of(rows))
    assert [r.operation for r in results] == [Operation.UPDATED, Operation.UNCHANGED]
    assert [r.waits for r in results] == [False, False]
    assert_links_go_to(looker, [row[0] for row in rows])


def test_a_link_to_what_is_gone_and_not_restored_is_left_as_it_is():
    looker = make_looker()
    rows = two_linked(looker)
    (tile,) = (t for t in decoded(looker, rows[0][0])["dashboard_elements"] if t["note_text"])
    looker.call("PATCH", f"/dashboard_elements/{tile['id']}", {"note_text": "/dashboards/999"})
    destroy(looker, rows[1][0])
    looker.clear_log()
    (result,) = restore(looker, rows[:1], memory_of(rows))
    assert (result.operation, result.waits) == (Operation.UNCHANGED, True)
    assert writes(looker) == []


def test_links_are_left_alone_on_request():
    looker = make_looker()
    rows = two_linked(looker)
    for source_id, _ in rows:
        destroy(looker, source_id)
    results = restore_all(looker, rows, memory_of(rows, rewrite_links=False))
    for row, there in zip(rows, reversed(rows), strict=True):
        assert not results[row[0]].waits
        assert texts(looker, results[row[0]].destination_id).count(f"/dashboards/{there[0]}") == 6


def test_links_to_what_was_not_backed_up_need_no_second_look():
    looker = make_looker()
    rows = two_linked(looker)
    memory = memory_of(rows[:1])
    (result,) = restore(looker, rows[:1], memory)
    assert (result.operation, result.waits) == (Operation.UNCHANGED, False)


def test_links_to_looks_and_folders_follow_too():
    looker = make_looker()
    dashboard_id = make_dashboard(looker, tiles=0)
    text_tile(
        looker, dashboard_id, f"/looks/{looker.look} /folders/{looker.folder} /looks/{looker.look}/edit"
    )
    row = backup(looker, dashboard_id)
    look = looker.call("GET", f"/looks/{looker.look}")
    look_row = (look["id"], msgspec.msgpack.encode(look))
    looker.call("DELETE", f"/looks/{looker.look}")
    memory = memory_of([row])
    (made,) = restore(looker, [look_row], memory, content_type=ContentType.LOOK)
    (result,) = restore(looker, [row], memory)
    assert bool(result.waits) is False
    (tile,) = decoded(looker, dashboard_id)["dashboard_elements"]
    new = made.destination_id
    assert new != looker.look
    assert tile["body_text"] == f"/looks/{new} /folders/{looker.folder} /looks/{new}/edit"


@pytest.mark.parametrize(
    ("here", "url"),
    [
        ("new.looker.com", "https://new.looker.com"),
        ("http://127.0.0.1:8123", "http://127.0.0.1:8123"),
        ("https://new.looker.com", "https://new.looker.com"),
    ],
)
def test_elsewhere_absolute_links_get_the_new_host(here, url):
    source = make_looker()
    rows = two_linked(source)
    looker = make_looker()
    make_dashboard(looker, "In the way")
    memory = memory_of(rows, same_instance=False, link_hosts={"sandbox.looker.com": here})
    same = [("folder", source.folder), ("user", source.owner), ("look", source.look)]
    queries = [
        ("query", t["query_id"]) for _, row in rows for t in msgspec.msgpack.decode(row)["dashboard_elements"]
    ]
    for kind, one in same + [query for query in queries if query[1]]:
        memory.mappings[kind, one] = MappedId(one)
    results = restore_all(looker, rows, memory)
    live_ids = [r.destination_id for r in results.values()]
    assert_links_go_to(looker, live_ids)
    assert f"{url}/dashboards/{live_ids[1]}/edit" in texts(looker, live_ids[0])


def test_elsewhere_links_that_nothing_is_known_of_are_named():
    source = make_looker()
    lost = make_dashboard(source, "Lost")
    dashboard_id = make_dashboard(source, tiles=0)
    text_tile(source, dashboard_id, f"/dashboards/{lost} /folders/{source.folder} /looks/77 {HOST}/looks/78")
    rows = [backup(source, dashboard_id), backup(source, lost)]
    memory = memory_of(rows, same_instance=False)
    for kind, one in (("folder", source.folder), ("user", source.owner)):
        memory.mappings[kind, one] = MappedId(one)
    looker = make_looker()
    (first,) = restore(looker, rows[:1], memory)
    assert (first.waits, [kind for kind, _ in first.warnings]) == (True, [])
    memory.again = True
    (last,) = restore(looker, rows[:1], memory)
    (said,) = [message for kind, message in last.warnings if kind == "link_not_followed"]
    assert f"links to dashboard {lost}, look 77, look 78 cannot be followed" in said


def test_an_accepted_difference_does_not_hide_a_new_link():
    looker = make_looker()
    rows = two_linked(looker)
    for source_id, _ in rows:
        looker.call("PATCH", f"/dashboards/{source_id}", {"title_color": "#ABCDEF"})
    rows = [backup(looker, one) for one, _ in rows]
    for source_id, _ in rows:
        destroy(looker, source_id)
    looker.switches["normalises"] = "text_and_colours"
    memory = memory_of(rows)
    first = restore(looker, rows, memory)
    memory.again = True
    (again,) = restore(looker, rows[:1], memory)
    assert {kind for r in first for kind, _ in r.warnings} >= {"not_kept"}
    assert again.operation is Operation.UPDATED
    assert_links_go_to(looker, [r.destination_id for r in first])


def test_a_dry_run_plays_the_second_look_at_what_it_would_make():
    looker = make_looker()
    rows = two_linked(looker)
    for source_id, _ in rows:
        destroy(looker, source_id)
    looker.clear_log()
    planned = restore_all(looker, rows, rehearsal := memory_of(rows), dry_run=True)
    assert {r.method for r in looker.requests} == {"GET"}
    assert [r.error for r in planned.values()] == [None, None]
    again = {r.source_id: r for r in restore(looker, rows, rehearsal, dry_run=True)}
    assert [r.operation for r in again.values()] == [Operation.UNCHANGED, Operation.UNCHANGED]
    done = restore_all(looker, rows, memory_of(rows))
    for source_id, result in done.items():
        assert planned[source_id].operation is result.operation
        assert_no_more_calls(result, planned[source_id])


def assert_no_more_calls(done, planned):
    """Where new tiles come up is the server's decision, and whether a title is taken a dry run must ask."""
    done, planned = done.calls.by_method, planned.calls.by_method
    assert [planned.get(m, 0) for m in ("POST", "DELETE")] == [done.get(m, 0) for m in ("POST", "DELETE")]
    assert [planned.get(m, 0) >= done.get(m, 0) for m in ("GET", "PATCH")] == [True, True]


def test_a_dry_run_plays_the_second_look_at_what_it_would_change():
    looker = make_looker()
    rows = two_linked(looker)
    destroy(looker, rows[1][0])
    looker.call("PATCH", f"/dashboards/{rows[0][0]}", {"description": "Spoiled"})
    tile = decoded(looker, rows[0][0])["dashboard_elements"][0]
    looker.call("PATCH", f"/dashboard_elements/{tile['id']}", {"title": "Spoiled"})
    looker.call("DELETE", f"/dashboard_filters/{decoded(looker, rows[0][0])['dashboard_filters'][0]['id']}")
    text_tile(looker, rows[0][0], "too much")
    before = looker.dump()
    planned = restore_all(looker, rows, memory_of(rows), dry_run=True)
    assert looker.dump() == before
    done = restore_all(looker, rows, memory_of(rows))
    for source_id, result in done.items():
        assert (planned[source_id].operation, planned[source_id].error) == (result.operation, None)
        assert_no_more_calls(result, planned[source_id])


def brought(looker, rows, source, **policy):
    """A memory of another instance that has the folder, owner, look and queries of the backup, and no more."""
    memory = memory_of(rows, same_instance=False, **policy)
    for kind, one in (("folder", source.folder), ("user", source.owner), ("look", source.look)):
        memory.note_known(kind, one)
    for _, row in rows:
        for tile in msgspec.msgpack.decode(row)["dashboard_elements"]:
            if tile["query_id"]:
                memory.note_known("query", tile["query_id"])
    return memory


def moved_two():
    """Two dashboards that link to each other, restored on an instance where they have other numbers."""
    source = make_looker()
    rows = two_linked(source)
    looker = make_looker()
    make_dashboard(looker, "In the way", slug="in-the-way")
    live_ids = [r.destination_id for r in restore_all(looker, rows, brought(looker, rows, source)).values()]
    assert_links_go_to(looker, live_ids)
    looker.clear_log()
    return source, rows, looker, live_ids


def searches(looker):
    return [r for r in looker.requests if r.path == "/dashboards/search"]


def test_elsewhere_a_lost_mapping_of_what_a_link_leads_to_is_found_by_its_slug():
    source, rows, looker, live_ids = moved_two()
    looker.call("PATCH", f"/dashboards/{live_ids[0]}", {"description": "Spoiled"})
    looker.clear_log()
    results = restore_all(looker, rows[:1], memory := brought(looker, rows, source))
    assert writes(looker) == [f"PATCH /dashboards/{live_ids[0]}"]
    assert results[rows[0][0]].warnings == ()
    assert memory.mappings["dashboard", rows[1][0]].destination_id == live_ids[1]
    assert_links_go_to(looker, live_ids)


def test_elsewhere_a_new_dashboard_links_to_what_an_earlier_run_brought_and_forgot():
    source, rows, looker, live_ids = moved_two()
    destroy(looker, live_ids[0])
    new_id = restore_all(looker, rows[:1], brought(looker, rows, source))[rows[0][0]].destination_id
    assert new_id not in live_ids
    assert texts(looker, new_id).count(f"/dashboards/{live_ids[1]}") == 6


def test_elsewhere_links_keep_their_numbers_where_nothing_tells_what_they_lead_to():
    source, rows, looker, live_ids = moved_two()
    looker.call("PATCH", f"/dashboards/{live_ids[1]}", {"title": "Called otherwise by now"})
    looker.clear_log()
    results = restore_all(looker, rows[:1], memory := brought(looker, rows, source))
    assert writes(looker) == []
    assert_links_go_to(looker, live_ids)
    ((kind, said),) = results[rows[0][0]].warnings
    assert kind == "link_not_followed"
    assert f"dashboard {rows[1][0]} cannot be followed" in said
    # What is not found is looked for once, however many link to it.
    sought = len(searches(looker))
    restore_all(looker, rows[:1], memory)
    assert len(searches(looker)) == sought


def test_elsewhere_nothing_is_searched_for_links_to_what_is_mapped():
    source, rows, looker, live_ids = moved_two()
    memory = brought(looker, rows, source)
    for (source_id, _), live_id in zip(rows, live_ids, strict=True):
        memory.note_known("dashboard", source_id, live_id)
    restore_all(looker, rows, memory)
    assert searches(looker) == []
    assert writes(looker) == []


def test_elsewhere_what_the_run_could_not_bring_is_not_replaced_by_its_namesake_in_links():
    source, rows, looker, live_ids = moved_two()
    memory = brought(looker, rows, source)
    memory.ended_items["dashboard", rows[1][0]] = True
    results = restore_all(looker, rows[:1], memory)
    assert [kind for kind, _ in results[rows[0][0]].warnings] == ["link_not_followed"]
    assert_links_go_to(looker, live_ids)


def test_elsewhere_a_search_for_what_a_link_leads_to_may_be_refused():
    source, rows, looker, live_ids = moved_two()
    memory = brought(looker, rows, source)
    memory.note_known("dashboard", rows[0][0], live_ids[0])
    looker.on("GET", "/dashboards/search").answer(403, {"message": "No"})
    result = restore_all(looker, rows[:1], memory)[rows[0][0]]
    assert len(searches(looker)) == 1
    assert (result.operation, result.error) == (Operation.UNCHANGED, None)
    assert [kind for kind, _ in result.warnings] == ["link_not_followed"]
    assert_links_go_to(looker, live_ids)
