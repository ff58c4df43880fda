"""Which of two kinds of objects belong together: members of groups, holders of roles, parts of boards."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable


def id_order(text: str) -> tuple[int, str]:
    """Sort ids as the numbers that most of them are."""
    return (int(text), "") if text.isdecimal() else (1 << 62, text)


def _closure(starts: Iterable[str], step: Callable[[str], list[str]]) -> set[str]:
    """Return the starts and all that can be reached from them, which may be in circles."""
    seen, waiting = set[str](), list(starts)
    while waiting:
        current = waiting.pop()
        if current not in seen:
            seen.add(current)
            waiting.extend(step(current))
    return seen


class Relation:
    """Pairs of ids, found from either side, in the order in which they were made."""

    def __init__(self) -> None:
        self._rights: dict[str, dict[str, None]] = {}
        self._lefts: dict[str, dict[str, None]] = {}

    def add(self, left: str, right: str) -> None:
        """Add a pair, once."""
        self._rights.setdefault(left, {})[right] = None
        self._lefts.setdefault(right, {})[left] = None

    def remove(self, left: str, right: str) -> None:
        """Remove a pair."""
        del self._rights[left][right]
        del self._lefts[right][left]

    def has(self, left: str, right: str) -> bool:
        """Tell whether the two belong together."""
        return right in self._rights.get(left, ())

    def rights(self, left: str) -> list[str]:
        """Return what belongs to the left one."""
        return list(self._rights.get(left, ()))

    def lefts(self, right: str) -> list[str]:
        """Return what the right one belongs to."""
        return list(self._lefts.get(right, ()))

    def count(self, left: str) -> int:
        """Return how many belong to the left one."""
        return len(self._rights.get(left, ()))

    def set_rights(self, left: str, rights: Iterable[str]) -> None:
        """Let exactly these belong to the left one."""
        self.forget_left(left)
        for right in rights:
            self.add(left, right)

    def set_lefts(self, right: str, lefts: Iterable[str]) -> None:
        """Let the right one belong to exactly these."""
        self.forget_right(right)
        for left in lefts:
            self.add(left, right)

    def forget_left(self, left: str) -> None:
        """Remove every pair of the left one."""
        for right in self._rights.pop(left, ()):
            del self._lefts[right][left]

    def forget_right(self, right: str) -> None:
        """Remove every pair of the right one."""
        for left in self._lefts.pop(right, ()):
            del self._rights[left][right]


class Access:
    """Who is in which group, and who has which role."""

    def __init__(self, users: Collection[str]) -> None:
        self._users = users
        self.everyone = ""  # the group that every user is in without being put there
        self.members = Relation()  # group, user
        self.nested = Relation()  # group, group inside it
        self.user_roles = Relation()  # role, user
        self.group_roles = Relation()  # role, group

    def groups_of(self, user_id: str) -> list[str]:
        """Return the groups that a user is in directly."""
        every = [self.everyone] if self.everyone else []
        return sorted({*every, *self.members.lefts(user_id)}, key=id_order)

    def members_of(self, group_id: str) -> list[str]:
        """Return the users that are in a group directly."""
        if group_id == self.everyone:
            return list(self._users)
        return sorted(self.members.rights(group_id), key=id_order)

    def member_count(self, group_id: str) -> int:
        """Return how many users are in a group directly."""
        return len(self._users) if group_id == self.everyone else self.members.count(group_id)

    def groups_below(self, group_id: str) -> set[str]:
        """Return a group and all groups inside it, at any depth."""
        return _closure([group_id], self.nested.rights)

    def roles_of(self, user_id: str, *, inherited: bool) -> list[str]:
        """Return a user's roles, those of its groups among them or not."""
        roles = set(self.user_roles.lefts(user_id))
        if inherited:
            groups = _closure(self.groups_of(user_id), self.nested.lefts)
            roles.update(role for group_id in groups for role in self.group_roles.lefts(group_id))
        return sorted(roles, key=id_order)

    def users_with(self, role_id: str, *, inherited: bool) -> list[str]:
        """Return the users that have a role, those who have it through groups among them or not."""
        users = set(self.user_roles.rights(role_id))
        if inherited:
            groups = _closure(self.group_roles.rights(role_id), self.nested.rights)
            users.update(user for group_id in groups for user in self.members_of(group_id))
        return sorted(users, key=id_order)

    def forget_user(self, user_id: str) -> None:
        """Take a user out of all groups and roles."""
        self.members.forget_right(user_id)
        self.user_roles.forget_right(user_id)

    def forget_group(self, group_id: str) -> None:
        """Empty a group, and take it out of all groups and roles."""
        self.members.forget_left(group_id)
        self.nested.forget_left(group_id)
        self.nested.forget_right(group_id)
        self.group_roles.forget_right(group_id)

    def forget_role(self, role_id: str) -> None:
        """Take a role from everyone."""
        self.user_roles.forget_left(role_id)
        self.group_roles.forget_left(role_id)
