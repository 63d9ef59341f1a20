"""A console of two desks of lists, and people of every role."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the console needs the extra [trade]")

from fastapi.testclient import TestClient
from tests.desk.console.desks import (
    PASSWORD,
    QUICK,
    ListedDesk,
    S,
    Steady,
    a_session,
    people_of,
    served_by,
)

from tercel.api.console.connected import Desks
from tercel.api.console.people import ROLES, People
from tercel.api.console.web import bind, create_app, server_of

HERE = "http://127.0.0.1:8321"
TOKEN = "the token of metrics"


@dataclass
class Place:
    """A console with its clocks, desks and people."""

    app: Any
    desk: ListedDesk
    other: ListedDesk
    people: People
    clock: Steady
    wall: Steady
    """Seconds."""
    outside: TestClient
    served: Desks

    def client(self, name: str = "") -> TestClient:
        """A browser of its own; logged in where a name is given."""
        client = TestClient(self.app, base_url=HERE, follow_redirects=False)
        if name:
            said = client.post("/api/login", json={"name": name, "password": PASSWORD})
            assert said.status_code == 200, said.text
            client.headers["x-csrf"] = said.json()["csrf"]
        return client


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of people: one of each role by that name, two more of risk, one more admin."""
    roles = {role: role for role in ROLES} | {"bob": "risk", "cid": "risk", "eve": "admin"}
    return people_of(tmp_path_factory.mktemp("people"), **roles).path


def placed(folder: Path, made: Path) -> Place:
    """A console in a folder, which nobody has started."""
    shutil.copy(made, folder / "people.json")
    wall, clock = Steady(1e9), Steady()
    desk, other = ListedDesk(a_session()), ListedDesk([], "quiet")
    people = People(folder / "people.json", wall, QUICK)
    wall_ns: Callable[[], int] = lambda: int(wall.now * S)  # noqa: E731
    desks = served_by(folder / "desks", desk, other, now_s=clock, wall_ns=wall_ns)
    app = create_app(desks, people, clock, token=TOKEN)
    return Place(
        app,
        desk,
        other,
        people,
        clock,
        wall,
        TestClient(app, base_url=HERE, follow_redirects=False),
        desks,
    )


@pytest.fixture
def place(tmp_path: Path, made: Path) -> Iterator[Place]:
    found = placed(tmp_path, made)
    with found.outside:
        yield found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, made: Path) -> Iterator[Place]:
    """A console for tests that leave no mark on it."""
    found = placed(tmp_path_factory.mktemp("shared"), made)
    with found.outside:
        yield found


@pytest.fixture
def port(tmp_path: Path, made: Path) -> Iterator[int]:
    """The port of a console that listens."""
    with listening(placed(tmp_path, made).app) as found:
        yield found


@contextmanager
def listening(app: Any) -> Iterator[int]:
    """The port at which an application is served."""
    bound = bind(0)
    server = server_of(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
    thread.start()
    try:
        yield int(bound.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(30)
