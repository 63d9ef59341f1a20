"""Watchdog of a gate: a second process that logs on at the venue and cancels open orders when the gate is silent.

It is for venues that do not cancel on disconnect, and for the case in which the gate lives and its link does not. Its
login at the venue is one that may cancel the orders of others; it gives none.
"""

import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tercel.core.errors import VenueError
from tercel.core.orders import MassCancel
from tercel.desk.gate.config import GateConfig, WatchdogTerms
from tercel.venues.address import VenueAddress, address, connect, profile_near
from tercel.venues.wire import frames

if TYPE_CHECKING:
    from tercel.fix.client import FixVenue

LOCK: Final = "watchdog.lock"
"""Held by the one watchdog of a folder; it contains the process number."""
ASK_S: Final = 0.25
"""Seconds between two pings of the gate."""
AGAIN_S: Final = 0.5
"""Seconds between two cancels of the same account: an order may have been on its way."""
ENOUGH_S: Final = 30.0
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
        Longest time without a word of the gate, or without a link between it and the venue.
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
        self._link = frames.FrameReader()
        self._plain: socket.socket | None = None
        self._venue: FixVenue | None = None
        self._cancelled_s = 0.0
        self._failed = ""

    def watch(self, stop: Callable[[], bool]) -> None:
        """Watch until `stop()`, or until the gate has been silent for `ENOUGH_S`."""
        heard = time.monotonic()
        try:
            while not stop():
                began = time.monotonic()
                if self._alive():
                    heard = time.monotonic()
                    self._stand_down()
                elif began - heard > ENOUGH_S:
                    did = (
                        f"its orders were NOT cancelled: {self._failed}"
                        if self._failed
                        else "its orders were cancelled"
                    )
                    self._say(f"no gate for {ENOUGH_S:g} s: {did}; the watch ends")
                    return
                elif began - heard >= self._silence_s:
                    self._cancel()
                time.sleep(max(0.0, began + ASK_S - time.monotonic()))
        finally:
            self._stand_down()
            self._hang_up()

    # -- the gate -----------------------------------------------------------------------------------------------------
    def _alive(self) -> bool:
        """Whether the gate answers, and has a link to the venue."""
        try:
            if self._plain is None:
                self._plain = frames.connect(self._gate, ASK_S)
                self._link = frames.FrameReader()
            self._plain.sendall(frames.pack({"do": "alive"}))
            return self._answer(self._plain)
        except (VenueError, OSError):
            self._hang_up()
            return False

    def _answer(self, plain: socket.socket) -> bool:
        until = time.monotonic() + ASK_S
        while time.monotonic() < until:
            data = plain.recv(_CHUNK)
            if not data:
                raise VenueError("a gate", "one that is gone", "start it again")
            for kind, body in self._link.feed(data):
                said = frames.fields_of(body) if kind == frames.JSON else {}
                if said.get("said") == "alive":
                    return said.get("up") is True
        return False

    def _hang_up(self) -> None:
        if self._plain is not None:
            self._plain.close()
            self._plain = None

    # -- the venue ----------------------------------------------------------------------------------------------------
    def _cancel(self) -> None:
        try:
            if self._venue is None:
                if not self._failed:
                    self._say("the gate is silent, or has no link: cancelling open orders")
                self._venue = self._log_on()
                self._cancelled_s = 0.0
            if time.monotonic() - self._cancelled_s >= AGAIN_S:
                self._cancelled_s = time.monotonic()
                for account in self._accounts:
                    name = f"~w{self._mark}.{next(self._numbers)}"
                    self._venue.send(MassCancel(name, account, "", self._venue.now_ns))
            if self._venue.poll(0.0):
                self._venue.step(self._venue.now_ns)
            self._failed = ""
        except VenueError as error:
            if (failed := f"{error}") != self._failed:
                self._say(f"it cannot cancel: {failed}")
            self._failed = failed
            self._stand_down()

    def _stand_down(self) -> None:
        if self._venue is not None:
            with suppress(VenueError):
                self._venue.close()
            self._venue = None


def watch(
    config: GateConfig, beside: Path, stop: Callable[[], bool], say: Callable[[str], object]
) -> None:
    """Watch the gate of a configuration file, unless another process does already.

    Raises
    ------
    ConfigError
        A venue that is reached without a login of its own.
    """
    section, found = config.gate, address(config.gate.venue)
    assert section.watchdog is not None
    watchdog = section.watchdog
    where = own_way(found, watchdog, beside)
    with _alone(beside / section.folder / LOCK) as alone:
        if alone:
            Watchdog(
                str(beside / section.listen),
                section.accounts,
                lambda: connect(where, section.accounts, None, beside, agree=lambda money: {}),  # type: ignore[arg-type, return-value]
                watchdog.silence_s,
                say,
            ).watch(stop)


def own_way(found: VenueAddress, watchdog: WatchdogTerms, beside: Path) -> str:
    """Address of the venue for the watchdog: where its profile says, else where the gate goes.

    Raises
    ------
    ConfigError
        A profile that cannot be read.
    """
    place, profile = f"{found.host}:{found.port}", watchdog.profile or found.profile
    if watchdog.profile:
        from tercel.fix.profiles import load

        session = load(profile_near(watchdog.profile, beside), watchdog.comp_id).profile.session
        place = f"{session.host or found.host}:{session.port or found.port}"
    return f"fix://{watchdog.comp_id}@{place}" + (f"?profile={profile}" if profile else "")


@contextmanager
def _alone(file: Path) -> Iterator[bool]:
    with file.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield True
