"""Whether something is there is asked in a way that a strict server answers."""

import pytest
from factory import make_looker

from lvrestore.looker.client import LookerClient
from lvrestore.play.known import COLLECTIONS, KnownIds


@pytest.mark.parametrize("kind", sorted(COLLECTIONS))
def test_what_is_nowhere_is_absent(kind):
    looker = make_looker(unknown_fields="refused")
    known = KnownIds({})
    assert known.absent(kind, ("987654",), LookerClient(looker)) == (("987654",), ())


def test_a_role_that_is_there_is_found():
    looker = make_looker(unknown_fields="refused")
    role = looker.call("GET", "/roles")[0]["id"]
    assert KnownIds({}).absent("role", (role,), LookerClient(looker)) == ((), ())
