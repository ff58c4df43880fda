"""Parts are paired by the surest rule, each live part once."""

from hypothesis import given
from hypothesis import strategies as st

from lvrestore.content.identity.pairing import Rule, pair

RULES = [
    Rule(lambda w: w.get("id"), lambda x: x.get("id")),
    Rule(lambda w: w.get("name"), lambda x: x.get("name")),
]


def test_a_surer_rule_wins_over_the_order_of_the_parts():
    wanted = [{"id": "1", "name": "a"}, {"id": "2", "name": "b"}]
    live = [{"id": "9", "name": "a"}, {"id": "1", "name": "b"}]
    pairs, surplus = pair(wanted, live, RULES)
    assert [now and now["id"] for _, now in pairs] == ["1", None]
    assert [x["id"] for x in surplus] == ["9"]


def test_equal_parts_are_paired_in_order():
    wanted = [{"name": "a", "n": 1}, {"name": "a", "n": 2}, {"name": "a", "n": 3}]
    live = [{"name": "a", "n": 7}, {"name": "a", "n": 8}]
    pairs, surplus = pair(wanted, live, RULES)
    assert [now and now["n"] for _, now in pairs] == [7, 8, None]
    assert surplus == []


part = st.fixed_dictionaries({"id": st.sampled_from("1234"), "name": st.sampled_from("ab")})


@given(st.lists(part, max_size=6), st.lists(part, max_size=6))
def test_nothing_is_lost_or_used_twice(wanted, live):
    pairs, surplus = pair(wanted, live, RULES)
    used = [id(now) for _, now in pairs if now is not None]
    assert [w for w, _ in pairs] == wanted
    assert sorted(used + [id(x) for x in surplus]) == sorted(map(id, live))
