"""What the documentation says is what the code does: commands, options, exit codes, keys, switches, links."""

import json
import re
import shlex
from contextlib import suppress
from pathlib import Path

import click
import make_vault
import msgspec
import pytest
from click.testing import CliRunner

from lvrestore.cli import COMMANDS, cli
from lvrestore.cli.dlq import letter_details, letter_object
from lvrestore.cli.remap_file import read_remap
from lvrestore.cli.vault import vault as vault_command
from lvrestore.content import calls
from lvrestore.engine.explain import explanation_object
from lvrestore.engine.map_import import Sorted, counts_of
from lvrestore.errors import ExitCode, NotFoundError, RestorationError
from lvrestore.looker.classify import FailureKind
from lvrestore.looker.credentials import CA_VARIABLES, ENVIRONMENT
from lvrestore.model import Calls, ContentType, ItemError, MatchRule, Operation, RestorationResult
from lvrestore.plan.identity import Evidence, Verdict
from lvrestore.report.explanation import Explanation
from lvrestore.report.items import item_object
from lvrestore.report.jsonl import change_object, result_object
from lvrestore.report.meanings import MEANINGS
from lvrestore.report.session import session_summary
from lvrestore.report.tally import Frame, Tally, summary
from lvrestore.sandbox.fault_file import read_fault_file
from lvrestore.sandbox.faults import FAULTS, KINDS, Rule
from lvrestore.sandbox.latency import PROFILES
from lvrestore.sandbox.switches import SWITCHES
from lvrestore.settings import Remap
from lvrestore.state.dead_letters import DeadLetterItem
from lvrestore.state.journal import JournalItem
from lvrestore.state.mapping_file import Problem, mapping_object
from lvrestore.state.mappings import PARTS, Group, imported
from lvrestore.state.reader import StateReader
from lvrestore.state.sessions import SessionRow
from lvrestore.state.store import StateStore
from lvrestore.vault.check import BadRow, Damage, Dangling, Superseded

ROOT = Path(__file__).parents[2]
README, OUTPUT, SANDBOX, REMAP, MOVING, CONFIG, DESIGN, PERFORMANCE, CHANGELOG = (
    ROOT / name
    for name in (
        "README.md",
        "docs/output.md",
        "docs/sandbox.md",
        "docs/remap.md",
        "docs/moving.md",
        "docs/config.md",
        "docs/design.md",
        "docs/performance.md",
        "CHANGELOG.md",
    )
)
PAGES = (README, OUTPUT, SANDBOX, REMAP, MOVING, CONFIG, DESIGN, PERFORMANCE, CHANGELOG)


def tables(page):
    """Rows of all tables of a page, as lists of cells."""
    rows = [line for line in page.read_text().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def first_names(page):
    """All names in backquotes in the first column of the tables of a page."""
    return {name for row in tables(page) for name in re.findall(r"`([^`]+)`", row[0])}


# -- commands and options


def commands():
    """Every command by its full name."""
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        if isinstance(command, click.Group):
            yield from ((f"{name} {sub}", one) for sub, one in command.commands.items())
        else:
            yield name, command


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_is_in_the_readme_or_the_output_page(name):
    assert f"lvrestore {name}" in README.read_text() + OUTPUT.read_text() + SANDBOX.read_text()
    assert name in " ".join(sorted(first_names(OUTPUT)))


def options_of_commands():
    parameters = [param for _, command in commands() for param in command.params]
    return {option for param in parameters for option in (*param.opts, *param.secondary_opts)}


def test_every_option_that_is_documented_exists():
    known = options_of_commands() | {"--extra-index-url"}
    assert {option for page in PAGES if page != PERFORMANCE for option in _options(page)} <= known


def command_lines():
    """The commands that the pages tell people to type."""
    for page in PAGES:
        for block in re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL):
            lines = block.replace("\\\n", " ").splitlines()
            yield from (line for line in lines if line.startswith("lvrestore "))


@pytest.mark.parametrize("line", sorted(set(command_lines())))
def test_every_command_line_of_the_pages_is_understood(line, tmp_path, monkeypatch):
    for name in ("mappings.csv", "names.toml", "remap.toml", "faults.toml"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    words = shlex.split(re.split(r" [>|&]", line)[0], comments=True)[1:]
    command, name = cli, "lvrestore"
    context = click.Context(cli)
    while isinstance(command, click.Group) and words:
        name, command, words = command.resolve_command(context, words)
    with suppress(click.exceptions.Exit), command.make_context(name, words):  # --help exits
        pass


def test_every_option_of_a_benchmark_that_is_documented_exists():
    programs = "".join(path.read_text() for path in (ROOT / "bench").glob("*.py"))
    known = {"--help"} | set(re.findall(r'add_argument\(\s*"(--[a-z-]+)"', programs))
    assert set(_options(PERFORMANCE)) <= known | options_of_commands()


def _options(page):
    return re.findall(r"(?<![\w-])--[a-z][a-z-]+", _own_commands(page))


def _own_commands(page):
    """A page without lines of other programs."""
    lines = page.read_text().splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith(("curl", "pip", "git")))


