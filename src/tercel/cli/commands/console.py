"""Bodies of `tercel console`, `tercel kill` and `tercel rearm`."""

import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tercel.cli.commands.trade_look import waiting
from tercel.cli.desks import find_desk, holder
from tercel.cli.machine import person
from tercel.core.errors import ConfigError, TercelError
from tercel.core.names import offer
from tercel.core.ports import Entry
from tercel.report.terminal import print_json, say
from tercel.trading.journal import kinds
from tercel.trading.journal.database import DATABASE
from tercel.trading.journal.lock import LOCK
from tercel.trading.journal.reader import JournalReader, post
from tercel.trading.kill import ALL, LATCH, KillLatch
from tercel.trading.ledger import Ledger

PASSWORD = "TERCEL_CONSOLE_PASSWORD"


class FolderDesk:
    """A desk folder as the console meets it (`console.desk.WatchedDesk`), whatever the desk's process does."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, folder.name
        self._latch = KillLatch(folder / LATCH)

    def stands(self) -> tuple[str, int]:
        """Which journal this is, and the number of its last entry."""
        with closing(JournalReader(self.folder)) as reader:
            file = (self.folder / DATABASE).stat()
            return f"{file.st_dev}:{file.st_ino}", reader.last

    def running(self) -> str | None:
        """Who holds the journal's lock."""
        return holder(self.folder)

    def read(self, after: int = 0, kinds: Iterable[str] = ()) -> Iterator[tuple[int, Entry]]:
        """Journal entries above a sequence number."""
        with closing(JournalReader(self.folder)) as reader:
            yield from reader.read(after, kinds)

    def post(self, command: str, body: Mapping[str, Any], by: str, reason: str) -> int:
        """Leave a command in the desk's inbox."""
        return post(self.folder, command, body, by, reason, time.time_ns())

    def kill(self, scope: str, by: str, reason: str) -> None:
        """Latch the kill switch."""
        self._latch.kill(reason, by, time.time_ns(), () if scope == "all" else (scope,))

    def rearm(self, by: str, reason: str) -> None:
        """Release everything that is latched."""
        killed = self._latch.state().killed
        self._latch.rearm(reason, by, time.time_ns(), () if ALL in killed or not killed else tuple(killed))

    def killed(self) -> Mapping[str, Any] | None:
        """The latch as it stands."""
        state = self._latch.state()
        if state.damaged:
            return {"scope": "all", "by": "", "reason": state.damaged}
        if not state.killed:
            return None
        by = next((str(done.get("by", "")) for done in reversed(state.history) if done.get("what") == "kill"), "")
        if ALL in state.killed:
            return {"scope": "all", "by": by, "reason": state.killed[ALL]}
        return {"scope": ", ".join(state.killed), "by": by, "reason": "; ".join(dict.fromkeys(state.killed.values()))}

    def why(self, seq: int) -> Mapping[str, Any] | None:
        """What was seen and wanted at a decision."""
        from tercel.trading.replay import explain

        with closing(JournalReader(self.folder)) as reader:
            return explain(reader, seq)


def console(desk: Path | None, port: int) -> None:
    """Serve the page on loopback until Ctrl-C."""
    from tercel.console.follow import JournalFollower
    from tercel.console.login import Doorkeeper
    from tercel.console.serve import LOOPBACK, bind, server_of
    from tercel.console.web import create_app

    folder = FolderDesk(find_desk(desk))
    given = os.environ.get(PASSWORD)
    password = given if given is not None else secrets.token_urlsafe(9)
    listening = bind(port)
    app = create_app(folder, Doorkeeper(password, time.monotonic), JournalFollower(folder, time.monotonic))
    say(f"console of {folder.folder}: http://{LOOPBACK}:{listening.getsockname()[1]}/  (Ctrl-C ends it)")
    say(f"password: {password}" if given is None else f"password: as {PASSWORD} says")
    server_of(app).run(sockets=[listening])


def kill(desk: Path | None, agents: Sequence[str], reason: str, as_json: bool) -> None:
    """Latch the kill switch of a desk, and say it to its journal where that can be written.

    Agents that the desk is known not to have are refused once those that it has are latched.
    """
    if not reason.strip():
        received = "none; nothing was killed"
        raise ConfigError("a reason", received, 'add --reason "prices look wrong", or your own: it is journaled')
    folder = _stopped(desk)
    strangers = _strangers(folder, agents)
    whom = [agent for agent in agents if agent not in strangers]
    latch = KillLatch(folder / LATCH)
    if whom or not strangers:
        state = latch.kill(reason, person(), time.time_ns(), whom)
        _post(folder, "kill", {"agents": whom}, reason)
    if strangers:
        known = sorted(_agents(folder))
        done = f"killed: {', '.join(whom)}" if whom else "nothing was killed"
        remedy = f"{offer(strangers[0], known, 'kill one of them')}, or --all"
        raise ConfigError(f"agents of the desk: {', '.join(known)}", f"{', '.join(strangers)}; {done}", remedy)
    named = ", ".join(whom) or "every agent"
    text = f"killed: {named} of {folder}; `tercel rearm --reason ...` releases it"
    _answer(folder, text, dict(state.killed), as_json)


def rearm(desk: Path | None, agents: Sequence[str], reason: str, as_json: bool) -> None:
    """Release the kill switch of a desk."""
    folder = _stopped(desk)
    latch = KillLatch(folder / LATCH)
    killed = latch.state().killed
    whom = tuple(agents) or (() if ALL in killed or not killed else tuple(killed))
    state = latch.rearm(reason, person(), time.time_ns(), whom)
    _post(folder, "rearm", {"agents": list(agents)}, reason)
    waits = _waiting(folder)
    _answer(folder, f"armed again: {folder}" + (f"; {waits}" if waits else ""), dict(state.killed), as_json)


def _waiting(folder: Path) -> str:
    """Which parents wait for a person, as far as the desk's journal can be read."""
    try:
        with closing(JournalReader(folder)) as reader:
            return waiting(folder, Ledger.of(reader))
    except TercelError:
        return ""


def _agents(folder: Path) -> set[str]:
    """Who trades at a desk, as far as its journal can be read."""
    try:
        with closing(JournalReader(folder)) as reader:
            return {entry.agent for _, entry in reader.read(0, (kinds.SEAT, kinds.PARENT)) if entry.agent}
    except TercelError:
        return set()


def _strangers(folder: Path, agents: Sequence[str]) -> list[str]:
    """Those of some agents that a desk does not have; none where it is not known whom it has."""
    known = _agents(folder) if agents else set()
    return [agent for agent in agents if known and agent not in known]


def _stopped(desk: Path | None) -> Path:
    """The desk that is meant; one that is named is stopped even when its journal is gone."""
    if desk is not None and any((desk / name).exists() for name in (LOCK, LATCH)):
        return desk
    return find_desk(desk)


def _post(folder: Path, command: str, body: Mapping[str, Any], reason: str) -> None:
    """The latch holds already: a journal that cannot take the word is no reason to fail."""
    try:
        post(folder, command, body, person(), reason, time.time_ns())
    except TercelError as error:
        say(f"the journal does not know of it yet: {error}")


def _answer(folder: Path, text: str, killed: Mapping[str, str], as_json: bool) -> None:
    if as_json:
        print_json({"desk": str(folder), "killed": killed})
    else:
        say(text)
