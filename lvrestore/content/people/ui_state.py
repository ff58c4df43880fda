"""What Looker's interface remembers for a user (`ui_state`). An account that is made again gets it back.

On another instance the ids in it mean nothing, so that it is left out there. An account that was never gone keeps its
own.
"""

from __future__ import annotations

from collections.abc import Callable

from lvrestore.content.calls import Steps, Warn
from lvrestore.content.knowledge import References
from lvrestore.content.writing.bodies import Body
from lvrestore.content.writing.work import Work
from lvrestore.looker.classify import FailureKind, Refused
from lvrestore.model import Json

FIELD = "ui_state"
Write = Callable[[Body], Steps[Body]]


def with_ui_state(user_id: str, state: Json, refs: References, write: Write) -> Steps[Body]:
    """Write with the state beside everything else, and report what of it the account is without.

    The API description allows text only, real accounts hold numbers and flags as well: where these are refused, the
    texts are given.
    """
    if not state or not refs.same_instance:
        live = yield from write({})
        if state:
            yield _lost(user_id, "ids in it mean nothing on another instance")
        return live
    texts = {name: value for name, value in state.items() if isinstance(value, str)}
    try:
        live = yield from write({FIELD: state})
    except Refused as refused:
        if refused.kind is not FailureKind.VALIDATION or texts == state:
            raise
        live = yield from write({FIELD: texts} if texts else {})
    if live.get(FIELD) != state:
        yield _lost(user_id, "the server does not take all of it")
    return live


def give_ui_state(work: Work, user_id: str, state: Json, live: Body, refs: References) -> Steps[Body]:
    """Give the state to an account that an earlier attempt made and did not complete."""
    if live.get(FIELD) == state or not refs.same_instance:
        return live

    def write(body: Body) -> Steps[Body]:
        return (yield from work.update(work.path, "", body, live)) if body else live

    return (yield from with_ui_state(user_id, state, refs, write))


def _lost(user_id: str, why: str) -> Warn:
    return Warn(
        "ui_state_lost", f"user {user_id} is without what the interface remembered of its choices: {why}"
    )