def test_every_option_of_the_sandbox_is_in_its_table():
    command = dict(commands())["sandbox"]
    options = {option for param in command.params for option in param.opts} - {"--help", "-h"}
    assert options <= first_names(SANDBOX)


@pytest.mark.parametrize("page", [README, OUTPUT])
def test_every_exit_code_is_in_the_table(page):
    said = {int(code) for row in tables(page) for code in re.findall(r"\d+", row[0]) if row[0][0].isdigit()}
    assert said == {int(code) for code in ExitCode}


def test_every_variable_is_documented():
    names = {name for family in ENVIRONMENT for name in family.values()} | set(CA_VARIABLES)
    assert names | {"LOOKERVAULT_DB_PATH", "XDG_STATE_HOME"} <= first_names(OUTPUT)


# -- kinds


def subclasses(kind):
    return {one for direct in kind.__subclasses__() for one in ({direct} | subclasses(direct))}


def test_every_error_kind_is_documented():
    assert {kind.value for kind in FailureKind} | {"dependency", "internal"} <= first_names(OUTPUT)
    fatal = OUTPUT.read_text().partition("## error\n")[2]
    assert {error.kind for error in subclasses(RestorationError)} <= set(re.findall(r"`(\w+)`", fatal))


def test_every_warning_kind_is_documented():
    sources = "".join(path.read_text() for path in (ROOT / "lvrestore").rglob("*.py"))
    kinds = set(re.findall(r'Warn\(\s*"(\w+)"', sources)) | set(re.findall(r'\[\("(\w+)", f"', sources))
    assert calls.Warn.__name__ == "Warn"
    assert len(kinds) >= 9
    assert kinds <= first_names(OUTPUT)


def test_every_warning_kind_that_is_documented_is_told_in_words():
    table = OUTPUT.read_text().partition("### Warning kinds")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {kind for row in rows for kind in re.findall(r"`(\w+)`", row)} == MEANINGS.keys()


# -- JSON


def samples(kind):
    """The documented objects of one type."""
    blocks = re.findall(r"```json\n(.*?)```", OUTPUT.read_text(), re.DOTALL)
    return [value for value in map(json.loads, blocks) if value["type"] == kind]


def keys(value, *, closed=()):
    """The nested keys of an object; of those under a name in `closed` only the name."""
    if not isinstance(value, dict):
        return {""}
    return {
        f"{name}.{inner}" for name, one in value.items() for inner in ({""} if name in closed else keys(one))
    }


def make_result(**fields):
    plain = {"seq": 0, "content_type": ContentType.DASHBOARD, "source_id": "1", "name": "Sales"}
    return RestorationResult(**plain | {"operation": Operation.UPDATED} | fields)


def make_summary():
    tally = Tally()
    tally.add(make_result(warnings=(("not_kept", "x"),), error=ItemError(kind="validation", message="x")))
    frame = Frame(
        session_id="s",
        source="a",
        destination="b",
        same_instance=True,
        identity={"same": True, "declared": False, "matches": 3, "contradictions": 0},
        left_out_deleted=0,
    )
    return summary(tally, frame, status="completed", duration_s=1.0)


def test_result_keys():
    plain, failed = samples("result")
    assert keys(plain) == keys(result_object(make_result(), None, dry_run=False))
    error = ItemError(kind="validation", message="x")
    assert keys(failed) == keys(result_object(make_result(error=error), 1, dry_run=False))


def test_summary_keys(tmp_path):
    real = make_summary()
    plain, status = samples("summary")
    for sample in (plain, status):
        sample["error_breakdown"] = real["error_breakdown"]
    assert keys(plain) == keys(real)
    assert plain["warnings"][0].keys() == real["warnings"][0].keys()
    with StateStore(tmp_path / "state.db") as store:
        scope = store.begin_session(
            "a", "b", {}, {"identity": real["identity"], "selected": {"dashboard": 1}}
        )
        store.write(scope, [make_result()])
        store.finish_session(scope, "completed", real, Calls(), 0)
        reader = StateReader(tmp_path / "state.db")
        real = session_summary(reader, reader.sessions()[0])
    assert keys(status, closed=["error_breakdown"]) == keys(real, closed=["error_breakdown"])


