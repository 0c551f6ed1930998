import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from holdover.settings import PromoSettings
from sidecar.promos.access import COOKIE, MOST_SESSIONS, SESSION_S, Access, Denied
from sidecar.promos.tokens import TOKENS, new_token, remove_token

LOOPBACK = "127.0.0.1:9102"


def told(
    access: Access, *fields: tuple[str, str], host: str = "localhost:9102", peer: str = "127.0.0.1"
) -> str | int:
    """Who it is, or the status."""
    transport = Mock()
    transport.get_extra_info = {"peername": (peer, 5)}.get
    headers = CIMultiDict([("Host", host), *fields])
    who = access.who(make_mocked_request("PUT", "/v1/promos/files/a.json", headers, transport=transport))
    return who.status if isinstance(who, Denied) else who


def access(state: Path, admin: str = LOOPBACK, **settings: Any) -> Access:
    return Access(PromoSettings(**settings), admin, state)


def bearer(token: str) -> tuple[str, str]:
    return ("Authorization", f"Bearer {token}")


def test_on_loopback_alone_whoever_reaches_it_may_write_until_there_are_tokens(tmp_path: Path):
    assert told(access(tmp_path)) == "local"
    assert told(access(tmp_path, "0.0.0.0:9102")) == 401
    assert told(access(tmp_path, user_header="X-User", trusted_proxies=["10.0.0.0/8"])) == 401
    token = new_token(tmp_path, "ops-1")
    assert told(access(tmp_path)) == 401
    assert told(access(tmp_path), bearer(token)) == "ops-1"
    assert told(access(tmp_path), ("Authorization", f"bEaReR  {token} ")) == "ops-1"
    for wrong in (bearer(""), bearer("x"), ("Authorization", "Basic x"), bearer("é")):
        assert told(access(tmp_path), wrong) == 401


@pytest.mark.parametrize("data", [b"", b"[]", b'{"ops-1": "\xc3\xa9"}'])
def test_damaged_tokens_let_nobody_in(tmp_path: Path, data: bytes):
    (tmp_path / TOKENS).write_bytes(data)
    assert told(access(tmp_path)) == told(access(tmp_path), bearer("x")) == 401


@pytest.mark.parametrize(
    ("admin", "host", "status"),
    [
        (LOOPBACK, "127.0.0.1:9102", "local"),
        (LOOPBACK, "localhost", "local"),
        (LOOPBACK, "[::1]:9102", "local"),
        ("[::1]:9102", "[::1]:9102", "local"),
        ("[::1]:9102", "[::1]", "local"),
        ("localhost:9102", "localhost:9102", "local"),
        (LOOPBACK, "evil.example:9102", 421),
        (LOOPBACK, "localhost.evil.example", 421),
        (LOOPBACK, "127.0.0.1.evil.example:9102", 421),
        (LOOPBACK, "", 421),
        (LOOPBACK, "::1", 421),
        ("0.0.0.0:9102", "promos.example", 421),
    ],
)
def test_a_name_that_only_leads_here_is_not_taken(tmp_path: Path, admin: str, host: str, status: str | int):
    assert told(access(tmp_path, admin), host=host) == status


def test_names_that_are_configured_are_the_only_ones(tmp_path: Path):
    named = access(tmp_path, "10.0.0.5:9102", hosts=["promos.example"])
    assert told(named, host="promos.example") == told(named, host="promos.example:9102") == 401
    assert told(named, host="10.0.0.5:9102") == 401
    assert told(named, host="evil.example") == 421


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([("Origin", "http://localhost:9102")], "local"),
        ([("Origin", "http://localhost:9102"), ("Sec-Fetch-Site", "same-origin")], "local"),
        ([("Sec-Fetch-Site", "none")], "local"),
        ([("Origin", "http://localhost:8000")], 403),
        ([("Origin", "http://localhost")], 403),
        ([("Origin", "http://127.0.0.1:9102")], 403),
        ([("Origin", "https://evil.example")], 403),
        ([("Origin", "https://evil.example/localhost:9102")], 403),
        ([("Origin", "null")], 403),
        ([("Origin", "")], 403),
        ([("Sec-Fetch-Site", "cross-site")], 403),
        ([("Sec-Fetch-Site", "same-site")], 403),
        ([("Sec-Fetch-Site", "something new")], 403),
    ],
)
def test_only_a_page_of_this_origin_makes_a_browser_write(
    tmp_path: Path, fields: list[tuple[str, str]], status: str | int
):
    assert told(access(tmp_path), *fields) == status


