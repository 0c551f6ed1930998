# ruff: noqa: E501 (the exact messages stand whole in their tables)
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest

from holdover.config import ConfigError, Problem, digest, files, load
from holdover.providers.registry import PROFILES
from holdover.rules import Secret

TOP = '[proxy]\nreverse = ["127.0.0.1:8080"]\n'
VENDOR = """\
name = "vendor"
hosts = ["api.vendor.test"]
origin = "https://api.vendor.test"

[credential]
env = "VENDOR_KEY"
query = "apiKey"

[[routes]]
name = "odds"
path = "/v4/odds"
window_s = 5
max_stale_s = 60
"""
ENVIRON = {"VENDOR_KEY": "secret-value"}
DIGEST = "0123456789abcdef" * 4
KINDS = sorted(frozenset[str]().union(*(profile.known_kinds for profile in PROFILES.values())))


def choice(names: Iterable[str]) -> str:
    """ "'a', 'b' or 'c'"."""
    *others, last = map(repr, names)
    return f"{', '.join(others)} or {last}"


@pytest.fixture
def folder(tmp_path):
    """A good configuration."""
    (tmp_path / "config" / "providers").mkdir(parents=True)
    (tmp_path / "config" / "holdover.toml").write_text(TOP)
    (tmp_path / "config" / "providers" / "vendor.toml").write_text(VENDOR)
    return tmp_path / "config"


