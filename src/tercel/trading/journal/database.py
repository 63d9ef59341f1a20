"""Tables, engines and errors of a journal in a database: SQLite by default, PostgreSQL by URL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from tercel.core.errors import ConfigError, JournalError

if TYPE_CHECKING:
    from sqlalchemy import Engine, Table

SCHEMA: Final = 1
DATABASE: Final = "journal.db"
ELSEWHERE: Final = "journal.url"
"""Holds the URL of a journal that is not in the folder (PostgreSQL)."""
BUSY_MS: Final = 1000
"""How long a write waits for another process's; the inbox's writers need a millisecond."""


def sqlalchemy() -> ModuleType:
    """The library, imported when a journal is first used.

    Raises
    ------
    ConfigError
        When it is not installed.
    """
    try:
        import sqlalchemy as sa
    except ImportError as error:
        raise ConfigError("the extra [trade]", "no module sqlalchemy", "pip install 'tercel[trade]'") from error
    return sa


class JournalPlace:
    """Where a journal is: a desk folder, a database file, or a PostgreSQL URL.

    A desk folder whose journal lies elsewhere holds the URL in a file of its own, `journal.url`.

    >>> JournalPlace("desk").url
    'sqlite:///desk/journal.db'
    >>> JournalPlace("postgresql://host/db").url
    'postgresql+psycopg://host/db'
    """

    def __init__(self, where: str | Path) -> None:
        text = str(where)
        self.file: Path | None = None
        if "://" not in text and (Path(text) / ELSEWHERE).is_file():
            text = (Path(text) / ELSEWHERE).read_text(encoding="utf-8").strip()
        if "://" not in text:
            path = Path(text)
            self.file = path if path.suffix == ".db" else path / DATABASE
            self.url = f"sqlite:///{self.file}"
        elif text.startswith(("postgresql://", "postgres://")):
            self.url = "postgresql+psycopg://" + text.split("://", 1)[1]
        elif text.startswith(("postgresql+", "sqlite:///")):
            self.url = text
            self.file = Path(text.removeprefix("sqlite:///")) if text.startswith("sqlite") else None
        else:
            raise ConfigError(
                "a desk folder or a postgresql:// URL", f"{text.split('://', 1)[0]}://...", "use one of these"
            )

    def __str__(self) -> str:
        """For people: no password."""
        if self.file is not None:
            return str(self.file)
        return str(sqlalchemy().engine.make_url(self.url).render_as_string(hide_password=True))

    def engine(self, read_only: bool = False) -> Engine:
        """An engine whose connections do what a journal needs."""
        sa = sqlalchemy()
        try:
            if self.file is None:
                engine = sa.create_engine(self.url, poolclass=sa.pool.NullPool)
            else:
                engine = _sqlite(sa, self.file, read_only)
        except (ImportError, sa.exc.ArgumentError) as error:
            raise ConfigError(
                f"a database for {self}", str(error), "pip install 'psycopg[binary]'; check the URL"
            ) from error
        return engine  # type: ignore[no-any-return]


def _sqlite(sa: Any, file: Path, read_only: bool) -> Any:
    mode = "ro" if read_only else "rwc"
    url = f"sqlite:///file:{str(file.absolute()).replace('?', '%3f').replace('#', '%23')}?mode={mode}&uri=true"
    arguments = {"check_same_thread": False, "timeout": BUSY_MS / 1000}
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool, connect_args=arguments)

    def prepare(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        if not read_only:
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()

    sa.event.listen(engine, "connect", prepare)
    return engine


class Tables:
    """The tables of a journal."""

    def __init__(self) -> None:
        sa = sqlalchemy()
        self.metadata = sa.MetaData()
        text, number = sa.Text, sa.BigInteger
        self.meta: Table = sa.Table(
            "meta", self.metadata, sa.Column("key", text, primary_key=True), sa.Column("value", text, nullable=False)
        )

        def entries(name: str, **first: Any) -> Table:
            names = [sa.Column(name, text, nullable=False) for name in ("instrument", "agent", "parent", "ord", "body")]
            table: Table = sa.Table(
                name,
                self.metadata,
                # Integer, not BigInteger: SQLite then makes it the row id
                sa.Column(
                    "seq", sa.Integer().with_variant(number, "postgresql"), primary_key=True, autoincrement=False
                ),
                sa.Column("kind", text, nullable=False),
                sa.Column("ns", number, nullable=False),
                *names,
                sa.Column("blob", sa.LargeBinary, nullable=False),
                sa.Column("hash", text, nullable=False),
            )
            return table

        self.journal = entries("journal")
        self.damaged = entries("journal_damaged")
        self.inbox: Table = sa.Table(
            "inbox",
            self.metadata,
            sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
            *(sa.Column(name, text, nullable=False) for name in ("kind", "body", "by", "reason")),
            sa.Column("wall_ns", number, nullable=False),
            sa.Column("taken", number, nullable=False, default=0),
            sqlite_autoincrement=True,
        )


@contextmanager
def journal_errors(place: JournalPlace, doing: str) -> Iterator[None]:
    """Turn any error of a database into a JournalError."""
    sa = sqlalchemy()
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise JournalError(f"to be able to {doing} {place}", reason, remedy_of(reason)) from error
    except OSError as error:
        raise JournalError(
            f"to be able to {doing} {place}", error.strerror or str(error), "check the path, its rights and the disk"
        ) from error


def remedy_of(reason: str) -> str:
    """What a person can do about a database's complaint."""
    if "locked" in reason:
        return "find the process that holds a transaction open on it (fuser), then try again"
    if "full" in reason or "I/O" in reason:
        return "check the space left on its disk, then start again: the session reconciles with the venue"
    if "malformed" in reason or "not a database" in reason:
        return "open it with an acknowledgement: sound entries are kept, the damaged file is set aside"
    return "check the path, its rights and that the server runs, then start again"


def is_transient(error: BaseException | None) -> bool:
    """Nothing was written and trying again may help: another process had the lock."""
    original = getattr(error, "orig", None)
    return getattr(original, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def identity(file: Path) -> tuple[int, int]:
    """Which file a path names now."""
    stat = file.stat()
    if not stat.st_mode & 0o222:
        raise OSError(13, "made read-only", str(file))
    return stat.st_dev, stat.st_ino


def log_of(file: Path) -> tuple[int, int]:
    """Which write-ahead log lies beside a SQLite file, and its bytes: while it is open, they are never fewer."""
    stat = file.with_name(f"{file.name}-wal").stat()
    return stat.st_ino, stat.st_size


def keep_elsewhere(folder: Path, url: str) -> None:
    """Keep where a desk's journal is, for its owner's eyes alone: the URL may hold a password."""
    path = folder / ELSEWHERE
    path.touch(mode=0o600)
    path.write_text(url + "\n", encoding="utf-8")
