"""History, Kill and signing in, in a real browser on a real sidecar."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from scripts.rig import DIRECT, ROOT, House, running, wait_for, write_house
from tests.e2e.browser import DESKTOP, PHONE, Browser, browser, complaints, needs_browser
from tests.e2e.test_promos_writing import asked, command, heard
from tests.sidecar.console import gallery

pytestmark = needs_browser


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = write_house(tmp_path, "http://127.0.0.1:9")
    gallery.write(house.config / "promos", ROOT / "config" / "promos", time.time())
    with running(house, "sidecar", ready="the sidecar is ready"):
        wait_for(lambda: asked(house, "GET", "/history")[2]["records"])
        yield house


@pytest.fixture
def homepage(house: House) -> Iterator[Any]:
    """One that listens."""
    with DIRECT.open(f"{house.url('admin')}/v1/promos/events?instance=web-1", timeout=60) as stream:
        yield stream


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile"), PHONE) as driver:
        yield driver


@pytest.fixture
def chrome(started: Browser) -> Iterator[Browser]:
    yield started
    # What is left open asks a sidecar that is not there any more.
    started.get("about:blank")
    complaints(started)


def opened(driver: Browser, house: House, target: str) -> None:
    driver.get(f"{house.url('admin')}{target}")


def said(driver: Browser) -> str:
    return str(driver.execute_script("return document.body.innerText"))


def link(driver: Browser, address: str) -> WebElement:
    return driver.find_element(By.CSS_SELECTOR, f"a[href{address}]")


def answered(driver: Browser, why: str) -> None:
    """The form of the page, with a reason, by the keyboard."""
    driver.find_element(By.ID, "why").send_keys(why, Keys.ENTER)


def retitled(house: House, title: str) -> None:
    _, headers, told = asked(house, "GET", "/files/carousel.json")
    told["promos"][0]["content"]["en"]["title"] = title
    assert asked(house, "PUT", "/files/carousel.json?why=words", told, If_Match=headers["ETag"])[0] == 200


def live(house: House) -> str:
    return json.dumps(asked(house, "GET", "?jurisdiction=US-NJ&language=en&device=phone")[2]["slots"])


def test_a_change_is_seen_and_taken_back(house: House, chrome: Browser):
    for title in ("First words", "Second <b>words</b>"):
        retitled(house, title)
    opened(chrome, house, "/console/history")
    wait_for(lambda: "“First words” → “Second <b>words</b>”" in said(chrome))
    assert chrome.execute_script("return document.documentElement.scrollWidth") <= PHONE[0]
    rows = chrome.find_elements(By.CSS_SELECTOR, ".entry h3 a")
    first = next(each for each in rows if "→ “First words”" in each.text)
    first.click()
    wait_for(lambda: "What it made different" in said(chrome))
    chrome.execute_script("arguments[0].click()", link(chrome, "$='/restore?file=carousel.json'"))
    wait_for(lambda: "Who would see something else" in said(chrome))
    assert '"hoops" changed' in said(chrome)
    assert "Second <b>words</b>" in live(house)
    answered(chrome, "the first were right")
    wait_for(lambda: "Restored, as a new revision" in said(chrome))
    assert "First words" in live(house)
    assert "the first were right" in said(chrome)
    assert complaints(chrome) == []


def test_a_promo_is_killed_and_this_page_tells_who_has_it(house: House, chrome: Browser, homepage: Any):
    number = heard(homepage)["stream"]
    opened(chrome, house, "/console/kill")
    wait_for(lambda: chrome.find_element(By.ID, "live").get_attribute("data-state") == "live")
    link(chrome, "='/console/kill/confirm?promo=hoops'").click()
    wait_for(lambda: "Kill this promo?" in said(chrome))
    answered(chrome, "wrong picture")
    wait_for(lambda: "It is off the homepage" in said(chrome))
    assert '"hoops"' not in live(house)
    reached = "return document.getElementById('spread').innerText.replace(/\\s+/g, ' ')"
    wait_for(lambda: "Reached all 1 connected client in " in chrome.execute_script(reached))
    assert "web-1 1 1 0" in chrome.execute_script(reached)
    asked(house, "GET", f"?jurisdiction=US-NJ&language=en&stream={number}")
    wait_for(lambda: "web-1 1 1 1" in chrome.execute_script(reached))
    assert "wrong picture" in said(chrome)
    assert chrome.execute_script("return document.documentElement.scrollWidth") <= PHONE[0]
    # What others do appears by itself.
    asked(house, "POST", "/kill", {"slot": "notices", "why": "of others"})
    wait_for(lambda: "“of others”" in said(chrome))
    chrome.execute_script("arguments[0].click()", link(chrome, "='/console/kill/release?promo=hoops'"))
    wait_for(lambda: "Release Hoops week?" in said(chrome))
    answered(chrome, "right again")
    wait_for(lambda: "It is released" in said(chrome))
    wait_for(lambda: '"hoops"' in live(house), every=0.05)
    assert complaints(chrome) == []


def test_what_is_typed_stays_while_others_edit(house: House, chrome: Browser):
    opened(chrome, house, "/console/kill/confirm?promo=hoops")
    chrome.find_element(By.ID, "why").send_keys("half a sent")
    chrome.find_element(By.CSS_SELECTOR, "button[type=submit].danger").send_keys(Keys.TAB)
    retitled(house, "Others have edited")
    wait_for(lambda: "Others have edited" in said(chrome))
    assert chrome.find_element(By.ID, "why").get_attribute("value") == "half a sent"


def test_everything_is_killed_while_all_files_are_broken(house: House, chrome: Browser):
    for name in ("slots.json", "audiences.json", "carousel.json"):
        (house.config / "promos" / name).write_text("{")
    wait_for(lambda: [each["state"] for each in asked(house, "GET", "/status")[2]["files"]].count("kept") >= 3)
    opened(chrome, house, "/console/kill")
    chrome.execute_script("arguments[0].click()", link(chrome, "='/console/kill/confirm?everything=yes'"))
    wait_for(lambda: "Kill everything?" in said(chrome))
    answered(chrome, "all of it is wrong")
    wait_for(lambda: "It is off the homepage" in said(chrome))
    assert '"id"' not in live(house)
    assert complaints(chrome) == []


def test_with_a_token_one_signs_in_and_out(house: House, tmp_path: Path):
    token = command(house, "token", "ops-1")[1].splitlines()[0]
    with browser(tmp_path / "profile", DESKTOP) as driver:
        opened(driver, house, "/console/kill/confirm?slot=hero")
        assert driver.switch_to.active_element.get_attribute("id") == "token"
        driver.switch_to.active_element.send_keys("wrong", Keys.ENTER)
        wait_for(lambda: "not known here" in said(driver))
        driver.find_element(By.ID, "token").send_keys(token, Keys.ENTER)
        wait_for(lambda: "Kill all of Top of the homepage?" in said(driver))
        assert "ops-1" in driver.find_element(By.CSS_SELECTOR, ".viewer").text
        assert driver.execute_script("return document.cookie") == ""
        answered(driver, "with a name")
        wait_for(lambda: "It is off the homepage" in said(driver))
        bearer = {"Authorization": f"Bearer {token}"}
        assert asked(house, "GET", "/history?limit=1")[0] == 401
        told = asked(house, "GET", "/history?limit=5", None, **bearer)[2]["records"]
        assert next(each["who"] for each in told if each["what"] == "published") == "ops-1"
        driver.find_element(By.CSS_SELECTOR, ".viewer button").click()
        wait_for(lambda: driver.find_elements(By.ID, "token"))
        opened(driver, house, "/console/now")
        assert "/console/login" in driver.current_url
        assert [each for each in complaints(driver) if "401" not in each] == []
