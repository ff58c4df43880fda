"""The client repeats what may be repeated, and nothing else."""

import logging
import pickle

import orjson
import pytest

from lvrestore.errors import ApiError
from lvrestore.looker.classify import Failure, FailureKind, Refused
from lvrestore.looker.client import CallCounts, GaveUp, LookerClient, UnknownOutcome
from lvrestore.looker.limiter import StoppedWaiting
from lvrestore.looker.protocol import Answered, NoAnswer, Request, Sent, Token
from lvrestore.looker.redaction import redacted
from lvrestore.looker.retry import RetryPolicy

GET = Request("GET", "/dashboards/1")
POST = Request("POST", "/dashboards", body={"title": "x"})
DELETE = Request("DELETE", "/dashboards/1")
PATCH = Request("PATCH", "/dashboards/1", body={})
LOST = NoAnswer(Sent.UNKNOWN, "connection reset")
NOT_SENT = NoAnswer(Sent.NO, "connection refused")


def answered(status, body=None, **headers):
    raw = body if isinstance(body, bytes) else orjson.dumps({} if body is None else body)
    return Answered(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


class Time:
    def __init__(self):
        self.now = 100.0

    def clock(self):
        return self.now

    def sleep(self, seconds):
        assert seconds > 0
        self.now += seconds


class Script:
    """A transport that gives these answers in turn."""

    def __init__(self, *answers, time=None):
        self.answers, self.requests, self.time = list(answers), [], time

    def send(self, request):
        self.requests.append(request)
        if self.time is not None:
            self.time.now += 1.0
        return self.answers.pop(0)


class Tokens:
    def __init__(self):
        self.generation, self.renewed = 1, 0

    def current(self):
        return Token(f"value{self.generation}", self.generation, 1e9)

    def renew(self, stale):
        assert stale.generation == self.generation
        self.generation += 1
        self.renewed += 1
        return self.current()


class Limiter:
    def __init__(self):
        self.asked, self.told = 0, []

    def acquire(self, stop):
        self.asked += 1
        return 0.0

    def pause(self, seconds):
        raise AssertionError

    def served(self, method, path, elapsed_s):
        self.told.append((method, path, elapsed_s))

    def overloaded(self, status, elapsed_s, retry_after_s):
        self.told.append((status, elapsed_s, retry_after_s))


class HalfWay:
    def uniform(self, a, b):
        return (a + b) / 2


def make(*answers, **given):
    time = Time()
    script = Script(*answers, time=time)
    settings = {"policy": RetryPolicy(max_retries=3, base_s=1.0), "rng": HalfWay()} | given
    client = LookerClient(script, sleep=time.sleep, clock=time.clock, **settings)
    return client, script, time


def test_a_reply():
    client, script, _ = make(answered(200, {"id": "1"}, x_id="9"))
    reply = client.call(GET)
    assert (reply.status, reply.json, reply.headers) == (200, {"id": "1"}, {"x-id": "9"})
    assert script.requests == [GET]
    assert client.counts == CallCounts({"GET": 1}, 0, 0)


def test_absent_is_a_reply_to_a_get_and_a_done_delete():
    client, _, _ = make(answered(404), answered(502), answered(404))
    assert (client.call(GET).status, client.call(DELETE).status) == (404, 404)


def test_absent_is_a_refusal_to_a_patch():
    client, _, _ = make(answered(404, {"message": "Not found"}))
    with pytest.raises(Refused) as refused:
        client.call(PATCH)
    assert (refused.value.kind, refused.value.status) == (FailureKind.NOT_FOUND, 404)


def test_a_refusal_carries_fields_and_is_not_repeated():
    body = {"message": "Validation Failed", "errors": [{"field": "query_id", "code": "missing"}]}
    client, script, _ = make(answered(422, body))
    with pytest.raises(Refused) as refused:
        client.call(POST, creates=True)
    assert (refused.value.fields, refused.value.codes) == (("query_id",), ("missing",))
    assert len(script.requests) == 1


def test_transient_failures_are_repeated_with_growing_waits():
    limiter = Limiter()
    client, _script, time = make(answered(502), LOST, NOT_SENT, answered(200), limiter=limiter)
    assert client.call(PATCH).status == 200
    assert time.now == 100.0 + 4 + 0.5 + 1.0 + 2.0
    assert limiter.asked == 4
    assert client.counts == CallCounts({"PATCH": 3}, 3, 0)  # what was not sent is no call


def test_attempts_are_used_up():
    client, script, _ = make(*[answered(500, {"message": "oops"})] * 4)
    with pytest.raises(GaveUp, match=r"500 oops \(after 4 attempts\)") as gave_up:
        client.call(GET)
    assert (gave_up.value.attempts, gave_up.value.failure.status, len(script.requests)) == (4, 500, 4)


def test_unreachable_to_the_end():
    client, _, _ = make(*[NOT_SENT] * 4)
    with pytest.raises(GaveUp, match=r"^connection refused"):
        client.call(POST, creates=True)
    assert client.counts.total == 0


@pytest.mark.parametrize(
    ("answer", "lands_late"),
    [(answered(500), False), (answered(504), True), (LOST, True), (answered(200, b"{"), False)],
)
def test_a_create_that_may_have_happened_is_never_repeated(answer, lands_late):
    client, script, _ = make(answer)
    with pytest.raises(UnknownOutcome) as unknown:
        client.call(POST, creates=True)
    assert (unknown.value.sent_at, unknown.value.lands_late) == (100.0, lands_late)
    assert len(script.requests) == 1


def test_a_create_that_cannot_have_happened_is_repeated():
    client, script, _time = make(answered(429), NOT_SENT, answered(200, {"id": "5"}))
    assert client.call(POST, creates=True).json == {"id": "5"}
    assert len(script.requests) == 3


def test_the_time_of_the_last_sending_is_reported():
    client, _, _ = make(answered(429), LOST)
    with pytest.raises(UnknownOutcome) as unknown:
        client.call(POST, creates=True)
    assert unknown.value.sent_at == 101.5


def test_rate_limited_honours_retry_after_and_slows_everyone_down():
    limiter = Limiter()
    client, _, time = make(answered(429, retry_after="7"), answered(503), answered(200), limiter=limiter)
    client.call(GET)
    assert limiter.told == [(429, 0.0, 7.0), (503, 0.0, None), (GET.method, GET.path, 0.0)]
    assert time.now == 103.0 + 7.0 + 1.0
    assert client.counts.rate_limited == 1


def test_a_refused_token_is_renewed_once():
    tokens = Tokens()
    client, script, time = make(answered(401), answered(200), tokens=tokens)
    assert client.call(POST, creates=True).status == 200
    assert [request.token.value for request in script.requests] == ["value1", "value2"]
    assert time.now == 102.0  # no back-off
    assert "value1" not in repr(script.requests)


def test_a_second_refusal_of_the_token_is_final():
    tokens = Tokens()
    client, _, _ = make(answered(401), answered(401), tokens=tokens)
    with pytest.raises(Refused) as refused:
        client.call(GET)
    assert (refused.value.kind, tokens.renewed) == (FailureKind.AUTH, 1)


def test_no_token_source_means_no_renewal():
    client, script, _ = make(answered(401))
    with pytest.raises(Refused):
        client.call(GET)
    assert script.requests[0].token is None


def test_a_redirect_ends_the_run():
    client, _, _ = make(answered(301, b"", location="https://other.example.com/x"))
    with pytest.raises(ApiError, match=r"redirects to https://other\.example\.com/x") as error:
        client.call(POST, creates=True)
    assert error.value.exit_code == 4
    assert "--base-url" in error.value.hint


def test_stop_ends_the_wait():
    stopped = []
    client, script, _ = make(answered(503), stop=lambda: bool(stopped) or stopped.append(1) or False)
    with pytest.raises(StoppedWaiting):
        client.call(GET)
    assert len(script.requests) == 1


def test_the_last_response_is_kept_without_secrets():
    client, _, _ = make(
        answered(422, {"message": "no", "access_token": "hush", "x": "Bearer abc.def", "n": "y" * 9000}), LOST
    )
    assert client.last_response is None
    with pytest.raises(Refused):
        client.call(POST)
    record = client.last_response
    assert (record.method, record.path, record.status) == ("POST", "/dashboards", 422)
    assert "hush" not in record.body
    assert "abc.def" not in record.body
    assert len(record.body) == 2048
    with pytest.raises(UnknownOutcome):
        client.call(POST, creates=True)
    assert (client.last_response.status, client.last_response.body) == (None, "connection reset")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"client_secret": "a\\"b", "k": 1}', '{"client_secret": "***", "k": 1}'),
        ('{"password":"cut off he', '{"password":"***"'),
        ('{"reset_token": 77}', '{"reset_token": "***"}'),
        ('{"title": "secret sales"}', '{"title": "secret sales"}'),
    ],
)
def test_redaction(text, expected):
    assert redacted(text) == expected


def test_debug_log_has_neither_body_nor_token(caplog):
    client, _, _ = make(answered(200, {"a": "in the body"}), tokens=Tokens())
    with caplog.at_level(logging.DEBUG, "lvrestore.looker.client"):
        client.call(POST)
    assert "POST /dashboards: 200" in caplog.text
    assert "in the body" not in caplog.text
    assert "value1" not in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        GaveUp(Failure(kind=FailureKind.TRANSIENT, status=None, message="m"), 3),
        Refused(FailureKind.CONFLICT, 409, "m", ("f",), ("c",), "PATCH /looks/1", "{}"),
        UnknownOutcome(
            1.0, lands_late=True, failure=Failure(kind=FailureKind.UNKNOWN_OUTCOME, status=502, message="m")
        ),
    ],
)
def test_errors_survive_pickling(error):
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.args, str(again)) == (type(error), error.args, str(error))
