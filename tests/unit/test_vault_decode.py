"""Decoding of the content column."""

import pickle
from datetime import UTC, datetime

import msgspec
import pytest

from lvrestore.errors import DeserializationError
from lvrestore.model import ContentType, VaultRow
from lvrestore.vault import BlobError, ContentDeserializer, decode_as, decode_blob

AT = datetime(2024, 5, 1, 10, 0, 0, 123000, tzinfo=UTC)


class Tile(msgspec.Struct):
    id: str
    title: str | None = None


class Dashboard(msgspec.Struct):
    id: str
    created_at: datetime | None = None
    dashboard_elements: list[Tile] | msgspec.UnsetType = msgspec.UNSET


def make_row(blob: bytes) -> VaultRow:
    return VaultRow(content_type=ContentType.DASHBOARD, source_id="42", name="Sales", blob=blob)


def test_timestamps_at_any_depth_are_aware_datetimes():
    content = {"id": "1", "at": AT, "folder": {"created_at": AT, "all": [{"deep": [AT]}]}}
    assert decode_blob(msgspec.msgpack.encode(content)) == content


@pytest.mark.parametrize("seconds", [0, 1_700_000_000, 2**33])
def test_timestamps_of_every_length(seconds):
    at = datetime.fromtimestamp(seconds, tz=UTC)
    assert decode_blob(msgspec.msgpack.encode({"at": at})) == {"at": at}


@pytest.mark.parametrize("lead", [b"", b" \n"])
def test_json_blobs_are_accepted(lead):
    assert decode_blob(lead + b'{"id": "1", "title": "\xc3\xa9"}') == {"id": "1", "title": "é"}
    assert (
        decode_as(lead + b'{"id": "1", "created_at": "2024-05-01T10:00:00.123Z"}', Dashboard).created_at == AT
    )


def test_absent_and_empty_stay_apart():
    assert decode_as(msgspec.msgpack.encode({"id": "1"}), Dashboard).dashboard_elements is msgspec.UNSET
    given = decode_as(msgspec.msgpack.encode({"id": "1", "dashboard_elements": []}), Dashboard)
    assert given.dashboard_elements == []


@pytest.mark.parametrize(
    ("blob", "reason"),
    [
        (b"", "empty"),
        (b"\xde\x00", "truncated"),
        (msgspec.msgpack.encode({"id": "1"})[:-1], "truncated"),
        (msgspec.msgpack.encode({"id": "1"}) + b"x", "malformed"),
        (b'{"id": ', "truncated"),
        (b"\x81\xa2id\xa2\xff\xfe", "utf-8"),
        (msgspec.msgpack.encode([1, 2]), "Expected `object`, got `array`"),
        (b"\x81\xa1a" + b"\x91" * 100_000 + b"\xc0", "nested too deeply"),
        (b"\x81\xa1a\xc7\x0c\xff\xff\xff\xff\xff" + b"\xff" * 8, ""),
    ],
)
def test_a_broken_blob_has_a_reason(blob, reason):
    with pytest.raises(BlobError) as caught:
        decode_blob(blob)
    assert isinstance(caught.value, ValueError)
    assert reason in caught.value.reason


def test_the_error_names_row_and_field_and_survives_pickling():
    tiles = [{"id": "1"}, {"id": "2", "title": 7}]
    blob = msgspec.msgpack.encode({"id": "42", "dashboard_elements": tiles})
    with pytest.raises(DeserializationError) as caught:
        ContentDeserializer().deserialize(make_row(blob), Dashboard)
    error = pickle.loads(pickle.dumps(caught.value))
    assert (error.content_type, error.source_id) == ("dashboard", "42")
    assert error.field == "$.dashboard_elements[1].title"
    assert error.reason == "Expected `str | null`, got `int`"


def test_validate_schema_says_the_same_of_decoded_content():
    with pytest.raises(DeserializationError) as caught:
        ContentDeserializer().validate_schema(make_row(b""), {"id": 1}, Dashboard)
    assert caught.value.field == "$.id"
