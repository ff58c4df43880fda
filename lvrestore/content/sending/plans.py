"""Restore a scheduled plan: what is sent, when, to whom, with whose rights. Nothing here has anything sent.

A new plan is made disabled unless the policy says otherwise, and `enabled` of one that exists is never written: an
enabled plan mails real people at its next trigger. Plans have no uniqueness of any kind, so each is looked for among
the plans on the same content before it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import orjson
from msgspec import UNSET

from lvrestore.content.calls import Create, Delete, Get, Live, Mapped, Reads, Restored, Steps, Warn
from lvrestore.content.case import Case
from lvrestore.content.identity.by_identity import by_identity
from lvrestore.content.identity.trying import doubtful, tried
from lvrestore.content.knowledge import (
    References,
    destination_of,
    has_own_row,
    made_since,
    matched_by,
    require,
)
from lvrestore.content.lists import belonging_to
from lvrestore.content.moved.queries import make_query
from lvrestore.content.writing.bodies import Body, body_of, changed, fingerprint, only, shown, without
from lvrestore.content.writing.shapes import known
from lvrestore.content.writing.work import Work
from lvrestore.errors import DependencyError, ValidationError
from lvrestore.looker.classify import FailureKind, Refused
from lvrestore.looker.models import ScheduledPlanDestination, WriteScheduledPlan
from lvrestore.looker.protocol import path
from lvrestore.model import Json, Lack, MatchRule, Operation
from lvrestore.text import quoted

KIND = "scheduled_plan"
PLANS = "scheduled_plans"
DESTINATIONS = "scheduled_plan_destination"
# What a plan sends, one of these: the field, and the kind of content.
CONTENT = {
    "dashboard_id": "dashboard",
    "look_id": "look",
    "lookml_dashboard_id": "lookml_dashboard",
    "query_id": "query",
}
TRIGGERS = ("crontab", "datagroup")
REFERS_TO = {"user_id": "user", "dashboard_id": "dashboard", "look_id": "look"}
# The vault drops top-level nulls. These fields every extracting SDK knew, and the API description lets them be null:
# absent means null. (`dashboard_filters` is an old name of `filters_string`.)
CLEARED_WHEN_ABSENT = (
    *CONTENT,
    *TRIGGERS,
    "color_theme",
    "custom_url_base",
    "custom_url_label",
    "custom_url_params",
    "filters_string",
    "inline_table_width",
    "pdf_paper_size",
    "timezone",
)
# Not fields that are compared and written like the others.
NOT_PLAIN = ("enabled", "run_once", "dashboard_filters", DESTINATIONS)
REQUIRED_BY_LOOKS = ("require_results", "require_no_results", "require_change")
# Destinations of these types need no password or key; all others do.
OPEN_TYPES = frozenset({"", "email", "webhook"})
NO_PARAMETERS = ("", "{}", "null")
_DESTINATION_FIELDS = tuple(
    name
    for name in ScheduledPlanDestination.__struct_fields__
    if name not in {"scheduled_plan_id", "secret_parameters"}
)


class VaultPlan(WriteScheduledPlan, frozen=True, kw_only=True):
    """A scheduled plan with its destinations; their `secret_parameters` are write-only, so in no backup."""

    id: str = ""
    created_at: Any = UNSET


def restore_plan(case: Case[VaultPlan]) -> Steps[Restored]:
    """Make the destination's plan equal the vault's, whether it is enabled aside; create it if it is gone."""
    if case.refs.policy.schedules == "skip":
        return Restored(operation=Operation.SKIPPED, reason="scheduled plans are not to be restored")
    if case.vault.run_once is True:
        return Restored(operation=Operation.SKIPPED, reason="it is sent once, and never again")
    for name in ("name", "user_id"):
        if not known(getattr(case.vault, name)):
            raise ValidationError(
                f"the backup of {KIND} {case.vault.id} has no {name}, which a plan must have"
            )
    return (yield from _restore(case, None))


def _restore(case: Case[VaultPlan], made_query: str | None) -> Steps[Restored]:
    """`made_query` is the query that was made because the server refused the one that is wanted."""
    body = yield from _wanted(case.vault, case.refs, made_query)
    found = yield from by_identity(
        case.refs, KIND, PLANS, case.vault.id, known(case.vault.created_at), has_trash=False
    )
    namesakes: list[Body] = []
    if found is None and not (
        _is_first_on_content(case.vault, case.refs) and case.history.uncertain_since is None
    ):
        namesakes = yield from _namesakes(body)
        found = _choose(case, body, namesakes)
        asked = "plans on the same content, of the same name and owner"
        yield tried(
            MatchRule.CONTENT_NAME_OWNER, asked, namesakes, found, _objection(case.vault, body, case.refs)
        )
    if isinstance(found, Restored):
        return found
    try:
        if found is None:
            return (yield from _create(case.vault, body, case.refs, {live["id"] for live in namesakes}))
        return (yield from _repair(case, body, found))
    except Refused as refused:
        if made_query is not None or not _is_about_query(refused, body):
            raise
        made_query = yield from make_query(case.refs, str(case.vault.query_id), None)
        if made_query is None:
            raise DependencyError((f"query {case.vault.query_id}",)) from refused
    # The look-up starts again: a plan of an earlier run may be on the query that is made now.
    return (yield from _restore(case, made_query))


# --- what is wanted


def _wanted(vault: VaultPlan, refs: References, made_query: str | None) -> Steps[Body]:
    """The fields as they should be on the destination, references translated; `enabled` is not among them."""
    body = {**dict.fromkeys(CLEARED_WHEN_ABSENT), **without(body_of(vault, WriteScheduledPlan), *NOT_PLAIN)}
    body["filters_string"] = body["filters_string"] or known(vault.dashboard_filters)
    for fields in (tuple(CONTENT), TRIGGERS):
        body |= {name: body[name] or None for name in fields}
        if not any(body[name] for name in fields):
            body = without(body, *fields)  # a plan cannot be without: the live one keeps what it has
    if destinations := known(vault.scheduled_plan_destination):
        body[DESTINATIONS] = [only(body_of(one), _DESTINATION_FIELDS) for one in destinations]
    body = yield from _translated(body, refs, made_query)
    tabs = _tabs(vault, refs)
    if None in tabs.values():
        return without(body, "tab_ids")  # with some of them it would send something else
    return {**body, "tab_ids": list(tabs.values())} if tabs else body


def _translated(body: Body, refs: References, made_query: str | None) -> Steps[Body]:
    """The body with the destination's ids; a query that has none there is made, if the backup has it."""
    ids = {name: destination_of(refs, kind, body[name]) for name, kind in REFERS_TO.items() if body.get(name)}
    unresolved = [f"{REFERS_TO[name]} {body[name]}" for name, one in ids.items() if one is None]
    if query_id := body.get("query_id"):
        ids["query_id"] = made_query or destination_of(refs, "query", query_id)
        unresolved += (
            [f"query {query_id}"] if ids["query_id"] is None and refs.query(query_id) is None else []
        )
    if unresolved:
        raise DependencyError(tuple(unresolved), known=False)
    if query_id and ids["query_id"] is None:
        yield from require({"user": {str(ids["user_id"])}})
        ids["query_id"] = yield from make_query(refs, query_id, None)
    return {**body, **ids}


