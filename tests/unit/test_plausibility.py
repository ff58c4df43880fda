"""A list that shows next to nothing of the backup is not plausible."""

import pytest

from lvrestore.model import ContentType
from lvrestore.plan.plausibility import Visible, sample

BOARD = ContentType.BOARD


@pytest.mark.parametrize(
    ("backed_up", "shown", "plausible"),
    [
        (0, 0, True),
        (1, 0, False),
        (1, 1, True),
        (9, 1, True),
        (10, 1, True),
        (11, 1, False),
        (157, 0, False),
        (157, 15, False),
        (157, 16, True),
    ],
)
def test_a_list_must_show_a_tenth_of_the_backup(backed_up, shown, plausible):
    assert Visible(BOARD, backed_up, shown).is_plausible is plausible


@pytest.mark.parametrize(
    ("shown", "missing", "needed"), [(0, 20, False), (0, 21, True), (2, 21, True), (10, 90, False)]
)
def test_more_than_twenty_that_nobody_sees_need_a_word(shown, missing, needed):
    assert Visible(BOARD, 100, shown, missing).needs_word is needed


@pytest.mark.parametrize(
    ("missing", "asked"), [("", ""), ("a", "a"), ("ab", "ab"), ("abc", "abc"), ("abcdefgh", "aeh")]
)
def test_three_are_asked_for_that_are_not_near_each_other(missing, asked):
    assert sample(list(missing)) == list(asked)
