"""Pictures of every screen of the page, to be looked at: three widths, light and dark, of a pretended console.

python -m tests.desk.console.shots build/shots             # all of them
python -m tests.desk.console.shots build/shots overview    # one screen
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
from tests.desk.console.hands import log_in, look, picture, show
from tests.desk.console.pretended import create_app
from tests.desk.console.pretended_page import START
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


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The address of an application on a port of its own."""
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="critical", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started, what="a server")
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join(timeout=5)


def main(folder: Path, only: list[str]) -> None:
    """All pictures, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory() as profile,
        serving(create_app()) as address,
        chromium(Path(profile)) as page,
    ):
        log_in(page, address)
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
