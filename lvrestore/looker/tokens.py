"""Access tokens: log in, renew in time, and only once however many threads need it."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, Protocol

import urllib3

from lvrestore.errors import ApiError
from lvrestore.looker.classify import OVERLOAD, Failure, FailureKind, is_redirect, read_reply
from lvrestore.looker.limiter import Limiter, NoLimit, wait_until
from lvrestore.looker.protocol import Answered, NoAnswer, Sent, Token
from lvrestore.looker.redaction import masked
from lvrestore.looker.retry import GiveUp, RetryPolicy, Rng, after_failure
from lvrestore.looker.transport import API_PATH, USER_AGENT, Endpoint, proxy_for, reason_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lvrestore.looker.credentials import Destination
    from lvrestore.model import Json

DEFAULT_LIFETIME_S = 3600.0
RENEW_BEFORE_S = 60.0
SHARE_OF_LIFETIME = 0.1
# A wrong address shows at the first login, and a person waits for that answer. Whoever needs a renewal in
# vain has a patience of its own.
LOGIN_POLICY = RetryPolicy(max_retries=2)
REFUSED = frozenset({FailureKind.AUTH, FailureKind.FORBIDDEN, FailureKind.NOT_FOUND, FailureKind.VALIDATION})


class TokenSource(Protocol):
    """Where the client gets access tokens; in a worker this asks the parent process."""

    def current(self) -> Token:
        """Give a token that can be used now."""
        ...

    def renew(self, stale: Token) -> Token:
        """Give a newer token than this one, which the server has refused."""
        ...


class PostForm(Protocol):
    """Sends the login form; a test puts its own in."""

    def __call__(self, endpoint: Endpoint, path: str, form: Mapping[str, str]) -> Answered | NoAnswer:
        """Send once."""
        ...


class LoginTokens:
    """Tokens from `POST /login`; safe to share between threads."""

    def __init__(
        self,
        destination: Destination,
        *,
        limiter: Limiter | None = None,
        policy: RetryPolicy = LOGIN_POLICY,
        stop: Callable[[], bool] = lambda: False,
        post: PostForm | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        rng: Rng | None = None,
    ) -> None:
        self._destination = destination
        self._limiter = limiter or NoLimit()
        self._policy, self._stop, self._post = policy, stop, post or post_form
        self._sleep, self._clock, self._rng = sleep, clock, rng or random.Random()  # noqa: S311 - jitter
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._refusal: ApiError | None = None
        self.logins = 0

    def current(self) -> Token:
        """Give a token that can be used now, logging in when there is none or it ends soon."""
        token = self._token
        if token is not None and self._clock() < token.expires_at_monotonic:
            return token
        return self.renew(token)

    def latest(self) -> Token:
        """Give the last token, which may have ended since; the first time, log in."""
        return self._token or self.renew(None)

    def renew(self, stale: Token | None) -> Token:
        """Log in, unless another thread already has since `stale` was given out."""
        with self._lock:
            token = self._token
            if token is not None and (stale is None or token.generation > stale.generation):
                return token
            if self._refusal is not None:  # wrong credentials, asked for by every thread, lock accounts
                raise self._refusal
            self._token = self._log_in(1 if token is None else token.generation + 1)
            return self._token

    def _log_in(self, generation: int) -> Token:
        attempt = 1
        while True:
            asked_at, outcome = self._ask_once()
            if not isinstance(outcome, Failure):
                return self._token_from(outcome, generation, asked_at)
            decision = after_failure(outcome, attempt, self._policy, self._rng)
            if isinstance(decision, GiveUp):
                raise self._error(outcome)
            wait_until(self._clock() + decision.seconds, self._stop, self._sleep, self._clock)
            attempt += 1

    def _ask_once(self) -> tuple[float, Failure | Json]:
        destination = self._destination
        form = {"client_id": destination.client_id, "client_secret": destination.client_secret.reveal()}
        self._limiter.acquire(self._stop)
        asked_at = self._clock()
        self.logins += 1
        answer = self._post(destination.endpoint, "/login", form)
        reply = read_reply(answer, creates=False)
        if not isinstance(reply, Failure):
            return asked_at, reply.json
        if reply.status in OVERLOAD:
            self._limiter.overloaded(reply.status, answer.elapsed_s, reply.retry_after_s)
        return asked_at, reply

    def _token_from(self, reply: Json, generation: int, asked_at: float) -> Token:
        value = reply.get("access_token") if isinstance(reply, dict) else None
        if not isinstance(value, str) or not value:
            raise ApiError(
                f"{self._destination.endpoint.host} answered the login without an access token",
                "check that --base-url is the address of a Looker instance",
            )
        lifetime_s = reply.get("expires_in")
        if not isinstance(lifetime_s, int | float) or lifetime_s <= 0:
            lifetime_s = DEFAULT_LIFETIME_S
        margin_s = min(RENEW_BEFORE_S, lifetime_s * SHARE_OF_LIFETIME)
        return Token(value, generation, asked_at + lifetime_s - margin_s)

    def _error(self, failure: Failure) -> ApiError:
        message, hint = _explain(failure, self._destination.endpoint.host)
        # A server may echo what it was sent.
        message = masked(message, self._destination.client_secret.reveal())
        error = ApiError(message, hint, failure.status, failure.repeatable)
        if failure.kind in REFUSED and not is_redirect(failure.status):
            self._refusal = error
        return error


def _explain(failure: Failure, host: str) -> tuple[str, str]:
    if failure.status is None and "certificate" in failure.message:
        return f"cannot trust {host}: {failure.message}", "give the authority's certificate with --ca-bundle"
    if failure.status is None:
        return f"cannot reach {host}: {failure.message}", "check --base-url, the network and proxy settings"
    if is_redirect(failure.status):
        return f"{host} is not the API: {failure.message}", "give that address as --base-url"
    if failure.kind in REFUSED:
        return (
            f"{host} refused the login: {failure.status} {failure.message}",
            "check client id and secret (Looker answers 404 to wrong ones) and --base-url",
        )
    return f"{host} could not log in: {failure.status} {failure.message}", "try again later"


def post_form(endpoint: Endpoint, path: str, form: Mapping[str, str]) -> Answered | NoAnswer:
    """Send a form below the API once, without following redirects or reading credentials of its own."""
    import requests  # noqa: PLC0415 - workers never log in, and it takes a while to import

    if not endpoint.verify:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
    start = time.perf_counter()
    with requests.Session() as session:
        session.trust_env = False  # no .netrc; the proxy is decided in one place for all requests
        proxy = proxy_for(endpoint.base_url)
        try:
            response = session.post(
                endpoint.base_url + API_PATH + path,
                data=dict(form),
                headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
                timeout=(endpoint.connect_timeout_s, endpoint.timeout_s),
                allow_redirects=False,
                verify=(endpoint.ca_bundle or True) if endpoint.verify else False,
                proxies={"http": proxy, "https": proxy} if proxy else {},
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            return NoAnswer(Sent.UNKNOWN, reason_of(error), time.perf_counter() - start)
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answered(response.status_code, headers, response.content, time.perf_counter() - start)
