"""Read access to a journal in a database, also while a session writes it.

journal = JournalReader("desk")
for seq, entry in journal.read(after=seen): ...
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from tercel.core.errors import JournalError
from tercel.core.ports import Entry
from tercel.desk.trading.journal.chain import entry_of
from tercel.desk.trading.journal.database import JournalPlace, journal_errors, missing_journal
from tercel.desk.trading.journal.log import Log
from tercel.desk.trading.journal.sqlite_log import SqliteLog


def log_at(place: JournalPlace, read_only: bool = False, holder: str | None = None) -> Log:
    """Open the storage of a journal's rows: a SQLite file, to write unless `read_only`, or a PostgreSQL database.

    `holder`: name under which the lock of a PostgreSQL journal is taken; None: without it, to read.
    """
    if place.file is not None:
        return SqliteLog(place, read_only)
    from tercel.desk.trading.journal.server_log import ServerLog

    return ServerLog(place, holder)


class JournalReader:
    """Read-only access to a journal without its lock; a session may be writing it.

    Parameters
    ----------
    location : str or path
        A desk folder, a database file, or a PostgreSQL URL.

    Raises
    ------
    JournalError
        For a missing journal, or one of another schema.
    """

    def __init__(self, location: str | Path) -> None:
        self._place = JournalPlace(location)
        if self._place.file is not None and not self._place.file.is_file():
            raise missing_journal(self._place.file)
        self._log = log_at(self._place, read_only=True)
        self._log.read_meta()  # fails here and now when this is no journal, or one of another schema

    @property
    def last(self) -> int:
        """Sequence number of the last entry, 0 if the journal is empty."""
        return self._log.last()

    @property
    def first_hash(self) -> str:
        """Hash of the first entry, which identifies the journal; "" while it is empty."""
        return next((row.hash for row in self._log.rows(0, (), 1)), "")

    def read(
        self, after: int = 0, kinds: Iterable[str] = (), until: int = 2**62
    ) -> Iterator[tuple[int, Entry]]:
        """Numbers and entries after number `after` up to `until` (included), of some kinds (all by default)."""
        with journal_errors(self._place, "read"):
            for row in self._log.rows(after, kinds, until):
                yield row.seq, entry_of(row)

    def append(self, entries: object, *, sync: bool = True) -> int:
        """Raise JournalError: a reader does not write."""
        raise JournalError(
            "a session to write its journal", "a reader", "send it to the session with post()"
        )

    def close(self) -> None:
        """Close the database."""
        self._log.close()
