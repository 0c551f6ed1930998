"""A homepage that cannot be changed asks its old URL, and is shown what operations edit."""

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from holdover.homepage import REUSE_S
from scripts.rig import ROOT, House, running, wait_for, write_house
from tests.e2e.origin import BODY, Origin, origin
from tests.e2e.test_promos_api import campaign, save, state
from tests.e2e.wire import Reply, ask, dial, encrypted, total, trusting, tunnel
from tests.here import run

HOST = "www.sportsbook.test"
FAILS_OPEN = "is answered by its origin, not with promos: "
BANNERS, START = "/api/v2/banners?st=nj&lang=en_US", "/NJ/start.json"
HOMEPAGE = """
name = "homepage"
hosts = ["www.sportsbook.test"]
origin = "http://127.0.0.1:{port}"

[[promos]]
name = "banners"
path = "/api/v2/banners"
slot = "notices"
answer = "list"
wrap = "data.banners"
fields = {{ headline = "title", imgUrl = "image.src", href = "link" }}
headers = {{ Access-Control-Allow-Origin = "*" }}

[promos.audience.jurisdiction]
query = ["state", "st"]
values = {{ NJ = "US-NJ", PA = "US-PA" }}

[promos.audience.language]
query = ["lang"]
values = {{ en_US = "en", es_US = "es" }}

[promos.audience.segment]
query = ["tags"]
values = {{ SE = "self-excluded" }}

[[promos]]
name = "start"
path = "/{{state}}/start.json"

[promos.audience]
jurisdiction = {{ path = "state", values = {{ NJ = "US-NJ" }} }}
language = {{ header = "Accept-Language", values = {{ en = "en", es = "es" }} }}
"""


@dataclass
class Street:
    house: House
    legacy: Origin

    def ask(self, target: str, **more: Any) -> Reply:
        """As a visitor's browser, whose name service leads to holdover."""
        return ask(self.house.ports["reverse"], target, host=HOST, **more)

    def shown(self, target: str = BANNERS, **more: Any) -> Reply:
        """What the sidecar shows there. Where it takes a second, as on a busy machine, the old origin answers."""
        replies = list[Reply]()

        def answered() -> bool:
            replies.append(self.ask(target, **more))
            return replies[-1].status != 207

        wait_for(answered, every=0.1)
        return replies[-1]

    def headlines(self, target: str = BANNERS) -> list[str]:
        return [each["headline"] for each in self.shown(target).json["data"]["banners"]]

    def passed(self, mark: str) -> list[str]:
        """Methods of the requests with this mark that reached the old origin."""
        return [arrival.method for arrival in self.legacy.arrivals if mark in arrival.target]


def written(folder: Path, legacy: Origin) -> House:
    house = write_house(folder, "http://127.0.0.1:9")
    (house.config / "providers" / "homepage.toml").write_text(HOMEPAGE.format(port=legacy.port))
    shutil.copytree(ROOT / "config" / "promos", house.config / "promos")
    return house


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with origin() as legacy:
        house = written(tmp_path_factory.mktemp("street"), legacy)
        with running(house):
            street = Street(house, legacy)
            assert street.shown().status == 200
            yield street


def test_the_old_url_is_answered_in_its_old_shape(street: Street):
    reply = street.shown()
    [welcome] = reply.json["data"]["banners"]
    assert welcome == {
        "headline": "Betting should be fun. Set your limits.",
        "imgUrl": None,
        "href": "/account/limits",
    }
    assert reply["cache-control"].startswith("private, max-age=")
    assert reply["content-type"] == "application/json; charset=utf-8"
    assert reply["access-control-allow-origin"] == "*"
    assert street.headlines("/api/v2/banners?state=NJ&lang=es_US")[0].startswith("Apo")
    again = street.shown(headers={"If-None-Match": reply["etag"]})
    assert (again.status, again.body, again["etag"]) == (304, b"", reply["etag"])
    headed = street.shown(method="HEAD")
    assert (headed.status, headed.body, headed["content-length"]) == (200, b"", str(len(reply.body)))


def test_whoever_is_not_understood_is_shown_nothing(street: Street):
    for query in ("", "st=nj", "st=NV&lang=en_US", "st=NJ&state=PA&lang=en_US", "st=NJ&lang=en_US&tags=XX"):
        assert street.headlines(f"/api/v2/banners?{query}") == [], query
    assert street.headlines(f"{BANNERS}&tags=SE") == []
    assert len(street.headlines()) == 1


def test_without_a_shape_it_is_the_answer_of_the_api(street: Street):
    reply = street.shown(START, headers={"Accept-Language": "es-US,en;q=0.5"})
    assert list(reply.json) == ["revision", "next_change_at", "responsible", "slots", "generated_at"]
    assert [each["id"] for each in reply.json["slots"]["notices"]] == ["welcome-notice"]
    assert reply["vary"] == "Accept-Language"


