"""History, Kill and what waits, over HTTP, with the watcher of real files behind them."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from holdover.settings import PromoSettings
from scripts.rig import ROOT
from sidecar.promos.desk import pretty
from tests.sidecar.console import gallery
from tests.sidecar.console.scenes import Staff, staffed
from tests.sidecar.console.test_pages import EVIL, parsed

HEADER = PromoSettings(approval=True, user_header="X-User", trusted_proxies=["127.0.0.1/32"])


@pytest.fixture
async def staff(tmp_path: Path) -> AsyncIterator[Staff]:
    gallery.write(tmp_path / "promos", ROOT / "config" / "promos", time.time())
    async with staffed(tmp_path) as staff:
        yield staff


def edited(staff: Staff, name: str, **members: Any) -> bytes:
    document = json.loads((staff.desk.folder / name).read_bytes())
    document["promos"][0] |= members
    return pretty(document)


async def until(there: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not there():
            await asyncio.sleep(0.01)


def read(text: str) -> str:
    """What stands there, without how."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text))


async def test_a_change_is_listed_shown_and_taken_back(staff: Staff):
    first = staff.records()[0].number
    await staff.publish("football.json", edited(staff, "football.json", priority=10), "lower", "ops-1")
    page = read(await staff.get("/console/history"))
    assert "big-sunday: priority 900 → 10 “lower” ops-1" in page
    assert f"{len(staff.records())} records, all as written" in page
    newest = staff.records()[0].number
    record = await staff.get(f"/console/history/{newest}")
    assert "/priority" in record
    assert '<span class="ins">+      &#34;priority&#34;: 10' in record
    assert "That is what is live now." in record
    asked = await staff.get(f"/console/history/{first}/restore?file=football.json")
    assert "hero shows &#34;big-sunday&#34; instead of &#34;house-hero&#34;" in asked
    target = f"/console/history/{first}/restore?file=football.json"
    assert (await staff.post(target, why=" ")).status == 422
    done = await staff.post(target, why="the old one was right")
    assert done.headers["Location"] == "/console/history?done=restored"
    page = read(await staff.get("/console/history?done=restored"))
    assert "Restored, as a new revision" in page
    assert "Restored big-sunday: priority 10 → 900" in page
    assert (await staff.post(target, why="again")).status == 409
    assert "there is nothing to restore" in await staff.get(target)
    assert (await staff.post("/console/history/999/restore", why="x")).status == 404
    await staff.get("/console/history/999", 404)


async def test_the_history_is_filtered_and_paged(staff: Staff):
    for number in range(30):
        name = ("football.json", "carousel.json")[number % 2]
        await staff.publish(name, edited(staff, name, priority=number), f"step {number}.", f"ops-{number % 3}")
    page = await staff.get("/console/history")
    assert "Page 1 of 2" in page
    [older] = re.findall(r'rel="next" href="([^"]+)"', page)
    assert "step 1." in await staff.get(older.replace("&amp;", "&"))
    narrow = await staff.get("/console/history?promo=hoops&person=ops-1")
    assert re.findall(r"“step (\d+)\.”", narrow) == ["25", "19", "13", "7", "1"]
    assert "No record is like that" in await staff.get("/console/history?promo=nothing")
    assert "step 29." not in await staff.get("/console/history?file=football.json")
    assert "step 28." in await staff.get("/console/history?file=football.json")
    assert (await staff.get("/console/history?show=all")).count('class="entry ') == 25


async def test_what_was_shown_is_resolved_from_what_was_live(staff: Staff):
    before = staff.records()[0]
    await staff.publish("football.json", edited(staff, "football.json", content={"en": {"title": "New words"}}))
    who = "jurisdiction=US-NJ&language=en&device=phone&zone=UTC"
    then = await staff.get(f"/console/history/shown?{who}&at={before.at}")
    assert "Big Sunday of football" in then or "Every game, every night" in then
    assert "New words" not in then
    assert f"record {before.number}</a>" in then
    for at, said in (
        ("2026-01-01T00:00Z", "What was live then is not known"),
        ("2500-01-01T00:00Z", "still to come"),
    ):
        assert said in await staff.get(f"/console/history/shown?{who}&at={at}")


