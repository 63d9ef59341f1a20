"""Hash chain: each entry's hash covers its content and the hash before it, so that a changed past shows.

`memory.MemoryJournal` holds a chain in a list, for fast loops that need no recovery.
"""

import json
from typing import Any, Final, NamedTuple

from tercel.core.errors import JournalError
from tercel.core.ports import Entry
from tercel.desk.trading.journal.keys import ChainKey, digest_of

_FIRST: Final = b"tercel journal 1"
ORIGIN: Final = digest_of(_FIRST, None)
"""The hash before the first entry, without a key."""
_head_text = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
_body_text = json.JSONEncoder(allow_nan=False, sort_keys=True, separators=(",", ":")).encode


def origin(key: ChainKey | None) -> str:
    """Hash that precedes the first entry of a journal; an HMAC if there is a key."""
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


def digest(previous_hash: str, row: ChainRow, key: ChainKey | None = None) -> str:
    """Hash of a row's content, without its own hash, and its predecessor's hash; an HMAC if there is a key."""
    head = _head_text([previous_hash, *row[:8]])
    blob = (
        row.blob if isinstance(row.blob, bytes) else repr(row.blob).encode()
    )  # a damaged file may hold anything
    return digest_of(head.encode() + b"\0" + blob, key)


def row_of(entry: Entry, seq: int, previous_hash: str, key: ChainKey | None = None) -> ChainRow:
    """Row in which an entry is stored, chained to the hash of the row before it.

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
    return row._replace(hash=digest(previous_hash, row, key))


def _column(name: str) -> str:
    """Text as a database column takes it: lone surrogates, which a venue's bytes may hold, are escaped.

    >>> _column("o-1"), _column("o\\udcff")
    ('o-1', 'o\\\\udcff')
    """
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode("utf-8")


def parse_posted(text: object) -> Any:
    """JSON value of an inbox command's body; the text itself (200 characters) if it is not valid JSON.

    >>> parse_posted('{"parent": "p"}'), parse_posted('{"parent"'), parse_posted("[1e999]")
    ({'parent': 'p'}, '{"parent"', '[1e999]')
    """
    try:
        value = json.loads(text)  # type: ignore[arg-type]
        _body_text(value)
    except (ValueError, TypeError, RecursionError):
        return f"{text!s:.200}"
    return value


def entry_of(row: ChainRow) -> Entry:
    """A stored row as an entry."""
    body: dict[str, Any] = json.loads(row.body)
    return Entry(
        row.kind, row.ns, row.instrument, row.agent, row.parent, row.ord, body, bytes(row.blob)
    )
