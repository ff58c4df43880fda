"""The rate: gently up, down at a sign of overload, and back in time."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvrestore.looker.pace import (
    LATEST_RECOVERY_S,
    LEAST_RATE,
    LEAST_SHARE_WHEN_SLOW,
    LONGEST_PAUSE_S,
    MAX_ROUND_S,
    RECOVERED_S,
    START_RATE,
    Pace,
    open_rate,
    recovering_rate,
)
from lvrestore.looker.shared import local_cells

RATES = st.floats(LEAST_RATE, 5000)
CEILINGS = st.none() | st.integers(1, 500)
# What may happen to a run: so many seconds of sending at most so fast, or a sign of overload.
DEMAND = st.tuples(st.just("sends"), st.floats(0.1, 30), st.floats(0.5, 400))
REFUSAL = st.tuples(st.just("refused"), st.floats(0, 150), st.just(0.0))
SLOWNESS = st.tuples(st.just("slow"), st.just(0.0), st.just(0.0))
HISTORIES = st.lists(DEMAND | REFUSAL | SLOWNESS, max_size=30)


def make_pace(ceiling=None):
    pace = Pace(ceiling, local_cells(Pace.SIZE))
    pace.clear()
    return pace


def use(pace, now, seconds, demand, round_s=MAX_ROUND_S):
    """Send as fast as permitted, but not faster than `demand`; tell when that was over."""
    end = now + seconds
    while now < end:
        pace.sent(now, round_s)
        now += 1.0 / min(pace.rate(now), demand)
    return now


def play(pace, history, now=0.0):
    for what, value, demand in history:
        if what == "sends":
            now = use(pace, now, value, demand)
        elif what == "refused":
            pace.refused(now, now + value)
            pace.refused_too()
        else:
            pace.slowed(now, now)
        yield now


@given(low=RATES, plateau=RATES, full=RATES)
def test_a_recovery_rises_from_the_lowest_to_full(low, plateau, full):
    low, plateau, full = sorted((low, plateau, full))
    rates = [recovering_rate(t / 2, low, plateau, full) for t in range(-4, 2 * int(RECOVERED_S) + 4)]
    assert rates == sorted(rates)
    assert (rates[0], rates[-1]) == (low, full)


@given(rate=RATES, used=RATES, elapsed_s=st.floats(0.1, 100))
def test_an_open_road_at_most_doubles_the_rate_and_never_ends(rate, used, elapsed_s):
    new = open_rate(rate, used, elapsed_s, START_RATE)
    assert min(rate, START_RATE) <= new <= 2 * rate


def test_the_rate_doubles_once_per_round():
    pace = make_pace()
    rates = []
    now = 0.0
    for _ in range(6):
        rates.append(pace.rate(now))
        now = use(pace, now, 1.02 * MAX_ROUND_S, demand=1e6)
    assert rates == [START_RATE * 2**n for n in range(6)]


def test_the_quicker_the_answers_the_quicker_the_start():
    pace = make_pace()
    use(pace, 0.0, 1.05, demand=1e6, round_s=0.1)
    assert pace.rate(1.05) >= 2**9 * START_RATE


@given(demand=st.floats(1, 1000), seconds=st.floats(30, 120))
@settings(max_examples=30, deadline=None)
def test_the_rate_does_not_run_away_from_what_is_used(demand, seconds):
    pace = make_pace()
    now = use(pace, 0.0, seconds, demand)
    assert pace.rate(now) <= max(START_RATE, 3.0 * demand)


def test_a_run_that_becomes_slow_by_itself_takes_the_rate_with_it():
    pace = make_pace()
    now = use(pace, 0.0, 10, demand=1000)
    assert pace.rate(now) > 1000
    now = use(pace, now, 60, demand=100)
    assert pace.rate(now) == pytest.approx(200, rel=0.1)


@settings(max_examples=150, deadline=None)
@given(ceiling=CEILINGS, history=HISTORIES)
def test_the_rate_stays_between_the_least_and_the_ceiling(ceiling, history):
    pace = make_pace(ceiling)
    highest = ceiling or float("inf")
    for now in play(pace, history):
        for later in (now, now + 1, now + 100):
            assert min(LEAST_RATE, highest) <= pace.rate(later) <= highest


@settings(max_examples=150, deadline=None)
@given(ceiling=CEILINGS, before=DEMAND, history=HISTORIES, silence_s=st.floats(0, 150))
def test_two_minutes_after_the_last_refusal_the_rate_is_what_it_was(ceiling, before, history, silence_s):
    """Whatever happens in between: many cuts, long pauses, slow answers."""
    pace = make_pace(ceiling)
    _, _, demand = before
    now = use(pace, 0.0, 60.0, demand)
    was = min(pace.rate(now), max(demand, START_RATE)) * 0.99
    events = [(what, value, demand) for what, value, _ in history]
    now = list(play(pace, [*events, ("sends", 0.0, demand)], now))[-1]
    pace.refused(now, now + silence_s)
    assert pace.rate(now + 120.0) >= was
    resumed = use(pace, now + 120.0, 10.0, demand)
    assert pace.rate(resumed) >= min(was, demand)


def test_recovery_and_the_longest_pause_fit_into_two_minutes():
    assert LATEST_RECOVERY_S + RECOVERED_S <= 120.0


@settings(max_examples=50, deadline=None)
@given(demand=st.floats(60, 300), refusals=st.integers(1, 40))
def test_every_refusal_of_a_new_round_cuts_until_the_least(demand, refusals):
    pace = make_pace()
    now = use(pace, 0.0, 60.0, demand)
    rates = [pace.rate(now)]
    for _ in range(refusals):
        pace.refused(now, now + 0.25)
        now += 0.25
        rates.append(pace.rate(now))
    assert all(new < old or new == LEAST_RATE for old, new in itertools.pairwise(rates))
    assert rates[1] <= 0.961 * demand


def test_what_was_sent_before_the_end_of_a_cuts_pause_is_old():
    pace = make_pace()
    assert not pace.is_old(-1e9)
    pace.refused(10.0, 12.0)
    assert pace.is_old(11.9)
    assert not pace.is_old(12.0)


def test_near_the_rate_of_the_refusal_the_recovery_lingers():
    pace = make_pace(100)
    now = use(pace, 0.0, 60.0, demand=1e6)
    pace.refused(now, now)
    for _ in range(9):
        pace.refused_too()
    assert [round(pace.rate(now + s)) for s in (0, 2.5, 5)] == [80, 98, 100]


def test_after_several_rounds_it_lingers_at_the_last_and_then_returns_to_the_first():
    pace = make_pace(100)
    now = use(pace, 0.0, 60.0, demand=1e6)
    for _ in range(5):
        pace.refused(now, now)
    assert [round(pace.rate(now + s)) for s in (0, 5, 10, 30)] == [82, 85, 85, 100]


def test_slow_answers_to_what_was_sent_before_a_cut_do_not_cut_again():
    pace = make_pace(100)
    now = use(pace, 0.0, 60.0, demand=1e6)
    pace.slowed(now, now - 1.0)
    rate = pace.rate(now)
    pace.slowed(now + 0.1, now - 0.1)
    assert (rate, pace.rate(now)) == (80, 80)
    pace.refused(now + 0.2, now + 1.0)
    rate = pace.rate(now + 0.2)
    pace.slowed(now + 0.9, now + 0.1)
    assert pace.rate(now + 0.2) == rate


def test_further_refusals_never_raise_a_rate_that_was_cut_since():
    pace = make_pace(100)
    now = use(pace, 0.0, 60.0, demand=1e6)
    pace.refused(now, now)
    for _ in range(50):
        pace.slowed(now, now)
    low = pace.rate(now)
    pace.refused_too()
    assert pace.rate(now) <= low


def test_slow_answers_alone_leave_a_share():
    pace = make_pace(100)
    now = use(pace, 0.0, 60.0, demand=1e6)
    for _ in range(50):
        pace.slowed(now, now)
    assert pace.rate(now) == LEAST_SHARE_WHEN_SLOW * 100


def test_slow_answers_do_not_raise_a_rate_that_is_lower_still():
    pace = make_pace(100)
    now = use(pace, 0.0, 60.0, demand=1e6)
    for _ in range(150):
        pace.refused(now, now)
    assert pace.rate(now) == LEAST_RATE
    pace.slowed(now, now)
    assert pace.rate(now) == LEAST_RATE


def test_pauses_have_a_longest():
    pace = make_pace()
    for _ in range(2000):
        pace.struck()
    assert pace.next_pause_s() == LONGEST_PAUSE_S
