"""Where base URL, client id and secret come from."""

import pytest

from lvrestore.errors import ValidationError
from lvrestore.looker.credentials import Given, Secret, resolve

LOOKER = {
    "LOOKER_BASE_URL": "https://a.example.com:19999/",
    "LOOKER_CLIENT_ID": "ida",
    "LOOKER_CLIENT_SECRET": "seca",
}
SDK = {
    "LOOKERSDK_BASE_URL": "https://b.example.com",
    "LOOKERSDK_CLIENT_ID": "idb",
    "LOOKERSDK_CLIENT_SECRET": "secb",
}


@pytest.fixture(autouse=True)
def empty_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def secret_file(directory, text="secf\n", mode=0o600):
    path = directory / "secret"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def ini(directory, text, name="looker.ini"):
    path = directory / name
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def triple(destination):
    return destination.endpoint.base_url, destination.client_id, destination.client_secret.reveal()


def test_environment():
    destination = resolve(Given(), LOOKER)
    assert triple(destination) == ("https://a.example.com:19999", "ida", "seca")
    assert destination.origins["client_secret"] == "LOOKER_CLIENT_SECRET"
    assert (destination.endpoint.timeout_s, destination.endpoint.verify) == (120.0, True)


def test_lookervault_names():
    env = {
        "LOOKERVAULT_API_URL": "v.example.com",
        "LOOKERVAULT_CLIENT_ID": "i",
        "LOOKERVAULT_CLIENT_SECRET": "s",
    }
    assert triple(resolve(Given(), env)) == ("https://v.example.com", "i", "s")


def test_sdk_names_with_their_other_settings():
    env = SDK | {"LOOKERSDK_VERIFY_SSL": "false", "LOOKERSDK_TIMEOUT": "30"}
    endpoint = resolve(Given(), env).endpoint
    assert (endpoint.base_url, endpoint.verify, endpoint.timeout_s) == ("https://b.example.com", False, 30.0)


def test_the_first_family_counts_alone():
    assert triple(resolve(Given(), LOOKER | SDK))[1] == "ida"


@pytest.mark.parametrize("name", LOOKER)
def test_a_half_set_family_is_not_completed_from_another(name):
    env = {key: value for key, value in (LOOKER | SDK).items() if key != name}
    with pytest.raises(ValidationError, match="missing"):
        resolve(Given(), env)


def test_base_url_alone_may_be_an_option():
    destination = resolve(Given(base_url="https://c.example.com"), LOOKER)
    assert triple(destination) == ("https://c.example.com", "ida", "seca")
    assert destination.origins["base_url"] == "option"


def test_everything_as_options(empty_directory):
    given = Given(base_url="c.example.com", client_id="i", client_secret_file=secret_file(empty_directory))
    destination = resolve(given, LOOKER)
    assert triple(destination) == ("https://c.example.com", "i", "secf")
    assert destination.warnings == ()


def test_secret_file_beside_an_environment(empty_directory):
    env = {key: value for key, value in LOOKER.items() if "SECRET" not in key}
    destination = resolve(Given(client_secret_file=secret_file(empty_directory)), env)
    assert triple(destination)[1:] == ("ida", "secf")


def test_an_id_is_not_paired_with_the_secret_of_another():
    with pytest.raises(ValidationError, match="without its secret; LOOKER_CLIENT_SECRET holds that of ida"):
        resolve(Given(client_id="other"), LOOKER)
    assert triple(resolve(Given(client_id="ida"), LOOKER))[2] == "seca"


def test_a_file_that_everyone_can_read_is_warned_about(empty_directory):
    given = Given(client_secret_file=secret_file(empty_directory, mode=0o644))
    assert "chmod 600" in resolve(given, LOOKER).warnings[0]


