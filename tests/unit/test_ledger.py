"""Who has what in hand: what may be claimed, who gets the next task, what becomes of the tasks of the dead."""

from datetime import UTC, datetime

import pytest

from lvrestore.model import ContentType, Operation, QueryTask, RestorationTask
from lvrestore.run.ledger import CLAIMS_AT_ONCE, CREDITS_PER_THREAD, Claimed, Ledger, Lost

LANDS_UNTIL = datetime(2026, 1, 2, tzinfo=UTC)
MANY = 1000


def item(seq, **given):
    return RestorationTask(
        seq=seq, content_type=ContentType.LOOK, source_id=f"s{seq}", name=f"Look {seq}", blob=b"{}", **given
    )


def query(seq):
    return QueryTask(seq=seq, kind="query", source_ids=(f"q{seq}",))


def names(*seqs):
    return tuple((ContentType.LOOK, f"s{seq}") for seq in seqs)


def with_workers(*workers, threads=1):
    ledger = Ledger(len(workers), threads)
    for worker in workers:
        ledger.hire(worker)
    return ledger


def bring(ledger, *tasks):
    """Claim tasks and let their claim be stored."""
    if claimed := ledger.claim(tasks):
        ledger.stored(claimed.ticket)


def hand_out(ledger):
    """Give out all that can be given: who got which task."""
    given = []
    while one := ledger.give_out():
        given.append((one[0], one[1].seq))
    return given


def die(ledger, worker, successor):
    """Let a worker die; what it had in hand goes out again to the worker that replaces it."""
    lost = ledger.lose(worker, LANDS_UNTIL)
    ledger.hire(successor)
    return lost


def after_deaths(deaths, *tasks):
    """A ledger in which the tasks were in hand together, then one by one, while workers 1, 2, ... died."""
    ledger = with_workers(1)
    bring(ledger, *tasks)
    lost = None
    for worker in range(1, deaths + 1):
        hand_out(ledger)
        lost = die(ledger, worker, worker + 1)
    return ledger, lost


# -- claims


@pytest.mark.parametrize(
    ("workers", "threads", "free"), [(1, 1, 2), (2, 4, 16), (4, 8, CLAIMS_AT_ONCE), (8, 32, CLAIMS_AT_ONCE)]
)
def test_as_much_is_claimed_as_workers_have_credit_for_but_not_too_much_at_once(workers, threads, free):
    assert Ledger(workers, threads).free() == free


def test_claims_count_for_workers_that_are_not_ready_yet():
    assert Ledger(2, 1).free() == with_workers(1, 2).free() == 2 * CREDITS_PER_THREAD


def test_no_claim_is_made_for_a_few_free_places():
    ledger = with_workers(1, threads=4)  # a window of 8
    bring(ledger, *map(item, range(8)))
    hand_out(ledger)
    free = []
    for seq in range(8):
        ledger.finish(1, seq)
        free.append(ledger.free())
    assert free == [0, 0, 0, 4, 5, 6, 7, 8]


def test_an_item_is_given_out_only_after_its_claim_is_stored():
    ledger = with_workers(1)
    claimed = ledger.claim([item(1), item(2)])
    assert claimed == Claimed(ticket=1, items=names(1, 2))
    assert hand_out(ledger) == []
    ledger.stored(claimed.ticket)
    assert hand_out(ledger) == [(1, 1), (1, 2)]


def test_claims_may_be_stored_in_any_order():
    ledger = with_workers(1)
    first, second = ledger.claim([item(1)]), ledger.claim([item(2)])
    ledger.stored(second.ticket)
    assert hand_out(ledger) == [(1, 2)]
    ledger.stored(first.ticket)
    assert hand_out(ledger) == [(1, 1)]


def test_a_query_needs_no_claim():
    ledger = with_workers(1)
    assert ledger.claim([query(-1)]) is None
    assert hand_out(ledger) == [(1, -1)]


def test_queries_are_left_out_of_the_claim_of_their_batch():
    ledger = with_workers(1)
    assert ledger.claim([query(-1), item(1)]).items == names(1)
    assert hand_out(ledger) == [(1, -1)]


# -- a wave