def _is_about_query(refused: Refused, body: Body) -> bool:
    # Where all else that is referred to has been seen, even a bare 404 can only mean the query.
    names_it = refused.about("query_id") or refused.kind is FailureKind.NOT_FOUND
    return bool(body.get("query_id")) and names_it


def _tabs(vault: VaultPlan, refs: References) -> dict[str, str | None]:
    """The destination's tabs by the vault's, None for unknown ones. LookML dashboards have labels instead of ids."""
    tabs = known(vault.tab_ids) or []
    if not known(vault.dashboard_id):
        return {tab: tab for tab in tabs}
    return {tab: destination_of(refs, "dashboard_layout", tab) for tab in tabs}


def _missing_tabs(vault: VaultPlan, live: Body, refs: References) -> tuple[Lack, ...]:
    """The tabs that are not known here, or else that the server did not take."""
    tabs, sent = _tabs(vault, refs), live.get("tab_ids") or []
    lost = [tab for tab, here in tabs.items() if here is None] or [
        t for t, here in tabs.items() if here not in sent
    ]
    return tuple(Lack("a tab that it sends", f"dashboard_layout {tab}") for tab in lost)


# --- finding it


def _content(body: Body) -> tuple[str, str] | None:
    """The field that says what is sent, and the id in it."""
    return next(((name, body[name]) for name in CONTENT if body.get(name)), None)


