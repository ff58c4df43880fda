"""Explain how one item of a backup is found on the destination: a rehearsal of it that tells what it tries."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lvrestore.content.calls import Tried
from lvrestore.engine.selected import require_selected
from lvrestore.engine.session import new_or_named
from lvrestore.engine.story import request_of, run
from lvrestore.engine.subject import OfBackup
from lvrestore.model import Json
from lvrestore.report.explanation import Explanation
from lvrestore.report.reporter import Reporter
from lvrestore.settings import RestorationConfig
from lvrestore.state.mappings import Group, IDMapping
from lvrestore.state.reader import StateReader
from lvrestore.vault import Vault


def explain(
    config: RestorationConfig, vault: Vault, reporter: Reporter, environ: Mapping[str, str]
) -> Explanation | None:
    """Rehearse one item: ask what a run asks, and write nothing. None if the run was stopped before.

    `config` is that of a dry run which selects the item.
    """
    require_selected(vault, config)
    # An item that waits for others is looked for twice, in the same way.
    notes: dict[Tried, None] = {}
    request = msgspec.structs.replace(request_of(config, reporter, environ), tried=notes.setdefault)
    ending = run(request, OfBackup(vault), new_or_named)
    if ending.fatal is not None:
        raise ending.fatal
    if not ending.results or ending.proved is None or ending.state_path is None:
        return None
    result, proved = ending.results[0], ending.proved
    group = Group(proved.source, proved.destination, result.content_type.label)
    return Explanation(
        result=result,
        source_instance=proved.source,
        destination_instance=proved.destination,
        verdict=proved.verdict,
        identity=ending.summary["identity"],
        mapping=StateReader(ending.state_path).mappings.get(group, result.source_id),
        tried=tuple(notes),
    )


def explanation_object(one: Explanation) -> dict[str, Json]:
    """The JSON line of an explanation."""
    result = one.result
    return {
        "type": "explanation",
        "content_type": result.content_type.label,
        "content_id": result.source_id,
        "name": result.name,
        "source_instance": one.source_instance,
        "destination_instance": one.destination_instance,
        "same_instance": one.verdict.same,
        "identity": one.identity,
        "mapping": None if one.mapping is None else _mapping_of(one.mapping),
        "tried": msgspec.to_builtins(one.tried),
        "outcome": one.outcome,
        "operation": result.operation.value,
        "destination_id": result.destination_id,
        "reason": one.reason,
    }


def _mapping_of(mapping: IDMapping) -> Mapping[str, Json]:
    names = ("destination_id", "state", "rule", "mapped_at", "session_id")
    return {name: getattr(mapping, name) for name in names}
