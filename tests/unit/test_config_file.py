"""Instances that the config file names."""

import pytest

from lvrestore.errors import ValidationError
from lvrestore.looker.credentials import Given, resolve, resolve_source

WHOLE = """
[instances.prod]
base_url = "https://prod.example.com"
client_id = "idp"
client_secret_file = "keys/prod"
timeout = 30
verify_ssl = false

[instances.stage]
base_url = "https://stage.example.com"
client_id = "ids"
client_secret = "secs"

[lookervault.looker]
who_knows = "what"
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "prod").write_text("secp\n")
    (tmp_path / "keys" / "prod").chmod(0o600)
    return tmp_path


def write(path, text=WHOLE, mode=0o600):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def triple(destination):
    return destination.endpoint.base_url, destination.client_id, destination.client_secret.reveal()


def refused(given, environ=None):
    with pytest.raises(ValidationError) as error:
        resolve(given, environ or {})
    return error.value


def test_instance_is_what_its_table_says(here):
    write(here / "lvrestore.toml")
    found = resolve(Given(instance="prod"), {})
    assert triple(found) == ("https://prod.example.com", "idp", "secp")
    assert (found.endpoint.timeout_s, found.endpoint.verify) == (30.0, False)
    assert found.origins["base_url"] == "lvrestore.toml [instances.prod]"


def test_paths_are_from_where_the_file_lies(here, monkeypatch):
    path = write(here / "lvrestore.toml")
    elsewhere = here / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert triple(resolve(Given(instance="prod", config=path), {}))[2] == "secp"


@pytest.mark.parametrize("names", [("lvrestore.toml", "lookervault.toml"), ("lookervault.toml",)])
def test_the_first_file_that_exists_counts(here, names):
    config = here / "xdg" / "lvrestore" / "config.toml"
    for name in (*names, str(config)):
        write(
            here / name, f'[instances.a]\nbase_url = "https://a"\nclient_id = "i"\nclient_secret = "{name}"\n'
        )
    found = resolve(Given(instance="a"), {"XDG_CONFIG_HOME": str(here / "xdg")})
    assert found.client_secret.reveal() == names[0]


@pytest.mark.parametrize(
    ("variable", "folder"), [("XDG_CONFIG_HOME", "lvrestore"), ("HOME", ".config/lvrestore")]
)
def test_the_file_of_the_user_is_found(here, variable, folder):
    write(here / "home" / folder / "config.toml")
    assert triple(resolve(Given(instance="stage"), {variable: str(here / "home")}))[1] == "ids"


def test_options_win_over_the_file(here):
    write(here / "lvrestore.toml")
    found = resolve(Given(instance="prod", base_url="https://other.example.com", timeout_s=5.0), {})
    assert triple(found) == ("https://other.example.com", "idp", "secp")
    assert found.endpoint.timeout_s == 5.0


def test_an_instance_that_is_named_is_not_mixed_with_that_of_the_environment(here):
    write(here / "lvrestore.toml", '[instances.a]\nbase_url = "https://a.example.com"\nclient_id = "ida"\n')
    other = {
        "LOOKER_BASE_URL": "https://b.example.com",
        "LOOKER_CLIENT_ID": "idb",
        "LOOKER_CLIENT_SECRET": "sb",
    }
    assert "client secret missing" in str(refused(Given(instance="a"), other))
    same = {"LOOKER_CLIENT_ID": "ida", "LOOKER_CLIENT_SECRET": "sa"}
    assert triple(resolve(Given(instance="a"), same)) == ("https://a.example.com", "ida", "sa")


def test_an_unknown_name_lists_those_that_are_there(here):
    write(here / "lvrestore.toml")
    assert "there are: prod, stage" in str(refused(Given(instance="produ")))


def test_without_any_file_it_is_said_where_one_is_looked_for():
    assert "lvrestore.toml" in refused(Given(instance="prod")).hint


def test_a_named_file_must_exist():
    assert "no.toml" in str(refused(Given(instance="prod", config="no.toml")))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[instances.a]\nbase_uri = "https://a"', "base_uri"),
        ('[instances.a]\ntimeout = "soon"', "timeout"),
        ('[instances.a]\nclient_secret_file = "f"\nclient_secret_cmd = "c"', "says twice"),
        ('[instances.a]\nsection = "Looker"', "no ini"),
        ("instances = 3", "not a table"),
        ("[instances.a", "not TOML"),
    ],
)
def test_what_cannot_be_meant_is_refused(here, text, said):
    write(here / "lvrestore.toml", text)
    assert said in str(refused(Given(instance="a")))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_secret_in_clear_needs_a_file_of_ones_own(here, mode):
    write(here / "lvrestore.toml", mode=mode)
    error = refused(Given(instance="stage"))
    assert "chmod 600" in error.hint
    assert "secs" not in str(error) + error.hint
    assert triple(resolve(Given(instance="prod"), {}))[2] == "secp"  # its secret is not in the file


def test_the_secret_can_be_printed_by_a_command_or_stand_in_an_ini(here):
    write(
        here / "keys" / "looker.ini", "[A]\nbase_url=https://i.example.com\nclient_id=i\nclient_secret=si\n"
    )
    text = (
        '[instances.cmd]\nbase_url = "https://c.example.com"\nclient_id = "c"\nclient_secret_cmd = "echo sc"\n'
        '[instances.ini]\nini = "keys/looker.ini"\nsection = "A"\n'
    )
    write(here / "lvrestore.toml", text)
    assert triple(resolve(Given(instance="cmd"), {})) == ("https://c.example.com", "c", "sc")
    assert triple(resolve(Given(instance="ini"), {})) == ("https://i.example.com", "i", "si")


def test_ini_and_instance_are_not_both_given(here):
    write(here / "lvrestore.toml")
    assert "--ini" in str(refused(Given(instance="prod", ini="looker.ini")))


def test_the_source_is_described_by_the_file_alone(here):
    write(here / "lvrestore.toml")
    environ = {"LOOKER_BASE_URL": "https://b", "LOOKER_CLIENT_ID": "b", "LOOKER_CLIENT_SECRET": "b"}
    assert triple(resolve_source("stage", None, environ)) == ("https://stage.example.com", "ids", "secs")
    write(here / "lookervault.toml", '[instances.half]\nbase_url = "https://h"\n')
    with pytest.raises(ValidationError, match="client id, client secret missing") as error:
        resolve_source("half", "lookervault.toml", environ)
    assert error.value.hint == "say it in [instances.half]"
