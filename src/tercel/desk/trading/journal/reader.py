"""Reading a journal while its session writes it, and posting commands to that session.

journal = JournalReader("desk")
for seq, entry in journal.read(after=seen): ...
post("desk", "pause", {"parent": "p1"}, by="ann", reason="news", wall_ns=now)
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tercel.core.errors import JournalError
from tercel.core.ports import Entry
from tercel.desk.trading.journal.chain import entry_of
from tercel.desk.trading.journal.database import JournalPlace, journal_errors, missing
from tercel.desk.trading.journal.log import Log
from tercel.desk.trading.journal.sqlite import SqliteLog


def log_at(place: JournalPlace, read_only: bool = False, holder: str | None = None) -> Log:
    """Open the row storage at a location."""
    if place.file is not None:
        return SqliteLog(place, read_only)
    from tercel.desk.trading.journal.server import ServerLog

    return ServerLog(place, holder)


class JournalReader:
    """Read-only access to a journal without its lock; a session may be writing it.

    Parameters
    ----------
    where : str or path
        A desk folder, a database file, or a PostgreSQL URL.

    Raises
    ------
    JournalError
        When there is none, or it is of another schema.
    """

    def __init__(self, where: str | Path) -> None:
        self._place = JournalPlace(where)
        if self._place.file is not None and not self._place.file.is_file():
            raise missing(self._place.file)
        self._log = log_at(self._place, read_only=True)
        self._log.words()  # fails here and now when this is no journal, or one of another schema

    @property
    def last(self) -> int:
        """Sequence number of the last entry, 0 when there is none."""
        return self._log.last()

    @property
    def first(self) -> str:
        """Hash of the first entry, by which a journal is told from another in its place; "" while there is none."""
        return next((row.hash for row in self._log.rows(0, (), 1)), "")

    def read(
        self, after: int = 0, kinds: Iterable[str] = (), until: int = 2**62
    ) -> Iterator[tuple[int, Entry]]:
        """See `core.ports.Journal`; no further than an entry, where one is named."""
        with journal_errors(self._place, "read"):
            for row in self._log.rows(after, kinds, until):
                yield row.seq, entry_of(row)

    def append(self, entries: object, *, sync: bool = True) -> int:
        """Refuse: see `core.ports.Journal`."""
        raise JournalError(
            "a session to write its journal", "a reader", "leave word for the session with post()"
        )

    def close(self) -> None:
        """Let go of the database."""
        self._log.close()


@contextmanager
def _inbox(where: str | Path) -> Iterator[Log]:
    """The inbox of a journal, to write."""
    place = JournalPlace(where)
    if place.file is not None and not place.file.is_file():
        raise missing(place.file)
    with closing(log_at(place)) as log:
        yield log


def post(
    where: str | Path, kind: str, body: Mapping[str, Any], by: str, reason: str, wall_ns: int
) -> int:
    """Post a command to the inbox of the session that writes a journal; it is taken exactly once.

    Returns
    -------
    int
        The command's number, which the `operator` entry of its taking repeats.

    Raises
    ------
    JournalError
        When there is no such journal, or it cannot be written.
    """
    with _inbox(where) as log:
        return log.post((kind, json.dumps(dict(body)), by, reason, wall_ns))


def withdraw(where: str | Path, number: int) -> bool:
    """Remove a command from the inbox; False when a session has taken it."""
    with _inbox(where) as log:
        return log.withdraw(number)
