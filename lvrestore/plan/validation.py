"""What will go wrong, said before anything is written: a line per problem, with how many items it concerns."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from lvrestore.content.kinds import KINDS
from lvrestore.content.moved.renaming import remapped
from lvrestore.content.outgoing import Outgoing, outgoing, untouchable
from lvrestore.content.writing.required import check_required
from lvrestore.errors import DeserializationError, ValidationError
from lvrestore.model import ContentType, Json, VaultRow
from lvrestore.plan.dependencies import DependencyGraph
from lvrestore.settings import AS_BACKED_UP, Policy
from lvrestore.vault.decode import ContentDeserializer
from lvrestore.vault.foreign_keys import explores_of, references_of

API = "4.0"
# As many lines as a person reads before answering a question.
LINES = 20
# So many ids are held back before the destination is asked for them: questions are few, memory is bounded.
AT_ONCE = 20_000
# Any one of these permissions lets an account write the type. (Saving had one permission per type once.)
PERMISSIONS: Mapping[ContentType, tuple[str, ...]] = {
    ContentType.DASHBOARD: ("save_content", "save_dashboards"),
    ContentType.LOOK: ("save_content", "save_looks"),
    ContentType.LOOKML_MODEL: ("manage_models",),
    ContentType.FOLDER: ("manage_spaces",),
    ContentType.SCHEDULED_PLAN: ("schedule_look_emails",),
    ContentType.GROUP: ("manage_groups",),
    ContentType.ROLE: ("manage_roles",),
    # No permission but the whole of an Admin's is sure to do for these.
    ContentType.USER: (),
    ContentType.PERMISSION_SET: (),
    ContentType.MODEL_SET: (),
}
# What it means for one item, and for several, that another one is missing.
LOST = ("cannot be restored", "cannot be restored")
OWNED = ("gets another owner", "get another owner")
WITHIN = ("lies in it", "lie in it")
PLACED = ("lies in it (--orphans-to gives it a place)", "lie in it (--orphans-to gives them a place)")
NAMED = ("refers to it", "refer to it")
NEEDED = ("fails without it", "fail without it")
PARTLY = ("will be partly restored", "will be partly restored")
MEANING: Mapping[tuple[ContentType, ContentType], tuple[str, str]] = {
    (ContentType.DASHBOARD, ContentType.USER): OWNED,
    (ContentType.LOOK, ContentType.USER): OWNED,
    (ContentType.BOARD, ContentType.USER): OWNED,
    (ContentType.DASHBOARD, ContentType.FOLDER): WITHIN,
    (ContentType.LOOK, ContentType.FOLDER): WITHIN,
    (ContentType.FOLDER, ContentType.FOLDER): WITHIN,
    (ContentType.DASHBOARD, ContentType.LOOK): PARTLY,
    (ContentType.BOARD, ContentType.DASHBOARD): PARTLY,
    (ContentType.BOARD, ContentType.LOOK): PARTLY,
    (ContentType.USER, ContentType.FOLDER): PARTLY,
    (ContentType.USER, ContentType.GROUP): PARTLY,
    (ContentType.SCHEDULED_PLAN, ContentType.DASHBOARD): NEEDED,
    (ContentType.SCHEDULED_PLAN, ContentType.LOOK): NEEDED,
    (ContentType.SCHEDULED_PLAN, ContentType.USER): NEEDED,
    (ContentType.ROLE, ContentType.PERMISSION_SET): NEEDED,
    (ContentType.ROLE, ContentType.MODEL_SET): NEEDED,
}
# The server makes this folder together with its user.
PERSONAL = "$.personal_folder_id"

Content = dict[str, Any]
# Which of these source ids have no object on the destination? What cannot be told is not among them.
Absent = Callable[[ContentType, Collection[str]], Collection[str]]


class Problem(msgspec.Struct, frozen=True):
    """Something that concerns `items` selected items. `what` is like `folder 7`; `message` is for people.

    `kind`: `api_version`, `permission`, `model`, `explore`, `owner`, `reference`, `content`, or `more` for the
    last line, whose `items` are the problems that were left out.
    """

    kind: str
    what: str
    items: int
    message: str


class Account(msgspec.Struct, frozen=True):
    """The account that the API key belongs to, with all that its roles permit."""

    name: str
    is_admin: bool
    permissions: frozenset[str] = frozenset()


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the destination; None is "unknown", which is no problem.

    `versions` is the reply of GET /versions. `models` are the configured models with their explores; of a model
    without any nothing is known but its name.
    """

    absent: Absent
    versions: Json = None
    account: Account | None = None
    models: Mapping[str, frozenset[str]] | None = None


class Backup(Protocol):
    """The selected part of a vault, and the rest of it."""

    @property
    def counts(self) -> Mapping[ContentType, int]:
        """How many items of each type are selected."""
        ...

    def rows(self) -> Iterable[VaultRow]:
        """The selected items."""
        ...

    def selected(self, content_type: ContentType, source_id: str) -> bool:
        """Whether an item is selected."""
        ...

    def has(self, content_type: ContentType, source_id: str) -> bool:
        """Whether the vault holds an item at all."""
        ...


