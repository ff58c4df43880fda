"""Exit codes and what is written, as a scheduler sees them."""

import json
import os
import pty
import shutil
import socket
import stat
import subprocess
import sys

import pytest
from make_vault import write_vault
from processes import SECRET, eventually

from lvrestore.state.dead_letters import LetterFilter
from lvrestore.state.reader import StateReader


def error_of(ended):
    (line,) = ended.out.splitlines()
    said = json.loads(line)
    assert said["type"] == "error"
    return said


def assert_refused(ended, code, site):
    """One error line with this code, and nothing was written."""
    assert ended.code == code, ended
    assert error_of(ended)["code"] == code
    assert "Traceback" not in ended.err
    assert site.writes() == []


def replaced(arguments, name, value):
    at = arguments.index(name)
    return [*arguments[: at + 1], str(value), *arguments[at + 2 :]]


def test_second_run_is_refused_at_once(slow_site):
    first = slow_site.start(slow_site.bulk())
    slow_site.await_writes(3)
    second = slow_site.run(slow_site.bulk())
    assert not first.over
    assert second.code == 6, second
    assert str(first.pid) in error_of(second)["message"]
    assert first.end().code == 0
    slow_site.assert_restored()


def test_second_run_is_refused_whatever_state_file_it_uses(slow_site, tmp_path):
    first = slow_site.start(slow_site.bulk())
    slow_site.await_writes(3)
    second = slow_site.run(replaced(slow_site.bulk(), "--state", tmp_path / "other.db"))
    assert second.code == 6, second
    assert first.end().code == 0
    slow_site.assert_restored()


def test_second_run_waits_when_asked_to(slow_site):
    first = slow_site.start(slow_site.bulk())
    slow_site.await_writes(3)
    second = slow_site.run(slow_site.bulk("--lock-timeout", "30"))
    assert first.over
    assert second.code == 0, second
    assert second.counts["unchanged"] == second.counts["total_items"]


def test_without_a_terminal_nobody_is_asked(site):
    arguments = [word for word in site.bulk() if word != "--force"]
    assert_refused(site.run(arguments), 64, site)
    assert not site.state.exists()


def answered_no(site, arguments):
    """Run the command with a terminal at which somebody answers its question with no."""
    keyboard, terminal = pty.openpty()
    os.write(keyboard, b"n\n")
    try:
        return site.run([word for word in arguments if word != "--force"], stdin=terminal)
    finally:
        os.close(terminal)
        os.close(keyboard)


@pytest.mark.parametrize("command", [("all",), ("bulk", "--type", "dashboard"), ("single", "dashboard", "1")])
def test_a_no_is_no_failure_and_nothing_is_done(command, site):
    ended = answered_no(site, [*command, *site.arguments()])
    assert ended.code == 0, ended
    assert ended.err.endswith("Cancelled. Nothing was changed.\n")
    assert ended.out == ""
    assert site.writes() == []
    assert not site.state.exists()


def test_a_no_leaves_failures_and_mappings_as_they_are(site):
    site.looker.on("POST", "/dashboards").answer(422, {"message": "Validation Failed"}, times=1)
    assert site.run(site.bulk()).code == 1
    stored, writes = site.state.read_bytes(), len(site.writes())
    own = ("--state", str(site.state), "--json")
    for arguments in (
        ["failures", "retry", *site.arguments()],
        ["failures", "clear", "--all", *own],
        ["map", "clear", "--all", *own],
    ):
        ended = answered_no(site, arguments)
        assert ended.code == 0, ended
        assert ended.err.endswith("Cancelled. Nothing was changed.\n")
        assert ended.out == ""
    assert site.state.read_bytes() == stored
    assert len(site.writes()) == writes


def test_unreachable_instance(site):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # bound, but nobody listens
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert_refused(site.run(replaced(site.bulk(), "--base-url", url)), 4, site)


def test_wrong_secret(site):
    assert_refused(site.run(site.bulk(), LOOKER_CLIENT_SECRET="wrong"), 4, site)


def test_server_that_repeats_the_secret(site):
    site.looker.on("POST", "/login").answer(403, {"message": f"no such secret: {SECRET}"})
    ended = site.run(site.bulk())
    assert_refused(ended, 4, site)
    site.assert_no_secret(ended)


@pytest.mark.parametrize(("path", "status"), [("/versions", 503), ("/folders", 503), ("/folders", 403)])
def test_instance_that_cannot_be_looked_at(path, status, site):
    site.looker.on("GET", path).answer(status, {"message": "no"}, times=100)
    assert_refused(site.run(site.bulk("--max-retries", "0")), 4, site)


def test_instance_that_does_not_tell_its_name(site):
    site.looker.on("GET", "/versions").answer(403, {"message": "no"}, times=100)
    assert site.run(site.bulk("--ids", "1")).code == 0


def test_absent_vault(site):
    assert_refused(site.run(replaced(site.bulk(), "--db-path", site.folder / "absent.db")), 2, site)


