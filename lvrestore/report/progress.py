"""How far a run has come: a bar for each content type on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from lvrestore.model import ContentType, Operation, RestorationResult
from lvrestore.report.tally import Tally
from lvrestore.report.wording import named

HEARTBEAT_S = 30.0
# What matters most comes first: a narrow terminal cuts the line at its end.
BAR = "{desc} {bar:12} {percentage:3.0f}% {n:,}/{total:,}  {counts}  {speed}  ETA {remaining}"
SHOWN = (
    Operation.CREATED,
    Operation.UPDATED,
    Operation.UNDELETED,
    Operation.UNCHANGED,
    Operation.PARTIAL,
    Operation.SKIPPED,
    Operation.CONFLICT,
)


class Bar(tqdm):  # type: ignore[type-arg]  # the class is generic in its stubs only
    """A progress bar that also shows counts by operation."""

    counts = speed = ""

    @property
    def format_dict(self) -> MutableMapping[str, Any]:
        """What `bar_format` may name."""
        return {**super().format_dict, "counts": self.counts, "speed": self.speed}


class Progress:
    """Types come one after the other, in the order of `totals`, which holds the items of each."""

    def __init__(
        self, totals: Mapping[ContentType, int], absent: tuple[ContentType, ...], say: Callable[[str], None]
    ) -> None:
        self._totals, self._absent, self._say = totals, absent, say
        self._left = list(totals)
        self._on_terminal = sys.stderr.isatty()
        self._width = max((len(_plural(t)) for t in totals), default=0)
        self._type: ContentType | None = None
        self._told: dict[ContentType, str] = {}
        self._bar: Bar | None = None
        self._beat = self._started = time.monotonic()

    def result(self, result: RestorationResult, tally: Tally) -> None:
        """One item has ended; it may be the first of its type."""
        if result.earlier is not None:
            return  # it was counted when it was looked at first
        if result.content_type is not self._type:
            self._go_on_to(result.content_type, tally)
        if self._bar is not None:
            self._bar.counts, self._bar.speed = self._counts(tally), self._speed(tally)
            self._bar.update(1)

    def tick(self, tally: Tally) -> None:
        """Say that the run is alive where no bar does."""
        if self._on_terminal or time.monotonic() - self._beat < HEARTBEAT_S:
            return
        self._beat = time.monotonic()
        where = f"{self._heading(self._type)}  " if self._type else ""
        total = sum(self._totals.values())
        self._say(f"{where}{tally.total:,}/{total:,}  {self._counts(tally)}  {self._speed(tally)}")

    def write(self, line: str) -> None:
        """Print a line without disturbing the bar."""
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            self._say(line)

    @contextmanager
    def aside(self) -> Generator[None]:
        """Let something be printed on stdout: no bar stands in the same line of the terminal."""
        with tqdm.external_write_mode(file=sys.stdout):
            yield

    def close(self, tally: Tally, *, completed: bool) -> None:
        """Nothing more comes; of a run that was cut off, types that it did not come to are not spoken of.

        A second look at items may have changed the counts of a type since its line: that line is given again.
        """
        self._finish_type(tally)
        for content_type, told in self._told.items():
            if (now := self._ended(content_type, tally)) != told:
                self._say(f"{now}  (after a second look)")
        while self._left and completed:
            self._pass_over(self._left.pop(0))

    def _go_on_to(self, content_type: ContentType, tally: Tally) -> None:
        self._finish_type(tally)
        while self._left and (passed := self._left.pop(0)) is not content_type:
            self._pass_over(passed)
        self._type, self._started = content_type, time.monotonic()
        if self._on_terminal:
            total = self._totals.get(content_type, 0)
            self._bar = Bar(total=total, desc=self._heading(content_type), bar_format=BAR, file=sys.stderr)

    def _finish_type(self, tally: Tally) -> None:
        if self._type is not None:
            self._told[self._type] = self._ended(self._type, tally)
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        elif self._type is not None and len(self._totals) > 1:
            self._say(self._told[self._type])
        self._type = None

    def _ended(self, content_type: ContentType, tally: Tally) -> str:
        """The line of a type whose items have all ended."""
        done, total = sum(tally.by_type[content_type].values()), self._totals.get(content_type, 0)
        return f"{self._heading(content_type)}  {done:,}/{total:,}  {_counts(tally.by_type[content_type])}"

    def _pass_over(self, content_type: ContentType) -> None:
        if not self._totals[content_type]:
            why = "none in this backup" if content_type in self._absent else "none selected"
            self._say(f"{self._heading(content_type)}  {why}")

    def _heading(self, content_type: ContentType | None) -> str:
        if content_type is None:
            return ""
        number, last = list(self._totals).index(content_type) + 1, len(self._totals)
        width = self._width + len(str(last)) - len(str(number))
        return f"[{number}/{last}] {_plural(content_type):{width}}"

    def _counts(self, tally: Tally) -> str:
        return _counts(tally.by_type[self._type] if self._type else {op: tally.count(op) for op in Operation})

    def _speed(self, tally: Tally) -> str:
        seconds = max(time.monotonic() - self._started, 0.001)
        items = tally.total if self._type is None else sum(tally.by_type[self._type].values())
        return f"{items / seconds:,.0f} items/s  {tally.calls.total:,} calls"


def _counts(counts: Mapping[Operation, int]) -> str:
    shown = [f"{op} {n:,}" for op in SHOWN if (n := counts.get(op, 0))]
    return "  ".join([*shown, f"failed {counts.get(Operation.FAILED, 0):,}"])


def _plural(content_type: ContentType) -> str:
    name = named(content_type)
    return f"{name[0].upper()}{name[1:]}s"
