"""The desk's side of its own gate: starts it as a child process, which cancels open orders when the desk is silent or gone.

The gate ends when its standard input closes. On its standard output it tells the desk, one JSON object a line:

    {"money": reason}  the venue moves money: the gate waits for {"token": ...} on its standard input before it sends
                       the venue anything; sessions that show the token may trade; with "" all may only cancel
    {"listen": "desks/demo/gate/gate.sock"}     the gate listens on this socket
    {"error": {"kind": ..., "expected": ..., "received": ..., "remedy": ...}}     why the gate ends, or does not begin
    {"open": ["d1.4"]}     the last line of a gate that listened: orders that are not known to be over
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
from tercel.core.toml import toml_lines
from tercel.desk.gate.config import LISTEN, LONGEST_PATH
from tercel.desk.trading.journal.database import DATABASE
from tercel.venues.address import (
    BINANCE,
    FIX,
    Agree,
    connect,
    parse_address,
    refuse_money,
    resolve_profile_path,
)
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
    folder = Path(gate["journal"]) if gate else desk / FOLDER
    return folder if gate or (folder / DATABASE).exists() else None


def gate_text(fields: Mapping[str, object]) -> str:
    """Text of a gate configuration file with these fields.

    >>> print(gate_text({"venue": "fix://127.0.0.1:9001", "accounts": ["ann"]}), end="")
    [gate]
    venue = "fix://127.0.0.1:9001"
    accounts = ["ann"]
    """
    present = {name: value for name, value in fields.items() if value is not None}
    return "[gate]\n" + toml_lines(present)


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
        """Write the gate's file into the desk's folder, start its process, and wait until it listens."""
        self._agree = agree
        self.token = ""
        self.folder = desk.resolve() / FOLDER
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        listen = self.folder / LISTEN
        self._short_folder: tempfile.TemporaryDirectory[str] | None = None
        if len(str(listen).encode()) > LONGEST_PATH:
            self._short_folder = tempfile.TemporaryDirectory(prefix="tercel-gate-")
            listen = Path(self._short_folder.name) / LISTEN
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
        self._process = self._start_process()
        try:
            self._wait_until_listening()
        except BaseException:
            self.close()
            raise

    def _start_process(self) -> subprocess.Popen[bytes]:
        """Start the gate's process with pipes for its standard input and output."""
        arguments = [sys.executable, "-m", "tercel.desk.gate", str(self.folder / FILE)]
        with (self.folder / LOG).open("ab") as log:
            return subprocess.Popen(
                arguments,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )

    def revive(self) -> None:
        """Restart the gate if it has died: it ends the orders it left open and continues its journal.

        Raises
        ------
        VenueError
            It ended before it listened.
        """
        if self._process.poll() is None:
            return
        self._wait_for_exit()
        self._process = self._start_process()
        try:
            self._wait_until_listening()
        except (
            ConfigError
        ) as error:  # a venue that proved to be a test does not now: perhaps it will
            self._wait_for_exit()
            raise VenueError(error.expected, error.received, error.remedy) from None

    def _wait_until_listening(self) -> None:
        """Wait until the gate listens, confirming money if it asks; raises the error that it reports."""
        assert self._process.stdout is not None
        assert self._process.stdin is not None
        message = _parse_line(self._process.stdout.readline())
        if "money" in message:
            self.token = secrets.token_hex(16) if self._agree(message["money"]) else ""
            self._process.stdin.write(json.dumps({"token": self.token}).encode() + b"\n")
            message = _parse_line(self._process.stdout.readline())
        if "listen" in message:
            return
        log = self.folder / LOG
        if error := message.get("error"):
            raise VenueError(
                error["expected"], f"{error['received']} (the gate, {log})", error["remedy"]
            )
        log_text = " ".join(log.read_text(encoding="utf-8", errors="replace").split())
        raise VenueError("a gate that opens", log_text[-600:] or "nothing", f"see {log}")

    def _wait_for_exit(self) -> None:
        """Close the gate's standard input, wait for it to end (killed after `_PATIENCE_S`), and log the orders that it
        leaves open."""
        process = self._process
        if process.stdout is None or process.stdout.closed:
            return
        try:
            output, _ = process.communicate(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
        for names in filter(None, (_parse_line(line).get("open") for line in output.splitlines())):
            _log.critical(
                "GATE %d orders are NOT known to be over: %s", len(names), ", ".join(names)
            )

    def close(self) -> None:
        """Have the gate cancel open orders and exit; a second call does nothing."""
        self._wait_for_exit()
        if self._short_folder is not None:
            self._short_folder.cleanup()
            self._short_folder = None


class GatedVenue(RemoteVenue):
    """A venue behind the desk's own gate process, which is restarted when it dies.

    Parameters
    ----------
    gate : GateProcess
    accounts : sequence of str
    """

    def __init__(self, gate: GateProcess, accounts: Sequence[str]) -> None:
        """Connect to the listening gate, with its token if money is behind it."""
        self._gate = gate
        super().__init__(
            str(gate.listen),
            accounts,
            agree=lambda money: {"token": gate.token} if gate.token else {},
        )

    def reconnect(self) -> None:
        """Restart the gate if it has died, and connect to its socket again."""
        self._gate.revive()
        super().reconnect()


def connect_venue(
    venue_address: str,
    accounts: Sequence[str],
    desk: Path,
    limits: Path | None,
    latch: Path,
    stack: ExitStack,
    near: Path | None = None,
    changes: Mapping[str, object] | None = None,
    agree: Agree = refuse_money,
) -> Venue:
    """Connect to the venue at an address; FIX venues and Binance are reached through the desk's own gate.

    Parameters
    ----------
    venue_address, accounts
        See `venues.address.connect`.
    desk : Path
        The desk's folder.
    limits : Path or None
        The limits file; None: the packaged one.
    latch : Path
        The kill latch.
    stack : ExitStack
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
    if parse_address(venue_address).scheme in (FIX, BINANCE):
        gate = GateProcess(
            desk, resolve_profile_path(venue_address, near), accounts, limits, latch, changes, agree
        )
        return GatedVenue(stack.enter_context(gate), accounts)
    return connect(venue_address, accounts, near=near, agree=agree)


def _parse_line(line: bytes) -> dict[str, Any]:
    """JSON object of a line that a gate wrote; {} for a line that was cut short or holds no object."""
    try:
        fields = json.loads(line)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}