@pytest.mark.parametrize("text", ["", "\n", "a\nb\n"])
def test_a_secret_is_one_line(empty_directory, text):
    with pytest.raises(ValidationError, match="one line") as error:
        resolve(Given(client_secret_file=secret_file(empty_directory, text)), LOOKER)
    assert "a\n" not in str(error.value)


def test_a_secret_file_that_is_not_there():
    with pytest.raises(ValidationError, match="cannot read the secret file nowhere: No such file"):
        resolve(Given(client_secret_file="nowhere"), LOOKER)


def test_secret_command():
    assert triple(resolve(Given(client_secret_cmd="printf 'sec c\\n'"), LOOKER))[2] == "sec c"


@pytest.mark.parametrize("command", ["false", "/no/such/command", "'", "true"])
def test_a_secret_command_that_fails(command):
    with pytest.raises(ValidationError):
        resolve(Given(client_secret_cmd=command), LOOKER)


def test_two_secrets_are_refused(empty_directory):
    with pytest.raises(ValidationError, match="twice"):
        resolve(Given(client_secret_file="x", client_secret_cmd="y"), LOOKER)


def test_ini(empty_directory):
    text = '[Looker]\nbase_url="https://i.example.com"\nclient_id=ii\nclient_secret=a%b\nverify_ssl=False\n'
    destination = resolve(Given(), {}) if ini(empty_directory, text) else None
    assert triple(destination) == ("https://i.example.com", "ii", "a%b")
    assert destination.endpoint.verify is False
    assert destination.origins["client_id"] == "looker.ini [Looker]"


def test_a_named_ini_goes_before_the_environment(empty_directory):
    text = "[one]\nbase_url=https://one.example.com\nclient_id=1\nclient_secret=s1\n[two]\nbase_url=https://two.example.com\nclient_id=2\nclient_secret=s2\n"
    path = ini(empty_directory, text, "my.ini")
    assert triple(resolve(Given(ini=path, section="two"), LOOKER)) == ("https://two.example.com", "2", "s2")
    with pytest.raises(ValidationError, match="there are: one, two"):
        resolve(Given(ini=path), LOOKER)


def test_a_broken_ini_does_not_show_its_lines(empty_directory):
    with pytest.raises(ValidationError, match="not an ini file") as error:
        resolve(Given(ini=ini(empty_directory, "client_secret hush\n")), {})
    assert error.value.__suppress_context__
    with pytest.raises(ValidationError, match="cannot read"):
        resolve(Given(ini="nowhere.ini"), {})


def test_nothing_given_lists_the_ways():
    with pytest.raises(ValidationError, match="base URL, client id, client secret missing") as error:
        resolve(Given(), {})
    assert "LOOKER_CLIENT_SECRET" in error.value.hint
    assert "--client-secret-file" in error.value.hint


@pytest.mark.parametrize(
    "env",
    [{"LOOKERSDK_TIMEOUT": "soon"}, {"LOOKERSDK_TIMEOUT": "-1"}, {"LOOKERSDK_VERIFY_SSL": "maybe"}],
)
def test_bad_values(env):
    with pytest.raises(ValidationError, match="LOOKERSDK_"):
        resolve(Given(), SDK | env)


def test_certificates(empty_directory):
    bundle = empty_directory / "ca.pem"
    bundle.write_text("x")
    env = LOOKER | {"REQUESTS_CA_BUNDLE": str(bundle)}
    assert resolve(Given(), env).endpoint.ca_bundle == str(bundle)
    with pytest.raises(ValidationError, match="does not exist"):
        resolve(Given(ca_bundle="no.pem"), env)


def test_options_win_over_the_rest():
    endpoint = resolve(Given(timeout_s=5.0, verify=False), LOOKER).endpoint
    assert (endpoint.timeout_s, endpoint.verify) == (5.0, False)


def test_a_secret_compares_but_does_not_show():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert {Secret("a"): 1}[Secret("a")] == 1
    assert "hush" not in f"{Secret('hush')} {Secret('hush')!r}"
