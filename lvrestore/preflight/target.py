"""Which folders of a backup a given folder of the destination stands for, so that a whole tree goes into it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from lvrestore.errors import ValidationError
from lvrestore.model import ContentType, VaultRow
from lvrestore.plan.chosen import Chosen
from lvrestore.vault import BlobError, Vault
from lvrestore.vault.decode import decode_as

IN_FOLDERS = (ContentType.DASHBOARD, ContentType.LOOK)


class _Placed(msgspec.Struct):
    folder_id: str | None = None
    parent_id: str | None = None
    is_shared_root: bool | None = None


def stood_for(vault: Vault, chosen: Chosen, folder: str | None) -> set[str]:
    """The source ids of the folders for which the target stands.

    Items that were named one by one go right into it; of a `folder` that was chosen, the folder itself if folders are
    restored, else what lies in it; of everything, what lies in the folder that everybody shares.
    """
    with_folders = ContentType.FOLDER in chosen.types
    if folder is not None:
        top = vault.find_folder(folder)
        above = vault.folder_tree.folders[top].parent_id if with_folders else None
        return {above or top}
    if chosen.ids is not None or not vault.has_type(ContentType.FOLDER):
        return set(_places_of(vault, chosen))
    roots = (row.source_id for row, at in _placed(vault, ContentType.FOLDER) if at.is_shared_root)
    found = set(roots)
    if not found:
        raise ValidationError(
            "--target-folder: the backup does not say which folder everybody shares",
            "name the folder of the backup with --folder, or use [folders] of --remap",
        )
    return found


def _places_of(vault: Vault, chosen: Chosen) -> Iterator[str]:
    """The folders that the chosen items lie in."""
    for content_type in (one for one in chosen.types if one in {*IN_FOLDERS, ContentType.FOLDER}):
        for _, at in _placed(vault, content_type, chosen):
            place = at.parent_id if content_type is ContentType.FOLDER else at.folder_id
            if place:
                yield place


def _placed(
    vault: Vault, content_type: ContentType, chosen: Chosen | None = None
) -> Iterator[tuple[VaultRow, _Placed]]:
    for row in vault.rows(content_type, **(chosen.rows() if chosen else {})):
        try:
            yield row, decode_as(row.blob, _Placed)
        except BlobError:
            continue
