"""Journal rows in a PostgreSQL database, by SQLAlchemy: one journal a database, one session a journal."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar

from tercel.core.errors import JournalError
from tercel.core.extras import needed
from tercel.desk.trading.journal.chain import ChainRow
from tercel.desk.trading.journal.database import JournalPlace, journal_errors
from tercel.desk.trading.journal.log import ENTRIES, Log

ADVISORY = 0x7E2CE1
"""The advisory lock of a database's session."""
_INSERT = f"INSERT INTO journal VALUES (:{', :'.join(ChainRow._fields)})"


class ServerLog(Log):
    """See `log.Log`.

    Parameters
    ----------
    place : JournalPlace
        Of a database.
    holder : str or None
        Who writes it, for people; None: it is only read, and the inbox written.

    Raises
    ------
    JournalError
        When another session holds it, or the server does not answer.
    """

    types: ClassVar[dict[str, str]] = {
        "whole": "BIGINT",
        "blob": "BYTEA",
        "numbered": "SERIAL PRIMARY KEY",
    }

    def __init__(self, place: JournalPlace, holder: str | None = None) -> None:
        super().__init__(place)
        self._text = needed("sqlalchemy", "trade").text
        self._engine = place.engine()
        with journal_errors(place, "open"):
            self._connection = self._engine.connect()
            try:
                if holder is not None:
                    self._lock(holder)
            except BaseException:
                self.close()
                raise

    def _lock(self, holder: str) -> None:
        with self._transaction():
            self._execute("SET synchronous_commit = on", {})
            name = f"tercel {os.getpid()} {holder}"[:63]
            self._execute("SELECT set_config('application_name', :name, false)", {"name": name})
            if self._execute(f"SELECT pg_try_advisory_lock({ADVISORY})", {})[0][0]:
                return
            held = self._execute(
                "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
                f" WHERE l.locktype = 'advisory' AND l.objid = {ADVISORY} AND l.granted",
                {},
            )
        by = held[0][0] if held else None
        raise JournalError(
            f"one session on {self._place}", f"it is held by {by}", "stop that session first"
        )

    def _execute(self, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        with nullcontext() if self._connection.in_transaction() else self._connection.begin():
            found = self._connection.execute(self._text(statement), values)
            rows = found.all() if found.returns_rows else []
        return [
            tuple(bytes(word) if isinstance(word, memoryview) else word for word in row)
            for row in rows
        ]

    @contextmanager
    def _transaction(self, sync: bool | None = None) -> Iterator[None]:
        with self._connection.begin():
            if sync is False:
                self._execute("SET LOCAL synchronous_commit = off", {})
            yield

    def _insert(self, rows: Iterable[ChainRow]) -> None:
        self._connection.execute(self._text(_INSERT), [row._asdict() for row in rows])

    def flush(self) -> None:
        """See `log.Log`."""
        if self._owes:
            self.say("flushed", str(self.last()))  # a durable commit makes all before it durable
            self._owes = False

    def set_aside(self, last: int) -> "ServerLog":
        """Rows beyond `last` go to a table of their own."""
        with journal_errors(self._place, "write"), self._transaction():
            self._execute(ENTRIES.format(name="journal_damaged", **self.types), {})
            self._execute(
                "INSERT INTO journal_damaged SELECT * FROM journal WHERE seq > :last",
                {"last": last},
            )
            self._execute("DELETE FROM journal WHERE seq > :last", {"last": last})
        return self

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()
        self._engine.dispose()
