"""What an answer means: the one place where status codes, error bodies and broken connections are judged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec
import orjson

from lvrestore.looker.protocol import Answered, NoAnswer, Sent
from lvrestore.looker.redaction import redacted
from lvrestore.model import Json

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_RETRY_AFTER_S = 120.0
MAX_MESSAGE = 1000


class FailureKind(StrEnum):
    """The kinds of failure that are treated differently."""

    RATE_LIMITED = "rate_limited"
    TRANSIENT = "transient"
    AUTH = "auth"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    VALIDATION = "validation"
    FORBIDDEN = "forbidden"
    UNKNOWN_OUTCOME = "unknown_outcome"
    UNEXPECTED_REPLY = "unexpected_reply"


class Refused(Exception):  # noqa: N818 - an answer of the server, thrown into a generator, not a fault of ours
    """The server refused a call. `fields` are the `errors[].field` of a 422, `codes` their codes.

    `request` and `response` are for a dead letter; they are empty where nothing was sent.
    """

    def __init__(
        self,
        kind: FailureKind,
        status: int,
        message: str,
        fields: tuple[str, ...] = (),
        codes: tuple[str, ...] = (),
        request: str = "",
        response: str = "",
    ) -> None:
        super().__init__(kind, status, message, fields, codes, request, response)
        self.kind, self.status, self.message, self.fields, self.codes = kind, status, message, fields, codes
        self.request, self.response = request, response

    def reworded(self, message: str) -> Refused:
        """The same refusal in other words."""
        return Refused(self.kind, self.status, message, self.fields, self.codes, self.request, self.response)

    def about(self, field: str) -> bool:
        """Whether the refusal names this field."""
        return any(field in name for name in self.fields)

    def __str__(self) -> str:
        return f"{self.status} {self.message}"


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One call that did not succeed.

    `repeatable`: the same request may be sent again without looking first. `may_have_happened`: a create that
    the server may have executed; with `lands_late` it may even be executed after this answer.
    `status` is None when no answer came.
    """

    kind: FailureKind
    status: int | None
    message: str
    fields: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    retry_after_s: float | None = None
    repeatable: bool = False
    may_have_happened: bool = False
    lands_late: bool = False


class Reply(msgspec.Struct, frozen=True):
    """What a call gave: the decoded body, or None where there is none."""

    status: int
    json: Json = None
    headers: Mapping[str, str] = {}


KIND_OF_STATUS = {
    400: FailureKind.VALIDATION,
    401: FailureKind.AUTH,
    403: FailureKind.FORBIDDEN,
    404: FailureKind.NOT_FOUND,
    405: FailureKind.FORBIDDEN,  # Looker's "resource can't be modified": built-ins, LookML dashboards
    407: FailureKind.FORBIDDEN,
    408: FailureKind.TRANSIENT,
    409: FailureKind.CONFLICT,
    422: FailureKind.VALIDATION,
    425: FailureKind.TRANSIENT,
    429: FailureKind.RATE_LIMITED,
}
FIRST_VENDOR_STATUS = 520  # Cloudflare and the like: the proxy lost Looker, as with 502 and 504
OVERLOAD = frozenset({429, 503})  # the instance wants fewer requests from everybody
NO_CONTENT = 204
NOT_FOUND = 404


def classify(answer: Answered | NoAnswer, *, creates: bool) -> Failure | None:
    """Judge an answer by its status; None is a 2xx, whose body `read_reply` judges."""
    if isinstance(answer, NoAnswer):
        return _no_answer(answer, creates=creates)
    if is_success(answer.status):
        return None
    kind = _kind_of(answer)
    detail = _detail_of(answer)
    # The message ends in dead letters and on screens; a server may echo what it was sent.
    unknown = creates and kind is FailureKind.TRANSIENT
    return Failure(
        kind=FailureKind.UNKNOWN_OUTCOME if unknown else kind,
        status=answer.status,
        message=redacted(detail.message),
        fields=detail.fields,
        codes=detail.codes,
        retry_after_s=retry_after_s(answer.headers.get("retry-after")),
        repeatable=not unknown and kind in {FailureKind.TRANSIENT, FailureKind.RATE_LIMITED},
        may_have_happened=unknown,
        lands_late=unknown and _answered_by_a_proxy(answer.status),
    )


def read_reply(answer: Answered | NoAnswer, *, creates: bool, expects_json: bool = True) -> Reply | Failure:
    """Judge an answer with its body, decoding it once."""
    if isinstance(answer, NoAnswer) or not is_success(answer.status):
        failure = classify(answer, creates=creates)
        assert failure is not None  # noqa: S101 - only a 2xx has none
        return failure
    if answer.status == NO_CONTENT or not expects_json:
        return Reply(answer.status, None, answer.headers)
    try:
        return Reply(answer.status, orjson.loads(answer.body), answer.headers)
    except orjson.JSONDecodeError:
        return _unreadable(answer, creates=creates)


