"""Where objects of another instance are, as far as lists tell it before a run."""

from lvrestore.catalog.client import IndexedClient
from lvrestore.catalog.index import Index
from lvrestore.preflight.foreseen import Foreseen
from lvrestore.preflight.problems import UNTOLD
from lvrestore.settings import Policy
from lvrestore.state.reader import StateReader
from lvrestore.state.sessions import Scope


class Backup:
    """Two users, by their ids."""

    def content(self, content_type, source_id):
        return {"email": f"{source_id}@example.com"} if source_id in {"ann", "bob"} else None

    def marked_deleted(self, content_type, source_id):
        return False


class Silent:
    """A client that must not be asked."""

    def call(self, request, **_):
        raise AssertionError(request)


def foreseen(folder, *, listed):
    index = Index(folder, 600.0)
    index.put("user", [{"id": "7", "email": "ann@example.com"}])
    index.set_scanned("user", 0.0 if not listed else index._clock(), complete=listed, trash=True)
    client = IndexedClient(Silent(), index, same_instance=False)
    scope = Scope("", 0, "https://a.example.com", "https://b.example.com")
    return Foreseen(StateReader(folder / "state.db"), scope, Backup(), client, list, Policy())


def test_a_list_tells_who_is_there_and_who_is_not(tmp_path):
    where = foreseen(tmp_path, listed=True)
    assert [where("user", one) for one in ("ann", "bob", "nobody")] == ["7", None, None]


def test_without_the_whole_list_only_the_run_finds_out(tmp_path):
    where = foreseen(tmp_path, listed=False)
    assert [where("user", one) for one in ("ann", "bob")] == [UNTOLD, UNTOLD]
