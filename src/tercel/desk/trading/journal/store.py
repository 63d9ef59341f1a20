"""A session's journal in a database: append-only, chained, durable before `append` returns; readers beside it.

    journal = JournalReader("desk")
    for seq, entry in journal.read(after=seen): ...
    post("desk", "pause", {"parent": "p1"}, by="ann", reason="news", wall_ns=now)

Opening starts from the newest sound snapshot, or from the first entry, and reads back every entry after it. When a
write fails for anything but another process's lock, the contents of the disk are unknown: the journal then refuses
everything until it is reopened and read back.
"""

import json
import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

from tercel.core.errors import ConfigError, JournalError
from tercel.core.ports import Entry
from tercel.desk.trading.journal import database, kinds as kinds_of
from tercel.desk.trading.journal.chain import (
    ChainKey,
    ChainRow,
    digest,
    digest_of,
    entry_of,
    key_of,
    origin,
    posted,
    row_of,
)
from tercel.desk.trading.journal.database import (
    LOCK,
    FileLock,
    JournalPlace,
    journal_errors,
    missing,
)
from tercel.desk.trading.journal.log import Log, SqliteLog, StoredSnapshot


def log_at(place: JournalPlace, read_only: bool = False, holder: str | None = None) -> Log:
    """Open the row storage at a location."""
    if place.file is not None:
        return SqliteLog(place, read_only)
    from tercel.desk.trading.journal.log import ServerLog

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
        For a missing journal, or one of another schema.
    """

    def __init__(self, where: str | Path) -> None:
        self._place = JournalPlace(where)
        if self._place.file is not None and not self._place.file.is_file():
            raise missing(self._place.file)
        self._log = log_at(self._place, read_only=True)
        self._log.words()  # fails here and now when this is no journal, or one of another schema

    @property
    def last(self) -> int:
        """Sequence number of the last entry, 0 if the journal is empty."""
        return self._log.last()

    @property
    def first(self) -> str:
        """Hash of the first entry, which identifies the journal; "" while it is empty."""
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
            "a session to write its journal", "a reader", "send it to the session with post()"
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


MARK_BYTES = 128
NEWEST = 3
"""Snapshots that stay."""

_log = logging.getLogger("tercel.journal")


class SoundPrefix(NamedTuple):
    """The sound part of a journal: entries up to `last`, whose hash is `head`, and the fault after it ("": none)."""

    last: int
    head: str
    ns: int
    fault: str


class SqlJournal:
    """See `core.ports.Journal`; opening verifies the chain after the newest snapshot.

    Parameters
    ----------
    where : str or path
        A desk folder (``journal.db`` in it), a database file, or a PostgreSQL URL (one journal a database).
    holder : str
        Name of the user and program that open it, for messages.
    acknowledge : str
        A person's reason to continue with the sound prefix of a damaged journal. The damaged file is set aside, never
        deleted.
    key : ChainKey, optional
        Of the hashes; by default what the environment names (`keys.key_of`). A journal begun without one has none.

    Raises
    ------
    JournalError
        When another session holds it, it cannot be used, or it is damaged without an acknowledgement.
    ConfigError
        For a key that does not fit it.
    """

    def __init__(
        self,
        where: str | Path,
        holder: str = "",
        acknowledge: str = "",
        key: ChainKey | None = None,
    ) -> None:
        self._place = database.JournalPlace(where)
        folder = self._place.file.parent if self._place.file else None
        self.key = key or key_of(folder)
        self._mutex = RLock()
        self._broken = ""
        self._mark_file = -1
        self._failures: tuple[type[Exception], ...] = (*database.failures(self._place), OSError)
        self.ignored: list[str] = []
        """Why snapshots were passed over when it was opened."""
        self._lock = FileLock(folder / LOCK, holder) if folder else None
        try:
            self._rows: Log = log_at(self._place, holder=holder)
            self._check(acknowledge)
        except BaseException:
            self._release()
            raise

    # -- opening -------------------------------------------------------------------------------------------------

    def _check(self, acknowledge: str) -> None:
        """Verify an existing journal, or begin a new one."""
        sound = self._sound()
        self.last = sound.last
        self.head = sound.head
        if sound.fault and not acknowledge:
            raise JournalError(
                f"a whole journal at {self._place}",
                f"entries 1 to {self.last} are sound; then {sound.fault}",
                "look at it, then open it with an acknowledgement: sound entries stay, the rest is set aside",
            )
        if sound.fault:
            self._rows = self._rows.set_aside(self.last)
            self._begin_chain(self._rows.meta())
            self._rows.forget(self.last + 1)
        self._rows.begin()
        if self._place.file is not None:
            self._mark_file = os.open(
                self._place.file.with_suffix(".head"), os.O_RDWR | os.O_CREAT, 0o600
            )
        if sound.fault:
            body = {
                "command": "acknowledge",
                "sound": self.last,
                "fault": sound.fault,
                "reason": acknowledge,
            }
            self.append([Entry(kinds_of.OPERATOR, sound.ns, body=body)])
        self._mark()

    def _sound(self) -> SoundPrefix:
        """Sound prefix of the journal."""
        try:
            words = self._rows.meta()
        except JournalError as error:
            if (
                self._place.file is None
                or error.__cause__ is None
                or database.is_transient(error.__cause__)
            ):
                raise  # a server that is away, another program's database, another process that holds the file
            return SoundPrefix(0, origin(self.key), 0, f"the file does not read: {error.received}")
        self._begin_chain(words)
        with database.journal_errors(self._place, "read"):
            snapshot = self.snapshot()
            start = (
                SoundPrefix(0, origin(self.key), 0, "")
                if snapshot is None
                else SoundPrefix(snapshot.seq, snapshot.hash, 0, "")
            )
            return follow_chain(self._rows, self.key, start, *mark_of(self._place))

    def _begin_chain(self, words: dict[str, str]) -> None:
        """Store the schema and key mark of a new journal, and refuse a key that does not match an old one."""
        if "schema" not in words:
            self._rows.say("schema", str(database.SCHEMA))
            if self.key is not None:
                self._rows.say("key", self.key.mark)
            return
        check_key(self._place, words, self.key)
        if self.key is None:
            _log.info(
                "%s has unkeyed hashes: a user who can write it can rewrite its past", self._place
            )

    # -- the port ------------------------------------------------------------------------------------------------

    def append(self, entries: Sequence[Entry], *, sync: bool = True) -> int:
        """See `core.ports.Journal`."""
        with self._mutex:
            if entries:
                rows = self._chained(entries)
                self._write(rows, sync=sync)
            elif sync:
                self._flush()
            return self.last

    def _chained(self, entries: Sequence[Entry]) -> list[ChainRow]:
        rows, head = [], self.head
        for seq, entry in enumerate(entries, self.last + 1):
            rows.append(row_of(entry, seq, head, self.key))
            head = rows[-1].hash
        return rows

    def _write(self, rows: list[ChainRow], taken: Sequence[int] = (), sync: bool = True) -> None:
        """Rows and the inbox's marks in one transaction."""
        self._must_work()
        try:
            self._rows.write(rows, taken, sync)
            # After the commit: a write that failed leaves the chain where it was.
            self.last = rows[-1].seq
            self.head = rows[-1].hash
            if sync:
                self._mark()
        except self._failures as error:
            self._fail(error)

    def _flush(self) -> None:
        self._must_work()
        try:
            self._rows.flush()
            self._mark()
        except self._failures as error:
            self._fail(error)

    def _must_work(self) -> None:
        if self._broken:
            raise JournalError(
                f"a journal that works at {self._place}",
                f"an earlier write failed: {self._broken}",
                "start again",
            )

    def _fail(self, error: Exception) -> None:
        text = database.reason_of(error)
        # After any other error the contents of the file are unknown: no later entry may be chained behind it.
        if not database.is_transient(error):
            self._broken = text
        raise JournalError(
            f"to be able to write {self._place}", text, database.remedy_of(text)
        ) from error

    def read(
        self, after: int = 0, kinds: Iterable[str] = (), until: int = 2**62
    ) -> Iterator[tuple[int, Entry]]:
        """See `core.ports.Journal`; `until` is the last number wanted."""
        with (
            self._mutex,
            database.journal_errors(self._place, "read"),
            closing(log_at(self._place, read_only=True)) as log,
        ):
            for row in log.rows(after, kinds, until):
                yield row.seq, entry_of(row)

    def take_inbox(self, ns: int) -> list[Entry]:
        """Take operators' commands, each exactly once: taken and journaled in one transaction.

        Parameters
        ----------
        ns : int
            Venue time of the taking.

        Returns
        -------
        list of Entry
            As journaled, of kind `operator`.
        """
        with self._mutex:
            if not self._rows.changed():
                return []
            entries, ids = [], []
            for id_, kind, body, by, reason, wall_ns in self._rows.waiting():
                asked = posted(body)
                words = {
                    "id": id_,
                    "command": str(kind),
                    "body": asked,
                    "by": str(by),
                    "reason": str(reason),
                    "wall_ns": wall_ns if type(wall_ns) is int else 0,
                }
                parent = str(asked.get("parent", "")) if isinstance(asked, dict) else ""
                entries.append(Entry(kinds_of.OPERATOR, ns, parent=parent, body=words))
                ids.append(id_)
            if entries:
                # One transaction: a crash between the two would obey a command twice, or never.
                self._write(self._chained(entries), ids)
            return entries

    def close(self) -> None:
        """See `core.ports.Journal`."""
        with self._mutex:
            if not self._broken:
                self._flush()
            self._broken = self._broken or "it was closed"
            self._release()

    def _release(self) -> None:
        rows: Log | None = getattr(self, "_rows", None)
        try:
            if rows is not None:
                rows.close()
            if self._mark_file >= 0:
                os.close(self._mark_file)
                self._mark_file = -1
        finally:
            if self._lock is not None:
                self._lock.release()

    # -- snapshots ---------------------------------------------------------------------------------------------------

    def snapshot(self, version: str = "") -> StoredSnapshot | None:
        """Newest sound snapshot that belongs to these entries; of one version, where one is named."""
        found, ignored = sound_snapshot(self._rows, self.key, version)
        self.ignored = ignored or self.ignored
        return found

    def keep_snapshot(self, seq: int, version: str, body: bytes) -> None:
        """Store a snapshot of the fold up to entry `seq`.

        Raises
        ------
        JournalError
            When it cannot be written; the entries are not touched.
        """
        with self._mutex:
            self._must_work()
            hash_ = next(row.hash for row in self._rows.rows(seq - 1, until=seq))
            one = StoredSnapshot(seq, hash_, version, body, "")
            self._rows.keep(one._replace(seal=_seal(one, self.key)), NEWEST)

    def reader(self) -> "SnapshotReader":
        """A separate reader of the same entries and snapshots, for another thread."""
        return SnapshotReader(self._place, self.key)

    # -- the high-water mark: a chain alone cannot tell that its end is missing ------------------------------------

    def _mark(self) -> None:
        """Overwrite the mark file with the last entry's number and hash, in one write."""
        if self._mark_file < 0:
            return
        text = json.dumps({"seq": self.last, "hash": self.head})
        os.pwrite(self._mark_file, text.ljust(MARK_BYTES).encode(), 0)