def problems(folder: Path, environ: Mapping[str, str] = ENVIRON) -> list[str]:
    """The sentences, with names of files from the folder on; empty when the configuration is good."""
    try:
        load(folder, environ)
        text = ""
    except ConfigError as error:
        text = str(error)
    assert "secret-value" not in text
    return text.replace(f"{folder}/", "").replace(str(folder), "CONFIG").splitlines()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        # unknown keys
        ("window_s", "windows_s", [
            "vendor.toml:9: routes[0].window_s: is missing; add `window_s = ...`",
            "vendor.toml:12: routes[0].windows_s: unknown key; did you mean 'window_s'?",
        ]),
        ("max_stale_s = 60", "max_stale_s = 60\nzzz = 1", ["vendor.toml:14: routes[0].zzz: unknown key; remove it"]),
        ("query", "Query", [
            "vendor.toml:7: credential.Query: unknown key; did you mean 'query'?",
        ]),
        ("[[routes]]", f'[classes.gold]\ncredentials = ["{DIGEST}"]\nenvv = "GOLD_KEY"\n[[routes]]', [
            "vendor.toml:11: classes.gold.envv: unknown key; did you mean 'env'?"
        ]),
        ("[credential]", "[credentials]", ["vendor.toml:5: credentials: unknown key; did you mean 'credential'?"]),
        ("[credential]", "[limits]\nrate_per_sec = 1\n[credential]", [
            "vendor.toml:6: limits.rate_per_sec: unknown key; did you mean 'rate_per_s'?"
        ]),
        # missing keys
        ('name = "vendor"\n', "", ["vendor.toml:1: name: is missing; add `name = ...`"]),
        ('path = "/v4/odds"\n', "", ["vendor.toml:9: routes[0].path: is missing; add `path = ...`"]),
        ("[[routes]]", "[routes]", ["vendor.toml:9: routes: must be a valid list"]),
        # wrong types
        ("window_s = 5", 'window_s = "5"', ["vendor.toml:12: routes[0].window_s: must be a valid number"]),
        ("window_s = 5", "window_s = true", ["vendor.toml:12: routes[0].window_s: must be a valid number"]),
        ('hosts = ["api.vendor.test"]', 'hosts = "api.vendor.test"', ["vendor.toml:2: hosts: must be a valid list"]),
        ('["api.vendor.test"]', '[\n"a.test",\n7,\n]', ["vendor.toml:2: hosts[1]: must be a valid string"]),
        ("[credential]", "[limits]\nburst = 1.5\n[credential]", ["vendor.toml:6: limits.burst: must be a valid integer"]),
        # bad values
        ("window_s = 5", "window_s = 0", ["vendor.toml:12: routes[0].window_s: must be greater than 0"]),
        ("window_s = 5", "window_s = inf", [
            "vendor.toml:12: routes[0].window_s: must be a finite number"
        ]),
        ("window_s = 5", "window_s = 61", [
            "vendor.toml:9: routes[0]: max_stale_s is below window_s; an answer would be too old before its refresh is due"
        ]),
        ("window_s = 5", 'calls = ["list"]\nwindow_s = 5', [
            "vendor.toml:9: routes[0]: calls are told apart by the bodies of POST, which is not among the methods"
        ]),
        ("/v4/odds", "v4/odds", [
            "vendor.toml:11: routes[0].path: a path starts with / and has plain segments or {word} between slashes, none empty"
        ]),
        ("/v4/odds", "/v4//odds", [
            "vendor.toml:11: routes[0].path: a path starts with / and has plain segments or {word} between slashes, none empty"
        ]),
        ("/v4/odds", "/v4/{Sport}", [
            "vendor.toml:11: routes[0].path: a path starts with / and has plain segments or {word} between slashes, none empty"
        ]),
        ('hosts = ["api.vendor.test"]', "hosts = []", [
            "vendor.toml:2: hosts: List should have at least 1 item after validation, not 0"
        ]),
        ('["api.vendor.test"]', '["API.vendor.test"]', [
            "vendor.toml:2: hosts[0]: has a character or form that is not allowed here (pattern ^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$)"
        ]),
        ('"https://api.vendor.test"', '"api.vendor.test"', [
            "vendor.toml:3: origin: an origin is http:// or https:// with a host and, if needed, a port, and nothing more"
        ]),
        ('"https://api.vendor.test"', '"https://api.vendor.test:99999"', [
            "vendor.toml:3: origin: a port is a number from 1 to 65535"
        ]),
        ('"https://api.vendor.test"', '"https://api.vendor.test/v4"', [
            "vendor.toml:3: origin: an origin is http:// or https:// with a host and, if needed, a port, and nothing more"
        ]),
        ('"https://api.vendor.test"', '"https://user:pw@api.vendor.test"', [
            "vendor.toml:3: origin: an origin is http:// or https:// with a host and, if needed, a port, and nothing more"
        ]),
        ("[credential]", '[credential]\nfile = "x"', ["vendor.toml:5: credential: give exactly one of env, file and borrow"]),
        ("max_stale_s = 60", 'max_stale_s = 60\nunknown = "keep"', [
            "vendor.toml:14: routes[0].unknown: must be 'key', 'drop' or 'bypass'"
        ]),
        ("max_stale_s = 60", 'max_stale_s = 60\nmethods = ["POST"]', [
            "vendor.toml:1: route 'odds': profile 'generic' knows no POST bodies"
        ]),
        # credentials, clients, plans
        ("[credential]", 'personal = ["X Who"]\n[credential]', [
            "vendor.toml:5: personal[0]: has a character or form that is not allowed here (pattern ^[!#$%&'*+.^_`|~0-9A-Za-z-]+$)"
        ]),
        ('env = "VENDOR_KEY"', "borrow = false", [
            "vendor.toml:1: give exactly one of env, file and borrow of [credential] with clients = 'known'"
        ]),
        ('env = "VENDOR_KEY"', 'env = "VENDOR_KEY"\nborrow = true', [
            "vendor.toml:5: credential: give exactly one of env, file and borrow"
        ]),
        ('query = "apiKey"', "", ["vendor.toml:5: credential: give exactly one of query and header"]),
        ('query = "apiKey"', 'query = "apiKey"\nclass_from = "X-App"', [
            "vendor.toml:5: credential: class_from needs borrow: holdover has a credential for one class alone"
        ]),
        ("[credential]", 'clients = "own"\n[credential]', [
            "vendor.toml:1: leave out env, file and borrow of [credential] with clients = 'own'"
        ]),
        ('[credential]\nenv = "VENDOR_KEY"\nquery = "apiKey"', 'clients = "own"', [
            "vendor.toml:1: clients = 'own' needs a [credential] that says where clients send theirs"
        ]),
        ("[credential]", 'clients = "anybody"\n[credential]', [
            "vendor.toml:5: clients: must be 'known', 'open' or 'own'"
        ]),
        ("[credential]", 'known = ["AB"]\n[credential]', [
            "vendor.toml:5: known[0]: has a character or form that is not allowed here (pattern ^[0-9a-f]{64}$)"
        ]),
        ("[[routes]]", f'[classes.gold]\ncredentials = ["{DIGEST}"]\n[[routes]]', [
            "vendor.toml:9: classes.gold: give exactly one of env and file"
        ]),
        ("[[routes]]", f'[classes.gold]\ncredentials = ["{DIGEST}"]\nenv = "GOLD_KEY"\n[[routes]]', [
            "vendor.toml:11: classes.gold.env: the credential is missing, shorter than 8 characters or not plain text;"
            " export GOLD_KEY=... before starting holdover"
        ]),
        # profiles
        ("[credential]", 'profile = "the_odds_api"\n[credential]', [
            f"vendor.toml:5: profile: must be {choice(PROFILES)}; did you mean 'the-odds-api'?"
        ]),
        ("[credential]", 'profile = "x"\n[credential]', [
            f"vendor.toml:5: profile: must be {choice(PROFILES)}"
        ]),
        ("[credential]", "profile = 1\n[credential]", ["vendor.toml:5: profile: must be a valid string"]),
        ("[[routes]]", '[projection]\nkinds = ["events", "marktes"]\n[[routes]]', [
            f"vendor.toml:10: projection.kinds[1]: must be {choice(KINDS)}; did you mean 'markets'?"
        ]),
        ('["api.vendor.test"]', '["api.vendor.test", "identitysso-cert.vendor.test"]', [
            "vendor.toml:2: hosts: identitysso-cert.vendor.test is where people log in; it is never opened"
        ]),
        # pace, errors, change log
        ("max_stale_s = 60", 'max_stale_s = 60\nstarts = "at"\n[routes.pace]\nfar_s = 61', [
            "vendor.toml:9: routes[0]: pace.far_s is above max_stale_s; an answer would be too old before its refresh"
        ]),
        ("max_stale_s = 60", 'max_stale_s = 60\nstarts = "at"\n[routes.pace]\nmax_stale_in_play_s = 4', [
            "vendor.toml:9: routes[0]: pace.max_stale_in_play_s is below the window in play"
        ]),
        ("max_stale_s = 60", 'max_stale_s = 60\n[[errors]]\nmeans = "spent"', [
            "vendor.toml:15: errors[0].means: must be 'quota', 'credential', 'rate', 'absent' or 'error'"
        ]),
        ("max_stale_s = 60", 'max_stale_s = 60\n[[errors]]\nmeans = "quota"\npointer = "code"', [
            "vendor.toml:16: errors[0].pointer: has a character or form that is not allowed here (pattern ^(/[^/]*)*$)"
        ]),
        ("max_stale_s = 60", 'max_stale_s = 60\nchange_log = { changes = "/*", id = "/id", at = "/at", routes = ["scores"] }', [
            "vendor.toml:1: change_log of 'odds' names no route: 'scores'"
        ]),
        ("max_stale_s = 60", 'max_stale_s = 60\n[[routes]]\nname = "log"\npath = "/{access}/log"\nwindow_s = 60\n'
            'max_stale_s = 60\nchange_log = { changes = "/*", id = "/id", at = "/at", routes = ["odds"] }', [
            "vendor.toml:1: path of 'log' holds {access}, which the path of 'odds' does not: the log could not be asked "
            "for; write its value"
        ]),
        ("max_stale_s = 60", 'max_stale_s = 60\nmethods = ["PUT"]', [
            "vendor.toml:14: routes[0].methods[0]: must be 'GET' or 'POST'"
        ]),
        ("max_stale_s = 60", 'max_stale_s = 60\ndefaults = { a = 1 }', [
            "vendor.toml:14: routes[0].defaults.a: must be a valid string"
        ]),
        ("[[routes]]", '[[routes]]\nname = "odds"\npath = "/x"\nwindow_s = 1\nmax_stale_s = 2\n[[routes]]', [
            "vendor.toml:1: route name 'odds' stands twice; names are distinct within a provider"
        ]),
        # not TOML
        ("window_s = 5", "window_s 5", [
            "vendor.toml:12: not valid TOML: Expected '=' after a key in a key/value pair (at line 12, column 10)"
        ]),
        ("window_s = 5", "window_s = 5\nwindow_s = 6", ["vendor.toml:13: not valid TOML: Cannot overwrite a value (at line 13, column 13)"]),
        ("max_stale_s = 60\n", 'max_stale_s = "', ["vendor.toml: not valid TOML: Unterminated string (at end of document)"]),
        # two at once
        ("window_s = 5\nmax_stale_s = 60", 'window_s = -1\nmax_stale_s = "1"', [
            "vendor.toml:12: routes[0].window_s: must be greater than 0",
            "vendor.toml:13: routes[0].max_stale_s: must be a valid number",
        ]),
    ],
)  # fmt: skip
def test_a_bad_provider_file(folder, old, new, expected):
    path = folder / "providers" / "vendor.toml"
    assert old in VENDOR
    path.write_text(VENDOR.replace(old, new, 1))
    assert problems(folder) == [f"providers/{line}" for line in expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[proxxy]\n", ["1: proxxy: unknown key; did you mean 'proxy'?"]),
        ("[proxy]\nreverse = []\n", ["1: proxy: reverse and regular are both empty; give at least one address"]),
        ('[proxy]\nreverse = ["8080"]\n', [
            r"2: proxy.reverse[0]: has a character or form that is not allowed here (pattern ^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$)"
        ]),
        ("\n\n[store]\nmax_bytes = 5\n", ["4: store.max_bytes: must be greater than or equal to 1048576"]),
        ("store = 5\n", ["1: store: must be a valid dictionary or instance of StoreSettings"]),
        ("[sidecar]\nmax_keys = 0\n[hot]\nmax_entries = 0\n", [
            "2: sidecar.max_keys: must be greater than or equal to 1",
            "4: hot.max_entries: must be greater than or equal to 1",
        ]),
        (f'[sidecar]\nsocket = "/{"x" * 104}"\n', [
            f"2: sidecar.socket: the path /{'x' * 104} is longer than the 104 bytes a Unix socket allows; shorten it"
        ]),
    ],
)  # fmt: skip
def test_bad_settings(folder, text, expected):
    (folder / "holdover.toml").write_text(text)
    assert problems(folder) == [f"holdover.toml:{line}" for line in expected]