class RestorationValidator:
    """Looks for what will go wrong. Reads nothing itself; keeps ids in memory, never contents."""

    def __init__(
        self, destination: Destination, graph: DependencyGraph | None = None, policy: Policy = AS_BACKED_UP
    ) -> None:
        """`policy` says what is called otherwise on the destination, and which folders stand for which."""
        self._destination, self._policy = destination, policy
        self._related = _related(graph or DependencyGraph())

    def validate_pre_flight(self, backup: Backup) -> list[Problem]:
        """Return what concerns the run as a whole, then the rest by the number of items, as far as `LINES`."""
        contents = _Contents(self.validate_content, self._policy)
        missing = self._missing(contents.sound(backup.rows()), backup)
        general = [*self._version(backup), *self._account(backup)]
        return [*general, *_lines([*missing, *contents.found], contents.untold)]

    def validate_content(self, one: Outgoing) -> Problem | None:
        """Return why Looker would refuse a new object of this body, as far as the body alone tells it."""
        reason = _refusal(one)
        return Problem("content", one.which, 1, reason) if reason else None

    def validate_dependencies(
        self, contents: Iterable[tuple[ContentType, Content]], backup: Backup
    ) -> list[Problem]:
        """Return what these items refer to and neither the destination nor the selection has, as far as `LINES`."""
        return _lines(self._missing(contents, backup))

    # -- the destination as a whole

    def _version(self, backup: Backup) -> Iterator[Problem]:
        said = (self._destination.versions or {}).get("supported_versions") or ()
        names = [str(one.get("version")) for one in said]
        urls = [str(one.get("swagger_url")) for one in said]
        if names and API not in names and not any(f"/{API}/" in url for url in urls):
            total = sum(backup.counts.values())
            message = f"the instance has no API {API}, only {', '.join(names)}: {_items(total, LOST)}"
            yield Problem("api_version", API, total, message)

    def _account(self, backup: Backup) -> Iterator[Problem]:
        account = self._destination.account
        if account is None or account.is_admin:
            return
        doubtful = [
            f"{n:,} {t.label.replace('_', ' ')}{'s' if n != 1 else ''} (needs {_permission(t)})"
            for t, n in backup.counts.items()
            if n and t in PERMISSIONS and not account.permissions & set(PERMISSIONS[t])
        ]
        message = f"{account.name} is no Admin: what it may not see seems to be absent"
        if doubtful:
            message += f", and it may not be allowed to write {', '.join(doubtful)}"
        yield Problem("permission", account.name, sum(backup.counts.values()), message)

    # -- what items refer to

    def _missing(self, contents: Iterable[tuple[ContentType, Content]], backup: Backup) -> list[_Finding]:
        objects = _Missing(lambda content_type, ids: self._gone(content_type, ids, backup))
        explores: Counter[tuple[str, str]] = Counter()
        for content_type, content in contents:
            objects.add(self._references(content_type, content))
            named = explores_of(content_type, content)
            # A model counts once for an item, whichever of its explores that names.
            explores.update(named | {(model, "") for model, _ in named})
        objects.settle()
        found = [_object(target, items, backup) for target, items in objects.found.items()]
        return [*found, *self._explores(explores, backup)]

    def _references(self, content_type: ContentType, content: Content) -> set[_Target]:
        return {
            _Target(one.content_type, one.source_id, self._meaning(content_type, one.content_type))
            for one in references_of(content_type, content)
            if one.content_type in self._related[content_type] and one.path != PERSONAL
        }

    def _meaning(self, content_type: ContentType, other: ContentType) -> tuple[str, str]:
        """What it means for an item that something of another type is missing."""
        meaning = MEANING.get((content_type, other), NAMED)
        return PLACED if meaning is WITHIN and self._policy.orphans_to is not None else meaning

    def _gone(self, content_type: ContentType, ids: Collection[str], backup: Backup) -> Collection[str]:
        others = [source_id for source_id in ids if not backup.selected(content_type, source_id)]
        return self._destination.absent(content_type, others) if others else ()

    def _explores(self, named: Mapping[tuple[str, str], int], backup: Backup) -> Iterator[_Finding]:
        models = self._destination.models
        if models is None:
            return
        for (model, explore), items in named.items():
            there = models.get(model)
            if there is None and not explore and not backup.selected(ContentType.LOOKML_MODEL, model):
                yield _finding("model", f"model {model}", items, "is not configured on the destination")
            elif there and explore and explore not in there:
                what = f"explore {explore} of model {model}"
                yield _finding("explore", what, items, "is not on the destination")


def require_usable(row: VaultRow, content: Content) -> None:
    """Raise `DeserializationError` when no object can be made of a row, as far as its content alone tells it."""
    vault = _typed(row, content)
    if untouchable(row.content_type, vault):
        return
    for one in outgoing(row.content_type, vault):
        if reason := _refusal(one):
            raise DeserializationError(row.content_type.label, row.source_id, reason)


def _typed(row: VaultRow, content: Content) -> msgspec.Struct:
    vault = ContentDeserializer().validate_schema(row, content, KINDS[row.content_type].shape)
    return msgspec.structs.replace(vault, id=row.source_id)


