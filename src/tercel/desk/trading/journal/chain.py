"""Hash chain: each entry's hash covers its content and the hash before it, so that a changed past shows.

`MemoryJournal` holds a chain in a list, for fast loops that need no recovery.
"""

import hmac
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from tercel.core.errors import ConfigError, JournalError
from tercel.core.ports import Entry

KEY_VARIABLE: Final = "TERCEL_JOURNAL_KEY"
FILE_VARIABLE: Final = "TERCEL_JOURNAL_KEY_FILE"
SHORTEST: Final = 32
"""Characters of a key: as many as `openssl rand -hex 16` gives."""


class ChainKey:
    """A secret key; its repr is hidden.

    >>> key = ChainKey(b"x" * 32)
    >>> key, key.digest(b"entry") != ChainKey(b"y" * 32).digest(b"entry")
    (ChainKey(), True)
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if len(secret) < SHORTEST:
            raise ConfigError(
                f"a key of {SHORTEST} characters or more",
                f"one of {len(secret)}",
                "openssl rand -hex 32",
            )
        self._secret = secret

    def __repr__(self) -> str:
        """Text without the key."""
        return "ChainKey()"

    @property
    def mark(self) -> str:
        """Fingerprint of the key, stored in the journal to detect another key."""
        return self.digest(b"tercel journal key")[:16]

    def digest(self, data: bytes) -> str:
        """HMAC-SHA-256, hexadecimal (RFC 2104)."""
        return hmac.digest(self._secret, data, "sha256").hex()


def digest_of(data: bytes, key: ChainKey | None) -> str:
    """Hash of bytes; HMAC if there is a key."""
    return sha256(data).hexdigest() if key is None else key.digest(data)


def key_of(
    folder: Path | None = None, environment: Mapping[str, str] = os.environ
) -> ChainKey | None:
    """The key given by the environment; None: plain hashes.

    Raises
    ------
    ConfigError
        For both variables at once, a file that others may read, that lies in `folder` or does not read, a short key.
    """
    name, text = environment.get(FILE_VARIABLE, ""), environment.get(KEY_VARIABLE, "")
    if name and text:
        raise ConfigError(f"{FILE_VARIABLE} or {KEY_VARIABLE}", "both", "unset one")
    if not name:
        return ChainKey(text.strip().encode()) if text else None
    path = Path(name)
    try:
        open_to_others = path.stat().st_mode & 0o077
        inside = folder is not None and folder.resolve() in path.resolve().parents
        if open_to_others:
            raise ConfigError(
                f"{path} readable by its owner alone",
                f"mode {path.stat().st_mode & 0o777:o}",
                "chmod 600",
            )
        if inside:
            raise ConfigError(
                f"a key outside {folder}",
                f"{path}: readable by every writer of that folder",
                "keep it elsewhere",
            )
        return ChainKey(path.read_bytes().strip())
    except OSError as error:
        raise ConfigError(
            f"a key in {path}", error.strerror or str(error), f"correct {FILE_VARIABLE}"
        ) from error


# -- the chain --------------------------------------------------------------------------------------------------------
_FIRST: Final = b"tercel journal 1"
ORIGIN: Final = digest_of(_FIRST, None)
"""The hash before the first entry, without a key."""
_head_text = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
_body_text = json.JSONEncoder(allow_nan=False, sort_keys=True, separators=(",", ":")).encode


def origin(key: ChainKey | None) -> str:
    """The hash before the first entry."""
    return digest_of(_FIRST, key)


class ChainRow(NamedTuple):
    """A journal entry as stored."""

    seq: int
    kind: str
    ns: int
    instrument: str
    agent: str
    parent: str
    ord: str
    body: str
    blob: bytes
    hash: str


def digest(before: str, row: ChainRow, key: ChainKey | None = None) -> str:
    """Hash of a row's content and its predecessor's hash."""
    head = _head_text([before, *row[:8]])
    blob = (
        row.blob if isinstance(row.blob, bytes) else repr(row.blob).encode()
    )  # a damaged file may hold anything
    return digest_of(head.encode() + b"\0" + blob, key)


def row_of(entry: Entry, seq: int, before: str, key: ChainKey | None = None) -> ChainRow:
    """An entry as a row that follows the hash `before`.

    Raises
    ------
    JournalError
        For a body that is no JSON, or an entry without a kind.
    """
    if not entry.kind:
        raise JournalError("an entry with a kind", f"{entry!r:.200}", "name its kind")
    try:
        body = _body_text(dict(entry.body))
    except (TypeError, ValueError) as error:
        raise JournalError(
            f"a {entry.kind} entry of JSON values",
            f"{error}: {dict(entry.body)!r:.200}",
            "write numbers, texts, lists",
        ) from error
    instrument, agent, parent, order = map(
        _column, (entry.instrument, entry.agent, entry.parent, entry.order)
    )
    row = ChainRow(
        seq, entry.kind, int(entry.ns), instrument, agent, parent, order, body, entry.blob, ""
    )
    return row._replace(hash=digest(before, row, key))


def _column(name: str) -> str:
    """A name as a database takes it: half a character, which a venue's bytes may hold, is spelt out.

    >>> _column("o-1"), _column("o\\udcff")
    ('o-1', 'o\\\\udcff')
    """
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode("utf-8")


def posted(text: object) -> Any:
    """Body of an inbox command as JSON; text that is not valid JSON stays text.

    >>> posted('{"parent": "p"}'), posted('{"parent"'), posted("[1e999]")
    ({'parent': 'p'}, '{"parent"', '[1e999]')
    """
    try:
        found = json.loads(text)  # type: ignore[arg-type]
        _body_text(found)
    except (ValueError, TypeError, RecursionError):
        return f"{text!s:.200}"
    return found


def entry_of(row: ChainRow) -> Entry:
    """A stored row as an entry."""
    body: dict[str, Any] = json.loads(row.body)
    return Entry(
        row.kind, row.ns, row.instrument, row.agent, row.parent, row.ord, body, bytes(row.blob)
    )


class MemoryJournal:
    """Entries in a list, with the same hash chain as on disk; nothing in it is durable.

    Parameters
    ----------
    chained : bool
        Compute the chain (some 10 us an entry); `head` stays at its origin otherwise.
    """

    def __init__(self, chained: bool = True) -> None:
        self._entries: list[Entry] = []
        self._chained = chained
        self.head = ORIGIN
        self._closed = False

    @property
    def last(self) -> int:
        """Sequence number of the last entry, 0 if the journal is empty."""
        return len(self._entries)

    def append(self, entries: Sequence[Entry], *, sync: bool = True) -> int:
        """See `core.ports.Journal`."""
        if self._closed:
            raise JournalError("an open journal", "one that was closed", "open it again")
        head, stored = self.head, []
        for seq, entry in enumerate(entries, self.last + 1):
            row = row_of(entry, seq, head) if self._chained else None
            head = head if row is None else row.hash
            stored.append(entry if row is None else entry_of(row))
        self._entries += stored
        self.head = head
        return self.last

    def read(self, after: int = 0, kinds: Iterable[str] = ()) -> Iterator[tuple[int, Entry]]:
        """See `core.ports.Journal`."""
        wanted = frozenset(kinds)
        for seq in range(max(after, 0), self.last):
            entry = self._entries[seq]
            if not wanted or entry.kind in wanted:
                yield seq + 1, entry

    def take_inbox(self, ns: int) -> list[Entry]:
        """Always empty: no other process can reach it."""
        return []

    def close(self) -> None:
        """See `core.ports.Journal`."""
        self._closed = True