def mark_of(place: database.JournalPlace) -> tuple[int, str]:
    """Number and hash of the last entry certainly on disk; (0, "") where unknown."""
    if place.file is None:
        return 0, ""
    try:
        mark = json.loads(place.file.with_suffix(".head").read_text())
        return int(mark["seq"]), str(mark["hash"])
    except (OSError, ValueError, KeyError, TypeError):
        return (
            0,
            "",
        )  # cut while written by an operating system that died: the chain alone is checked


def check_key(place: database.JournalPlace, words: dict[str, str], key: ChainKey | None) -> None:
    """Refuse a key that does not match the journal's metadata.

    Raises
    ------
    ConfigError
    """
    mark = words.get("key", "")
    if mark and key is None:
        raise ConfigError(
            f"the key of {place}", "none", "set TERCEL_JOURNAL_KEY_FILE to the file that holds it"
        )
    if key is not None and not mark:
        raise ConfigError(
            f"a journal with this key at {place}",
            "an unkeyed one",
            "go on without the key if it was begun so, or begin a new folder; else it was rewritten",
        )
    if key is not None and mark != key.mark:
        raise ConfigError(
            f"the key of {place}", "another key", "set TERCEL_JOURNAL_KEY_FILE to the right one"
        )


def follow_chain(
    log: Log, key: ChainKey | None, start: SoundPrefix, marked: int, mark: str
) -> SoundPrefix:
    """Verify the chain after `start`: the sound entries, and the fault after them.

    Parameters
    ----------
    log : Log
    key : ChainKey or None
    start : SoundPrefix
        Where to begin.
    marked, mark : int, str
        The entry that was on the disk for certain, and its hash.
    """
    last, head, ns, fault = start
    seen = head if last == marked else ""
    try:
        for row in log.rows(last):
            if row.seq != last + 1 or digest(head, row, key) != row.hash:
                return SoundPrefix(last, head, ns, f"entry {row.seq} is not what was written")
            last, head, ns = row.seq, row.hash, row.ns
            if last == marked:
                seen = head
        if start.last > marked > 0:
            seen = next((row.hash for row in log.rows(marked - 1, until=marked)), "")
    except JournalError as error:
        if not _does_not_read(error):
            raise
        fault = f"the file does not read: {error.received}"
    if not fault and marked and seen != mark:
        fault = f"entries up to {marked} are missing or others: the file was cut or an older one put back"
    return SoundPrefix(last, head, ns, fault)


