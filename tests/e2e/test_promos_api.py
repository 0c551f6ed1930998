"""Promos as a homepage asks for them, while operations edit the files."""

import json
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from scripts.rig import DIRECT, ROOT, House, running, wait_for, write_house
from sidecar.promos.remembered import REMEMBERED
from tests.here import run

WHO = "jurisdiction=US-NJ&language=en&device=phone"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = write_house(tmp_path_factory.mktemp("promos"), "http://127.0.0.1:9")
    shutil.copytree(ROOT / "config" / "promos", house.config / "promos")
    with running(house, "sidecar", ready="the sidecar is ready"):
        wait_for(lambda: promos(house, WHO)["revision"])
        yield house


def notified(house: House) -> bool:
    """Whether the system tells the sidecar of changes of files."""
    assert house.process is not None
    folder = Path(f"/proc/{house.process.pid}/fd")
    return any("inotify" in str(path.readlink()) for path in folder.iterdir() if path.is_symlink())


@pytest.mark.skipif(find_spec("watchfiles") is None, reason="watchfiles is not installed")
def test_notifications_are_used_unless_they_are_turned_off(house: House, tmp_path: Path):
    wait_for(lambda: notified(house))
    other = write_house(tmp_path, "http://127.0.0.1:9", "[promos]\nnotify = false")
    shutil.copytree(ROOT / "config" / "promos", other.config / "promos")
    with running(other, "sidecar", ready="the sidecar is ready"):
        wait_for(lambda: promos(other, WHO)["revision"])
        assert not notified(other)
        save(other.config / "promos" / "flash.json", json.dumps(campaign("First")))
        wait_for(lambda: "First" in shown(other), every=0.05)


def get(house: House, target: str, **headers: str) -> tuple[int, dict[str, str], Any]:
    request = urllib.request.Request(f"{house.url('admin')}{target}", headers=headers)
    try:
        with DIRECT.open(request, timeout=60) as answer:
            body = answer.read()
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, json.loads(body)
    except urllib.error.HTTPError as error:
        body = error.read()
        return error.code, {k.lower(): v for k, v in error.headers.items()}, json.loads(body) if body else None


def promos(house: House, query: str) -> Any:
    return get(house, f"/v1/promos?{query}")[2]


def shown(house: House, query: str = WHO) -> list[str]:
    return [promo["title"] for slot in promos(house, query)["slots"].values() for promo in slot]


