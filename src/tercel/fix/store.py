"""FIX session stores in an SQLite file: numbers and sent messages. Every commit is one transaction.

:class:`SteadyStore` never refuses a commit: a full disk may keep no cancel and no logout back. While a commit fails,
numbers go into a file whose room was allocated before, and if that fails too, into memory alone. The
next process continues at the number of that file; without it, the venue reports that the number is too low, and
:meth:`SteadyStore.skip` continues there, or after the block of numbers that was reserved while the disk was
writable. :class:`ReceivedMark` is the file with the number of the last message that an initiator's caller has seen.
"""

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import VenueError
from tercel.core.ports import Closing
from tercel.fix.protocol.settings import Commit, MemoryStore, SequenceNumbers

SPARE: Final = "numbers"
"""File of the numbers that the store could not take; beside it."""
_BYTES: Final = 512
# Seconds between two attempts to write what the disk has not taken.
_AGAIN_S: Final = 1.0


class SteadyStore:
    """A `SessionStore` that falls back to memory.

    Parameters
    ----------
    path : Path
        The file of the store.
    session : str

    Raises
    ------
    VenueError
        When it cannot be opened.

    >>> import tempfile
    >>> store = SteadyStore(Path(tempfile.mkdtemp()) / "fix.db", "A")
    >>> store.commit(Commit(SequenceNumbers(3, 2), sent=((2, b"8=FIX..."),)))
    >>> store.load().next_out, list(store.sent(1, 9)), store.why
    (3, [(2, b'8=FIX...')], '')
    >>> store.close()
    """

    def __init__(self, path: Path, session: str) -> None:
        self._disk = SqliteStore(path, session, durable=False)
        self._session = session
        self._memory = MemoryStore()
        self._reset = False
        self._tried_s = 0.0
        self.why = ""
        """Reason why the disk lacks messages, else "": no new order should be sent."""
        self._spare = -1
        with suppress(OSError):
            self._spare = os.open(path.with_name(SPARE), os.O_RDWR | os.O_CREAT, 0o600)
            if os.fstat(self._spare).st_size < _BYTES:
                os.pwrite(self._spare, bytes(_BYTES), 0)
        self._base = self._disk.load()
        if (numbers := self._spared()) is not None:
            self.commit(Commit(numbers))

    def load(self) -> SequenceNumbers:
        """See `SessionStore`."""
        return self._memory.load() if self.why else self._disk.load()

    def commit(self, change: Commit) -> None:
        """See `SessionStore`; a commit the disk refuses stays in memory, and `why` holds the reason."""
        if not self.why:
            try:
                self._disk.commit(change)
            except VenueError as error:
                self.why = error.received
                self._tried_s = time.monotonic()
                self._memory = MemoryStore()
                self._reset = False
                self._disk.wait_for_locks(0.0)  # a cancel waits for no lock
            else:
                self._base = change.numbers
                return
        self._memory.commit(change)
        self._reset |= change.reset
        if self._spare >= 0:  # in place: it needs no room on a full disk
            base, numbers = astuple(self._base), astuple(change.numbers)
            text = json.dumps({"session": self._session, "after": base, "numbers": numbers})
            with suppress(OSError):
                os.pwrite(self._spare, text.ljust(_BYTES).encode(), 0)
        if time.monotonic() - self._tried_s > _AGAIN_S:
            self._catch_up()

    def sent(self, first: int, last: int) -> Iterable[tuple[int, bytes]]:
        """See `SessionStore`."""
        found: dict[int, bytes] = {}
        if not (self.why and self._reset):
            with suppress(VenueError):
                found = dict(self._disk.sent(first, last))
        return sorted((found | dict(self._memory.sent(first, last))).items())

    def expect(self, next_in: int) -> None:
        """Request a resend from a number on, at the next logon."""
        self.commit(Commit(replace(self.load(), next_in=next_in)))

    def skip(self, to: int) -> bool:
        """Continue at the number the counterparty expects, where the last process did not close the store; once.

        Parameters
        ----------
        to : int
            A number that cannot be right, as 0 is none: go on behind every number that can have left.
        """
        unsure = self._disk.unsure
        self._disk.unsure = False
        if unsure and not self.why:
            last = self._disk.behind_block()
            right = self.load().next_out < to <= last.next_out
            self.commit(Commit(replace(last, next_out=to) if right else last))
        return unsure and not self.why

    def close(self) -> None:
        """Write what the disk takes and close; numbers it does not take are in the spare file."""
        if self.why:
            self._catch_up()
        with suppress(VenueError):
            self._disk.close()
        if self._spare >= 0:
            os.close(self._spare)
            self._spare = -1

    # -- inside -------------------------------------------------------------------------------------------------------
    def _catch_up(self) -> None:
        """Write all that memory has."""
        self._tried_s = time.monotonic()
        numbers = self._memory.load()
        with suppress(VenueError):
            self._disk.commit(
                Commit(numbers, tuple(self._memory.sent(1, numbers.next_out)), reset=self._reset)
            )
            self._disk.wait_for_locks()
            self.why = ""
            self._base = numbers
            self._memory = MemoryStore()

    def _spared(self) -> SequenceNumbers | None:
        """Numbers that the disk did not take after what it has."""
        try:
            found = json.loads(os.pread(self._spare, _BYTES, 0))
            fits = (found["session"], tuple(found["after"])) == (self._session, astuple(self._base))
            return SequenceNumbers(*found["numbers"]) if fits else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


