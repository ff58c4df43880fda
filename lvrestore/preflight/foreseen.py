"""Where objects of another instance's backup are on this one, as far as that is known before a run."""

from __future__ import annotations

from collections.abc import Callable

from lvrestore.catalog.client import IndexedClient
from lvrestore.content.calls import Get, Mapped, Steps
from lvrestore.content.counterparts import counterpart
from lvrestore.looker.classify import Refused
from lvrestore.looker.client import GaveUp
from lvrestore.looker.protocol import Request
from lvrestore.model import Json, MappedId
from lvrestore.play.answers import StateReferences
from lvrestore.preflight.problems import UNTOLD
from lvrestore.settings import Policy
from lvrestore.state.reader import StateReader
from lvrestore.state.sessions import Scope
from lvrestore.vault import Lookups


class _OnlyServerKnows(Exception):  # noqa: N818 - a signal from a read to the question
    """No list has shown what a read asks for."""


class Foreseen:
    """Answers with mappings, and with what the items of the run will find: only what was listed is looked through."""

    def __init__(
        self,
        reader: StateReader,
        scope: Scope,
        lookups: Lookups,
        client: IndexedClient,
        folders: Callable[[], list[Json]],
        policy: Policy,
    ) -> None:
        """`folders` lists all of the destination, with the flags of roots."""
        self._client, self._folders = client, folders
        self._found: dict[tuple[str, str], MappedId] = {}
        self._refs = StateReferences(
            reader, scope, lookups, self._found, {}, same_instance=False, policy=policy
        )

    def __call__(self, kind: str, source_id: str) -> str | None:
        """The id on the destination; None when there is none, `UNTOLD` when only the run itself finds out."""
        try:
            return self._play(counterpart(kind, source_id, self._refs))
        except (_OnlyServerKnows, Refused, GaveUp):
            return UNTOLD

    def _play(self, steps: Steps[str | None]) -> str | None:
        reply: Json = None
        while True:
            try:
                step = steps.send(reply)
            except StopIteration as stop:
                here: str | None = stop.value
                return here
            reply = None
            if isinstance(step, Get):
                reply = self._folders() if step.path == "/folders" else self._read(step)
            elif isinstance(step, Mapped):
                self._found[step.kind, step.source_id] = MappedId(step.destination_id, rule=step.rule)

    def _read(self, get: Get) -> Json:
        """What a list has shown; the rest would be a call for each object, and the run itself asks for it."""
        request = Request("GET", get.path, get.params, fresh=get.fresh, key=get.key)
        if not self._client.knows(request):
            raise _OnlyServerKnows
        return self._client.call(request).json
