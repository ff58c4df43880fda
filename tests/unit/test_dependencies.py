"""The order between types and between folders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvrestore.errors import ValidationError
from lvrestore.model import ContentType
from lvrestore.plan.dependencies import DEPENDS_ON, DependencyGraph, by_depth


def test_every_type_comes_after_all_it_depends_on():
    order = DependencyGraph().get_restoration_order(list(ContentType))
    assert sorted(order) == sorted(ContentType)
    for one in order:
        assert not {other for other in DEPENDS_ON[one] if order.index(other) > order.index(one)}


def test_dependencies_at_any_distance():
    found = DependencyGraph().get_dependencies(ContentType.BOARD)
    assert {ContentType.DASHBOARD, ContentType.FOLDER, ContentType.PERMISSION_SET} <= found
    assert ContentType.SCHEDULED_PLAN not in found


def test_a_cycle_of_types_is_named():
    graph = DependencyGraph({ContentType.LOOK: [ContentType.BOARD], ContentType.BOARD: [ContentType.LOOK]})
    with pytest.raises(ValidationError, match=r"look -> board -> look|board -> look -> board"):
        graph.validate_no_cycles()
    DependencyGraph().validate_no_cycles()


def test_parents_come_first_and_circles_last():
    parents = {"c": "b", "a": None, "b": "a", "x": "y", "y": "x", "z": "x", "o": "not here"}
    waves = by_depth(parents)
    assert [set(wave) for wave in waves] == [{"a", "o"}, {"b"}, {"c"}, {"x", "y", "z"}]


@given(st.dictionaries(st.integers(0, 12).map(str), st.none() | st.integers(0, 14).map(str)))
def test_nothing_is_lost_and_no_child_precedes_its_parent(parents):
    waves = by_depth(parents)
    place = {one: n for n, wave in enumerate(waves) for one in wave}
    assert sorted(place) == sorted(parents)
    for one, parent in parents.items():
        assert (
            parent not in place or place[parent] < place[one] or place[parent] == place[one] == len(waves) - 1
        )
