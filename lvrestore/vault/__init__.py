"""Read a lookervault backup: open, select, stream, decode, check. Never writes."""

from lvrestore.vault.check import check, reference_states
from lvrestore.vault.decode import (
    BlobError,
    ContentDeserializer,
    convert,
    decode_as,
    decode_blob,
    encode_like,
)
from lvrestore.vault.definitions import Definitions
from lvrestore.vault.foreign_keys import Reference, explores_of, palettes_of, references_of
from lvrestore.vault.lookups import Lookups
from lvrestore.vault.reader import (
    IdForm,
    TypeCount,
    Vault,
    VaultInfo,
    open_vault,
)
from lvrestore.vault.selection import Deleted, DoneIn, Size, Wanted, bare_id
from lvrestore.vault.trashed import is_deleted

__all__ = [
    "BlobError",
    "ContentDeserializer",
    "Definitions",
    "Deleted",
    "DoneIn",
    "IdForm",
    "Lookups",
    "Reference",
    "Size",
    "TypeCount",
    "Vault",
    "VaultInfo",
    "Wanted",
    "bare_id",
    "check",
    "convert",
    "decode_as",
    "decode_blob",
    "encode_like",
    "explores_of",
    "is_deleted",
    "open_vault",
    "palettes_of",
    "reference_states",
    "references_of",
]
