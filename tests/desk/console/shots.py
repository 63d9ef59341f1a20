"""Pictures of every screen of the page, to be looked at: three widths, light and dark, of a pretended console.

python -m tests.desk.console.shots build/shots             # all of them
python -m tests.desk.console.shots build/shots overview    # one screen
python -m tests.desk.console.shots docs/screenshots docs   # those of the documentation
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import uvicorn
from tests.desk.console.browser import chromium
from tests.desk.console.pretended import START, create_app
from tests.waiting import until

SCREENS = {
    "overview": "#/overview?desk=today",
    "agent": "#/agent/today/ppo?desk=today",
    "orders": "#/orders?desk=today",
    "market": "#/market/CSCO?desk=today",
    "risk": "#/risk?desk=today",
    "forecasts": "#/forecasts?desk=today",
    "alerts": "#/alerts?desk=today",
    "people": "#/people?desk=today",
    "journal": "#/journal?desk=today",
    "past": f"#/market/CSCO?desk=today&at={START['today'] + 45 * 60 * 10**9}",
    "killed": "#/risk?desk=drill",
}
"""The page's screens, by their addresses."""
WIDTHS = {400: 860, 1280: 900, 2560: 1440}
PAINTED = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done()))"


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The address of an application on a port of its own."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started, what="a server")
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join(timeout=5)


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
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )


def picture(page: Any, path: Path, whole: bool = True) -> None:
    """Save what the page looks like, down to its end."""
    from io import BytesIO

    from PIL import Image

    if whole:
        size = page.execute_script("return [innerWidth, Math.min(document.documentElement.scrollHeight, 4000)]")
        metrics = {"width": size[0], "height": max(size[1], 800), "deviceScaleFactor": 1, "mobile": False}
        page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    page.execute_async_script(PAINTED)
    shot = Image.open(BytesIO(page.get_screenshot_as_png())).convert("RGB")
    shot.quantize(192, dither=Image.Dither.NONE).save(path, optimize=True)


def documented(page: Any, folder: Path) -> None:
    """The pictures of the documentation."""
    for name, screen, width, height, scheme in (
        ("console", "overview", 1280, 1000, "light"),
        ("console-market", "market", 1280, 1000, "light"),
        ("console-dark", "agent", 1280, 1000, "dark"),
        ("console-narrow", "orders", 400, 860, "light"),
        ("console-past", "past", 1280, 900, "light"),
        ("killed", "killed", 1280, 620, "light"),
    ):
        look(page, width, scheme, height)
        show(page, SCREENS[screen])
        page.execute_script("scrollTo(0, 0)")
        picture(page, folder / f"{name}.png", whole=False)


def main(folder: Path, only: list[str]) -> None:
    """All pictures, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as profile, serving(create_app()) as address, chromium(Path(profile)) as page:
        log_in(page, address)
        if only == ["docs"]:
            documented(page, folder)
            return
        for width, height in WIDTHS.items():
            for scheme in ("light", "dark"):
                for name, hash_ in SCREENS.items():
                    if only and name not in only:
                        continue
                    look(page, width, scheme, height)
                    show(page, hash_)
                    picture(page, folder / f"{name}-{width}-{scheme}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
