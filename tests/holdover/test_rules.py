import pytest

from holdover.rules import Routed, Rules, Secret, Unrouted, canonical_path, compile_provider, decode

HOST = "api.vendor.test"


@pytest.fixture(scope="module")
def rules(route_of, provider_of):
    return Rules(
        [
            provider_of(
                route_of(),
                route_of(name="sports", path="/v4/sports", trailing_slash="distinct"),
                route_of(name="event", path="/v4/sports/{sport}/events/{event}/odds"),
                route_of(name="second", path="/v4/sports/{any}/odds"),
                route_of(name="marks", path="/a.b+c/(x),y@z"),
            ),
            provider_of(route_of(name="top", path="/"), name="other", hosts=["other.test", "alias.test"]),
        ]
    )


def matched(rules: Rules, target: str, host: str = HOST) -> object:
    found = rules.match(host, target)
    return (found.route.name, found.path) if isinstance(found, Routed) else found


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/v4/sports/epl/odds", ("odds", "/v4/sports/epl/odds")),
        ("/v4/sports/epl/odds?x=1", ("odds", "/v4/sports/epl/odds")),
        ("/v4/sports/epl/odds?", ("odds", "/v4/sports/epl/odds")),
        ("/v4/sports/epl/odds/", ("odds", "/v4/sports/epl/odds")),
        ("/v4/sports/%65pl/od%64s/?x", ("odds", "/v4/sports/epl/odds")),
        ("/%764/sports/epl/odds", ("odds", "/v4/sports/epl/odds")),
        ("/v4/sports", ("sports", "/v4/sports")),
        ("/v4/sports/a/events/b/odds", ("event", "/v4/sports/a/events/b/odds")),
        ("/a.b+c/(x),y@z", ("marks", "/a.b%2Bc/%28x%29%2Cy%40z")),
        ("/a.b%2bc/%28x),y%40z/", ("marks", "/a.b%2Bc/%28x%29%2Cy%40z")),
        # An encoded slash or semicolon stays inside its segment.
        ("/v4/sports/a%2fb/odds", ("odds", "/v4/sports/a%2Fb/odds")),
        ("/v4/sports/a;b/odds", ("odds", "/v4/sports/a%3Bb/odds")),
        ("/v4/sports/a%252fb/odds", ("odds", "/v4/sports/a%252fb/odds")),
        ("/v4/sports/%C3%A9/odds", ("odds", "/v4/sports/%C3%A9/odds")),
    ],
)
def test_a_target_finds_its_route_and_canonical_path(rules, target, expected):
    assert matched(rules, target) == expected


@pytest.mark.parametrize(
    "target",
    [
        "/v4/sports/epl/odds/x.css",
        "/v4/sports/epl/odds.css",
        "/v4/sports/epl/odds;x",
        "/v4/sports/epl/odds;x=y.js",
        "/v4/sports/epl/odds%2Fx.css",
        "/v4/sports/epl/odds%3Bx.css",
        "/v4/sports/epl/odds%3Fx.css",
        "/v4/sports/epl/odds%23",
        "/v4/sports/epl/odds%20",
        "/v4/sports/epl/odds#x",
        "/v4/sports/epl/odds%00.css",
        "/v4/sports/epl/odds%0a",
        "/v4/sports/epl/odds//",
        "/v4/sports/",
        "/v4/sports//odds",
        "//v4/sports/epl/odds",
        "/v4//sports/epl/odds",
        "/x/../v4/sports/epl/odds",
        "/v4/sports/./odds",
        "/v4/sports/../odds",
        "/v4/sports/%2e%2e/odds",
        "/v4/sports/.%2E/odds",
        "/v4/sports/epl/odds/..",
        "/v4/sports/epl/odds/.",
        "/x/v4/sports/epl/odds",
        "/V4/sports/epl/odds",
        "/v4/sports/epl/ODDS",
        "/v4/sports/%zz/odds",
        "/v4/sports/%4/odds",
        "/v4/sports/%/odds",
        "/v4/sports/%ff/odds",
        "/v4/sports/%c0%af/odds",
        "/v4/sports/%7f/odds",
        "/v4/sports/a\tb/odds",
        "/v4/sports/a b/odds",
        "/v4/sports/epl/odds?a=\x01",
        "/v4/sports/epl/odds?a=b c",
        "/v4/sports/\u00e9/odds",
        "/v4/sports/epl/odds\n",
        "v4/sports/epl/odds",
        "",
        "*",
        "?x=1",
        "/aXb+c/(x),y@z",
        "http://api.vendor.test/v4/sports/epl/odds",
    ],
)
def test_what_only_resembles_a_route_matches_none(rules, target):
    found = rules.match(HOST, target)
    assert isinstance(found, Unrouted)
    assert found.provider.name == "vendor"