def test_everything_without_a_stored_result_is_outstanding():
    ledger = with_workers(1)
    bring(ledger, *map(item, range(4)))
    ledger.claim([item(4)])
    hand_out(ledger)  # two in hand, two waiting, one being claimed
    assert ledger.outstanding() == 5
    ledger.finish(1, 0)
    assert ledger.outstanding() == 4


def test_a_wave_is_done_when_nothing_more_comes_and_nothing_is_outstanding():
    ledger = with_workers(1)
    bring(ledger, item(1))
    hand_out(ledger)
    ledger.claim([])
    assert not ledger.wave_is_done()
    ledger.finish(1, 1)
    assert ledger.wave_is_done()


def test_a_wave_is_not_done_before_its_end_was_seen():
    ledger = with_workers(1)
    assert not ledger.wave_is_done()
    bring(ledger, item(1))
    hand_out(ledger)
    ledger.finish(1, 1)
    assert not ledger.wave_is_done()


def test_nothing_is_claimed_after_the_end_of_a_wave_until_the_next_one_begins():
    ledger = with_workers(1)
    ledger.claim([])
    assert ledger.free() == 0
    ledger.begin_wave()
    assert ledger.free() == 2
    assert not ledger.wave_is_done()


# -- giving out


def test_the_next_task_goes_to_the_worker_with_the_fewest_in_hand():
    ledger = with_workers(1, 2, threads=2)
    bring(ledger, *map(item, range(4)))
    assert hand_out(ledger) == [(1, 0), (2, 1), (1, 2), (2, 3)]
    ledger.finish(2, 1)
    ledger.finish(2, 3)
    bring(ledger, item(4), item(5))
    assert hand_out(ledger) == [(2, 4), (2, 5)]


def test_of_equals_the_worker_that_was_started_first_gets_it():
    ledger = Ledger(2, 1)
    ledger.hire(2)
    ledger.hire(1)
    bring(ledger, item(0))
    assert hand_out(ledger) == [(1, 0)]


def test_a_worker_gets_no_more_than_its_credit():
    ledger = with_workers(1, threads=3)
    bring(ledger, *map(item, range(MANY)))
    assert len(hand_out(ledger)) == 3 * CREDITS_PER_THREAD
    assert ledger.has_waiting()
    ledger.finish(1, 0)
    assert hand_out(ledger) == [(1, 6)]


def test_a_worker_gets_nothing_before_it_is_ready():
    ledger = Ledger(1, 1)
    bring(ledger, item(1))
    assert not ledger.is_hired(1)
    assert hand_out(ledger) == []
    assert ledger.has_waiting()
    ledger.hire(1)
    assert ledger.is_hired(1)
    assert hand_out(ledger) == [(1, 1)]
    assert not ledger.has_waiting()


# -- a dead worker


def test_the_items_of_a_dead_worker_are_given_out_again_as_uncertain():
    ledger = with_workers(1)
    bring(ledger, item(1))
    hand_out(ledger)
    assert die(ledger, 1, 2) == Lost(again=1, given_up=())
    assert not ledger.is_hired(1)
    assert ledger.give_out() == (2, item(1, uncertain=True, lands_until=LANDS_UNTIL))


def test_the_queries_of_a_dead_worker_are_given_out_again_as_they_are():
    ledger = with_workers(1)
    bring(ledger, query(-1))
    hand_out(ledger)
    die(ledger, 1, 2)
    assert ledger.give_out() == (2, query(-1))


def test_what_a_dead_worker_had_in_hand_goes_before_what_waits():
    ledger = with_workers(1)
    bring(ledger, *map(item, range(4)))
    hand_out(ledger)
    die(ledger, 1, 2)
    assert {seq for _, seq in hand_out(ledger)} == {0, 1}


def test_what_a_dead_worker_had_finished_is_not_given_out_again():
    ledger = with_workers(1)
    bring(ledger, item(1), item(2))
    hand_out(ledger)
    ledger.finish(1, 1)
    assert die(ledger, 1, 2).again == 1
    assert hand_out(ledger) == [(2, 2)]


def test_a_worker_that_dies_before_it_is_ready_loses_nothing():
    assert Ledger(1, 1).lose(1, LANDS_UNTIL) == Lost(again=0, given_up=())


