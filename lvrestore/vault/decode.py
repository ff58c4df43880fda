"""Decode the content column: msgpack as lookervault writes it, or JSON, untyped or into a struct."""

from __future__ import annotations

import re
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from lvrestore.errors import DeserializationError

if TYPE_CHECKING:
    from lvrestore.model import VaultRow

T = TypeVar("T")
Decoder = msgspec.json.Decoder[Any] | msgspec.msgpack.Decoder[Any]

_LOCATED = re.compile(r"(?P<reason>.*) - at `(?P<field>.+)`", re.DOTALL)
# All that the decoders raise for bytes that are not what they should be; deep nesting is a RecursionError.
_UNDECODABLE = (msgspec.MsgspecError, ValueError, OverflowError, RecursionError)
_ONE_AT_A_TIME = threading.Lock()


class BlobError(ValueError):
    """A content column cannot be decoded: `reason`, and the path inside the content where known."""

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(reason, field)
        self.reason, self.field = reason, field

    def __str__(self) -> str:
        return f"{self.reason} at {self.field}" if self.field else self.reason


def decode_blob(blob: bytes) -> dict[str, Any]:
    """Return the content as a dict; timestamps at any depth are aware datetimes (strings, in JSON blobs)."""
    return decode_as(blob, dict[str, Any])


def decode_as(blob: bytes, as_type: type[T]) -> T:
    """Return the content as `as_type`, any msgspec struct; raise BlobError with the reason and the field."""
    if not blob:
        raise BlobError("the content is empty")
    try:
        decoder = _decoder(as_type, is_json=_is_json(blob))
        decoded: T = decoder.decode(blob)
    except _UNDECODABLE as error:
        raise _explained(error) from error
    return decoded


def encode_like(blob: bytes, content: dict[str, Any]) -> bytes:
    """Return the content in the form that `blob` has."""
    return msgspec.json.encode(content) if _is_json(blob) else msgspec.msgpack.encode(content)


def convert(content: dict[str, Any], as_type: type[T]) -> T:
    """Return decoded content as `as_type`, or raise BlobError with the reason and the field."""
    try:
        return msgspec.convert(content, as_type)
    except _UNDECODABLE as error:
        raise _explained(error) from error


class ContentDeserializer:
    """Decode vault rows; every failure is a DeserializationError that names the row."""

    def deserialize(self, row: VaultRow, as_type: type[T]) -> T:
        """Return the row's content as `as_type`: a struct, or `dict` for all of it."""
        try:
            return decode_as(row.blob, as_type)
        except BlobError as error:
            raise _of_row(row, error) from error

    def validate_schema(self, row: VaultRow, content: dict[str, Any], as_type: type[T]) -> T:
        """Return content that is decoded already as `as_type`, or raise what `deserialize` would."""
        try:
            return convert(content, as_type)
        except BlobError as error:
            raise _of_row(row, error) from error


def _of_row(row: VaultRow, error: BlobError) -> DeserializationError:
    return DeserializationError(row.content_type.label, row.source_id, error.reason, error.field)


def _is_json(blob: bytes) -> bool:
    # In msgpack a first byte `{` would be the bare number 123, so the two cannot be confused.
    return blob[:64].lstrip().startswith(b"{")


def _decoder(as_type: Any, *, is_json: bool) -> Decoder:  # noqa: ANN401 - lru_cache wants a hashable
    # Two threads that make the first decoder of a type at once crash the interpreter (msgspec 0.22).
    with _ONE_AT_A_TIME:
        return _cached_decoder(as_type, is_json=is_json)


@lru_cache(maxsize=128)
def _cached_decoder(as_type: Any, *, is_json: bool) -> Decoder:  # noqa: ANN401 - as above
    return msgspec.json.Decoder(as_type) if is_json else msgspec.msgpack.Decoder(as_type)


def _explained(error: Exception) -> BlobError:
    if isinstance(error, RecursionError):
        return BlobError("the content is nested too deeply")
    text = str(error)
    located = _LOCATED.fullmatch(text)
    return BlobError(located["reason"], located["field"]) if located else BlobError(text)
