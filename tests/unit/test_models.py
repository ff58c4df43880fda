"""The checked-in module of writable fields agrees with the SDK release it was made from."""

import importlib.metadata
import importlib.util
import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from lvrestore.looker import models

ROOT = Path(__file__).parents[2]
STRUCTS = sorted(models.NOT_NULLABLE, key=lambda struct: struct.__name__)


def load_generator():
    spec = importlib.util.spec_from_file_location("generate_models", ROOT / "scripts/generate_models.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def generator():
    if importlib.metadata.version("looker-sdk") != models.SDK_VERSION:
        pytest.skip("another release of looker-sdk is installed than the pinned one")
    return load_generator()


def test_made_from_the_pinned_sdk():
    dev = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["dev"]
    assert f"looker-sdk=={models.SDK_VERSION}" in dev


def test_every_class_that_the_generator_reaches_is_there(generator):
    assert sorted(generator.in_order(generator.ROOTS)) == [struct.__name__ for struct in STRUCTS]


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_every_field_of_the_sdk_is_sent_or_left_out_on_purpose(struct, generator):
    left_out = models.LEFT_OUT[struct.__name__]
    assert {*struct.__struct_fields__} | left_out == {*generator.sdk_fields(struct.__name__)}
    assert not {*struct.__struct_fields__} & left_out


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_types_are_those_of_the_sdk(struct, generator):
    annotations = generator.sdk_fields(struct.__name__)
    for name in struct.__struct_fields__:
        expected = f"{generator.field_type(annotations[name])} | None | UnsetType"
        assert struct.__annotations__[name] == expected, name


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_nothing_that_is_never_sent_is_a_field(struct, generator):
    assert not {*generator.NEVER_SENT.get(struct.__name__, ())} & {*struct.__struct_fields__}


def test_absent_and_null_are_kept_apart():
    board = msgspec.convert({"title": None, "unknown": 1}, models.WriteDashboard)
    assert board.title is None
    assert board.description is msgspec.UNSET
    assert msgspec.to_builtins(board) == {"title": None}


def test_nested_parts_are_allow_lists_as_well():
    tile = msgspec.convert(
        {"result_maker": {"id": "5", "query_id": "9", "filterables": [{"listen": [{"field": "a.b"}]}]}},
        models.WriteDashboardElement,
    )
    assert msgspec.to_builtins(tile) == {"result_maker": {"filterables": [{"listen": [{"field": "a.b"}]}]}}


def test_a_wrong_type_is_refused():
    with pytest.raises(msgspec.ValidationError, match=re.escape("$.title")):
        msgspec.convert({"title": 7}, models.WriteDashboard)


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_not_nullable_names_fields(struct):
    assert models.NOT_NULLABLE[struct] <= {*struct.__struct_fields__}
