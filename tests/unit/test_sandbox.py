"""The sandbox's small parts, each alone."""

import importlib
import random
import statistics
import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from factory import make_looker
from hypothesis import given
from hypothesis import strategies as st

from lvrestore.errors import UsageError
from lvrestore.looker.protocol import Answered, Request, Transport
from lvrestore.sandbox.api import search
from lvrestore.sandbox.api.facts import FACTS, IDS, parse_body, writable
from lvrestore.sandbox.api.search import like, matches
from lvrestore.sandbox.api.views import parse_fields
from lvrestore.sandbox.faults import Faults, path_pattern
from lvrestore.sandbox.founding import ROOTS
from lvrestore.sandbox.instance import iso
from lvrestore.sandbox.latency import PROFILES, parse_latency
from lvrestore.sandbox.looker import ROUTES, CallRefusedError, Looker, find_route
from lvrestore.sandbox.refusals import Refusal
from lvrestore.sandbox.relations import Access, Relation, id_order
from lvrestore.sandbox.server import RateLimit
from lvrestore.sandbox.store import Shelf, Store, content_key, token
from lvrestore.sandbox.switches import SWITCHES, Switches, parse_switch

BODY_TYPES = sorted({e.body for methods in FACTS.paths.values() for e in methods.values() if e.body} - {IDS})


# Facts


def test_everything_in_the_facts_is_served_and_nothing_else():
    assert ROUTES.keys() == {
        f"{method} {path}" for path, methods in FACTS.paths.items() for method in methods
    }


def test_types_that_the_facts_refer_to_are_among_them():
    json_types = {"string", "integer", "boolean", "array", "object", "any"}
    for fields in FACTS.types.values():
        for field in fields.values():
            assert {field.type, field.items} <= json_types | FACTS.types.keys()


@pytest.mark.parametrize(
    ("type_name", "field", "is_writable"),
    [
        ("Dashboard", "title", True),
        ("Dashboard", "id", False),
        ("Dashboard", "model", False),  # a reference to a type that has nothing to write
        ("Dashboard", "appearance", True),
        ("Dashboard", "dashboard_elements", False),
        ("ResultMakerFilterables", "listen", True),
        ("DashboardFilter", "dashboard_id", False),
        ("CreateDashboardFilter", "dashboard_id", True),
        ("DashboardLayout", "deleted", False),
        ("DashboardLayoutComponent", "deleted", True),
    ],
)
def test_writable_fields(type_name, field, is_writable):
    assert (field in writable(type_name)) is is_writable


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


def bodies(type_name, depth=2):
    """Bodies near the truth: known names mostly, values of any kind, nested types at times."""
    fields = FACTS.types[type_name]
    nested = {n: f.type for n, f in fields.items() if f.type in FACTS.types and depth}
    lists = {n: f.items for n, f in fields.items() if f.items in FACTS.types and depth}
    return st.dictionaries(st.sampled_from([*fields, "nothing"]), values, max_size=3).flatmap(
        lambda body: st.fixed_dictionaries(
            {
                name: bodies(nested[name], depth - 1) | st.just(value)
                if name in nested
                else st.lists(bodies(lists[name], depth - 1), max_size=2) | st.just(value)
                if name in lists
                else st.just(value)
                for name, value in body.items()
            }
        )
    )


def judged(type_name, body, *, strict):
    try:
        return parse_body(type_name, msgspec.json.encode(body), strict=strict), ()
    except Refusal as refusal:
        return None, refusal.faults


@given(st.sampled_from(BODY_TYPES).flatmap(lambda name: st.tuples(st.just(name), bodies(name))))
def test_the_fast_judge_and_the_one_that_explains_agree(case):
    type_name, body = case
    accepted, faults = judged(type_name, body, strict=True)
    assert (accepted is None) == bool(faults)
    assert all(fault.field for fault in faults)
    assert accepted is None or accepted == msgspec.json.decode(msgspec.json.encode(body))


@given(st.sampled_from(BODY_TYPES).flatmap(lambda name: st.tuples(st.just(name), bodies(name))))
def test_unknown_fields_can_be_dropped_but_nothing_else_wrong_passes(case):
    type_name, body = case
    accepted, faults = judged(type_name, body, strict=False)
    assert not any("read-only" in f.message or "not a field" in f.message for f in faults)
    assert (accepted is None) == bool(faults)
    assert accepted is None or judged(type_name, accepted, strict=True) == (accepted, ())


