"""Reading a remap file: what is wrong is said with file, line and what to do."""

import pytest

from lvrestore.cli.remap_file import read_remap
from lvrestore.errors import ExitCode, ValidationError
from lvrestore.settings import Remap

WHOLE = """\
[models]
thelook = "shop"

[explores]
"thelook.orders" = "shop.deals"

[connections]
"old" = "new"

[folders]
"Shared/Sales" = "Shared/EMEA/Sales"
12 = "34"

[users]
"Ann@Old.example" = "ann@new.example"
"@OLD.example" = "@new.example"

[groups]
"Sales team" = "EMEA sales team"

[palettes]
acme = "acme-2"
"acme/p1" = "corp/q1"
"""


def read(tmp_path, text):
    path = tmp_path / "remap.toml"
    path.write_text(text, encoding="utf-8")
    return read_remap(path)


def test_a_whole_file(tmp_path):
    assert read(tmp_path, WHOLE) == Remap(
        models={"thelook": "shop"},
        explores={"thelook.orders": "shop.deals"},
        connections={"old": "new"},
        folders={"Shared/Sales": "Shared/EMEA/Sales", "12": "34"},
        users={"ann@old.example": "ann@new.example", "@old.example": "@new.example"},
        groups={"Sales team": "EMEA sales team"},
        palettes={"acme": "acme-2", "acme/p1": "corp/q1"},
    )


def test_an_empty_file_changes_nothing(tmp_path):
    assert not read(tmp_path, "# nothing yet\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[models]\na = "b"\n[model]\na = "b"', "line 3: [model] is unknown; known are [models]"),
        ('models = "b"', "line 1: models must be a table"),
        ('[models]\na = "b"\nc = 3', "line 3: [models] c: the new name must be a text"),
        ('[explores]\nthelook.orders = "shop.deals"', "line 2: [explores] thelook: the new name must be a text"),
        ('[models]\n"" = "b"', "line 2: [models] '' = 'b': a name is empty"),
        ('[models]\na = " "', "line 2: [models] 'a' = ' ': a name is empty"),
        ('[explores]\n"orders" = "shop.deals"', "line 2: [explores] 'orders' = 'shop.deals': both sides must be"),
        ('[explores]\n"a." = "shop.deals"', "both sides must be model.explore"),
        ('[users]\n"@a.b" = "ann@b.c"', "line 2: [users] '@a.b' = 'ann@b.c': one side is a domain"),
        ('[users]\n"ann" = "ann@b.example"', "both sides must be an e-mail address"),
        ('[users]\n"a@b.c" = "x@y.z"\n"A@b.c" = "z@y.z"', "line 3: [users] 'A@b.c' is there twice"),
        ('[palettes]\n"acme" = "corp/p1"', "line 2: [palettes] 'acme' = 'corp/p1': both sides must be collection"),
        ('[palettes]\n"acme/" = "corp/p1"', "both sides must be collection"),
        ("[models]\na = b", "is no TOML: Invalid value (at line 2, column 5)"),
        ('[users]\nann@old.example = "x"', "is no TOML: "),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_its_line(tmp_path, text, said):
    with pytest.raises(ValidationError) as caught:
        read(tmp_path, text)
    assert said in str(caught.value)
    assert "remap.toml" in str(caught.value)
    assert caught.value.hint
    assert caught.value.exit_code is ExitCode.VALIDATION


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path):
    with pytest.raises(ValidationError, match=r"cannot read .*No such file"):
        read_remap(tmp_path / "none.toml")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(ValidationError, match="not text in UTF-8"):
        read_remap(tmp_path / "bytes")
