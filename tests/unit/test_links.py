"""Links inside texts: what is one, what only looks like one, and that nothing else changes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvrestore.content.moved.links import (
    each_text,
    linked_in,
    rewrite_beside,
    rewrite_in,
    rewrite_links,
    without_ids,
)

NEW = {("dashboard", "42"): "97", ("look", "7"): "70", ("folder", "3"): "30", ("board", "5"): "50"}
HOSTS = {"old.looker.com": "new.looker.com"}


def resolve(kind, source_id):
    return NEW.get((kind, source_id))


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("/dashboards/42", "/dashboards/97"),
        ("/dashboards/42/edit", "/dashboards/97/edit"),
        ("/dashboards/42?Date=7+days#tab", "/dashboards/97?Date=7+days#tab"),
        ("/dashboards-next/42", "/dashboards-next/97"),
        ("/dashboards-legacy/42", "/dashboards-legacy/97"),
        ("/embed/dashboards/42", "/embed/dashboards/97"),
        ("/embed/looks/7", "/embed/looks/70"),
        ("/looks/7.png", "/looks/70.png"),
        ("/folders/3", "/folders/30"),
        ("/spaces/3", "/spaces/30"),
        ("/boards/5", "/boards/50"),
        ("See /dashboards/42.", "See /dashboards/97."),
        ("(/dashboards/42)", "(/dashboards/97)"),
        ("[Sales](/dashboards/42), [x](/looks/7)", "[Sales](/dashboards/97), [x](/looks/70)"),
        ("[1]: /dashboards/42\n[2]: /looks/7", "[1]: /dashboards/97\n[2]: /looks/70"),
        ("<a href='/dashboards/42'>", "<a href='/dashboards/97'>"),
        ("<a href=/dashboards/42>/looks/7</a>", "<a href=/dashboards/97>/looks/70</a>"),
        ('{"url":"/dashboards/42","n":42}', '{"url":"/dashboards/97","n":42}'),
        (r"{\"url\":\"\/dashboards\/42\"}", r"{\"url\":\"\/dashboards\/97\"}"),
        (r"{\"text\":\"see\n/dashboards/42\"}", r"{\"text\":\"see\n/dashboards/97\"}"),
        ("/login?next=/dashboards/42", "/login?next=/dashboards/97"),
    ],
)
def test_a_relative_link_gets_the_new_id_and_keeps_the_rest(text, rewritten):
    assert rewrite_links(text, resolve) == rewritten


@pytest.mark.parametrize(
    "text",
    [
        "/dashboards/042",
        "/dashboards/4",
        "/dashboards/421",
        "/dashboards/42abc",
        "/dashboards/42-sales",
        "/dashboards/42_b",
        "/dashboards/42%20",
        "/dashboards/aBc42",
        "/dashboards/thelook::42",
        "/dashboards/42::sales",
        "/dashboards/42{{ _filters['x'] }}",
        "/dashboards/42${x}",
        "/dashboards/{{ 42 }}",
        "/dashboards",
        "/dashboards/",
        "/Dashboards/42",
        "dashboards/42",
        "shared/dashboards/42",
        "{{ host }}/dashboards/42",
        "~/dashboards/42",
        "/api/4.0/dashboards/42",
        "/api/4.0/folders/3/dashboards",
        "/api/internal/looks/7",
        "/my/looks/7",
        "//dashboards/42",
        "http:///dashboards/42",
        "/queries/42",
        "/users/42",
    ],
)
def test_what_only_looks_like_a_link_stays(text):
    assert rewrite_links(text, resolve, HOSTS) == text
    assert linked_in(text, HOSTS) & NEW.keys() == set()


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("https://old.looker.com/dashboards/42?a=b", "https://new.looker.com/dashboards/97?a=b"),
        ("https://OLD.looker.com:9999/looks/7", "https://new.looker.com/looks/70"),
        ("//old.looker.com/embed/dashboards/42", "//new.looker.com/embed/dashboards/97"),
        (r"https:\/\/old.looker.com\/dashboards\/42", r"https:\/\/new.looker.com\/dashboards\/97"),
        ("[a](https://old.looker.com/dashboards/42)", "[a](https://new.looker.com/dashboards/97)"),
    ],
)
def test_an_absolute_link_to_the_source_gets_the_new_id_and_host(text, rewritten):
    assert rewrite_links(text, resolve, HOSTS) == rewritten
    assert rewrite_links(text, resolve) == text


def test_on_the_same_host_only_the_id_changes():
    hosts = {"old.looker.com": "old.looker.com"}
    text = "https://Old.looker.com:9999/dashboards/42/edit"
    assert rewrite_links(text, resolve, hosts) == "https://Old.looker.com:9999/dashboards/97/edit"


@pytest.mark.parametrize(
    "text",
    [
        "https://other.example.com/dashboards/42",
        "https://other.example.com/?u=/dashboards/42",
        "https://other.example.com/?u=https://old.looker.com/dashboards/42",
        "https://old.looker.com.evil.com/dashboards/42",
        "https://old.looker.com@evil.com/dashboards/42",
        "https://evil.com\\@old.looker.com/dashboards/42",
        "https://old.looker.com/api/4.0/dashboards/42",
        "https://old.looker.com/x/dashboards/42",
        "https://old.looker.com/dashboards/43",
        "https://old.looker.com",
    ],
)
def test_another_absolute_link_stays(text):
    assert rewrite_links(text, resolve, HOSTS) == text


def test_a_foreign_link_does_not_hide_the_next_one():
    text = '[a](https://other.com/x),[b](/dashboards/42) "https://other.com","/looks/7"'
    assert linked_in(text) == {("dashboard", "42"), ("look", "7")}
    assert "(/dashboards/97)" in rewrite_links(text, resolve)


def test_linked_names_kinds_and_ids():
    text = "/dashboards/42 /dashboards-next/42 /looks/7 /folders/3 /boards/5 https://old.looker.com/looks/8"
    assert linked_in(text) == NEW.keys()
    assert linked_in(text, HOSTS) == {*NEW, ("look", "8")}


def test_every_string_inside_a_value_is_rewritten_and_nothing_else():
    value = {"/dashboards/42": ["/dashboards/42", 42, None, {"link": "/looks/7", "on": True}]}
    assert rewrite_in(value, resolve) == {
        "/dashboards/42": ["/dashboards/97", 42, None, {"link": "/looks/70", "on": True}]
    }
    assert linked_in(value) == {("dashboard", "42"), ("look", "7")}
    assert value["/dashboards/42"][0] == "/dashboards/42"


def test_a_json_string_stays_json():
    inner = json.dumps([{"type": "a", "url": "/dashboards/42", "text": 'see\n/looks/7 "x"'}])
    (said,) = json.loads(rewrite_links(inner, resolve))
    assert said == {"type": "a", "url": "/dashboards/97", "text": 'see\n/looks/70 "x"'}


def test_texts_that_differ_only_in_where_they_link_to_are_alike():
    one = "a /dashboards/42 https://old.looker.com/looks/7?x"
    other = "a /dashboards/97 https://new.looker.com/looks/70?x"
    assert without_ids(one) == without_ids(other)
    assert without_ids(one) != without_ids(one.replace("looks", "folders"))
    assert without_ids(one) != without_ids(one.replace("?x", "?y"))


@pytest.mark.parametrize("unit", ["x", "/", "//", r"\/", "/dashboards/", "a:", "/embed/dashboards/1"])
def test_a_large_text_comes_to_an_end(unit):
    # With a pattern whose time grows with the square of the text, the suite's time limit would end this.
    assert linked_in(unit * (1_000_000 // len(unit))) & NEW.keys() == set()


# --- any text

WORDS = ["/dashboards/", "/looks/", "/folders/", "/embed/dashboards/", "https://old.looker.com/dashboards/"]
LINKS = st.builds(lambda word, number: f"{word}{number}", st.sampled_from(WORDS), st.integers(0, 12))
# Text that neither begins nor ends within a link, and holds none.
PLAIN = st.text(alphabet="ab 12.,:;()\n\"'é#?&=%", max_size=12).map(lambda text: f" {text} ")
PIECES = st.lists(st.tuples(PLAIN, LINKS))
BITS = st.sampled_from([*WORDS, "1", "2", " ", "/", "\\/", ":"])
NOISE = st.text(alphabet="/\\:dashbor-lk.1 2\"'n()[]<>@?=") | st.lists(BITS).map("".join)


@given(st.text() | NOISE)
def test_identity_changes_nothing(text):
    assert (
        rewrite_links(text, lambda _kind, source_id: source_id, {"old.looker.com": "old.looker.com"}) == text
    )
    assert rewrite_links(text, lambda _kind, _source_id: None, HOSTS) == text


@given(NOISE, st.permutations([str(n) for n in range(13)]))
def test_swapped_ids_are_swapped_back(text, order):
    there = dict(zip(map(str, range(13)), order, strict=True))
    back = {new: old for old, new in there.items()}
    swapped = rewrite_links(text, lambda _kind, source_id: there.get(source_id))
    assert rewrite_links(swapped, lambda _kind, source_id: back.get(source_id)) == text
    assert linked_in(swapped) == {(kind, there.get(one, one)) for kind, one in linked_in(text)}


@given(PIECES, st.permutations([str(n) for n in range(13)]))
def test_text_outside_links_never_changes(pieces, order):
    text = "".join(plain + link for plain, link in pieces)
    expected = []
    for plain, link in pieces:
        word, _, number = link.rpartition("/")
        expected.append(f"{plain}{word}/{order[int(number)]}")
    hosts = {"old.looker.com": "old.looker.com"}
    assert rewrite_links(text, lambda _kind, number: order[int(number)], hosts) == "".join(expected)


@given(
    st.recursive(
        st.none() | st.integers() | NOISE, lambda inner: st.lists(inner) | st.dictionaries(NOISE, inner)
    )
)
def test_rewriting_inside_a_value_is_rewriting_each_string(value):
    def new(_kind, source_id):
        return source_id + "0"

    assert rewrite_in(value, new) == each_text(value, lambda text: rewrite_links(text, new))
    assert rewrite_in(value, lambda _kind, source_id: source_id) == value


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("https://old.looker.com/dashboards/42", "http://new:8123/dashboards/97"),
        ("HTTP://OLD.looker.com:9999/dashboards/42?a=b", "http://new:8123/dashboards/97?a=b"),
        ("//old.looker.com/dashboards/42", "//new:8123/dashboards/97"),
        (r"https:\/\/old.looker.com\/dashboards\/42", r"http:\/\/new:8123\/dashboards\/97"),
        ("https://other.looker.com/dashboards/42", "https://other.looker.com/dashboards/42"),
    ],
)
def test_an_origin_takes_the_place_of_scheme_host_and_port(text, rewritten):
    hosts = {"old.looker.com": "http://new:8123"}
    assert rewrite_links(text, lambda _kind, _source_id: "97", hosts) == rewritten
    assert without_ids(text) == without_ids(rewritten)


@pytest.mark.parametrize(
    ("text", "live", "beside"),
    [
        ("/dashboards/1 /dashboards/42", "/dashboards/900 /dashboards/5", "/dashboards/900 /dashboards/97"),
        ("/dashboards/1 and more", "/dashboards/900 and less", "/dashboards/1 and more"),
        ("/dashboards/1", "/looks/900", "/dashboards/1"),
        ("https://old.looker.com/looks/1", "https://new.looker.com/looks/9", "https://new.looker.com/looks/9"),
        ("https://old.looker.com/looks/1", "https://old.looker.com/looks/9", "https://old.looker.com/looks/1"),
        ("https://x.example/looks/1", "https://x.example/looks/9", "https://x.example/looks/1"),
        ("https://old.looker.com/looks/1", "https://x.example/looks/9", "https://old.looker.com/looks/1"),
        ("//x.example/a /looks/1", "//x.example/a /looks/9", "//x.example/a /looks/9"),
    ],
)  # fmt: skip
def test_beside_a_live_text_only_links_to_what_is_unknown_are_as_they_are_there(text, live, beside):
    assert rewrite_beside(text, live, resolve, HOSTS) == beside
