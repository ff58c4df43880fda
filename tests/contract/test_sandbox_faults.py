"""Faults, tokens, latency and rate limit: in memory an outcome of `send`, over HTTP a real broken connection."""

import json
import time
from email.utils import parsedate_to_datetime

import pytest
import urllib3

from lvrestore.looker.protocol import Answered, NoAnswer, Request, Sent
from lvrestore.sandbox.faults import parse_rule
from lvrestore.sandbox.latency import Latency
from lvrestore.sandbox.looker import Looker
from lvrestore.sandbox.server import App, running

BODY = {"title": "Sales", "folder_id": "1"}
POST = Request("POST", "/dashboards", {}, BODY)


@pytest.fixture
def looker():
    return Looker(timeout_s=1.0)


class Memory:
    """Sends to the in-memory Looker."""

    def __init__(self, looker):
        self.looker = looker

    def on(self, fault, **arguments):
        getattr(self.looker.on("POST", "/dashboards"), fault)(**arguments)

    def rule(self, **given):
        self.looker.faults.add(parse_rule({"method": "POST", "path": "/dashboards", **given}))

    def send(self):
        return self.looker.send(POST)


class Http:
    """Sends over HTTP and names what happens as a transport would."""

    def __init__(self, url):
        self.url, self.pool = url, urllib3.PoolManager(retries=False, timeout=1.0)
        form = {"client_id": "id", "client_secret": "secret"}
        reply = self.pool.request("POST", f"{url}/api/4.0/login", fields=form, encode_multipart=False)
        self.headers = {"authorization": f"token {reply.json()['access_token']}"}

    def on(self, fault, **arguments):
        order = {"method": "POST", "path": "/dashboards", "fault": fault, "arguments": arguments}
        assert self.pool.request("POST", f"{self.url}/_sandbox/on", body=json.dumps(order)).status == 200

    def rule(self, **given):
        order = json.dumps({"method": "POST", "path": "/dashboards", **given})
        assert self.pool.request("POST", f"{self.url}/_sandbox/on", body=order).status == 200

    def send(self):
        url = f"{self.url}/api/4.0/dashboards"
        try:
            reply = self.pool.request("POST", url, body=json.dumps(BODY), headers=self.headers)
        except urllib3.exceptions.HTTPError as failure:
            return NoAnswer(Sent.UNKNOWN, str(failure))
        return Answered(reply.status, {name.lower(): v for name, v in reply.headers.items()}, reply.data)


@pytest.fixture(params=["memory", "http"])
def wire(request, looker):
    if request.param == "memory":
        yield Memory(looker)
        return
    with running(App(looker)) as url:
        yield Http(url)


def test_lost_reply_leaves_the_object_behind(wire, looker):
    wire.on("create_then_drop_connection", times=1)
    assert wire.send().sent is Sent.UNKNOWN
    assert looker.titles() == ["Sales"]
    assert wire.send().status == 422


def test_drop_before_processing_leaves_nothing(wire, looker):
    wire.on("drop_before", times=2)
    for _ in range(2):
        assert wire.send().sent is Sent.UNKNOWN
    assert looker.titles() == []
    assert wire.send().status == 200


def test_late_commit_happens_when_its_time_has_come(wire, looker):
    wire.on("late_commit", seconds=30)
    assert wire.send().sent is Sent.UNKNOWN
    looker.advance(29)
    assert looker.titles() == []
    sent_at = next(r.at for r in looker.requests if (r.method, r.path) == ("POST", "/dashboards"))
    looker.advance(60)
    made = looker.call("GET", "/dashboards/1")
    assert looker.titles() == ["Sales"]
    assert looker.instance.store.dashboards["1"].row["created_at"] == pytest.approx(sent_at + 30)
    assert made["created_at"] == made["updated_at"]


def test_truncated_answer_is_no_answer(wire, looker):
    wire.on("truncate")
    assert wire.send().sent is Sent.UNKNOWN
    assert looker.titles() == ["Sales"]


def test_stall_beyond_the_timeout_is_no_answer(wire, looker):
    wire.on("stall", seconds=1.5)
    assert wire.send().sent is Sent.UNKNOWN
    assert looker.titles() == ["Sales"]


def test_short_stall_only_takes_its_time(wire):
    wire.on("stall", seconds=0.2)
    assert wire.send().status == 200


