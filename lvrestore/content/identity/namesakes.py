"""Objects of another instance that have only the name of an item: whether they follow it, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping

from lvrestore.content.calls import Restored, Warn
from lvrestore.content.knowledge import References, is_ours
from lvrestore.content.writing.bodies import Body
from lvrestore.model import History, Json, MatchRule, Operation
from lvrestore.settings import Remap
from lvrestore.text import quoted


def follows_model(source_id: str, body: Body, refs: References, history: History) -> bool:
    """Whether the configuration of a model of this name is made that of the backup.

    What this tool made is, and what a remap file tells how to change. Another one says how the people there reach
    their databases.
    """
    if history.uncertain_since is not None or is_ours(refs, "lookml_model", source_id, str(body["name"])):
        return True
    return _is_named(source_id, body, refs.policy.remap)


def _is_named(source_id: str, body: Body, remap: Remap) -> bool:
    connections = body.get("allowed_db_connection_names") or ()
    return source_id in remap.models or not set(connections).isdisjoint(remap.connections.values())


def rule_of_namesake(rule: MatchRule, refs: References) -> MatchRule:
    """The rule to note of what has a name, where somebody wants to have it taken over: from then on it is ours."""
    return MatchRule.ADOPTED if rule is MatchRule.NAME and refs.policy.adopt else rule


def is_news(refs: References, kind: str, source_id: str, destination_id: str, rule: MatchRule) -> bool:
    """Whether a mapping says anything that the committed one does not: it is new, or what was found is adopted."""
    mapping = refs.mapped(kind, source_id)
    if mapping is None or mapping.destination_id != destination_id:
        return True
    return rule is MatchRule.ADOPTED and mapping.rule in {"", MatchRule.NAME}


def taken_by_name(source_id: str, destination_id: str, name: Json) -> Warn:
    """What is said of a group that was there before, and that the people of the backup join."""
    return Warn(
        "matched_by_name",
        f"group {source_id} {quoted(name)} of the backup is taken for group {destination_id} of the "
        "destination, which has the same name: its people join that one (another name: [groups] in a --remap file)",
    )


def not_renamed(
    kind: str, source_id: str, live: Mapping[str, Json], delta: Body, refs: References
) -> Restored | None:
    """The end of an item that was found by its old name: what it was taken for is somebody else's, and keeps it."""
    if refs.same_instance or refs.policy.adopt or "name" not in delta:
        return None
    mapping = refs.mapped(kind, source_id)
    if mapping is None or is_ours(refs, kind, source_id, str(live["id"])):
        return None
    return Restored(
        operation=Operation.CONFLICT,
        destination_id=str(live["id"]),
        reason=f"{kind} {live['id']} {quoted(live.get('name'))} of the destination was taken for {kind} "
        f"{source_id} of the backup by its name, and is not renamed, though that is called {quoted(delta['name'])} "
        "now: --adopt renames it, "
        f"after `lvrestore map clear {kind}:{source_id}` one of the new name is found or made",
    )