def test_documented_sums_add_up():
    for sample in samples("summary"):
        counts = sample["summary"]
        ends = ("created", "updated", "undeleted", "unchanged", "partial", "skipped", "conflict", "error")
        assert counts["total_items"] == sum(counts[f"{end}_count"] for end in ends)
        assert sample["calls"]["total"] == sum(
            sample["calls"][m] for m in ("GET", "POST", "PATCH", "PUT", "DELETE")
        )


def test_item_keys():
    (sample,) = [one for one in samples("item") if "operation" in one]
    item = JournalItem(
        **dict.fromkeys(JournalItem.__struct_fields__, "")
        | {"content_type": ContentType.DASHBOARD, "operation": Operation.CONFLICT, "warnings": (("a", "b"),)}
        | {"error": None}
    )
    session = SessionRow("s", "", None, "completed", 1, "https://a", "https://b", {}, {})
    real = item_object(item, session)
    assert keys(sample) == keys({**real, "error": None})
    said = OUTPUT.read_text().partition("## item of a session\n")[2].partition("\n## ")[0]
    assert set(real["error"]) <= set(re.findall(r"`(\w+)`", said))


def test_change_keys():
    (sample,) = samples("change")
    real = change_object(make_result(changes=(("title", 1, 2),)))
    assert keys(sample) == keys(real)
    assert sample["changes"][0].keys() == real["changes"][0].keys()


def test_mapping_keys():
    (sample,) = samples("mapping")
    mapping = imported(Group("a", "b", "look"), "1", "2", "2026")
    assert list(sample) == list(mapping_object(mapping))


def test_explanation_keys():
    (sample,) = samples("explanation")
    found = Explanation(
        result=make_result(),
        source_instance="a",
        destination_instance="b",
        verdict=Verdict(same=False, evidence=Evidence()),
        identity={"same": False, "declared": False, "matches": 0, "contradictions": 3},
        mapping=None,
        tried=(calls.Tried("slug", "", "", (calls.Candidate("1", ""),)),),
    )
    made = explanation_object(found)
    assert list(sample) == list(made)
    assert sample["identity"] == made["identity"]
    assert list(sample["tried"][2]) == list(made["tried"][0])
    assert list(sample["tried"][2]["candidates"][0]) == list(made["tried"][0]["candidates"][0])


def test_import_keys():
    (sample,) = samples("imported")
    assert list(sample) == ["type", *counts_of(Sorted([], [], [])), "dry_run"]
    (problem,) = samples("problem")
    assert list(problem) == ["type", *Problem.__struct_fields__]


def test_every_rule_of_a_mapping_is_documented():
    said = OUTPUT.read_text().partition("## mapping\n")[2].partition("\n## ")[0]
    assert {rule.value for rule in MatchRule} | set(PARTS) <= set(re.findall(r"`(\w+)`", said))


def test_dead_letter_keys():
    names = DeadLetterItem.__struct_fields__
    letter = DeadLetterItem(**dict.fromkeys(names))
    listed, shown = samples("dead_letter")
    assert keys(listed) == keys(letter_object(letter))
    assert keys(shown) == keys(letter_object(letter) | letter_details(letter))


def test_vault_keys(tmp_path):
    path = tmp_path / "lookervault.db"
    make_vault.write_vault(path, dashboards=20, looks=5, folders=5, users=2)

    def run(*arguments):
        result = CliRunner().invoke(vault_command, [*arguments, "--json", "--db-path", str(path)])
        return json.loads(result.stdout.splitlines()[-1])

    real = {
        "vault": run("info"),
        "row": run("list", "--type", "dashboard"),
        "item": run("show", "dashboard", "1"),
        "checked": run("check"),
    }
    for kind, value in real.items():
        (sample,) = [one for one in samples(kind) if "operation" not in one]
        assert sample.keys() == value.keys(), kind
    (sample,) = samples("vault")
    assert sample["not_restorable"][0].keys() == real["vault"]["not_restorable"][0].keys()
    assert sample["counts"]["look"].keys() == real["vault"]["counts"]["look"].keys()


def test_findings_are_documented():
    (sample,) = samples("dangling")
    assert sample.keys() == {"type", *Dangling.__struct_fields__}
    said = OUTPUT.read_text()
    for finding in (BadRow, Damage, Superseded):
        tag = msgspec.inspect.type_info(finding).tag
        mentioned = re.search(rf"`{tag}` \(([^)]*)\)", said)
        assert set(re.findall(r"`(\w+)`", mentioned[1])) == set(finding.__struct_fields__)


