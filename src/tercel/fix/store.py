"""FIX session stores in an SQLite file: numbers and sent messages. Every commit is one transaction."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import VenueError
from tercel.core.ports import Closing
from tercel.fix.protocol.store import Commit, SequenceNumbers

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
    power cut loses the last moments. Numbers of our own messages are then taken durably in blocks, and what begins
    after the machine went down goes on behind its block: no number is ever used twice. Who asks for those in between
    has the gap filled.

    Parameters
    ----------
    path : Path
        The file; its folder is made.
    session : str
    durable : bool
    together : bool
        The number of what came in waits for the commit of the answer, or for :meth:`flush`: one write instead of two.
        Who dies between the two is sent it again.

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

    def __init__(
        self, path: Path, session: str, durable: bool = True, together: bool = False
    ) -> None:
        self.path = path
        self.session = session
        self.durable = durable
        self._together = together
        self._held: Commit | None = None
        self._next_out = 0
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
        self.flush()
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
        if (
            self._together
            and not (change.sent or change.reset)
            and change.numbers.next_out == self._next_out
        ):
            self._held = change
        else:
            self._held = None
            self._write_down(change)

    def flush(self) -> None:
        """Write buffered commits. Errors are those of :meth:`commit`."""
        change = self._held
        self._held = None
        if change is not None:
            self._write_down(change)

    def _write_down(self, change: Commit) -> None:
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
                rows = [(self.session, *one) for one in change.sent]
                self._file.executemany("INSERT OR REPLACE INTO sent VALUES (?, ?, ?)", rows)
                values = numbers.next_out, numbers.next_in, numbers.since_ns, reserved
                self._write("next_out = ?, next_in = ?, since_ns = ?, reserved = ?", values)
                self._file.execute("COMMIT")
            finally:
                if self._file.in_transaction:
                    self._file.execute("ROLLBACK")
                if reserves:
                    self._to_disk(False)
        self._reserved = reserved
        self._next_out = numbers.next_out

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """What the file does not do is an error of the venue's session."""
        try:
            yield
        except sqlite3.Error as error:
            raise VenueError(
                f"a store of FIX sessions that can be written, {self.path}",
                f"{error}",
                "free its disk, or end who holds it",
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
            As :meth:`commit`; the next process is told that it was not closed.
        """
        try:
            with self._errors():
                self.flush()
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
