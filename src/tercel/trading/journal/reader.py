"""Reading a journal beside the session that writes it, and posting commands to that session.

journal = JournalReader("desk")
for seq, entry in journal.read(after=seen): ...
post("desk", "pause", {"parent": "p1"}, by="ann", reason="news", wall_ns=now)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tercel.core.errors import JournalError
from tercel.core.ports import Entry
from tercel.trading.journal.chain import ChainRow, entry_of
from tercel.trading.journal.database import JournalPlace, Tables, journal_errors, sqlalchemy

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table

PAGE = 2000


def rows_of(connection: Connection, table: Any, after: int = 0, kinds: Iterable[str] = ()) -> Iterator[ChainRow]:
    """Rows above a sequence number, in order, page by page: no transaction stays open between pages."""
    sa, wanted = sqlalchemy(), sorted(set(kinds))
    while True:
        query = sa.select(table).where(table.c.seq > after).order_by(table.c.seq).limit(PAGE)
        if wanted:
            query = query.where(table.c.kind.in_(wanted))
        with connection.begin():
            page = [ChainRow(*row) for row in connection.execute(query)]
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].seq


class JournalReader:
    """A journal, read only and without its lock; a session may be writing it.

    Parameters
    ----------
    where : str or path
        A desk folder, a database file, or a PostgreSQL URL.

    Raises
    ------
    JournalError
        When there is none.
    """

    def __init__(self, where: str | Path) -> None:
        self._place, self._tables = JournalPlace(where), Tables()
        if self._place.file is not None and not self._place.file.is_file():
            raise JournalError(f"a journal at {self._place}", "no such file", "name the folder of a desk that has run")
        self._engine = self._place.engine(read_only=True)
        with journal_errors(self._place, "read"):
            self._connection = self._engine.connect()
            self.last  # noqa: B018  fails here and now when this is no journal

    @property
    def last(self) -> int:
        """Sequence number of the last entry, 0 when there is none."""
        sa = sqlalchemy()
        with journal_errors(self._place, "read"), self._connection.begin():
            return int(self._connection.execute(sa.select(sa.func.max(self._tables.journal.c.seq))).scalar() or 0)

    def read(self, after: int = 0, kinds: Iterable[str] = ()) -> Iterator[tuple[int, Entry]]:
        """See `core.ports.Journal`."""
        with journal_errors(self._place, "read"):
            for row in rows_of(self._connection, self._tables.journal, after, kinds):
                yield row.seq, entry_of(row)

    def append(self, entries: object) -> int:
        """Refuse: see `core.ports.Journal`."""
        raise JournalError("a session to write its journal", "a reader", "leave word for the session with post()")

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()
        self._engine.dispose()


@contextmanager
def _inbox(where: str | Path) -> Iterator[tuple[Connection, Table]]:
    """The inbox of a journal, to write."""
    place = JournalPlace(where)
    if place.file is not None and not place.file.is_file():
        raise JournalError(f"a journal at {place}", "no such file", "name the folder of a desk that has run")
    engine = place.engine()
    try:
        with journal_errors(place, "write"), engine.begin() as connection:
            yield connection, Tables().inbox
    finally:
        engine.dispose()


def post(where: str | Path, kind: str, body: Mapping[str, Any], by: str, reason: str, wall_ns: int) -> int:
    """Leave a command in the inbox of the session that writes a journal; it takes it exactly once.

    Returns
    -------
    int
        The command's number, which the `operator` entry of its taking repeats.

    Raises
    ------
    JournalError
        When there is no such journal, or it cannot be written.
    """
    row = {"kind": kind, "body": json.dumps(dict(body)), "by": by, "reason": reason, "wall_ns": wall_ns, "taken": 0}
    with _inbox(where) as (connection, inbox):
        number: Any = connection.execute(inbox.insert(), row).inserted_primary_key
        return int(number[0])


def withdraw(where: str | Path, number: int) -> bool:
    """Take a command out of the inbox again; False when a session has taken it."""
    with _inbox(where) as (connection, inbox):
        done = connection.execute(inbox.delete().where(inbox.c.id == number, inbox.c.taken == 0))
        return bool(done.rowcount)
