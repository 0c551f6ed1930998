import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from scripts.rig import ROOT
from sidecar.console.guard import POLICY
from sidecar.promos.problem import Problem
from sidecar.promos.scan import Place
from sidecar.promos.standing import Status
from tests.sidecar.console.scenes import PROMO, VOCABULARY, busy, live, served
from tests.sidecar.console.test_pages import EVIL, page, parsed

HEADERS = {"Host": "localhost"}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[TestClient[Any, Any]]:
    async with served(busy(tmp_path, ROOT / "config" / "promos"), tmp_path) as client:
        yield client


async def checked(client: TestClient[Any, Any], told: object, **headers: str) -> tuple[int, Any]:
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    answer = await client.post("/console/edit/check", data=body, headers=HEADERS | headers)
    return answer.status, await answer.json()


@pytest.mark.parametrize(
    "target",
    [
        "/console/edit",
        "/console/edit/new",
        "/console/edit/new?name=X&place=hero/banner",
        "/console/edit/football.json",
        "/console/edit/slots.json",
        "/console/edit/compliance/US-NJ.json",
        "/console/edit/fresh.json?slot=hero&kind=banner",
    ],
)
async def test_pages_keep_to_the_policy(client: TestClient[Any, Any], target: str):
    answer = await client.get(target)
    assert (answer.status, answer.headers["Content-Security-Policy"]) == (200, POLICY)
    found = parsed(await answer.text())
    # A block of data is no script.
    assert [each for each in found.forbidden if each != "script"] == []
    assert len(found.ids) == len(set(found.ids))
    assert found.fields <= found.labels


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/console/edit/none.json?slot=hero&kind=notice", 404),
        ("/console/edit/Bad!.json", 404),
        ("/console/edit/..%2fholdover.toml", 404),
        ("/console/edit/%2e%2e/holdover.json", 404),
        ("/console/edit/kill.json", 404),
        ("/console/edit?promo=none", 404),
    ],
)
async def test_what_is_no_file_of_promos_is_not_shown(client: TestClient[Any, Any], target: str, status: int):
    answer = await client.get(target)
    assert answer.status == status
    assert EVIL not in await answer.text()


async def test_a_promo_leads_to_its_file(client: TestClient[Any, Any]):
    answer = await client.get("/console/edit?promo=parlay", allow_redirects=False)
    assert answer.headers["Location"] == "/console/edit/carousel.json#promo-parlay"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("name=Bad+Name&place=hero/banner", "A name is small letters"),
        ("name=football&place=hero/banner", "There is a football.json already"),
        ("name=good&place=hero/notice", "Choose where it appears"),
        ("name=good&place=", "Choose where it appears"),
    ],
)
async def test_a_new_campaign_needs_a_name_and_a_place(client: TestClient[Any, Any], query: str, said: str):
    assert said in await page(client, f"/console/edit/new?{query}")


async def test_a_new_campaign_starts_as_its_template_and_is_nowhere_yet(client: TestClient[Any, Any], tmp_path: Path):
    before = sorted(tmp_path.iterdir())
    answer = await client.get("/console/edit/new?name=fresh&place=notices/notice", allow_redirects=False)
    assert answer.headers["Location"] == "/console/edit/fresh.json?slot=notices&kind=notice"
    assert "What it is" in await page(client, answer.headers["Location"])
    assert sorted(tmp_path.iterdir()) == before


async def test_what_is_said_of_a_draft(client: TestClient[Any, Any], tmp_path: Path):
    text = (tmp_path / "notices.json").read_text()
    status, told = await checked(client, {"file": "notices.json", "text": text})
    assert (status, told["count"], told["differences"], len(told["tag"])) == (200, 0, [], 64)
    status, told = await checked(client, {"file": "notices.json", "text": text.replace('"notice"', '"note"')})
    assert (status, told["problems"][0]["pointer"]) == (200, "/promos/0/kind")
    assert "effects" not in told
    status, told = await checked(client, {"file": "notices.json", "text": None})
    assert [each["what"] for each in told["differences"]] == ["removed", "removed"]
    slots = json.dumps({"slots": {"other": {"title": "Other", "capacity": 1, "kinds": ["notice"]}}})
    status, told = await checked(client, {"file": "slots.json", "text": slots})
    assert {each["file"] for each in told["elsewhere"]} == {
        "boosts.json", "carousel.json", "football.json", "notices.json",
    }  # fmt: skip


