"""What is known of queries during a run: what the source gave, what was refused, what a list shows."""

import pytest
from factory import make_looker

from lvrestore.catalog.index import Index
from lvrestore.catalog.listings import shows_queries
from lvrestore.looker.client import LookerClient
from lvrestore.looker.protocol import Request
from lvrestore.preflight.live_source import ReadOnlyClient
from lvrestore.vault import Definitions

QUERY = {"id": "7", "model": "thelook", "view": "orders"}


@pytest.fixture
def definitions(tmp_path):
    made = Definitions(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("tiles", "shown"),
    [
        ([{"query_id": "7", "query": QUERY}, {"query_id": None, "query": None}], True),
        ([{"query_id": "7", "query": QUERY}, {"query_id": "8", "query": None}], False),
        ([{"query_id": "7"}], False),
        ([{"query_id": "7", "query": {"model": "thelook"}}], False),
        ([], True),
        (None, False),
    ],
)
def test_a_list_shows_queries_if_it_does_for_every_tile(tiles, shown):
    assert shows_queries({"dashboard_elements": tiles}) is shown


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
def test_nothing_but_reads_reaches_the_source(method):
    looker = make_looker()
    looker.clear_log()
    client = ReadOnlyClient(LookerClient(looker))
    with pytest.raises(AssertionError, match="must not be sent to the source"):
        client.call(Request(method, "/queries", body=QUERY))
    assert looker.requests == []
    assert client.call(Request("GET", f"/queries/{looker.query}")).json["model"] == "thelook"


def test_other_processes_see_what_the_parent_learned(definitions, tmp_path):
    definitions.keep("query", "7", QUERY)
    definitions.refuse("query", ["7", "8"], "destination", "422 odd")
    other = Definitions.existing(tmp_path)
    assert other.fetched("query", "7") == QUERY
    assert other.fetched("query", "8") is None
    assert other.refusal("query", "8", "destination") == "422 odd"
    assert other.refusal("query", "8", "source") is None
    other.close()


def test_where_nothing_was_learned_there_is_no_file(tmp_path):
    assert Definitions.existing(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_contents_come_once_with_all_that_have_them(definitions):
    for number in range(450):
        definitions.describe("query", str(number), bytes([number % 3]), b"{}")
    assert [content for content, _ in definitions.contents("query")] == [b"\0", b"\1", b"\2"]
    assert len(definitions.of_content("query", b"\1")) == 150
    assert len(list(definitions.wanted("query"))) == 450


def test_the_index_tells_a_query_by_its_content(tmp_path):
    index = Index(tmp_path, 0.0)  # a query is for ever, however old the entry is
    index.note_queries([(b"a", "1"), (b"a", "2"), (b"b", "3")])
    assert (index.query(b"a"), index.query(b"b"), index.query(b"c")) == ("1", "3", None)
    index.close()
