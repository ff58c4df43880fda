"""Say in the destination's ids what the vault says in its own."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from typing import Any

LINK = re.compile(
    r"(?:(?P<origin>https?://(?P<host>[^/:\s\"'<>)]+)(?::\d+)?)|(?<![\w./:%-])|(?<=\\n))"
    r"(?P<before>/(?:embed/)?(?P<word>dashboards|looks|folders|boards)/)(?P<id>\d+)(?![\w%$~{-]|::)"
)


class There:
    """Where things of the vault are: `ids` by type, filled while counterparts are found.

    On the same instance what has no counterpart keeps its id; elsewhere its id is one that nothing has.
    """

    def __init__(self, *, same: bool, hosts: Collection[str] = ()) -> None:
        self.same, self.hosts = same, hosts
        self.ids: defaultdict[str, dict[str, str]] = defaultdict(dict)

    def __call__(self, kind: str, source_id: str | None) -> str | None:
        """The destination's id."""
        if source_id is None or source_id in self.ids[kind]:
            return source_id and self.ids[kind][source_id]
        return source_id if self.same else f"no {kind} {source_id}"

    def linked(self, value: Any) -> Any:  # noqa: ANN401 - any JSON
        """The value with its links to what is there now."""
        return each_text(value, lambda text: LINK.sub(self._link, text))

    def _link(self, match: re.Match[str]) -> str:
        found = self.ids[match["word"].removesuffix("s")].get(match["id"])
        if found is None or (match["origin"] and match["host"] not in self.hosts):
            return match[0]
        origin = match["origin"] and (match["origin"] if self.same else HERE)
        return f"{origin or ''}{match['before']}{found}"


HERE = "http://here"
LOCAL = re.compile(r"https?://127\.0\.0\.1(?::\d+)?")


def local(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """A live value whose links to the instance itself read like those that `There.linked` makes."""
    return each_text(value, lambda text: LOCAL.sub(HERE, text))


def each_text(value: Any, change: Callable[[str], str]) -> Any:  # noqa: ANN401 - any JSON
    """A copy of a JSON value in which every string is what `change` makes of it."""
    if isinstance(value, Mapping):
        return {name: each_text(one, change) for name, one in value.items()}
    if isinstance(value, list):
        return [each_text(one, change) for one in value]
    return change(value) if isinstance(value, str) else value