def _namesakes(body: Body, *, fresh: bool = False) -> Reads[list[Body]]:
    """Plans on the same content that have this name and owner. Those of others are listed only when asked for."""
    if (content := _content(body)) is None:
        return []
    field, content_id = content
    if field != "query_id":
        where = path(PLANS, CONTENT[field], content_id)
        get = Get(where, {"all_users": "true"}, fresh=fresh)
        # Nobody can be asked whether there is a LookML dashboard.
        kind = REFERS_TO.get(field)
        listed = (yield get) if kind is None else (yield from belonging_to(kind, content_id, get))
        return [live for live in listed if _is_namesake(body, live)]
    # No call lists the plans on a query: of all plans there are, only the fields to choose by.
    fields = {"all_users": "true", "fields": "id,name,user_id,query_id,run_once"}
    listed = yield Get(path(PLANS), fields, fresh=fresh)
    found: list[Body] = []
    for one in listed:
        if one.get("query_id") == content_id and _is_namesake(body, one):
            live = yield Get(path(PLANS, one["id"]), fresh=fresh)
            found += [live] if live is not None else []
    return found


def _is_namesake(body: Body, live: Body) -> bool:
    """A plan that was only to be sent once is nobody's schedule."""
    named = _tidy(live.get("name")) == _tidy(body["name"]) and live.get("user_id") == body["user_id"]
    return named and not live.get("run_once")


def _choose(case: Case[VaultPlan], body: Body, namesakes: Sequence[Body]) -> Body | Restored | None:
    """The namesake that is the vault's plan; how the item ends if none can be told to be; None to create it."""
    rivals = [live for live in namesakes if not _is_of_another_row(live["id"], case.vault, case.refs)]
    since = case.history.uncertain_since
    ours = [live for live in rivals if made_since(live.get("created_at"), since) and _made_of(body, live)]
    equal = [live for live in rivals if not _differences(body, live)]
    picked = ours or equal
    if len(picked) == 1:
        return picked[0]
    if not rivals or (not picked and _is_first_on_content(case.vault, case.refs)):
        return None
    if case.refs.policy.adopt and len(rivals) == 1:
        return rivals[0]
    names = ", ".join(f"{KIND} {live['id']}" for live in picked or rivals)
    if picked and all(live in equal for live in picked):
        # Which of them is this one nobody can tell, and nothing is to be written to any.
        return Restored(operation=Operation.UNCHANGED, reason=f"{names} are all equal to it")
    alike = "same name, owner and content, other settings"
    return doubtful(
        KIND, case.vault.id, body["name"], picked or rivals, alike, "rename one of them to have both"
    )


def _objection(vault: VaultPlan, body: Body, refs: References) -> Callable[[Mapping[str, Json]], str]:
    """What speaks against a plan of the name."""

    def objection(live: Mapping[str, Json]) -> str:
        if _is_of_another_row(str(live["id"]), vault, refs):
            return "it is another plan of the backup"
        differing = _differences(body, dict(live))
        return f"it has other {', '.join(differing)}" if differing else "others are just the same"

    return objection


def _is_of_another_row(plan_id: str, vault: VaultPlan, refs: References) -> bool:
    """Whether a live plan belongs to another row of the backup, however equal it is: two rows never share one."""
    if has_own_row(refs, KIND, plan_id):
        return True
    source_id = refs.mapped_from(KIND, plan_id)
    return source_id not in {None, vault.id} and refs.in_vault(KIND, str(source_id))


def _is_first_on_content(vault: VaultPlan, refs: References) -> bool:
    """Whether this run has made what the plan sends, so that all plans on it were made since, for other rows.

    Looker proposes the content's title as a plan's name: a dashboard may well have several plans of one name and
    owner, and those are no reason for a conflict, nor need they be looked at.
    """
    shown = [(CONTENT[name], known(getattr(vault, name))) for name in ("dashboard_id", "look_id")]
    made_now = any(source_id and refs.made_now(kind, source_id) for kind, source_id in shown)
    return made_now and refs.mapped(KIND, vault.id) is None


def _tidy(value: Json) -> Json:
    return value.rstrip() if isinstance(value, str) else value


def _made_of(body: Body, live: Mapping[str, Json]) -> bool:
    """Whether this can be what the server made of a body: it may tidy texts up, and fill in what is null."""
    differences = _differences(body, live).items()
    return all(value is None or _tidy(value) == _tidy(live.get(name)) for name, value in differences)


# --- comparing


