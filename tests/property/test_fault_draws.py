"""Faults are drawn: shares come out as asked for, the same seed repeats, and rules do not disturb each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvrestore.sandbox.faults import Faults, parse_rule

SHARES = st.sampled_from([0.0, 0.005, 0.02, 0.1, 0.5, 0.9, 1.0])
CALLS = st.lists(st.tuples(st.sampled_from(["GET", "POST"]), st.sampled_from(["/x", "/y"])), max_size=200)


def faults_of(seed, *shares, **more):
    faults = Faults(seed)
    for share in shares:
        # With a window it is in force for ever, also when the share is 1.
        faults.add(parse_rule({"fault": "drop_before", "probability": share, "until": 1e9} | more))
    return faults


def hits(faults, calls):
    """Which calls are hit: (place of the call, label of the rule)."""
    taken = [faults.take(method, path, float(i)) for i, (method, path) in enumerate(calls)]
    return [(i, rule.label) for i, rule in enumerate(taken) if rule]


@given(seed=st.integers(), share=SHARES)
def test_share_converges(seed, share):
    n = 10_000
    hit = len(hits(faults_of(seed, share), [("GET", "/x")] * n))
    # Six standard deviations; exact at both ends.
    assert abs(hit - share * n) <= 6 * (n * share * (1 - share)) ** 0.5


@given(seed=st.integers(), shares=st.lists(SHARES, max_size=4), calls=CALLS)
def test_same_seed_and_calls_meet_the_same_faults(seed, shares, calls):
    assert hits(faults_of(seed, *shares), calls) == hits(faults_of(seed, *shares), calls)


@given(calls=CALLS)
def test_calls_that_do_not_fit_change_no_draw(calls):
    wanted = [call for call in calls if call == ("POST", "/x")]
    alone = hits(faults_of(1, 0.5, method="POST", path="/x"), wanted)
    amid = hits(faults_of(1, 0.5, method="POST", path="/x"), calls)
    places = [i for i, call in enumerate(calls) if call == ("POST", "/x")]
    assert [places[i] for i, _ in alone] == [i for i, _ in amid]


def test_another_seed_and_another_rule_draw_differently():
    calls = [("GET", "/x")] * 500
    first, second = hits(faults_of(1, 0.5), calls), hits(faults_of(2, 0.5), calls)
    assert first != second
    behind = faults_of(1, 0.0, 0.5)
    assert hits(behind, calls) != first


@given(skip=st.integers(0, 50), times=st.integers(1, 50))
def test_so_many_pass_and_so_many_are_hit(skip, times):
    faults = Faults()
    faults.add(parse_rule({"fault": "truncate", "skip": skip, "times": times}))
    assert hits(faults, [("GET", "/x")] * 120) == [(i, "truncate") for i in range(skip, skip + times)]
    assert faults.rules == []


@pytest.mark.parametrize(
    ("given_keys", "hit"),
    [({}, 1), ({"times": 3}, 3), ({"until": 10}, 10), ({"from": 5}, 15), ({"probability": 0.0}, 0)],
)
def test_how_many_are_hit_when_nobody_says(given_keys, hit):
    faults = Faults()
    faults.add(parse_rule({"fault": "refuse", **given_keys}))
    assert len(hits(faults, [("GET", "/x")] * 20)) == hit
