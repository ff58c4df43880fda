"""The limiter: never more than its ceilings in any window, and hardly less."""

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

from lvrestore.looker.limiter import (
    MAX_PAUSE_S,
    LocalLimiter,
    NoLimit,
    SharedLimiter,
    Slots,
    StoppedWaiting,
)

CEILINGS = st.tuples(st.none() | st.integers(1, 40), st.none() | st.integers(1, 400)).filter(any)


def never():
    return False


def make_slots(per_second, per_minute):
    slots = Slots(
        per_second, per_minute, memoryview(bytearray(8 * Slots.size(per_second, per_minute))).cast("d")
    )
    slots.clear()
    return slots


def most_in_any_window(times, window_s):
    """The largest number of these times in any half-open window."""
    times = sorted(times)
    most, first = 0, 0
    for last, at in enumerate(times):
        while at - times[first] >= window_s:
            first += 1
        most = max(most, last - first + 1)
    return most


def simulate(slots, *, callers, seconds, lateness, start=0.0, busy_s=lambda: 0.0):
    """Let callers ask again and again on a simulated clock; each wakes late by `lateness()`."""
    sent, order = [], itertools.count()
    events = [(start, next(order), None) for _ in range(callers)]
    heapq.heapify(events)
    while events and events[0][0] < start + seconds:
        now, _, turn = heapq.heappop(events)
        if turn is None:
            turn = slots.take(now)
        ready_at = slots.ready_at(turn)
        if ready_at > now:
            heapq.heappush(events, (ready_at + lateness(), next(order), turn))
            continue
        slots.use(turn, now, 0.0)
        sent.append(now)
        heapq.heappush(events, (now + busy_s(), next(order), None))
    return sent


@settings(max_examples=60, deadline=None)
@given(ceilings=CEILINGS, callers=st.integers(1, 60), late_s=st.floats(0, 0.3), seed=st.integers(0, 999))
def test_no_window_holds_more_than_its_ceiling(ceilings, callers, late_s, seed):
    rng = random.Random(seed)
    sent = simulate(
        make_slots(*ceilings),
        callers=callers,
        seconds=130,
        start=rng.uniform(0, 1e6),
        lateness=lambda: rng.expovariate(1 / late_s) if late_s else 0.0,
        busy_s=lambda: rng.uniform(0, 0.5),
    )
    per_second, per_minute = ceilings
    assert per_second is None or most_in_any_window(sent, 1.0) <= per_second
    assert per_minute is None or most_in_any_window(sent, 60.0) <= per_minute


@settings(max_examples=40, deadline=None)
@given(ceilings=CEILINGS, callers=st.integers(1, 60), seed=st.integers(0, 999))
def test_what_is_permitted_is_used(ceilings, callers, seed):
    rng = random.Random(seed)
    minutes = 20
    sent = simulate(
        make_slots(*ceilings), callers=callers, seconds=60.0 * minutes, lateness=lambda: rng.uniform(0, 0.002)
    )
    per_second, per_minute = (ceiling or 10**9 for ceiling in ceilings)
    permitted = min(per_second * 60.0, per_minute) * minutes
    assert len(sent) >= 0.97 * permitted


@settings(max_examples=40, deadline=None)
@given(ceilings=CEILINGS, pause_s=st.floats(0, 300), seed=st.integers(0, 99))
def test_nobody_sends_in_a_pause(ceilings, pause_s, seed):
    slots = make_slots(*ceilings)
    rng = random.Random(seed)
    simulate(slots, callers=1, seconds=5, lateness=lambda: 0.0)
    slots.pause(pause_s, 5.0)
    sent = simulate(slots, callers=5, seconds=300, start=5.0, lateness=lambda: rng.uniform(0, 0.01))
    assert min(sent) >= 5.0 + min(pause_s, MAX_PAUSE_S)


def test_a_waiter_that_dies_wastes_its_own_slot_only():
    slots = make_slots(10, None)
    for _ in range(10):
        slots.take(0.0)  # ten callers die before they send
    sent = simulate(slots, callers=20, seconds=10, lateness=lambda: 0.0)
    assert sent[0] == pytest.approx(1.0, abs=0.01)
    assert len(sent) >= 88


def test_a_shorter_pause_does_not_end_a_longer_one():
    slots = make_slots(1, None)
    slots.pause(50.0, 0.0)
    slots.pause(1.0, 10.0)
    assert slots.paused_until() == 50.0


@pytest.mark.parametrize("ceiling", [0, -1])
def test_a_ceiling_below_one_is_refused(ceiling):
    with pytest.raises(ValueError, match="at least 1"):
        LocalLimiter(ceiling)


# --- holders, on a clock that moves when someone sleeps ---


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
    assert first._slots.windows[0].next_free_at() > time.monotonic()
    second.close()
    first.close()


# --- real threads and processes ---


def recorded(limiter):
    """The moments at which this limiter permits, as it reads them itself."""
    times, use = [], limiter._slots.use

    def record(turn, now, waited_s):
        times.append(now)
        use(turn, now, waited_s)

    limiter._slots.use = record
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
