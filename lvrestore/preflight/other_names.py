"""Check what is called otherwise against the backup and the destination, before anything is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from lvrestore.errors import NotFoundError, UsageError, ValidationError
from lvrestore.looker.classify import Refused
from lvrestore.looker.client import GaveUp, LookerClient
from lvrestore.looker.protocol import Request
from lvrestore.model import ContentType, Json, VaultRow
from lvrestore.plan.remapping import (
    Survey,
    There,
    account_addresses,
    entries_by_row,
    listing,
    merged_groups,
    merged_users,
)
from lvrestore.preflight.discovery import Discovery
from lvrestore.preflight.problems import SelectedRows
from lvrestore.preflight.typed import explores_of, readable
from lvrestore.settings import Remap
from lvrestore.vault import BlobError, Vault, decode_blob

PAGE = 1000


class Palette(msgspec.Struct, frozen=True):
    """A palette, as far as it is referred to."""

    id: str


class ColorCollection(msgspec.Struct, frozen=True, rename="camel"):
    """The palettes of a colour collection, by sort."""

    id: str
    categorical_palettes: list[Palette] | None = None
    sequential_palettes: list[Palette] | None = None
    diverging_palettes: list[Palette] | None = None

    @property
    def palettes(self) -> frozenset[str]:
        """Their ids."""
        sorts = (self.categorical_palettes, self.sequential_palettes, self.diverging_palettes)
        return frozenset(one.id for sort in sorts for one in sort or ())


ColorCollections = list[ColorCollection]


class Folders(msgspec.Struct, frozen=True):
    """The folders of a remap: entries by the source's id, and the ids of targets that the destination has."""

    entries: dict[str, str] = {}
    targets: dict[str, str] = {}

    def here(self, remap: Remap) -> dict[str, str]:
        """The destination's ids by the source's."""
        found = {one: self.targets.get(remap.folders[entry]) for one, entry in self.entries.items()}
        return {source_id: to for source_id, to in found.items() if to is not None}


def find_folders(remap: Remap, backup: Vault, discovery: Discovery) -> Folders:
    """Find both sides of each folder; raise `ValidationError` where a path names several."""
    entries, targets = {}, {}
    try:
        for entry, target in remap.folders.items():
            if (source_id := _source_folder(backup, entry)) is not None:
                entries[source_id] = entry
            try:
                targets[target] = discovery.folder_id(target)
            except NotFoundError:
                continue  # it is listed with all the others that are missing
    except UsageError as several:
        raise ValidationError(f"--remap: {several}", several.hint) from several
    return Folders(entries, targets)


def require_other_instance(remap: Remap, *, same_instance: bool) -> None:
    """Raise `ValidationError` when names are to change on the very instance of the backup."""
    if remap and same_instance:
        raise ValidationError(
            "--remap is for another instance, and this is the one that was backed up",
            "leave out --remap: a restore puts things back as they were",
        )


def check_names(
    client: LookerClient, rows: SelectedRows, backup: Vault, remap: Remap, folders: Folders
) -> Iterator[str]:
    """Yield warnings about entries and names that lead nowhere; raise `ValidationError` for missing targets."""
    survey = Survey(remap, _entries(backup, remap, folders))
    for row in rows.rows():
        if survey.concerns(row.content_type) and (content := _decoded(row)) is not None:
            survey.add(row.content_type, row.source_id, content)
    there = _look_around(client, survey, frozenset(folders.targets))
    if missing := survey.missing(there):
        raise ValidationError(
            f"--remap: not on the destination: {listing(missing)}",
            "make them there first, or correct the file; nothing was written",
        )
    yield from survey.unmatched()
    yield from survey.left_behind(there)


def _entries(backup: Vault, remap: Remap, folders: Folders) -> dict[tuple[ContentType, str], str]:
    """Which entries are about which rows; raise `ValidationError` where several would become one."""
    people = list(account_addresses(_contents(backup, ContentType.USER))) if remap.users else []
    groups = list(_names(backup, ContentType.GROUP)) if remap.groups else []
    if merged := merged_users(people, remap):
        raise ValidationError(
            f"--remap: [users] gives several people one address: {listing(merged)}",
            "give each person of the backup an address of their own",
        )
    if merged := merged_groups(groups, remap):
        raise ValidationError(
            f"--remap: [groups] gives several groups one name: {listing(merged)}",
            "give each group of the backup a name of its own",
        )
    return entries_by_row(remap, people, groups, folders.entries)


def _source_folder(backup: Vault, entry: str) -> str | None:
    """The id of a folder of the backup; a backup without folder rows still says by id where its items lie."""
    try:
        return backup.find_folder(entry)
    except NotFoundError:
        return entry if entry.isdecimal() else None


def _contents(backup: Vault, content_type: ContentType) -> Iterator[tuple[str, dict[str, Json]]]:
    for row in backup.rows(content_type):
        if (content := _decoded(row)) is not None:
            yield row.source_id, content


def _decoded(row: VaultRow) -> dict[str, Json] | None:
    try:
        return decode_blob(row.blob)
    except BlobError:
        return None  # it fails by itself


def _names(backup: Vault, content_type: ContentType) -> Iterator[tuple[str, str]]:
    yield from ((source_id, str(one.get("name"))) for source_id, one in _contents(backup, content_type))


# --- what the destination has, asked only for what a decision depends on


def _look_around(client: LookerClient, survey: Survey, folders: frozenset[str]) -> There:
    tables = {table for table, _ in survey.used}
    return There(
        models=_models(client) if tables & {"models", "explores"} else None,
        connections=_named(client, "/connections") if survey.connections else None,
        palettes=_palettes(client) if survey.palettes else None,
        users=_addresses(client) if "users" in tables else None,
        groups=_named(client, "/groups", paged=True) if "groups" in tables else None,
        folders=folders,
    )


def _models(client: LookerClient) -> Mapping[str, frozenset[str]] | None:
    """The explores of each model; a caller that is shown no model at all knows nothing."""
    return explores_of(_listed(client, "/lookml_models", "name,explores(name)", paged=True))


def _palettes(client: LookerClient) -> Mapping[str, frozenset[str]] | None:
    """The palettes of each colour collection, by ids."""
    listed = _listed(client, "/color_collections", ",".join(ColorCollection.__struct_encode_fields__))
    found = readable(listed, ColorCollections)
    if found is None:
        return None
    return {one.id: one.palettes for one in found}


def _addresses(client: LookerClient) -> frozenset[str] | None:
    found = _listed(client, "/users", "id,email", paged=True)
    return None if found is None else frozenset(str(one.get("email") or "").casefold() for one in found)


def _named(client: LookerClient, where: str, *, paged: bool = False) -> frozenset[str] | None:
    found = _listed(client, where, "name", paged=paged)
    return None if found is None else frozenset(str(one.get("name")) for one in found)


def _listed(client: LookerClient, where: str, fields: str, *, paged: bool = False) -> list[Json] | None:
    """All objects of a collection; None when the caller may not read it, or nothing answers.

    The run itself says what to do about an instance that does not answer.
    """
    found: list[Json] = []
    while True:
        page = {"limit": str(PAGE), "offset": str(len(found))} if paged else {}
        try:
            reply = client.call(Request("GET", where, {"fields": fields, **page})).json
        except (Refused, GaveUp):
            return None
        if paged and reply == found[-len(reply) :]:
            return found  # a server that knows no `offset` would give the same page for ever
        found += reply
        if not paged or len(reply) < PAGE:
            return found
