"""The pages as browsers get them."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from scripts.rig import ROOT
from sidecar.console.guard import POLICY
from sidecar.promos.access import is_own
from sidecar.promos.document import Audience, Boost, Image, Text, Vocabulary
from sidecar.promos.problem import Problem
from sidecar.promos.scan import Place
from sidecar.promos.standing import Live, Status
from tests.sidecar.console.scenes import ADMIN, NOW, PROMO, VOCABULARY, busy, live, served

PAGES = ("/console/now", "/console/timeline", "/console/preview", "/console/history", "/console/kill")
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{ 7*7 }}&amp;"
QUERIES = (
    "",
    "?jurisdiction=XX&language=&device=none&segment=time-out&segment=zzz&visits=often&rollouts=outside&visitor=v1",
    "?range=day&from=2026-11-01&zone=UTC&others=no",
    "?range=4-weeks&from=nothing&zone=Nowhere/Else",
    "?at=2026-11-30T12:00&versus=2026-12-01T00:00Z&frame=phone&zone=Europe/London",
    "?at=never&versus=2026-11-01T01:30&zone=America/New_York",
)


class Links(HTMLParser):
    """All that a page refers to, its ids, and what no policy would allow."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.forbidden: list[str] = []
        self.labels: set[str] = set()
        self.fields: set[str] = set()
        self.hosts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.links += [told[name] for name in ("href", "src", "action") if name in told]
        self.ids += [told["id"]] if "id" in told else []
        self.forbidden += [name for name in told if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in told):
            self.forbidden.append(tag)
        if tag == "label" and "for" in told:
            self.labels.add(told["for"])
        if tag in ("select", "input") and told.get("type") in (None, "text", "date"):
            self.fields.add(told.get("id", "?"))


def parsed(text: str) -> Links:
    parser = Links()
    parser.feed(text)
    return parser


async def page(client: TestClient[Any, Any], target: str) -> str:
    answer = await client.get(target)
    assert answer.status == 200, await answer.text()
    return str(await answer.text())


@pytest.fixture
async def busy_client(tmp_path: Path) -> AsyncIterator[TestClient[Any, Any]]:
    async with served(busy(tmp_path, ROOT / "config" / "promos"), tmp_path) as client:
        yield client


@pytest.mark.parametrize("target", PAGES)
@pytest.mark.parametrize("query", QUERIES)
async def test_every_page_answers_every_question_under_the_policy(
    busy_client: TestClient[Any, Any], target: str, query: str
):
    answer = await busy_client.get(target + query)
    assert answer.status == 200
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cache-Control"] == "no-store"
    found = parsed(await answer.text())
    assert found.forbidden == []
    assert len(found.ids) == len(set(found.ids))
    assert found.fields <= found.labels


@pytest.mark.parametrize("target", PAGES)
async def test_links_lead_somewhere(busy_client: TestClient[Any, Any], target: str):
    found = parsed(await page(busy_client, target))
    assert f"{PAGES[0]}?" in " ".join(found.links)
    for link in sorted(set(found.links)):
        if link.startswith("#"):
            assert link[1:] in found.ids
        else:
            assert (await busy_client.get(link)).status == 200, link


@pytest.mark.parametrize("target", PAGES)
@pytest.mark.parametrize(
    "shown",
    [live(), Live("", Vocabulary(), ()), live(PROMO, vocabulary=Vocabulary())],
    ids=["none", "new", "unknown"],
)
async def test_pages_of_nothing(tmp_path: Path, target: str, shown: Live):
    async with served(shown, tmp_path) as client:
        for query in QUERIES:
            text = await page(client, target + query)
            assert ("There are no slots yet" in text) == (not shown.vocabulary.slots)


@pytest.mark.parametrize("target", PAGES)
async def test_pages_of_hundreds_of_promos(tmp_path: Path, target: str):
    many = [
        replace(PROMO, id=f"p{n}", priority=n, start=NOW + n * 600, end=NOW + n * 600 + 90_000) for n in range(500)
    ]
    async with served(live(*many), tmp_path) as client:
        assert (await client.get(f"{target}?from=2026-11-30&at=2026-12-01T00:00Z")).status == 200


@pytest.mark.parametrize("target", [each for each in PAGES if each != "/console/history"])
async def test_texts_of_promos_are_texts(tmp_path: Path, target: str):
    text = Text(EVIL, EVIL, EVIL)
    evil = replace(PROMO, content={"en": text}, image=Image(f"https://x.example/{EVIL}", {"en": EVIL}))
    evil = replace(evil, start=NOW - 1e9, end=NOW + 1e9)
    lost = replace(evil, id="lost", priority=1)
    elsewhere = replace(evil, id="pa", audience=Audience(frozenset(["US-PA"])))
    held = replace(evil, id="held")
    words = replace(VOCABULARY, jurisdictions=VOCABULARY.jurisdictions | {EVIL}, segments=frozenset([EVIL]))
    words = replace(words, slots={**words.slots, "hero": replace(words.slots["hero"], title=EVIL)})
    wrong = Status("evil.json", "refused", None, (Problem(EVIL, Place(1, 1), EVIL, EVIL, EVIL),))
    shown = live(evil, lost, elsewhere, held, vocabulary=words)
    async with served(shown, tmp_path, (wrong,), {"held": EVIL}) as client:
        for query in ("", f"?zone={EVIL}&at={EVIL}&from={EVIL}&segment={EVIL}&visitor={EVIL}"):
            told = await page(client, target + query.replace("&amp;", ""))
            assert "<script>alert" not in told
            assert "<img src=x" not in told
            assert "&lt;script&gt;alert(1)" in told
            assert parsed(told).forbidden == []


