"""Only a list is a list: every other answer to a GET that asks for one is a refusal."""

import orjson
import pytest

from lvrestore.looker.classify import FailureKind, Refused
from lvrestore.looker.client import LookerClient
from lvrestore.looker.lists import TEMPLATES, is_list
from lvrestore.looker.protocol import Answered, Request, path
from lvrestore.sandbox.api.facts import FACTS

GETS = {template: methods["GET"] for template, methods in FACTS.paths.items() if "GET" in methods}


class Says:
    """A transport that gives one answer for ever."""

    def __init__(self, status, body=b""):
        self.answer = Answered(status, {}, body if isinstance(body, bytes) else orjson.dumps(body))

    def send(self, _request):
        return self.answer


def get(where, status, body=b"", **params):
    return LookerClient(Says(status, body)).call(Request("GET", where, params)).json


def example(template):
    """A path with ids that look like the names of collections and endpoints, as far as ids can."""
    return "".join(path("thelook::users" if one.startswith("{") else one) for one in template.split("/")[1:])


@pytest.mark.parametrize("template", GETS)
def test_lists_are_those_that_the_api_description_says(template):
    reply = GETS[template].reply or ""
    assert is_list(example(template)) is reply.startswith("[")


def test_nothing_is_called_a_list_that_the_api_does_not_have():
    described = {"/".join("{}" if one.startswith("{") else one for one in t.split("/")) for t in GETS}
    assert described >= TEMPLATES


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {"message": "Not found"}),
        (404, b""),
        (204, b""),
        (200, None),
        (200, {}),
        (200, {"data": []}),
        (200, "text"),
        (200, 7),
        (200, [None]),
        (200, [[]]),
        (200, [{}]),
        (200, [{"id": "1"}, {"id": None}]),
    ],
)
@pytest.mark.parametrize("where", ["/users", "/dashboards/search", "/folders/7/children", "/roles/1/users"])
def test_an_answer_that_is_no_list_of_objects_is_a_refusal(where, status, body):
    with pytest.raises(Refused) as refused:
        get(where, status, body)
    assert (refused.value.kind, refused.value.status) == (FailureKind.UNEXPECTED_REPLY, status)


def test_a_list_is_a_list_also_when_it_is_empty_or_has_only_the_fields_that_were_asked_for():
    assert get("/users", 200, []) == []
    assert get("/lookml_models", 200, [{"name": "thelook"}]) == [{"name": "thelook"}]
    assert get("/groups", 200, [{"name": "Sales"}], fields="name") == [{"name": "Sales"}]
    with pytest.raises(Refused, match="no name"):
        get("/connections", 200, [{"host": "a"}], fields="name,host")


def test_one_object_is_gone_by_404_alone():
    assert get("/users/7", 404) is None
    assert get("/users/7", 200, {"id": "7"}) == {"id": "7"}
    for status, body in ((204, b""), (200, None), (200, []), (200, "text")):
        with pytest.raises(Refused) as refused:
            get("/users/7", status, body)
        assert refused.value.kind is FailureKind.UNEXPECTED_REPLY
