"""Find the live object of a backup's item: by a committed mapping, else on the proved same instance by its id."""

from __future__ import annotations

from lvrestore.content.bodies import Body
from lvrestore.content.calls import Get, Restored, Steps, Warn
from lvrestore.content.references import References, contradicts, superseded
from lvrestore.looker.protocol import path
from lvrestore.model import Json, Operation


def by_identity(
    refs: References, kind: str, collection: str, source_id: str, created_at: Json, *, has_trash: bool
) -> Steps[Body | Restored | None]:
    """The live object, alive or in the trash; how the item ends if it must not be touched; None if it is gone.

    `created_at` is the backup's: a live object of the same id that was created at another time is a stranger.
    """
    mapping = refs.mapped(kind, source_id)
    if mapping is not None:
        if stale := superseded(refs, kind, source_id, mapping.destination_id):
            return stale
        live = yield from _by_id(collection, mapping.destination_id, has_trash=has_trash)
        if live is not None and not contradicts(mapping.created_at, live.get("created_at")):
            return live
        yield Warn(
            "dead_mapping", f"{kind} {source_id} was mapped to {mapping.destination_id}, which is gone"
        )
    if not refs.same_instance:
        return None
    live = yield from _by_id(collection, source_id, has_trash=has_trash)
    if live is None or not contradicts(created_at, live.get("created_at")):
        return live
    name = live.get("title") or live.get("name")
    return Restored(
        operation=Operation.CONFLICT,
        destination_id=source_id,
        reason=f"{kind} {source_id} ({name!r}, created {live.get('created_at')}) is another one",
    )


def _by_id(collection: str, item_id: str, *, has_trash: bool) -> Steps[Body | None]:
    """Whether a GET answers for what is in the trash is undocumented: where it does not, the trash is searched."""
    live = yield Get(path(collection, item_id))
    if isinstance(live, dict) or not has_trash:
        return live if isinstance(live, dict) else None
    hits = yield Get(path(collection, "search"), {"id": item_id, "deleted": "true"})
    return next((hit for hit in hits or () if hit["id"] == item_id and hit.get("deleted")), None)
