"""The console in a real browser, on a real sidecar, while operations edit the files."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from scripts.rig import ROOT, House, fetch_json, running, wait_for, write_house
from tests.e2e.browser import DESKTOP, PHONE, Browser, browser, complaints, needs_browser, opened
from tests.sidecar.console import gallery

pytestmark = needs_browser
PAGES = (
    "/console/now",
    "/console/timeline",
    "/console/timeline?range=4-weeks&zone=Europe/London",
    "/console/preview",
    "/console/preview?frame=phone",
    "/console/history",
    "/console/history/1",
    "/console/history/shown",
    "/console/kill",
    "/console/kill/confirm?slot=hero",
    "/console/waiting",
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = write_house(tmp_path_factory.mktemp("console"), "http://127.0.0.1:9")
    gallery.write(house.config / "promos", ROOT / "config" / "promos", time.time())
    with running(house, "sidecar", ready="the sidecar is ready"):
        yield house


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


def titles(driver: Browser) -> list[str]:
    # At once: elements that were found may be replaced before they are asked.
    return list(driver.execute_script("return [...document.querySelectorAll('.card h3')].map((h) => h.textContent)"))


def said(driver: Browser) -> str:
    return str(driver.execute_script("return document.getElementById('main').textContent"))


def seen_by(house: House) -> dict[str, int]:
    """How many open pages there are, and have what is shown."""
    status = fetch_json(f"{house.url('admin')}/v1/promos/status")
    return dict(status["spread"]["instances"].get("console", {"streams": 0, "fetched": 0}))


@pytest.mark.parametrize(("size", "dark"), [(DESKTOP, False), (PHONE, True)], ids=["desktop", "dark phone"])
def test_every_page_opens_without_a_complaint_and_fits(
    house: House, tmp_path: Path, size: tuple[int, int], dark: bool
):
    with browser(tmp_path, size, dark=dark) as driver:
        for target in PAGES:
            opened(driver, house, target)
            assert complaints(driver) == []
            assert driver.execute_script("return document.documentElement.scrollWidth") <= size[0]
            broken = "return [...document.images].filter((i) => i.complete && !i.naturalWidth).map((i) => i.src)"
            assert driver.execute_script(broken) == []
            colour = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
            assert (sum(map(int, colour[4:-1].split(","))) < 200) == dark


def test_an_edit_on_disk_appears_without_a_reload_and_focus_stays(house: House, chrome: Browser):
    opened(chrome, house, "/console/now")
    wait_for(lambda: "Big Sunday of football" in titles(chrome))
    chrome.execute_script("window.sameDocument = true; document.getElementById('pick-device').focus()")
    path = house.config / "promos" / "carousel.json"
    promos = json.loads(path.read_text())["promos"]
    promos[0]["content"]["en"]["title"] = "Hoops <b>all</b> week"
    gallery.save(path, promos)
    wait_for(lambda: "Hoops <b>all</b> week" in titles(chrome))
    assert chrome.execute_script("return window.sameDocument && document.activeElement.id") == "pick-device"
    wait_for(lambda: seen_by(house)["fetched"] == seen_by(house)["streams"] == 1)
    path.write_text("{")
    wait_for(lambda: "carousel.json:1:" in said(chrome))
    assert "Hoops <b>all</b> week" in titles(chrome)
    gallery.save(path, promos)
    wait_for(lambda: "carousel.json:1:" not in said(chrome))
    assert complaints(chrome) == []


def test_what_is_chosen_stands_in_the_address(house: House, chrome: Browser):
    opened(chrome, house, "/console/now")
    Select(chrome.find_element(By.ID, "pick-jurisdiction")).select_by_visible_text("GB")
    wait_for(lambda: titles(chrome) == ["Cup weekend"])
    assert "jurisdiction=GB" in chrome.current_url
    tabs = "return [...document.querySelectorAll('.tabs a')].map((link) => link.href)"
    assert all("jurisdiction=GB" in link for link in chrome.execute_script(tabs))
    chrome.back()
    wait_for(lambda: "Big Sunday of football" in titles(chrome))


def test_times_are_the_viewers_own_and_count_down(house: House, chrome: Browser):
    opened(chrome, house, "/console/now")
    ends = chrome.execute_script("return document.querySelector('.ends').textContent")
    assert "your time" in ends
    assert "New York" in ends
    seconds = "return document.querySelector('.figures [data-until]').textContent"
    assert chrome.execute_script(seconds).endswith(("min", "h", "s"))


def test_the_theme_is_remembered(house: House, chrome: Browser):
    opened(chrome, house, "/console/now")
    before = chrome.execute_script("return getComputedStyle(document.body).backgroundColor")
    chrome.find_element(By.ID, "theme").click()
    opened(chrome, house, "/console/preview")
    assert chrome.execute_script("return getComputedStyle(document.body).backgroundColor") != before
    chrome.find_element(By.ID, "theme").click()
    opened(chrome, house, "/console/now")
    assert chrome.execute_script("return getComputedStyle(document.body).backgroundColor") == before


def test_the_slider_and_the_keyboard_travel_in_time(house: House, chrome: Browser):
    opened(chrome, house, "/console/preview")
    after = chrome.find_element(By.ID, "turn-after").text.removesuffix("→").strip()
    slider = chrome.find_element(By.ID, "slider")
    slider.send_keys(Keys.ARROW_RIGHT)
    now = "return document.querySelector('.travel-now strong').textContent"
    wait_for(lambda: chrome.execute_script(now) == after)
    assert chrome.execute_script("return document.activeElement.id") == "slider"
    assert "at=" in chrome.current_url
    assert complaints(chrome) == []


def test_the_viewers_zone_is_one_click_away(house: House, chrome: Browser):
    opened(chrome, house, "/console/timeline")
    [mine] = [each for each in chrome.find_elements(By.CSS_SELECTOR, "a[data-zone]") if each.is_displayed()]
    mine.click()
    zone = "return document.getElementById('pick-zone').value"
    wait_for(lambda: chrome.execute_script(zone) == "Europe/London")


def test_the_skip_link_is_first_and_leads_to_the_content(house: House, chrome: Browser):
    opened(chrome, house, "/console/now")
    chrome.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    focused = chrome.switch_to.active_element
    assert focused.text == "Skip to the content"
    focused.send_keys(Keys.ENTER)
    assert chrome.execute_script("return document.activeElement.id") == "main"
