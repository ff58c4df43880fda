"""Explores: looked for, never written."""

import msgspec
import pytest
from factory import make_looker
from harness import restore as restore_any

from lvrestore.model import ContentType, Operation


def restore(looker, source_id, **content):
    row = source_id, msgspec.msgpack.encode({"id": source_id, **content})
    looker.clear_log()
    (result,) = restore_any(looker, [row], content_type=ContentType.EXPLORE)
    return result


def said(looker):
    return [f"{r.method} {r.path}" for r in looker.requests]


@pytest.mark.parametrize("content", [{}, {"model_name": "thelook", "name": "orders"}, {"name": "orders"}])
def test_an_explore_that_is_there_costs_one_narrow_read(content):
    looker = make_looker()
    result = restore(looker, "thelook::orders", **content)
    assert (result.operation, result.destination_id) == (Operation.UNCHANGED, "thelook::orders")
    assert said(looker) == ["GET /lookml_models/thelook/explores/orders"]
    assert looker.requests[0].params == {"fields": "name"}
    assert result.warnings == ()


@pytest.mark.parametrize("source_id", ["thelook::gone", "gone::orders", "thelook::orders::more", "a b::c/d%"])
def test_an_explore_that_is_not_there_is_skipped_with_a_warning(source_id):
    looker = make_looker()
    result = restore(looker, source_id)
    assert (result.operation, result.destination_id) == (Operation.SKIPPED, None)
    assert "deploy the project" in result.reason
    assert [kind for kind, _ in result.warnings] == ["explore_missing"]
    assert {r.method for r in looker.requests} == {"GET"}


def test_the_content_names_model_and_explore_before_the_id_does():
    looker = make_looker()
    looker.add_model("a::b", ["c"])
    result = restore(looker, "a::b::c", model_name="a::b", name="c")
    assert result.operation is Operation.UNCHANGED


@pytest.mark.parametrize("source_id", ["orders", "::orders", "thelook::", "thelook::.."])
def test_an_id_that_names_no_explore_is_invalid(source_id):
    looker = make_looker()
    result = restore(looker, source_id)
    assert (result.operation, result.error.kind) == (Operation.FAILED, "validation")
    assert looker.requests == []
