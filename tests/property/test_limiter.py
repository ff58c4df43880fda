"""The limiter: never more than its ceilings in any window, and hardly less."""

import collections
import contextlib
import heapq
import itertools
import multiprocessing
import os
import pickle
import random
import signal
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvrestore.looker.gate import MAX_PAUSE_S, Gate
from lvrestore.looker.limiter import SLICE_S, LocalLimiter, NoLimit, SharedLimiter, StoppedWaiting
from lvrestore.looker.pace import LOWEST, MAX_ROUND_S, SHORTEST_PAUSE_S
from lvrestore.looker.shared import local_cells

CEILINGS = st.tuples(st.none() | st.integers(1, 40), st.none() | st.integers(1, 400)).filter(any)


def never():
    return False


def make_gate(per_second=None, per_minute=None):
    gate = Gate(per_second, per_minute, local_cells(Gate.size(per_second, per_minute)))
    gate.clear()
    return gate


def most_in_any_window(times, window_s):
    """The largest number of these times in any half-open window."""
    times = sorted(times)
    most, first = 0, 0
    for last, at in enumerate(times):
        while at - times[first] >= window_s:
            first += 1
        most = max(most, last - first + 1)
    return most


def none():
    return 0.0


def simulate(gate, *, callers, seconds, lateness=none, start=0.0, busy_s=none, answer=lambda now: None):
    """Let callers ask again and again on a simulated clock; each wakes late by `lateness()`.

    `answer` is called when a request is answered, which is `busy_s()` after it was sent.
    """
    sent, order = [], itertools.count()
    events = [(start, next(order), None, None) for _ in range(callers)]
    heapq.heapify(events)
    while events and events[0][0] < start + seconds:
        now, _, number, asked_at = heapq.heappop(events)
        if number is None:
            if asked_at is not None:
                answer(now)
            number = gate.draw()
        opens_at = gate.opens_at(number, now)
        if opens_at > now:
            wake_at = min(opens_at, now + SLICE_S) + lateness()
            heapq.heappush(events, (wake_at, next(order), number, None))
            continue
        gate.use(number, now, 0.0, MAX_ROUND_S)
        sent.append(now)
        heapq.heappush(events, (now + busy_s(), next(order), None, now))
    return sent


@settings(max_examples=60, deadline=None)
@given(ceilings=CEILINGS, callers=st.integers(1, 60), late_s=st.floats(0, 0.3), data=st.data())
def test_no_window_holds_more_than_its_ceiling(ceilings, callers, late_s, data):
    """Whatever the pace does meanwhile."""
    rng = random.Random(data.draw(st.integers(0, 999)))
    gate = make_gate(*ceilings)

    def trouble(now):
        match rng.randrange(200):
            case 0:
                gate.overloaded(now, now - rng.uniform(0, 3), rng.choice([None, 0.0, 2.5]), too_many=True)
            case 1:
                gate.pace.slowed(now, now - rng.uniform(0, 3))
            case 2:
                gate.pace.came_through(now)

    sent = simulate(
        gate,
        callers=callers,
        seconds=130,
        start=rng.uniform(0, 1e6),
        lateness=lambda: rng.expovariate(1 / late_s) if late_s else 0.0,
        busy_s=lambda: rng.uniform(0, 0.5),
        answer=trouble,
    )
    per_second, per_minute = ceilings
    assert sent
    assert per_second is None or most_in_any_window(sent, 1.0) <= per_second
    assert per_minute is None or most_in_any_window(sent, 60.0) <= per_minute
    assert gate.counts().permitted == len(sent)


@settings(max_examples=15, deadline=None)
@given(ceilings=CEILINGS, callers=st.integers(1, 60), seed=st.integers(0, 999))
def test_what_is_permitted_is_used(ceilings, callers, seed):
    rng = random.Random(seed)
    minutes = 6
    sent = simulate(
        make_gate(*ceilings), callers=callers, seconds=60.0 * minutes, lateness=lambda: rng.uniform(0, 0.002)
    )
    per_second, per_minute = (ceiling or 10**9 for ceiling in ceilings)
    permitted = min(per_second * 60.0, per_minute) * minutes
    assert len(sent) >= 0.97 * permitted


