"""The config file's `[restore]` and `[looker]`: every option by name, who wins, and what is refused."""

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from lvrestore.cli import COMMANDS, cli, run
from lvrestore.cli import options as opt
from lvrestore.cli.defaults import KNOWN, OF_DESTINATION, REFUSED, SAID_EACH_TIME, Option
from lvrestore.errors import UsageError, ValidationError
from lvrestore.looker.credentials import Given, base_url_of, resolve
from lvrestore.model import ContentType


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    for name in ("LOOKER_BASE_URL", "LOOKERVAULT_API_URL", "LOOKERSDK_BASE_URL", "LOOKERVAULT_DB_PATH"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def write(text, name="lvrestore.toml", mode=0o600):
    Path(name).write_text(text)
    Path(name).chmod(mode)


def probe(*decorators):
    """A command of these options that shows what it was given."""

    @click.command()
    @opt.together(*decorators)
    def command(**given):
        return given

    def given(*arguments, **environment):
        done = CliRunner(env=environment).invoke(command, arguments, standalone_mode=False)
        if done.exception is not None:
            raise done.exception
        return done.return_value

    return given


RESTORE = (
    opt.types_option, opt.vault_option, opt.state_option, opt.destination_options, opt.selection_options,
    opt.policy_options, opt.dry_run_option, opt.run_id_option, opt.engine_options, opt.limit_options,
    opt.output_options,
)  # fmt: skip


def commands(group=cli, names=COMMANDS):
    for name in names:
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from ((f"{name} {sub}", one) for sub, one in command.commands.items())
        else:
            yield name, command


REAL = [(name, one) for name, one in commands() if name != "sandbox"]


# -- every option


@pytest.mark.parametrize(("name", "command"), REAL, ids=[name for name, _ in REAL])
def test_every_option_of_every_command_has_a_name_in_the_file(name, command):
    options = [one for one in command.params if isinstance(one, click.Option)]
    assert all(isinstance(one, Option) for one in options)
    keys = {key for one in options for key in one.keys}
    assert keys <= {*KNOWN, *OF_DESTINATION, *REFUSED, *SAID_EACH_TIME}
    assert "config" in keys


@pytest.mark.parametrize(("name", "command"), REAL, ids=[name for name, _ in REAL])
def test_every_command_can_be_verbose_and_quiet(name, command):
    said = {option for one in command.params for option in one.opts}
    assert {"-v", "--verbose", "-q", "--quiet"} <= said


SAMPLES = {
    "type": ["dashboard", "look"],
    "types": None,
    "db_path": "x.db",
    "state": "s.db",
    "access": "skip",
    "assignments": "exact",
    "schedules": "as-backup",
    "deleted": "only",
    "owner_policy": "me",
    "rewrite_links": "off",
    "max_duration": "2h",
    "ids_file": "ids.txt",
    "source_instance": "https://a.example.com",
    "run_id": "nightly",
    "folder": 42,
    "certification": "skip",
    "alerts": "delete",
    "surplus": "keep",
    "existing": "skip",
}


def sample(option):
    """A value that can be meant, unlike the default."""
    key = next(iter(option.keys))
    if key in SAMPLES:
        return SAMPLES[key]
    if option.is_flag:
        return True
    if isinstance(option.type, click.types.IntParamType):
        return 3
    if isinstance(option.type, click.types.FloatParamType):
        return 2.5
    return "x"


def of_restore():
    command = dict(commands())["bulk"]
    return [one for one in command.params if isinstance(one, Option) and one.in_file]


@pytest.mark.parametrize("option", of_restore(), ids=lambda option: option.name)
@pytest.mark.parametrize("dashed", [True, False])
def test_every_option_of_a_restore_gets_its_default(option, dashed):
    key = next(iter(option.keys))
    if set(option.keys) <= OF_DESTINATION:
        assert key not in REFUSED
        return
    write("1", "ids.txt")
    value = sample(option)
    write(f"[restore]\n{key.replace('_', '-') if dashed else key} = {json.dumps(value)}\n")
    plain = (
        probe(*RESTORE)("--type", "board", "--config", "empty.toml") if not write("", "empty.toml") else None
    )
    given = probe(*RESTORE)() if key == "type" else probe(*RESTORE)("--type", "board")
    assert given[option.name] != plain[option.name]


def test_both_names_of_an_option_and_its_contrary_are_understood():
    write("[restore]\nworkers = 3\n")
    assert probe(opt.config_option, opt.engine_options)()["procs"] == 3
    write("[restore]\nno-dry-run = false\nprogress = false\n")
    given = probe(opt.config_option, opt.dry_run_option, opt.output_options)()
    assert (given["dry_run"], given["no_progress"]) == (True, True)


# -- who wins


def test_option_before_environment_before_file_before_default():
    procs = probe(opt.config_option, opt.engine_options)
    assert procs()["procs"] == 8
    write("[restore]\nprocs = 3\n")
    assert procs()["procs"] == 3
    assert procs(LVRESTORE_PROCS="4")["procs"] == 4
    assert procs("--procs", "5", LVRESTORE_PROCS="4")["procs"] == 5


def test_a_flag_of_the_file_can_be_taken_back():
    write("[restore]\ndry_run = true\n")
    dry = probe(opt.config_option, opt.dry_run_option)
    assert dry()["dry_run"] is True
    assert dry("--no-dry-run")["dry_run"] is False
    assert dry(LVRESTORE_DRY_RUN="0")["dry_run"] is False


def test_a_list_of_the_file_gives_way_as_a_whole():
    write('[restore]\ntype = ["look", "board"]\n')
    types = probe(opt.config_option, opt.types_option)
    assert types()["types"] == (ContentType.LOOK, ContentType.BOARD)
    assert types("--type", "user")["types"] == (ContentType.USER,)


def test_what_excludes_an_option_wins_over_the_file():
    write('[restore]\nids_file = "ids.txt"\nquiet = true\nonly_types = ["look"]\n')
    write("7\n", "ids.txt")
    given = probe(opt.config_option, opt.selection_options, opt.voice_options, opt.all_types_options)
    said = given("--ids", "1", "-v", "--exclude-types", "user")
    assert (said["ids"], said["ids_file"], said["verbose"], said["quiet"]) == ("1", None, True, False)
    assert (said["only_types"], said["exclude_types"]) == ((), (ContentType.USER,))
    assert given(LVRESTORE_IDS="2")["ids_file"] is None
    assert given()["ids_file"] is not None


def test_recursive_in_the_file_needs_no_folder():
    write("[restore]\nrecursive = true\n")

    @click.command()
    @opt.config_option
    @opt.selection_options
    def command(**options):
        return opt.given_selection((ContentType.LOOK,), options)

    def recursive(*arguments):
        return CliRunner().invoke(command, arguments, standalone_mode=False).return_value.recursive

    assert recursive() is False
    assert recursive("--folder", "5") is True


def test_paths_are_from_where_the_file_lies(here):
    (here / "etc").mkdir()
    write('[restore]\ndb_path = "x.db"\nstate = "/abs/s.db"\n', "etc/c.toml")
    given = probe(opt.config_option, opt.vault_option, opt.state_option)("--config", "etc/c.toml")
    assert str(given["db_path"]) == "etc/x.db"
    assert str(given["state_path"]) == "/abs/s.db"


def test_a_file_may_begin_with_the_mark_of_an_editor(here):
    (here / "lvrestore.toml").write_bytes(b"\xef\xbb\xbf[restore]\r\nprocs = 6\r\n")
    assert probe(opt.config_option, opt.engine_options)()["procs"] == 6


def test_what_is_named_and_no_file_is_said_to_be_none(here):
    with pytest.raises(ValidationError, match="is not a regular file"):
        probe(opt.config_option)("--config", str(here))


def test_the_environment_says_where_the_file_is(here):
    write("[restore]\nprocs = 6\n", "other.toml")
    assert (
        probe(opt.config_option, opt.engine_options)(LVRESTORE_CONFIG=str(here / "other.toml"))["procs"] == 6
    )


# -- what is refused


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("[restore]\ndry_rum = true", "[restore] dry_rum: unknown key", "dry_run"),
        ("[looker]\nbase_uri = 'https://a'", "[looker] base_uri: unknown key", "base_url"),
        ("[restore]\nprocs = '8'", "[restore] procs: '8' is not a whole number", ""),
        ("[restore]\nprocs = true", "is not a whole number", ""),
        ("[restore]\nprocs = 0", "[restore] procs", ""),
        ("[restore]\ndry_run = 'yes'", "[restore] dry_run: 'yes' is not true or false", ""),
        ("[restore]\nmax-staleness = 'soon'", "[restore] max-staleness: 'soon' is not a number", ""),
        ("[restore]\nschedules = 'disable'", "[restore] schedules", "disabled"),
        ("[restore]\nfolder = ['a']", "[restore] folder: ['a'] is not text", ""),
        ("[restore]\ntype = ['dash']", "unknown content type", ""),
        ("[restore]\ntype = []", "[restore] type: the list is empty", "leave the key out"),
        ("[restore]\nmax_duration = 'long'", "[restore] max_duration", ""),
        ("[restore]\nforce = true", "[restore] force: it cannot be said here", ""),
        ("[restore]\nyes = true", "cannot answer", ""),
        ("[restore]\nsame_instance = true", "declared for one run", ""),
        ("[restore]\nall = true", "said with each command", ""),
        ("[restore]\nsession = 'x'", "said with each command", ""),
        ("[restore]\nconfig = 'x'", "cannot name another", ""),
        ("[restore]\nprocs = 1\nworkers = 2", "said twice", ""),
        ("[restore]\ndry-run = true\n[looker]\ndry_run = true", "said twice", ""),
        ("[restore]\ndry_run = true\nno_dry_run = true", "said twice", ""),
        ("[restor]\nprocs = 1", "unknown table 'restor'", "[restore]"),
        ("restore = 1", "not a table", "[restore]"),
        ("dry_run = true", "dry_run stands in no table", "[restore]"),
        ("[looker]\ntimeout = 'soon'", "timeout", ""),
        ("[looker]\nclient_secret_file = 'a'\nclient_secret_cmd = 'b'", "says twice", ""),
        ("[looker]\ninstance = 'a'\nbase_url = 'https://a'", "names an instance", ""),
        ("[looker]\napi_url = 'https://a'\nbase_url = 'https://a'", "mean the same", ""),
        ("[restore", "not TOML", ""),
    ],
)
def test_what_cannot_be_meant_is_refused(text, said, hint, capfd):
    write(text)
    with pytest.raises(ValidationError) as error:
        probe(*RESTORE)("--type", "look")
    assert said in str(error.value)
    assert hint in error.value.hint
    assert "lvrestore.toml" in str(error.value)
    assert run(["bulk", "--type", "look"]) == 3
    assert said in capfd.readouterr().err


