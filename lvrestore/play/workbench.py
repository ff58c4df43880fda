"""What one process needs to restore items: connections, state reader, references; a driver for each thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import msgspec

from lvrestore.catalog.alert_search import AlertSearch
from lvrestore.catalog.client import IndexedClient
from lvrestore.catalog.index import Index
from lvrestore.content.calls import Restored, Steps, Tried
from lvrestore.content.case import Case
from lvrestore.content.counterparts import find_counterparts
from lvrestore.content.kinds import KINDS
from lvrestore.content.knowledge import References
from lvrestore.content.moved.renaming import remapped
from lvrestore.looker.client import LookerClient, Sender
from lvrestore.looker.health import Health
from lvrestore.looker.limiter import Limiter, wait_until
from lvrestore.looker.protocol import Request
from lvrestore.looker.retry import RetryPolicy
from lvrestore.looker.tokens import TokenSource
from lvrestore.looker.transport import Endpoint, HttpTransport
from lvrestore.model import (
    ContentType,
    History,
    MappedId,
    QueryResult,
    QueryTask,
    RestorationResult,
    RestorationTask,
    VaultRow,
    Waits,
)
from lvrestore.plan.dependencies import DependencyGraph
from lvrestore.play.answers import StateReferences
from lvrestore.play.driver import Driver
from lvrestore.play.known import KnownIds
from lvrestore.play.listener import IndexListener
from lvrestore.play.needs import Facts, Patience, Recorder
from lvrestore.rehearsal.client import RehearsalClient, Rehearsed, knows_nothing
from lvrestore.settings import DEFAULT_CHECKPOINT_INTERVAL, DEFAULT_STALENESS_S, Policy, Remap
from lvrestore.state.reader import StateReader
from lvrestore.state.sessions import Scope
from lvrestore.vault import ContentDeserializer, Lookups, decode_blob
from lvrestore.vault.foreign_keys import references_of


class RunConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a run that all its processes share. Holds no secret.

    `scratch` is a folder for files of this run alone; with `indexed` there is an index of the destination in it.
    """

    endpoint: Endpoint
    scope: Scope
    state_path: Path
    vault_path: Path
    same_instance: bool
    procs: int
    inflight: int
    retries: RetryPolicy
    known: dict[str, frozenset[str]]
    scratch: Path
    policy: Policy
    indexed: bool = False
    max_staleness_s: float = DEFAULT_STALENESS_S
    checkpoint_interval: int = DEFAULT_CHECKPOINT_INTERVAL
    dry_run: bool = False


def decode(task: RestorationTask, refs: References, history: History) -> Steps[Restored]:
    """Decode the blob and start the generator of its type."""
    kind = KINDS[task.content_type]
    row = VaultRow(content_type=task.content_type, source_id=task.source_id, name=task.name, blob=task.blob)
    steps = kind.restore(Case(shaped(row, kind.shape, refs.policy.remap), refs, history))
    return steps if refs.same_instance else _after(find_counterparts(_earlier(task), refs), steps)


def _after(first: Steps[None], then: Steps[Restored]) -> Steps[Restored]:
    yield from first
    return (yield from then)


def _earlier(task: RestorationTask) -> Iterator[tuple[str, str]]:
    """What an item refers to that comes before it in a run; what comes after it is mapped by then."""
    before = {task.content_type, *DependencyGraph().get_dependencies(task.content_type)}
    for one in references_of(task.content_type, decode_blob(task.blob)):
        if one.content_type in before:
            yield one.content_type.label, one.source_id


def shaped(row: VaultRow, shape: type[msgspec.Struct], remap: Remap) -> msgspec.Struct:
    """The row's content in its shape, with the names that things have on the destination.

    The row says which item it is; a blob may have lost its id, or carry it in another form.
    """
    deserializer = ContentDeserializer()
    if not remap:
        return msgspec.structs.replace(deserializer.deserialize(row, shape), id=row.source_id)
    content = {**deserializer.deserialize(row, dict), "id": row.source_id}
    return deserializer.validate_schema(row, remapped(row.content_type, content, remap), shape)


