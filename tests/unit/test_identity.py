"""Which evidence proves an instance."""

import pytest

from lvrestore.plan.identity import Evidence, Verdict, compare, declared_same, judge, settled


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


def test_a_declaration_stands_where_no_evidence_speaks_against_it():
    for matches in (0, 2):
        found = judge(Evidence(matches, 0, 17))
        assert declared_same(found) == Verdict(same=True, evidence=found.evidence, declared=True)
    assert declared_same(judge(Evidence(2, 1))) is None


def test_a_proof_is_no_declaration():
    found = judge(Evidence(5, 1))
    assert declared_same(found) == found
    assert not found.declared


@pytest.mark.parametrize(("there", "looked_for", "thin"), [(6, 490, True), (49, 490, False), (0, 0, False)])
def test_evidence_is_thin_where_most_is_gone(there, looked_for, thin):
    assert Evidence(there, 0, looked_for).is_thin is thin


def test_evidence_says_how_many_of_how_many_are_there():
    assert str(Evidence(6, 0, 490)) == "6 of 490 objects are there with the same id and creation time"
    assert str(Evidence(1, 2)).startswith("1 object is there")
    assert "2 with the same id and another creation time" in str(Evidence(1, 2))
