"""Who is let in, and what pages of other sites cannot do."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from holdover.settings import PromoSettings
from scripts.rig import ROOT
from sidecar.console.login import back_to
from sidecar.promos.access import SESSION_S
from sidecar.promos.tokens import new_token
from tests.sidecar.console import gallery
from tests.sidecar.console.scenes import NOW, Staff, staffed

KILL = "/console/kill/confirm?slot=hero"
WRITES = (
    KILL,
    "/console/kill/release?slot=hero",
    "/console/kill/anew",
    "/console/waiting",
    "/console/history/1/restore",
)


@pytest.fixture
async def staff(tmp_path: Path) -> AsyncIterator[Staff]:
    gallery.write(tmp_path / "promos", ROOT / "config" / "promos", NOW)
    async with staffed(tmp_path) as staff:
        yield staff


async def sign_in(staff: Staff, token: str, back: str = "", **headers: str):
    fields = {"form": staff.access.form_token(""), "token": token, "next": back}
    named = {name.replace("_", "-"): told for name, told in headers.items()}
    return await staff.client.post("/console/login", data=fields, headers=named, allow_redirects=False)


@pytest.mark.parametrize("target", WRITES)
async def test_a_write_needs_the_token_of_a_form_of_ours(staff: Staff, target: str):
    before = staff.records()
    for fields in ({}, {"token": ""}, {"token": "0" * 64}, {"token": staff.access.form_token("somebody-else")}):
        answer = await staff.client.post(target, data={**fields, "why": "x"}, allow_redirects=False)
        assert answer.status == 403, fields
        assert "Nothing was done" in await answer.text()
    assert staff.records() == before


@pytest.mark.parametrize(
    ("name", "told", "status"),
    [
        ("Origin", "https://elsewhere.example", 403),
        ("Origin", "null", 403),
        ("Sec-Fetch-Site", "cross-site", 403),
        ("Sec-Fetch-Site", "same-site", 403),
        ("Host", "rebound.example:9102", 421),
    ],
)
@pytest.mark.parametrize("target", [*WRITES, "/console/logout"])
async def test_pages_of_other_sites_write_nothing(staff: Staff, target: str, name: str, told: str, status: int):
    before = staff.records()
    fields = {"token": staff.access.form_token("local"), "why": "x"}
    answer = await staff.client.post(target, data=fields, headers={name: told}, allow_redirects=False)
    assert (answer.status, staff.records()) == (status, before)


async def test_on_loopback_alone_everybody_may_write_and_is_told_so(staff: Staff):
    assert "Open to\n    everybody on this machine" in await staff.get("/console/now")
    assert (await staff.post(KILL, why="x")).status == 303
    assert [each.who for each in staff.records() if each.what == "published"] == ["local"]


async def test_with_a_token_pages_are_for_whoever_has_one(staff: Staff):
    token = new_token(staff.access.state, "ops <1>")
    answer = await staff.client.get(f"{KILL}&x=1", allow_redirects=False)
    assert answer.status == 303
    where = answer.headers["Location"]
    assert where == "/console/login?next=%2Fconsole%2Fkill%2Fconfirm%3Fslot%3Dhero%26x%3D1"
    assert "Sign in" in await staff.get(where)
    assert (await sign_in(staff, "wrong")).status == 401
    answer = await sign_in(staff, token, KILL)
    assert (answer.status, answer.headers["Location"]) == (303, KILL)
    cookie = answer.headers["Set-Cookie"]
    flags = {each.strip().partition("=")[0].lower() for each in cookie.split(";")[1:]}
    assert {"httponly", "samesite", "path", "max-age"} <= flags
    assert "SameSite=Strict" in cookie
    assert "Path=/;" in f"{cookie};"
    assert "secure" not in flags
    session = cookie.partition(";")[0]
    page = await staff.get(KILL, Cookie=session)
    assert "ops &lt;1&gt;" in page
    fields = {"token": staff.access.form_token("ops <1>"), "why": "x"}
    done = await staff.client.post(KILL, data=fields, headers={"Cookie": session}, allow_redirects=False)
    assert done.headers["Location"] == "/console/kill?done=killed"
    assert next(each for each in staff.records() if each.what == "published").who == "ops <1>"
    left = await staff.client.post("/console/logout", data=fields, headers={"Cookie": session}, allow_redirects=False)
    assert 'holdover_session=""' in left.headers["Set-Cookie"]
    await staff.get("/console/kill", 303, Cookie=session)


async def test_a_session_ends_and_nothing_is_written_after(staff: Staff, monkeypatch: pytest.MonkeyPatch):
    token = new_token(staff.access.state, "ops-1")
    session = (await sign_in(staff, token)).headers["Set-Cookie"].partition(";")[0]
    await staff.get("/console/now", Cookie=session)
    later = time.time() + SESSION_S + 1
    monkeypatch.setattr(time, "time", lambda: later)
    fields = {"token": staff.access.form_token("ops-1"), "why": "x"}
    before = staff.records()
    answer = await staff.client.post(KILL, data=fields, headers={"Cookie": session}, allow_redirects=False)
    assert answer.headers["Location"].endswith("&ended=yes")
    assert "Your session has ended" in await staff.get(answer.headers["Location"])
    assert staff.records() == before


async def test_signing_in_is_asked_by_a_page_of_ours(staff: Staff):
    token = new_token(staff.access.state, "ops-1")
    assert (await sign_in(staff, token, Origin="https://elsewhere.example")).status == 403
    assert (await sign_in(staff, token, Sec_Fetch_Site="cross-site")).status == 403
    without = await staff.client.post("/console/login", data={"token": token}, allow_redirects=False)
    assert (without.status, "Set-Cookie" in without.headers) == (403, False)


async def test_links_of_other_sites_are_followed_once_more_with_the_session(staff: Staff):
    token = new_token(staff.access.state, "ops-1")
    session = (await sign_in(staff, token)).headers["Set-Cookie"].partition(";")[0]
    page = await staff.get("/console/login?next=/console/history", Sec_Fetch_Site="cross-site")
    assert 'http-equiv="refresh" content="0; url=/console/login?next=/console/history"' in page
    answer = await staff.client.get(
        "/console/login?next=/console/history", headers={"Cookie": session}, allow_redirects=False
    )
    assert answer.headers["Location"] == "/console/history"


async def test_cookies_are_for_https_alone_where_a_trusted_proxy_says_so(tmp_path: Path):
    gallery.write(tmp_path / "promos", ROOT / "config" / "promos", NOW)
    trusting = PromoSettings(trusted_proxies=["127.0.0.1/32"])
    for settings, secure in ((trusting, True), (PromoSettings(), False)):
        async with staffed(tmp_path, settings) as staff:
            token = new_token(staff.access.state, "ops-1")
            answer = await sign_in(staff, token, X_Forwarded_Proto="https")
            assert ("Secure" in answer.headers["Set-Cookie"]) is secure


async def test_where_others_can_reach_it_nobody_reads_without_a_name(tmp_path: Path):
    gallery.write(tmp_path / "promos", ROOT / "config" / "promos", NOW)
    header = PromoSettings(user_header="X-User", trusted_proxies=["127.0.0.1/32"])
    for settings, admin in ((header, "127.0.0.1:9102"), (PromoSettings(), "0.0.0.0:9102")):
        async with staffed(tmp_path, settings, admin) as staff:
            for page in ("/console/now", "/console/history", "/console/kill", "/console/kill/spread"):
                await staff.get(page, 303)
            await staff.get("/console/static/desk.css")
            # Homepages have no session.
            await staff.get("/v1/promos?jurisdiction=US-NJ&language=en&device=phone")
    async with staffed(tmp_path, header) as staff:
        assert "ops-7" in await staff.get("/console/now", X_User="ops-7")


@pytest.mark.parametrize(
    ("told", "path"),
    [
        ("/console/history/3?file=a.json", "/console/history/3?file=a.json"),
        ("/console/now?segment=a%20b", "/console/now?segment=a%20b"),
        *(
            (bad, "/console/now")
            for bad in (
                "",
                "//elsewhere.example",
                "https://elsewhere.example/console/now",
                "/\\elsewhere.example",
                "/console\\..\\x",
                "/console/../../x",
                "/console/..//elsewhere.example",
                "/console//elsewhere.example",
                "/console/now\n",
                "/console/now\r\nSet-Cookie: a=b",
                "/console/now?a=\\",
                "/\t/elsewhere.example",
                "/consolex/now",
                "/console/login?next=/console/login",
                "/console/logout",
                "javascript:alert(1)",
                "/v1/promos/history",
            )
        ),
    ],
)
def test_it_leads_back_to_pages_of_ours_alone(told: str, path: str):
    assert back_to(told) == path