def _refusal(one: Outgoing) -> str | None:
    reason = None
    if unknown := sorted(one.body.keys() - set(one.writes.__struct_fields__)):
        reason = f"the backup of {one.which} has what Looker does not take: {', '.join(unknown)}"
    try:
        msgspec.convert(one.body, one.writes)
        check_required(one.kind, one.body, one.which)
    except msgspec.ValidationError as error:
        reason = f"the backup of {one.which} cannot be used: {error}"
    except ValidationError as error:
        reason = str(error)
    return reason


class _Target(NamedTuple):
    """What is referred to, and what it means that it is missing."""

    content_type: ContentType
    source_id: str
    meaning: tuple[str, str]


class _Finding(NamedTuple):
    """A problem whose sentence is made when it is among those that are told."""

    kind: str
    what: str
    items: int
    say: Callable[[], str]


class _Contents:
    """Decodes rows one at a time, and finds those that no object can be made of."""

    def __init__(self, validate: Callable[[Outgoing], Problem | None], policy: Policy) -> None:
        """`untold` counts what was found beyond the `LINES` that are remembered."""
        self._validate, self._policy = validate, policy
        self._deserializer = ContentDeserializer()
        self.found: list[_Finding] = []
        self.untold = 0

    def sound(self, rows: Iterable[VaultRow]) -> Iterator[tuple[ContentType, Content]]:
        """Yield the contents that can be restored."""
        for row in rows:
            if row.content_type is ContentType.FOLDER and row.source_id in self._policy.folders:
                continue  # another one stands for it
            try:
                content: Content = self._deserializer.deserialize(row, dict)
                content = remapped(row.content_type, content, self._policy.remap)
                vault = _typed(row, content)
            except DeserializationError as error:
                self._note(Problem("content", f"{row.content_type.label} {row.source_id}", 1, str(error)))
                continue
            if untouchable(row.content_type, vault):
                continue
            problems = [found for one in outgoing(row.content_type, vault) if (found := self._validate(one))]
            if problems:
                self._note(problems[0])
            else:
                yield row.content_type, content

    def _note(self, problem: Problem) -> None:
        if len(self.found) < LINES:
            self.found.append(_Finding(problem.kind, problem.what, 1, lambda: problem.message))
        else:
            self.untold += 1


class _Missing:
    """Counts items by what they refer to, and keeps what is gone."""

    def __init__(self, gone: Callable[[ContentType, Collection[str]], Collection[str]]) -> None:
        self._gone = gone
        self._open: Counter[_Target] = Counter()
        self.found: Counter[_Target] = Counter()

    def add(self, targets: Iterable[_Target]) -> None:
        """Count one item that refers to these."""
        for target in targets:
            (self.found if target in self.found else self._open)[target] += 1
        if len(self._open) >= AT_ONCE:
            self.settle()

    def settle(self) -> None:
        """Ask which of them are gone, and forget the others."""
        ids: defaultdict[ContentType, set[str]] = defaultdict(set)
        for target in self._open:
            ids[target.content_type].add(target.source_id)
        gone = {content_type: set(self._gone(content_type, some)) for content_type, some in ids.items()}
        self.found.update({t: n for t, n in self._open.items() if t.source_id in gone[t.content_type]})
        self._open.clear()


def _related(graph: DependencyGraph) -> Mapping[ContentType, frozenset[ContentType]]:
    """For each type, those that come before or after it in a run. Models are looked at by name, with explores."""
    before = {one: graph.get_dependencies(one) for one in ContentType}
    return {
        one: frozenset({one} | before[one] | {t for t in before if one in before[t]})
        - {ContentType.LOOKML_MODEL}
        for one in ContentType
    }


def _permission(content_type: ContentType) -> str:
    return " or ".join(PERMISSIONS[content_type]) or "Admin"


def _object(target: _Target, items: int, backup: Backup) -> _Finding:
    what = f"{target.content_type.label} {target.source_id}"

    def say() -> str:
        known = backup.has(target.content_type, target.source_id)
        where = "not selected" if known else "not in the backup"
        return f"{what} is not on the destination and {where}: {_items(items, target.meaning)}"

    return _Finding("owner" if target.meaning is OWNED else "reference", what, items, say)


def _finding(kind: str, what: str, items: int, wrong: str) -> _Finding:
    return _Finding(kind, what, items, lambda: f"{what} {wrong}: {_items(items, NAMED)}")


def _items(items: int, meaning: tuple[str, str]) -> str:
    return f"1 item {meaning[0]}" if items == 1 else f"{items:,} items {meaning[1]}"


def _lines(found: Sequence[_Finding], untold: int = 0) -> list[Problem]:
    """The problems that concern most items; the rest in one line."""
    told = sorted(found, key=lambda one: (-one.items, one.kind, one.what))[:LINES]
    lines = [Problem(one.kind, one.what, one.items, one.say()) for one in told]
    rest = len(found) - len(told) + untold
    return [*lines, Problem("more", "", rest, f"and {rest:,} more")] if rest else lines