async def test_what_is_not_as_it_was_written_is_told(staff: Staff):
    await staff.publish("football.json", edited(staff, "football.json", priority=10), "lower")
    log = staff.desk.chronicle.history.folder / "audit.jsonl"
    log.write_bytes(log.read_bytes().replace(b"lower", b"other"))
    page = await staff.get("/console/history")
    assert "The history is not as it was written" in page
    newest = staff.records()[0]
    for path in (staff.desk.chronicle.history.folder / "objects").glob("??/*"):
        path.write_bytes(b"{}")
    assert "is damaged" in await staff.get(f"/console/history/{newest.number}", 409)
    assert "is damaged" in await staff.get(f"/console/history/{newest.number}/restore", 409)
    await staff.get("/console/history")
    # It is not needed to kill.
    assert (await staff.post("/console/kill/confirm?everything=yes", why="x")).status == 303
    await staff.get("/console/kill")


async def test_texts_of_others_are_texts(staff: Staff):
    evil = edited(staff, "football.json", content={"en": {"title": EVIL}}, link="/pre")
    await staff.publish("football.json", evil, EVIL, EVIL)
    newest = staff.records()[0].number
    await staff.post("/console/kill/confirm?promo=hoops", why=EVIL)
    pages = ["/console/history", f"/console/history/{newest}", "/console/history/1/restore"]
    pages += ["/console/kill", "/console/kill/release?promo=hoops", "/console/kill/confirm?promo=big-sunday"]
    for target in pages:
        told = await staff.get(target)
        assert "<script>alert" not in told
        assert "<img src=x" not in told
        assert "&lt;script&gt;alert(1)" in told, target
        assert parsed(told).forbidden == []
    for target in (f"/console/kill/confirm?slot={EVIL}", f"/console/history?promo={EVIL}&file={EVIL}&person={EVIL}"):
        told = await (await staff.client.get(target)).text()
        assert "<script>alert" not in told


async def test_a_promo_is_killed_and_released_with_reasons(staff: Staff):
    target = "/console/kill/confirm?promo=hoops"
    assert "Hoops week" in await staff.get(target)
    assert "Tell why" in await (await staff.post(target, why="")).text()
    assert (await staff.post(target, why="wrong picture")).headers["Location"] == "/console/kill?done=killed"
    assert "hoops" in staff.promotions.live.withheld
    page = read(await staff.get("/console/kill?done=killed"))
    assert "Hoops week hoops “wrong picture” local" in page
    assert "No client is connected now" in page
    await staff.get("/console/kill/confirm?promo=hopes", 404)
    assert (await staff.post("/console/kill/confirm?promo=hopes", why="x")).status == 404
    assert "wrong picture" in await staff.get("/console/kill/release?promo=hoops")
    assert (await staff.post("/console/kill/release?promo=hoops", why="right again")).status == 303
    assert "hoops" not in staff.promotions.live.withheld
    assert "Nothing is killed." in await staff.get("/console/kill")
    await staff.get("/console/kill/release?promo=hoops", 404)
    await staff.kept()
    page = read(await staff.get("/console/history"))
    assert "Released promo hoops “right again” local" in page


async def test_everything_is_killed_whatever_else_is_wrong(staff: Staff):
    for name in ("slots.json", "audiences.json", "football.json"):
        (staff.desk.folder / name).write_text("{")
    await until(lambda: sum(each.state == "kept" for each in staff.promotions.statuses) == 3)
    assert "Top of the homepage" in await staff.get("/console/kill")
    assert "Kill everything?" in await staff.get("/console/kill/confirm?everything=yes")
    assert (await staff.post("/console/kill/confirm?everything=yes", why="all wrong")).status == 303
    assert set(staff.promotions.live.withheld) == {promo.id for promo in staff.promotions.live.promos}
    assert "“all wrong”" in read(await staff.get("/console/kill"))


