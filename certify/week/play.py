"""The week itself: sessions of one desk, what befalls them, what people do about it, what they find each evening."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from certify.faults.disk import SmallDisk
from certify.faults.proxy import SILENT
from certify.week import faults
from certify.week.faults import PlannedFault, Whale, deliver_models, instruments
from certify.week.parts import (
    MARKETS,
    TERCEL,
    ConsolePart,
    Desk,
    Link,
    Part,
    Venue,
    day_report,
    resident,
    stop,
    wait_until,
)
from certify.week.people import DUTY, HEAD, PEOPLE, SECOND_PERSON, ConsolePerson, Duty, RefusedError
from tercel.core import NS_PER_SECOND as SECOND, VenueError, write_atomic
from tercel.execution import policies_packaged

AGENTS: Final = ("default", "peg", "schedule")
DISK: Final = 1 << 30
"""Bytes of the desk's own file system."""
OUTAGE_S: Final = 3.0
"""How long a link is cut."""
STALE_S: Final = 15.0
"""How old a mark may be: what the limits call a minute, on a clock on the wall, is half a second at such a speed."""
ALONE_S: Final = 60.0
"""Within it a desk whose disk is full has ended."""
_TURN_S: Final = 0.25
_DUTY_S: Final = 1.5
KILLED_S: Final = 4.0
"""How long people let a desk be killed."""
CONFIG: Final = """
[desk]
name = "week"
round_s = {round_s}
decision_s = 30.0
warmup_s = 120.0

{instruments}
[[agent]]
name = "default"
strategy = "policy:{folder}/policy"
[[agent]]
name = "peg"
strategy = "peg_touch"
[[agent]]
name = "schedule"
strategy = "twap_take"

[order_arrivals]
share = 0.01

{signals}[limits.changed]
"desk.order_lots" = 5_000
"instruments.*.long_lots" = 100_000
"instruments.*.short_lots" = 100_000
"agents.*.long_lots" = 50_000
"agents.*.short_lots" = 50_000
"instruments.*.reference_age_ms" = {stale_ms}
"""
SIGNALS: Final = '[panel]\nkind = "daily"\npath = "prices.csv"\nhorizon = 1\nevery = 1\n[train]\nfamilies = ["linear"]\n'


@dataclass
class SessionLog:
    """What happened in a session; times are the venue's, ns.

    Parameters
    ----------
    begun_ns, ended_ns : int
    faults : list of (what, part of the session)
    did : Counter
        What the desk, and people, did.
    rss : dict of str to int
        Bytes of memory at its end.
    day : dict
        The day's report.
    code : int
        Exit code of its report.
    """

    begun_ns: int = 0
    ended_ns: int = 0
    faults: list[tuple[str, float]] = field(default_factory=list)
    did: Counter[str] = field(default_factory=Counter)
    rss: dict[str, int] = field(default_factory=dict)
    day: dict[str, Any] = field(default_factory=dict)
    code: int = 0


