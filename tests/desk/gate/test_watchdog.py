"""The watchdog: what it does when the gate is silent, has no link, comes back; and what its login may do."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from tests import forked
from tests.desk.gate.wall import RealTime, exchange, turning
from tests.waiting import until

from exchange.fix.counterparties import Login
from exchange.fix.server import FixServer, serve_fix
from tercel.core.errors import ConfigError, VenueError
from tercel.core.orders import LinkStatus, MassCancel, NewOrder, Report, Tif
from tercel.core.pace import Pace
from tercel.desk.gate import opening, process
from tercel.desk.gate.config import read_config
from tercel.desk.gate.opening import run_watchdog
from tercel.desk.gate.process import FOLDER, GatedVenue, connect_venue, gate_text
from tercel.desk.gate.watchdog import LOCK, Watchdog, watch
from tercel.fix.opening import open_fix_venue
from tercel.venues.wire import frames


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gates and watchdogs are started without imports."""
    for module in (process, opening):
        monkeypatch.setattr(module, "subprocess", forked)


class Recorder:
    """A venue that remembers what was cancelled."""

    def __init__(self, fails: bool = False) -> None:
        self.now_ns, self.cancelled, self.closed, self._fails = 0, list[str](), False, fails

    def send(self, command: MassCancel) -> None:
        if self._fails:
            raise VenueError("a link", "none", "wait")
        self.cancelled.append(command.account)

    def poll(self, seconds: float = 0.0) -> bool:
        return False

    def step(self, until_ns: int) -> list[Report]:
        return []

    def close(self) -> None:
        self.closed = True


class TalkingGate:
    """A gate's socket that answers as it is told to, or not at all."""

    def __init__(self, path: Path) -> None:
        self.says: bool | None = True
        self.asked = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                found, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(found,), daemon=True).start()

    def _talk(self, found: socket.socket) -> None:
        reader = frames.FrameReader()
        with found:
            while data := found.recv(1 << 12):
                for _ in reader.feed(data):
                    self.asked += 1
                    if self.says is not None:
                        found.sendall(frames.pack({"said": "alive", "up": self.says}))

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def talking(tmp_path: Path) -> Iterator[TalkingGate]:
    gate = TalkingGate(tmp_path / "g")
    yield gate
    gate.close()


@pytest.mark.parametrize("silence", [None, False])
def test_a_gate_that_is_silent_or_has_no_link_has_its_orders_cancelled_until_it_is_back(
    talking: TalkingGate, tmp_path: Path, silence: bool | None
) -> None:
    made: list[Recorder] = []

    def log_on() -> Recorder:
        made.append(Recorder())
        return made[-1]

    with turning(Watchdog(str(tmp_path / "g"), ("ann", "bob"), log_on, 0.3).watch):
        until(lambda: talking.asked > 2, what="a watchdog that asks")
        assert not made
        talking.says = silence
        until(
            lambda: made and made[0].cancelled[:4] == ["ann", "bob", "ann", "bob"],
            what="cancels, and cancels again",
        )
        talking.says = True
        until(lambda: made[0].closed, what="a watchdog that stands down")
    assert len(made) == 1


def test_a_venue_that_cannot_be_reached_is_tried_again(tmp_path: Path) -> None:
    said, made, tried = list[str](), list[Recorder](), count()

    def log_on() -> Recorder:
        if next(tried) < 3:
            raise VenueError("a logon", "none", "wait")
        made.append(Recorder(fails=len(made) == 0))
        return made[-1]

    with turning(Watchdog(str(tmp_path / "none"), ("ann",), log_on, 0.1, said.append).watch):
        until(lambda: len(made) == 2 and made[1].cancelled, what="cancels by a second link")
    assert sum("cannot cancel" in text for text in said) == 2, "once for each reason"


def file_of(folder: Path, venue: str, watchdog: str) -> Path:
    """A gate's file that has a watchdog."""
    file, text = folder / "gate.toml", gate_text({"venue": venue, "accounts": ["ann"]})
    file.write_text(f"{text}[gate.watchdog]\n{watchdog}\n")
    return file


def served(store: Path) -> FixServer:
    logins = [Login("DESK"), Login("RISK", risk=True)]
    return serve_fix(exchange(), 0, logins, store=store, pace=Pace(RealTime(), 10.0))


