"""Promos written over HTTP and by commands: who, which version, the history, the kill switch, and approval."""

import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scripts.rig import DIRECT, ROOT, House, running, wait_for, write_house
from tests.here import run

WHO = "jurisdiction=US-NJ&language=en&device=phone"
REASON = "?why=for%20the%20test"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with started(tmp_path_factory.mktemp("written")) as house:
        yield house


@contextmanager
def started(folder: Path, more: str = "") -> Iterator[House]:
    house = write_house(folder, "http://127.0.0.1:9")
    shutil.copytree(ROOT / "config" / "promos", house.config / "promos")
    settings = house.config / "holdover.toml"
    settings.write_text(settings.read_text() + more)
    with running(house, "sidecar", ready="the sidecar is ready"):
        wait_for(lambda: asked(house, "GET", "/status")[2]["files"])
        yield house


def asked(house: House, method: str, target: str, body: object = None, **headers: str) -> tuple[int, Any, Any]:
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    fields = {
        "Content-Type": "application/json",
        "X-User": "reader",
        **{name.replace("_", "-"): told for name, told in headers.items()},
    }
    request = urllib.request.Request(f"{house.url('admin')}/v1/promos{target}", data, fields, method=method)
    try:
        with DIRECT.open(request, timeout=60) as answer:
            told = answer.read()
            return answer.status, answer.headers, json.loads(told) if told else None
    except urllib.error.HTTPError as error:
        return error.code, error.headers, json.loads(error.read() or b"null")


def shown(house: House) -> list[str]:
    return [each["id"] for slot in asked(house, "GET", f"?{WHO}")[2]["slots"].values() for each in slot]


def command(house: House, *words: str) -> tuple[int, str]:
    done = run(house, "promos", *words)
    return done.returncode, done.stdout + done.stderr


def campaign(name: str, title: str = "A notice", **more: Any) -> dict[str, Any]:
    promo = {
        "id": name,
        "kind": "notice",
        "slot": "notices",
        "priority": 900,
        "content": {"en": {"title": title}},
        "start": "2026-01-01T00:00",
        "end": "2036-01-01T00:00",
        "timezone": "UTC",
        "audience": {"jurisdictions": ["US-NJ"]},
        **more,
    }
    return {"$schema": "../schema/promo.schema.json", "promos": [promo]}


def published(house: House, name: str, document: object) -> str:
    _, headers, _ = asked(house, "GET", f"/files/{name}.json")
    edited = {"If_Match": headers["ETag"]} if headers["ETag"] else {"If_None_Match": "*"}
    status, headers, told = asked(house, "PUT", f"/files/{name}.json{REASON}", document, **edited)
    assert status == 200, told
    return str(headers["ETag"])