def test_tables_of_lookervault_are_left_alone():
    write(
        '[lookervault]\nconfig_version = "1.0"\n[lookervault.looker]\nwho = "knows"\n[snapshot]\nx = 1\n'
        '[extraction]\nbatch_size = 3\n[restore]\nprocs = 3\n[looker]\napi_url = "https://v"\nclient_id = ""\n'
        'client_secret = ""\nverify_ssl = false\ntimeout = 30\n',
        "lookervault.toml",
        0o644,
    )
    assert probe(opt.config_option, opt.engine_options)()["procs"] == 3
    found = resolve(Given(client_id="i", client_secret_cmd="echo s"), {})
    assert (found.endpoint.base_url, found.endpoint.verify, found.endpoint.timeout_s) == (
        "https://v",
        False,
        30.0,
    )


def test_a_fatal_error_is_json_where_the_file_says_so(capfd):
    write('[restore]\njson = true\ndb_path = "none.db"\n')
    assert run(["vault", "info"]) == 2
    assert json.loads(capfd.readouterr().out)["code"] == 2
    assert run(["vault", "info", "--no-json"]) == 2
    assert capfd.readouterr().out == ""


def test_a_resume_does_not_write_where_the_file_wants_a_dry_run(capfd):
    write("[restore]\ndry_run = true\n")
    assert run(["resume", "--base-url", "http://127.0.0.1:9"]) == 64
    assert "--no-dry-run" in capfd.readouterr().err


