"""Everything that is found out before the question, and what the question shows of it."""

from __future__ import annotations

import msgspec

from lvrestore.engine.connected import Connected
from lvrestore.engine.fetched import Lacking
from lvrestore.engine.proved import Proved, mapped
from lvrestore.engine.selected import Selected
from lvrestore.engine.session import Session
from lvrestore.engine.subject import Subject
from lvrestore.engine.surveyed import Surveyed
from lvrestore.report.reporter import Intent


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """A run that only waits for a yes: the value of each stage before it."""

    here: Connected
    session: Session
    subject: Subject
    proved: Proved
    selected: Selected
    lacking: Lacking | None
    surveyed: Surveyed

    @property
    def dry_run(self) -> bool:
        """Whether nothing is to be written."""
        return self.here.request.config.dry_run


def intent_of(ready: Ready) -> Intent:
    """What is about to happen, to which instance, from which backup: for the eye only."""
    subject, proved, selected, lacking = ready.subject, ready.proved, ready.selected, ready.lacking
    is_retry = subject.retry is not None
    return Intent(
        counts=selected.counts,
        absent_types=tuple(one for one in selected.chosen.in_order if not subject.rows.has_type(one)),
        scanned=ready.surveyed.scanned,
        there=ready.surveyed.there,
        edited=ready.surveyed.edited,
        sending=ready.surveyed.sending,
        hidden=ready.surveyed.hidden,
        mapped=0 if proved.same else mapped(ready.here, proved.source),
        left_out_deleted=selected.left_out_deleted,
        vault_path=ready.here.state_path if is_retry else subject.rows.path,
        vault_newest=None if is_retry else subject.rows.newest,
        instance=ready.here.instance,
        source=proved.source,
        verdict=proved.verdict,
        session=ready.session.row,
        asks_identity=proved.asks and ready.session.row is None,
        to_fetch=0 if lacking is None else lacking.count,
        live_source=None if lacking is None else lacking.source.instance,
        retry=subject.retry,
        only=selected.only(),
    )
