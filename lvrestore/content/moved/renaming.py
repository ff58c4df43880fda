"""Give what an item names the names that these things have on the destination: pure, and driven by the tables.

Every place is translated exactly once, so that two names may be exchanged. Names of fields (`orders.count`) are those
of views, and stay. Content in which nothing is to be called otherwise is what it was, bit by bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lvrestore.model import ContentType, Json
from lvrestore.settings import Remap
from lvrestore.vault.foreign_keys import EXPLORES, IN_MODELS, REFERENCES, VISUALISATIONS

Content = dict[str, Any]
Change = Callable[[Json], Json]
Rule = tuple[list[str], Change]
# An entry of the remap file: the table, and what stands on its left.
Entry = tuple[str, str]
QUERY_EXPLORE = ("model", "view")
OWN_EXPLORE = ("model_name", "name")


def remapped(content_type: ContentType, content: Content, remap: Remap) -> Content:
    """Return the content as it is to be on the destination; what was given is not changed."""
    return _Renaming(remap).content(content_type, content) if remap else content


def remapped_query(definition: Mapping[str, Json], remap: Remap) -> dict[str, Json]:
    """Return the definition of a query as it is to be on the destination."""
    renaming = _Renaming(remap)
    query: dict[str, Json] = renaming.explore(QUERY_EXPLORE)(dict(definition))
    if "vis_config" in query:
        query["vis_config"] = renaming.palettes(query["vis_config"])
    return query


def remapped_address(address: str, remap: Remap) -> str:
    """Return somebody's e-mail address on the destination: exact entries win over those of a domain."""
    found: str = _Renaming(remap).address(address)
    return found


def entries_used(content_type: ContentType, content: Content, remap: Remap) -> set[Entry]:
    """Return the entries that change something in an item itself; who and where it belongs to is not looked at."""
    renaming = _Renaming(remap)
    renaming.content(content_type, content)
    return renaming.used


