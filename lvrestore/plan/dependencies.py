"""What must be restored before what: between content types as data, between folders by depth."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from lvrestore.errors import ValidationError
from lvrestore.model import ContentType

# A type's objects carry ids of the types named after it, or must not exist before them.
DEPENDS_ON: Mapping[ContentType, tuple[ContentType, ...]] = {
    ContentType.LOOKML_MODEL: (),
    ContentType.EXPLORE: (ContentType.LOOKML_MODEL,),
    ContentType.PERMISSION_SET: (),
    ContentType.MODEL_SET: (ContentType.LOOKML_MODEL,),
    ContentType.GROUP: (),
    ContentType.USER: (ContentType.GROUP,),
    # A role comes after the people: it is given to all of its holders with one call, as part of the role.
    ContentType.ROLE: (
        ContentType.PERMISSION_SET,
        ContentType.MODEL_SET,
        ContentType.USER,
        ContentType.GROUP,
    ),
    # Content comes after roles: what its owner may do decides whether a plan is accepted.
    ContentType.FOLDER: (ContentType.USER, ContentType.ROLE),
    ContentType.LOOK: (ContentType.FOLDER, ContentType.USER, ContentType.EXPLORE),
    ContentType.DASHBOARD: (ContentType.FOLDER, ContentType.USER, ContentType.LOOK, ContentType.EXPLORE),
    ContentType.BOARD: (ContentType.DASHBOARD, ContentType.LOOK),
    ContentType.SCHEDULED_PLAN: (ContentType.DASHBOARD, ContentType.LOOK, ContentType.USER),
}


class DependencyGraph:
    """The order between content types."""

    def __init__(self, depends_on: Mapping[ContentType, Iterable[ContentType]] = DEPENDS_ON) -> None:
        self._depends_on = {one: tuple(others) for one, others in depends_on.items()}

    def validate_no_cycles(self) -> None:
        """Raise when two types wait for each other."""
        try:
            TopologicalSorter(self._depends_on).prepare()
        except CycleError as error:
            names = " -> ".join(one.label for one in error.args[1])
            raise ValidationError(f"content types depend on each other: {names}") from error

    def get_dependencies(self, content_type: ContentType) -> set[ContentType]:
        """All types that must be there first, at any distance."""
        found: set[ContentType] = set()
        for other in self._depends_on.get(content_type, ()):
            found |= {other, *self.get_dependencies(other)}
        return found

    def get_restoration_order(self, types: Collection[ContentType]) -> list[ContentType]:
        """The given types, each after all it depends on; types without order between them by number."""
        self.validate_no_cycles()
        sorter = TopologicalSorter(self._depends_on)
        sorter.prepare()
        order: list[ContentType] = []
        while sorter.is_active():
            ready = sorted(sorter.get_ready())
            order += ready
            sorter.done(*ready)
        return [one for one in order if one in types]


def by_depth(parents: Mapping[str, str | None]) -> list[list[str]]:
    """Ids in waves, parents before children.

    What hangs on itself in a circle is in the last wave: there its parent is missing and it fails by name.
    """
    depths: dict[str, int | None] = {}
    for start in parents:
        _measure(start, parents, depths)
    deepest = max((depth for depth in depths.values() if depth is not None), default=-1)
    waves: list[list[str]] = [[] for _ in range(deepest + 2)]
    for one, depth in depths.items():
        waves[deepest + 1 if depth is None else depth].append(one)
    return [wave for wave in waves if wave]


def circles(parents: Mapping[str, str | None]) -> list[list[str]]:
    """Ids that hang on each other in a circle, each circle once, from its first id on."""
    found: list[list[str]] = []
    seen: set[str] = set()
    for start in parents:
        way: dict[str, None] = {}
        one: str | None = start
        while one is not None and one in parents and one not in seen and one not in way:
            way[one] = None
            one = parents[one]
        if one in way:
            steps = list(way)
            found.append(steps[steps.index(str(one)) :])
        seen |= way.keys()
    return found


def _measure(start: str, parents: Mapping[str, str | None], depths: dict[str, int | None]) -> None:
    """Fill in the depths from `start` up to a known one, a root or a circle (None); no recursion, trees are deep."""
    way: list[str] = []
    one: str | None = start
    while one is not None and one in parents and one not in depths and one not in way:
        way.append(one)
        one = parents[one]
    circle = one in way
    above = depths.get(one, -1) if one is not None else -1
    for step, passed in enumerate(reversed(way), start=1):
        depths[passed] = None if circle or above is None else above + step
