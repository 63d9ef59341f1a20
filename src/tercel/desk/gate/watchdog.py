"""Watchdog of a gate: a second process that logs on at the venue and cancels open orders when the gate is silent.

It is for venues that do not cancel on disconnect, and for the case in which the gate lives and its link does not. Its
login at the venue is one that may cancel the orders of others; it gives none.
"""

import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tercel.core.errors import VenueError
from tercel.core.locks import file_lock
from tercel.core.orders import MassCancel
from tercel.desk.gate.config import GateConfig, WatchdogTerms
from tercel.venues.address import VenueAddress, connect, parse_address, profile_near
from tercel.venues.wire import frames

if TYPE_CHECKING:
    from tercel.fix.client import FixVenue

LOCK: Final = "watchdog.lock"
"""Held by the one watchdog of a folder; it contains the process number."""
PING_S: Final = 0.25
"""Seconds between two pings of the gate."""
CANCEL_AGAIN_S: Final = 0.5
"""Seconds between two cancels of the same account: an order may have been on its way."""
GIVE_UP_S: Final = 30.0
"""Seconds of a gate's silence after which the watchdog ends."""
_CHUNK: Final = 1 << 16


class Watchdog:
    """Pings a gate, and cancels its open orders when it does not answer.

    Parameters
    ----------
    gate : str
        Path of the gate's socket.
    accounts : sequence of str
        Whose orders it cancels.
    log_on : callable
        A session with the venue, of a login that may cancel others' orders.
    silence_s : float
        Longest time, s, without an answer of the gate, or without a link between the gate and the venue.
    say : callable
        Given what it did, for people.
    """

    def __init__(
        self,
        gate: str,
        accounts: Sequence[str],
        log_on: Callable[[], "FixVenue"],
        silence_s: float,
        say: Callable[[str], object] = lambda text: None,
    ) -> None:
        self._gate = gate
        self._accounts = tuple(accounts)
        self._log_on = log_on
        self._silence_s = silence_s
        self._say = say
        self._numbers = count(1)
        self._mark = f"{time.time_ns():x}"
        self._reader = frames.FrameReader()
        self._socket: socket.socket | None = None
        self._venue: FixVenue | None = None
        self._cancelled_s = 0.0
        self._failure = ""

    def watch(self, stop: Callable[[], bool]) -> None:
        """Ping the gate and cancel its orders while it is silent, until `stop()` or a silence of `GIVE_UP_S`."""
        heard_s = time.monotonic()
        try:
            while not stop():
                began_s = time.monotonic()
                if self._is_alive():
                    heard_s = time.monotonic()
                    self._disconnect_venue()
                elif began_s - heard_s > GIVE_UP_S:
                    outcome = (
                        f"its orders were NOT cancelled: {self._failure}"
                        if self._failure
                        else "its orders were cancelled"
                    )
                    self._say(f"no gate for {GIVE_UP_S:g} s: {outcome}; the watch ends")
                    return
                elif began_s - heard_s >= self._silence_s:
                    self._cancel()
                time.sleep(max(0.0, began_s + PING_S - time.monotonic()))
        finally:
            self._disconnect_venue()
            self._disconnect_gate()

    def _is_alive(self) -> bool:
        """Whether the gate answers a ping in time and has a link to the venue; connects to its socket if need be."""
        try:
            if self._socket is None:
                self._socket = frames.connect(self._gate, PING_S)
                self._reader = frames.FrameReader()
            self._socket.sendall(frames.pack({"do": "alive"}))
            return self._wait_for_answer(self._socket)
        except (VenueError, OSError):
            self._disconnect_gate()
            return False

    def _wait_for_answer(self, link: socket.socket) -> bool:
        """Whether the gate answers a ping in time, and says that its link to the venue is up."""
        until = time.monotonic() + PING_S
        while time.monotonic() < until:
            data = link.recv(_CHUNK)
            if not data:
                raise VenueError("a gate", "one that is gone", "start it again")
            for kind, body in self._reader.feed(data):
                fields = frames.fields_of(body) if kind == frames.JSON else {}
                if fields.get("said") == "alive":
                    return fields.get("up") is True
        return False

    def _disconnect_gate(self) -> None:
        """Close the socket to the gate."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _cancel(self) -> None:
        """Log on at the venue if need be and send mass cancels for all accounts, every `CANCEL_AGAIN_S`; failures are
        said, not raised."""
        try:
            if self._venue is None:
                if not self._failure:
                    self._say("the gate is silent, or has no link: cancelling open orders")
                self._venue = self._log_on()
                self._cancelled_s = 0.0
            if time.monotonic() - self._cancelled_s >= CANCEL_AGAIN_S:
                self._cancelled_s = time.monotonic()
                for account in self._accounts:
                    name = f"~w{self._mark}.{next(self._numbers)}"
                    self._venue.send(MassCancel(name, account, "", self._venue.now_ns))
            if self._venue.poll(0.0):
                self._venue.step(self._venue.now_ns)
            self._failure = ""
        except VenueError as error:
            if (failure := f"{error}") != self._failure:
                self._say(f"it cannot cancel: {failure}")
            self._failure = failure
            self._disconnect_venue()

    def _disconnect_venue(self) -> None:
        """Log out at the venue."""
        if self._venue is not None:
            with suppress(VenueError):
                self._venue.close()
            self._venue = None


def watch(
    config: GateConfig, base_folder: Path, stop: Callable[[], bool], say: Callable[[str], object]
) -> None:
    """Run the watchdog of a gate's configuration until `stop()`, unless another process runs it already.

    Raises
    ------
    ConfigError
        A venue that is reached without a login of its own.
    """
    section = config.gate
    venue = parse_address(config.gate.venue)
    assert section.watchdog is not None
    watchdog = section.watchdog
    own_address = watchdog_address(venue, watchdog, base_folder)
    lock = base_folder / section.folder / LOCK
    with ExitStack() as held:
        try:
            held.enter_context(file_lock(lock, wait=False))
        except BlockingIOError:
            return
        lock.write_text(str(os.getpid()))
        Watchdog(
            str(base_folder / section.listen),
            section.accounts,
            lambda: connect(
                own_address, section.accounts, None, base_folder, agree=lambda money: {}
            ),  # type: ignore[arg-type, return-value]
            watchdog.silence_s,
            say,
        ).watch(stop)


def watchdog_address(venue: VenueAddress, watchdog: WatchdogTerms, base_folder: Path) -> str:
    """Address that the watchdog logs on to, with its own CompID: host and port of its own profile, else of the gate's venue.

    Raises
    ------
    ConfigError
        A profile that cannot be read.
    """
    host_port = f"{venue.host}:{venue.port}"
    profile = watchdog.profile or venue.profile
    if watchdog.profile:
        from tercel.fix.profiles import load

        session = load(
            profile_near(watchdog.profile, base_folder), watchdog.comp_id
        ).profile.session
        host_port = f"{session.host or venue.host}:{session.port or venue.port}"
    return f"fix://{watchdog.comp_id}@{host_port}" + (f"?profile={profile}" if profile else "")