@pytest.fixture(scope="module")
def extract():
    return importlib.import_module("extract_api_facts")


def test_reference_to_what_is_all_read_only_is_read_only(extract):
    types = {
        "Inner": {"a": {"type": "string", "read_only": True}},
        "Middle": {"inner": {"type": "Inner"}},
        "Outer": {"middle": {"type": "Middle"}, "b": {"type": "string"}},
    }
    extract.mark_read_only_references(types)
    assert types["Middle"]["inner"]["read_only"]
    assert types["Outer"]["middle"]["read_only"]
    assert "read_only" not in types["Outer"]["b"]


def test_facts_hold_no_prose(extract):
    schema = {"type": "string", "nullable": True, "description": "A long story.", "enum": ["a"]}
    assert extract.field_facts(schema) == {"type": "string", "nullable": True, "enum": ["a"]}
    operation = {"description": "Another.", "parameters": [], "responses": {}}
    assert extract.endpoint_facts(operation) == {}


# Switches


def test_switches_start_with_their_defaults_and_refuse_bad_values():
    switches = Switches({"get_trashed": "404"})
    assert switches["get_trashed"] == "404"
    assert {n: v for n, v in switches.items() if n != "get_trashed"} == {
        name: switch.default for name, switch in SWITCHES.items() if name != "get_trashed"
    }
    with pytest.raises(UsageError) as caught:
        switches["get_trashed"] = "maybe"
    assert caught.value.hint == "it can be: answers, 404"
    with pytest.raises(UsageError) as caught:
        Looker({"no_such": "yes"})
    assert all(name in caught.value.hint for name in SWITCHES)


@pytest.mark.parametrize("text", ["get_trashed", "", "=x", "get_trashed=", "none=1"])
def test_switch_on_the_command_line_refused(text):
    with pytest.raises(UsageError):
        parse_switch(text)


def test_every_switch_has_a_meaning_and_a_choice():
    for switch in SWITCHES.values():
        assert switch.meaning
        assert len(set(switch.allowed)) == len(switch.allowed) >= 2


# Search


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("dan%", "Danzig", True),
        ("dan%", "Sedan", False),
        ("D_m%", "dump", True),
        ("a.c", "abc", False),
        ("100%", "100 %\nof it", True),
        ("ß", "SS", True),
        ("_", "ab", False),
    ],
)
def test_like(pattern, text, fits):
    assert like(pattern)(text) is fits


@pytest.mark.parametrize(
    ("text", "value", "fits"),
    [
        ("is null", None, True),
        ("NOT NULL", "x", True),
        ("NOT NULL", None, False),
        ("a, b", "B", True),
        ("true", True, True),
        ("7", 7, True),
        ("x", ["y", "x"], True),
        ("x", None, False),
    ],
)
def test_matches(text, value, fits):
    assert matches(text, is_list=True)(value) is fits


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("id", {"id": {}}),
        ("id,folder(id,name),x", {"id": {}, "folder": {"id": {}, "name": {}}, "x": {}}),
        (" a ( b ( c ) , d ) ", {"a": {"b": {"c": {}}, "d": {}}}),
        ("", {}),
    ],
)
def test_fields_are_parsed(text, wanted):
    assert parse_fields(text) == wanted


def test_open_bracket_in_fields_refused():
    with pytest.raises(Refusal):
        parse_fields("id,folder(id")


# Store


def test_ids_sort_as_numbers_before_names():
    assert sorted(["10", "lookml", "9"], key=id_order) == ["9", "10", "lookml"]


def test_reserved_ids_are_not_given():
    store = Store()
    for taken in ("41", "7", "lookml", ""):
        store.reserve("look", taken)
    assert [store.new_id("look"), store.new_id("look"), store.new_id("tile")] == ["42", "43", "1"]


def test_shelf_forgets_what_is_taken():
    shelf = Shelf()
    shelf.put("1", "a", "10")
    shelf.put("1", "a", "9")
    assert (shelf.ids("1"), shelf.titled("1", "a"), shelf.count("1")) == (["9", "10"], ["10", "9"], 2)
    for taken in ("9", "10"):
        shelf.take("1", "a", taken)
    assert (shelf.ids("1"), shelf.titled("1", "a"), shelf.count("1")) == ([], [], 0)