def test_answers_of_a_proxy(wire, looker):
    wire.on("answer", status=502, html="<html>Bad Gateway</html>", headers={"Retry-After": "7"})
    answer = wire.send()
    assert (answer.status, answer.body) == (502, b"<html>Bad Gateway</html>")
    assert (answer.headers["retry-after"], answer.headers["content-type"]) == ("7", "text/html")
    wire.on("answer", status=429, body={"message": "Too many"})
    assert json.loads(wire.send().body) == {"message": "Too many"}
    assert looker.titles() == []


def test_answer_of_a_proxy_can_come_after_the_work(wire, looker):
    wire.rule(fault="answer", status=504, html="<html>Gateway Time-out</html>", when="after")
    assert wire.send().status == 504
    assert looker.titles() == ["Sales"]


def test_success_that_is_no_json(wire, looker):
    wire.rule(fault="answer", status=200, html="<html>Signed out</html>", when="after")
    answer = wire.send()
    assert (answer.status, answer.body) == (200, b"<html>Signed out</html>")
    assert looker.titles() == ["Sales"]


def test_retry_after_in_seconds_or_as_a_date(wire, looker):
    wire.rule(fault="answer", status=429, retry_after=30)
    assert wire.send().headers["retry-after"] == "30"
    wire.rule(fault="answer", status=429, retry_after=30, retry_after_form="date")
    said = parsedate_to_datetime(wire.send().headers["retry-after"]).timestamp()
    assert said == pytest.approx(looker.requests[-1].at + 30, abs=1)


def test_silence_before_the_work_ends_without_it(wire, looker):
    wire.rule(fault="stall", seconds=0.2, when="before")
    assert wire.send().sent is Sent.UNKNOWN
    assert looker.titles() == []


def test_window_begins_with_the_first_call(wire, looker):
    wire.rule(fault="answer", status=503, **{"from": 100, "until": 200})
    for seconds, status in ((0, 200), (99, 422), (2, 503), (0, 503), (98, 503), (2, 422)):
        looker.advance(seconds)
        assert wire.send().status == status


def test_outage_hits_logins_and_versions_too(wire, looker):
    looker.faults.add(parse_rule({"fault": "answer", "status": 503, "until": 60}))
    asked = [("GET", "/versions"), ("POST", "/login"), ("GET", "/dashboards/1")]
    form = {"client_id": "id", "client_secret": "secret"}
    assert [looker.handle(method, path, body=form)[0] for method, path in asked] == [503] * 3
    looker.advance(61)
    assert looker.handle("POST", "/login", body=form)[0] == 200


def test_log_says_what_a_fault_did(wire, looker):
    wire.rule(fault="answer", status=429)
    wire.rule(fault="drop_after")
    for _ in range(3):
        wire.send()
    log = [(r.status, r.fault) for r in looker.requests if r.path == "/dashboards"]
    assert log == [(None, "answer 429"), (200, "drop_after"), (422, None)]


def test_share_of_calls_over_a_long_time(looker):
    looker.faults.add(parse_rule({"fault": "drop_before", "path": "/dashboards", "probability": 0.1}))
    hit = sum(isinstance(looker.send(Request("GET", "/dashboards")), NoAnswer) for _ in range(2000))
    assert 150 < hit < 250
    assert all(isinstance(looker.send(Request("GET", "/looks")), Answered) for _ in range(50))


def test_refused_connection_was_not_sent(looker):
    looker.on("*", "**").refuse()
    assert looker.send(POST).sent is Sent.NO
    assert looker.titles() == []


def test_fault_hits_only_the_calls_it_names(looker):
    folder = looker.call("POST", "/folders", {"name": "x", "parent_id": "1"})["id"]
    looker.on("PATCH", "/folders/*", skip=1).drop_before()
    patch = Request("PATCH", f"/folders/{folder}", {}, {"name": "y"})
    assert looker.send(Request("GET", f"/folders/{folder}")).status == 200
    assert looker.send(Request("GET", f"/folders/{folder}/children")).status == 200
    assert [type(looker.send(patch)) for _ in range(3)] == [Answered, NoAnswer, Answered]


def test_dropped_call_raises_where_no_outcome_can_be_returned(looker):
    looker.on("GET", "/user").drop_before()
    with pytest.raises(ConnectionError):
        looker.handle("GET", "/user")


