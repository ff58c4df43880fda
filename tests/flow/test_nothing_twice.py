"""Nothing is made twice: neither two people of one name, nor what an attempt made that met an error of ours."""

import msgspec
import pytest
from factory import make_looker
from harness import Memory
from harness import restore as restore_any

from lvrestore.model import ContentType, Operation
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
