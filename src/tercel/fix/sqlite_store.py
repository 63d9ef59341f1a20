"""FIX session stores in an SQLite file: numbers and sent messages, every commit one transaction."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import VenueError
from tercel.core.ports import Closing
from tercel.fix.protocol.session_store import Commit, SequenceNumbers

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
    ...     store.load().next_out, list(store.load_sent(1, 9))
    (3, [(2, b'8=FIX...')])
    """

    def __init__(self, path: Path, session: str, durable: bool = True) -> None:
        """Open or make the file, and continue the session in it; `durable`: each commit is on the disk when it returns."""
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
            with ExitStack() as opening:
                opening.callback(self._file.close)
                self._file.executescript(
                    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + _TABLES
                )
                path.chmod(0o600)
                self._reserved = self._begin()
                self._set_durable(durable)
                opening.pop_all()
        except (sqlite3.Error, OSError) as error:
            raise VenueError(
                f"a store of FIX sessions in {path}", f"{error}", "name another file, or mend it"
            ) from None

    def _begin(self) -> int:
        """Continue where the last process ended, or behind its reserved block if the machine went down since; the
        reserved number."""
        row = self._row("next_out, reserved, boot")
        boot = boot_id()
        self.unsure = row is not None and row[2] != "closed"
        if row is None:
            self._file.execute(
                "INSERT INTO session VALUES (?, 1, 1, 0, 1, ?)", (self.session, boot)
            )
            return 1
        next_out, reserved, last = row
        if last != "closed" and (last != boot or not boot):
            next_out = max(next_out, reserved)
        self._write("next_out = ?, boot = ?", (next_out, boot))
        return int(reserved)

    def load(self) -> SequenceNumbers:
        """Sequence numbers of the session's last commit; both 1 before any."""
        with self._wrap_errors():
            row = self._row("next_out, next_in, since_ns")
        return SequenceNumbers(*row) if row is not None else SequenceNumbers()

    def behind_block(self) -> SequenceNumbers:
        """Sequence numbers after the reserved block, in which a message may have left already."""
        numbers = self.load()
        return replace(numbers, next_out=max(numbers.next_out, self._reserved))

    def commit(self, change: Commit) -> None:
        """Write a commit in one transaction; where the store is not durable, reserve a further block of numbers if need be.

        Raises
        ------
        VenueError
            When it cannot be written. Nothing of it was.
        """
        numbers = change.numbers
        reserves = not self.durable and (change.reset or numbers.next_out + AHEAD > self._reserved)
        reserved = numbers.next_out + BLOCK if reserves else self._reserved
        with self._wrap_errors():
            try:
                if reserves:
                    self._set_durable(True)
                self._file.execute("BEGIN IMMEDIATE")
                if change.reset:
                    self._file.execute("DELETE FROM sent WHERE session = ?", (self.session,))
                self._file.executemany(
                    "INSERT OR REPLACE INTO sent VALUES (?, ?, ?)",
                    [(self.session, *message) for message in change.sent],
                )
                values = numbers.next_out, numbers.next_in, numbers.since_ns, reserved
                self._write("next_out = ?, next_in = ?, since_ns = ?, reserved = ?", values)
                self._file.execute("COMMIT")
            finally:
                if self._file.in_transaction:
                    self._file.execute("ROLLBACK")
                if reserves:
                    self._set_durable(False)
        self._reserved = reserved

    @contextmanager
    def _wrap_errors(self) -> Iterator[None]:
        """Raise SQLite's errors as VenueError."""
        try:
            yield
        except sqlite3.Error as error:
            raise VenueError(
                f"a store of FIX sessions that can be written, {self.path}",
                f"{error}",
                "free its disk, or end the process that holds it",
            ) from None

    def load_sent(self, first: int, last: int) -> Iterable[tuple[int, bytes]]:
        """Application messages sent with numbers from `first` to `last`, both included, in order."""
        query = "SELECT number, raw FROM sent WHERE session = ? AND number BETWEEN ? AND ? ORDER BY number"
        with self._wrap_errors():
            return self._file.execute(query, (self.session, first, last)).fetchall()

    def close(self) -> None:
        """Write everything and close the file, which is released in any case.

        Raises
        ------
        VenueError
            As :meth:`commit`; the next process sees that it was not closed.
        """
        try:
            with self._wrap_errors():
                self._set_durable(True)
                self._write("boot = ?", ("closed",))
        finally:
            self._file.close()

    def wait_for_locks(self, seconds: float = _WAIT_S) -> None:
        """Set how long to wait for another process's lock."""
        self._file.execute(f"PRAGMA busy_timeout={round(1000 * seconds)}")

    def _set_durable(self, at_once: bool) -> None:
        """Set whether each commit is on disk before its call returns."""
        self._file.execute(f"PRAGMA synchronous={'FULL' if at_once else 'NORMAL'}")

    def _row(self, columns: str) -> tuple[Any, ...] | None:
        """Some columns of this session's row; None without a row."""
        query = f"SELECT {columns} FROM session WHERE name = ?"
        row: tuple[Any, ...] | None = self._file.execute(query, (self.session,)).fetchone()
        return row

    def _write(self, columns: str, values: tuple[object, ...]) -> None:
        """Update columns of this session's row."""
        self._file.execute(f"UPDATE session SET {columns} WHERE name = ?", (*values, self.session))