class Week:
    """A week in a folder.

    Parameters
    ----------
    folder : Path
    seed : int
    sessions : int
    hours : float
        Of the venue, of each session.
    speed : float
        Seconds of the venue in a second.
    round_s : float
        Seconds of the venue of a round of the desk.
    tell : callable
        Takes a line of what happens.
    kinds : sequence of str
        Faults; by default all.
    """

    def __init__(
        self, folder: Path, seed: int, sessions: int, hours: float, speed: float, round_s: float,
        tell: Callable[[str], object], kinds: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder.resolve()
        self.seed = seed
        self._tell = tell
        self.rounds = max(round(hours * 3600 / round_s), 1)
        self.round_s = round_s
        self.plan = faults.draw_plan(sessions, seed, kinds)
        self.sessions = [SessionLog() for _ in range(sessions)]
        self.windows: list[tuple[int, int]] = []
        """When nobody ran the desk, in venue ns."""
        self.kills: list[tuple[int, int]] = []
        """From the answer to a kill to the moment before the re-arm was confirmed, in venue ns."""
        self.surprises: list[str] = []
        """What ended or refused by itself and should not have."""
        self.poisoned: list[tuple[int, int, str]] = []
        """From when to when a poisoned model lay there."""
        self.crashes: list[dict[str, float]] = []
        self._draw = random.Random(seed)
        self._looked_s = 0.0
        self.venue = Venue(self.folder, speed, seed)
        self._parts: list[Part] = [self.venue]
        self.disk: SmallDisk | None = None

    def begin(self) -> None:
        """Make models and files; start venue and console."""
        self._make_models()
        self.venue.begin()
        self.link = Link(self.venue.port, self.seed)
        self.desk = Desk(self.folder, self.folder / "desk.toml", self.link.port)
        self.disk = _disk(self.desk.folder)
        self.console = ConsolePart(self.folder, self.desk.folder, PEOPLE)
        self._parts += [self.console, self.desk]
        self._on_duty = Duty(ConsolePerson(DUTY, self.console.port), self.desk.folder.name)
        self._head, self._second = (
            ConsolePerson(who, self.console.port) for who in (HEAD, SECOND_PERSON)
        )

    def _make_models(self) -> None:
        """A policy and, where forecasts are to be poisoned, a trained model of some; and the desk's file."""
        good = self._good = self.folder / "good"
        packaged = policies_packaged.folder_of(policies_packaged.resolve_packaged("default"))
        shutil.copytree(packaged, good / "policy", dirs_exist_ok=True)
        signals = ""
        if any(fault.kind.startswith("model: ") for fault in self.plan):
            self._train(good)
            names = ", ".join(f'{name} = "{called}"' for name, called in instruments().items())
            signals = f'[signals]\nmodel = "model"\nnames = {{{names}}}\n\n'
        traded = "".join(
            f'[[instrument]]\nname = "{name}"\nmarket = "{market}"\n'
            for name, market in MARKETS.items()
        )
        template_values = {
            "folder": self.folder,
            "round_s": self.round_s,
            "instruments": traded,
            "signals": signals,
        }
        config = CONFIG.format(stale_ms=round(STALE_S * self.venue.speed * 1000), **template_values)
        write_atomic(self.folder / "desk.toml", config)
        deliver_models(self.folder, good)

    def _train(self, good: Path) -> None:
        days = [day for n in range(1500) if (day := date(2019, 1, 1) + timedelta(n)).weekday() < 5]
        write_atomic(good / "prices.csv", faults.prices([str(day) for day in days], self.seed))
        write_atomic(good / "s.toml", SIGNALS)
        arguments = [*TERCEL, "signals", "train", "s.toml", "--out", "o"]
        subprocess.run(arguments, cwd=good, check=True, capture_output=True)
        card = (good / "o" / "model" / "card.json").read_text().replace('"../.."', '".."')
        shutil.copytree(good / "o" / "model", good / "model", dirs_exist_ok=True)
        write_atomic(good / "model" / "card.json", card)

    # -- a session ----------------------------------------------------------------------------------------------------
    def session(self, number: int) -> SessionLog:
        """Trade a session, with its faults, to the evening's report."""
        log = self.sessions[number]
        log.begun_ns = self.venue.now_ns if number == 0 else self.sessions[number - 1].ended_ns
        self._log, self._until_ns = (
            log,
            self.venue.now_ns + round(self.rounds * self.round_s * SECOND),
        )
        began_ns = self.venue.now_ns
        self._start_desk()
        if not self.console.alive:
            self.console.begin()
        pending = [fault for fault in self.plan if fault.session == number]
        while self.desk.alive or self.venue.now_ns < self._until_ns - self.round_s * SECOND / 2:
            part = (self.venue.now_ns - began_ns) / (self._until_ns - began_ns)
            if pending and part >= pending[0].part:
                self._strike(pending.pop(0), part)
            self._look_after()
            time.sleep(_TURN_S)
        for fault in pending:  # a session that was over too soon
            self.surprises.append(f"session {number + 1}: {fault.kind} did not happen")
        self._evening(number)
        return log

    def _start_desk(self) -> None:
        left = (self._until_ns - self.venue.now_ns) / SECOND / self.round_s
        if self.desk.begin(max(round(left), 1), self.seed * 1000 + self.desk.starts):
            return
        self._log.did["refused to start"] += 1
        raise VenueError("a desk that begins", self.desk.log_text()[-600:], f"see {self.desk.log}")

    def _look_after(self) -> None:
        """What a supervisor and whoever is on duty do all day."""
        now = time.monotonic()
        if not self.venue.alive:
            self.surprises.append(f"the venue ended with {self.venue.code}")
            self.venue.begin()
        if not self.console.alive:
            self.surprises.append(f"the console ended with {self.console.code}")
            self.console.begin()
        if not self.desk.alive and self.venue.now_ns < self._until_ns - self.round_s * SECOND / 2:
            self.surprises.append(
                f"the desk ended with {self.desk.code}: {self.desk.log_text()[-300:]}"
            )
            self._restart_desk("restarted by its supervisor")
        if now - self._looked_s >= _DUTY_S:
            self._looked_s = now
            self.on_duty()
            for name, pid in (("desk", self.desk.pid), ("gate", self.desk.gate_pid)):
                self._log.rss[name] = resident(pid) or self._log.rss.get(name, 0)

    def on_duty(self) -> None:
        """Own alerts, re-arm what limits have killed, resume what waits."""
        owned = self._on_duty.owned
        resumed = self._on_duty.resumed
        self._on_duty.own_alerts()
        if self.desk.alive:
            if self._on_duty.killed_by("limits"):
                with suppress(RefusedError, OSError):
                    self._rearm("limits were passed for a while; they are not now")
                    self._log.did["re-armed by two after a limit"] += 1
            self._on_duty.resume()
        self._log.did["alerts owned"] += self._on_duty.owned - owned
        self._log.did["parents resumed"] += self._on_duty.resumed - resumed

    def _restart_desk(self, action: str) -> None:
        gone = self.venue.now_ns
        self._start_desk()
        self.windows.append((gone, self.venue.now_ns))
        self._log.did[action] += 1

    def _evening(self, number: int) -> None:
        log = self._log
        if self.desk.code:
            log.did[f"ended with {self.desk.code}"] += 1
        self._take_what_is_left()
        log.ended_ns = self.venue.now_ns
        log.rss |= {"venue": resident(self.venue.pid), "console": resident(self.console.pid)}
        report = self.folder / f"day-{number + 1}.html"
        log.code, log.day = day_report(self.desk.folder, log.begun_ns, log.ended_ns - 1, report)

    def _take_what_is_left(self) -> None:
        """Own what the desk said last, once the console has read it."""
        wait_until(
            lambda: self._on_duty.last_read_seq() >= self.desk.entry_count(),
            "a console that has read all of the journal",
        )
        self._rest(4 * _TURN_S)

    # -- faults -------------------------------------------------------------------------------------------------------
    def _strike(self, fault: PlannedFault, part: float) -> None:
        self._tell(f"session {fault.session + 1}, {part:.0%}: {fault.kind}")
        self._log.faults.append((fault.kind, round(part, 3)))
        kind, _, poison = fault.kind.partition(": ")
        if kind == "model":
            self._deliver(poison)
            return
        {
            "venue: kill -9": self._kill_venue, "console: kill -9": self._kill_console, "link: cut": self._cut,
            "feed: silent": self._silent, "feed: sequence gap": self._gap, "flash crash": self._crash,
            "disk: full": self._fill, "desk: kill -9": self._kill_desk, "kill and re-arm": self._kill_and_rearm,
        }[fault.kind]()  # fmt: skip

    def _kill_venue(self) -> None:
        self.venue.signal(signal.SIGKILL)
        self.venue.begin()
        self._log.did["venue back"] += 1

    def _kill_console(self) -> None:
        self.console.signal(signal.SIGKILL)
        self._rest(OUTAGE_S)
        self.console.begin()
        self._log.did["console back"] += 1

    def _cut(self) -> None:
        self.link.do("cut")
        self._rest(OUTAGE_S)
        self.link.do("pass")

    def _silent(self) -> None:
        self.link.do(SILENT)
        self._rest(STALE_S + OUTAGE_S)
        self.link.do("pass")

    def _gap(self) -> None:
        for _ in range(self._draw.randint(1, 3)):
            self.link.do("drop")

    def _crash(self) -> None:
        whale = Whale(self.venue.port, "AMZN", self.folder / "whale")
        self.crashes.append(
            whale.crash()
            | {
                "session": len(
                    [session_log for session_log in self.sessions if session_log.begun_ns]
                )
            }
        )

    def _fill(self) -> None:
        if self.disk is None:
            self.surprises.append("disk: full: this machine mounts no file system")
            return
        self.disk.fill()
        until = time.monotonic() + ALONE_S
        while self.desk.alive and time.monotonic() < until:
            self.disk.fill()  # what was taken before runs out
            time.sleep(_TURN_S)
        if self.desk.alive:
            self.surprises.append(f"the desk runs {ALONE_S:g} s after its disk was full")
            self.desk.signal(signal.SIGKILL)
        self._log.did[f"ended with {self.desk.code} on a full disk"] += 1
        self.disk.free()
        self._restart_desk("restarted with room")

    def _kill_desk(self) -> None:
        self.desk.signal(signal.SIGKILL)
        self._restart_desk("restarted after kill -9")

    def _kill_and_rearm(self) -> None:
        name = self.desk.folder.name
        person = ConsolePerson(DUTY, self.console.port)
        done = person.post("/api/kill", scope="desk", name=name, reason="prices look wrong")
        killed_ns = self.venue.now_ns
        self._log.did["killed"] += 1
        if done["not_done"]:
            self.surprises.append(f"a kill that was not done: {done['not_done']}")
        self._rest(KILLED_S)
        self.kills.append((killed_ns, self._rearm("they were right")))
        self._log.did["re-armed by two"] += 1

    def _rearm(self, reason: str) -> int:
        """Two persons: one asks, and may not confirm it; the moment before the other does, in venue ns."""
        request_id = self._head.post("/api/rearm", desk=self.desk.folder.name, reason=reason)[
            "request"
        ]
        with suppress(RefusedError):
            self._head.post(f"/api/requests/{request_id}/confirm", reason="I say so twice")
            self.surprises.append("one person re-armed alone")
        before_ns = self.venue.now_ns
        self._second.post(f"/api/requests/{request_id}/confirm", reason="I looked too")
        return before_ns

    def _deliver(self, poison: str) -> None:
        """A poisoned model is delivered: the desk is stopped, and started on what came."""
        since = self.venue.now_ns
        self.desk.signal(signal.SIGTERM)
        deliver_models(self.folder, self._good, poison)
        try:
            self._restart_desk(
                f"started on a poisoned {'policy' if poison == 'policy' else 'forecast'}"
            )
        except VenueError:
            deliver_models(self.folder, self._good)
            self._restart_desk("started on the model of before")
            self.windows[-1] = since, self.windows[-1][1]
            return
        self._rest(2 * self.round_s / self.venue.speed)
        self.poisoned.append((since, self.venue.now_ns, poison))
        self.desk.signal(signal.SIGTERM)
        deliver_models(self.folder, self._good)
        self._restart_desk("started on the model of before")

    def _rest(self, seconds: float) -> None:
        """Let time pass; whoever is on duty goes on."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.on_duty()
            time.sleep(_TURN_S)

    # -- the end ------------------------------------------------------------------------------------------------------
    def end(self) -> None:
        """Nobody trades any more; the records lie in the folder."""
        self._next_morning()
        stop(self.desk, self.console, self.venue)
        self.link.close()
        if self.disk is not None:  # what lies on it goes with it
            shutil.copytree(self.desk.folder, kept := self.folder / "kept", dirs_exist_ok=True)
            self.disk.close()
            self.disk = None
            shutil.copytree(kept, self.desk.folder, dirs_exist_ok=True)
            shutil.rmtree(kept)

    def _next_morning(self) -> None:
        """What was executed while the last session closed is booked by the next one, which begins killed."""
        person = ConsolePerson(DUTY, self.console.port)
        person.post(
            "/api/kill", scope="desk", name=self.desk.folder.name, reason="the week is over"
        )
        self._until_ns = self.venue.now_ns
        self._start_desk()
        self._rest(KILLED_S)
        self.desk.signal(signal.SIGTERM)
        self._take_what_is_left()

    def close(self) -> None:
        """Leave no process, whatever happened."""
        for part in self._parts:
            if part.alive:
                part.signal(signal.SIGKILL)
        if self.disk is not None:
            self.disk.close()


def _disk(folder: Path) -> SmallDisk | None:
    try:
        return SmallDisk(folder, DISK)
    except OSError:
        return None
