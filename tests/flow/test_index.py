"""The file of what was read in bulk, shared by the processes of a run."""

import threading
from contextlib import closing

import apsw
from factory import make_looker

from lvrestore.looker.client import LookerClient
from lvrestore.looker.protocol import Request
from lvrestore.run.index import FILE, Index
from lvrestore.run.indexed import IndexedClient


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
