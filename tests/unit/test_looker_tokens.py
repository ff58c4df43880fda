"""Logging in: in time, once, and with errors that say what to do."""

import pickle
import threading

import orjson
import pytest

from lvrestore.errors import ApiError
from lvrestore.looker.credentials import Destination, Secret
from lvrestore.looker.limiter import StoppedWaiting
from lvrestore.looker.protocol import Answered, NoAnswer, Sent, Token
from lvrestore.looker.retry import RetryPolicy
from lvrestore.looker.tokens import LoginTokens
from lvrestore.looker.transport import Endpoint

DESTINATION = Destination(
    endpoint=Endpoint("https://looker.example.com"), client_id="id1", client_secret=Secret("hush-hush")
)


class Time:
    def __init__(self):
        self.now = 0.0

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


class Server:
    def __init__(self, *answers):
        self.answers, self.forms, self.delay = list(answers), [], None

    def __call__(self, endpoint, path, form):
        assert path == "/login"
        self.forms.append(dict(form))
        if self.delay:
            self.delay()
        return self.answers.pop(0) if self.answers else granted(f"t{len(self.forms)}")


def granted(value="t", expires_in=3600):
    return Answered(200, {}, orjson.dumps({"access_token": value, "expires_in": expires_in}))


def refused(status, text="Not found"):
    return Answered(status, {}, orjson.dumps({"message": text}))


def make(*answers, **given):
    time, server = Time(), Server(*answers)
    return LoginTokens(DESTINATION, post=server, sleep=time.sleep, clock=time.clock, **given), server, time


def test_one_login_serves_until_shortly_before_the_end():
    tokens, server, time = make()
    first = tokens.current()
    time.now = 3539.0
    assert tokens.current() is first
    time.now = 3541.0
    assert tokens.current().generation == 2
    assert server.forms == [{"client_id": "id1", "client_secret": "hush-hush"}] * 2


@pytest.mark.parametrize(("expires_in", "renewed_at"), [(10, 9.0), (600, 540.0), (None, 3540.0), (0, 3540.0)])
def test_when_a_token_is_renewed(expires_in, renewed_at):
    tokens, _, _ = make(granted(expires_in=expires_in))
    assert tokens.current().expires_at_monotonic == renewed_at


def test_renewing_a_token_that_was_renewed_already_does_not_log_in():
    tokens, _, _ = make()
    first = tokens.current()
    second = tokens.renew(first)
    assert tokens.renew(first) is second
    assert tokens.logins == 2


def test_threads_that_meet_one_401_log_in_once():
    tokens, server, _ = make()
    stale = tokens.current()
    ready = threading.Barrier(8)
    server.delay = lambda: threading.Event().wait(0.05)
    got = []

    def renew():
        ready.wait()
        got.append(tokens.renew(stale))

    threads = [threading.Thread(target=renew) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {token.generation for token in got} == {2}
    assert tokens.logins == 2


@pytest.mark.parametrize("status", [401, 403, 404, 400])
def test_refused_credentials_are_an_api_error_and_not_tried_again(status):
    tokens, _server, _ = make(refused(status, "bad hush-hush"))
    for _ in range(3):
        with pytest.raises(ApiError, match=r"looker\.example\.com refused the login") as error:
            tokens.current()
    assert (error.value.exit_code, error.value.status, tokens.logins) == (4, status, 1)
    assert "client id and secret" in error.value.hint
    assert "hush" not in str(error.value)


@pytest.mark.parametrize(("secret", "said"), [("s", "localhost"), ("hush-hus", "localhost hush-hus")])
def test_a_secret_of_few_letters_is_not_masked_in_the_words_around_it(secret, said):
    server = Server(refused(404, said))
    destination = Destination(
        endpoint=Endpoint("http://localhost:9"), client_id="id1", client_secret=Secret(secret)
    )
    with pytest.raises(ApiError) as error:
        LoginTokens(destination, post=server).current()
    assert str(error.value).startswith("localhost:9 refused the login: 404 localhost")
    assert "hush" not in str(error.value)


def test_unreachable_names_host_and_reason():
    down = NoAnswer(Sent.UNKNOWN, "Connection refused")
    tokens, _, _time = make(down, down, down)
    with pytest.raises(ApiError, match=r"cannot reach looker\.example\.com: Connection refused"):
        tokens.current()
    assert tokens.logins == 3
    assert tokens.current().generation == 1  # an outage is not remembered


def test_a_certificate_problem_hints_at_the_bundle():
    tokens, _, _ = make(*[NoAnswer(Sent.NO, "certificate not trusted: self-signed")] * 3)
    with pytest.raises(ApiError, match="cannot trust") as error:
        tokens.current()
    assert "--ca-bundle" in error.value.hint


def test_a_redirect_is_explained():
    tokens, _, _ = make(Answered(302, {"location": "https://sso.example.com"}, b""))
    with pytest.raises(ApiError, match="is not the API: the server redirects to https://sso"):
        tokens.current()


def test_a_page_instead_of_a_token():
    tokens, _, _ = make(*[Answered(200, {}, b"<html>Welcome</html>")] * 3)
    with pytest.raises(ApiError, match="Welcome"):
        tokens.current()


def test_an_answer_without_a_token():
    tokens, _, _ = make(Answered(200, {}, b"[]"))
    with pytest.raises(ApiError, match="without an access token"):
        tokens.current()


def test_a_passing_failure_is_repeated():
    tokens, _, _time = make(refused(503), refused(429), granted("x"))
    assert tokens.current().value == "x"


@pytest.mark.parametrize(("status", "passing"), [(502, True), (429, True), (404, False), (301, False)])
def test_whether_a_login_may_work_later(status, passing):
    tokens, _, _ = make(*[refused(status)] * 3, policy=RetryPolicy(max_retries=0))
    with pytest.raises(ApiError) as error:
        tokens.current()
    assert error.value.passing is passing


def test_a_login_that_failed_in_passing_is_tried_again():
    tokens, _, _ = make(granted("a"), *[refused(502)] * 3, granted("b"))
    first = tokens.current()
    with pytest.raises(ApiError):
        tokens.renew(first)
    assert tokens.latest() is first
    assert tokens.renew(first).value == "b"
    assert tokens.logins == 5


def test_stop_ends_the_wait():
    class Patient:
        def uniform(self, a, b):
            return b

    tokens, _, _ = make(refused(503), stop=lambda: True, rng=Patient())
    with pytest.raises(StoppedWaiting):
        tokens.current()


def test_the_limiter_is_asked_and_told():
    told = []

    class Limiter:
        def acquire(self, stop):
            told.append("asked")
            return 0.0

        def pause(self, seconds):
            raise AssertionError

        def served(self, method, path, elapsed_s):
            raise AssertionError

        def overloaded(self, status, elapsed_s, retry_after_s):
            told.append((status, retry_after_s))

    tokens, _, _ = make(refused(429), granted(), limiter=Limiter())
    tokens.current()
    assert told == ["asked", (429, None), "asked"]


def test_a_token_pickles_and_hides_its_value():
    token = Token("hush", 3, 99.0)
    assert pickle.loads(pickle.dumps(token)) == token
    assert "hush" not in f"{token!r} {token} {[token]}"


def test_a_destination_hides_its_secret():
    assert "hush" not in f"{DESTINATION!r} {DESTINATION} {DESTINATION.client_secret}"
    assert pickle.loads(pickle.dumps(DESTINATION)).client_secret.reveal() == "hush-hush"
