"""Reading a vault for the sandbox: which fields are kept, and how times are."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from lvrestore.sandbox.api.facts import writable
from lvrestore.sandbox.api.views import TIME_FIELDS, View
from lvrestore.vault import BlobError, decode_blob

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lvrestore.model import ContentType, VaultRow
    from lvrestore.sandbox.instance import Instance
    from lvrestore.sandbox.store import Row
    from lvrestore.vault import Vault

_TIMES = frozenset(TIME_FIELDS)
_EMBEDDED = {"folder", "look", "query", "result_maker", "model", "permission_set", "model_set"}


def fields_of(view: View, *more: str) -> Row:
    """Return the fields of a type that are kept, with what a reply shows when a row lacks them."""
    names = {"id", *(writable(view.type_name).keys() - _EMBEDDED - _TIMES), *more} & view.defaults.keys()
    return {name: view.defaults[name] for name in names}


def _stamp(value: object) -> float | None:
    """Read a time, which is text in vaults with JSON content."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return round(value.timestamp(), 3) if isinstance(value, datetime) else None


class Reader:
    """Reads rows of a vault, and keeps equal values once."""

    def __init__(self, instance: Instance, vault: Vault) -> None:
        self.instance, self.store, self.vault = instance, instance.store, vault
        # Equal values are one object: fifty thousand dashboards say the same things over and over.
        self._shared: dict[object, Any] = {}

    def contents(self, content_type: ContentType) -> Iterator[tuple[VaultRow, Row]]:
        """Yield the rows that can be read; what cannot was hardly on the instance in that form."""
        for row in self.vault.rows(content_type, deleted="include"):
            try:
                content = decode_blob(row.blob)
            except BlobError:
                continue
            yield row, {**content, "id": str(content.get("id") or row.source_id)}

    def living(self, content_type: ContentType, kind: str) -> Iterator[Row]:
        """Yield the contents that the vault does not mark deleted; the ids of the others are not given out again."""
        for row, content in self.contents(content_type):
            self.store.reserve(kind, content["id"])
            if row.deleted_at is None:
                yield content

    def share(self, value: Any) -> Any:  # noqa: ANN401 - any JSON
        """Return the first value that was equal to this one."""
        if isinstance(value, str):
            return self._shared.setdefault(value, value)
        return self._shared.setdefault(msgspec.json.encode(value), value) if value else value

    def kept(self, content: Row, fields: Row) -> Row:
        """Return the fields that are to be kept and are not what a reply shows without them."""
        row: Row = {}
        for name, value in content.items():
            if value is None:
                continue
            if name in fields:
                if value is not fields[name]:
                    row[name] = self.share(value) if isinstance(value, (str, dict, list)) else value
            elif name in _TIMES:
                row[name] = _stamp(value)
        return row