class _Renaming:
    """Translates, and notes which entries that took."""

    def __init__(self, remap: Remap) -> None:
        self._remap = remap
        self.used: set[Entry] = set()

    def content(self, content_type: ContentType, content: Content) -> Content:
        """The item with all of its names translated."""
        value: Json = content
        for steps, change in self._rules(content_type):
            value = _changed_at(value, steps, change)
        return self._own_name(content_type, value)

    def explore(self, fields: tuple[str, str]) -> Change:
        """What translates an object whose two fields name a model and an explore of it, if any."""
        model_field, explore_field = fields

        def change(value: Json) -> Json:
            if not isinstance(value, dict) or not isinstance(model := value.get(model_field), str):
                return value
            explore = value.get(explore_field)
            if isinstance(explore, str) and (whole := self._look_up("explores", f"{model}.{explore}")):
                to_model, _, to_explore = whole.partition(".")
                return {**value, model_field: to_model, explore_field: to_explore}
            return {**value, model_field: self._model(model)}

        return change

    def palettes(self, value: Json) -> Json:
        """A visualisation with its colours translated, at any depth."""
        if isinstance(value, list):
            return [self.palettes(one) for one in value]
        if not isinstance(value, dict):
            return value
        inner = {name: self.palettes(one) for name, one in value.items()}
        return {**inner, **self._colours(value.get("collection_id"), value.get("palette_id"))}

    def address(self, value: Json) -> Json:
        """An e-mail address."""
        if not isinstance(value, str):
            return value
        lower = value.casefold()
        if to := self._look_up("users", lower):
            return to
        name, at, domain = lower.rpartition("@")
        to = self._look_up("users", f"@{domain}") if at else None
        return value[: len(name)] + to if to else value

    def _rules(self, content_type: ContentType) -> list[Rule]:
        remap, rules = self._remap, []
        if remap.models or remap.explores:
            explores = EXPLORES.get(content_type, ())
            rules += [(path, self.explore((model, explore))) for path, model, explore in explores]
            within = {f"{path}.{model}" for path, model, _ in explores}
            targets = [one for one in REFERENCES.get(content_type, ()) if one[0] not in within]
            rules += [(path, self._model) for path, kind in targets if kind == "lookml_model"]
            rules += [(path, self._in_model) for path, kind in targets if kind in IN_MODELS]
        if remap.connections:
            keys = REFERENCES.get(content_type, ())
            rules += [(path, self._connection) for path, kind in keys if kind == "connection"]
        if remap.palettes:
            rules += [(path, self.palettes) for path in VISUALISATIONS.get(content_type, ())]
        return [(path.split("."), change) for path, change in rules]

    def _own_name(self, content_type: ContentType, content: Content) -> Content:
        match content_type:
            case ContentType.LOOKML_MODEL if self._remap.models:
                return self._own_model(content)
            case ContentType.EXPLORE if self._remap.models or self._remap.explores:
                return self._own_explore(content)
            case ContentType.GROUP if self._remap.groups:
                content = _changed_at(content, ["name"], self._group)
            case ContentType.USER if self._remap.users:
                for path in (["email"], ["credentials_email", "email"]):
                    content = _changed_at(content, path, self.address)
        return content

    def _own_model(self, content: Content) -> Content:
        """A model's configuration; one of another name is of another project, which only the destination knows."""
        renamed: Content = _changed_at(content, ["name"], self._model)
        if renamed.get("name") == content.get("name"):
            return renamed
        return {name: value for name, value in renamed.items() if name != "project_name"}

    def _own_explore(self, content: Content) -> Content:
        """An explore, which its fields name, else its id."""
        model, _, name = str(content.get("id") or "").partition("::")
        said = content.get("model_name"), content.get("name")
        own = dict(zip(OWN_EXPLORE, said if all(said) else (model, name), strict=True))
        renamed = self.explore(OWN_EXPLORE)(own)
        return content if renamed == own else {**content, **renamed}

    def _model(self, value: Json) -> Json:
        return self._look_up("models", value) or value

    def _in_model(self, value: Json) -> Json:
        """A name within a model: `model::name`."""
        if not isinstance(value, str) or "::" not in value:
            return value
        model, _, name = value.partition("::")
        return f"{self._model(model)}::{name}"

    def _connection(self, value: Json) -> Json:
        return self._look_up("connections", value) or value

    def _group(self, value: Json) -> Json:
        return self._look_up("groups", value) or value

    def _colours(self, collection: Json, palette: Json) -> Content:
        """The fields to set: a palette with its collection, else the collection alone."""
        if not isinstance(collection, str):
            return {}
        if isinstance(palette, str) and (both := self._look_up("palettes", f"{collection}/{palette}")):
            to_collection, _, to_palette = both.partition("/")
            return {"collection_id": to_collection, "palette_id": to_palette}
        to = self._look_up("palettes", collection)
        return {"collection_id": to} if to else {}

    def _look_up(self, table: str, name: Json) -> str | None:
        entries: dict[str, str] = getattr(self._remap, table)
        to = entries.get(name) if isinstance(name, str) else None
        if to is not None:
            self.used.add((table, name))
        return to


def _changed_at(value: Json, steps: list[str], change: Change) -> Json:
    """A copy of `value` with what stands at a path changed; a path that is not there changes nothing."""
    if not steps:
        return change(value)
    if steps[0] == "*":
        return _each_changed(value, steps[1:], change) if isinstance(value, list) else value
    if isinstance(value, dict) and steps[0] in value:
        return {**value, steps[0]: _changed_at(value[steps[0]], steps[1:], change)}
    return value


def _each_changed(values: list[Json], steps: list[str], change: Change) -> list[Json]:
    """Every entry changed; names that became one stand there once."""
    changed = [_changed_at(one, steps, change) for one in values]
    if steps or changed == values:
        return changed
    return [one for number, one in enumerate(changed) if one not in changed[:number]]