class Workbench:
    """Shared by the threads of one process."""

    def __init__(
        self,
        config: RunConfig,
        tokens: TokenSource,
        limiter: Limiter,
        health: Health,
        stop: Callable[[], bool],
        threads: int,
        leaving: Callable[[], bool],
        planned: Mapping[tuple[str, str], MappedId] = {},
        rehearsed: Mapping[tuple[str, str], bool] = {},
        tried: Callable[[Tried], None] = lambda _note: None,
    ) -> None:
        """`stop` ends waiting, `leaving` is the wish to finish what is in hand.

        `planned`, `rehearsed` and `tried` are for dry runs.
        """
        self.config, self._tokens, self._stop = config, tokens, stop
        self._limiter, self._health = limiter, health
        self._transport = HttpTransport(config.endpoint, inflight=threads)
        self._reader = StateReader(config.state_path)
        self._index = Index(config.scratch, config.max_staleness_s) if config.indexed else None
        self._listener = IndexListener(self._index, tried)
        self._rehearsed: dict[tuple[ContentType, str], Rehearsed] = {}
        self._models: set[str] = set()
        self._lookups = Lookups(config.vault_path, config.scratch)
        refs = StateReferences(
            self._reader,
            config.scope,
            self._lookups,
            planned,
            rehearsed,
            same_instance=config.same_instance,
            policy=config.policy,
        )
        self._facts = Facts(refs, KnownIds(config.known), self._history, AlertSearch(config.scratch))
        self._patience = Patience(
            grace_s=config.endpoint.grace_s,
            max_repeats=config.retries.max_retries,
            wait=partial(self._wait, stop),
            wait_idly=partial(self._wait, leaving),
        )

    def close(self) -> None:
        """Close what only some items needed."""
        self._lookups.close()
        if self._index is not None:
            self._index.close()

    def driver(
        self, recorder: Recorder
    ) -> Callable[[RestorationTask | QueryTask], RestorationResult | QueryResult]:
        """A function that carries out one task, for one thread."""
        client = LookerClient(
            self._transport,
            tokens=self._tokens,
            limiter=self._limiter,
            health=self._health,
            policy=self.config.retries,
            stop=self._stop,
        )
        indexed = (
            IndexedClient(client, self._index, same_instance=self.config.same_instance)
            if self._index
            else None
        )
        if self.config.dry_run:
            return partial(
                self._rehearse, indexed or client, indexed.knows if indexed else knows_nothing, recorder
            )
        return self._driver(indexed or client, recorder).carry_out

    def _rehearse(
        self,
        client: Sender,
        knows: Callable[[Request], bool],
        recorder: Recorder,
        task: RestorationTask | QueryTask,
    ) -> RestorationResult | QueryResult:
        """Rehearse one task; an item that waits for others goes on with its own copy when it is looked at again."""
        if isinstance(task, QueryTask):
            return self._driver(RehearsalClient(client, Rehearsed(), self._models, knows), recorder).bring(
                task
            )
        item = (task.content_type, task.source_id)
        rehearsed = self._rehearsed.pop(item, None) or Rehearsed()
        rehearsal = RehearsalClient(client, rehearsed, self._models, knows)
        result = self._driver(rehearsal, recorder).restore(task)
        if result.waits:
            self._rehearsed[item] = rehearsed
        return result

    def _driver(self, client: Sender, recorder: Recorder) -> Driver:
        return Driver(
            client,
            recorder,
            generators=decode,
            facts=self._facts,
            listener=self._listener,
            patience=self._patience,
        )

    def _wait(self, until: Callable[[], bool], seconds: float) -> None:
        wait_until(time.monotonic() + seconds, until, time.sleep, time.monotonic)

    def _history(self, task: RestorationTask) -> History:
        scope, item = self.config.scope, (task.content_type, task.source_id)
        # A run has claimed the item itself by now, and its tasks say which were begun before.
        begun = (
            self._reader.is_begun(scope.destination_instance, *item)
            if self.config.dry_run
            else task.uncertain
        )
        return msgspec.structs.replace(
            self._reader.history(scope, *item),
            retried=task.again is not Waits.NO,
            again=task.again is Waits.FOR_OTHERS,
            begun=begun,
        )