def test_folders_in_a_circle_end():
    store = Store()
    for folder_id, parent_id in (("a", "b"), ("b", "a")):
        store.put_folder({"id": folder_id, "name": folder_id, "parent_id": parent_id})
    assert sorted(store.descendants("a")) == ["a", "b"]


def test_pairs_are_found_from_either_side_and_forgotten_on_both():
    pairs = Relation()
    pairs.set_rights("a", ["1", "2"])
    pairs.add("b", "2")
    pairs.add("b", "2")
    assert (pairs.rights("a"), pairs.lefts("2"), pairs.count("b")) == (["1", "2"], ["a", "b"], 1)
    pairs.set_lefts("1", ["b"])
    assert (pairs.rights("a"), pairs.rights("b")) == (["2"], ["2", "1"])
    pairs.forget_left("b")
    pairs.remove("a", "2")
    assert (pairs.lefts("1"), pairs.lefts("2"), pairs.has("a", "2")) == ([], [], False)


def test_roles_come_down_through_groups_even_in_circles():
    access = Access({"1": {}, "2": {}, "3": {}})
    access.everyone = "all"
    for outer, inner in (("a", "b"), ("b", "a")):
        access.nested.add(outer, inner)
    access.members.add("b", "1")
    access.group_roles.add("reader", "a")
    access.user_roles.add("writer", "2")
    assert access.roles_of("1", inherited=True) == ["reader"]
    assert access.roles_of("1", inherited=False) == []
    assert access.users_with("reader", inherited=True) == ["1"]
    assert access.members_of("all") == ["1", "2", "3"]
    access.group_roles.add("viewer", "all")
    assert access.users_with("viewer", inherited=True) == ["1", "2", "3"]
    assert access.groups_of("1") == ["all", "b"]
    access.forget_group("b")
    assert access.roles_of("1", inherited=True) == ["viewer"]
    access.forget_user("2")
    assert access.users_with("writer", inherited=False) == []


def test_content_key_ignores_nulls_and_order_of_names_only():
    assert content_key({"a": 1, "b": None}) == content_key({"a": 1})
    assert content_key({"a": 1, "b": {"x": 1, "y": 2}}) == content_key({"b": {"y": 2, "x": 1}, "a": 1})
    assert content_key({"fields": ["a", "b"]}) != content_key({"fields": ["b", "a"]})


def test_tokens_are_repeatable_words():
    assert token(22, "query", "7") == token(22, "query", "7") != token(22, "query", "8")
    assert len(token(22, "x")) == 22
    assert token(22, "x").isalnum()


def test_times_are_written_as_looker_does():
    assert iso(1714557600.25) == "2024-05-01T10:00:00.250+00:00"
    assert iso(None) is None


# Faults


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("/dashboards", "/dashboards", True),
        ("/dashboards", "/dashboards/1", False),
        ("/dashboards/*", "/dashboards/1", True),
        ("/dashboards/*", "/dashboards/1/dashboard_elements", False),
        ("/dashboards/**", "/dashboards/1/dashboard_elements", True),
        ("**", "/anything/at/all", True),
        ("/dashboard_*/1", "/dashboard_filters/1", True),
    ],
)
def test_path_patterns(pattern, path, fits):
    assert bool(path_pattern(pattern).fullmatch(path)) is fits


def test_rules_are_used_up_in_order():
    faults = Faults()
    faults.on("GET", "/x", 0).answer(500, times=2)
    faults.on("*", "**", 1).drop_before()
    taken = [faults.take(method, path, 0.0) for method, path in [("POST", "/y"), *[("GET", "/x")] * 4]]
    assert [rule and rule.label for rule in taken] == [None, "answer 500", "answer 500", "drop_before", None]
    assert faults.rules == []


# Latency and rate limit


def test_latency_has_its_median_and_its_tail():
    rng = random.Random(1)
    profile = parse_latency("p50=150ms,p99=1s")
    times = sorted(profile.sample("PATCH", rng) for _ in range(20_000))
    assert statistics.median(times) == pytest.approx(0.150, rel=0.05)
    assert times[int(len(times) * 0.99)] == pytest.approx(1.0, rel=0.1)


def test_profiles_are_slower_for_writes_and_in_their_order():
    for profile in PROFILES.values():
        assert profile.read_p50_s < profile.write_p50_s
    assert PROFILES["fast"].read_p50_s < PROFILES["typical"].read_p50_s < PROFILES["strained"].read_p50_s
    assert (PROFILES["typical"].read_p50_s, PROFILES["typical"].write_p50_s) == (0.150, 0.300)