def _differences(body: Body, live: Mapping[str, Json]) -> Body:
    """The part of `body` that is not so on the live plan, in the form to send: destinations all or none."""
    delta = changed(without(body, DESTINATIONS), _seen(live))
    if DESTINATIONS in body and not _same_destinations(body[DESTINATIONS], live.get(DESTINATIONS) or []):
        delta[DESTINATIONS] = body[DESTINATIONS]
    return delta


def _seen(live: Mapping[str, Json]) -> Body:
    """The live plan with an empty trigger as none, and the filters wherever the server says them."""
    filters = live.get("filters_string") or live.get("dashboard_filters")
    return {**live, "filters_string": filters, **{name: live.get(name) or None for name in TRIGGERS}}


def _same_destinations(wanted: Sequence[Body], live: Sequence[Body]) -> bool:
    """Whether both lists hold the same, in any order, as far as the vault knows the fields."""
    names = {name for one in wanted for name in one}
    return _comparable(wanted, names) == _comparable(live, names)


def _comparable(destinations: Sequence[Body], names: Collection[str]) -> list[bytes]:
    rows = ({**dict.fromkeys(names), **only(one, names)} for one in destinations)
    return sorted(fingerprint({**row, "parameters": _parsed(row.get("parameters"))}) for row in rows)


def _parsed(parameters: Json) -> Json:
    """What the JSON text says, as a server may write it in another way."""
    if not isinstance(parameters, str):
        return parameters
    try:
        return orjson.loads(parameters)
    except orjson.JSONDecodeError:
        return parameters


# --- creating it


def _create(vault: VaultPlan, body: Body, refs: References, before: Collection[str]) -> Steps[Restored]:
    """POST; `before` are the ids of the plans that were seen to be others."""
    _check_complete(vault, body)
    yield from require(_needed(body))
    as_backup = refs.policy.schedules == "as-backup"
    wanted = {**_flags(body), **body, "enabled": as_backup and vault.enabled is True}
    wanted = {name: value for name, value in wanted.items() if value is not None}
    live, sent = yield from _post(vault, wanted, before)
    yield from _check_owner(vault, sent, live)
    yield Mapped(KIND, vault.id, live["id"], MatchRule.CREATED, live.get("created_at"))
    work = Work(KIND, path(PLANS, live["id"]), live["id"], before=None, created=True)
    work.not_kept = sent != wanted
    if delta := _differences(sent, live):
        live = yield from _patch(vault, work, delta, live)
    yield from _warn_of_secrets(vault, sent)
    yield from _warn_of_disabled(vault, live)
    return _done(Operation.CREATED, vault, work, live, refs)


def _check_complete(vault: VaultPlan, body: Body) -> None:
    """Raise when Looker would refuse a new plan for what the backup does not have."""
    for fields in (tuple(CONTENT), TRIGGERS):
        given = [name for name in fields if body.get(name)]
        if len(given) != 1:
            found = " and ".join(given) or "none"
            raise ValidationError(
                f"{KIND} {vault.id} needs one of {', '.join(fields)}, and the backup has {found}"
            )
    if not body.get(DESTINATIONS):
        raise ValidationError(f"the backup of {KIND} {vault.id} has no destination, which Looker requires")


def _needed(body: Body) -> dict[str, set[str]]:
    return {kind: {body[name]} for name, kind in REFERS_TO.items() if body.get(name)}


def _flags(body: Body) -> Body:
    """What Looker requires of a look's plan and the backup may lack."""
    return dict.fromkeys(REQUIRED_BY_LOOKS, False) if body.get("look_id") else {}


def _post(vault: VaultPlan, body: Body, before: Collection[str]) -> Steps[tuple[Body, Body]]:
    """Return the live plan and the body that it was made of."""

    def find_again() -> Reads[Json]:
        found = yield from _namesakes(body, fresh=True)
        return next((live for live in found if live["id"] not in before and _made_of(body, live)), None)

    try:
        return dict((yield Create(path(PLANS), body, find_again))), body
    except Refused as refused:
        body = yield from _after_refusal(refused, vault, body)
    return (yield from _post(vault, body, before))


def _after_refusal(refused: Refused, vault: VaultPlan, body: Body) -> Steps[Body]:
    """The body without what was refused, if that can be done without."""
    if body.get("tab_ids") and refused.about("tab_ids"):
        text = f"the server refuses the tabs of {KIND} {vault.id} ({quoted(vault.name)}): {refused.message}"
        yield Warn("tabs_lost", text)
        return without(body, "tab_ids")
    if "user_id" in body and refused.about("user_id"):
        text = f"user {body['user_id']} cannot be the owner: {refused.message}"
        raise refused.reworded(text) from refused
    raise refused


