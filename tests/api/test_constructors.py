"""Constructors of what a person opens only assign: a guard refuses files, sockets, threads and journals in them."""

import builtins
import contextlib
import io
import os
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.desk.trading.desk_of_two import exchange_of

import tercel as tc
from tercel.core.errors import ConfigError
from tercel.desk.engine.runtime import DeskRuntime
from tercel.desk.gate import GateConfig, GateTerms
from tercel.desk.gate.opening import open_gate
from tercel.desk.gate.server import Gate
from tercel.desk.trading.journal.memory import MemoryJournal
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.session import Session
from tercel.execution.market import Market, make_market
from tercel.market.flow.registry import FOLDER

SMALL = {
    "desk.warmup_s": 10,
    "risk.posture": "off",
    "signals.model": "off",
    "instrument": [{"name": "AAA"}],
    "agent": [{"name": "ann", "strategy": "twap_take"}],
}
FORBIDDEN: dict[Any, tuple[str, ...]] = {
    builtins: ("open",),
    io: ("open",),
    os: ("open", "mkdir", "scandir", "listdir"),
    sqlite3: ("connect",),
    socket.socket: ("bind", "connect", "listen"),
    threading.Thread: ("start",),
    MemoryJournal: ("append", "read"),
    SqlJournal: ("append", "read"),
}


class Guard:
    """Wraps constructors: while one runs, everything in `FORBIDDEN` is noted."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.constructed: set[str] = set()
        self.faults: set[str] = set()
        self._running: list[str] = []
        self._thread = threading.get_ident()
        for owner, names in FORBIDDEN.items():
            for name in names:
                patch.setattr(owner, name, self._watched(f"{owner.__name__}.{name}", owner, name))

    def _watched(self, text: str, owner: Any, name: str) -> Callable[..., Any]:
        function = getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            if self._running and threading.get_ident() == self._thread:
                self.faults.add(f"{self._running[-1]}: {text}")
            return function(*arguments, **options)

        return call

    def watch(self, patch: pytest.MonkeyPatch, *classes: type[Any]) -> None:
        """Watch the constructors of some classes."""
        for kind in classes:
            patch.setattr(kind, "__init__", self._constructor(kind))

    def _constructor(self, kind: type[Any]) -> Callable[..., None]:
        construct = kind.__init__

        def run(instance: Any, *arguments: Any, **options: Any) -> None:
            self.constructed.add(kind.__name__)
            self._running.append(kind.__name__)
            try:
                construct(instance, *arguments, **options)
            finally:
                self._running.pop()

        return run


@pytest.fixture
def guard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Guard]:
    with contextlib.closing(exchange_of()):  # what is compiled or loaded once is not the matter
        yield Guard(monkeypatch)


def test_a_desk_reads_and_starts_nothing_in_its_constructors(
    guard: Guard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    guard.watch(monkeypatch, tc.Desk, DeskRuntime, Session)
    with tc.open_desk(settings=SMALL, folder=tmp_path / "desk") as desk:
        desk.submit("AAA", "buy", 5, agent="ann", horizon="1min", decisions=4)
    assert guard.constructed == {"Desk", "DeskRuntime", "Session"}
    assert guard.faults == set()


def test_a_gate_reads_and_starts_nothing_in_its_constructor(
    guard: Guard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    guard.watch(monkeypatch, Gate)
    terms = GateTerms(venue="simulated", accounts=("ann",))
    with open_gate(
        GateConfig(gate=terms), tmp_path, "test", reach=lambda *_: exchange_of(names="X")
    ) as gate:
        gate.turn()
    assert guard.constructed == {"Gate"}
    assert guard.faults == set()


def test_a_market_reads_nothing_in_its_constructor(
    guard: Guard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    guard.watch(monkeypatch, Market)
    file = tmp_path / "mine.json"
    file.write_bytes((FOLDER / "csco-santa-fe.json").read_bytes())
    assert make_market(str(file), dealers="equity").preset == str(file)
    with pytest.raises(ConfigError, match="a preset file"):
        make_market(str(tmp_path / "none.json"))
    assert guard.faults == set()
