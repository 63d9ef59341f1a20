"""Hands and eyes at the page: log in, go to a screen, read, press, fill in, take a picture."""

from functools import partial
from pathlib import Path
from typing import Any

from tests.waiting import until as waits

until = partial(waits, seconds=60)
PAINTED = (
    "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()))"
)


def log_in(page: Any, address: str, role: str = "admin") -> None:
    """Come in as somebody of a role."""
    page.get(address)
    until(lambda: page.find_elements("id", "name"), what="the way in")
    page.find_element("id", "name").send_keys(role)
    page.find_element("id", "password").send_keys("eight or more")
    page.find_element("css selector", "form button").click()
    until(lambda: page.find_elements("css selector", "main h2"), what="the page")


def show(page: Any, hash_: str) -> None:
    """Go to a screen, and wait until nothing of it is still loading."""
    page.execute_script("location.hash = arguments[0]", hash_)
    until(
        lambda: (
            page.execute_script("return location.hash") == hash_
            and page.find_elements("css selector", "main section")
            and not page.find_elements("css selector", ".loading")
        ),
        what=hash_,
    )
    page.execute_async_script(PAINTED)


def look(page: Any, width: int, scheme: str, height: int = 900) -> None:
    """A window of some pixels, and what colours the reader's system asks for."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )


def picture(page: Any, path: Path, whole: bool = True) -> None:
    """Save what the page looks like, down to its end."""
    from io import BytesIO

    from PIL import Image

    if whole:
        size = page.execute_script(
            "return [innerWidth, Math.min(document.documentElement.scrollHeight, 4000)]"
        )
        metrics = {
            "width": size[0],
            "height": max(size[1], 800),
            "deviceScaleFactor": 1,
            "mobile": False,
        }
        page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    page.execute_async_script(PAINTED)
    shot = Image.open(BytesIO(page.get_screenshot_as_png())).convert("RGB")
    shot.quantize(192, dither=Image.Dither.NONE).save(path, optimize=True)


def text(page: Any, selector: str = "body") -> str:
    """What stands there, now."""
    found = (
        "return [...document.querySelectorAll(arguments[0])].map((e) => e.innerText).join('\\n')"
    )
    return str(page.execute_script(found, selector))


def press(page: Any, name: str, within: str = "body") -> None:
    """Press the button or link of a name, once it is there."""
    script = """
        const named = (e) => (e.getAttribute("aria-label") || e.innerText).trim() === arguments[1];
        const found = [...document.querySelectorAll(arguments[0] + " button, " + arguments[0] + " a")].find(named);
        if (found && !found.disabled) found.click();
        return Boolean(found && !found.disabled);"""
    until(lambda: page.execute_script(script, within, name), what=f"a button {name}")


def say(page: Any, label: str, what: str, within: str = "dialog") -> None:
    """Fill the field of a label in, once it is there."""
    script = """
        const labels = [...document.querySelectorAll(`${arguments[0]} label`)];
        return labels.find((l) => l.innerText.startsWith(arguments[1]))?.control;"""
    until(lambda: page.execute_script(script, within, label), what=f"a field {label}")
    field = page.execute_script(script, within, label)
    field.clear()
    field.send_keys(what)


def answered(page: Any, what: str) -> None:
    until(lambda: what in text(page, "#notes"), what=f"the answer {what}: {text(page, '#notes')}")
