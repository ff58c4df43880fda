"""Lists in a terminal without room for their tables: nothing that says why is cut."""

import io
from types import SimpleNamespace

import msgspec
import pytest
from rich.console import Console

from lvrestore.cli.dlq import print_letters
from lvrestore.cli.status import print_sessions
from lvrestore.model import ContentType, ItemError, Operation
from lvrestore.report.items import show_items
from lvrestore.state.dead_letters import DeadLetterItem
from lvrestore.state.journal import JournalItem
from lvrestore.state.store import SessionRow

HERE = "https://looker.example.com"
WHY = "partly restored, without tile 30000 'Shipping by cost' (look 1 is not on the destination)"
LETTER = DeadLetterItem(
    id=7,
    session_id="s",
    content_type="dashboard",
    content_id="30",
    name="Occupancy and refunds of all regions",
    error_kind="dependency",
    message=WHY,
    field=None,
    http_status=None,
    request=None,
    response=None,
    trace=None,
    attempts=1,
    blocker=None,
    failed_at="2026-11-28T17:25:45",
    destination_instance=HERE,
)
ITEM = JournalItem(
    content_type=ContentType.DASHBOARD,
    source_id="30",
    name=LETTER.name,
    operation=Operation.PARTIAL,
    done=Operation.CREATED,
    destination_id="1800003",
    reason="",
    calls=6,
    duration_ms=1,
    warnings=(),
    error=ItemError(kind="dependency", message=WHY),
    letter_id=7,
)
SESSION = SessionRow("s", "", "", "completed", 1, HERE, HERE, {}, {})


def console(width):
    return Console(file=io.StringIO(), width=width, force_terminal=True, highlight=False, color_system=None)


@pytest.mark.parametrize("width", [80, 300])
def test_failures_are_listed_with_their_reason(width):
    out = SimpleNamespace(console=console(width), cut=lambda limit: limit)
    print_letters([LETTER, LETTER], out)
    said = out.console.file.getvalue()
    assert " ".join(said.split()).count(WHY) == said.count("dependency") == 2
    assert max(map(len, said.splitlines())) <= width


@pytest.mark.parametrize("width", [80, 300])
def test_items_are_listed_with_reason_and_url_in_one_piece(width):
    terminal = console(width)
    show_items(terminal, [ITEM, ITEM], SESSION, verbose=False)
    said = terminal.file.getvalue()
    assert said.count(f"{HERE}/dashboards/1800003") == said.count(WHY) == 2


@pytest.mark.parametrize("width", [80, 300])
def test_sessions_are_listed_with_their_whole_ids(width):
    terminal, session_id = console(width), "5a31bc1c-16c1-4718-8309-24e7841c2c8e"
    counts = {"total_items": 3, "partial_count": 1, "conflict_count": 0, "error_count": 1}
    summary = {"status": "completed", "summary": counts, "progress": None}
    print_sessions(terminal, [msgspec.structs.replace(SESSION, id=session_id)] * 2, [summary] * 2)
    said = terminal.file.getvalue()
    assert said.count(session_id) == said.count("completed") == 2
    assert max(map(len, said.splitlines())) <= width
