"""The system's own browser, without a screen; its complaints count as failures."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

from scripts.rig import House, wait_for

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
MISSING = "no browser here: `apt-get install chromium chromium-driver`, or Chrome with its chromedriver"
IN_CI = bool(os.environ.get("CI"))
"""There `.ci/run` has installed what the tests need: what is missing fails instead of being skipped."""
needs_browser = pytest.mark.skipif(not IN_CI and (BROWSER is None or DRIVER is None), reason=MISSING)
DESKTOP, PHONE = (1280, 900), (360, 780)
type Browser = webdriver.Chrome
# Before a page's own scripts, so that none of its violations is missed.
_LISTEN = """
window.violations = [];
addEventListener("securitypolicyviolation", (e) => violations.push(e.violatedDirective + " " + e.blockedURI));
"""


@contextmanager
def browser(profile: Path, size: tuple[int, int] = DESKTOP, *, dark: bool = False) -> Iterator[Browser]:
    assert BROWSER, MISSING
    assert DRIVER, MISSING
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    # Containers have no user namespaces for the sandbox and little shared memory.
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-proxy-server"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={profile}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        width, height = size
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Europe/London"})
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": _LISTEN})
        yield driver
    finally:
        driver.quit()


def complaints(driver: Browser) -> list[str]:
    """Of the page that is open: violations of its policy, and what its console has logged since the last call."""
    logged = [f"{each['level']}: {each['message']}" for each in driver.get_log("browser")]
    return [*driver.execute_script("return window.violations"), *logged]


def opened(driver: Browser, house: House, target: str) -> None:
    """A page of the console, once it follows what is live."""
    driver.get(f"{house.url('admin')}{target}")
    wait_for(lambda: driver.find_element(By.ID, "live").get_attribute("data-state") == "live")
