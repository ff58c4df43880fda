"""Names and values as people are shown them: short, and so that a difference is seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvrestore.text import NAME_LIMIT, person_name, printable, quoted, shortened, shortened_pair


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünïcode 日本", "plain ünïcode 日本"),
        ("a\x1b[31mb\x07", "a\\x1b[31mb\\x07"),
        ("turn\u202eed", "turn\\u202eed"),
        ("line\nbreak\u2028", "line\\nbreak\\u2028"),
        ("lone \ud800", "lone \\ud800"),
    ],
)
def test_printable_escapes_what_a_terminal_would_obey(text, shown):
    assert printable(text) == shown


def test_printable_cuts_to_the_limit():
    assert printable("x" * 50, 10) == "x" * 9 + "…"
    assert printable("x" * 10, 10) == "x" * 10


def test_a_long_name_is_cut_within_its_quotes():
    assert quoted("x" * 2000) == f"'{'x' * (NAME_LIMIT - 1)}…'"
    assert quoted("Sales") == "'Sales'"
    assert quoted(None) == "None"


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ({"first_name": "Ann", "last_name": "B", "email": "ann@example.com"}, "Ann B <ann@example.com>"),
        ({"last_name": "B", "credentials_email": {"email": "b@example.com"}}, "B <b@example.com>"),
        ({"email": "ann@example.com"}, "ann@example.com"),
        ({"first_name": "Ann", "email": None, "credentials_email": None}, "Ann"),
        ({}, ""),
    ],
)
def test_a_user_is_shown_by_name_and_address(user, name):
    assert person_name(user) == name


def test_two_long_texts_are_cut_around_what_differs():
    before, after = "a" * 900 + "<old>" + "b" * 900, "a" * 900 + "<new>" + "b" * 900
    assert shortened_pair(before, after) == (
        "…" + "a" * 11 + "<old>" + "b" * 11 + "…",
        "…" + "a" * 11 + "<new>" + "b" * 11 + "…",
    )


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=200), st.text(max_size=200))
def test_a_pair_that_differs_is_shown_to_differ_and_fits(start, old, new, end):
    before, after = start + old + end, start + new + end
    shown = shortened_pair(before, after)
    assert (shown[0] == shown[1]) == (before == after)
    assert max(map(len, shown)) <= NAME_LIMIT


def test_what_is_short_is_shown_whole():
    assert shortened_pair("10", "12") == ("10", "12")
    assert shortened("Sales") == "Sales"
