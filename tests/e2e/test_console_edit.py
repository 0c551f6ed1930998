"""Campaigns made and changed on the page Edit, in a real browser and on a real sidecar."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from scripts.rig import ROOT, House, fetch_json, running, wait_for, write_house
from tests.e2e.browser import IN_CI, PHONE, Browser, browser, complaints, needs_browser, opened
from tests.sidecar.console import gallery

pytestmark = needs_browser
HOSTILE = '"><img src=x onerror=alert(1)></script><script>alert(1)</script>'


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = write_house(tmp_path_factory.mktemp("edited"), "http://127.0.0.1:9")
    gallery.write(house.config / "promos", ROOT / "config" / "promos", time.time())
    with running(house, "sidecar", ready="the sidecar is ready"):
        wait_for(lambda: fetch_json(f"{house.url('admin')}/v1/promos/status")["files"])
        yield house


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


def edited(driver: Browser, house: House, file: str) -> None:
    opened(driver, house, f"/console/edit/{file}")
    said(driver, "")


def said(driver: Browser, words: str) -> None:
    """Waits until the newest text was judged so."""
    verdict = "const v = document.getElementById('verdict'); return v.dataset.state === 'busy' ? '' : v.textContent"
    wait_for(lambda: (told := driver.execute_script(verdict)) and words in told, every=0.05)


def field(driver: Browser, pointer: str) -> Any:
    return driver.find_element(By.CSS_SELECTOR, f"[data-pointer='{pointer}']")


def typed(driver: Browser, pointer: str, text: str) -> None:
    place = field(driver, pointer)
    place.send_keys(Keys.CONTROL, "a")
    place.send_keys(text or Keys.DELETE)


def document(driver: Browser) -> Any:
    return json.loads(driver.execute_script("return document.getElementById('text').value"))


def reviewed(driver: Browser) -> str:
    driver.find_element(By.ID, "review").click()
    wait_for(lambda: driver.find_element(By.ID, "dialog").is_displayed(), every=0.05)
    return driver.find_element(By.ID, "dialog").text


def pressed(driver: Browser, label: str) -> None:
    [button] = [b for b in driver.find_elements(By.CSS_SELECTOR, "#dialog .button") if b.text == label]
    button.click()


def headed(driver: Browser, title: str) -> None:
    found = "return document.getElementById('dialog-title')?.textContent"
    wait_for(lambda: driver.execute_script(found) == title, every=0.05)


def published(driver: Browser, why: str = "") -> None:
    reviewed(driver)
    driver.find_element(By.ID, "why").send_keys(why)
    pressed(driver, "Publish")
    headed(driver, "It is live")


def shown(house: House, slot: str = "notices") -> list[str]:
    url = f"{house.url('admin')}/v1/promos?jurisdiction=US-NJ&language=en&device=phone"
    return [each["title"] for each in fetch_json(url)["slots"][slot]]


def on_disk(house: House, file: str) -> Any:
    return json.loads((house.config / "promos" / file).read_text())


def test_a_campaign_is_made_mended_in_place_reviewed_published_and_seen(house: House, chrome: Browser):
    opened(chrome, house, "/console/edit")
    chrome.find_element(By.LINK_TEXT, "New campaign").click()
    chrome.find_element(By.ID, "new-name").send_keys("thanks")
    Select(chrome.find_element(By.ID, "new-place")).select_by_value("notices/notice")
    chrome.find_element(By.CSS_SELECTOR, "main form button").click()
    said(chrome, "Good")
    assert not (house.config / "promos" / "thanks.json").exists()
    typed(chrome, "/promos/0/content/en/title", f"Thanks {HOSTILE}")
    typed(chrome, "/promos/0/timezone", "America/New_Yrok")
    typed(chrome, "/promos/0/priority", "2000")
    said(chrome, "2 problems")
    zone = field(chrome, "/promos/0/timezone")
    assert zone.get_attribute("aria-invalid") == "true"
    wrong = chrome.find_element(By.ID, zone.get_attribute("aria-describedby").split()[-1])
    assert wrong.text.startswith('"America/New_Yrok" is no time zone')
    lines = chrome.execute_script("return document.getElementById('text').value.split('\\n')")
    marked = [int(str(i.get_attribute("data-line"))) for i in chrome.find_elements(By.CSS_SELECTOR, "#lines i")]
    assert sorted(lines[at - 1].split('"')[1] for at in marked) == ["priority", "timezone"]
    chrome.find_element(By.ID, "review").click()
    assert chrome.execute_script("return document.activeElement.id") == "wrongs"
    [jump] = [b for b in chrome.find_elements(By.CSS_SELECTOR, ".jump") if "2000" in b.text]
    jump.click()
    assert chrome.switch_to.active_element == field(chrome, "/promos/0/priority")
    typed(chrome, "/promos/0/priority", "950")
    typed(chrome, "/promos/0/timezone", "America/New_York")
    start = (
        "const f = document.querySelector(arguments[0]); f.value = arguments[1]; f.dispatchEvent(new Event('input'))"
    )
    chrome.execute_script(start, "[data-pointer='/promos/0/start']", "2026-01-01T00:00")
    chrome.execute_script(start, "[data-pointer='/promos/0/end']", "2036-01-01T00:00")
    [chip] = chrome.find_elements(By.CSS_SELECTOR, ".chip input[value='US-NJ']")
    if not chip.is_selected():
        chip.click()
    said(chrome, "Good")
    told = reviewed(chrome)
    assert "thanks" in told
    assert 'notices shows "thanks"' in told
    chrome.find_element(By.ID, "why").send_keys("for the holiday")
    pressed(chrome, "Publish")
    headed(chrome, "It is live")
    assert shown(house)[0] == f"Thanks {HOSTILE}"
    assert on_disk(house, "thanks.json")["promos"][0]["priority"] == 950
    [latest] = fetch_json(f"{house.url('admin')}/v1/promos/history?limit=1")["records"]
    assert latest["why"] == "for the holiday"
    pressed(chrome, "See it on Now")
    wait_for(lambda: HOSTILE in chrome.execute_script("return document.body.textContent"), every=0.05)
    chrome.get(f"{house.url('admin')}/console/edit")
    assert HOSTILE in chrome.find_element(By.TAG_NAME, "main").text
    assert complaints(chrome) == []


def test_form_and_text_are_one_document_and_nothing_else_of_it_changes(house: House, chrome: Browser):
    edited(chrome, house, "carousel.json#promo-parlay")
    before = document(chrome)
    typed(chrome, "/promos/2/content/en/title", HOSTILE)
    more = chrome.find_element(By.CSS_SELECTOR, ".promo[open] .chip input[value='vip']")
    chrome.execute_script("arguments[0].click()", more)
    after = document(chrome)
    assert after["promos"][2]["content"]["en"].pop("title") == HOSTILE
    assert after["promos"][2]["audience"].pop("segments") == ["vip"]
    assert before["promos"][2]["content"]["en"].pop("title") == "Parlay insurance"
    assert json.dumps(after) == json.dumps(before)
    area = chrome.find_element(By.ID, "text")
    area.send_keys(Keys.CONTROL, Keys.HOME)
    area.send_keys("{")
    said(chrome, "1 problem")
    assert not field(chrome, "/promos/2/content/en/title").is_enabled()
    area.send_keys(Keys.BACKSPACE)
    said(chrome, "Good, 2 changes")
    wait_for(lambda: field(chrome, "/promos/2/content/en/title").is_enabled(), every=0.05)
    assert field(chrome, "/promos/2/content/en/title").get_attribute("value") == HOSTILE
    told = reviewed(chrome)
    assert HOSTILE in told
    pressed(chrome, "Cancel")
    chrome.find_element(By.ID, "discard").click()
    said(chrome, "No changes")
    assert complaints(chrome) == []


def test_a_draft_survives_a_reload_and_is_seen_in_the_preview(house: House, chrome: Browser):
    edited(chrome, house, "football.json#promo-big-sunday")
    typed(chrome, "/promos/0/content/en/title", f"Draft {HOSTILE}")
    said(chrome, "Good, 1 change")
    chrome.refresh()
    said(chrome, "Good, 1 change")
    assert "unsaved draft" in chrome.find_element(By.ID, "notices").text
    assert field(chrome, "/promos/0/content/en/title").get_attribute("value") == f"Draft {HOSTILE}"
    opened(chrome, house, "/console/preview?draft=football.json&jurisdiction=US-NJ")
    heroes = "return [...document.querySelectorAll('.home-hero h4')].map((h) => h.textContent)"
    both = ["Big Sunday of football", f"Draft {HOSTILE}"]
    wait_for(lambda: chrome.execute_script(heroes) == both, every=0.05)
    now = "return document.querySelector('.travel-now strong').textContent"
    before = chrome.execute_script(now)
    chrome.find_element(By.ID, "slider").send_keys(Keys.ARROW_RIGHT)
    wait_for(lambda: chrome.execute_script(now) != before, every=0.05)
    assert chrome.execute_script("return document.querySelectorAll('.stage h2')[1].textContent") == "With your draft"
    assert "draft=football.json" in chrome.current_url
    assert complaints(chrome) == []
    edited(chrome, house, "football.json")
    chrome.find_element(By.ID, "discard").click()
    said(chrome, "No changes")


def test_who_was_slower_sees_both_versions_and_chooses(house: House, chrome: Browser):
    edited(chrome, house, "football.json#promo-big-sunday")
    typed(chrome, "/promos/0/content/en/title", "Mine")
    said(chrome, "Good, 1 change")
    told = reviewed(chrome)
    assert "Mine" in told
    theirs = on_disk(house, "football.json")["promos"]
    theirs[0]["content"]["en"]["title"] = f"Theirs {HOSTILE}"
    gallery.save(house.config / "promos" / "football.json", theirs)
    pressed(chrome, "Publish")
    headed(chrome, "Changed by somebody else meanwhile")
    left, right = (
        [cell.text for cell in chrome.find_elements(By.CSS_SELECTOR, f".versions .{side}")]
        for side in ("gone", "come")
    )
    assert [line.split(": ", 1)[1] for line in left] == [json.dumps(f"Theirs {HOSTILE}") + ","]
    assert [line.strip() for line in right] == ['"title": "Mine",']
    assert on_disk(house, "football.json")["promos"][0]["content"]["en"]["title"] == f"Theirs {HOSTILE}"
    pressed(chrome, "Go on with mine, over theirs")
    headed(chrome, "Review and publish")
    assert f"Theirs {HOSTILE}" in chrome.find_element(By.ID, "content-diff").text
    pressed(chrome, "Publish")
    headed(chrome, "It is live")
    assert shown(house, "hero") == ["Mine"]
    assert all("status of 412" in each for each in complaints(chrome))


SLOW = """
const asked = window.fetch;
let first = true;
window.late = false;
window.fetch = async (target, told) => {
  if (!String(target).endsWith("/check") || !first) return asked(target, told);
  first = false;
  const answer = await asked(target, { ...told, signal: undefined });
  const said = await answer.json();
  await new Promise((over) => { window.tell = over; });
  setTimeout(() => { window.late = true; }, 50);
  return new Response(JSON.stringify(said));
};
"""


def test_an_answer_that_comes_late_does_not_win(house: House, chrome: Browser):
    edited(chrome, house, "notices.json#promo-limits")
    chrome.execute_script(SLOW)
    typed(chrome, "/promos/0/timezone", "Nowhere")
    wait_for(lambda: chrome.execute_script("return Boolean(window.tell)"), every=0.05)
    typed(chrome, "/promos/0/timezone", "America/Chicago")
    said(chrome, "Good, 1 change")
    chrome.execute_script("window.tell()")
    wait_for(lambda: chrome.execute_script("return window.late"), every=0.05)
    said(chrome, "Good, 1 change")
    assert field(chrome, "/promos/0/timezone").get_attribute("aria-invalid") is None
    chrome.find_element(By.ID, "discard").click()
    said(chrome, "No changes")


def test_by_the_keyboard_alone(house: House, chrome: Browser):
    edited(chrome, house, "notices.json")

    def focused() -> str:
        return str(chrome.execute_script("const a = document.activeElement; return a.id || a.textContent.trim()"))

    def tab_to(name: str) -> None:
        for _ in range(80):
            if focused() == name:
                return
            chrome.switch_to.active_element.send_keys(Keys.TAB)
        raise AssertionError(f"{name} cannot be reached; at {focused()}")

    tab_to("text")
    area = chrome.switch_to.active_element
    before = document(chrome)
    area.send_keys(Keys.CONTROL, Keys.HOME)
    area.send_keys(Keys.TAB)
    assert chrome.execute_script("return document.getElementById('text').value").startswith("  {")
    assert document(chrome) == before
    assert focused() == "text"
    area.send_keys(Keys.ESCAPE)
    area.send_keys(Keys.TAB)
    assert focused() != "text"
    chrome.execute_script("document.getElementById('main').focus()")
    tab_to("review")
    chrome.switch_to.active_element.send_keys(Keys.ENTER)
    headed(chrome, "Review and publish")
    assert "Only how it is written" in chrome.find_element(By.ID, "dialog").text
    assert focused() == "dialog-title"
    tab_to("Publish")
    chrome.switch_to.active_element.send_keys(Keys.ENTER)
    headed(chrome, "It is live")
    chrome.switch_to.active_element.send_keys(Keys.ESCAPE)
    wait_for(lambda: not chrome.find_element(By.ID, "dialog").is_displayed(), every=0.05)
    assert (house.config / "promos" / "notices.json").read_text().startswith("  {")
    assert complaints(chrome) == []


def test_a_file_is_removed_and_what_takes_much_away_is_confirmed(house: House, chrome: Browser):
    edited(chrome, house, "boosts.json")
    chrome.find_element(By.ID, "remove").click()
    headed(chrome, "Remove boosts.json?")
    assert "owls-win" in chrome.find_element(By.ID, "content-diff").text
    pressed(chrome, "Remove the file")
    headed(chrome, "Waits to be confirmed")
    pressed(chrome, "It is meant: confirm")
    headed(chrome, "It is removed")
    wait_for(
        lambda: "boosts.json" not in json.dumps(fetch_json(f"{house.url('admin')}/v1/promos/status")["files"]), 5
    )
    assert complaints(chrome) == []


def test_on_a_phone_one_of_both_is_seen_and_it_fits(house: House, tmp_path: Path):
    with browser(tmp_path, PHONE, dark=True) as driver:
        for target in ("", "/new", "/carousel.json#promo-hoops", "/compliance/GB.json"):
            opened(driver, house, f"/console/edit{target}")
            assert driver.execute_script("return document.documentElement.scrollWidth") <= PHONE[0]
        edited(driver, house, "carousel.json#promo-hoops")
        form, text = driver.find_element(By.ID, "form"), driver.find_element(By.ID, "text")
        assert (form.is_displayed(), text.is_displayed()) == (True, False)
        driver.find_element(By.CSS_SELECTOR, "[data-show=text]").click()
        assert (form.is_displayed(), text.is_displayed()) == (False, True)
        assert complaints(driver) == []


def test_who_is_unknown_is_asked_to_sign_in_and_loses_nothing(house: House, chrome: Browser):
    edited(chrome, house, "carousel.json#promo-hoops")
    mine = token(house, "token", "ops-1").splitlines()[0]
    try:
        typed(chrome, "/promos/0/content/en/title", "Unsigned")
        said(chrome, "Not checked: a token is asked for")
        chrome.refresh()
        wait_for(lambda: chrome.find_elements(By.ID, "token"))
        chrome.find_element(By.ID, "token").send_keys(mine, Keys.ENTER)
        wait_for(lambda: chrome.find_elements(By.ID, "verdict"))
        said(chrome, "Good, 1 change")
        assert document(chrome)["promos"][0]["content"]["en"]["title"] == "Unsigned"
    finally:
        (house.folder / "var" / "promos" / "tokens.json").unlink()
    assert all("status of 401" in each for each in complaints(chrome))


def token(house: House, *words: str) -> str:
    line, env = house.command("promos", *words), house.environment()
    return subprocess.run(line, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=True).stdout


MIRROR = ROOT / "var" / "console" / "codemirror.js"
NO_MIRROR = "CodeMirror is not installed: `scripts/codemirror`"
CONTENT = "const c = document.getElementById('code').firstChild.shadowRoot; "


@pytest.mark.skipif(not IN_CI and not MIRROR.exists(), reason=NO_MIRROR)
def test_codemirror_takes_the_place_of_the_plain_text_under_the_same_policy(tmp_path: Path, chrome: Browser):
    assert MIRROR.exists(), NO_MIRROR
    house = write_house(tmp_path, "http://127.0.0.1:9")
    gallery.write(house.config / "promos", ROOT / "config" / "promos", time.time())
    (tmp_path / "var" / "console").mkdir(parents=True)
    shutil.copy(MIRROR, tmp_path / "var" / "console")
    with running(house, "sidecar", ready="the sidecar is ready"):
        wait_for(lambda: fetch_json(f"{house.url('admin')}/v1/promos/status")["files"])
        edited(chrome, house, "notices.json#promo-limits")
        assert chrome.execute_script(CONTENT + "return c.adoptedStyleSheets.length") > 0
        typed(chrome, "/promos/0/priority", "5000")
        said(chrome, "1 problem")
        [jump] = chrome.find_elements(By.CSS_SELECTOR, ".jump-line")
        jump.click()
        wait_for(
            lambda: chrome.execute_script(CONTENT + "return !!c.querySelector('.cm-lint-marker-error')"), 5, 0.05
        )
        focused = chrome.execute_script(CONTENT + "return c.activeElement.className")
        assert "cm-content" in focused
        content = chrome.execute_script(CONTENT + "return c.activeElement")
        content.send_keys(Keys.CONTROL, Keys.HOME)
        content.send_keys("[")
        wait_for(lambda: not field(chrome, "/promos/0/priority").is_enabled(), every=0.05)
        content.send_keys(Keys.CONTROL, "z")
        typed_back = "return document.querySelector('.form-pane').classList.contains('off')"
        wait_for(lambda: not chrome.execute_script(typed_back), every=0.05)
        typed(chrome, "/promos/0/priority", "100")
        said(chrome, "Good")
        assert "priority" in chrome.execute_script(CONTENT + "return c.textContent")
        assert complaints(chrome) == []