@pytest.mark.parametrize(
    "text", ["slow", "", "p50=1s", "p50=1s,p99=10ms", "p50=0ms,p99=1s", "p50=1.2.3s,p99=9s"]
)
def test_latency_that_cannot_be_meant_refused(text):
    with pytest.raises(UsageError):
        parse_latency(text)


def test_rate_limit_counts_any_second():
    now = [0.0]
    limit = RateLimit(2, clock=lambda: now[0])
    assert [limit.exceeded() for _ in range(3)] == [False, False, True]
    now[0] = 0.99
    assert limit.exceeded()
    now[0] = 1.0
    assert [limit.exceeded() for _ in range(3)] == [False, False, True]


# The Looker as a whole


def test_looker_is_a_transport():
    transport: Transport = Looker()
    assert isinstance(transport.send(Request("GET", "/versions")), Answered)


@pytest.mark.parametrize(
    ("path", "template", "ids"),
    [
        ("/looks/search", "/looks/search", ()),
        ("/looks/7", "/looks/{look_id}", ("7",)),
        ("/queries/slug/abc", "/queries/slug/{slug}", ("abc",)),
        ("/folders/7/children/search", "/folders/{folder_id}/children/search", ("7",)),
        ("/lookml_models/a%20b", "/lookml_models/{lookml_model_name}", ("a b",)),
        ("/dashboards/a%3A%3Ab", "/dashboards/{dashboard_id}", ("a::b",)),
    ],
)
def test_routes(path, template, ids):
    route, found = find_route("GET", path)
    assert (route.template, found) == (template, ids)


@pytest.mark.parametrize("path", ["/", "", "/looks/7/8/9", "/nothing", "/dashboards/1/2/3/4/5/6"])
def test_unknown_paths_are_not_served(path):
    with pytest.raises(Refusal) as caught:
        find_route("GET", path)
    assert caught.value.status == 501


def test_call_that_must_succeed_raises_the_answer():
    with pytest.raises(CallRefusedError) as caught:
        Looker().call("GET", "/looks/7")
    assert (caught.value.status, caught.value.body["message"]) == (404, "Not found")


def test_titles_are_listed_in_order():
    looker = Looker()
    for title in ("b", "a"):
        looker.call("POST", "/dashboards", {"title": title, "folder_id": "1"})
    assert looker.titles() == ["b", "a"]
    assert looker.titles("folders") == [root["name"] for root in ROOTS]


def test_time_passes_when_told_to():
    looker = Looker(clock=lambda: 100.0)
    made = looker.call("POST", "/dashboards", {"title": "x", "folder_id": "1"})
    looker.advance(60)
    changed = looker.call("PATCH", f"/dashboards/{made['id']}", {"title": "y"})
    assert (changed["created_at"], changed["updated_at"]) == (iso(100.0), iso(160.0))


def test_many_threads_do_not_share_an_id():
    looker, start = Looker(), threading.Barrier(8)

    def create(worker):
        start.wait()
        bodies = ({"title": f"{worker}-{i}", "folder_id": "1"} for i in range(25))
        return [looker.call("POST", "/dashboards", body)["id"] for body in bodies]

    with ThreadPoolExecutor(8) as pool:
        ids = [made for batch in pool.map(create, range(8)) for made in batch]
    assert len(set(ids)) == 200


def test_pages_of_many_are_those_of_one_list_and_of_what_was_written_since(monkeypatch):
    monkeypatch.setattr(search, "MANY", 2)
    looker = make_looker()
    folder = looker.call("POST", "/folders", {"name": "Many", "parent_id": "1"})["id"]
    for title in "bca":
        looker.call("POST", "/looks", {"title": title, "folder_id": folder, "query_id": looker.query})

    def pages(**asked):
        asked = {"sorts": "title", "limit": "2", "fields": "title", "folder_id": folder, **asked}
        both = [looker.call("GET", "/looks/search", params={**asked, "offset": at}) for at in ("0", "2")]
        return [[one["title"] for one in page] for page in both]

    assert pages() == [["a", "b"], ["c"]]
    assert pages(sorts="title desc") == [["c", "b"], ["a"]]
    assert pages(title="b") == [["b"], []]
    gone = looker.call("GET", "/looks/search", params={"title": "a"})[0]["id"]
    looker.call("DELETE", f"/looks/{gone}")
    assert pages() == [["b", "c"], []]