@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"{",
        b"[" * 100_000,
        [],
        {},
        {"file": "", "text": ""},
        {"file": "a.json", "text": 5},
        {"file": 5, "text": ""},
        {"file": "kill.json", "text": "{}"},
        {"file": "../a.json", "text": "{}"},
        {"file": "slots.json", "text": None},
    ],
)
async def test_questions_that_are_none_are_refused(client: TestClient[Any, Any], told: object):
    status, said = await checked(client, told)
    assert status == 400
    assert said["message"]


@pytest.mark.parametrize("text", ["\ud800", "\0", "[" * 9_000, '{"promos": [null, 1, {"content": []}]}', " "])
async def test_any_text_is_judged(client: TestClient[Any, Any], text: str):
    status, told = await checked(client, {"file": "a.json", "text": text})
    assert status == 200
    assert told["count"] > 0


@pytest.mark.parametrize("headers", [{"Origin": "https://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}])
@pytest.mark.parametrize("target", ["/console/edit/check", "/console/preview"])
async def test_pages_of_other_sites_learn_nothing(client: TestClient[Any, Any], target: str, headers: dict[str, str]):
    body = json.dumps({"file": "notices.json", "text": "{}"})
    assert (await client.post(target, data=body, headers=HEADERS | headers)).status == 403


async def test_the_preview_shows_a_draft_beside_what_is_live(client: TestClient[Any, Any], tmp_path: Path):
    text = (tmp_path / "notices.json").read_text().replace("Betting should be fun", EVIL.replace('"', "'"))

    async def previewed(told: str | None) -> str:
        body = json.dumps({"file": "notices.json", "text": told})
        target = "/console/preview?draft=notices.json&jurisdiction=US-NJ&at=2026-11-30T18:00Z"
        answer = await client.post(target, data=body, headers=HEADERS)
        assert answer.status == 200
        assert parsed(await answer.text()).forbidden == []
        return str(await answer.text())

    assert "With your draft" in (drafted := await previewed(text))
    assert "<img src=x" not in drafted
    assert "&lt;img src=x" in drafted
    assert "is not good yet (1 wrong)" in await previewed("{")
    assert "There is no draft of notices.json" in await previewed(None)
    assert "takes JavaScript" in await page(client, "/console/preview?draft=notices.json")


async def test_texts_of_files_are_texts(tmp_path: Path):
    promo = {"id": EVIL, "kind": EVIL, "content": {EVIL: {"title": EVIL}}}
    (tmp_path / "evil.json").write_text(json.dumps({"promos": [promo]}))
    problem = Problem("evil.json", Place(1, 1), f"/{EVIL}", EVIL, EVIL)
    words = replace(VOCABULARY, segments=frozenset([EVIL]))
    words = replace(words, slots={**words.slots, EVIL: replace(words.slots["hero"], title=EVIL)})
    statuses = (Status("evil.json", "refused", None, (problem,)),)
    async with served(live(PROMO, vocabulary=words), tmp_path, statuses) as client:
        for target in ("/console/edit", "/console/edit/new", "/console/edit/evil.json", "/console/now"):
            text = await page(client, target)
            assert "<img src=x" not in text
            assert text.count("<script") == text.count("</script>")
            assert "alert(1)</script>" not in text
        status, told = await checked(client, {"file": "evil.json", "text": json.dumps({"promos": [promo]})})
        assert status == 200
        assert told["count"]