# -- the destination


WHOLE = """
[looker]
base_url = "https://a.example.com"
client_id = "a"
client_secret_cmd = "echo sa"
timeout = 30
"""


def triple(given=None, **environ):
    found = resolve(given or Given(), environ)
    return found.endpoint.base_url, found.client_id, found.client_secret.reveal()


A = ("https://a.example.com", "a", "sa")


def test_the_file_describes_the_destination():
    write(WHOLE)
    assert triple() == A
    assert resolve(Given(), {}).origins["base_url"] == "lvrestore.toml [looker]"
    assert resolve(Given(), {}).endpoint.timeout_s == 30.0


def test_the_environment_wins_and_is_never_mixed_with_another_instance_or_key():
    write(WHOLE)
    whole = {"LOOKER_BASE_URL": "https://b", "LOOKER_CLIENT_ID": "b", "LOOKER_CLIENT_SECRET": "sb"}
    assert triple(**whole) == ("https://b", "b", "sb")
    assert resolve(Given(), whole).endpoint.timeout_s == 30.0  # that is not of an instance
    assert triple(LOOKER_CLIENT_SECRET="other") == (*A[:2], "other")
    for name, value in (("LOOKER_BASE_URL", "https://b"), ("LOOKER_CLIENT_ID", "b")):
        with pytest.raises(ValidationError, match="missing"):
            triple(**{name: value})


