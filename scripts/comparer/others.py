"""Compare everything beside dashboards: each type is two views of one form, made of the vault and of the instance.

A view of the vault holds what the vault knows, at every depth; only that is compared.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

from comparer.certificates import certificate
from comparer.fields import (
    DESTINATION,
    GROUP,
    ITEM,
    LAYOUT,
    LOGIN,
    LOOK,
    MODEL,
    PLAN,
    PLAN_CLEARED,
    SECTION,
    USER,
)
from comparer.sources import Content
from comparer.world import World

View = dict[str, Any]
ITEM_TEXTS = ("custom_url", "custom_description")


def _known(content: Content, names: Collection[str]) -> View:
    """The fields that the vault knows: null at the top level is not in it."""
    return {name: content[name] for name in names if content.get(name) is not None}


def _referred(content: Content, world: World, **kinds: str) -> View:
    return {
        name: world.there(kind, content[name])
        for name, kind in kinds.items()
        if content.get(name) is not None
    }


def _owner(content: Content, world: World) -> View:
    """The owner, if the instance has that user: nobody can own something in the name of somebody who is gone."""
    owner = content.get("user_id")
    return {"user_id": world.there("user", owner)} if owner and world.exists("user", owner) else {}


# --- access


def wanted_set(content: Content, _: World) -> View:
    """A set has no order."""
    lists = {
        name: sorted(content[name]) for name in ("permissions", "models") if content.get(name) is not None
    }
    return _known(content, ["name"]) | lists


def live_set(live: Content, _: World) -> View:
    """The same of what is there."""
    return {**live, **{name: sorted(live.get(name) or ()) for name in ("permissions", "models")}}


def wanted_role(content: Content, world: World) -> View:
    """Of its sets it shows the whole, of which the ids are written."""
    sets = {
        kind: world.there(kind, content[kind]["id"])
        for kind in ("permission_set", "model_set")
        if content.get(kind)
    }
    return _known(content, ["name"]) | sets


def live_role(live: Content, _: World) -> View:
    """The same of what is there."""
    return {**live, **{kind: (live.get(kind) or {}).get("id") for kind in ("permission_set", "model_set")}}


def wanted_user(content: Content, world: World) -> View:
    """Name, login and home; groups and roles are looked at by `ties`."""
    view = _known(content, USER)
    home = content.get("home_folder_id")
    if home and world.exists("folder", home):
        view["home_folder_id"] = world.there("folder", home)
    login = content.get("credentials_email") or {}
    return view | ({"login": {name: login.get(name) for name in LOGIN}} if login.get("email") else {})


def live_user(live: Content, _: World) -> View:
    """The same of what is there."""
    login = live.get("credentials_email") or {}
    return {**live, "login": {name: login.get(name) for name in LOGIN}}


# --- content


def wanted_folder(content: Content, world: World) -> View:
    """Its name and where it lies."""
    return _known(content, ["name"]) | _referred(content, world, parent_id="folder")


def wanted_look(content: Content, world: World) -> View:
    """Its own fields, and the query that it shows."""
    own = _known(content, LOOK) | {"description": content.get("description"), "deleted": False}
    places = _referred(content, world, folder_id="folder") | _owner(content, world)
    given = {"certificate": certificate(content)} if certificate(content) else {}
    return own | places | given | ({"query": world.source(content)} if content.get("query_id") else {})


def live_look(live: Content, world: World) -> View:
    """The same of what is there."""
    deleted, given = bool(live.get("deleted")), certificate(live)
    return {**live, "query": world.live_source(live), "deleted": deleted, "certificate": given}


def wanted_board(content: Content, world: World) -> View:
    """With sections and items in the order in which they are shown."""
    view = _known(content, ["title"]) | {"description": content.get("description"), "deleted_at": None}
    view |= _owner(content, world)
    sections = content.get("board_sections")
    if sections is None:
        return view
    alive = [one for one in sections if not one.get("deleted_at")]
    shown = _ordered(alive, content.get("section_order"))
    return view | {"sections": [_wanted_section(one, world) for one in shown]}


def _wanted_section(section: Content, world: World) -> View:
    items = _ordered(section.get("board_items") or [], section.get("item_order"))
    shown = [_wanted_item(one, world) for one in items if _shows_something(one, world)]
    return {name: section.get(name) for name in SECTION} | {"items": shown}


def _shows_something(item: Content, world: World) -> bool:
    """Whether what an item shows is on the instance: what is nowhere cannot be shown."""
    shown = ((kind, item.get(f"{kind}_id")) for kind in ("dashboard", "look"))
    return all(source_id is None or world.exists(kind, source_id) for kind, source_id in shown)


def _wanted_item(item: Content, world: World) -> View:
    content = {f"{kind}_id": world.there(kind, item.get(f"{kind}_id")) for kind in ("dashboard", "look")}
    texts = {name: world.linked(item.get(name)) for name in ITEM_TEXTS}
    own = {name: item[name] for name in ITEM if name in item}
    # Flags are never null, so that a null says nothing.
    flags = {name for name, value in own.items() if value is None and name.startswith("use_")}
    return {name: value for name, value in own.items() if name not in flags} | content | texts


def live_board(live: Content, world: World) -> View:
    """The same of what is there."""
    alive = [one for one in live.get("board_sections") or [] if not one.get("deleted_at")]
    shown = _ordered(alive, live.get("section_order"))
    return {**live, "sections": [_live_section(one, world) for one in shown]}


def _live_section(section: Content, world: World) -> View:
    items = _ordered(section.get("board_items") or [], section.get("item_order"))
    shown = [_live_item(one, world) for one in items if _is_alive(one, world)]
    return {name: section.get(name) for name in SECTION} | {"items": shown}


def _is_alive(item: Content, world: World) -> bool:
    """Whether what a live item shows is there: an item may outlive it, and be left where it was."""
    shown = ((kind, item.get(f"{kind}_id")) for kind in ("dashboard", "look"))
    return all(live_id is None or live_id in world.live(kind) for kind, live_id in shown)


def _live_item(item: Content, world: World) -> View:
    own = {name: item.get(name) for name in (*ITEM, "dashboard_id", "look_id")}
    return own | {name: world.live_linked(item.get(name)) for name in ITEM_TEXTS}


def _ordered(parts: Collection[Content], order: list[str] | None) -> list[Content]:
    rank = {part_id: place for place, part_id in enumerate(order or ())}
    return sorted(parts, key=lambda one: rank.get(one["id"], len(rank)))


# --- plans


def wanted_plan(content: Content, world: World) -> View:
    """All but whether it is enabled, which nothing changes for a plan that is there."""
    view = _known(content, PLAN) | {name: content.get(name) for name in PLAN_CLEARED}
    view |= _referred(content, world, dashboard_id="dashboard", look_id="look", user_id="user")
    if content.get("query_id"):
        view["query"] = world.source(content)
    if content.get("tab_ids") and world.exists("dashboard", content["dashboard_id"]):
        view["tabs"] = _tabs(content, (world.backup.content if world.backup else _nothing))
    return view | {"destinations": _destinations(content)}


def _nothing(_kind: str, _source_id: str) -> Content:
    return {}


def live_plan(live: Content, world: World) -> View:
    """The same of what is there."""
    blanks = {name: live.get(name) or None for name in PLAN_CLEARED}
    tabs = _tabs(live, lambda kind, live_id: world.live(kind).get(live_id, {}))
    seen = {"query": world.live_source(live), "tabs": tabs, "destinations": _destinations(live)}
    return {**live, **blanks, **seen}


def _destinations(plan: Content) -> list[str]:
    return sorted(
        json.dumps(
            {**{name: one.get(name) for name in DESTINATION}, "parameters": _parsed(one)}, sort_keys=True
        )
        for one in plan.get("scheduled_plan_destination") or ()
    )


def _parsed(destination: Content) -> Any:  # noqa: ANN401 - any JSON
    given = destination.get("parameters")
    return json.loads(given) if given else None


def _tabs(plan: Content, find: Callable[[str, str], Content]) -> list[View]:
    """What the tabs of a plan say themselves."""
    dashboard = find("dashboard", plan.get("dashboard_id") or "")
    layouts = {one["id"]: one for one in dashboard.get("dashboard_layouts") or ()}
    return [{name: layouts.get(i, {}).get(name) for name in LAYOUT} for i in plan.get("tab_ids") or ()]


# --- all of them

Make = Callable[[Content, World], View]


def _as_it_is(live: Content, _: World) -> View:
    return dict(live)


VIEWS: dict[str, tuple[Make, Make]] = {
    "lookml_model": (lambda content, _: _known(content, MODEL), _as_it_is),
    "permission_set": (wanted_set, live_set),
    "model_set": (wanted_set, live_set),
    "role": (wanted_role, live_role),
    "group": (lambda content, _: _known(content, GROUP), _as_it_is),
    "user": (wanted_user, live_user),
    "folder": (wanted_folder, _as_it_is),
    "look": (wanted_look, live_look),
    "board": (wanted_board, live_board),
    "scheduled_plan": (wanted_plan, live_plan),
}


def differences_of(kind: str, content: Content, live: Content, world: World) -> list[str]:
    """Return what of a live object is not as the vault says."""
    wanted, seen = VIEWS[kind]
    now = seen(live, world)
    return [
        f"{name}: {value!r} != {now.get(name)!r}"
        for name, value in wanted(content, world).items()
        if not _agree(value, now.get(name))
    ]


def _agree(wanted: Any, live: Any) -> bool:  # noqa: ANN401 - any JSON
    """Whether a live value is the vault's; of an object, as far as the vault knows its fields."""
    if isinstance(wanted, dict) and isinstance(live, dict):
        return all(_agree(value, live.get(name)) for name, value in wanted.items())
    if isinstance(wanted, list) and isinstance(live, list):
        return len(wanted) == len(live) and all(map(_agree, wanted, live))
    return bool(wanted == live)
