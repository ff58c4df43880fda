"""The tree of folders: numbers only, in a few bytes per folder."""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterator

from vaultmaker.shapes import Content

ROOTS: dict[int, Content] = {
    1: {"name": "Shared", "is_shared_root": True},
    2: {"name": "Users", "is_users_root": True},
    3: {"name": "Embed Groups", "is_embed_shared_root": True},
    4: {"name": "Embed Users", "is_embed_users_root": True},
}
SHARED, USERS, EMBED_GROUPS, EMBED_USERS = ROOTS
DEEPEST_FOLDER = 6
# (every, offset) among the ordinary folders.
IN_PERSONAL = (15, 13)
IN_EMBED = (40, 20)


class Tree:
    """Four roots, a personal folder for each user, the ordinary ones, and the one of LookML."""

    def __init__(self, users: int, folders: int) -> None:
        self.users, self.first = users, len(ROOTS) + users + 1
        self.count = len(ROOTS) + users + folders + 1
        self.parents = array("I", bytes(4 * (self.count + 1)))
        self.children = array("I", self.parents)
        self.depths = bytearray(self.count + 1)

    def hang(self, number: int, parent: int) -> None:
        """Put a folder under another one."""
        self.parents[number] = parent
        self.depths[number] = self.depths[parent] + 1
        self.children[parent] += 1

    def owner(self, number: int) -> int:
        """Return the number of the user whose personal folder it is, 0 for other folders."""
        return number - len(ROOTS) if len(ROOTS) < number < self.first else 0

    def above(self, number: int) -> Iterator[int]:
        """Yield the folders that a folder lies in, the root last."""
        while number := self.parents[number]:
            yield number


def plant(rng: random.Random, users: int, folders: int, embedded: list[int], *, whole: bool) -> Tree:
    """Return a tree with every depth; a whole one has ordinary folders in personal and embed ones."""
    tree = Tree(users, folders)
    tree.depths[SHARED] = tree.depths[USERS] = tree.depths[EMBED_GROUPS] = tree.depths[EMBED_USERS] = 1
    for user in range(1, users + 1):
        tree.hang(len(ROOTS) + user, USERS)
    for user in embedded:
        tree.children[USERS] -= 1
        tree.hang(len(ROOTS) + user, EMBED_USERS)
    for number in range(tree.first, tree.first + folders):
        tree.hang(number, _parent(tree, rng, number, whole=whole))
    return tree


def _parent(tree: Tree, rng: random.Random, number: int, *, whole: bool) -> int:
    place = number - tree.first
    # The first ones go straight down, so that every vault has the deepest level.
    above = number - 1 if place < DEEPEST_FOLDER - 1 else rng.randrange(tree.first, number)
    if whole and place % IN_EMBED[0] == IN_EMBED[1]:
        return EMBED_GROUPS
    if whole and tree.users and place % IN_PERSONAL[0] == IN_PERSONAL[1]:
        return len(ROOTS) + 1 + above % tree.users
    return above if place and tree.depths[above] < DEEPEST_FOLDER else SHARED