@pytest.mark.parametrize("port", ["65536", "99999"])
def test_an_address_has_a_port_that_exists(folder, port):
    (folder / "holdover.toml").write_text(f'[proxy]\nmetrics = "127.0.0.1:{port}"\n')
    (line,) = problems(folder)
    assert line.startswith("holdover.toml:2: proxy.metrics: ")


@pytest.mark.parametrize("origin", ["https://api.vendor.test?", "https://api.vendor.test#", "https://a b"])
def test_an_origin_ends_with_host_or_port(folder, origin):
    """Targets are appended to it as it stands."""
    path = folder / "providers" / "vendor.toml"
    path.write_text(VENDOR.replace("https://api.vendor.test", origin))
    (line,) = problems(folder)
    assert line.startswith("providers/vendor.toml:3: origin: ")


def test_a_client_credential_cannot_be_declared_part_of_the_key(folder):
    path = folder / "providers" / "vendor.toml"
    path.write_text(VENDOR.replace('query = "apiKey"', 'header = "X-Key"') + 'headers = ["x-key"]\n')
    (line,) = problems(folder)
    assert "x-key" in line


def test_all_problems_of_all_files_come_at_once_in_order(folder):
    (folder / "holdover.toml").write_text("[hot]\nmax_entries = 0\nmax_bytes = 0\n")
    (folder / "providers" / "vendor.toml").write_text(VENDOR.replace("window_s = 5", "window_s = 0"))
    (folder / "providers" / "another.toml").write_text("name =\n")
    assert problems(folder, {}) == [
        "holdover.toml:2: hot.max_entries: must be greater than or equal to 1",
        "holdover.toml:3: hot.max_bytes: must be greater than or equal to 65536",
        "providers/another.toml:1: not valid TOML: Invalid value (at line 1, column 7)",
        "providers/vendor.toml:12: routes[0].window_s: must be greater than 0",
    ]


