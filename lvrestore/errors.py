"""The error tree and the exit codes: every way a command can end, in one file."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the shell sees. Schedulers act on these; they are never renumbered."""

    OK = 0
    ITEMS_FAILED = 1
    NOT_FOUND = 2
    VALIDATION = 3
    API = 4
    DIFFERENT = 5
    LOCKED = 6
    STOPPED = 7
    CHANGES = 20
    USAGE = 64
    INTERNAL = 70
    INTERRUPTED = 130
    TERMINATED = 143


class RestorationError(Exception):
    """Base of everything this package raises on purpose.

    `hint` says what the person can do next. Subclasses pass their constructor arguments on to
    `Exception`, so that an error survives pickling between processes.
    """

    exit_code = ExitCode.INTERNAL
    kind = "internal"
    hint = ""


class CancelledError(Exception):
    """Somebody answered no to the question. It is outside the tree, as a "no" is an answer and no failure."""

    def __str__(self) -> str:
        return "Cancelled. Nothing was changed."


class UsageError(RestorationError):
    """The command line asks for something that cannot be meant."""

    exit_code = ExitCode.USAGE
    kind = "usage"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message, self.hint = message, hint

    def __str__(self) -> str:
        return self.message


class NotFoundError(RestorationError):
    """Something named on the command line does not exist: an item, a session, a vault file."""

    exit_code = ExitCode.NOT_FOUND
    kind = "not_found"

    def __init__(self, what: str, where: str, hint: str = "") -> None:
        super().__init__(what, where, hint)
        self.what, self.where, self.hint = what, where, hint

    def __str__(self) -> str:
        return f"{self.what} is not in {self.where}"


class NothingToResumeError(NotFoundError):
    """No session is unfinished, or not the one that was named."""

    def __init__(self, session_id: str | None, path: str, ended: bool = False) -> None:  # noqa: FBT001, FBT002 - pickles
        what = "an unfinished session" if session_id is None else f"session {session_id}"
        super().__init__(what, f"the state file {path}", "`lvrestore status --all` lists the sessions")
        self.args = (session_id, path, ended)
        self.session_id, self.ended = session_id, ended

    def __str__(self) -> str:
        if self.ended:
            return f"{self.what} has ended: nothing is left to resume"
        return f"no session is unfinished in {self.where}" if self.session_id is None else super().__str__()


class ValidationError(RestorationError):
    """A vault, a setting or an item's content cannot be used as it is."""

    exit_code = ExitCode.VALIDATION
    kind = "validation"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message, self.hint = message, hint

    def __str__(self) -> str:
        return self.message


class IDMappingError(ValidationError):
    """Mappings cannot be used as they are: those of a file that is imported, or of an instance that was renamed."""


class VaultError(ValidationError):
    """The vault file cannot be read as a lookervault backup."""

    kind = "vault"


class DeserializationError(ValidationError):
    """One vault row's blob cannot be decoded. `field` is the path inside the content, if known."""

    kind = "validation"

    def __init__(self, content_type: str, source_id: str, reason: str, field: str = "") -> None:
        super().__init__(f"{content_type} {source_id}: {reason}")
        self.args = (content_type, source_id, reason, field)
        self.content_type, self.source_id, self.reason, self.field = content_type, source_id, reason, field


class DependencyError(ValidationError):
    """An item refers to objects that the destination does not have. `missing` names all of them.

    With `known` false it is not even known under which ids they would be there.
    """

    kind = "dependency"

    def __init__(self, missing: tuple[str, ...], known: bool = True) -> None:  # noqa: FBT001, FBT002 - pickles
        names = ", ".join(explained(one) for one in missing)
        elsewhere = f"no counterpart on the destination is known for {names}"
        super().__init__(f"missing on the destination: {names}" if known else elsewhere)
        self.args = (missing, known)
        self.missing, self.known = missing, known


class QueryRefusedError(DependencyError):
    """Queries that an item shows cannot be made: (`query 7`, why) for each, as it was said earlier in this run."""

    def __init__(self, refused: tuple[tuple[str, str], ...]) -> None:
        super().__init__(tuple(what for what, _ in refused))
        self.args = (refused,)
        self.refused = refused

    def __str__(self) -> str:
        return f"cannot be made: {', '.join(f'{what} ({why})' for what, why in self.refused)}"


def explained(missing: str) -> str:
    """What is missing, with why the backup cannot help: queries are in it only where a tile embeds them."""
    return (
        f"{missing} (its definition is not in the backup: lookervault does not save it)"
        if is_undefined(missing)
        else missing
    )


def is_undefined(missing: str) -> bool:
    """Whether what is missing is a query or merged results: those miss only if nothing defines them."""
    return missing.startswith(("query ", "merge_query "))


class ApiError(RestorationError):
    """The instance cannot be used at all: unreachable, login refused, permission missing.

    `passing`: it may work again by itself, as when nothing answered.
    """

    exit_code = ExitCode.API
    kind = "api"

    def __init__(
        self,
        message: str,
        hint: str = "",
        status: int | None = None,
        passing: bool = False,  # noqa: FBT001, FBT002 - pickles
    ) -> None:
        super().__init__(message, hint, status, passing)
        self.message, self.hint, self.status, self.passing = message, hint, status, passing

    def __str__(self) -> str:
        return self.message


class LockedError(RestorationError):
    """Another run works on this destination."""

    exit_code = ExitCode.LOCKED
    kind = "locked"

    def __init__(self, path: str, holder: str) -> None:
        super().__init__(path, holder)
        self.path, self.holder = path, holder
        self.hint = "wait for it to end, or give --lock-timeout SECONDS"

    def __str__(self) -> str:
        return f"another run ({self.holder}) works on this destination (lock {self.path})"


class StateError(RestorationError):
    """The state file cannot be written: a full disk, a vanished mount."""

    exit_code = ExitCode.STOPPED
    kind = "state"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason
        self.hint = "nothing that was stored is lost: `lvrestore resume` continues"

    def __str__(self) -> str:
        return f"cannot write {self.path}: {self.reason}"


class StateLostError(StateError):
    """The state file was removed or replaced while a run wrote to it."""

    def __init__(self, path: str) -> None:
        super().__init__(path, "it was removed or replaced while the run was under way")
        self.args = (path,)
        self.hint = "put it back and resume, or start again: what was restored is found on the instance"


class LimitReachedError(RestorationError):
    """A limit that the caller has set is reached before an item was begun."""

    exit_code = ExitCode.STOPPED
    kind = "stopped"

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit
        self.hint = (
            "nothing was written; the destination is read first: give a higher limit, or select fewer types"
        )

    def __str__(self) -> str:
        return f"stopped before the first item: {self.limit}"


class SessionMismatchError(RestorationError):
    """A session is to be continued with another vault or instance than it was started with."""

    exit_code = ExitCode.LOCKED
    kind = "session_mismatch"

    def __init__(self, field: str, stored: str, given: str) -> None:
        super().__init__(field, stored, given)
        self.field, self.stored, self.given = field, stored, given
        self.hint = f"give the same {field}, or start a new session"

    def __str__(self) -> str:
        return f"this session was started with {self.field} {self.stored}, not {self.given}"


class PeerGone(Exception):  # noqa: N818 - the other process ended, which is not our error
    """The other end is closed, perhaps in the middle of a frame."""