def test_through_an_explicit_proxy_and_over_tls_it_is_the_same(street: Street):
    regular, reverse = street.house.ports["regular"], street.house.ports["reverse"]
    expected = street.shown().body
    assert ask(regular, f"http://{HOST}{BANNERS}", host=HOST).body == expected
    tls = trusting(street.house)
    with closing(encrypted(tunnel(regular, f"{HOST}:443"), tls, HOST)) as line:
        assert ask(line, BANNERS, host=HOST).body == expected
    with closing(encrypted(dial(reverse), tls, HOST)) as line:
        assert ask(line, BANNERS, host=HOST).body == expected


def test_an_edit_is_seen_at_the_old_url(street: Street):
    path = street.house.config / "promos" / "flash.json"
    for title in ("First", "Second"):
        save(path, json.dumps(campaign(title)))
        wait_for(lambda title=title: street.headlines()[0] == title, every=0.05)
    path.write_text('{"promos": [')
    wait_for(lambda: state(street.house, "flash.json")["state"] == "kept")
    assert street.headlines()[0] == "Second"


def test_all_else_passes_to_the_old_origin(street: Street):
    assert street.ask(f"{BANNERS}&mark=posted", method="POST", body=b"{}").status == 207
    assert street.ask("/api/v2/other?mark=other").body == BODY
    assert street.ask("/api/v2/banners?st;mark=odd").status == 207
    assert [street.passed(mark) for mark in ("posted", "other", "odd")] == [["POST"], ["GET"], ["GET"]]


def test_it_is_counted_and_explained(street: Street):
    family, labels = "holdover_client_requests_total", ('upstream="homepage"', 'route="banners"', 'outcome="promos"')
    before = total(street.house.metrics("metrics"), family, *labels)
    for _ in range(3):
        street.shown()
    assert total(street.house.metrics("metrics"), family, *labels) == before + 3
    done = run(street.house, "explain", "--json", f"http://{HOST}{BANNERS}")
    assert json.loads(done.stdout) == {
        "route": "homepage/banners",
        "audience": ["jurisdiction US-NJ", "language en"],
        "promos": "holdover promos preview --jurisdiction=US-NJ --language=en",
        "answer": "slot notices, as a list in data.banners, "
        "with title as headline, image.src as imgUrl, link as href",
        "decision": "answered with promos; while the sidecar does not answer, "
        f"http://127.0.0.1:{street.legacy.port} does",
    }
    preview = run(street.house, "promos", "preview", "--jurisdiction=US-NJ", "--language=en")
    assert "welcome-notice" in preview.stdout
    unknown = run(street.house, "explain", f"http://{HOST}/api/v2/banners?st=NV&lang=en_US").stdout
    assert "jurisdiction is not known: nothing is shown" in unknown


def test_the_old_origin_answers_while_the_sidecar_does_not(tmp_path: Path):
    """Stopped, so that it takes questions and answers none; then killed; each time it comes back."""
    with origin() as legacy:
        house = written(tmp_path, legacy)
        with running(house):
            street = Street(house, legacy)
            assert street.shown().status == 200
            told, sidecar = house.log.read_text().count(FAILS_OPEN), house.pid("sidecar")
            os.kill(sidecar, signal.SIGSTOP)
            try:
                time.sleep(2 * REUSE_S)
                for number in range(8):
                    reply = street.ask(f"{BANNERS}&mark=stopped{number}")
                    assert (reply.status, reply.body) == (207, BODY)
            finally:
                os.kill(sidecar, signal.SIGCONT)
            assert len(street.passed("stopped")) == 8
            assert house.log.read_text().count(FAILS_OPEN) == told + 1, "once"
            assert street.shown().status == 200
            os.kill(sidecar, signal.SIGKILL)
            seen = {street.ask(BANNERS).status for _ in range(20)}
            assert seen <= {200, 207}
            assert len(street.headlines()) == 1
            scraped = house.metrics("metrics")
        labels = ('upstream="homepage"', 'route="banners"', 'outcome="failopen"')
        assert total(scraped, "holdover_client_requests_total", *labels) >= 8
        assert "Traceback" not in house.log.read_text()


def test_the_old_origin_answers_when_there_are_no_promos(tmp_path: Path):
    with origin() as legacy:
        house = written(tmp_path, legacy)
        shutil.rmtree(house.config / "promos")
        with running(house):
            street = Street(house, legacy)
            wait_for(lambda: "there is no vocabulary of promos yet" in _after(street), every=0.2)
            assert street.ask(BANNERS).status == 207
            shutil.copytree(ROOT / "config" / "promos", house.config / "promos")
            assert len(street.headlines()) == 1


def _after(street: Street) -> str:
    """The log after one more question."""
    assert street.ask(BANNERS).status == 207
    return street.house.log.read_text()
