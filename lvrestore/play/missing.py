"""Say what an item lacks: by name, on which side, why, and what can be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lvrestore.content.knowledge import References
from lvrestore.content.writing.homes import account_needed, called, can_be_made, is_made_by_login
from lvrestore.errors import DependencyError, QueryRefusedError, explained, is_undefined
from lvrestore.model import ContentType, ItemError, Json, Lack
from lvrestore.text import person_name, quoted

# What a remap file can give another name to.
REMAPPED = frozenset({"lookml_model", "folder", "user", "group"})
DECLARED = "if this is the instance that was backed up, add --same-instance: its ids are then used"
BY_RETRY = "`lvrestore failures retry --fix-dependencies` restores first what the backup has of it"
ELSEWHERE = "`--orphans-to FOLDER` puts it into another folder"
IN_THE_BACKUP = "the backup has it: restore it first, or `lvrestore all`, which does"


def message_of(failure: DependencyError, refs: References, *, is_rehearsal: bool = False) -> str:
    """The whole text of a dependency error; a rehearsal leaves no dead letter that could be tried again."""
    missing = failure.missing
    if isinstance(failure, QueryRefusedError):
        return str(failure) + _left_out(missing, refs)
    of_backup = not failure.known
    names = ", ".join(_described(one, refs, of_backup=of_backup) for one in missing)
    if failure.known:
        text = f"missing on the destination: {names}"
    else:
        text = f"no counterpart on the destination is known for {names}"
    return text + _remedies(missing, refs, of_backup=of_backup, is_rehearsal=is_rehearsal)


def lacking(lacks: Sequence[Lack], refs: References, *, is_rehearsal: bool = False) -> ItemError:
    """What a partial item is without: each part, and what that part needs."""
    missing = tuple(dict.fromkeys(one.missing for one in lacks))
    parts = ", ".join(f"{one.part} ({_reason(one, refs)})" for one in lacks)
    unexplained = tuple(dict.fromkeys(one.missing for one in lacks if not one.why))
    remedies = _remedies(unexplained, refs, of_backup=True, is_rehearsal=is_rehearsal)
    message = f"partly restored, without {parts}{remedies}"
    return ItemError(kind=DependencyError.kind, message=message, blockers=missing)


def _reason(lack: Lack, refs: References) -> str:
    if lack.why:
        return f"{lack.missing}: {lack.why}"
    kind, source_id = _item(lack.missing)
    named, comes_otherwise = _named(lack.missing, source_id, refs)
    if is_undefined(lack.missing):
        return named
    tried = not comes_otherwise and _is_item(kind) and refs.ended(kind, source_id)
    return f"{named} is not on the destination{', this run could not bring it' if tried else ''}"


def _remedies(missing: tuple[str, ...], refs: References, *, of_backup: bool, is_rehearsal: bool) -> str:
    """What can be done about all that is missing."""
    return (
        _advice(missing, refs, of_backup=of_backup, is_rehearsal=is_rehearsal)
        + _left_out(missing, refs)
        + _undefined(missing, refs)
    )


def _described(missing: str, refs: References, *, of_backup: bool) -> str:
    """What is missing, like `folder 7`, with its name in the backup and what is particular to it."""
    kind, item_id = _item(missing)
    source_id = _source_id(kind, item_id, refs, of_backup=of_backup)
    text, comes_otherwise = _named(missing, source_id, refs)
    if comes_otherwise or source_id is None or _content(kind, source_id, refs) is None:
        return text
    ended = " (this run could not restore it either)" if refs.ended(kind, source_id) else ""
    return text + ended


def _named(missing: str, source_id: str | None, refs: References) -> tuple[str, bool]:
    """What is missing with its name in the backup, and whether no run makes it: some folders come with their users."""
    kind, item_id = _item(missing)
    content = _content(kind, source_id, refs)
    if content is None or source_id is None:
        return explained(missing), False
    if kind == "folder":
        return called(source_id, refs), _comes_otherwise(content, refs)
    return f"{missing} {quoted(name)}" if (name := _name(content)) not in {"", item_id} else missing, False


def _comes_otherwise(folder: Mapping[str, Json], refs: References) -> bool:
    return folder.get("is_personal") is True or is_made_by_login(folder, refs)


def _advice(missing: tuple[str, ...], refs: References, *, of_backup: bool, is_rehearsal: bool) -> str:
    """What can be done: about that which the backup has, about folders, and about names that differ."""
    items = [_item(one) for one in missing]
    found = [
        (kind, source_id)
        for kind, item_id in items
        if (source_id := _source_id(kind, item_id, refs, of_backup=of_backup)) is not None
        and _can_come(kind, source_id, refs)
    ]
    accounts = [owner for kind, i in found if kind == "folder" and (owner := account_needed(i, refs))]
    advice = []
    if found:
        advice.append(IN_THE_BACKUP if is_rehearsal else BY_RETRY)
    if accounts:
        advice[-1] += f", with the account of {accounts[0]}, its groups and its roles if that is gone"
    if any(kind == "folder" for kind, _ in items) and refs.policy.orphans_to is None:
        advice.append(ELSEWHERE)
    if not refs.same_instance and any(kind in REMAPPED for kind, _ in items):
        advice.append("a --remap file says what is called otherwise there")
    if refs.policy.could_be_same:
        advice.append(DECLARED)
    return "".join(f"; {one}" for one in advice)


def _can_come(kind: str, source_id: str, refs: References) -> bool:
    """Whether a retry can bring what is missing: the backup has it, and this run has not failed with it."""
    if kind == "folder":
        folder = _content(kind, source_id, refs)
        ended = refs.ended(kind, source_id) and not (folder and folder.get("is_personal") is True)
        return can_be_made(source_id, refs) and not ended
    there = _content(kind, source_id, refs) is not None
    return there and not refs.marked_deleted(kind, source_id) and not refs.ended(kind, source_id)


def _left_out(missing: tuple[str, ...], refs: References) -> str:
    """What to do about that which is in the backup and was not asked for."""
    left_out = [f"{kind} {i}" for kind, i in map(_item, missing) if refs.marked_deleted(kind, i)]
    if not left_out:
        return ""
    are = "is" if len(left_out) == 1 else "are"
    return f" ({', '.join(left_out)} {are} deleted in the backup: --deleted include takes such rows)"


def _undefined(missing: tuple[str, ...], refs: References) -> str:
    """Where the definition of a query can be had, that is in no backup, or why the source does not give it."""
    undefined = [one for one in missing if is_undefined(one) and not refs.same_instance]
    reasons = {one: refs.withheld(*one.split(" ", 1)) for one in undefined}
    said = [f"the source does not give {one}: {why}" for one, why in reasons.items() if why]
    if undefined and not said:
        return "; if the old instance still runs, --source NAME reads it there ([instances.NAME] in the config file)"
    return "".join(f"; {one}" for one in said)


def _item(missing: str) -> tuple[str, str]:
    kind, _, item_id = missing.partition(" ")
    return kind, item_id


def _is_item(kind: str) -> bool:
    return kind.upper() in ContentType.__members__


def _source_id(kind: str, item_id: str, refs: References, *, of_backup: bool) -> str | None:
    """The backup's id of what is missing; what a reference was translated to has the destination's id."""
    if of_backup:
        return item_id
    return refs.mapped_from(kind, item_id) or (item_id if refs.same_instance else None)


def _content(kind: str, source_id: str | None, refs: References) -> Mapping[str, Json] | None:
    if source_id is None or not _is_item(kind):
        return None
    return refs.content(kind, source_id)


def _name(content: Mapping[str, Json]) -> str:
    return str(content.get("title") or content.get("name") or person_name(content))
