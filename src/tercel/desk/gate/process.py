"""A desk's own gate as a child process, which cancels open orders when the desk is silent or gone.

It ends when its standard input does, and says on its standard output what a desk has to know, an object of JSON a line:

    {"money": why}     money is behind the venue: it waits for {"token": ...} on its standard input, before it is sent
                       anything; sessions that show the token trade, with "" all of them cancel alone
    {"listen": "desks/demo/gate/gate.sock"}     it listens
    {"error": {"kind": ..., "expected": ..., "received": ..., "remedy": ...}}     why it ends, or does not begin
    {"open": ["d1.4"]}     the last one of a gate that listened: orders that are not known to be over
"""

import json
import logging
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import ConfigError, VenueError
from tercel.core.ports import Closing, Venue
from tercel.desk.gate.config import LISTEN, LONGEST_PATH
from tercel.desk.trading.journal.database import DATABASE
from tercel.venues.address import BINANCE, FIX, Agree, address, connect, placed, refuse_money
from tercel.venues.wire.client import RemoteVenue

FOLDER: Final = "gate"
"""Folder of the gate in the desk's folder: its configuration, journal and log."""
FILE: Final = "gate.toml"
LOG: Final = "gate.log"
_PATIENCE_S: Final = 60.0
_log = logging.getLogger("tercel.alerts")


def gate_folder(desk: Path, gate: Mapping[str, Any]) -> Path | None:
    """Folder of the journal of a desk's gate: the desk's own, or the one that its session names; None without a gate.

    Parameters
    ----------
    desk : Path
        The desk's folder.
    gate : mapping
        What its last session says of a gate that is not its own: {"journal", "accounts"}, or nothing.
    """
    where = Path(gate["journal"]) if gate else desk / FOLDER
    return where if gate or (where / DATABASE).exists() else None


def gate_text(fields: Mapping[str, object]) -> str:
    """Text of a gate configuration file with these fields.

    >>> print(gate_text({"venue": "fix://127.0.0.1:9001", "accounts": ["ann"]}), end="")
    [gate]
    venue = "fix://127.0.0.1:9001"
    accounts = ["ann"]
    """
    said = {name: value for name, value in fields.items() if value is not None}
    return "[gate]\n" + "".join(f"{name} = {_toml(value)}\n" for name, value in said.items())


def _toml(value: object) -> str:
    if not isinstance(value, Mapping):
        return json.dumps(value)
    return (
        f"{{{', '.join(f'{json.dumps(name)} = {json.dumps(one)}' for name, one in value.items())}}}"
    )


