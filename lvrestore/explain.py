"""Explain how one item of a backup is found on the destination: a rehearsal of it that tells what it tries."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lvrestore.content.calls import Tried
from lvrestore.engine import Restore, require_selected
from lvrestore.looker.credentials import Destination
from lvrestore.model import Json, Operation, RestorationResult
from lvrestore.plan.identity import Verdict
from lvrestore.report.reporter import Reporter
from lvrestore.settings import RestorationConfig
from lvrestore.state.mappings import Group, IDMapping
from lvrestore.state.store import StateReader
from lvrestore.vault import Vault


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """How an item is found. `verdict` is on the instance, and `identity` the same for programs."""

    result: RestorationResult
    source_instance: str
    destination_instance: str
    verdict: Verdict
    identity: Json
    mapping: IDMapping | None
    tried: tuple[Tried, ...]

    @property
    def outcome(self) -> str:
        """What a run would make of it: the object that it takes, or why it takes none."""
        result = self.result
        if result.operation is Operation.PARTIAL:
            return (
                "would be created, but for a part"
                if result.destination_id is None
                else "matched, but for a part"
            )
        match result.operation:
            case Operation.UPDATED | Operation.UNCHANGED | Operation.UNDELETED if result.destination_id:
                return "matched"
            case Operation.CREATED:
                return "would be created"
            case Operation.FAILED if result.destination_id:
                return "matched, but its restore would fail"
            case Operation.UNCHANGED:
                return "unchanged, but which object it is nobody can tell"
            case _:
                return result.operation.value

    @property
    def reason(self) -> str:
        """Why it is skipped, in conflict, would fail, or would be partial."""
        return self.result.error.message if self.result.error else self.result.reason


class Explain(Restore):
    """The rehearsal of one item; it asks what a run asks, and writes nothing."""

    def __init__(
        self,
        config: RestorationConfig,
        vault: Vault,
        reporter: Reporter,
        destination: Destination,
        environ: Mapping[str, str],
    ) -> None:
        """`config` is that of a dry run which selects one item."""
        require_selected(vault, config)
        super().__init__(config, vault, reporter, destination, environ)
        self._notes: dict[Tried, None] = {}

    def explain(self) -> Explanation | None:
        """Rehearse the item; None if the run was stopped before."""
        ending = self.run()
        if ending.fatal is not None:
            raise ending.fatal
        if not ending.results:
            return None
        result = ending.results[0]
        group = Group(self._source_name(), self._instance, result.content_type.label)
        return Explanation(
            result=result,
            source_instance=group.source_instance,
            destination_instance=self._instance,
            verdict=self._verdict,
            identity=ending.summary["identity"],
            mapping=StateReader(self._state_path).mappings.get(group, result.source_id),
            tried=tuple(self._notes),
        )

    def _on_tried(self, note: Tried) -> None:
        # An item that waits for others is looked for twice, in the same way.
        self._notes[note] = None


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
