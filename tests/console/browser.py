"""A real Chromium, headless, driven over its own protocol; absent, tests are skipped unless they are required."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def chromium(folder: Path) -> Iterator[Any]:
    """A browser with an empty profile; closed at the end."""
    wanted = os.environ.get("TERCEL_REQUIRE_BROWSER") == "1"
    browser, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
    try:
        from selenium import webdriver
    except ImportError:
        webdriver = None
    if browser is None or driver is None or webdriver is None:
        missing = (
            "no chromium, chromedriver or selenium: apt-get install chromium chromium-driver; pip install selenium"
        )
        if wanted:
            pytest.fail(missing)
        pytest.skip(missing)
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in (
        *("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "no-first-run", "disable-sync"),
        *("disable-background-networking", "disable-component-update", "window-size=1500,1500"),
        f"user-data-dir={folder / 'profile'}",
    ):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(executable_path=driver)
    page = webdriver.Chrome(options=options, service=service)
    try:
        yield page
    finally:
        page.quit()