async def test_what_is_wrong_in_files_is_told_with_place_and_remedy(tmp_path: Path):
    problem = Problem(
        "sun.json", Place(7, 15), "/promos/0/slot", '"heros" is not in slots.json', 'did you mean "hero"?'
    )
    statuses = (
        Status("sun.json", "kept", NOW, (problem,) * 60),
        Status("gone.json", "held", NOW, (Problem("gone.json", Place(1, 1), "", "ends what is shown now"),)),
        Status("mine.json", "held", NOW),
        Status("new.json", "refused"),
        Status("good.json", "good", NOW),
    )
    async with served(live(PROMO), tmp_path, statuses, waiting={"mine.json": "abc"}) as client:
        text = await page(client, "/console/now")
        other = await page(client, "/console/preview")
    assert "sun.json:7:15" in text
    assert "did you mean &#34;hero&#34;?" in text
    assert "holdover promos confirm gone.json" in text
    assert "holdover promos approve mine.json" in text
    assert "new.json" in text
    assert "good.json" not in text
    assert "4 files need you" in other


async def test_what_is_held_back_is_told(tmp_path: Path):
    now = replace(PROMO, start=0, end=9e9)
    async with served(live(now), tmp_path, hidden={"spring": "market suspended 14:03"}) as client:
        for target in ("/console/now", "/console/timeline", "/console/preview"):
            assert "market suspended 14:03" in await page(client, target)
        then = await page(client, "/console/preview?at=2027-01-01T00:00Z")
    assert "market suspended" not in then
    assert "What live odds will hide then is not known" in then
    killed = replace(live(now), withheld={"spring": "is killed: wrong terms"})
    async with served(killed, tmp_path) as client:
        for target in (*PAGES[:3], "/console/preview?at=2027-01-01T00:00Z"):
            assert "is killed: wrong terms" in await page(client, target)


async def test_the_price_without_the_boost_is_told(tmp_path: Path):
    odds = Boost("odds", "e1", "winner", "Owls", 3.5)
    boosted = replace(PROMO, kind="boosted-odds", slot="boosts", odds=odds, start=0, end=9e9)
    async with served(live(boosted), tmp_path) as client:
        assert "live odds say nothing against it" in await page(client, "/console/now")
    async with served(live(boosted), tmp_path, prices={"spring": 2.126}) as client:
        text = await page(client, "/console/now")
    assert "3.50" in text
    assert "2.13 offered without it" in text


async def test_static_files_are_kept_by_what_they_hold(busy_client: TestClient[Any, Any]):
    text = await page(busy_client, "/console/now")
    links = re.findall(r'"(/console/static/[^"]+)"', text)
    assert {link.partition("?")[0].rpartition(".")[2] for link in links} == {"css", "js", "svg"}
    for link in links:
        answer = await busy_client.get(link)
        assert answer.headers["Cache-Control"].endswith("immutable")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        plain = link.partition("?")[0]
        assert (await busy_client.get(plain)).headers["Cache-Control"] == "no-cache"
        again = await busy_client.get(plain, headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status, await again.read()) == (304, b"")
    for missing in ("nothing.js", "..%2fviews.py", "%2e%2e/views.py", "../templates/base.html"):
        assert (await busy_client.get(f"/console/static/{missing}")).status == 404


async def test_addresses_of_before_lead_to_the_first_page(busy_client: TestClient[Any, Any]):
    for target in ("/", "/console", "/console/"):
        answer = await busy_client.get(target, allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (302, "/console/now")
    assert (await busy_client.get("/console/nothing")).headers["Content-Security-Policy"] == POLICY


async def test_a_name_of_another_site_reaches_neither_pages_nor_writes(busy_client: TestClient[Any, Any]):
    foreign = {"Host": "rebound.example:9102"}
    for target in ("/", *PAGES, "/console/static/console.js"):
        answer = await busy_client.get(target, headers=foreign, allow_redirects=False)
        assert answer.status == 421
        assert ADMIN in await answer.text()
        assert answer.headers["Content-Security-Policy"] == POLICY
    assert (await busy_client.post(PAGES[0], headers=foreign)).status == 421
    # Homepages may call it by any name.
    assert (await busy_client.get("/v1/promos", headers=foreign)).status == 200


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1:9102", True),
        ("127.0.0.2", True),
        ("localhost:8000", True),
        ("LOCALHOST", True),
        ("[::1]:9102", True),
        ("console.example:9102", True),
        ("Console.Example:9102", True),
        ("ops.example", True),
        ("ops.example:8443", True),
        ("console.example", False),
        ("console.example:80", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("10.0.0.1:9102", False),
        ("0.0.0.0:9102", False),
        ("", False),
        ("[::1", False),
        ("a:b", False),
    ],
)
def test_which_names_are_ours(host: str, own: bool):
    assert is_own(host, ADMIN, ["ops.example"]) is own