def _check_owner(vault: VaultPlan, body: Body, live: Body) -> Steps[None]:
    """A plan shows what its owner may see, so one that the caller owns instead is taken back at once."""
    if live.get("user_id") in {None, body["user_id"]}:
        return
    yield Delete(path(PLANS, live["id"]))
    raise ValidationError(
        f"the server makes user {live['user_id']} the owner of {KIND} {vault.id}, not user {body['user_id']}:"
        " the new plan was deleted again"
    )


# --- repairing it


def _repair(case: Case[VaultPlan], body: Body, live: Body) -> Steps[Restored]:
    yield Live(live)
    if case.history.accepted == (_vault_fingerprint(case.vault, case.refs), _live_fingerprint(live)):
        lacks = _missing_tabs(case.vault, live, case.refs)
        return Restored(operation=Operation.UNCHANGED, destination_id=live["id"], incomplete=lacks)
    delta = _differences(body, live)
    yield from require(_needed(delta))
    mapping = case.refs.mapped(KIND, case.vault.id)
    if mapping is None or mapping.destination_id != live["id"]:
        rule = matched_by(case.refs, case.history, case.vault.id, live, MatchRule.CONTENT_NAME_OWNER)
        yield Mapped(KIND, case.vault.id, live["id"], rule, live.get("created_at"))
    work = Work(KIND, path(PLANS, live["id"]), live["id"], before=live)
    if delta:
        live = yield from _patch(case.vault, work, delta, live)
    yield from _warn_of_secrets(case.vault, delta)
    if made_since(live.get("created_at"), case.history.uncertain_since):
        yield from _warn_of_disabled(case.vault, live)
    return _done(
        Operation.UPDATED if work.changes else Operation.UNCHANGED, case.vault, work, live, case.refs
    )


def _patch(vault: VaultPlan, work: Work, delta: Body, live: Body) -> Steps[Body]:
    """PATCH; return the plan as it is then."""
    try:
        return (yield from work.update(work.path, "", delta, live, _differences))
    except Refused as refused:
        delta = yield from _after_refusal(refused, vault, delta)
    work.not_kept = True
    return (yield from _patch(vault, work, delta, live)) if delta else live


# --- what both have in common


def _done(operation: Operation, vault: VaultPlan, work: Work, live: Body, refs: References) -> Restored:
    return Restored(
        operation=operation,
        destination_id=work.item_id,
        changes=tuple(work.changes),
        incomplete=_missing_tabs(vault, live, refs),
        vault_fingerprint=_vault_fingerprint(vault, refs),
        live_fingerprint=_live_fingerprint(live) if work.not_kept else b"",
    )


def _warn_of_secrets(vault: VaultPlan, body: Body) -> Iterator[Warn]:
    """Writing destinations replaces all of them, passwords and keys included."""
    for one in body.get(DESTINATIONS) or ():
        if _has_secrets(one):
            where = f"{one.get('type')} {one.get('address') or '(no address)'}"
            text = f"passwords and keys of {where} of {KIND} {vault.id} ({quoted(vault.name)}) must be entered again"
            yield Warn("secrets_to_reenter", text)


def _has_secrets(destination: Body) -> bool:
    closed = (destination.get("type") or "").lower() not in OPEN_TYPES
    return closed or (destination.get("parameters") or "") not in NO_PARAMETERS


def _warn_of_disabled(vault: VaultPlan, live: Body) -> Iterator[Warn]:
    if vault.enabled is True and not live.get("enabled"):
        yield Warn(
            "disabled", f"{KIND} {live['id']} ({quoted(vault.name)}) is new and disabled: enable it by hand"
        )


def _vault_fingerprint(vault: VaultPlan, refs: References) -> bytes:
    content = msgspec.to_builtins(vault, builtin_types=(datetime,))
    tabs = [*_tabs(vault, refs).values()]
    return fingerprint([content, tabs] if tabs else content)


def _live_fingerprint(live: Body) -> bytes:
    """16 bytes that change when anything that a restore writes does."""
    view = without(shown(live, WriteScheduledPlan.__struct_fields__), "enabled", "run_once")
    destinations = [shown(one, _DESTINATION_FIELDS) for one in live.get(DESTINATIONS) or ()]
    return fingerprint({**view, DESTINATIONS: destinations})
