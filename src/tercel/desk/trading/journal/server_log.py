"""Rows of a journal in a PostgreSQL database, written by the one session that holds its advisory lock."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar

from tercel.core.errors import JournalError
from tercel.core.extras import import_optional
from tercel.desk.trading.journal.chain import ChainRow
from tercel.desk.trading.journal.database import JournalPlace, journal_errors
from tercel.desk.trading.journal.log import ENTRIES, Log

ADVISORY = 0x7E2CE1
"""The advisory lock of a database's session."""
_INSERT_NAMED = f"INSERT INTO journal VALUES (:{', :'.join(ChainRow._fields)})"


class ServerLog(Log):
    """Journal rows in a PostgreSQL database (see `log.Log`).

    Parameters
    ----------
    place : JournalPlace
        Of a database.
    holder : str or None
        Name of its writer, for messages; None: the journal is only read, and the inbox written.

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
        self._text = import_optional("sqlalchemy", "trade").text
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
        """Take the database's advisory lock; raise JournalError with the name of its holder if another session has it."""
        with self._transaction():
            self._execute("SET synchronous_commit = on", {})
            name = f"tercel {os.getpid()} {holder}"[:63]
            self._execute("SELECT set_config('application_name', :name, false)", {"name": name})
            if self._execute(f"SELECT pg_try_advisory_lock({ADVISORY})", {})[0][0]:
                return
            holders = self._execute(
                "SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
                f" WHERE l.locktype = 'advisory' AND l.objid = {ADVISORY} AND l.granted",
                {},
            )
        by = holders[0][0] if holders else None
        raise JournalError(
            f"one session on {self._place}", f"it is held by {by}", "stop that session first"
        )

    def _execute(self, statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Rows of a statement, executed in the open transaction if any."""
        with nullcontext() if self._connection.in_transaction() else self._connection.begin():
            result = self._connection.execute(self._text(statement), values)
            rows = result.all() if result.returns_rows else []
        return [
            tuple(bytes(cell) if isinstance(cell, memoryview) else cell for cell in row)
            for row in rows
        ]

    @contextmanager
    def _transaction(self, sync: bool | None = None) -> Iterator[None]:
        """Transaction; `sync` False: its commit is not flushed to disk."""
        with self._connection.begin():
            if sync is False:
                self._execute("SET LOCAL synchronous_commit = off", {})
            yield

    def _insert(self, rows: Iterable[ChainRow]) -> None:
        """Add rows to the journal."""
        self._connection.execute(self._text(_INSERT_NAMED), [row._asdict() for row in rows])

    def flush(self) -> None:
        """Flush rows written without sync to disk, by a durable commit after them."""
        if self._unflushed:
            self.set_meta(
                "flushed", str(self.last())
            )  # a durable commit makes all before it durable
            self._unflushed = False

    def set_aside(self, last: int) -> "ServerLog":
        """Move the rows beyond `last` to the table `journal_damaged`; returns this storage."""
        with journal_errors(self._place, "write"), self._transaction():
            self._execute(ENTRIES.format(name="journal_damaged", **self.types), {})
            self._execute(
                "INSERT INTO journal_damaged SELECT * FROM journal WHERE seq > :last",
                {"last": last},
            )
            self._execute("DELETE FROM journal WHERE seq > :last", {"last": last})
        return self

    def close(self) -> None:
        """Close the connection to the database."""
        self._connection.close()
        self._engine.dispose()