class GateProcess(Closing):
    """A gate child process that lives as long as this one, or until `close`.

    Parameters
    ----------
    desk : Path
        The desk's folder; the kill latch in it is the gate's too.
    venue : str
        Address of the venue.
    accounts : sequence of str
    limits : Path or None
        The limits file; None: the packaged one.
    latch : Path
        The kill latch.
    changes : mapping
        Single limits that replace the file's.
    agree : callable
        See `venues.address.connect`.

    Raises
    ------
    ConfigError
        Money is behind the venue, and `agree` refuses.
    VenueError
        The gate ended before it listened, with its last words.
    """

    def __init__(
        self,
        desk: Path,
        venue: str,
        accounts: Sequence[str],
        limits: Path | None,
        latch: Path,
        changes: Mapping[str, object] | None = None,
        agree: Agree = refuse_money,
    ) -> None:
        self._agree = agree
        self.token = ""
        self.folder = desk.resolve() / FOLDER
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        listen = self.folder / LISTEN
        self._short: tempfile.TemporaryDirectory[str] | None = None
        if len(str(listen).encode()) > LONGEST_PATH:
            self._short = tempfile.TemporaryDirectory(prefix="tercel-gate-")
            listen = Path(self._short.name) / LISTEN
        self.listen = listen
        """The listening socket that a desk connects to."""
        fields: dict[str, object] = {
            "venue": venue,
            "accounts": list(accounts),
            "latch": str(latch.resolve()),
            "listen": str(listen),
            **({} if limits is None else {"limits": str(limits.resolve())}),
            **({"changed": dict(changes)} if changes else {}),
        }
        (self.folder / FILE).write_text(gate_text(fields), encoding="utf-8")
        (self.folder / LOG).unlink(missing_ok=True)
        self._process = self._started()
        try:
            self._await()
        except BaseException:
            self.close()
            raise

    def _started(self) -> subprocess.Popen[bytes]:
        words = [sys.executable, "-m", "tercel.desk.gate", str(self.folder / FILE)]
        with (self.folder / LOG).open("ab") as log:
            return subprocess.Popen(
                words,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )

    def revive(self) -> None:
        """Restart a gate that has died: it ends the orders it left open and continues its journal.

        Raises
        ------
        VenueError
            It ended before it listened.
        """
        if self._process.poll() is None:
            return
        self._end()
        self._process = self._started()
        try:
            self._await()
        except (
            ConfigError
        ) as error:  # a venue that proved to be a test does not now: perhaps it will
            self._end()
            raise VenueError(error.expected, error.received, error.remedy) from None

    def _await(self) -> None:
        """Wait until it listens, or has said why it does not."""
        assert self._process.stdout is not None
        assert self._process.stdin is not None
        said = _read(self._process.stdout.readline())
        if "money" in said:
            self.token = secrets.token_hex(16) if self._agree(said["money"]) else ""
            self._process.stdin.write(json.dumps({"token": self.token}).encode() + b"\n")
            said = _read(self._process.stdout.readline())
        if "listen" in said:
            return
        log = self.folder / LOG
        if error := said.get("error"):
            raise VenueError(
                error["expected"], f"{error['received']} (the gate, {log})", error["remedy"]
            )
        words = " ".join(log.read_text(encoding="utf-8", errors="replace").split())
        raise VenueError("a gate that opens", words[-600:] or "nothing", f"see {log}")

    def _end(self) -> None:
        """Wait for the process to end, and log the orders that it leaves open."""
        process = self._process
        if process.stdout is None or process.stdout.closed:
            return
        try:
            said, _ = process.communicate(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            said, _ = process.communicate()
        for names in filter(None, (_read(line).get("open") for line in said.splitlines())):
            _log.critical(
                "GATE %d orders are NOT known to be over: %s", len(names), ", ".join(names)
            )

    def close(self) -> None:
        """Have the gate cancel open orders and exit; a second call does nothing."""
        self._end()
        if self._short is not None:
            self._short.cleanup()
            self._short = None


class GatedVenue(RemoteVenue):
    """A venue behind the desk's own gate process, which is restarted when it dies.

    Parameters
    ----------
    gate : GateProcess
    accounts : sequence of str
    """

    def __init__(self, gate: GateProcess, accounts: Sequence[str]) -> None:
        self._gate = gate
        super().__init__(
            str(gate.listen),
            accounts,
            agree=lambda money: {"token": gate.token} if gate.token else {},
        )

    def reconnect(self) -> None:
        """See `RemoteVenue`."""
        self._gate.revive()
        super().reconnect()


def venue_at(
    where: str,
    accounts: Sequence[str],
    desk: Path,
    limits: Path | None,
    latch: Path,
    opened: ExitStack,
    near: Path | None = None,
    changes: Mapping[str, object] | None = None,
    agree: Agree = refuse_money,
) -> Venue:
    """Connect to the venue at an address; FIX venues and Binance are reached through the desk's own gate.

    Parameters
    ----------
    where, accounts
        See `venues.address.connect`.
    desk : Path
        The desk's folder.
    limits : Path or None
        The limits file; None: the packaged one.
    latch : Path
        The kill latch.
    opened : ExitStack
        Closes the gate.
    near : Path, optional
        Folder that a profile's file is looked for in first.
    changes : mapping, optional
        Single limits that replace the file's, at the desk's own gate too.
    agree : callable
        See `venues.address.connect`.

    Raises
    ------
    ConfigError, VenueError
    """
    if address(where).scheme in (FIX, BINANCE):
        gate = GateProcess(desk, placed(where, near), accounts, limits, latch, changes, agree)
        return GatedVenue(opened.enter_context(gate), accounts)
    return connect(where, accounts, near=near, agree=agree)


def _read(line: bytes) -> dict[str, Any]:
    """Fields of a line of a gate; {} for one that was cut short."""
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
