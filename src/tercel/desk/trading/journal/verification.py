"""Verification of a journal's hash chain, against the last entry that was certainly on disk."""

import json
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from tercel.core.errors import ConfigError, JournalError, refuse_if
from tercel.desk.trading.journal import database
from tercel.desk.trading.journal.chain import digest, origin
from tercel.desk.trading.journal.keys import ChainKey, key_of
from tercel.desk.trading.journal.log import Log
from tercel.desk.trading.journal.reader import log_at


class SoundPrefix(NamedTuple):
    """The sound part of a journal: entries up to `last`, whose hash is `head`, and the fault after it ("": none)."""

    last: int
    head: str
    ns: int
    fault: str


def mark_of(place: database.JournalPlace) -> tuple[int, str]:
    """Number and hash of the last entry that was certainly on disk, from the mark file; (0, "") where unknown."""
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


def check_key(place: database.JournalPlace, meta: dict[str, str], key: ChainKey | None) -> None:
    """Refuse a key, or the lack of one, that does not match the journal's metadata.

    Raises
    ------
    ConfigError
    """
    mark = meta.get("key", "")
    refuse_if(
        mark and key is None,
        f"the key of {place}",
        "none",
        "set TERCEL_JOURNAL_KEY_FILE to the file that holds it",
    )
    refuse_if(
        key is not None and not mark,
        f"a journal with this key at {place}",
        "an unkeyed one",
        "go on without the key if it was begun so, or begin a new folder; else it was rewritten",
    )
    if key is not None and mark != key.fingerprint:
        raise ConfigError(
            f"the key of {place}", "another key", "set TERCEL_JOURNAL_KEY_FILE to the right one"
        )


def follow_chain(
    log: Log, key: ChainKey | None, start: SoundPrefix, mark_seq: int, mark_hash: str
) -> SoundPrefix:
    """Verify the hash chain of the rows after `start`; returns the sound prefix, and the fault after it.

    Parameters
    ----------
    log : Log
    key : ChainKey or None
    start : SoundPrefix
        Where to begin.
    mark_seq, mark_hash : int, str
        The entry that was on the disk for certain, and its hash.
    """
    last, head, ns, fault = start
    seen_hash = head if last == mark_seq else ""
    try:
        for row in log.rows(last):
            if row.seq != last + 1 or digest(head, row, key) != row.hash:
                return SoundPrefix(last, head, ns, f"entry {row.seq} is not what was written")
            last = row.seq
            head = row.hash
            ns = row.ns
            if last == mark_seq:
                seen_hash = head
        if start.last > mark_seq > 0:
            seen_hash = next((row.hash for row in log.rows(mark_seq - 1, until=mark_seq)), "")
    except JournalError as error:
        if not database.is_damage(error.__cause__):
            raise
        fault = f"the file does not read: {error.received}"
    if not fault and mark_seq and seen_hash != mark_hash:
        fault = f"entries up to {mark_seq} are missing or others: the file was cut or an older one put back"
    return SoundPrefix(last, head, ns, fault)


class ChainVerification(NamedTuple):
    """Result of verifying a whole chain: number of sound entries, last hash, whether a key was used, fault after them ("":
    none)."""

    sound: int
    head: str
    keyed: bool
    fault: str


def verify(location: str | Path, key: ChainKey | None = None) -> ChainVerification:
    """Verify a whole journal, also while a session writes it; damage is reported in the result's `fault`, not raised.

    Parameters
    ----------
    location : str or path
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
    ChainVerification
    """
    place = database.JournalPlace(location)
    if place.file is not None and not place.file.is_file():
        raise database.missing_journal(place.file)
    key = key or key_of(place.file.parent if place.file else None)
    with closing(log_at(place, read_only=True)) as log, database.journal_errors(place, "read"):
        check_key(place, log.read_meta(), key)
        disk_mark = mark_of(place)  # before the rows: a session that writes now moves it on
        sound = follow_chain(log, key, SoundPrefix(0, origin(key), 0, ""), *disk_mark)
    return ChainVerification(sound.last, sound.head, key is not None, sound.fault)
