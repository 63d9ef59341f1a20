"""The journal of a desk, read from its file without the package: kinds of events, their fields as columns."""

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from guards.figures import Leaves, leaves, told

HOLDER = re.compile(r"^.* \(")
"""The person and machine before what they run."""


def events_in(path: Path) -> Leaves:
    """Every kind of event with the columns of its entries: their places in the journal, heads, bodies, arrays."""
    query = (
        "select kind, seq, ns, instrument, agent, parent, ord, body, blob from journal order by seq"
    )
    with closing(sqlite3.connect(path)) as connection:
        names = ("kind", "seq", "ns", "instrument", "agent", "parent", "ord", "body", "blob")
        entries = [dict(zip(names, row, strict=True)) for row in connection.execute(query)]
    found: Leaves = {}
    for kind in sorted({entry["kind"] for entry in entries}):
        mine = [entry for entry in entries if entry["kind"] == kind]
        heads = [{name: entry[name] for name in names[1:7]} for entry in mine]
        found |= {f"{kind}/events": len(mine)} | columns(f"{kind}/head", heads)
        found |= columns(f"{kind}/body", [_body(entry) for entry in mine])
        for name, arrays in _blobs(mine).items():
            found[f"{kind}/arrays/{name}"] = told(np.concatenate([one.ravel() for one in arrays]))
            found[f"{kind}/shapes/{name}"] = told(np.array([one.shape for one in arrays]))
    return found


def columns(key: str, rows: Sequence[Mapping[str, Any]]) -> Leaves:
    """Rows of JSON as one line a field; what a row has not, or has as null, is not known.

    >>> columns("parents", [{"id": "a", "bps": 1.5}, {"id": "b", "bps": None}])
    {'parents/id': 'text 2 = "a" "b"', 'parents/bps': 'float64 2 = 1.5 nan'}
    """
    flat = [dict(leaves(row)) for row in rows]
    names = list(dict.fromkeys(name for row in flat for name in row))
    return {f"{key}/{name}": told(_column([row.get(name) for row in flat])) for name in names}


def _column(values: list[Any]) -> NDArray[Any]:
    known = [value for value in values if value is not None]
    if known and all(isinstance(value, int | float) for value in known):
        if any(isinstance(value, float) for value in known) or len(known) < len(values):
            return np.array([np.nan if value is None else value for value in values], np.float64)
        return np.array(values, np.int64)
    return np.array(
        [one if isinstance(one, str) else json.dumps(one) for one in values], dtype=object
    )


def _body(entry: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(entry["body"])
    body.pop("code", "") if entry["kind"] == "session" else None  # of another code each time
    return {
        name: HOLDER.sub("PERSON (", value) if name == "holder" else value
        for name, value in body.items()
    }


def _blobs(entries: Sequence[Mapping[str, Any]]) -> dict[str, list[NDArray[Any]]]:
    """Arrays of every entry by name: a line of JSON on each, then their bytes."""
    found: dict[str, list[NDArray[Any]]] = {}
    for entry in entries:
        if not entry["blob"]:
            continue
        head, body = zstandard.decompress(entry["blob"]).split(b"\n", 1)
        at = 0
        for name, kind, shape in json.loads(head):
            array = np.frombuffer(body, np.dtype(kind), int(np.prod(shape)), at).reshape(shape)
            found.setdefault(name, []).append(array)
            at += array.nbytes
    return found