def _does_not_read(error: JournalError) -> bool:
    """Whether an error is of the file itself, not of another process's lock or of an unreachable server."""
    return isinstance(error.__cause__, sqlite3.Error) and not database.is_transient(error.__cause__)


def _seal(one: StoredSnapshot, key: ChainKey | None) -> str:
    head = json.dumps([one.seq, one.hash, one.version]).encode()
    return digest_of(b"snapshot\0" + head + b"\0" + one.body, key)


def sound_snapshot(
    log: Log, key: ChainKey | None, version: str = ""
) -> tuple[StoredSnapshot | None, list[str]]:
    """Newest snapshot that is sound and fits its entries, and why newer ones were skipped."""
    ignored: list[str] = []
    for one in log.snapshots():
        row = _row_of(log, one.seq)
        if one.seal != _seal(one, key):
            why = "it was changed"
        elif row is None or row.hash != one.hash:
            why = "it belongs to other entries"
        elif version and one.version != version:
            why = "another version or other limits wrote it"
        else:
            return one, ignored
        ignored.append(f"the snapshot of entry {one.seq} was passed over: {why}")
    return None, ignored


def _row_of(log: Log, seq: int) -> ChainRow | None:
    """The row of a number, where it reads."""
    try:
        return next(log.rows(seq - 1, until=seq), None)
    except JournalError as error:
        if not _does_not_read(error):
            raise
        return None