def test_a_socket_path_that_is_too_long_is_reported_with_the_rest(folder):
    (folder / "holdover.toml").write_text(f'[sidecar]\nsocket = "/{"x" * 104}"\n')
    assert len(problems(folder, {})) == 2


def test_names_and_hosts_belong_to_one_provider(folder):
    (folder / "providers" / "zeta.toml").write_text(VENDOR.replace("hosts = [", '\nhosts = ["other.test", '))
    assert problems(folder) == [
        "providers/zeta.toml:1: name: 'vendor' is taken by vendor.toml; each belongs to one provider",
        "providers/zeta.toml:3: hosts: 'api.vendor.test' is taken by vendor.toml; each belongs to one provider",
    ]


@pytest.mark.parametrize("value", [None, "", "two\nlines", "caf\u00e9", "\x00"])
def test_a_credential_that_cannot_be_used(folder, value):
    environ = {} if value is None else {"VENDOR_KEY": value}
    assert problems(folder, environ) == [
        "providers/vendor.toml:6: credential.env: the credential is missing, shorter than 8 characters or not plain text;"
        " export VENDOR_KEY=... before starting holdover"
    ]


def test_a_credential_in_a_file(folder):
    path = folder / "providers" / "vendor.toml"
    path.write_text(VENDOR.replace('env = "VENDOR_KEY"', 'file = "../key"'))
    assert problems(folder) == [
        "providers/vendor.toml:6: credential.file: the credential is missing, shorter than 8 characters or not plain text;"
        f" write the credential into {folder.parent / 'key'}"
    ]
    (folder.parent / "key").write_text("from-file\n")
    (provider,) = load(folder, {}).rules.providers
    assert provider.secrets == (("", Secret("from-file")),)


