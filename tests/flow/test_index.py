"""The file of what was read in bulk, shared by the processes of a run."""

import threading
import time
from contextlib import closing

import apsw
from factory import make_looker

from lvrestore.catalog.client import IndexedClient
from lvrestore.catalog.index import FILE, Index
from lvrestore.looker.client import LookerClient
from lvrestore.looker.protocol import Request


def test_a_process_that_opens_it_waits_for_one_that_has_it_to_itself(tmp_path):
    Index(tmp_path, 600).close()
    holder = apsw.Connection(str(tmp_path / FILE))
    for pragma in ("locking_mode=EXCLUSIVE", "user_version=1"):
        holder.execute(f"PRAGMA {pragma}")
    soon = threading.Timer(0.3, holder.close)
    soon.start()
    with closing(Index(tmp_path, 600)) as index:
        assert index.get("folder", "1") is None
    soon.join()


def test_that_something_stands_is_known_however_it_has_changed(tmp_path):
    with closing(Index(tmp_path, 600)) as index:
        index.put("user", [{"id": "1", "email": "ann@example.com"}])
        index.note("folder", "7")
        index.doubt("user", "1")
        assert index.get("user", "1") is index.get("folder", "7") is None
        looker = make_looker()
        client = IndexedClient(LookerClient(looker), index, same_instance=True)
        looker.clear_log()
        for where, known in (("/users/1", True), ("/folders/7", True), ("/users/2", False)):
            assert client.knows(Request("GET", where, {"fields": "id"})) is known
        assert client.call(Request("GET", "/users/1", {"fields": "id"})).json == {"id": "1"}
        assert not client.knows(Request("GET", "/users/1"))
        assert looker.requests == []


def test_of_a_folder_is_kept_what_it_is_not_what_lies_in_it(tmp_path):
    looker = make_looker()
    with closing(Index(tmp_path, 600)) as index:
        client = IndexedClient(LookerClient(looker), index, same_instance=True)
        reply = client.call(Request("PATCH", f"/folders/{looker.folder}", body={"name": "Renamed"}))
        assert reply.json["looks"]
        kept = index.get("folder", looker.folder)
        assert kept.whole
        assert kept.body == {k: v for k, v in reply.json.items() if k not in {"looks", "dashboards"}}


def test_which_of_many_stand_is_asked_at_once(tmp_path):
    with closing(Index(tmp_path, 600)) as index:
        index.put("look", [{"id": "1"}, {"id": "2", "deleted": True}, {"id": "3"}])
        index.doubt("look", "3")
        assert index.standing("look", ["1", "2", "3", "4"]) == {"1", "3"}


def test_what_was_written_to_is_not_read_from_a_list_again(tmp_path):
    """A list that was read while a write was under way may show what was before."""
    now = [100.0]
    with closing(Index(tmp_path, 600, clock=lambda: now[0])) as index:
        old = [{"id": one, "title": "old", "folder_id": "7"} for one in ("1", "2")]
        index.put("look", old)
        index.doubt("look", "1")
        now[0] = 800.0
        assert index.get("look", "2") is None
        index.put("look", old)
        assert index.get("look", "1") is None
        assert index.get("look", "2").body == old[1]


def test_when_a_kind_was_listed_is_known_if_all_of_it_was(tmp_path):
    with closing(Index(tmp_path, 600)) as index:
        assert index.begun("look") is None
        index.set_scanned("look", 5.0, complete=True, trash=True)
        index.set_scanned("user", 6.0, complete=False, trash=True)
        assert (index.begun("look"), index.begun("user")) == (5.0, None)


def test_an_id_says_that_an_object_is_there_and_nothing_of_what_it_is(tmp_path):
    looker = make_looker()
    with closing(Index(tmp_path, 600)) as index:
        index.put_ids(
            "look",
            [{"id": looker.look, "title": "Somebody's", "folder_id": "9"}, {"id": "8", "deleted": True}],
        )
        index.note("look", "7")
        index.set_scanned("look", time.monotonic(), complete=True, trash=True)
        client = IndexedClient(LookerClient(looker), index, same_instance=True)
        looker.clear_log()
        assert index.ids("look") == index.standing("look", [looker.look, "7", "8"]) == {looker.look, "7"}
        alive = client.call(Request("GET", f"/looks/{looker.look}", {"fields": "id,deleted"})).json
        assert alive == {"id": looker.look, "deleted": False}
        assert looker.requests == []
        for one in (looker.look, "7", "8"):
            assert not index.lacks("look", one)
            assert index.get("look", one) is index.in_trash("look", one) is None
            for fields in ({}, {"fields": "id,title"}, {"fields": "title"}):
                assert not client.knows(Request("GET", f"/looks/{one}", fields))
        assert not client.knows(Request("GET", "/looks/8", {"fields": "id"}))
        assert index.having("look", "folder_id", "9") == frozenset()
        index.put("look", [{"id": looker.look, "title": "Look"}])
        assert index.get("look", looker.look).body["title"] == "Look"


def test_what_many_living_objects_have_is_asked_at_once(tmp_path):
    with closing(Index(tmp_path, 600)) as index:
        at = "2026-11-01T04:00:00.000+00:00"
        one, trashed, other = ({"id": i, "updated_at": at, "folder_id": "5"} for i in "123")
        index.put("look", [one, {**trashed, "deleted": True}, other])
        index.put("dashboard", [{"id": "1", "updated_at": "2020-01-01T00:00:00Z"}])
        assert index.values("look", "updated_at", ["1", "2", "4"]) == {"1": at}
