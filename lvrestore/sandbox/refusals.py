"""What the sandbox answers when it says no: statuses and bodies as Looker words them."""

from __future__ import annotations

from typing import Any

import msgspec

# The host that no SDK release fetches: it would download an error document for each refusal.
DOCUMENTATION = "https://docs.cloud.google.com/looker/docs/r/err/4.0"

MESSAGES = {
    400: "Bad Request",
    401: "Requires authentication.",
    403: "Forbidden",
    404: "Not found",
    405: "Resource Can't Be Modified",
    409: "The resource already exists.",
    422: "Validation Failed",
    429: "Too Many Requests",
    501: "The sandbox does not serve this endpoint.",
}


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong with a request, as it stands in `errors[]`."""

    field: str
    code: str
    message: str


class Refusal(Exception):  # noqa: N818 - an answer, not a failure of the sandbox
    """Thrown by whatever part of the sandbox refuses a request."""

    def __init__(self, status: int, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(status, faults)
        self.status, self.faults = status, faults

    def body(self, method: str, path: str) -> dict[str, Any]:
        """Return the error body for a request, with the status in the documentation URL as Looker has it."""
        url = f"{DOCUMENTATION}/{self.status}/{method.lower()}{path}"
        body: dict[str, Any] = {"message": MESSAGES[self.status], "documentation_url": url}
        if self.faults:
            body["errors"] = [{**msgspec.structs.asdict(f), "documentation_url": url} for f in self.faults]
        return body


def not_found() -> Refusal:
    """Absent, or not for the caller's eyes: Looker does not tell the two apart."""
    return Refusal(404)


def forbidden() -> Refusal:
    """Not for this caller, or not through the API."""
    return Refusal(403)


def conflict() -> Refusal:
    """Something instance-wide is taken, a slug for example."""
    return Refusal(409)


def not_modifiable() -> Refusal:
    """Built-in or defined in LookML."""
    return Refusal(405)


def invalid(field: str, message: str, code: str = "invalid") -> Refusal:
    """Refuse one field."""
    return Refusal(422, (Fault(field, code, message),))


def missing(field: str) -> Refusal:
    """Refuse a reference to something that is not there."""
    return invalid(field, f"{field} refers to nothing.", "missing")


def absent(field: str) -> Refusal:
    """Refuse a body that lacks what it needs."""
    return invalid(field, f"{field} can't be blank", "missing_field")


def taken(field: str, message: str) -> Refusal:
    """Refuse what must be unique."""
    return invalid(field, message, "already_exists")