def test_a_risk_login_cancels_for_others_and_gives_no_orders(tmp_path: Path) -> None:
    with (
        served(tmp_path / "s") as server,
        open_fix_venue("127.0.0.1", server.port, "DESK") as desk,
        open_fix_venue("127.0.0.1", server.port, "RISK") as risk,
    ):
        desk.send(NewOrder("a", "X", 1, 5, 1, Tif.DAY, "ann", "", desk.now_ns))
        heard: list[object] = []
        until(
            lambda: heard.extend(desk.step(desk.now_ns)) or _status(heard, "new"),
            what="an order that works",
        )
        risk.send(NewOrder("b", "X", 1, 5, 1, Tif.DAY, "bob", "", risk.now_ns))
        refused: list[object] = []
        until(
            lambda: refused.extend(risk.step(risk.now_ns)) or _status(refused, "rejected"),
            what="a refusal",
        )
        risk.send(MassCancel("c", "ann", "", risk.now_ns))
        until(
            lambda: heard.extend(desk.step(desk.now_ns)) or _status(heard, "canceled"),
            what="its end",
        )


def _status(heard: list[object], status: str) -> bool:
    return any(isinstance(event, Report) and event.status == status for event in heard)


def test_a_watchdog_is_for_a_venue_over_fix(tmp_path: Path) -> None:
    file = file_of(tmp_path, "gate:/elsewhere.sock", 'comp_id = "R"')
    with pytest.raises(ConfigError, match="fix"):
        read_config(file)


@pytest.mark.parametrize(
    "new", [False, pytest.param(True, marks=pytest.mark.long)]
)  # in a new interpreter
def test_one_watchdog_in_a_folder_goes_its_own_way_and_ends_with_an_orderly_gate(
    new: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if not new:
        request.getfixturevalue("quick")
    with served(tmp_path / "s") as server:
        (tmp_path / "own.toml").write_text(
            f'base = "tercel"\n[session]\nhost = "127.0.0.1"\nport = {server.port}\n'
        )
        told = 'comp_id = "RISK"\nprofile = "own.toml"\nsilence_s = 0.2'
        file = file_of(tmp_path, f"fix://DESK@127.0.0.1:{server.port}", told)
        config = read_config(file)
        with run_watchdog(file, config, lambda: True):
            until(
                lambda: (tmp_path / LOCK).exists() and (tmp_path / LOCK).read_text(),
                what="a watchdog",
            )
            watch(
                config, tmp_path, lambda: False, lambda text: None
            )  # returns at once: another watches
            until(lambda: "RISK" in server.linked, what="its logon, as no gate answers")
        until(lambda: "RISK" not in server.linked, what="its end")


def test_a_gate_whose_watchdog_has_no_profile_is_not_served(tmp_path: Path) -> None:
    told = 'comp_id = "RISK"\nprofile = "missing.toml"'
    file = file_of(tmp_path, "fix://DESK@127.0.0.1:9878", told)
    with (
        pytest.raises(ConfigError, match=r"missing\.toml"),
        run_watchdog(file, read_config(file), lambda: True),
    ):
        pytest.fail("it was served")
    assert [one.name for one in tmp_path.iterdir()] == ["gate.toml"]


@pytest.mark.usefixtures("quick")
def test_a_desk_starts_its_own_gate_again_when_it_was_killed(tmp_path: Path) -> None:
    with served(tmp_path / "s") as server, ExitStack() as opening:
        latch = tmp_path / "kill.json"
        venue = connect_venue(
            f"fix://DESK@127.0.0.1:{server.port}", ["ann"], tmp_path / "desk", None, latch, opening
        )
        assert isinstance(venue, GatedVenue)
        opening.callback(venue.close)
        first = process_at(tmp_path)
        os.kill(first, signal.SIGKILL)
        lost: list[object] = []
        until(lambda: lost.extend(venue.step(venue.now_ns + 1)) or lost, what="a link that breaks")
        assert [event.up for event in lost if isinstance(event, LinkStatus)] == [False]
        until(lambda: is_back(venue), what="a gate that is started again")
        assert process_at(tmp_path) != first
        assert venue.up
        assert venue.positions("ann") == {}


def is_back(venue: GatedVenue) -> bool:
    try:
        venue.reconnect()
    except VenueError:  # it has not wholly died yet
        return False
    return True


def process_at(folder: Path) -> int:
    """The number of the gate's process, which holds its journal."""
    return int((folder / "desk" / FOLDER / "desk.lock").read_text().split()[1])