@settings(max_examples=40, deadline=None)
@given(ceilings=CEILINGS | st.just((None, None)), pause_s=st.floats(0, 300), seed=st.integers(0, 99))
def test_nobody_sends_in_a_pause(ceilings, pause_s, seed):
    gate = make_gate(*ceilings)
    rng = random.Random(seed)
    simulate(gate, callers=1, seconds=5, busy_s=lambda: 0.01)
    gate.pause(pause_s, 5.0)
    sent = simulate(gate, callers=5, seconds=200, start=5.0, busy_s=lambda: rng.uniform(0.2, 0.3))
    assert min(sent) >= 5.0 + min(pause_s, MAX_PAUSE_S)


@pytest.mark.parametrize("ceiling", [None, 50])
def test_those_who_waited_out_a_pause_do_not_all_send_at_once(ceiling):
    gate = make_gate(ceiling)
    simulate(gate, callers=64, seconds=10, busy_s=lambda: 1.0)
    gate.pause(5.0, 10.0)
    sent = simulate(gate, callers=64, seconds=6, start=10.0, busy_s=lambda: 1.0)
    assert sum(at < 15.1 for at in sent) <= 16


def test_callers_pass_in_the_order_in_which_they_came():
    """Give or take who wakes late; nobody is overtaken by half of the 32 callers."""
    gate, rng, passed = make_gate(20), random.Random(3), []
    use = gate.use

    def record(number, *rest):
        passed.append(number)
        use(number, *rest)

    gate.use = record
    simulate(gate, callers=32, seconds=120, lateness=lambda: rng.uniform(0, 0.04))
    assert sorted(passed) == list(range(len(passed)))
    assert max(abs(place - number) for place, number in enumerate(passed)) < 16


@pytest.mark.parametrize("ceilings", [(10, None), (None, None)])
def test_waiters_that_die_cost_the_others_a_moment_only(ceilings):
    alive, some_dead = make_gate(*ceilings), make_gate(*ceilings)
    for _ in range(10):
        some_dead.draw()
    undisturbed, sent = (
        simulate(gate, callers=20, seconds=20, busy_s=lambda: 0.05) for gate in (alive, some_dead)
    )
    assert sent[0] <= 1.1
    assert len(sent) >= len(undisturbed) - 11


def test_a_caller_killed_between_two_numbers_leaves_a_gate_that_works():
    """Every cell may be the last one that is written."""

    class Fragile:
        def __init__(self, cells, writes):
            self.cells, self.writes = cells, writes

        def __getitem__(self, key):
            return Fragile.over(self, self.cells[key]) if isinstance(key, slice) else self.cells[key]

        @staticmethod
        def over(parent, cells):
            part = Fragile(cells, 0)
            part.spend = parent.spend
            return part

        def spend(self):
            if self.writes == 0:
                raise Killed
            self.writes -= 1

        def __setitem__(self, key, value):
            self.spend()
            self.cells[key] = value

    for writes in range(40):
        cells = local_cells(Gate.size(5, 100))
        whole = Gate(5, 100, cells)
        whole.clear()
        simulate(whole, callers=3, seconds=3)
        fragile = Gate(5, 100, Fragile(cells, writes))
        with contextlib.suppress(Killed):
            fragile.use(fragile.draw(), 4.0, 0.0, MAX_ROUND_S)
            fragile.overloaded(4.0, 3.9, None, too_many=True)
        sent = simulate(whole, callers=3, seconds=20, start=5.0)
        assert len(sent) >= 60
        assert most_in_any_window(sent, 1.0) <= 5


def test_a_shorter_pause_does_not_end_a_longer_one():
    gate = make_gate(1)
    gate.pause(50.0, 0.0)
    gate.pause(1.0, 10.0)
    assert gate.paused_until() == 50.0


# --- signs of overload ---


@given(refusals=st.integers(1, 300))
def test_however_many_refusals_of_one_burst_are_one_cut_and_one_pause(refusals):
    gate = make_gate(100)
    simulate(gate, callers=32, seconds=20)
    for late in range(refusals):
        gate.overloaded(20.0 + late / 1000, 19.9, None, too_many=True)
    assert gate.pace.rate(20.0) >= LOWEST * 100
    assert gate.counts().pauses == 1
    assert gate.paused_until() == 20.0 + SHORTEST_PAUSE_S


def test_a_lone_refusal_costs_little_and_many_at_once_much():
    lone, many = make_gate(100), make_gate(100)
    for gate, refusals in ((lone, 1), (many, 20)):
        simulate(gate, callers=32, seconds=20)
        for _ in range(refusals):
            gate.overloaded(20.0, 19.9, None, too_many=True)
    assert (lone.pace.rate(20.0), many.pace.rate(20.0)) == (96, 80)