async def test_where_nothing_was_ever_good_everything_can_be_killed(tmp_path: Path):
    (tmp_path / "promos").mkdir()
    (tmp_path / "promos" / "slots.json").write_text("{")
    (tmp_path / "promos" / "kill.json").write_text("{}")
    async with staffed(tmp_path) as staff:
        assert "No slot is known" in await staff.get("/console/kill")
        assert (await staff.post("/console/kill/confirm?everything=yes", why="x")).status == 303
        killed = json.loads((tmp_path / "promos" / "kill.json").read_bytes())
        assert killed == {"$schema": "../schema/kill.schema.json", "everything": "x"}


@pytest.mark.parametrize(("chosen", "left"), [("before", {"hoops"}), ("nothing", set())])
async def test_a_kill_file_that_is_not_understood_is_written_anew(staff: Staff, chosen: str, left: set[str]):
    await staff.post("/console/kill/confirm?promo=hoops", why="wrong picture")
    await staff.kept()
    (staff.desk.folder / "kill.json").write_text('{"promos": {"hoops": "wrong picture",}}')
    await until(lambda: staff.promotions.live.kills.everything)
    await staff.kept()
    page = read(await staff.get("/console/kill"))
    assert "Everything is killed: kill.json is not understood" in page
    assert "kill.json:1:" in page
    assert "hoops: wrong picture." in read(await staff.get("/console/kill/anew"))
    assert (await staff.post("/console/kill/anew", **{"as": chosen})).status == 422
    done = await staff.post("/console/kill/anew", why="a comma", **{"as": chosen})
    assert done.headers["Location"] == "/console/kill?done=anew"
    assert set(staff.promotions.live.withheld) == left


async def test_a_held_removal_is_confirmed_as_it_was_looked_at(staff: Staff):
    (staff.desk.folder / "boosts.json").unlink()
    (staff.desk.folder / "carousel.json").unlink()
    await until(lambda: sum(each.state == "held" for each in staff.promotions.statuses) == 2)
    assert "/console/waiting" in await staff.get("/console/now")
    page = await staff.get("/console/waiting")
    assert "boosts.json" in page
    [content] = re.findall(r'value="carousel.json">\s*<input type="hidden" name="content" value="([^"]+)"', page)
    fields = {"file": "carousel.json", "what": "confirm"}
    assert (await staff.post("/console/waiting", content="removal of 0", **fields)).status == 412
    assert (await staff.post("/console/waiting", content=content, **fields)).status == 303
    await until(lambda: all(promo.slot != "carousel" for promo in staff.promotions.live.promos))
    assert (await staff.post("/console/waiting", content="", **fields)).status in (404, 412)
    assert [each.who for each in staff.records() if each.what == "confirmed"] == ["local"]


async def test_an_edit_is_approved_by_somebody_else(tmp_path: Path):
    gallery.write(tmp_path / "promos", ROOT / "config" / "promos", time.time())
    async with staffed(tmp_path, HEADER) as staff:
        for name in ("slots.json", "audiences.json"):
            waits = staff.desk.standing.waiting()[name]
            for who in ("ops-8", "ops-9"):
                await staff.desk.approve(name, waits, who, "start")
            staff.desk.written.set()
        await until(lambda: staff.promotions.live.vocabulary.slots)
        await until(lambda: "notices.json" in staff.desk.standing.waiting())
        await staff.publish("notices.json", edited(staff, "notices.json", priority=7), "louder", "ops-1")
        content = staff.desk.standing.waiting()["notices.json"]
        mine = await staff.get("/console/waiting", X_User="ops-1")
        assert "You wrote it" in mine
        assert content[:12] in mine
        fields = {"file": "notices.json", "content": content, "what": "approve", "why": "looked at"}

        async def approve(who: str, **other: str) -> int:
            form = {"token": staff.access.form_token(who), **fields, **other}
            headers = {"X-User": who}
            return (
                await staff.client.post("/console/waiting", data=form, headers=headers, allow_redirects=False)
            ).status

        assert await approve("ops-1") == 403
        assert await approve("ops-2", why="") == 422
        assert await approve("ops-2", content="0" * 64) == 412
        assert await approve("ops-2") == 303
        await until(lambda: "notices.json" not in staff.desk.standing.waiting())
        assert next(each for each in staff.records() if each.what == "approved").who == "ops-2"
