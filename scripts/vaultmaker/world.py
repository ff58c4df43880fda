"""What all objects of one vault share: their numbers, ids, randomness, people and titles."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from functools import cached_property, lru_cache, partial
from typing import Any, TypeVar

from vaultmaker.tree import plant
from vaultmaker.wording import MODELS, NAMES, ODD_TITLES, REGIONS, WORDS

# One key for all types, as before schema 4, would let a look overwrite the dashboard with its number.
DISJOINT_STEP = 10_000_000
ID_ORDER = (
    "dashboard",
    "look",
    "folder",
    "user",
    "board",
    "group",
    "role",
    "permission_set",
    "model_set",
    "scheduled_plan",
)
LOOKML_DASHBOARD = f"{MODELS[0]}::business_pulse"
CONTENT_SHARES = {"dashboard": 70, "look": 22, "lookml_dashboard": 8}
# (every, offset): users whose number is `offset` modulo `every`.
EMBED_USER = (20, 10)
NAMESAKE = (18, 15)
ODD_NAME = (6, 5)

Made = TypeVar("Made")


def falls(number: int, turn: tuple[int, int]) -> bool:
    """Return whether it is the turn of this number."""
    every, offset = turn
    return number % every == offset


def remembered(maxsize: int) -> Callable[[Callable[[World, int], Made]], Callable[[World, int], Made]]:
    """Keep the objects that are nested in many others, for as long as their world lives."""

    def wrap(make: Callable[[World, int], Made]) -> Callable[[World, int], Made]:
        def recall(world: World, number: int) -> Made:
            if make not in world.memory:
                world.memory[make] = lru_cache(maxsize)(partial(make, world))
            made: Made = world.memory[make](number)
            return made

        return recall

    return wrap


class World:
    """All objects of one vault by number, counted from 1.

    With `whole` it also holds what only the restore of a whole instance meets: links between content,
    homes and names of all sorts, and with `oddities` other logins, embed folders and soft-deleted rows.
    Every dashboard has as many `tiles`, without it 1 to 8.
    """

    def __init__(
        self,
        *,
        dashboards: int = 100,
        looks: int = 50,
        folders: int = 40,
        users: int = 20,
        boards: int = 0,
        groups: int = 0,
        roles: int = 0,
        permission_sets: int = 0,
        model_sets: int = 0,
        plans: int = 0,
        tiles: int | None = None,
        seed: int = 1,
        disjoint_ids: bool = False,
        oddities: bool = True,
        whole: bool = False,
    ) -> None:
        self.seed, self.oddities, self.whole, self.tiles = seed, oddities, whole, tiles
        self.base = {kind: place * DISJOINT_STEP * disjoint_ids for place, kind in enumerate(ID_ORDER)}
        self.memory: dict[Callable[..., Any], Callable[[int], Any]] = {}
        embedded = [n for n in range(1, users + 1) if self.is_embed_user(n)]
        self.tree = plant(self.rng("tree", 0), users, folders, embedded, whole=whole and oddities)
        self.counts = {
            "dashboard": dashboards,
            "look": looks,
            "lookml_model": len(MODELS),
            "folder": self.tree.count,
            "user": users,
            "board": boards,
            "group": groups,
            "role": roles,
            # A role is nothing without one of each.
            "permission_set": max(permission_sets, min(roles, 1)),
            "model_set": max(model_sets, min(roles, 1)),
            "scheduled_plan": plans,
        }

    def rng(self, kind: str, number: int) -> random.Random:
        """Return the randomness of one object."""
        return random.Random(f"{self.seed}/{kind}/{number}")

    def id(self, kind: str, number: int) -> str:
        """Return an object's id."""
        return str(self.base[kind] + number)

    def some_number(self, rng: random.Random, kind: str) -> int:
        """Return the number of any object of a type, 0 if there is none."""
        return rng.randint(1, self.counts[kind]) if self.counts[kind] else 0

    def some_id(self, rng: random.Random, kind: str) -> str | None:
        """Return the id of any object of a type, if there is one."""
        number = self.some_number(rng, kind)
        return self.id(kind, number) if number else None

    def some_content(self, rng: random.Random) -> tuple[str, int]:
        """Return the type and the number of what people look at; a LookML dashboard has no number."""
        kind = rng.choices(list(CONTENT_SHARES), list(CONTENT_SHARES.values()))[0]
        number = self.some_number(rng, kind) if kind in self.counts else 0
        return (kind, number) if number else ("lookml_dashboard", 0)

    def reference(self, kind: str, number: int) -> dict[str, str]:
        """Return how boards and plans refer to content."""
        return {f"{kind}_id": self.id(kind, number) if number else LOOKML_DASHBOARD}

    # -- people -------------------------------------------------------------------------------------

    def is_embed_user(self, number: int) -> bool:
        """Return whether a user exists through signed embedding."""
        return self.whole and self.oddities and falls(number, EMBED_USER)

    def user_name(self, number: int) -> str:
        """Return first and last name, with a space between."""
        if not (self.whole and self.oddities):
            return f"{NAMES[number % len(NAMES)]} Example {number}"
        if falls(number, NAMESAKE):
            return self.user_name(number - 1)
        last = self.title(self.rng("name", number), number, ODD_NAME) if falls(number, ODD_NAME) else ""
        return f"{NAMES[number % len(NAMES)]} {last or f'Example {number}'}"

    def groups_of(self, user: int) -> list[str]:
        """Return the ids of a user's groups; everyone is in the first."""
        if not self.counts["group"]:
            return []
        rng, others = self.rng("groups of", user), range(2, self.counts["group"] + 1)
        chosen = rng.sample(others, min(rng.randrange(4), len(others)))
        return [self.id("group", number) for number in (1, *sorted(chosen))]

    def roles_of(self, user: int) -> list[str]:
        """Return the ids of a user's roles."""
        rng, roles = self.rng("roles of", user), range(1, self.counts["role"] + 1)
        chosen = rng.sample(roles, min(rng.randrange(3), len(roles)))
        return [self.id("role", number) for number in sorted(chosen)]

    @cached_property
    def group_sizes(self) -> Counter[str]:
        """How many users are in each group."""
        users = range(1, self.counts["user"] + 1)
        return Counter(group for user in users for group in self.groups_of(user))

    # -- titles -------------------------------------------------------------------------------------

    def title(self, rng: random.Random, number: int, turn: tuple[int, int]) -> str:
        """Return a title that no other object of the type has; where it is its turn, an odd one."""
        every, offset = turn
        if self.oddities and number > 0 and number % every == offset:
            again, which = divmod((number - offset) // every - (not offset), len(ODD_TITLES))
            return ODD_TITLES[which] + (f" #{number}" if again else "")
        first, second = rng.sample(WORDS, 2)
        return f"{first.capitalize()} and {second} — {rng.choice(REGIONS)} #{number}"