def test_every_plan_has_a_credential_of_its_own(folder):
    path = folder / "providers" / "vendor.toml"
    (folder.parent / "silver").write_text("silver-value\n")
    path.write_text(
        f'{VENDOR}\n[classes.gold]\ncredentials = ["{DIGEST}"]\nenv = "GOLD_KEY"\n'
        f'[classes.silver]\ncredentials = ["{DIGEST[::-1]}"]\nfile = "../silver"\n'
    )
    config = load(folder, {**ENVIRON, "GOLD_KEY": "gold-value"})
    (provider,) = config.rules.providers
    assert dict(provider.secrets) == {
        "": Secret("secret-value"),
        "gold": Secret("gold-value"),
        "silver": Secret("silver-value"),
    }
    assert not any(value in repr(config) for value in ("secret-value", "gold-value", "silver-value"))


@pytest.mark.parametrize("how", ["borrow = true", 'clients = "own"'])
def test_a_provider_that_is_called_with_clients_credentials_needs_none(folder, how):
    path = folder / "providers" / "vendor.toml"
    text = VENDOR.replace('env = "VENDOR_KEY"\n', f"{how}\n" if "borrow" in how else "")
    path.write_text(text if "borrow" in how else text.replace("[credential]", f"{how}\n[credential]"))
    (provider,) = load(folder, {}).rules.providers
    assert provider.secrets == ()
    assert provider.own() is None
    assert provider.credentials == {"apikey"}


def test_no_configuration_here(tmp_path):
    assert problems(tmp_path / "absent") == ["CONFIG: no holdover.toml here; name the folder that has one"]
    (tmp_path / "holdover.toml").write_text("")
    assert problems(tmp_path) == ["providers: no provider here; add a file NAME.toml"]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: path.mkdir(), "cannot be read: Is a directory"),
        (lambda path: path.symlink_to("nowhere"), "cannot be read: No such file or directory"),
        (lambda path: path.write_bytes(b"name = '\xff'"), "not UTF-8; save it in that encoding"),
        pytest.param(
            lambda path: path.symlink_to("/proc/self/mem"),
            "cannot be read: Input/output error",
        ),
    ],
)
def test_a_file_that_cannot_be_read(folder, make, expected):
    make(folder / "providers" / "bad.toml")
    assert problems(folder) == [f"providers/bad.toml: {expected}"]


def test_a_credential_file_that_cannot_be_read(folder):
    path = folder / "providers" / "vendor.toml"
    path.write_text(VENDOR.replace('env = "VENDOR_KEY"', 'file = "/proc/self/mem"'))
    (line,) = problems(folder)
    assert line.startswith("providers/vendor.toml:6: credential.file: ")


@pytest.mark.parametrize("setting", ['[store]\nfolder = "~nobody-here/x"', '[sidecar]\nsocket = "~nobody-here/x"'])
def test_a_home_that_does_not_exist_is_a_problem(folder, setting):
    (folder / "holdover.toml").write_text(setting)
    (line,) = problems(folder)
    assert line.startswith("holdover.toml:2: ")