def test_a_campaign_is_made_changed_and_removed_and_all_is_in_the_history(house: House):
    tag = published(house, "made", campaign("made"))
    assert shown(house)[0] == "made"
    on_disk = house.config / "promos" / "made.json"
    assert json.loads(on_disk.read_bytes())["promos"][0]["id"] == "made"
    assert on_disk.stat().st_mode & 0o777 == 0o644
    changed = campaign("made", "Another")
    assert asked(house, "PUT", "/files/made.json", changed)[0] == 428
    assert asked(house, "PUT", "/files/made.json", changed, If_None_Match="*")[0] == 412
    status, _, told = asked(house, "PUT", f"/files/made.json{REASON}", changed, If_Match=tag)
    assert (status, told["state"]) == (200, "good")
    status, _, told = asked(house, "PUT", "/files/made.json", campaign("made", "Third"), If_Match=tag)
    assert (status, json.loads(told["current"]["text"])["promos"][0]["content"]["en"]["title"]) == (412, "Another")
    _, headers, _ = asked(house, "GET", "/files/made.json")
    assert asked(house, "DELETE", f"/files/made.json{REASON}", If_Match=headers["ETag"])[0] == 200
    held = asked(house, "GET", "/status")[2]["files"]
    if any(each["file"] == "made.json" for each in held):
        assert command(house, "confirm", "made.json")[0] == 0
    wait_for(lambda: "made" not in shown(house), every=0.05)

    def made() -> list[str]:
        """What was accepted of it, newest first. What goes live is written into the history a moment later."""
        records = asked(house, "GET", "/history?limit=100")[2]["records"]
        numbers = [each["number"] for each in records if each["what"] == "accepted"]
        changes = [asked(house, "GET", f"/history/{number}")[2]["differences"] for number in numbers]
        return [each["what"] for told in changes for each in told if each["promo"] == "made"]

    wait_for(lambda: made() == ["removed", "changed", "added"])
    records = asked(house, "GET", "/history?limit=100")[2]["records"]
    assert {(r["who"], r["why"]) for r in records if "made.json" in r["detail"]} == {
        ("local", "for the test"), *({(r["who"], "") for r in records if r["what"] == "confirmed"}),
    }  # fmt: skip
    assert command(house, "history", "--verify")[0] == 0


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("bad.json", b"{", 422),
        ("bad.json", campaign("bad", kind="note"), 422),
        ("bad.json", campaign("welcome-notice"), 422),
        ("kill.json", {}, 403),
        ("..%2fbad.json", campaign("bad"), 403),
        ("%2e%2e/holdover.json", campaign("bad"), 403),
        ("sub/bad.json", campaign("bad"), 403),
        ("bad.txt", campaign("bad"), 403),
    ],
)
def test_what_is_not_good_is_not_written_and_every_problem_is_told(
    house: House, name: str, body: object, status: int
):
    before = sorted(house.config.rglob("*"))
    got, _, told = asked(house, "PUT", f"/files/{name}", body, If_None_Match="*")
    assert (got, sorted(house.config.rglob("*"))) == (status, before), told
    assert told["message"]
    assert all(each["line"] and each["message"] for each in told["problems"]) is True
    assert bool(told["problems"]) is (status == 422)


def test_a_draft_is_judged_by_what_judges_files(house: House):
    drafts = {"files": {"draft.json": campaign("draft", kind="note"), "other.json": "{"}}
    status, _, told = asked(house, "POST", "/validate", drafts)
    assert (status, told["good"]) == (200, False)
    assert [(each["file"], each["pointer"]) for each in told["problems"]] == [
        ("draft.json", "/promos/0/kind"),
        ("other.json", ""),
    ]
    assert told["problems"][0]["excerpt"].splitlines()[1].endswith("^")
    assert asked(house, "POST", "/validate", {"files": {"draft.json": campaign("draft")}})[2]["good"] is True
    for bad in (b"[]", b"{", {"files": 1}):
        assert asked(house, "POST", "/validate", bad)[0] == 400


def test_what_is_killed_is_gone_whatever_else_is_wrong_and_who_listens_is_told(house: House):
    published(house, "doomed", campaign("doomed"))
    broken = house.config / "promos" / "broken.json"
    broken.write_text("{")
    with DIRECT.open(f"{house.url('admin')}/v1/promos/events?instance=web-1", timeout=60) as stream:
        first = heard(stream)
        assert command(house, "kill", "domed")[0] == 1
        status, said = command(house, "kill", "doomed", "--why", "a wrong price")
        assert (status, said.splitlines()[0]) == (0, "killed now: doomed")
        assert "web-1: told 1 of 1, fetched by 0" in said
        again = heard(stream)
        assert again["revision"] != first["revision"]
        asked(house, "GET", f"?{WHO}&stream={again['stream']}")
        spread = asked(house, "GET", "/status")[2]["spread"]
        assert spread["instances"]["web-1"] == {"streams": 1, "told": 1, "fetched": 1}
        assert spread["all_fetched_at"]
    assert "doomed" not in shown(house)
    gates = next(each for each in asked(house, "GET", f"/explain?{WHO}")[2]["promos"] if each["id"] == "doomed")
    assert "is killed: a wrong price" in json.dumps(gates)
    assert command(house, "kill", "--slot", "notices", "--why", "all of them")[0] == 0
    assert shown(house) == []
    assert command(house, "release", "--slot", "notices")[0] == 0
    assert command(house, "release", "doomed")[0] == 0
    wait_for(lambda: "doomed" in shown(house), every=0.05)
    assert command(house, "release", "doomed")[0] == 1
    kill = house.config / "promos" / "kill.json"
    before = kill.read_bytes()
    kill.write_text('{"promo": {"doomed": "misspelt"}}')
    wait_for(lambda: shown(house) == [], every=0.05)
    kill.write_bytes(before)
    wait_for(lambda: "doomed" in shown(house), every=0.05)
    broken.unlink()