@pytest.mark.parametrize(
    ("host", "provider"),
    [
        (HOST, "vendor"),
        ("API.Vendor.TEST", "vendor"),
        ("api.vendor.test.", "vendor"),
        ("alias.test", "other"),
        ("other.test", "other"),
        ("vendor.test", None),
        ("x.api.vendor.test", None),
        ("api.vendor.test.evil.test", None),
        (".api.vendor.test", None),
        ("api.vendor.test:443", None),
        ("", None),
        (".", None),
    ],
)
def test_a_host_finds_its_provider(rules, host, provider):
    found = rules.provider_of(host)
    assert (found.name if found else None) == provider
    assert (rules.match(host, "/nowhere") is None) == (provider is None)


def test_the_top_is_a_route_too(rules):
    assert matched(rules, "/", "other.test") == ("top", "/")
    assert matched(rules, "/?x=1", "other.test") == ("top", "/")
    assert isinstance(rules.match("other.test", "//"), Unrouted)


def test_lookup_by_name(rules):
    assert rules.provider("other").name == "other"
    assert rules.provider("nobody") is None
    assert rules.route("vendor", "sports").settings.path == "/v4/sports"
    assert rules.route("vendor", "top") is None
    assert rules.route("nobody", "odds") is None


@pytest.mark.parametrize(
    ("changes", "scheme", "origin", "address"),
    [
        ({"origin": "https://a.test"}, "https", ("a.test", 443), ("a.test", 443)),
        ({"origin": "http://a.test"}, "http", ("a.test", 80), ("a.test", 80)),
        ({"origin": "http://a.test:81", "address": "[::1]:82"}, "http", ("a.test", 81), ("::1", 82)),
        ({"address": "192.0.2.7:444"}, "https", ("api.vendor.test", 443), ("192.0.2.7", 444)),
    ],
)
def test_where_a_provider_is_called(provider_of, changes, scheme, origin, address):
    provider = provider_of(**changes)
    assert (provider.scheme, provider.origin, provider.address) == (scheme, origin, address)


def test_credential_names_are_lower_case_and_the_secret_is_not_shown(provider_of):
    credential = {"env": "X", "query": "apiKey", "also": ["API_KEY", "X-Key"]}
    provider = provider_of(credential=credential)
    assert provider.credentials == {"apikey", "api_key", "x-key"}
    assert compile_provider(provider_of().settings).credentials == frozenset()
    assert "own-secret" not in f"{provider!r} {provider} {Secret('own-secret')!r} {Secret('own-secret')}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a+b", "a+b"), ("%41%c3%A9", "A\u00e9"), ("%2", None), ("%g0", None), ("%", None), ("%C3", None),
     ("%00", None), ("%1f", None), ("%7F", None), ("%20", " "), ("%25", "%")],
)  # fmt: skip
def test_decode(text, expected):
    assert decode(text) == expected


@pytest.mark.parametrize(
    "path", ["", "a", "//", "//a", "/a//", "/a//b", "/.", "/a/..", "/%2e/a", "/%2E%2e/a", "/%zz"]
)
def test_paths_without_a_canonical_form(path):
    assert canonical_path(path) is None


def test_a_canonical_path_is_canonical():
    for path in ("/", "/a", "/a/", "/%C3%A9/b%2Fc", "/~a.b-c_d"):
        assert canonical_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "/v4/sports/..%2f..%2faccount/odds",
        "/v4/sports/a%2f..%2fb/odds",
        "/v4/sports/..%5Cb/odds",
        "/v4/sports/..%252f..%252faccount/odds",
        "/v4/sports/%252e%252e/odds",
        "/v4/sports/%25252e%25252e%25252faccount/odds",
        "/v4/sports/%" + "25" * 20_000 + "2e/odds",
    ],
)
def test_dot_segments_behind_an_encoded_slash_have_no_canonical_form(path):
    """A provider that decodes before it resolves dots would answer for another path, with holdover's credential."""
    assert canonical_path(path) is None
