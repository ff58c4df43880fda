"""Status codes, error bodies and broken connections become failure kinds."""

from datetime import UTC, datetime

import orjson
import pytest

from lvrestore.looker.classify import Failure, FailureKind, Reply, classify, read_reply, retry_after_s
from lvrestore.looker.protocol import Answered, NoAnswer, Sent

K = FailureKind


def answered(status, body=None, **headers):
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return Answered(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


@pytest.mark.parametrize(
    ("status", "kind", "repeatable"),
    [
        (302, K.FORBIDDEN, False),
        (400, K.VALIDATION, False),
        (401, K.AUTH, False),
        (403, K.FORBIDDEN, False),
        (404, K.NOT_FOUND, False),
        (405, K.FORBIDDEN, False),
        (408, K.TRANSIENT, True),
        (409, K.CONFLICT, False),
        (413, K.VALIDATION, False),
        (422, K.VALIDATION, False),
        (429, K.RATE_LIMITED, True),
        (500, K.TRANSIENT, True),
        (502, K.TRANSIENT, True),
        (503, K.TRANSIENT, True),
        (504, K.TRANSIENT, True),
    ],
)
def test_kind_of_a_status(status, kind, repeatable):
    failure = classify(answered(status, {"message": "no"}), creates=False)
    assert (failure.kind, failure.repeatable, failure.status) == (kind, repeatable, status)
    assert not failure.may_have_happened


@pytest.mark.parametrize(
    ("answer", "may_have_happened", "lands_late"),
    [
        (answered(400), False, False),
        (answered(422), False, False),
        (answered(429), False, False),
        (answered(500), True, False),
        (answered(503, b"<html>"), True, False),
        (answered(502, b"<html>"), True, True),
        (answered(504), True, True),
        (answered(524), True, True),
        (NoAnswer(Sent.UNKNOWN, "reset"), True, True),
        (NoAnswer(Sent.NO, "refused"), False, False),
    ],
)
def test_what_a_create_may_have_done(answer, may_have_happened, lands_late):
    failure = classify(answer, creates=True)
    assert (failure.may_have_happened, failure.lands_late) == (may_have_happened, lands_late)
    assert (failure.kind is K.UNKNOWN_OUTCOME) == may_have_happened
    assert not (may_have_happened and failure.repeatable)


def test_a_lost_read_is_repeated():
    failure = classify(NoAnswer(Sent.UNKNOWN, "reset"), creates=False)
    assert (failure.kind, failure.repeatable, failure.status) == (K.TRANSIENT, True, None)


def test_success_has_no_failure():
    assert classify(answered(201, {}), creates=True) is None
    reply = read_reply(answered(200, {"id": "1"}, x_a="b"), creates=False)
    assert reply == Reply(200, {"id": "1"}, {"x-a": "b"})
    assert read_reply(answered(204, b""), creates=False) == Reply(204)


@pytest.mark.parametrize("body", [b'{"id": "1', b"", b"<html>sign in</html>"])
def test_a_success_that_cannot_be_read(body):
    read = read_reply(answered(200, body), creates=False)
    created = read_reply(answered(200, body), creates=True)
    assert (read.kind, read.repeatable) == (K.TRANSIENT, True)
    assert (created.kind, created.may_have_happened, created.lands_late) == (K.UNKNOWN_OUTCOME, True, False)
    assert read_reply(answered(200, body), creates=False, expects_json=False) == Reply(200)


def test_a_web_page_that_says_404_is_not_looker_saying_absent():
    failure = classify(answered(404, b"\n<html><title>Not here</title></html>"), creates=False)
    assert (failure.kind, failure.message) == (K.TRANSIENT, "Not here")


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("title", ("title",)),
        ("[:title, :space_id]", ("title", "space_id")),
        (["title", ":folder_id"], ("title", "folder_id")),
        (None, ()),
        (7, ("7",)),
    ],
)
def test_fields_of_an_error_body(field, names):
    body = {
        "message": "Validation Failed",
        "errors": [{"field": field, "code": "already_exists", "message": "taken"}],
    }
    failure = classify(answered(422, body), creates=True)
    assert (failure.fields, failure.codes) == (names, ("already_exists",))
    assert failure.message == "Validation Failed: taken"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"message": "Not found", "documentation_url": "x"}, "Not found"),
        ({"message": 5, "errors": "x"}, "HTTP 409"),
        ({"errors": [None, 1, {"message": ["x"], "code": 3}]}, "HTTP 409"),
        ([1], "[1]"),
        (b"", "HTTP 409"),
        (b"\xff\xfe plain", "\ufffd\ufffd plain"),
        (b"<html><head><title> Bad\n gateway </title></head><body>x</body>", "Bad gateway"),
        (b"<style>p {}</style><p>Try <b>later</b></p><script>let", "Try later"),
    ],
)
def test_any_body_becomes_a_short_text(body, message):
    assert classify(answered(409, body), creates=False).message == message


def test_a_long_message_is_cut():
    assert len(classify(answered(422, {"message": "x" * 9999}), creates=False).message) == 1000


def test_a_redirect_says_where_to_without_its_query():
    answer = answered(302, b"", location="https://sso.example.com/in?state=secret")
    assert classify(answer, creates=False).message == "the server redirects to https://sso.example.com/in"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("0.5", 0.5),
        ("9999", 120.0),
        ("-3", None),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 09:00:00 GMT", 120.0),
        ("Wed, 31 Dec 2025 00:00:00 GMT", 0.0),
        ("Thu, 99 Foo 2026", None),
        ("Thu, 01 Jan 2026 00:00:30", 30.0),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 120.0),
        ("Thu, 01 Jan 99999999999999 00:00:00 GMT", None),
        ("Thu, 01 Jan 2026 00:00:00 +99999999999999", None),
        ("1e400", 120.0),
        ("-inf", None),
        ("120, 60", None),
    ],
)
def test_retry_after(header, seconds):
    assert retry_after_s(header, datetime(2026, 1, 1, tzinfo=UTC)) == seconds


def test_retry_after_is_carried():
    failure = classify(answered(429, {}, retry_after="3"), creates=False)
    assert isinstance(failure, Failure)
    assert failure.retry_after_s == 3.0