BLOCK: Final = 1000
"""Numbers that a session that is not durable takes at a time."""
AHEAD: Final = 500
"""Numbers that are left of its block at least: so many may leave after the last commit that reached the disk."""
# How long another process may hold the file.
_WAIT_S: Final = 5.0
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS session (
    name TEXT PRIMARY KEY, next_out INTEGER, next_in INTEGER, since_ns INTEGER, reserved INTEGER, boot TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sent (
    session TEXT, number INTEGER, raw BLOB, PRIMARY KEY (session, number)
) WITHOUT ROWID;
"""


def boot_id() -> str:
    """Identifier of this machine's current boot; "" where the system has none."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


class SqliteStore(Closing):
    """One session in a file of several; a `SessionStore`.

    Durable, a commit is on the disk when :meth:`commit` returns. Otherwise it survives the death of the process, and a
    power cut loses the last moments. Numbers of outgoing messages are then reserved durably in blocks, and a session
    after a system crash continues after its block: no number is ever used twice. A ResendRequest for those in between
    is answered with a gap fill.

    Parameters
    ----------
    path : Path
        The file; its folder is made.
    session : str
    durable : bool

    Raises
    ------
    VenueError
        When the file cannot be opened or is no such store.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, SqliteStore(Path(folder) / "fix.db", "A") as store:
    ...     store.commit(Commit(SequenceNumbers(3, 2), sent=((2, b"8=FIX..."),)))
    ...     store.load().next_out, list(store.sent(1, 9))
    (3, [(2, b'8=FIX...')])
    """

    def __init__(self, path: Path, session: str, durable: bool = True) -> None:
        self.path = path
        self.session = session
        self.durable = durable
        self.unsure = False
        """Whether the process before did not close it: numbers beyond the last commit may have left."""
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)  # its log takes its mode when it is opened
            self._file = sqlite3.connect(
                path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False
            )
            self._file.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + _TABLES)
            path.chmod(0o600)
            self._reserved = self._begin()
            self._to_disk(durable)
        except (sqlite3.Error, OSError) as error:
            raise VenueError(
                f"a store of FIX sessions in {path}", f"{error}", "name another file, or mend it"
            ) from None

    def _begin(self) -> int:
        """Go on where the last process ended, or behind its block where the machine went down since."""
        found = self._row("next_out, reserved, boot")
        boot = boot_id()
        self.unsure = found is not None and found[2] != "closed"
        if found is None:
            self._file.execute(
                "INSERT INTO session VALUES (?, 1, 1, 0, 1, ?)", (self.session, boot)
            )
            return 1
        next_out, reserved, last = found
        if last != "closed" and (last != boot or not boot):
            next_out = max(next_out, reserved)
        self._write("next_out = ?, boot = ?", (next_out, boot))
        return int(reserved)

    def load(self) -> SequenceNumbers:
        """See `SessionStore`."""
        with self._errors():
            found = self._row("next_out, next_in, since_ns")
        return SequenceNumbers(*found) if found is not None else SequenceNumbers()

    def behind_block(self) -> SequenceNumbers:
        """Numbers that skip the block in which a message may have left already."""
        numbers = self.load()
        return replace(numbers, next_out=max(numbers.next_out, self._reserved))

    def commit(self, change: Commit) -> None:
        """See `SessionStore`.

        Raises
        ------
        VenueError
            When it cannot be written. Nothing of it was.
        """
        numbers = change.numbers
        reserves = not self.durable and (change.reset or numbers.next_out + AHEAD > self._reserved)
        reserved = numbers.next_out + BLOCK if reserves else self._reserved
        with self._errors():
            try:
                if reserves:
                    self._to_disk(True)
                self._file.execute("BEGIN IMMEDIATE")
                if change.reset:
                    self._file.execute("DELETE FROM sent WHERE session = ?", (self.session,))
                self._file.executemany(
                    "INSERT OR REPLACE INTO sent VALUES (?, ?, ?)",
                    [(self.session, *one) for one in change.sent],
                )
                values = numbers.next_out, numbers.next_in, numbers.since_ns, reserved
                self._write("next_out = ?, next_in = ?, since_ns = ?, reserved = ?", values)
                self._file.execute("COMMIT")
            finally:
                if self._file.in_transaction:
                    self._file.execute("ROLLBACK")
                if reserves:
                    self._to_disk(False)
        self._reserved = reserved

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise SQLite's errors as VenueError."""
        try:
            yield
        except sqlite3.Error as error:
            raise VenueError(
                f"a store of FIX sessions that can be written, {self.path}",
                f"{error}",
                "free its disk, or end the process that holds it",
            ) from None

    def sent(self, first: int, last: int) -> Iterable[tuple[int, bytes]]:
        """See `SessionStore`."""
        which = "SELECT number, raw FROM sent WHERE session = ? AND number BETWEEN ? AND ? ORDER BY number"
        with self._errors():
            return self._file.execute(which, (self.session, first, last)).fetchall()

    def close(self) -> None:
        """Write everything and close the file, which is released in any case.

        Raises
        ------
        VenueError
            As :meth:`commit`; the next process sees that it was not closed.
        """
        try:
            with self._errors():
                self._to_disk(True)
                self._write("boot = ?", ("closed",))
        finally:
            self._file.close()

    def wait_for_locks(self, seconds: float = _WAIT_S) -> None:
        """Set how long to wait for another process's lock."""
        self._file.execute(f"PRAGMA busy_timeout={round(1000 * seconds)}")

    def _to_disk(self, at_once: bool) -> None:
        self._file.execute(f"PRAGMA synchronous={'FULL' if at_once else 'NORMAL'}")

    def _row(self, columns: str) -> tuple[Any, ...] | None:
        which = f"SELECT {columns} FROM session WHERE name = ?"
        found: tuple[Any, ...] | None = self._file.execute(which, (self.session,)).fetchone()
        return found

    def _write(self, columns: str, values: tuple[object, ...]) -> None:
        self._file.execute(f"UPDATE session SET {columns} WHERE name = ?", (*values, self.session))