def test_absent_id(site):
    assert_refused(site.run(site.bulk("--ids", "1,999999")), 2, site)


def test_not_a_vault(site):
    file = site.folder / "text.db"
    file.write_text("not a database" * 1000)
    assert_refused(site.run(replaced(site.bulk(), "--db-path", file)), 3, site)


def test_state_that_is_no_state_file(site):
    site.state.write_text("not a database" * 1000)
    assert_refused(site.run(site.bulk()), 3, site)


def test_nothing_to_resume(site):
    assert_refused(site.run(site.resume()), 2, site)


def test_session_of_another_vault(slow_site):
    run = slow_site.start(slow_site.bulk())
    slow_site.await_writes(3)
    run.kill()
    run.end()
    eventually(lambda: not run.group())
    slow_site.looker.clear_log()
    other = slow_site.folder / "other.db"
    write_vault(other, dashboards=3, looks=2, folders=2, users=2, seed=4, oddities=False)
    assert_refused(slow_site.run(replaced(slow_site.resume(), "--db-path", other)), 6, slow_site)


def test_failed_item_is_a_dead_letter(site):
    site.looker.on("POST", "/dashboards").answer(422, {"message": "Validation Failed"}, times=1)
    ended = site.run(site.bulk())
    assert ended.code == 1, ended
    assert ended.summary["error_breakdown"] == {"validation": 1}
    (letter,) = StateReader(site.state).dead_letters.find(LetterFilter())
    assert (letter.error_kind, letter.http_status) == ("validation", 422)
    assert site.run(site.bulk()).code == 0
    assert StateReader(site.state).dead_letters.find(LetterFilter()) == []
    site.assert_restored()


def test_vault_and_its_folder_stay_as_they_are(site, vault, tmp_path):
    folder = tmp_path / "own"  # beside the common backup lies what killed runs of other tests have left
    folder.mkdir()
    site.vault = folder / "vault.db"
    site.vault.write_bytes(vault.read_bytes())

    def look():
        return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}

    before = look()
    assert site.run(site.bulk()).code == 0
    assert look() == before


def test_what_a_run_leaves_behind(site):
    ended = site.run(site.bulk())
    assert ended.code == 0
    assert stat.S_IMODE(site.state.stat().st_mode) == 0o600
    left = {path.name.partition(".")[0] for path in site.folder.iterdir()}
    assert left == {"state", "usual", "out", "err"}  # the temporary folders are gone
    site.assert_no_secret(ended)


def test_plain_output_goes_where_it_belongs(site):
    arguments = [word for word in site.bulk() if word != "--json"]
    ended = site.run(arguments)
    assert ended.code == 0, ended
    assert "dashboard" in ended.out
    assert "Restore" in ended.err
    site.assert_no_secret(ended)


def test_reader_that_leaves_early(site):
    """`lvrestore ... | head -0`: the run goes on, no traceback."""
    run = subprocess.run(
        ["/bin/sh", "-c", '"$@" | true', "sh", sys.executable, "-m", "lvrestore", *site.bulk()],
        env={"LOOKER_CLIENT_ID": "id", "LOOKER_CLIENT_SECRET": SECRET},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert b"Traceback" not in run.stderr
    site.assert_restored()


@pytest.mark.parametrize("procs", ["1", "2"])
@pytest.mark.parametrize("kilobytes", [128, 200])
def test_disk_that_is_full(procs, kilobytes, site):
    """Where the state cannot be written, nothing goes on; what was stored is good for a resume."""
    limited = ["/bin/sh", "-c", f'ulimit -f {kilobytes * 2}; exec "$@"', "sh"]
    ended = site.run([*site.bulk(), "--procs", procs], before=limited)
    assert ended.code == 7, ended
    assert "Traceback" not in ended.err
    assert "cannot write" in ended.err + ended.out
    # A disk that is full before the first item leaves nothing to continue.
    again = site.resume() if site.state.exists() else site.bulk()
    assert site.run(again).code == 0
    site.assert_restored()


@pytest.mark.parametrize("procs", ["1", "2"])
@pytest.mark.parametrize("replaced_by", [None, b""])
def test_state_file_that_is_taken_away(procs, replaced_by, slow_site):
    """What would be written is in no file that anybody can find: the run stops, and says what to do."""
    run = slow_site.start([*slow_site.bulk(), "--procs", procs])
    slow_site.await_writes(10)
    slow_site.state.unlink()
    if replaced_by is not None:
        slow_site.state.write_bytes(replaced_by)
    ended = run.end()
    run.assert_gone()
    assert ended.code == 7, ended
    assert ended.summary["status"] == "stopped"
    assert "removed or replaced" in ended.err
    assert "start again" in ended.err
    assert "Traceback" not in ended.err
    assert slow_site.state.exists() is (replaced_by is not None)
    assert slow_site.run(slow_site.bulk()).code == 0
    slow_site.assert_restored()


def powerless():
    """What makes a command obey the permissions of a folder: nothing, but for root."""
    if os.getuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root writes everywhere, and setpriv, which could take that away, is not installed")
    return ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]


