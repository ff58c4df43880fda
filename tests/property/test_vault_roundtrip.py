"""Whatever Looker content is encoded comes back the same."""

from datetime import UTC

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from lvrestore.model import ContentType
from lvrestore.text import printable
from lvrestore.vault import BlobError, bare_id, decode_blob
from lvrestore.vault.folders import Folder, FolderTree

TIMES = st.datetimes(timezones=st.just(UTC))
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | TIMES
FLOATS = st.floats(allow_nan=False)
VALUES = st.recursive(
    SCALARS | FLOATS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30
)
CONTENTS = st.dictionaries(st.text(), VALUES)


@given(CONTENTS)
def test_msgpack_round_trip(content):
    assert decode_blob(msgspec.msgpack.encode(content)) == content


@given(st.dictionaries(st.text(), st.text() | st.integers(-(2**63), 2**63 - 1) | st.none()))
def test_json_round_trip(content):
    assert decode_blob(msgspec.json.encode(content)) == content


def refusal(blob):
    """Return why a blob is refused, or None when it decodes."""
    try:
        assert isinstance(decode_blob(blob), dict)
    except BlobError as error:
        return error.reason
    return None


@given(st.binary(min_size=1))
def test_any_bytes_decode_or_are_refused_with_a_reason(blob):
    assert refusal(blob) != ""


@given(CONTENTS, st.data())
def test_a_cut_blob_is_refused(content, data):
    blob = msgspec.msgpack.encode(content)
    assert refusal(blob[: data.draw(st.integers(0, len(blob) - 1))])


@given(st.sampled_from(ContentType), st.text())
def test_bare_ids_lose_only_their_own_prefix(content_type, source_id):
    assert bare_id(content_type, f"{content_type.label}::{source_id}") == source_id
    assert bare_id(content_type, f"model_x::{source_id}") == f"model_x::{source_id}"


@given(st.text())
def test_printable_text_has_no_control_characters(text):
    shown = printable(text)
    shown.encode()
    assert not any(ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 for char in shown)


@given(st.dictionaries(st.integers(0, 12).map(str), st.none() | st.integers(0, 12).map(str)))
def test_folder_trees_end_whatever_the_parents_are(parents):
    tree = FolderTree(Folder(folder_id, f"f{folder_id}", parent) for folder_id, parent in parents.items())
    for folder_id in parents:
        assert tree.descendants(folder_id) <= set(parents) - {folder_id}