def test_options_win_over_both():
    write(WHOLE)
    assert triple(Given(base_url="https://c"))[0] == "https://c"
    write("[Looker]\nbase_url=https://i\nclient_id=i\nclient_secret=si\n", "looker.ini")
    assert triple(Given(ini="looker.ini")) == ("https://i", "i", "si")
    assert triple() == A  # a looker.ini that lies here is the last


def test_the_file_may_name_an_instance_or_an_ini():
    write("[A]\nbase_url=https://i\nclient_id=i\nclient_secret=si\n[B]\nbase_url=https://j\n", "looker.ini")
    write('[looker]\nini = "looker.ini"\nsection = "A"\n')
    assert triple() == ("https://i", "i", "si")
    assert base_url_of(Given(section="B"), {}) == "https://j"
    write(
        '[looker]\ninstance = "x"\n[instances.x]\nbase_url = "https://x"\nclient_id = "x"\nclient_secret = "sx"\n'
    )
    assert triple() == ("https://x", "x", "sx")


def test_a_secret_in_clear_needs_a_file_of_ones_own_where_it_is_used():
    write('[looker]\nbase_url = "https://a"\nclient_id = "a"\nclient_secret = "sa"\n', mode=0o644)
    with pytest.raises(ValidationError, match="others may read"):
        resolve(Given(), {})
    assert base_url_of(Given(), {}) == "https://a"
    assert triple(LOOKER_CLIENT_SECRET="env")[2] == "env"


def test_a_file_of_somebody_else_is_not_believed_until_it_is_named(monkeypatch):
    write(WHOLE, mode=0o666)
    with pytest.raises(ValidationError, match="somebody else") as error:
        triple()
    assert error.value.hint.endswith("--config lvrestore.toml")
    assert triple(Given(config="lvrestore.toml")) == A
    write(WHOLE)
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    monkeypatch.setattr("lvrestore.looker.config_file.OWNERS_BELIEVED", set())
    with pytest.raises(ValidationError, match="somebody else"):
        triple()


def test_an_option_spares_the_command_of_the_file():
    write(WHOLE.replace("echo sa", "touch ran"))
    write("so", "secret", 0o600)
    assert triple(Given(client_secret_file="secret"))[2] == "so"
    assert not Path("ran").exists()


def test_nothing_is_run_to_find_a_state_file():
    write('[looker]\nbase_url = "https://a"\nclient_secret_cmd = "touch ran"\n')
    assert base_url_of(Given(), {}) == "https://a"
    assert not Path("ran").exists()


# -- what is read from the state file alone


@pytest.mark.parametrize(
    "command",
    [
        "status",
        "report",
        "dlq list",
        "dlq show 1",
        "dlq clear 1",
        "map list",
        "map export",
        "map clear --all",
    ],
)
@pytest.mark.parametrize(
    ("files", "arguments"),
    [
        ({"looker.ini": "[Looker]\nbase_url=https://i.example.com\n"}, ""),
        (
            {"my.ini": "[A]\nbase_url=https://i.example.com\n[B]\nbase_url=https://j\n"},
            "--ini my.ini --section A",
        ),
        ({"lvrestore.toml": "[instances.i]\nbase_url = 'https://i.example.com'\n"}, "--instance i"),
        ({"c.toml": "[instances.i]\nbase_url = 'https://i.example.com'\n"}, "--config c.toml --instance i"),
        ({"lookervault.toml": "[looker]\nbase_url = 'https://i.example.com'\n"}, ""),
        ({}, "--base-url https://i.example.com"),
    ],
)
def test_the_state_file_is_found_by_whatever_tells_the_destination(command, files, arguments, capfd):
    for name, text in files.items():
        write(text, name)
    assert run([*command.split(), *arguments.split()]) == 2
    assert "i.example.com-443.db" in capfd.readouterr().err


def test_without_anything_it_is_said_what_to_give():
    with pytest.raises(UsageError, match="no Looker instance is given") as error:
        CliRunner().invoke(cli, ["status"], standalone_mode=False, catch_exceptions=False)
    assert "--instance" in error.value.hint