class SnapshotReader(JournalReader):
    """A journal reader with access to snapshots.

    Parameters
    ----------
    place : JournalPlace
    key : ChainKey or None
    """

    def __init__(self, place: database.JournalPlace, key: ChainKey | None) -> None:
        super().__init__(place.file or place.url)
        self._key = key

    def snapshot(self, version: str = "") -> StoredSnapshot | None:
        """See `SqlJournal.snapshot`."""
        return sound_snapshot(self._log, self._key, version)[0]


class ChainVerification(NamedTuple):
    """Result of verifying a whole chain: number of sound entries, last hash, whether a key was used."""

    sound: int
    head: str
    keyed: bool
    fault: str


def verify(where: str | Path, key: ChainKey | None = None) -> ChainVerification:
    """Verify a whole journal from its first entry, while a session may be writing it.

    Parameters
    ----------
    where : str or path
        As of `SqlJournal`.
    key : ChainKey, optional
        By default what the environment names.

    Raises
    ------
    JournalError
        For a missing journal.
    ConfigError
        For a key that does not fit it.

    Returns
    -------
    Verified
    """
    place = database.JournalPlace(where)
    if place.file is not None and not place.file.is_file():
        raise database.missing(place.file)
    key = key or key_of(place.file.parent if place.file else None)
    with closing(log_at(place, read_only=True)) as log, database.journal_errors(place, "read"):
        check_key(place, log.words(), key)
        marked = mark_of(place)  # before the rows: a session that writes now moves it on
        sound = follow_chain(log, key, SoundPrefix(0, origin(key), 0, ""), *marked)
    return ChainVerification(sound.last, sound.head, key is not None, sound.fault)
