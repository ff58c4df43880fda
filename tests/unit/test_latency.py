"""Slow answers: many of one kind, measured by itself."""

import math
import random

import pytest

from lvrestore.looker.latency import KNOWN_AFTER, VERDICT_OF, Baseline, LatencyWatch, template_of
from lvrestore.looker.pace import MAX_ROUND_S, MIN_ROUND_S


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/dashboards", "/dashboards"),
        ("/dashboards/42", "/dashboards/{id}"),
        ("/dashboards/thelook%3A%3Aorders", "/dashboards/{id}"),
        ("/dashboards/search", "/dashboards/search"),
        ("/folders/7/children", "/folders/{id}/children"),
        ("/users/7/credentials_email", "/users/{id}/credentials_email"),
        ("/groups/3/users/12", "/groups/{id}/users/{id}"),
        ("/lookml_models/thelook/explores/orders", "/lookml_models/{id}/explores/{id}"),
        ("/scheduled_plans/dashboard/42", "/scheduled_plans/{id}/{id}"),
    ],
)
def test_template(path, template):
    assert template_of(path) == template


def answers(median_s, rng=None, tail=1.0):
    """Answering times, log-normal: one in a hundred takes `tail` times the middle."""
    while True:
        yield rng.lognormvariate(math.log(median_s), math.log(tail) / 2.326) if rng else median_s


def verdicts(baseline, times, count, start=0.0):
    found = (baseline.slow_since(next(times), start + n) for n in range(count))
    return [since for since in found if since is not None]


def known(median_s=0.1):
    baseline = Baseline()
    assert verdicts(baseline, answers(median_s), 100) == []
    return baseline


def test_many_slow_answers_are_a_verdict_that_says_since_when():
    assert verdicts(known(), answers(0.5), 2 * VERDICT_OF, start=1000)[0] >= 1000


def test_one_outlier_is_none():
    baseline = known()
    assert verdicts(baseline, answers(60.0), 1) == []
    assert verdicts(baseline, answers(0.1), 100) == []


def test_some_slow_answers_among_quick_ones_are_none():
    baseline = known()
    mixed = iter([0.1, 5.0] * 100)
    assert verdicts(baseline, mixed, 200) == []


def test_as_soon_as_answers_are_quick_again_there_is_none():
    baseline = known()
    assert verdicts(baseline, answers(0.5), 60)
    assert verdicts(baseline, answers(0.1), 2 * VERDICT_OF)[1:] == []


def test_what_lasts_is_the_new_normal():
    baseline = known()
    assert verdicts(baseline, answers(0.5), 100)
    verdicts(baseline, answers(0.5), 400)
    assert verdicts(baseline, answers(0.5), 100) == []


def test_milliseconds_do_not_matter():
    assert verdicts(known(0.002), answers(0.1), 100) == []


def test_nothing_is_said_before_the_usual_is_known():
    baseline = Baseline()
    verdicts(baseline, answers(0.1), KNOWN_AFTER - VERDICT_OF)
    assert verdicts(baseline, answers(9.0), VERDICT_OF) == []


@pytest.mark.parametrize("median_s", [0.06, 0.15, 0.9])
def test_a_heavy_tail_is_not_slowness(median_s):
    """Half within the median, one in a hundred eight times that: 100,000 answers, 10 processes' worth."""
    rng = random.Random(7)
    for _ in range(10):
        assert verdicts(Baseline(), answers(median_s, rng, tail=8.0), 10_000) == []


@pytest.mark.parametrize("tail", [2.0, 4.0, 8.0])
def test_a_looker_that_becomes_five_times_slower_is_mostly_found_out(tail):
    rng, found = random.Random(11), 0
    for _ in range(20):
        baseline = Baseline()
        verdicts(baseline, answers(0.15, rng, tail), 300)
        found += bool(verdicts(baseline, answers(0.75, rng, tail), 6 * VERDICT_OF))
    assert found >= 15


def test_a_slow_kind_is_not_compared_with_a_quick_one():
    watch = LatencyWatch()
    for n in range(500):
        assert watch.slow_since("GET", f"/dashboards/{n}", 0.05, n) is None
        assert watch.slow_since("PATCH", f"/dashboards/{n}", 2.0, n) is None
        assert watch.slow_since("GET", "/dashboards/search", 5.0, n) is None


def test_objects_of_a_kind_are_judged_together():
    watch = LatencyWatch()
    said = [watch.slow_since("GET", f"/looks/{n}", 0.1 if n < 50 else 1.0, n) for n in range(80)]
    assert any(since is not None for since in said)


def test_a_round_is_some_answers_long_within_bounds():
    watch = LatencyWatch()
    assert watch.round_s == MAX_ROUND_S
    rounds = []
    for latency_s in (0.001, 0.1, 30.0):
        for n in range(200):
            watch.slow_since("GET", "/user", latency_s, n)
        rounds.append(watch.round_s)
    assert rounds == pytest.approx([MIN_ROUND_S, 0.3, MAX_ROUND_S], rel=0.01)