def test_a_good_configuration(folder):
    config = load(folder, ENVIRON)
    assert config.folder.is_absolute()
    assert config.settings.proxy.reverse == ["127.0.0.1:8080"]
    assert config.store_folder == folder.parent / "var" / "store"
    assert config.socket == folder.parent / "var" / "run" / "sidecar.sock"
    assert config.ca_folder == folder.parent / "var" / "ca"
    assert config.ca_file is None
    (provider,) = config.rules.providers
    assert provider.secrets == (("", Secret("secret-value")),)
    assert "secret-value" not in repr(config)


def test_paths_start_at_the_configuration_folder(folder, monkeypatch):
    monkeypatch.setenv("HOME", "/home/of-somebody")
    (folder / "holdover.toml").write_text(
        '[store]\nfolder = "~/a/../b"\n[sidecar]\nsocket = "/run/x"\n[proxy]\nca_folder = "ca"\n'
    )
    config = load(folder, ENVIRON)
    assert config.store_folder == Path("/home/of-somebody/b")
    assert config.socket == Path("/run/x")
    assert config.ca_folder == folder / "ca"


def test_a_bundle_that_cannot_be_used_is_a_problem(folder):
    (folder / "ca.pem").write_text("no certificate")
    (folder / "holdover.toml").write_text('[upstream]\nca_file = "ca.pem"\n')
    (line,) = problems(folder)
    assert line.startswith("holdover.toml:2: upstream.ca_file: ")


def test_an_address_is_for_one_listener(folder):
    (folder / "holdover.toml").write_text('[proxy]\nreverse = ["127.0.0.1:9102"]\n')
    (line,) = problems(folder)
    assert "127.0.0.1:9102 is used twice" in line


def test_a_relative_folder_means_the_same_after_a_change_of_directory(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    config = load(Path("config"), ENVIRON)
    monkeypatch.chdir("/")
    assert config.socket == folder.parent / "var" / "run" / "sidecar.sock"


def test_the_settings_do_not_change_after_loading(folder):
    config = load(folder, ENVIRON)
    with pytest.raises(ValueError, match="frozen"):
        config.settings.hot.max_entries = 5  # type: ignore[misc]


def test_the_shipped_configuration_is_good():
    config = load(Path(__file__).parents[2] / "config", {"ODDS_API_KEY": "no-credential"})
    assert [provider.name for provider in config.rules.providers] == ["the-odds-api"]


def test_the_digest_names_the_content(folder):
    provider = folder / "providers" / "vendor.toml"
    seen = {load(folder, ENVIRON).digest}
    changes: list[Callable[[], object]] = [
        lambda: provider.write_text(VENDOR + "# a comment\n"),
        lambda: (folder / "holdover.toml").write_text(TOP + "\n"),
        lambda: (folder / "providers" / "b.toml").write_text(""),
        lambda: provider.rename(folder / "providers" / "c.toml"),
        lambda: (folder / "holdover.toml").unlink(),
    ]
    for change in changes:
        change()
        assert digest(folder) not in seen
        seen.add(digest(folder))
    assert all(len(one) == 64 for one in seen)


def test_the_digest_is_of_content_alone(folder):
    before = digest(folder)
    (folder / "holdover.toml").write_text(TOP)
    (folder / "providers" / ".swp.toml").write_text("x")
    (folder / "providers" / "vendor.toml~").write_text("x")
    (folder / "notes.txt").write_text("x")
    assert digest(folder) == before == load(folder, ENVIRON).digest
    assert [path.name for path in files(folder)] == ["holdover.toml", "vendor.toml"]


def test_text_cannot_move_from_one_file_to_the_next_unseen(folder):
    (folder / "providers" / "a.toml").write_text("x\n")
    (folder / "providers" / "b.toml").write_text("y\n")
    before = digest(folder)
    (folder / "providers" / "a.toml").write_text("x\ny\n")
    (folder / "providers" / "b.toml").write_text("")
    assert digest(folder) != before


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (Problem("f", 3, "a.b", "t"), "f:3: a.b: t"),
        (Problem("f", 3, "", "t"), "f:3: t"),
        (Problem("f", 0, "", "t"), "f: t"),
        (Problem("f", 0, "a", "t"), "f: a: t"),
    ],
)
def test_a_problem_as_a_line(problem, expected):
    assert str(problem) == expected