def heard(stream: Any) -> Any:
    while not (line := stream.readline().decode()).startswith("data: "):
        assert line
    return json.loads(line.removeprefix("data: "))


def test_going_back_is_a_new_revision_and_tells_what_was_shown(house: House):
    published(house, "history", campaign("history", "Old words", priority=950))
    old = asked(house, "GET", "/status")[2]["revision"]
    published(house, "history", campaign("history", "New words", priority=950))
    # What goes live is written into the history a moment later.
    wait_for(lambda: command(house, "diff", old)[0] == 0, every=0.05)
    assert "New words" in command(house, "diff", old)[1]
    assert command(house, "rollback", "nothing")[0] == 1
    status, said = command(house, "rollback", old, "history.json", "--why", "the old words were right")
    assert status == 0, said
    wait_for(lambda: "Old words" in json.dumps(asked(house, "GET", f"?{WHO}")[2]), every=0.05)

    def told() -> list[str]:
        records = asked(house, "GET", "/history?limit=10")[2]["records"]
        return [each["what"] for each in records if "the old words were right" in each["why"]]

    wait_for(lambda: told() == ["accepted", "rolled-back"])
    assert command(house, "rollback", old, "history.json")[0] == 1


def test_what_cannot_be_kept_is_live_all_the_same_and_the_metrics_tell(tmp_path: Path):
    in_the_way = tmp_path / "var" / "promos" / "history"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.touch()
    with started(tmp_path) as house:
        wait_for(lambda: shown(house) == ["welcome-notice"], every=0.05)
        wait_for(lambda: house.metrics("admin")['holdover_degraded{dependency="promos"}'] == 1, every=0.05)
        assert asked(house, "GET", "/history")[0] == 503
        status, _, told = asked(house, "PUT", "/files/new.json", campaign("new"), If_None_Match="*")
        assert (status, "see to the disk" in told["message"]) == (503, True)
        assert asked(house, "POST", "/kill", {"slot": "notices", "why": "now"})[0] == 200
        assert shown(house) == []
        in_the_way.unlink()
        wait_for(lambda: house.metrics("admin")['holdover_degraded{dependency="promos"}'] == 0, every=0.05)
        told = asked(house, "GET", "/history")[2]["records"]
        assert {each["what"] for each in told} == {"accepted"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Host": "rebound.example:9102"}, 421),
        ({"Content_Type": "text/plain"}, 415),
    ],
)
def test_pages_of_other_sites_make_no_browser_write(house: House, headers: dict[str, str], status: int):
    assert asked(house, "POST", "/kill", {"everything": True}, **headers)[0] == status
    assert shown(house)