def test_a_refusal_of_what_was_sent_after_the_cut_cuts_again():
    gate = make_gate()
    simulate(gate, callers=32, seconds=20, busy_s=lambda: 0.1)
    gate.overloaded(20.0, 19.9, None, too_many=True)
    rate = gate.pace.rate(20.0)
    sent_at = gate.paused_until()
    gate.overloaded(sent_at + 0.1, sent_at, None, too_many=True)
    assert gate.pace.rate(sent_at + 0.1) < rate


def test_what_an_old_refusal_says_about_when_to_try_again_is_heeded():
    gate = make_gate()
    gate.overloaded(20.0, 19.9, None, too_many=True)
    gate.overloaded(20.1, 19.9, 30.0, too_many=True)
    assert gate.paused_until() == pytest.approx(50.1)


def test_while_nothing_comes_through_pauses_grow_and_then_are_short_again():
    gate, now, pauses = make_gate(), 100.0, []
    for _ in range(9):
        gate.overloaded(now, now, None, too_many=True)
        pauses.append(gate.paused_until() - now)
        now = gate.paused_until()
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 8, 8])
    gate.pace.came_through(now)
    gate.overloaded(now, now, None, too_many=True)
    assert gate.paused_until() - now == pytest.approx(SHORTEST_PAUSE_S)


def test_pauses_stay_short_while_an_instance_is_down():
    """Whoever decides that this is an outage needs to see requests fail."""
    gate, now = make_gate(), 100.0
    for _ in range(20):
        gate.overloaded(now, now, None, too_many=False)
        now = gate.paused_until()
    assert now <= 100.0 + 20.5 * SHORTEST_PAUSE_S


def test_few_requests_are_wasted_while_an_instance_refuses_everything():
    """In 30 s of nothing but 429 each of 32 callers is refused so rarely that it can afford to ask again."""
    gate = make_gate()
    sent = simulate(gate, callers=32, seconds=30, busy_s=lambda: 0.1)
    refused = simulate(
        gate,
        callers=32,
        seconds=30,
        start=30.0,
        busy_s=lambda: 0.1,
        answer=lambda now: gate.overloaded(now, now - 0.1, None, too_many=True),
    )
    assert len(sent) > 1000
    assert len(refused) < 4 * 32


def test_an_instance_with_a_limit_of_its_own_is_used_well_and_seldom_exceeded():
    """No ceiling was given; the instance refuses more than 50 in a second."""
    gate, served, refused = make_gate(), collections.deque(), []

    def answer(now):
        while served and served[0] <= now - 1.0:
            served.popleft()
        if len(served) >= 50:
            refused.append(now)
            gate.overloaded(now, now - 0.1, None, too_many=True)
        else:
            served.append(now)
            gate.pace.came_through(now - 0.1)

    sent = simulate(gate, callers=32, seconds=300, busy_s=lambda: 0.1, answer=answer)
    steady = [at for at in sent if at > 30]
    assert len(steady) - sum(at > 30 for at in refused) >= 0.85 * 50 * 270
    assert sum(at > 30 for at in refused) <= 0.03 * len(steady)


@pytest.mark.parametrize("ceiling", [0, -1])
def test_a_ceiling_below_one_is_refused(ceiling):
    with pytest.raises(ValueError, match="at least 1"):
        LocalLimiter(ceiling)


# --- holders, on a clock that moves when someone sleeps ---


class Killed(BaseException):
    pass


class Time:
    def __init__(self):
        self.now = 1000.0
        self.sleeps = 0

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.sleeps += 1


@pytest.fixture(params=["local", "shared"])
def make(request):
    made = []

    def build(*ceilings):
        moment = Time()
        kind = LocalLimiter if request.param == "local" else SharedLimiter.create
        made.append(kind(*ceilings, clock=moment.clock, sleep=moment.sleep))
        return made[-1], moment

    yield build
    for limiter in made:
        if isinstance(limiter, SharedLimiter):
            limiter.close()


def test_a_burst_then_the_rest_of_the_window(make):
    limiter, _moment = make(3)
    waits = [limiter.acquire(never) for _ in range(7)]
    assert waits == pytest.approx([0, 0, 0, 1, 0, 0, 1], abs=0.02)
    assert limiter.counts().permitted == 7
    assert limiter.counts().waited_s == pytest.approx(2.0, abs=0.05)


