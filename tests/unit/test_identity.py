"""Which evidence proves an instance."""

import pytest

from lvrestore.plan.identity import Evidence, compare, judge, settled


@pytest.mark.parametrize(
    ("matches", "contradictions", "rows", "same"),
    [
        (3, 0, 3, True),
        (2, 0, 3, False),
        (2, 0, 2, True),
        (1, 0, 2, False),
        (0, 0, 0, False),
        (5, 4, 3, True),
        (5, 5, 3, False),
        (3, 9, 3, False),
    ],
)
def test_three_matches_or_all_rows_that_outnumber_the_contradictions(matches, contradictions, rows, same):
    assert judge(Evidence(matches, contradictions), rows).same is same


def test_times_a_second_apart_are_one_time_and_unknown_ones_say_nothing():
    pairs = [
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:01.000+00:00"),
        ("2024-01-01T00:00:00", "2024-01-01T01:00:00+01:00"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:03Z"),
        (None, "2024-01-01T00:00:00Z"),
        ("not a time", "2024-01-01T00:00:00Z"),
    ]
    assert compare(pairs) == Evidence(matches=2, contradictions=1)


def test_three_contradictions_settle_it_as_well():
    assert settled(Evidence(0, 3))
    assert not settled(Evidence(2, 2))