def test_a_header_counts_once_and_from_a_proxy_that_is_trusted(tmp_path: Path):
    behind = access(tmp_path, user_header="X-User", trusted_proxies=["10.0.0.0/8", "fd00::/8"])
    user = ("X-User", "ops-1")
    assert told(behind, user, peer="10.1.2.3") == told(behind, user, peer="fd00::1") == "ops-1"
    for peer in ("127.0.0.1", "11.0.0.1", "::ffff:11.0.0.1", "fe80::1", ""):
        assert told(behind, user, peer=peer) == 401
    assert told(behind, user, ("X-User", "ops-2"), peer="10.1.2.3") == 401
    assert told(behind, ("X-User", ""), peer="10.1.2.3") == 401
    assert told(access(tmp_path, user_header="X-User"), user, peer="10.1.2.3") == 401
    assert len(str(told(behind, ("X-User", "x" * 999), peer="10.1.2.3"))) == 200


@pytest.mark.parametrize("name", ["local", "unix:root", "unix:"])
def test_nobody_calls_himself_anybody_or_a_user_of_this_machine(tmp_path: Path, name: str):
    behind = access(tmp_path, user_header="X-User", trusted_proxies=["10.0.0.0/8"])
    assert told(behind, ("X-User", name), peer="10.1.2.3") == 401
    assert told(behind, ("X-User", "ununix:ix:root"), peer="10.1.2.3") == "ununix:ix:root"
    assert told(access(tmp_path), bearer(new_token(tmp_path, name))) == 401


def test_a_session_is_its_owners_until_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    here, token = access(tmp_path), new_token(tmp_path, "ops-1")
    assert here.login("x") is None
    cookie = here.login(token)
    field = ("Cookie", f"{COOKIE}={cookie}")
    assert told(here, field) == "ops-1"
    assert told(here, ("Cookie", f"{COOKIE}=x")) == told(here) == 401
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + SESSION_S + 1)
    assert told(here, field) == 401
    monkeypatch.undo()
    here.logout(str(cookie))
    here.logout("none")
    assert told(here, field) == 401


def test_a_session_ends_with_its_token(tmp_path: Path):
    here = access(tmp_path, "0.0.0.0:9102")
    field = ("Cookie", f"{COOKIE}={here.login(new_token(tmp_path, 'ops-1'))}")
    assert told(here, field) == "ops-1"
    new_token(tmp_path, "ops-1")
    assert told(here, field) == 401
    field = ("Cookie", f"{COOKIE}={here.login(new_token(tmp_path, 'ops-1'))}")
    assert remove_token(tmp_path, "ops-1")
    assert told(here, field) == 401


def test_sessions_are_so_many_at_most_and_the_oldest_goes(tmp_path: Path):
    here, token = access(tmp_path), new_token(tmp_path, "ops-1")
    first, *_, last = [here.login(token) for _ in range(MOST_SESSIONS + 1)]
    assert told(here, ("Cookie", f"{COOKIE}={first}")) == 401
    assert told(here, ("Cookie", f"{COOKIE}={last}")) == "ops-1"


def test_a_forms_token_is_for_one_person(tmp_path: Path):
    here = access(tmp_path)
    token = here.form_token("ops-1")
    assert here.is_form_token("ops-1", token)
    for who, wrong in (("ops-2", token), ("ops-1", ""), ("ops-1", "é")):
        assert not here.is_form_token(who, wrong)
    assert not access(tmp_path).is_form_token("ops-1", token)