def test_every_type_of_object_is_sampled():
    blocks = re.findall(r"```json\n(.*?)```", OUTPUT.read_text(), re.DOTALL)
    sampled = {json.loads(block)["type"] for block in blocks}
    assert {"result", "summary", "change", "dead_letter", "vault", "row", "item"} <= sampled
    assert {"checked", "dangling", "sandbox", "error"} <= sampled


def test_error_keys(capfdbinary):
    from lvrestore.cli import run  # noqa: PLC0415 - the name is taken above

    run(["single", "dash", "1", "--json"])
    (sample,) = samples("error")
    assert sample.keys() == json.loads(capfdbinary.readouterr().out).keys()


# -- sandbox


def test_every_switch_is_documented_as_it_is():
    said = {row[0].strip("`"): row[1:] for row in tables(SANDBOX)}
    for name, switch in SWITCHES.items():
        values, meaning = said[name]
        assert re.findall(r"`(\w+)`", values) == list(switch.allowed)
        assert meaning == switch.meaning


def test_no_switch_is_documented_that_is_gone():
    section = SANDBOX.read_text().partition("## Switches\n")[2]
    assert set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)) == set(SWITCHES)


def test_every_fault_and_latency_profile_is_documented():
    assert {*FAULTS, *PROFILES} <= first_names(SANDBOX)


def test_every_key_of_a_fault_is_documented():
    rows = {name: row for row in tables(SANDBOX) for name in re.findall(r"`(\w+)`", row[0])}
    shared = set(Rule.__struct_encode_fields__)
    assert shared <= rows.keys()
    for name, kind in KINDS.items():
        own = set(kind.__struct_encode_fields__) - shared
        assert own <= set(re.findall(r"`(\w+)`", rows[name][1])), name


def test_storm_of_the_sandbox_page_can_be_used(tmp_path):
    (storm,) = re.findall(r"```toml\n(.*?)```", SANDBOX.read_text(), re.DOTALL)
    (tmp_path / "storm.toml").write_text(storm)
    assert len(read_fault_file(tmp_path / "storm.toml")) == storm.count("[[rules]]")


# -- pages


def test_the_remap_page_has_a_whole_file_that_can_be_used(tmp_path):
    (sample,) = re.findall(r"```toml\n(.*?)```", REMAP.read_text(), re.DOTALL)
    (tmp_path / "remap.toml").write_text(sample)
    remap = read_remap(tmp_path / "remap.toml")
    assert all(getattr(remap, table) for table in Remap.__struct_fields__)
    assert {f"[{table}]" for table in Remap.__struct_fields__} <= first_names(REMAP)


def test_the_config_page_has_a_file_that_can_be_used(tmp_path, monkeypatch):
    (sample,) = re.findall(r"```toml\n(.*?)```", CONFIG.read_text(), re.DOTALL)
    (tmp_path / "lvrestore.toml").write_text(sample)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["bulk", "--type", "look"], standalone_mode=False)
    assert isinstance(result.exception, NotFoundError)
    assert "/backups" in str(result.exception)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if not target.startswith("http"):
            path, _, anchor = target.partition("#")
            linked = page.parent / path if path else page
            assert linked.exists(), target
            headings = re.findall(r"^#+ (.*)$", linked.read_text(), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert not anchor or anchor in slugs, target


def test_modules_that_the_design_names_exist():
    named = re.findall(r"`((?:\w+/)*\w+\.py)`", DESIGN.read_text() + (ROOT / "CONTRIBUTING.md").read_text())
    assert named
    known = {str(path) for folder in ("lvrestore", ".") for path in _relative(ROOT / folder)}
    # In a list like `content/` (`dashboard.py`, ...) the folder is said once.
    known |= {Path(path).name for path in known}
    assert set(named) <= known


def _relative(folder):
    return [path.relative_to(folder) for path in folder.glob("**/*.py") if ".venv" not in path.parts]


def test_state_tables_are_in_the_design():
    schema = (ROOT / "lvrestore/state/schema.sql").read_text()
    assert set(re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", schema)) - {"schema_version"} <= first_names(
        DESIGN
    )


def test_every_move_says_where_the_backup_is_from():
    moves = [line for line in MOVING.read_text().splitlines() if line.startswith("lvrestore all ")]
    assert moves
    assert all("--source" in line for line in moves)