# File with the number of the last message that the caller has certainly seen; empty before the first logon.
_RECEIVED: Final = "received"
_NUMBER_BYTES: Final = 8


def holds_session(store: Path) -> bool:
    """Whether a store has the numbers of a session that has logged on before."""
    try:
        return (store / _RECEIVED).stat().st_size == _NUMBER_BYTES
    except OSError:
        return False


class ReceivedMark:
    """Number of the last message that the caller has certainly processed, stored in a file.

    Parameters
    ----------
    folder : Path, optional
        None: it lasts as long as the process.

    >>> seen = ReceivedMark()
    >>> seen.write(7)
    >>> seen.number
    7
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.number = 0
        self._file = -1
        if folder is not None:
            self._file = os.open(folder / _RECEIVED, os.O_RDWR | os.O_CREAT, 0o600)
            self.number = int.from_bytes(os.pread(self._file, _NUMBER_BYTES, 0), "little")

    def forget(self) -> None:
        """Reset the mark."""
        self.number = 0
        if self._file >= 0:
            os.ftruncate(self._file, 0)

    def write(self, number: int) -> None:
        """Mark messages up to a number as processed; after a failed write the venue repeats them."""
        self.number = number
        if self._file >= 0:
            with suppress(OSError):
                os.pwrite(self._file, number.to_bytes(_NUMBER_BYTES, "little"), 0)

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
