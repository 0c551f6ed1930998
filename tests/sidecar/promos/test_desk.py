import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sidecar.promos.access import user
from sidecar.promos.chronicle import Chronicle
from sidecar.promos.decide import digest
from sidecar.promos.desk import PINNED, Desk, Refused, Written
from sidecar.promos.document import Vocabulary
from sidecar.promos.folder import KILL
from sidecar.promos.history import History
from sidecar.promos.standing import Change, Live, Standing
from sidecar.promos.watch import watch
from tests.sidecar.promos.edits import GOOD, offer, promo, told
from tests.sidecar.promos.test_bad_edits_disk import HEADS

NOTICES = GOOD["notices.json"]
OTHER = NOTICES.replace(b'"priority": 900', b'"priority": 901')
THIRD = NOTICES.replace(b'"priority": 900', b'"priority": 902')


@dataclass(slots=True)
class Followed(Desk):
    """A desk whose folder is watched."""

    kept: Mapping[str, bytes] = field(default_factory=dict)

    async def live(self, name: str, data: bytes | None) -> None:
        """Waits until that is what is live, and is in the history."""
        async with asyncio.timeout(30):
            while self.kept.get(name) != data:
                self.written.set()
                await asyncio.sleep(0.01)

    def accepted(self) -> tuple[str, str]:
        last = next(each for each in reversed(self.chronicle.history.records()) if each.what == "accepted")
        return last.who, last.why


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Followed]:
    for name, data in {**GOOD, **HEADS}.items():
        (tmp_path / "promos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "promos" / name).write_bytes(data)
    chronicle = Chronicle(tmp_path / "promos", History(tmp_path / "history"))
    desk = Followed(chronicle.folder, Standing(), chronicle, tmp_path / PINNED)

    def keep(change: Change) -> None:
        chronicle.keep(change)
        desk.kept = change.files

    task = asyncio.create_task(
        watch(desk.folder, desk.standing, lambda _: None, keep, nudge=desk.written, notified=False, read=desk.told)
    )
    await desk.live("top.json", GOOD["top.json"])
    yield desk
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def owner(desk: Desk, name: str = "notices.json") -> str:
    return user((desk.folder / name).stat().st_uid)


async def test_the_history_has_who_and_why_of_what_was_written_here_and_the_owner_of_what_was_not(desk: Followed):
    assert desk.accepted() == (owner(desk), "")
    assert await desk.publish("notices.json", OTHER, digest(NOTICES), "ops-1", "a typo") == Written(
        "notices.json", digest(OTHER)
    )
    await desk.live("notices.json", OTHER)
    assert desk.accepted() == ("ops-1", "a typo")
    (desk.folder / "notices.json").write_bytes(NOTICES)
    await desk.live("notices.json", NOTICES)
    assert desk.accepted() == (owner(desk), "")
    assert isinstance(await desk.publish("notices.json", THIRD, digest(NOTICES), "ops-2", ""), Written)
    await desk.live("notices.json", THIRD)
    # As ops-1 had left it, but an editor wrote it over what ops-2 wrote.
    (desk.folder / "notices.json").write_bytes(OTHER)
    await desk.live("notices.json", OTHER)
    assert desk.accepted() == (owner(desk), "")


async def test_what_is_removed_killed_and_released_has_its_author(desk: Followed):
    assert isinstance(
        await desk.publish("britain.json", None, digest(GOOD["britain.json"]), "ops-1", "over"), Written
    )
    await desk.live("britain.json", None)
    assert desk.accepted() == ("ops-1", "over")
    assert isinstance(await desk.kill(("promo", "line"), "ops-2", "wrong"), Written)
    await desk.live(KILL, desk.standing.kills.encoded())
    assert desk.accepted() == ("ops-2", "killed promo line: wrong")
    assert isinstance(await desk.release(("promo", "line"), "ops-3", "mended"), Written)
    await desk.live(KILL, None)
    assert desk.accepted() == ("ops-3", "released promo line: mended")
    assert await desk.release(("promo", "line"), "ops-3", "") == Refused(404, "that is not killed")


async def test_who_edits_what_was_changed_meanwhile_is_given_what_is_there(desk: Followed):
    assert await desk.publish("notices.json", OTHER, None, "ops-1", "") == Refused(
        428, "tell which version was edited, in If-Match, or If-None-Match: * for a new file"
    )
    refused = await desk.publish("notices.json", OTHER, digest(THIRD), "ops-1", "")
    assert isinstance(refused, Refused)
    assert (refused.status, refused.current) == (412, NOTICES)
    refused = await desk.publish("notices.json", b"{", digest(NOTICES), "ops-1", "")
    assert isinstance(refused, Refused)
    assert refused.status == 422
    assert "notices.json:1:2: a name in double quotes" in str(refused.problems[0])
    assert (desk.folder / "notices.json").read_bytes() == NOTICES
    for name in (KILL, "slots.json", "../a.json", "a.txt", ".a.json", "compliance/../a.json"):
        refused = await desk.publish(name, None, "", "ops-1", "")
        assert isinstance(refused, Refused)
        assert refused.status == 403


async def test_a_mistake_elsewhere_keeps_nobody_from_writing(desk: Followed):
    (desk.folder / "boosts.json").write_bytes(b"{")
    assert isinstance(await desk.publish("notices.json", OTHER, digest(NOTICES), "ops-1", ""), Written)
    clash = told(promo("vip", "notice", "notices"))
    refused = await desk.publish("new.json", clash, "", "ops-1", "")
    assert isinstance(refused, Refused)
    assert '"vip" is the id of the promo in' in str(refused.problems)


async def test_what_goes_back_ends_much_unasked_and_is_in_the_history(desk: Followed):
    first = desk.chronicle.history.records()[-1]
    new = told(*(promo(f"n{n}", "notice", "notices") for n in range(9)))
    assert isinstance(await desk.publish("new.json", new, "", "ops-1", ""), Written)
    await desk.live("new.json", new)
    assert await desk.roll_back(str(first.number), frozenset(), "ops-2", "too many") == Written("new.json")
    await desk.live("new.json", None)
    assert desk.accepted() == ("ops-2", f"back to record {first.number}, {first.revision}: too many")
    assert (await desk.roll_back("1", frozenset(["x.json"]), "ops-2", "")) == Refused(404, "record 1 has no x.json")


async def test_going_back_means_a_removal_that_is_held(desk: Followed):
    first = desk.chronicle.history.records()[-1]
    wrong = told(offer("wrong", "banner", "hero", "top.png"))
    assert isinstance(await desk.publish("wrong.json", wrong, "", "ops-1", ""), Written)
    await desk.live("wrong.json", wrong)
    (desk.folder / "wrong.json").unlink()
    async with asyncio.timeout(30):
        while desk.standing.settled("wrong.json") is not None:
            await asyncio.sleep(0.01)
    assert desk.kept["wrong.json"] == wrong, "the slot has no other: somebody has to confirm that"
    # As it was then is what is in the folder, and not what is live.
    assert await desk.roll_back(str(first.number), frozenset(), "ops-2", "") == Written("wrong.json")
    assert "wrong.json" not in desk.standing.accepted
    await desk.live("wrong.json", None)
    assert await desk.roll_back(str(first.number), frozenset(), "ops-2", "") == Refused(
        409, "that is what is there now"
    )


@pytest.mark.parametrize("damage", ["objects", "log", "head"])
async def test_a_damaged_history_stops_no_publishing(desk: Followed, damage: str):
    if damage == "objects":
        for path in (desk.chronicle.history.folder / "objects").rglob("*"):
            if path.is_file():
                path.write_bytes(b"x")
    elif damage == "log":
        (desk.chronicle.history.folder / "audit.jsonl").write_bytes(b"{}\nx")
    else:
        (desk.chronicle.history.folder / "head").write_bytes(b"\xff")
    (desk.folder / "notices.json").write_bytes(OTHER)
    await desk.live("notices.json", OTHER)
    assert desk.accepted()[0]


def test_a_history_that_cannot_be_read_approves_nothing(tmp_path: Path):
    history = History(tmp_path)
    chronicle = Chronicle(tmp_path, history)
    history.append("published", "ops-1", "", 0.0, detail={"a.json": "x"})
    history.append("approved", "ops-2", "", 0.0, detail={"a.json": "x"})
    assert chronicle.is_approved("a.json", "x")
    assert not chronicle.is_approved("a.json", "y")
    (tmp_path / "audit.jsonl").unlink()
    (tmp_path / "audit.jsonl").mkdir()
    assert not chronicle.is_approved("a.json", "x")


@pytest.mark.parametrize(
    ("author", "approvers", "enough"),
    [
        ("ops-1", ["ops-1"], False),
        ("ops-1", ["ops-2"], True),
        ("unix:one", ["unix:two"], True),
        ("unix:one", ["ops-1"], False),
        ("unix:one", ["ops-1", "ops-1"], False),
        ("unix:one", ["ops-1", "ops-2"], True),
        ("local", ["ops-1", "unix:one"], False),
        ("local", ["ops-1", "ops-2"], True),
    ],
)
def test_who_may_be_one_person_is_not_two(tmp_path: Path, author: str, approvers: list[str], enough: bool):
    chronicle = Chronicle(tmp_path, History(tmp_path))
    chronicle.history.append("published", author, "", 0.0, detail={"a.json": "x"})
    for who in approvers:
        chronicle.history.append("approved", who, "", 0.0, detail={"a.json": "x"})
    assert chronicle.is_approved("a.json", "x") is enough


def test_what_was_approved_once_is_looked_at_again_when_it_comes_back(tmp_path: Path):
    chronicle = Chronicle(tmp_path, History(tmp_path))
    chronicle.history.append("published", "ops-1", "", 0.0, detail={"a.json": digest(b"{}")})
    chronicle.history.append("approved", "ops-2", "", 0.0, detail={"a.json": digest(b"{}")})
    assert chronicle.is_approved("a.json", digest(b"{}"))
    chronicle.keep(Change(Live("r1", Vocabulary(), ()), (), {"a.json": b"{}"}))
    assert not chronicle.is_approved("a.json", digest(b"{}"))


async def test_two_who_kill_at_once_both_kill(desk: Followed):
    (desk.folder / KILL).write_bytes(b'{"promos": {"by-hand": "an editor was quicker"}}')
    done = await asyncio.gather(*(desk.kill(("promo", name), "ops-1", "") for name in ("a", "b", "c")))
    assert all(isinstance(each, Written) and not each.note for each in done)
    assert desk.standing.read_kills.promos.keys() == {"a", "b", "c", "by-hand"}


async def test_what_is_killed_is_so_without_a_gap_while_others_kill(desk: Followed):
    seen, done = set[str](), asyncio.Event()

    async def look() -> None:
        while not done.is_set():
            now = set(desk.standing.kills.promos)
            assert seen <= now
            seen.update(now)
            await asyncio.sleep(0)

    async def kill(number: int) -> None:
        await asyncio.sleep(number * 0.013)
        assert isinstance(await desk.kill(("promo", f"p{number}"), "ops-1", ""), Written)

    looking = asyncio.create_task(look())
    await asyncio.gather(*map(kill, range(12)))
    done.set()
    await looking
    assert len(desk.standing.read_kills.promos) == 12
    assert not desk.standing.pinned


async def test_a_kill_is_in_force_where_it_can_be_written_nowhere(desk: Followed):
    (desk.folder / KILL).unlink(missing_ok=True)
    (desk.folder / KILL).mkdir()
    done = await desk.kill(("promo", "line"), "ops-1", "now")
    assert isinstance(done, Written)
    assert done.note == "kill.json cannot be written: Is a directory; it is in force all the same"
    assert desk.standing.kills.promos == {"line": "now"}
    again = Followed(desk.folder, Standing(), desk.chronicle, desk.pins)
    again.pin_again()
    assert again.standing.kills.promos == {"line": "now"}, "also after the next start"
    assert isinstance(await desk.release(("promo", "line"), "ops-1", ""), Written)
    assert not desk.standing.kills
    assert not desk.pins.exists()


async def test_what_the_file_kills_is_not_released_where_it_cannot_be_written(desk: Followed):
    assert isinstance(await desk.kill(("promo", "line"), "ops-1", "now"), Written)
    (desk.folder / KILL).unlink()
    (desk.folder / KILL).mkdir()
    refused = await desk.release(("promo", "line"), "ops-1", "")
    assert isinstance(refused, Refused)
    assert refused.status == 503
    assert desk.standing.kills.promos == {"line": "now"}


@pytest.mark.parametrize("name", ["", "x" * 65, "\ud800", "A", "a/b"])
async def test_only_what_may_be_a_name_is_killed(desk: Followed, name: str):
    refused = await desk.kill(("promo", name), "ops-1", "")
    assert isinstance(refused, Refused)
    assert refused.status == 422
    assert isinstance(await desk.kill(("promo", "a"), "ops-1", "why \ud800"), Written)


async def test_going_back_leaves_what_never_was_live_and_keeps_what_it_writes_over(desk: Followed):
    first = desk.chronicle.history.records()[-1]
    assert isinstance(await desk.publish("notices.json", OTHER, digest(NOTICES), "ops-1", ""), Written)
    await desk.live("notices.json", OTHER)
    (desk.folder / "draft.json").write_bytes(b"{")
    (desk.folder / "notices.json").write_bytes(b"half done")
    assert await desk.roll_back(str(first.number), frozenset(), "ops-2", "") == Written("notices.json")
    assert (desk.folder / "draft.json").read_bytes() == b"{"
    assert (desk.folder / "notices.json").read_bytes() == NOTICES
    record = next(r for r in reversed(desk.chronicle.history.records()) if r.what == "rolled-back")
    assert record.detail["before notices.json"] == digest(b"half done")


async def test_somebody_else_approves_what_was_looked_at(desk: Followed):
    desk.standing._approved = desk.chronicle.is_approved
    assert isinstance(await desk.publish("notices.json", OTHER, digest(NOTICES), "ops-1", ""), Written)
    async with asyncio.timeout(30):
        while not desk.standing.waiting():
            await asyncio.sleep(0.01)
    assert await desk.approve("notices.json", digest(OTHER), "ops-1", "") == Refused(
        403, "ops-1 wrote it: somebody else has to approve it"
    )
    refused = await desk.approve("notices.json", digest(THIRD), "ops-2", "")
    assert isinstance(refused, Refused)
    assert refused.status == 412
    assert isinstance(await desk.approve("notices.json", digest(OTHER), "ops-2", ""), Written)
    await desk.live("notices.json", OTHER)
    refused = await desk.approve("notices.json", digest(OTHER), "ops-2", "")
    assert isinstance(refused, Refused)
    assert refused.status == 404