def is_success(status: int) -> bool:
    """Tell whether a status is a 2xx."""
    return 200 <= status < 300  # noqa: PLR2004 - HTTP's own numbers


def is_redirect(status: int | None) -> bool:
    """Tell whether a status is a 3xx, which a Looker API never answers by itself."""
    return status is not None and 300 <= status < 400  # noqa: PLR2004 - HTTP's own numbers


def retry_after_s(header: str | None, now: datetime | None = None) -> float | None:
    """Read a `Retry-After` in seconds or as a date, between 0 and `MAX_RETRY_AFTER_S`."""
    if header is None:
        return None
    try:
        wait_s = float(header)
    except ValueError:
        wait_s = _seconds_until(header, now or datetime.now(UTC))
    if not wait_s >= 0:  # also catches NaN
        return None
    return min(wait_s, MAX_RETRY_AFTER_S)


def _seconds_until(http_date: str, now: datetime) -> float:
    try:
        at = parsedate_to_datetime(http_date)
    except (ValueError, OverflowError):  # a year or an offset of twenty digits is the latter
        return -1.0
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())


def _kind_of(answer: Answered) -> FailureKind:
    if answer.status >= 500:  # noqa: PLR2004 - HTTP's own number
        return FailureKind.TRANSIENT
    # A web page saying 404 is a proxy that cannot find Looker. Taken for "absent", it would make duplicates.
    if answer.status == NOT_FOUND and answer.body.lstrip().startswith(b"<"):
        return FailureKind.TRANSIENT
    if is_redirect(answer.status):
        return FailureKind.FORBIDDEN
    return KIND_OF_STATUS.get(answer.status, FailureKind.VALIDATION)


def _answered_by_a_proxy(status: int) -> bool:
    return status in {502, 504} or status >= FIRST_VENDOR_STATUS


def _no_answer(answer: NoAnswer, *, creates: bool) -> Failure:
    unknown = creates and answer.sent is Sent.UNKNOWN
    return Failure(
        kind=FailureKind.UNKNOWN_OUTCOME if unknown else FailureKind.TRANSIENT,
        status=None,
        message=answer.reason,
        repeatable=not unknown,
        may_have_happened=unknown,
        lands_late=unknown,
    )


def _unreadable(answer: Answered, *, creates: bool) -> Failure:
    return Failure(
        kind=FailureKind.UNKNOWN_OUTCOME if creates else FailureKind.TRANSIENT,
        status=answer.status,
        message=f"the answer is not JSON: {redacted(_plain_text(answer.body)) or 'empty'}",
        repeatable=not creates,
        may_have_happened=creates,
    )


# --- error bodies: Looker's own JSON, or whatever a proxy says ---


class _Detail(msgspec.Struct, frozen=True):
    message: str
    fields: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()


def _detail_of(answer: Answered) -> _Detail:
    if is_redirect(answer.status):
        return _Detail(f"the server redirects to {_where(answer.headers.get('location', ''))}")
    try:
        body = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        return _Detail(_plain_text(answer.body) or f"HTTP {answer.status}")
    return _looker_error(body, answer.status)


def _looker_error(body: dict[str, Json], status: int) -> _Detail:
    listed = body.get("errors")
    errors = [e for e in listed if isinstance(e, dict)] if isinstance(listed, list) else []
    details = "; ".join(text for e in errors if (text := _short(e.get("message"))))
    message = ": ".join(part for part in (_short(body.get("message")), details) if part)
    return _Detail(
        message[:MAX_MESSAGE] or f"HTTP {status}",
        tuple(dict.fromkeys(name for e in errors for name in _field_names(e.get("field")))),
        tuple(dict.fromkeys(e["code"] for e in errors if isinstance(e.get("code"), str))),
    )


def _field_names(field: Json) -> Iterator[str]:
    """Accept `title`, `["title"]` and Ruby's `[:title, :space_id]` in a string."""
    parts = field if isinstance(field, list) else str(field or "").strip("[]").split(",")
    for part in parts:
        if name := str(part).strip().strip(":\"'"):
            yield name


def _short(value: Json) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _plain_text(body: bytes, limit: int = 200) -> str:
    text = body[:4000].decode("utf-8", "replace")
    if title := re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL):
        text = title[1]
    text = re.sub(r"<(script|style).*?(</\1>|$)|<[^>]*>", " ", text, flags=re.IGNORECASE | re.DOTALL)
    return " ".join(text.split())[:limit]


def _where(location: str) -> str:
    """Give a redirect's target without its query, where sign-in pages carry state."""
    return re.split(r"[?#]", location, maxsplit=1)[0][:200] or "an unnamed place"
