"""When nobody is answered any more, everybody waits, one looks, and all go on."""

import pytest

from lvrestore.errors import ApiError
from lvrestore.looker.classify import Failure, FailureKind
from lvrestore.looker.client import GaveUp, LookerClient
from lvrestore.looker.health import Health
from lvrestore.looker.limiter import StoppedWaiting
from lvrestore.looker.protocol import Answered, NoAnswer, Request, Sent
from lvrestore.looker.retry import RetryPolicy
from lvrestore.run.outage import OutageWatch, probe

GET = Request("GET", "/dashboards/1")
OK = Answered(200, {}, b"{}")
DOWN = Answered(503, {}, b"<h1>down</h1>")
REFUSED = NoAnswer(Sent.NO, "connection refused")


class Site:
    """An instance that is out from one moment to another, clients with one idea of its health, and a watch."""

    def __init__(self, out_from=0.0, out_until=0.0, *, answers_to_probe=None, timeout_s=600.0):
        self.now, self.gave_up, self.sent = 0.0, [], []
        self.out = (out_from, out_until)
        self.health = Health(clock=lambda: self.now, sleep=self.sleep)
        self.watch = OutageWatch(
            self.health,
            answers_to_probe or (lambda: "down" if self.is_out else None),
            self.gave_up.append,
            host="looker",
            timeout_s=timeout_s,
        )
        self.watch._ended.wait = self.sleep
        self.health.begin_watch()
        self.watches = True

    @property
    def is_out(self):
        return self.out[0] <= self.now < self.out[1]

    def sleep(self, seconds):
        """Time passes; the watch looks as its thread would, but not into its own waiting."""
        self.now += max(seconds, 0.01)
        if self.watches and not self.health.is_out:
            self.watches = False
            self.watch.look()
            self.watches = True

    def send(self, request):
        self.sent.append((self.now, request))
        self.now += 0.1
        return DOWN if self.is_out else OK

    def client(self, **given):
        settings = {"policy": RetryPolicy(max_retries=1), "stop": lambda: bool(self.gave_up)} | given
        return LookerClient(self, health=self.health, sleep=self.sleep, clock=lambda: self.now, **settings)


def test_a_call_outlasts_an_outage_that_takes_more_than_its_attempts():
    site = Site(0.0, 60.0)
    assert site.client().call(GET).status == 200
    assert 60.0 <= site.now < 80.0
    assert len([at for at, _ in site.sent if at < 60.0]) <= 4
    begun, over = site.watch.news()
    assert "nothing gets through to looker any more (down); waiting up to 10 min" in begun
    assert "answers again after 1 min" in over
    assert site.watch.news() == []


def test_an_outage_that_lasts_too_long_is_given_up():
    site = Site(0.0, 1e9, timeout_s=120.0)
    with pytest.raises(StoppedWaiting):
        site.client().call(GET)
    assert site.gave_up == ["nothing got through to looker for 2 min: down"]
    assert 120.0 <= site.now < 140.0


def test_a_call_that_alone_is_not_served_fails_by_itself():
    site = Site(answers_to_probe=lambda: None)
    site.out = (0.0, 1e9)
    with pytest.raises(GaveUp):
        site.client().call(GET)
    assert len(site.sent) == 2
    assert site.watch.news() == site.gave_up == []


def test_without_a_watch_nobody_waits():
    site = Site(0.0, 1e9)
    site.health.end_watch()
    with pytest.raises(GaveUp):
        site.client().call(GET)
    assert site.now < 5.0


def test_a_login_that_is_lost_in_the_outage_is_waited_for():
    site = Site(0.0, 30.0)

    class Tokens:
        def current(self):
            if site.is_out:
                raise ApiError("cannot reach looker", passing=True)

    assert site.client(tokens=Tokens()).call(GET).status == 200
    assert [request for at, request in site.sent if at < 30.0] == []


def test_a_login_that_is_refused_ends_it():
    site = Site()

    class Tokens:
        def current(self):
            raise ApiError("wrong secret")

    with pytest.raises(ApiError, match="wrong secret"):
        site.client(tokens=Tokens()).call(GET)


def test_a_slow_instance_is_not_out():
    site = Site()
    site.now = 1.0
    site.health.lost()
    site.watch.look()
    assert site.health.silent_s() == 1.0  # since the watch began
    site.now += 10.0
    site.watch.look()  # looks into it, and is answered
    assert site.health.silent_s() == 0.0
    assert site.watch.news() == []


class Client:
    def __init__(self, error=None):
        self.error = error

    def call(self, _request):
        if self.error:
            raise self.error


def lost():
    return GaveUp(Failure(kind=FailureKind.TRANSIENT, status=503, message="down"), 1)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (None, None),
        (lost(), "down"),
        (ApiError("cannot reach looker", passing=True), "cannot reach looker"),
        (ApiError("wrong secret"), None),  # whoever needs the login meets that, and says so
        (StoppedWaiting(), "the run is being stopped"),
    ],
)
def test_what_a_probe_says(error, reason):
    assert probe(Client(error)) == reason


def test_numbers_are_shared_between_processes():
    ours = Health.create()
    theirs = Health.attach(ours.handle)
    theirs.lost()
    ours.begin_outage()
    assert theirs.is_out
    assert theirs.outages == 1
    ours.end_outage()
    assert not theirs.is_out
    theirs.close()
    ours.close()
