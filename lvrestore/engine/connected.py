"""Log in, learn what the instance is called, find its state file and take its lock."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from lvrestore.catalog.index import Index
from lvrestore.content.calls import Tried
from lvrestore.errors import LimitReachedError
from lvrestore.looker.credentials import Destination
from lvrestore.looker.limiter import StoppedWaiting
from lvrestore.preflight.discovery import Discovery
from lvrestore.report.reporter import Reporter
from lvrestore.run.connection import Connection
from lvrestore.run.memory import keep_one_heap
from lvrestore.run.pipes import private_folder
from lvrestore.run.signals import StopFlag, stop_on_signals
from lvrestore.scratch import remove_folder, sweep
from lvrestore.settings import RestorationConfig, default_state_path
from lvrestore.state.lock import RunLock
from lvrestore.state.places import network_warning, state_file
from lvrestore.state.reader import StateReader
from lvrestore.tasks.budget import Budget


class RestoreRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for, of which instance, and who is told. `environ` may tell where the config file is.

    `tried` hears, in a rehearsal, how items are looked for.
    """

    config: RestorationConfig
    destination: Destination
    reporter: Reporter
    environ: Mapping[str, str]
    tried: Callable[[Tried], None] = lambda _note: None


class Connected(msgspec.Struct, frozen=True, kw_only=True):
    """What every stage may use once the run has logged in. `stack` closes what the stages open.

    `lock` is None in a rehearsal, which writes nothing. `started` is by the monotonic clock.
    """

    request: RestoreRequest
    stack: ExitStack
    scratch: Path
    stop: StopFlag
    connection: Connection
    budget: Budget
    discovery: Discovery
    instance: str
    state_path: Path
    lock: RunLock | None
    started: float

    @property
    def reporter(self) -> Reporter:
        """Who is told."""
        return self.request.reporter

    @property
    def base_url(self) -> str:
        """The address that was given."""
        return self.request.destination.endpoint.base_url

    def reader(self) -> StateReader:
        """The state file of the destination, as it is now."""
        return StateReader(self.state_path)

    def index(self) -> Index:
        """The file of what was read in bulk; the caller closes it."""
        return Index(self.scratch, self.request.config.max_staleness_s)


@contextmanager
def connected(request: RestoreRequest) -> Generator[Connected]:
    """Connect for the length of a run. A run that was stopped while it waited ends as a stop, not as a fault."""
    config = request.config
    for warning in request.destination.warnings:
        request.reporter.warn(warning)
    keep_one_heap()
    if config.state_path is not None:
        StateReader(config.state_path).session("")  # what is no state file is told before a call is spent
    with ExitStack() as stack:
        scratch = private_folder()
        stack.callback(remove_folder, scratch)
        sweep(scratch.parent)
        stop = stack.enter_context(stop_on_signals())
        connection, budget = _connection(request, stop)
        stack.callback(connection.close)
        try:
            yield _logged_in(request, stack, scratch, stop, connection, budget)
        except StoppedWaiting:  # of what is in hand it is heard by whoever began it
            if stop.signal is not None:
                raise SystemExit(128 + stop.signal) from None
            raise LimitReachedError(str(stop.reason or budget.spent())) from None


def _connection(request: RestoreRequest, stop: StopFlag) -> tuple[Connection, Budget]:
    """The way to the instance, and what is left of the limits that the run sets itself."""
    config = request.config
    connection = Connection(
        request.destination,
        config.ceilings,
        config.retries,
        stop,
        calls=config.own_limits.calls,
        shared=not config.dry_run and config.procs > 1,
    )
    budget = Budget(config.own_limits, connection.sent, stop.give_up)
    stop.overtime = budget.overtime
    return connection, budget


def _logged_in(
    request: RestoreRequest,
    stack: ExitStack,
    scratch: Path,
    stop: StopFlag,
    connection: Connection,
    budget: Budget,
) -> Connected:
    started = time.monotonic()
    connection.tokens.latest()  # a wrong address or key ends it here, with what to check
    discovery, base_url = Discovery(connection.client), request.destination.endpoint.base_url
    instance = discovery.instance_name(base_url)
    state_path = request.config.state_path or state_file(instance, base_url)
    return Connected(
        request=request,
        stack=stack,
        scratch=scratch,
        stop=stop,
        connection=connection,
        budget=budget,
        discovery=discovery,
        instance=instance,
        state_path=state_path,
        lock=None if request.config.dry_run else _locked(request, stack, state_path, instance),
        started=started,
    )


def _locked(request: RestoreRequest, stack: ExitStack, state_path: Path, instance: str) -> RunLock:
    if (warning := network_warning(state_path)) is not None:
        request.reporter.warn(warning)
    lock = RunLock.acquire(state_path, default_state_path(instance), request.config.lock_timeout_s)
    stack.callback(lock.release)
    return lock
