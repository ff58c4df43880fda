"""Queries of the source: by number where that is answered, else inside what shows them, with few calls."""

import pytest

from lvrestore.model import ContentType
from lvrestore.preflight.source_ways import QueryWays, by_slug, shown_by

LOOK = {"id": "7", "query_id": "1", "query": {"id": "1", "model": "m"}}


class Source:
    """Answers for some paths; everything else is a 404."""

    def __init__(self, answers):
        self.answers, self.asked = answers, []

    def get_all(self, paths):
        self.asked += paths
        return [self.answers.get(one, "404 Not found") for one in paths]

    def find(self, ids, ways=None):
        return QueryWays(self.get_all, lambda one: (ways or {}).get(one, ())).find(ids)


def test_a_number_that_is_answered_needs_no_other_way():
    source = Source({"/queries/1": {"id": "1"}})
    assert source.find(["1"], {"1": ["/looks/7"]}) == {"1": {"id": "1"}}
    assert source.asked == ["/queries/1"]


@pytest.mark.parametrize(
    ("way", "answer"),
    [
        ("/looks/7", LOOK),
        ("/queries/slug/abc", {"id": "1", "model": "m"}),
        ("/dashboards/4", {"id": "4", "dashboard_elements": [{"id": "2"}, {"query": LOOK["query"]}]}),
        ("/dashboards/4", {"id": "4", "dashboard_elements": [{"look": LOOK, "query": None}]}),
    ],
)
def test_what_shows_a_query_gives_it(way, answer):
    assert Source({way: answer}).find(["1"], {"1": [way]}) == {"1": {"id": "1", "model": "m"}}


def test_a_look_that_has_another_query_by_now_does_not_give_it():
    source = Source({"/looks/7": {"id": "7", "query": {"id": "99"}}})
    assert source.find(["1"], {"1": ["/looks/7"]}) == {"1": "404 Not found"}


def test_the_next_way_is_asked_where_the_first_does_not_give_it():
    source = Source(
        {"/dashboards/4": {"dashboard_elements": [{"query": {"id": "1"}}, {"query": {"id": "2"}}]}}
    )
    ways = {"1": ["/looks/7", "/dashboards/4"], "2": ["/dashboards/4"]}
    assert source.find(["1", "2"], ways) == {"1": {"id": "1"}, "2": {"id": "2"}}
    assert source.asked == ["/queries/1", "/queries/2", "/looks/7", "/dashboards/4"]


def test_numbers_that_are_never_answered_are_not_tried_for_each():
    ids = [str(one) for one in range(50)]
    looks = {f"/looks/{one}": {"query": {"id": one}} for one in ids}
    source = Source(looks)
    ways = QueryWays(source.get_all, lambda one: [f"/looks/{one}"])
    assert ways.find(ids) == {one: {"id": one} for one in ids}
    assert ways.find(["60"]) == {"60": "404 Not found"}  # no way shows it, so the number has the last word
    assert [one for one in source.asked if one.startswith("/queries/")] == [
        *(f"/queries/{one}" for one in ids[:4]),
        "/queries/60",
    ]


def test_numbers_of_which_some_are_answered_are_tried_for_each():
    ids = [str(one) for one in range(20)]
    source = Source({"/queries/3": {"id": "3"}, "/queries/19": {"id": "19"}})
    found = source.find(ids)
    assert [one for one in ids if isinstance(found[one], dict)] == ["3", "19"]
    assert len(source.asked) == len(ids)


def test_what_shows_queries_has_a_path_and_a_slug_comes_before_it():
    ways = [by_slug("a/b"), shown_by(ContentType.LOOK, "7"), shown_by(ContentType.DASHBOARD, "4")]
    assert ways == [("/queries/slug/a%2Fb", 0), ("/looks/7", 1), ("/dashboards/4", 2)]
    assert shown_by(ContentType.SCHEDULED_PLAN, "3") is None
