"""What generators may know, answered from the state file and, rarely, the vault."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from lvrestore.content.references import MappedId
from lvrestore.model import ContentType
from lvrestore.state.store import Scope, StateReader
from lvrestore.vault import Vault, open_vault


class StateReferences:
    """Committed mappings, read fresh each time: another worker may have just made one."""

    def __init__(
        self,
        reader: StateReader,
        scope: Scope,
        vault_path: Path,
        planned: Mapping[tuple[str, str], MappedId],
        *,
        same_instance: bool,
    ) -> None:
        self._reader, self._scope, self._vault_path = reader, scope, vault_path
        self._planned = planned
        self._vault: Vault | None = None
        self._one_at_a_time = threading.Lock()
        self.same_instance = same_instance

    def mapped(self, kind: str, source_id: str) -> MappedId | None:
        """The committed mapping, if there is one."""
        return self._planned.get((kind, source_id)) or self._reader.mapping(self._scope, kind, source_id)

    def in_vault(self, kind: str, source_id: str) -> bool:
        """Whether the vault holds the object, or nothing of that kind."""
        content_type = ContentType[kind.upper()]
        with self._one_at_a_time:
            # Opening looks through the whole file, so it is done once, and only when somebody asks.
            if self._vault is None:
                self._vault = open_vault(self._vault_path)
            return not self._vault.has_type(content_type) or self._vault.has(content_type, source_id)

    def close(self) -> None:
        """Close the vault, if it was needed."""
        with self._one_at_a_time:
            if self._vault is not None:
                self._vault.close()
                self._vault = None