def test_unknown_fault_lists_the_good_ones(looker):
    with running(App(looker)) as url:
        pool = urllib3.PoolManager()
        for order in (
            {"fault": "explode"},
            {"fault": "stall"},
            {"fault": "answer", "arguments": {"colour": 1}},
            {"fault": "refuse", "arguments": [1]},
            {"fault": "refuse", "probability": 2},
        ):
            reply = pool.request("POST", f"{url}/_sandbox/on", body=json.dumps(order))
            assert reply.status == 400
        reply = pool.request("POST", f"{url}/_sandbox/on", body=json.dumps({"fault": "explode"}))
        assert "late_commit" in reply.json()["message"]


def test_control_shows_dump_and_log(looker):
    with running(App(looker)) as url:
        wire = Http(url)
        wire.send()
        log = wire.pool.request("GET", f"{url}/_sandbox/log").json()
        assert [(r["method"], r["path"], r["status"]) for r in log] == [
            ("POST", "/login", 200),
            ("POST", "/dashboards", 200),
        ]
        assert log[1]["body"] == BODY
        assert log[1]["fault"] is None
        assert wire.pool.request("GET", f"{url}/_sandbox/dump").json() == looker.dump()
        assert wire.pool.request("POST", f"{url}/_sandbox/log/clear").status == 200
        assert looker.requests == []
        assert wire.pool.request("GET", f"{url}/_sandbox/nothing").status == 404


def test_log_tells_what_was_sent_and_never_a_secret(looker):
    looker.call("GET", "/looks/search", params={"title": "x"})
    looker.on("*", "**").drop_before()
    looker.send(POST)
    with running(App(looker)) as url:
        Http(url)
    shown = [(r.method, r.path, r.params, r.status) for r in looker.requests]
    assert shown == [
        ("GET", "/looks/search", {"title": "x"}, 200),
        ("POST", "/dashboards", {}, None),
        ("POST", "/login", {}, 200),
    ]
    assert "secret" not in str(looker.requests)


def test_log_can_be_bounded():
    looker = Looker(log_limit=3)
    for i in range(5):
        looker.handle("GET", f"/folders/{i}")
    assert [request.path for request in looker.requests] == ["/folders/2", "/folders/3", "/folders/4"]


def test_token_expires_and_ends_with_logout(looker):
    looker.token_lifetime_s = 60
    with running(App(looker)) as url:
        wire = Http(url)
        assert wire.send().status == 200
        looker.advance(61)
        assert wire.send().status == 401
        fresh = Http(url)
        assert fresh.pool.request("DELETE", f"{url}/api/4.0/logout", headers=fresh.headers).status == 204
        assert fresh.send().status == 401
        assert fresh.pool.request("GET", f"{url}/api/4.0/user").status == 401


def test_login_takes_form_or_query_and_slashes_too_many(looker):
    with running(App(looker)) as url:
        pool = urllib3.PoolManager()
        assert pool.request("POST", f"{url}//api/4.0/login?client_id=a&client_secret=b").status == 200
        assert pool.request("POST", f"{url}/api/4.0/login?client_id=a").status == 404
        assert pool.request("GET", f"{url}/somewhere/else").status == 404


def test_malformed_body_is_a_bad_request(looker):
    with running(App(looker)) as url:
        wire = Http(url)
        for raw in (b"", b"{", b"\xff"):
            reply = wire.pool.request("POST", f"{url}/api/4.0/dashboards", body=raw, headers=wire.headers)
            assert reply.status == 400
        reply = wire.pool.request("POST", f"{url}/api/4.0/dashboards", body=b"[]", headers=wire.headers)
        assert reply.status == 422


@pytest.mark.parametrize(("given", "header"), [("absent", None), ("present", "1")])
def test_rate_limit_answers_429(looker, given, header):
    looker.switches["retry_after"] = given
    with running(App(looker, rate_limit=3)) as url:
        wire = Http(url)
        replies = [wire.send() for _ in range(4)]
        assert [reply.status for reply in replies[2:]] == [429, 429]
        assert replies[3].headers.get("retry-after") == header
        assert len(looker.requests) == 3  # the login too


def test_latency_delays_answers(looker):
    with running(App(looker, latency=Latency(0.1, 0.1, 1.0001))) as url:
        started = time.monotonic()
        Http(url)
        assert time.monotonic() - started >= 0.09