def test_once_there_are_tokens_who_has_none_writes_nothing(tmp_path: Path):
    with started(tmp_path) as house:
        assert asked(house, "POST", "/kill", {"slot": "hero", "why": "open"})[0] == 200
        _, token = command(house, "token", "ops-1")
        assert asked(house, "POST", "/kill", {"slot": "hero"})[0] == 401
        assert asked(house, "POST", "/kill", {"slot": "hero"}, Authorization="Bearer wrong")[0] == 401
        bearer = f"Bearer {token.splitlines()[0]}"
        assert asked(house, "POST", "/release", {"slot": "hero", "why": "done"}, Authorization=bearer)[0] == 200
        assert asked(house, "GET", "/history?limit=1")[0] == 401

        def newest() -> dict[str, Any]:
            """Written a moment later."""
            [record] = asked(house, "GET", "/history?limit=1", Authorization=bearer)[2]["records"]
            return dict(record)

        wait_for(lambda: newest()["who"] == "ops-1", every=0.05)
        assert token.splitlines()[0] not in (tmp_path / "var" / "promos" / "tokens.json").read_text()
        assert command(house, "token", "ops-1", "--remove")[0] == 0
        assert asked(house, "POST", "/kill", {"slot": "hero"}, Authorization=bearer)[0] == 401


def test_with_four_eyes_nobody_lets_go_live_what_he_wrote(tmp_path: Path):
    more = '\n[promos]\napproval = true\nuser_header = "X-User"\ntrusted_proxies = ["127.0.0.1/32"]\n'
    with started(tmp_path, more) as house:
        waiting = asked(house, "GET", "/status")[2]["waiting"]
        assert {"welcome.json", "slots.json"} <= waiting.keys()
        for file, content in waiting.items():
            document = {"file": file, "content": content, "why": "looked at"}
            # Whoever owns the files may be one of them: two have to.
            status, _, told = asked(house, "POST", "/approve", document, X_User="ops-1")
            assert (status, "one more has to approve it" in told["note"]) == (200, True)
            status, _, told = asked(house, "POST", "/approve", document, X_User="ops-2")
            assert (status, told["note"]) == (200, "")
        wait_for(lambda: shown(house) == ["welcome-notice"], every=0.05)
        new = {"If_None_Match": "*", "X_User": "ops-1"}
        assert asked(house, "PUT", "/files/four.json", campaign("four"), **new)[2]["state"] == "held"
        content = asked(house, "GET", "/status")[2]["waiting"]["four.json"]
        document = {"file": "four.json", "content": content, "why": ""}
        assert asked(house, "POST", "/approve", document, X_User="ops-1")[0] == 403
        assert asked(house, "POST", "/approve", {**document, "content": "0" * 64}, X_User="ops-2")[0] == 412
        assert shown(house) == ["welcome-notice"]
        assert asked(house, "POST", "/approve", document, X_User="ops-2")[0] == 200
        wait_for(lambda: shown(house) == ["four", "welcome-notice"], every=0.05)
        path = house.config / "promos" / "four.json"
        path.write_text(json.dumps(campaign("four", "Another after approval")))
        wait_for(lambda: "four.json" in asked(house, "GET", "/status")[2]["waiting"], every=0.05)
        assert asked(house, "GET", f"?{WHO}")[2]["slots"]["notices"][0]["title"] == "A notice"
        path.unlink()
        wait_for(lambda: asked(house, "GET", "/status")[2]["waiting"]["four.json"].startswith("removal"), every=0.05)
        assert shown(house) == ["four", "welcome-notice"]
        assert asked(house, "POST", "/kill", {"promo": "four", "why": "at once"}, X_User="ops-1")[0] == 200
        assert shown(house) == ["welcome-notice"]


def test_a_new_campaign_is_good_but_for_what_only_people_know(house: House):
    status, said = command(house, "new", "from-template", "--kind", "notice")
    assert status == 0, said
    wait_for(lambda: state(house, "from-template.json") == "good", every=0.05)
    assert command(house, "new", "from-template")[0] == 1
    status, said = command(house, "new", "with-image", "--kind", "banner")
    assert status == 0
    lint = command(house, "lint")[1]
    assert [line.split(": ", 2)[1] for line in lint.splitlines() if "with-image.json" in line] == [
        "/promos/0/image/src"
    ]


def state(house: House, file: str) -> str:
    files = {each["file"]: each["state"] for each in asked(house, "GET", "/status")[2]["files"]}
    return str(files.get(file, "unknown"))
