"""Find the live object of a backup's item: by a committed mapping, else on the proved same instance by its id."""

from __future__ import annotations

from lvrestore.content.calls import Get, Restored, Steps, Tried, Warn
from lvrestore.content.identity.trying import MAPPING, tried
from lvrestore.content.knowledge import References, superseded
from lvrestore.content.lists import all_pages
from lvrestore.content.writing.bodies import Body
from lvrestore.looker.protocol import path
from lvrestore.model import Json, MappedId, MatchRule, Operation
from lvrestore.text import quoted
from lvrestore.times import contradicts

# Of these the natural key alone does not tell that one may be overwritten: they must be equal as well. Where an item
# that refers to one has found it, its own item looks for it once more, as if nobody had.
FOUND_ANEW = frozenset({"dashboard", "look"})
# Collections that a search can be asked about for one id; of the others the whole list is read.
SEARCHED_BY_ID = frozenset({"dashboards", "looks", "users"})
# Whoever looks for a board reads the whole list, which may show some that are in the trash.
LISTED_ANYWAY = frozenset({"boards"})
LISTED_WITH = {"scheduled_plans": {"all_users": "true"}}
BY_KEY = frozenset({MatchRule.SLUG, MatchRule.TITLE_IN_FOLDER})
MADE_AT_ANOTHER_TIME = "it was created at another time"


def by_identity(
    refs: References, kind: str, collection: str, source_id: str, created_at: Json, *, has_trash: bool
) -> Steps[Body | Restored | None]:
    """The live object, alive or in the trash; how the item ends if it must not be touched; None if it is gone.

    `created_at` is the backup's: a live object of the same id that was created at another time is a stranger.
    """
    mapping = refs.mapped(kind, source_id)
    if mapping is None:
        yield Tried(MAPPING, f"the mapping of {kind} {source_id}", "there is none")
    elif kind in FOUND_ANEW and not mapping.is_done and mapping.rule in BY_KEY and not refs.same_instance:
        referred = f"{kind} {mapping.destination_id} was only referred to so far: looked for anew"
        yield Tried(MAPPING, f"the mapping of {kind} {source_id}", referred)
    else:
        found = yield from _by_mapping(refs, kind, collection, source_id, mapping, has_trash=has_trash)
        if found is not None:
            return found
    if not refs.same_instance:
        yield Tried(
            MatchRule.ID, f"{kind} {source_id}", "not tried: another instance, where it is another object"
        )
        return None
    return (yield from _by_own_id(kind, collection, source_id, created_at, has_trash=has_trash))


def _by_mapping(
    refs: References, kind: str, collection: str, source_id: str, mapping: MappedId, *, has_trash: bool
) -> Steps[Body | Restored | None]:
    asked = f"{kind} {mapping.destination_id}, which {kind} {source_id} is mapped to"
    if stale := superseded(refs, kind, source_id, mapping.destination_id):
        yield tried(MAPPING, asked, [], stale)
        return stale
    live = yield from _by_id(collection, mapping.destination_id, has_trash=has_trash)
    listed = [live] if live is not None else []
    if live is not None and not contradicts(mapping.created_at, live.get("created_at")):
        yield tried(MAPPING, asked, listed, {**live, "id": mapping.destination_id})
        return live
    yield tried(MAPPING, asked, listed, None, lambda _live: MADE_AT_ANOTHER_TIME)
    yield Warn("dead_mapping", f"{kind} {source_id} was mapped to {mapping.destination_id}, which is gone")
    return None


def _by_own_id(
    kind: str, collection: str, source_id: str, created_at: Json, *, has_trash: bool
) -> Steps[Body | Restored | None]:
    live = yield from _by_id(collection, source_id, has_trash=has_trash)
    if live is None:
        yield tried(MatchRule.ID, f"{kind} {source_id}", [], None)
        return None
    end: Body | Restored = live
    if contradicts(created_at, live.get("created_at")):
        name, made_at = live.get("title") or live.get("name"), live.get("created_at")
        end = Restored(
            operation=Operation.CONFLICT,
            destination_id=source_id,
            reason=f"on the destination, {kind} {source_id} ({quoted(name)}, created {made_at}) is another one than "
            f"that of the backup (created {created_at}); if the backup is of another instance, say which by "
            "--source-instance, else say which object it is by `lvrestore map import`",
        )
    shown = {**live, "id": source_id}  # a model has no id but its name
    outcome = end if isinstance(end, Restored) else shown
    yield tried(MatchRule.ID, f"{kind} {source_id}", [shown], outcome, lambda _live: MADE_AT_ANOTHER_TIME)
    return end


def _by_id(collection: str, item_id: str, *, has_trash: bool) -> Steps[Body | None]:
    """Whether a GET answers for what is in the trash is undocumented: where it does not, the trash is searched."""
    where = path(collection, item_id)
    live = yield Get(where)
    if live is None and has_trash:
        hits = yield Get(path(collection, "search"), {"id": item_id, "deleted": "true"})
        live = next((hit for hit in hits if hit["id"] == item_id and hit.get("deleted")), None)
    if live is None and (yield from _is_listed(collection, item_id)):
        live = yield Get(where, seen=True)
    found: Body | None = live
    return found


def _is_listed(collection: str, item_id: str) -> Steps[bool]:
    """Whether a list shows what is answered with 404: so a server answers also for what it only does not give."""
    if collection in LISTED_ANYWAY:
        return False
    if collection in SEARCHED_BY_ID:
        hits = yield Get(path(collection, "search"), {"id": item_id, "fields": "id"})
        return any(hit["id"] == item_id for hit in hits)
    id_field = "name" if collection == "lookml_models" else "id"
    params = {"fields": id_field, **LISTED_WITH.get(collection, {})}
    return any(
        one[id_field] == item_id for one in (yield from all_pages(collection, params, (id_field, item_id)))
    )