def campaign(title: str, *, until: timedelta = timedelta(days=1), priority: int = 900) -> dict[str, Any]:
    now = datetime.now(UTC)
    promo = {
        "id": "flash",
        "kind": "notice",
        "slot": "notices",
        "priority": priority,
        "content": {"en": {"title": title}},
        "start": (now - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S"),
        "end": (now + until).strftime("%Y-%m-%dT%H:%M:%S"),
        "timezone": "UTC",
        "audience": {"jurisdictions": ["US-NJ"]},
    }
    return {"$schema": "../schema/promo.schema.json", "promos": [promo]}


def save(path: Path, text: str) -> None:
    """As editors do: beside, then over it."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text)
    beside.replace(path)


def test_an_edit_is_followed_and_a_bad_one_takes_nothing_away(house: House):
    path = house.config / "promos" / "flash.json"
    save(path, json.dumps(campaign("First")))
    wait_for(lambda: "First" in shown(house), every=0.05)
    assert shown(house)[0] == "First"
    assert "First" not in shown(house, "jurisdiction=GB&language=en")
    assert shown(house, "jurisdiction=XX&language=en") == shown(house, "language=en") == []
    for bad in ("", '{"promos": [', json.dumps(campaign("Bad")).replace('"notice"', '"note"', 1)):
        path.write_text(bad)
        wait_for(lambda: state(house, "flash.json")["state"] == "kept", every=0.05)
        assert "First" in shown(house)
        save(path, json.dumps(campaign("First")))
        wait_for(lambda: state(house, "flash.json")["state"] == "good", every=0.05)
    save(path, json.dumps(campaign("Second")))
    wait_for(lambda: "Second" in shown(house), every=0.05)
    assert "First" not in shown(house)


def test_how_much_is_live_stands_in_the_metrics(house: House):
    path = house.config / "promos" / "counted.json"
    before = house.metrics("admin")
    save(path, json.dumps(campaign("Counted")).replace('"flash"', '"counted"'))
    wait_for(lambda: house.metrics("admin")["holdover_promos_live"] > before["holdover_promos_live"])
    save(path, "{")
    wait_for(lambda: house.metrics("admin")['holdover_promos_files{state="kept"}'] == 1)
    after = house.metrics("admin")
    assert after["holdover_promos_live"] == before["holdover_promos_live"] + 1
    assert after["holdover_promos_edits_total"] == before["holdover_promos_edits_total"] + 1
    save(path, json.dumps(campaign("Counted")).replace('"flash"', '"counted"'))
    wait_for(lambda: house.metrics("admin")['holdover_promos_files{state="kept"}'] == 0)


def state(house: House, file: str) -> Any:
    _, _, status = get(house, "/v1/promos/status")
    found = {each["file"]: each for each in status["files"]}
    return found.get(file, {"state": "unknown"})


def test_a_tag_until_something_changes_and_no_longer_kept_than_that(house: House):
    path = house.config / "promos" / "soon.json"
    text = json.dumps(campaign("Soon over", until=timedelta(seconds=10), priority=910)).replace('"flash"', '"soon"')
    save(path, text)
    wait_for(lambda: "Soon over" in shown(house), 8, 0.05)
    asked_at = time.time()
    status, headers, facts = get(house, f"/v1/promos?{WHO}")
    assert status == 200
    left = datetime.fromisoformat(facts["next_change_at"]).timestamp() - asked_at
    assert headers["cache-control"].startswith("private, max-age=")
    assert int(headers["cache-control"].rpartition("=")[2]) <= left
    status, again, _ = get(house, f"/v1/promos?{WHO}", **{"If-None-Match": headers["etag"]})
    assert (status, again["etag"]) == (304, headers["etag"])
    wait_for(lambda: "Soon over" not in shown(house), 40, 0.1)
    assert get(house, f"/v1/promos?{WHO}", **{"If-None-Match": headers["etag"]})[0] == 200


def test_who_streams_or_waits_is_told_of_an_edit(house: House):
    """Each of twenty streams, and who would rather wait than hear that nothing changed."""
    path = house.config / "promos" / "told.json"
    before = promos(house, WHO)["revision"]
    _, headers, _ = get(house, f"/v1/promos?{WHO}")
    waits = {"If-None-Match": headers["etag"], "Prefer": "wait=20"}
    with ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        streams = [
            stack.enter_context(DIRECT.open(f"{house.url('admin')}/v1/promos/events", timeout=60)) for _ in range(20)
        ]
        assert {stream.headers["content-type"] for stream in streams} == {"text/event-stream"}
        assert {told(stream) for stream in streams} == {before}
        waiting = pool.submit(get, house, f"/v1/promos?{WHO}", **waits)
        save(path, json.dumps(campaign("Told", priority=915)).replace('"flash"', '"told"'))
        [after] = {told(stream) for stream in streams}
        status, fields, facts = waiting.result(timeout=60)
    assert after != before
    assert (status, facts["revision"], fields["preference-applied"]) == (200, after, "wait=20")
    assert "Told" in shown(house)
    status, fields, _ = get(house, f"/v1/promos?{WHO}", **{"If-None-Match": fields["etag"], "Prefer": "wait=1"})
    assert status == 304


def told(stream: Any) -> str:
    """The next revision of a stream."""
    while not (line := stream.readline().decode()).startswith("data: "):
        assert line
    return str(json.loads(line.removeprefix("data: "))["revision"])


def test_who_waits_is_told_of_a_start(house: House):
    path = house.config / "promos" / "start.json"
    text = json.dumps(campaign("Starts", priority=920)).replace('"flash"', '"start"')
    document = json.loads(text)
    begins = datetime.now(UTC) + timedelta(seconds=9)
    document["promos"][0]["start"] = begins.strftime("%Y-%m-%dT%H:%M:%S")
    before = promos(house, WHO)["revision"]
    save(path, json.dumps(document))
    wait_for(lambda: promos(house, WHO)["revision"] != before, 8, 0.05)
    status, headers, _ = get(house, f"/v1/promos?{WHO}")
    status, _, facts = get(house, f"/v1/promos?{WHO}", **{"If-None-Match": headers["etag"], "Prefer": "wait=30"})
    assert status == 200
    assert facts["slots"]["notices"][0]["title"] == "Starts"


def test_why_something_is_not_shown(house: House):
    _, _, facts = get(house, "/v1/promos/explain?jurisdiction=GB&language=en&at=2026-05-01T00:00Z")
    [welcome] = [each for each in facts["promos"] if each["id"] == "welcome-notice"]
    assert not welcome["shown"]
    assert [gate["gate"] for gate in welcome["gates"] if not gate["passed"]] == ["jurisdiction"]
    assert "GB" in welcome["gates"][1]["why"]


@pytest.mark.parametrize("query", ["lang=en", "visits=often", "at=tomorrow", "at=2026-05-01T00:00"])
def test_what_is_asked_wrongly_is_told(house: House, query: str):
    status, headers, facts = get(house, f"/v1/promos?{query}")
    assert (status, headers["content-type"]) == (400, "application/json; charset=utf-8")
    assert facts["message"]


def test_what_was_accepted_is_live_after_a_restart_with_a_broken_folder(tmp_path: Path):
    own = write_house(tmp_path, "http://127.0.0.1:9")
    shutil.copytree(ROOT / "config" / "promos", own.config / "promos")
    welcome = "Betting should be fun. Set your limits."
    with running(own, "sidecar", ready="the sidecar is ready"):
        wait_for(lambda: shown(own) == [welcome], every=0.05)
        wait_for((tmp_path / "var" / "promos" / REMEMBERED).exists, every=0.05)
    for path in {*(own.config / "promos").rglob("*.json")} - {own.config / "promos" / "kill.json"}:
        path.write_text("{")
    with running(own, "sidecar", ready="the sidecar is ready"):
        wait_for(lambda: shown(own) == [welcome], every=0.05)
        wait_for(lambda: {state(own, n)["state"] for n in ("slots.json", "welcome.json")} == {"kept"}, every=0.05)
        assert shown(own) == [welcome]


def test_a_removal_that_ends_much_is_held_until_it_is_confirmed(tmp_path: Path):
    own = write_house(tmp_path, "http://127.0.0.1:9")
    shutil.copytree(ROOT / "config" / "promos", own.config / "promos")
    away = run(own, "promos", "status")
    assert (away.returncode, away.stdout) == (1, "")
    assert "no sidecar answers on" in away.stderr
    with running(own, "sidecar", ready="the sidecar is ready"):
        wait_for(lambda: len(shown(own)) == 1, every=0.05)
        assert "welcome.json: live, since 2" in run(own, "promos", "status").stdout
        (own.config / "promos" / "welcome.json").unlink()
        wait_for(lambda: state(own, "welcome.json")["state"] == "held", every=0.05)
        assert len(shown(own)) == 1
        told = run(own, "promos", "status").stdout
        assert "welcome.json: held as it was before, until somebody says that it is meant" in told
        assert "ends what is shown now: welcome-notice; confirm it, or put it back" in told
        wrong = run(own, "promos", "confirm", "slots.json")
        assert (wrong.returncode, wrong.stderr) == (
            1,
            "holdover: slots.json: nothing is held there; see `holdover promos status`\n",
        )
        done = run(own, "promos", "confirm", "welcome.json")
        assert (done.returncode, done.stdout) == (0, "confirmed: welcome.json\n")
        wait_for(lambda: shown(own) == [], every=0.05)
