"""What the driver knows of the one item or query task that it carries out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from lvrestore.errors import DependencyError
from lvrestore.looker.client import Sender
from lvrestore.model import Calls, Operation, QueryTask, RestorationTask
from lvrestore.play.touched import Touched


class Attempt:
    """Made anew for each task, so that nothing of an earlier task is left in it.

    `only_server_knows`: what was read before does not count. `is_uncertain`: an earlier attempt was begun, and its end
    is unknown. `begun`: the same, from the history of the item. `repeats`: POSTs that were sent again.
    """

    def __init__(self, task: RestorationTask | QueryTask, client: Sender, clock: Callable[[], float]) -> None:
        """`client` is the one that the task is carried out with."""
        self.client, self._task, self._clock = client, task, clock
        self._before, self._started = client.counts, clock()
        self._lands_until = 0.0
        self.touched = Touched()
        self.is_uncertain = self.only_server_knows = self.begun = False
        self.repeats = 0
        self.warnings: list[tuple[str, str]] = []
        self.checked: list[str] = []
        if isinstance(task, RestorationTask):
            self._lands_until = self._on_our_clock(task.lands_until)
            self.touched = Touched((task.content_type.label, task.source_id))
            self.is_uncertain = task.uncertain
            self.only_server_knows = task.uncertain or _may_have_changed(task)

    def start_over(self) -> None:
        """The item is played from its first step; what it warned of and checked is said again."""
        self.warnings, self.checked = [], []

    @property
    def item(self) -> RestorationTask:
        """The item. A query is no item: nothing claims one, and none is in a trash."""
        if isinstance(self._task, QueryTask):
            raise TypeError(self._task)
        return self._task

    @property
    def landing_s(self) -> float:
        """How long a request of an earlier attempt may still be carried out; not above 0 if it cannot any more."""
        return self._lands_until - self._clock()

    @property
    def duration_ms(self) -> int:
        """The time since the attempt began."""
        return round((self._clock() - self._started) * 1000)

    @property
    def calls(self) -> Calls:
        """What was sent since the attempt began."""
        before, now = self._before, self.client.counts
        sent = {method: n - before.by_method.get(method, 0) for method, n in now.by_method.items()}
        return Calls(
            by_method={method: n for method, n in sent.items() if n},
            retries=now.retries - before.retries + self.repeats,
            rate_limited=now.rate_limited - before.rate_limited,
        )

    def _on_our_clock(self, at: datetime | None) -> float:
        return self._clock() + (at - datetime.now(UTC)).total_seconds() if at else 0.0


def _may_have_changed(task: RestorationTask) -> bool:
    """Whether somebody has written to the item in this run, or may have: what was read before does not count then.

    What lacks something else is either not written at all or, like any write, known to the index.
    """
    left_alone = task.earlier in {None, Operation.UNCHANGED} or task.earlier_error == DependencyError.kind
    return not left_alone
