"""Lengths of time, written and read."""

import pytest

from lvrestore.durations import parse_duration, spoken


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2h", 7200),
        ("1h30m", 5400),
        ("90s", 90),
        ("1 h 5 s", 3605),
        ("0.5h", 1800),
        ("90", 90),
        ("1D", 86400),
    ],
)
def test_lengths_are_read(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "2x", "-1", "0", "0s", "1h 5", "inf", "nan", "2hours"])
def test_what_is_no_length_is_refused_with_examples(text):
    with pytest.raises(ValueError, match="1h30m"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (63, "1 min 3 s"), (7500, "2 h 5 min"), (86400, "1 d"), (600, "10 min")],
)
def test_lengths_are_said_in_two_units(seconds, words):
    assert spoken(seconds) == words
