"""Nothing is made twice: neither two people of one name, nor what an attempt made that met an error of ours."""

import msgspec
import pytest
from factory import make_looker
from harness import Memory
from harness import restore as restore_any
from make_vault import write_vault
from whole_runs import looker_of

from lvrestore.model import ContentType, Operation
from lvrestore.sandbox.faults import Reply
from lvrestore.settings import Caller

NAME = {"first_name": "Sam", "last_name": "Same"}
IDS = ("901", "902")


def people(looker):
    return [one["id"] for one in looker.call("GET", "/users") if one["display_name"] == "Sam Same"]


def restore_both(looker, memory):
    """Restore both people of one name, each by itself; how they ended."""
    ends = []
    for one in IDS:
        content = msgspec.msgpack.encode(memory.contents["user", one])
        ends += restore_any(looker, [(one, content)], memory, content_type=ContentType.USER)
    return [one.operation for one in ends]


@pytest.mark.parametrize("same_instance", [True, False])
@pytest.mark.parametrize("fault", ["none", "drop_before", "drop_after"])
@pytest.mark.parametrize("addresses", [0, 1, 2])
@pytest.mark.parametrize("live", [0, 1, 2])
def test_two_people_of_one_name_make_no_third_account(live, addresses, fault, same_instance):
    """Whether some of both are there, answers get lost, or the state file is lost in between."""
    looker = make_looker()
    memory = Memory(same_instance=same_instance, caller=Caller(id=looker.call("GET", "/user")["id"]))
    for number, one in enumerate(IDS):
        memory.contents["user", one] = {"id": one, **NAME}
        if number < addresses:
            address = {"credentials_email": {"email": f"sam{one}@example.com"}}
            memory.contents["user", one] |= address
    for _ in range(live):
        looker.call("POST", "/users", NAME)
    if fault != "none":
        getattr(looker.on("POST", "/users"), fault)()
    first = restore_both(looker, memory)
    assert len(people(looker)) <= max(2, live + addresses)
    assert Operation.FAILED not in first
    for state_is_lost in (False, True):
        before = people(looker)
        if state_is_lost:
            memory.mappings.clear()
        looker.clear_log()
        again = restore_both(looker, memory)
        assert people(looker) == before
        assert Operation.CREATED not in again


class OddAnswers:
    """Carries the making of an object out, and answers with something that nobody expects."""

    def __init__(self, place, where):
        self.looker, self.where, self.struck = place.looker, where, 0
        self.serve, place.looker.serve = place.looker.serve, self

    def __call__(self, method, path, *given, **more):
        reply = self.serve(method, path, *given, **more)
        if (method, path) != ("POST", self.where) or self.struck:
            return reply
        self.struck += 1
        return Reply(reply.status, b'{"name": "odd"}', reply.headers)


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    path = tmp_path_factory.mktemp("vault") / "vault.db"
    sizes = {"dashboards": 6, "looks": 4, "folders": 4, "users": 4, "groups": 3, "roles": 3}
    others = {"permission_sets": 9, "model_sets": 4, "boards": 3, "plans": 3}
    write_vault(path, **sizes, **others, oddities=False, whole=True)
    return path


MADE = [
    "dashboard",
    "look",
    "folder",
    "board",
    "user",
    "group",
    "role",
    "permission_set",
    "model_set",
    "scheduled_plan",
]


@pytest.mark.widens_access  # an account whose making was answered oddly is not known to be new
@pytest.mark.parametrize("kind", MADE)
def test_what_met_an_error_of_ours_after_its_post_is_looked_for_before_it_is_made_again(
    kind, vault, tmp_path
):
    with looker_of(vault, tmp_path) as place:
        place.run("bulk", "--type", kind, vault=vault)
        one = [i for (_, i), how in place.ended().items() if how == "unchanged"][-1]
        objects = [live["id"] for live in place.looker.call("GET", f"/{kind}s")]
        place.looker.call("DELETE", f"/{kind}s/{one}")
        odd = OddAnswers(place, f"/{kind}s")
        place.run("bulk", "--type", kind, vault=vault)
        assert odd.struck == 1
        assert place.ended()[kind, one] == "failed"
        assert place.sent_creates() == {(kind, one)}
        place.run("bulk", "--type", kind, vault=vault)
        left = [live["id"] for live in place.looker.call("GET", f"/{kind}s")]
        assert len(left) == len(objects), (objects, left)
        assert place.ended()[kind, one] != "failed"
        assert place.sent_creates() == set()