def test_both_ceilings_hold(make):
    limiter, moment = make(2, 5)
    times = []
    for _ in range(12):
        limiter.acquire(never)
        times.append(moment.now)
    assert most_in_any_window(times, 1.0) == 2
    assert most_in_any_window(times, 60.0) == 5


@pytest.mark.parametrize("ceilings", [(), (100,)])
def test_a_pause_holds_everyone(make, ceilings):
    limiter, _moment = make(*ceilings)
    assert limiter.acquire(never) == 0.0
    limiter.pause(10.0)
    assert limiter.acquire(never) == pytest.approx(10.0)
    assert limiter.counts().pauses == 1


def test_a_pause_is_bounded(make):
    limiter, _ = make()
    limiter.pause(1e9)
    assert limiter.acquire(never) == pytest.approx(MAX_PAUSE_S)


@pytest.mark.parametrize("ceilings", [(), (1,)])
def test_stop_ends_a_wait(make, ceilings):
    limiter, moment = make(*ceilings)
    limiter.acquire(never)
    limiter.pause(60.0)
    with pytest.raises(StoppedWaiting):
        limiter.acquire(lambda: moment.sleeps >= 3)
    assert moment.now < 1001.0


def test_a_pause_that_comes_while_someone_sleeps_counts_for_him(make):
    limiter, moment = make(1)
    limiter.acquire(never)

    def pause_once():
        if moment.sleeps == 2:
            moment.sleeps += 1
            limiter.pause(20.0)
        return False

    assert limiter.acquire(pause_once) == pytest.approx(20.4, abs=0.1)


def test_no_limit():
    limiter = NoLimit()
    limiter.pause(9.0)
    assert limiter.acquire(never) == 0.0


def test_a_shared_limiter_is_private_and_cleans_up():
    limiter = SharedLimiter.create(5)
    path = Path(limiter.handle.row.path)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert pickle.loads(pickle.dumps(limiter.handle)) == limiter.handle
    limiter.close()
    assert not path.parent.exists()


def test_two_who_attach_share_ceilings_and_pauses():
    first = SharedLimiter.create(2)
    second = SharedLimiter.attach(first.handle)
    first.acquire(never)
    second.acquire(never)
    second.pause(0.0)
    assert first.counts().permitted == 2
    assert first.counts().pauses == 1
    assert first._gate.opens_at(first._gate.draw(), time.monotonic()) > time.monotonic()
    second.close()
    first.close()


# --- real threads and processes ---


def recorded(limiter):
    """The moments at which this limiter permits, as it reads them itself."""
    times, use = [], limiter._gate.use

    def record(number, now, *rest):
        times.append(now)
        use(number, now, *rest)

    limiter._gate.use = record
    return times


def ask_for(limiter, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        limiter.acquire(never)


def ask_in_a_process(handle, seconds, results):
    limiter = SharedLimiter.attach(handle)
    times = recorded(limiter)
    ask_for(limiter, seconds)
    results.send(times)


def die_holding_the_lock(handle):
    limiter = SharedLimiter.attach(handle)
    with limiter._locked():
        os.kill(os.getpid(), signal.SIGKILL)


def test_processes_together_keep_the_ceiling():
    limiter = SharedLimiter.create(100)
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for _ in range(4):
        mine, theirs = context.Pipe(duplex=False)
        processes.append(context.Process(target=ask_in_a_process, args=(limiter.handle, 2.0, theirs)))
        pipes.append(mine)
    for process in processes:
        process.start()
    times = [at for pipe in pipes for at in pipe.recv()]
    for process in processes:
        process.join()
    permitted = limiter.counts().permitted
    limiter.close()
    assert permitted == len(times)
    assert len(times) > 100
    assert most_in_any_window(times, 1.0) <= 100


def test_a_process_that_dies_with_the_lock_does_not_hold_it():
    limiter = SharedLimiter.create(5)
    process = multiprocessing.get_context("spawn").Process(
        target=die_holding_the_lock, args=(limiter.handle,)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert limiter.acquire(never) < 1.0
    limiter.close()


def test_threads_together_keep_the_ceiling():
    limiter = LocalLimiter(50)
    times = recorded(limiter)
    threads = [threading.Thread(target=ask_for, args=(limiter, 1.3)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most_in_any_window(times, 1.0) <= 50
    assert len(times) > 50
