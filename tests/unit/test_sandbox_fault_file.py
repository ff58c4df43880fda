"""Files of faults: what they say is done, and what is wrong in them is named."""

import pytest

from lvrestore.errors import ValidationError
from lvrestore.sandbox.fault_file import read_fault_file
from lvrestore.sandbox.faults import Answer, LateCommit

GOOD = """
[[rules]]
fault = "answer"
status = 502
html = "<html>"
probability = 0.02

[[rules]]
fault = "late_commit"
method = "POST"
path = "/dashboard**"
seconds = 2
from = 10
until = 20
"""


@pytest.fixture
def file(tmp_path):
    return tmp_path / "storm.toml"


def test_rules_in_their_order(file):
    file.write_text(GOOD)
    first, second = read_fault_file(file)
    assert first == Answer(status=502, html="<html>", probability=0.02)
    assert second == LateCommit(method="POST", path="/dashboard**", seconds=2.0, from_s=10.0, until_s=20.0)


WRONG = {
    'fault = "explode"': "rule 2: fault: there is no 'explode'; there are: refuse, drop_before",
    "skip = 1": "rule 2: key fault is missing; there are: refuse",
    'fault = "refuse"\ncolour = 1': "rule 2: there is no key 'colour'; refuse knows: fault, from, method",
    'fault = "refuse"\nseconds = 1': "rule 2: there is no key 'seconds'",
    'fault = "stall"': "rule 2: Object missing required field `seconds`",
    'fault = "stall"\nseconds = "long"': "rule 2: seconds: Expected `float`, got `str`",
    'fault = "refuse"\nprobability = 1.5': "rule 2: probability: Expected `float` <= 1.0",
    'fault = "refuse"\ntimes = 0': "rule 2: times: Expected `int` >= 1",
    'fault = "refuse"\nmethod = "FETCH"': "rule 2: method: it can be: *, GET, POST, PATCH, PUT, DELETE",
    'fault = "refuse"\npath = "looks"': "rule 2: path: Expected `str` matching regex",
    'fault = "refuse"\nfrom = 5\nuntil = 5': "rule 2: until must be later than from",
    'fault = "answer"\nstatus = 99': "rule 2: status: Expected `int` >= 200",
    'fault = "answer"\nstatus = 500\nwhen = "never"': "rule 2: when: it can be: before, after",
    'fault = "answer"\nstatus = 500\nbody = 1\nhtml = ""': "rule 2: it is either body or html",
    'fault = "answer"\nstatus = 500\n[rules.headers]\na = 1': "rule 2: headers[...]: Expected `str`",
}


@pytest.mark.parametrize(("rule", "said"), WRONG.items())
def test_wrong_rule_is_named(file, rule, said):
    file.write_text(f'[[rules]]\nfault = "refuse"\n[[rules]]\n{rule}\n')
    with pytest.raises(ValidationError) as refused:
        read_fault_file(file)
    assert str(refused.value).startswith(f"{file}: {said}")
    assert "docs/sandbox.md" in refused.value.hint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"rules = [", "is not TOML: "),
        (b"\xff", "is not TOML: "),
        (b"", ": rules must be a list of at least one rule"),
        (b"rules = 1", ": rules must be a list of at least one rule"),
        (b"rules = [1]", ": rule 1: a rule is a table of keys and values, not 1"),
        (b"[[rule]]", ": there is no key 'rule'; there is: rules"),
    ],
)
def test_wrong_file_is_named(file, text, said):
    file.write_bytes(text)
    with pytest.raises(ValidationError) as refused:
        read_fault_file(file)
    assert str(file) in str(refused.value)
    assert said in str(refused.value)
