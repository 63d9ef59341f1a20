"""A console of two desks of lists, and people of every role."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
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
from tercel.api.console.people import People
from tercel.api.console.roles import ROLES
from tercel.api.console.sessions import Sessions
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
    inside: dict[str, TestClient] = field(default_factory=dict)
    """Browsers of people who are in."""

    def client(self, name: str = "") -> TestClient:
        """A browser of its own; logged in where a name is given."""
        client = TestClient(self.app, base_url=HERE, follow_redirects=False)
        if name:
            said = client.post("/api/login", json={"name": name, "password": PASSWORD})
            assert said.status_code == 200, said.text
            client.headers["x-csrf"] = said.json()["csrf"]
        return client

    def of(self, name: str) -> TestClient:
        """A person's browser, the same each time."""
        if name not in self.inside:
            self.inside[name] = self.client(name)
        return self.inside[name]

    def post(self, name: str, path: str, status: int = 200, /, **body: Any) -> Any:
        """What a person is told who asks for something at the desk `test desk`, because of news."""
        asked = {"desk": "test desk", "reason": "news", **body}
        said = self.of(name).post(f"/api/{path}", json=asked)
        assert said.status_code == status, (path, said.status_code, said.text)
        return said.json()

    def get(self, path: str, name: str = "viewer", status: int = 200) -> Any:
        """What a person is shown."""
        said = self.of(name).get(f"/api/{path}")
        assert said.status_code == status, (path, said.status_code, said.text)
        return said.json()

    @property
    def state(self) -> Any:
        """The page of the desk `test desk`."""
        return self.get("desks/test desk/state")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of people: one of each role by that name, two more of risk, one more admin."""
    roles = {role: role for role in ROLES} | {"bob": "risk", "cid": "risk", "eve": "admin"}
    return people_of(tmp_path_factory.mktemp("people"), **roles).path


class Console:
    """An application for one place after another: to make one takes a hundred times what a test asks of it."""

    def __init__(self) -> None:
        self.desks, self.clock = Desks(), Steady()
        self.people = People(Path(), self.clock, QUICK)
        self.app = create_app(self.desks, self.people, self.clock, token=TOKEN)

    def placed(self, folder: Path, made: Path) -> Place:
        """Its desks, people, sessions and clocks as at the beginning, in a folder; nobody has started it."""
        shutil.copy(made, folder / "people.json")
        wall, sessions = Steady(1e9), self.app.state.sessions
        desk, other = ListedDesk(a_session()), ListedDesk([], "quiet")
        wall_ns: Callable[[], int] = lambda: int(wall.now * S)  # noqa: E731
        self.clock.now = 0.0
        vars(self.people).clear()
        People.__init__(self.people, folder / "people.json", wall, QUICK)
        vars(sessions).clear()
        Sessions.__init__(sessions, self.people, self.clock)
        self.desks.clear()
        self.desks |= served_by(folder / "desks", desk, other, now_s=self.clock, wall_ns=wall_ns)
        outside = TestClient(self.app, base_url=HERE, follow_redirects=False)
        return Place(self.app, desk, other, self.people, self.clock, wall, outside, self.desks)


@cache
def console(of: str = "a test") -> Console:
    """The application of places that are there in turn: those of single tests, those that a module shares."""
    return Console()


def placed(folder: Path, made: Path, of: str = "a test") -> Place:
    """A console in a folder, which nobody has started; the one before is none any more."""
    return console(of).placed(folder, made)


@pytest.fixture
def place(tmp_path: Path, made: Path) -> Iterator[Place]:
    found = placed(tmp_path, made)
    with found.outside:
        yield found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, made: Path) -> Iterator[Place]:
    """A console for tests that leave no mark on it."""
    found = placed(tmp_path_factory.mktemp("shared"), made, "a module")
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