def test_folder_that_cannot_be_written(site):
    assert site.run(site.bulk("--ids", "1")).code == 0
    folder = site.folder / "read-only"
    folder.mkdir()
    state = shutil.copy(site.state, folder / "state.db")
    folder.chmod(0o555)
    before = powerless()
    shown = site.run(["status", "--json", "--state", str(state)], before=before)
    assert shown.code == 0, shown
    assert shown.counts["total_items"] == 1
    site.looker.clear_log()
    for name in ("state.db", "new.db"):
        ended = site.run(replaced(site.bulk(), "--state", folder / name), before=before)
        assert_refused(ended, 3, site)
        assert "--state" in error_of(ended)["hint"]
    folder.chmod(0o755)


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_state_that_keeps_nothing(dry, site):
    refused = site.run(replaced(site.bulk(*dry), "--state", "/dev/null"))
    assert_refused(refused, 3, site)
    assert "no regular file" in error_of(refused)["message"]


@pytest.mark.parametrize("empty", ["", " , "])
@pytest.mark.parametrize("option", ["--only-types", "--exclude-types"])
def test_a_list_of_types_that_names_none_is_not_all_of_them(option, empty, site):
    assert_refused(site.run(["all", option, empty, *site.arguments()]), 64, site)


def test_folder_with_types_that_lie_in_none(site):
    refused = site.run(["bulk", "--type", "user", "--folder", "1", *site.arguments()])
    assert_refused(refused, 64, site)
    assert "cannot select users" in error_of(refused)["message"]


def test_folder_of_everything_says_what_it_leaves_out(site):
    ended = site.run(["all", "--folder", "1", "--dry-run", *site.arguments()])
    assert "left out are all LookML models, users" in ended.err


def test_resume_of_a_session_that_is_none_to_resume(site):
    nameless = site.run(site.resume())
    assert error_of(nameless)["message"] == f"no session is unfinished in the state file {site.state}"
    done = site.run(site.bulk("--ids", "1")).summary["session_id"]
    site.looker.clear_log()
    unknown, ended = site.run(site.resume("nope")), site.run(site.resume(done))
    for refused in (nameless, unknown, ended):
        assert_refused(refused, 2, site)
    assert error_of(unknown)["message"] == f"session nope is not in the state file {site.state}"
    assert error_of(ended)["message"] == f"session {done} has ended: nothing is left to resume"


def test_a_dry_run_exits_as_the_run_would(site):
    site.looker.on("GET", "/dashboards/1").answer(422, {"message": "Validation Failed"}, times=100)
    assert site.run(site.bulk("--ids", "1", "--dry-run")).code == 1
    single = ["single", "dashboard", "1", "--dry-run", *site.arguments()]
    assert site.run(single).code == 3
    assert site.run(site.bulk("--ids", "2", "--dry-run")).code == 0


@pytest.mark.parametrize("closed", [">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_daemon_may_have_closed_the_streams(closed, site):
    closing = ("sh", "-c", f'exec "$@" {closed}', "sh")
    ended = site.run([word for word in site.bulk() if word != "--json"], before=closing)
    assert ended.code == 0, ended
    site.assert_restored()


def test_what_stdout_cannot_encode_is_escaped(site):
    listed = site.run(["vault", "list", "--db-path", str(site.vault)], PYTHONIOENCODING="ascii")
    assert listed.code == 0, listed
    assert "\\u" in listed.out


def test_time_that_reading_uses_up_ends_the_run(site):
    ended = site.run(site.bulk("--max-duration", "2s", "--rate-limit-per-minute", "1"))
    assert_refused(ended, 7, site)
    assert "before the first item" in error_of(ended)["message"]


def test_what_is_no_state_file_is_refused_before_a_call_is_spent(site):
    assert_refused(site.run(replaced(site.bulk(), "--state", site.vault)), 3, site)
    assert site.looker.requests == []


@pytest.mark.parametrize(
    "wrong", [("--rate-limit-per-second", "9" * 30), ("--rate-limit-per-minute", "9" * 30), ("-q", "-v")]
)
def test_what_cannot_be_meant_is_refused(wrong, site):
    assert_refused(site.run(site.bulk(*wrong)), 64, site)


def test_who_names_what_the_backup_marks_deleted_is_told(site):
    marked = site.run(["vault", "list", "--db-path", str(site.vault), "--deleted", "only", "--json"])
    one = next(r for r in map(json.loads, marked.out.splitlines()) if r["content_type"] == "dashboard")
    ended = site.run(["single", "dashboard", one["content_id"], *site.arguments("--dry-run")])
    assert f"the backup marks 1 dashboard deleted that is named: {one['content_id']}" in ended.err
