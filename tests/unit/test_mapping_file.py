"""Files of mappings that people write."""

import io

import pytest

from lvrestore.errors import IDMappingError
from lvrestore.state.mapping_file import read_mappings


def read(text):
    rows, problems = read_mappings(io.StringIO(text, newline=""))
    return [(r.line, r.content_type, r.source_id, r.destination_id) for r in rows], [
        (p.line, p.message.partition(":")[0]) for p in problems
    ]


def test_columns_come_in_any_order_and_others_are_not_looked_at():
    text = "note, destination_id ,source_id,content_type\nhello, 900 ,1,dashboard\n,901,2,Look\n"
    assert read(text) == ([(2, "dashboard", "1", "900"), (3, "Look", "2", "901")], [])


def test_a_file_without_the_columns_is_refused():
    with pytest.raises(IDMappingError, match="no column content_type or destination_id") as refused:
        read("type,source_id,to\ndashboard,1,2\n")
    assert "content_type,source_id,destination_id" in refused.value.hint
    with pytest.raises(IDMappingError, match="no column"):
        read("")


def test_a_row_that_lacks_something_is_named_by_its_line():
    text = 'content_type,source_id,destination_id\n"look",1,\n,,5\nlook,3,4\n'
    assert read(text) == (
        [(4, "look", "3", "4")],
        [(2, "destination_id missing"), (3, "content_type and source_id missing")],
    )


def test_json_is_an_array_or_lines():
    one = '{"content_type": "look", "source_id": 1, "destination_id": "2"}'
    assert read(f"[{one}, 5]") == ([(1, "look", "1", "2")], [(2, "it is no JSON object")])
    assert read(f"\n{one}\n\n{{nonsense\n{one}\n") == (
        [(2, "look", "1", "2"), (5, "look", "1", "2")],
        [(4, "it is no JSON object")],
    )
    with pytest.raises(IDMappingError, match="no JSON"):
        read(f"[{one}")


def test_what_is_no_csv_is_told_with_its_place():
    with pytest.raises(IDMappingError, match="after line 1 the file of mappings is no CSV"):
        read(f"content_type,source_id,destination_id\nlook,1,{'9' * 200_000}\n")


def test_what_is_no_id_is_none():
    text = '{"content_type": "look", "source_id": true, "destination_id": [1]}'
    assert read(text) == ([], [(1, "source_id and destination_id missing")])
