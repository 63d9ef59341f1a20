"""The hash chain: an entry's hash covers its content and the hash before it, so a changed past shows."""

import json
from hashlib import sha256
from typing import Any, Final, NamedTuple

from tercel.core.errors import JournalError
from tercel.core.ports import Entry

ORIGIN: Final = sha256(b"tercel journal 1").hexdigest()
"""The hash before the first entry."""


class ChainRow(NamedTuple):
    """An entry as stored."""

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


def digest(before: str, row: ChainRow) -> str:
    """The hash of a row's content after another's hash."""
    head = json.dumps([before, *row[:8]], ensure_ascii=True, separators=(",", ":"))
    blob = row.blob if isinstance(row.blob, bytes) else repr(row.blob).encode()  # a damaged file may hold anything
    return sha256(head.encode() + b"\0" + blob).hexdigest()


def row_of(entry: Entry, seq: int, before: str) -> ChainRow:
    """An entry as the row after the one whose hash is `before`.

    Raises
    ------
    JournalError
        For a body that is no JSON, or an entry without a kind.
    """
    if not entry.kind:
        raise JournalError("an entry with a kind", f"{entry!r:.200}", "name its kind")
    try:
        body = json.dumps(dict(entry.body), allow_nan=False, sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise JournalError(
            f"a {entry.kind} entry of JSON values", f"{error}: {dict(entry.body)!r:.200}", "write numbers, texts, lists"
        ) from error
    row = ChainRow(
        seq, entry.kind, int(entry.ns), entry.instrument, entry.agent, entry.parent, entry.order, body, entry.blob, ""
    )
    return row._replace(hash=digest(before, row))


def entry_of(row: ChainRow) -> Entry:
    """A stored row as an entry."""
    body: dict[str, Any] = json.loads(row.body)
    return Entry(row.kind, row.ns, row.instrument, row.agent, row.parent, row.ord, body, bytes(row.blob))