def test_other_workers_keep_what_they_have_in_hand():
    ledger = with_workers(1, 2)
    bring(ledger, item(1), item(2))
    hand_out(ledger)
    assert ledger.lose(1, LANDS_UNTIL).again == 1
    assert hand_out(ledger) == [(2, 1)]
    assert ledger.outstanding() == 2


# -- suspects


def test_after_one_death_the_items_still_go_out_together():
    ledger, _ = after_deaths(1, item(1), item(2))
    assert sorted(hand_out(ledger)) == [(2, 1), (2, 2)]


def test_an_item_that_was_in_hand_at_two_deaths_is_alone():
    ledger, _ = after_deaths(2, item(1), item(2))
    ((worker, alone),) = hand_out(ledger)
    ledger.finish(worker, alone)
    assert hand_out(ledger) == [(3, 3 - alone)]


def test_a_suspect_waits_until_a_worker_has_nothing_in_hand():
    ledger = with_workers(1, 9)
    bring(ledger, item(1), item(8))
    hand_out(ledger)
    die(ledger, 1, 2)
    hand_out(ledger)
    ledger.lose(2, LANDS_UNTIL)
    assert hand_out(ledger) == []
    ledger.finish(9, 8)
    assert hand_out(ledger) == [(9, 1)]


def test_a_suspect_does_not_keep_other_workers_from_going_on():
    ledger, _ = after_deaths(2, item(1))
    ledger.hire(4)
    bring(ledger, item(5), item(6))
    assert hand_out(ledger) == [(3, 1), (4, 5), (4, 6)]


def test_a_suspect_that_ends_well_is_a_finished_item():
    ledger, _ = after_deaths(2, item(1))
    hand_out(ledger)
    ledger.finish(3, 1)
    assert ledger.outstanding() == 0


def test_an_item_is_given_up_at_the_third_death():
    told = {"earlier": Operation.PARTIAL, "earlier_error": "dependency"}
    ledger, lost = after_deaths(3, item(1, **told))
    (result,) = lost.given_up
    assert lost.again == 0
    assert (result.seq, result.source_id, result.name, result.blob) == (1, "s1", "Look 1", b"{}")
    assert (result.operation, result.attempts, result.error.kind) == (Operation.FAILED, 3, "internal")
    assert "3 worker processes died while they restored it" in result.error.message
    assert (result.earlier, result.earlier_error) == (Operation.PARTIAL, "dependency")
    assert hand_out(ledger) == []


def test_only_the_item_that_kills_is_given_up():
    ledger, _ = after_deaths(2, item(1), item(2))
    ((_, killer),) = hand_out(ledger)
    lost = die(ledger, 3, 4)
    assert [one.seq for one in lost.given_up] == [killer]
    assert hand_out(ledger) == [(4, 3 - killer)]


def test_an_item_that_was_given_up_is_outstanding_until_its_result_is_stored():
    ledger, _ = after_deaths(3, item(1))
    ledger.claim([])
    assert not ledger.wave_is_done()
    ledger.finish(-1, 1)  # by no worker: the parent itself reported the result
    assert ledger.wave_is_done()


def test_a_query_that_kills_is_just_not_made():
    ledger, lost = after_deaths(3, query(-1))
    assert lost == Lost(again=0, given_up=())
    ledger.claim([])
    assert ledger.wave_is_done()


# -- the end


def test_items_that_no_worker_began_are_unbegun_also_while_their_claim_is_on_its_way():
    ledger = with_workers(1)
    bring(ledger, *map(item, range(3)))
    ledger.claim([item(3)])
    hand_out(ledger)
    assert ledger.unbegun() == names(2, 3)


def test_an_item_that_an_earlier_run_or_a_dead_worker_began_is_not_unbegun():
    ledger = with_workers(1)
    bring(ledger, item(0), item(1))
    hand_out(ledger)
    die(ledger, 1, 2)
    bring(ledger, item(2, uncertain=True), item(3))
    assert ledger.unbegun() == names(3)


def test_a_query_that_nobody_made_has_no_claim_to_take_back():
    ledger = with_workers(1)
    bring(ledger, query(-1))
    assert ledger.unbegun() == ()
