"""Limits as journaled: those in force, and requests for others.

Every change is one entry of kind `limits` with all limits that are in force from there on; the hash of them stands on
every order that leaves. `wrong` holds the orders of a journal against that.
"""

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tercel.core.errors import LimitsError
from tercel.core.ports import Entry, Journal
from tercel.desk.limits import (
    Limits,
    changed,
    from_json,
    hash_of,
    hash_of_json,
    loosened,
    values_at,
)
from tercel.desk.trading.journal import kinds

NEW: Final = ".*"
"""Ends the path of the limits of a name that had none (`limits.loosened`)."""
EXPIRES_NS: Final = 900 * 10**9
"""Venue time in which a request may be approved."""


@dataclass(frozen=True, slots=True)
class LimitRequest:
    """A request for other limits, as ``PATH: value`` (`limits.changed`)."""

    changes: Mapping[str, str]
    by: str
    reason: str
    ns: int
    was: Mapping[str, Any]
    """What was in force at these paths when it was asked for (`limits.values_at`)."""

    def open(self, now_ns: int) -> bool:
        """Whether it may still be approved."""
        return now_ns - self.ns <= EXPIRES_NS


class LimitRecord:
    """Fold of entries of kind `limits`: limits in force and open requests.

    Parameters
    ----------
    in_force : mapping or None
        `limits.limits_json` of what is in force; None before a session said.
    hash : str
        Its name, "" before.
    requests : dict of int to LimitRequest
        What was asked for and neither approved nor, by the last entry, expired: by number of the entry that asked.
    """

    def __init__(self) -> None:
        self.in_force: Mapping[str, Any] | None = None
        self.hash = ""
        self.requests: dict[int, LimitRequest] = {}

    def apply(self, entry: Entry) -> None:
        """Fold one entry of kind `limits`."""
        body = entry.body
        self.requests = {number: one for number, one in self.requests.items() if one.open(entry.ns)}
        if body["event"] == "requested":
            asked = LimitRequest(body["changes"], body["by"], body["reason"], entry.ns, body["was"])
            self.requests[int(body["request"])] = asked
            return
        self.requests.pop(int(body.get("request", 0)), None)
        self.in_force = body["limits"]
        self.hash = str(body["hash"])


def wrong(journal: Journal) -> tuple[int, list[str]]:
    """Audit of limits in a journal: the number of orders, and those without the hash of the limits in force.

    Also named: an entry of limits whose hash is not that of its limits; limits that were loosened by the one who had
    asked for them, to other values than were asked for, or without having been asked for. Orders from before the first
    entry of limits carry none.
    """
    record, orders, found = LimitRecord(), 0, []
    for seq, entry in journal.read(kinds=(kinds.LIMITS, kinds.ORDER_OUT)):
        body = entry.body
        if entry.kind == kinds.ORDER_OUT:
            orders += (changes := body["what"] in ("new", "replace"))
            if changes and body.get("limits", "") != record.hash:
                found.append(
                    f"entry {seq}: order {entry.order} says {body.get('limits')}, not {record.hash}"
                )
            continue
        found += [f"entry {seq}: {text}" for text in _not_agreed(record, body)]
        record.apply(entry)
        if "limits" in body and hash_of_json(body["limits"]) != body["hash"]:
            found.append(
                f"entry {seq}: limits are called {body['hash']} and are {hash_of_json(body['limits'])}"
            )
    return orders, found


def _not_agreed(record: LimitRecord, body: Mapping[str, Any]) -> Iterator[str]:
    """What an entry of limits allows that no two persons agreed on: values are compared, not only who and what."""
    if record.in_force is None or "limits" not in body:
        return
    try:
        before, after = from_json(record.in_force), from_json(body["limits"])
        if body["event"] != "loosened":
            more = told(
                before, after, [path for path in loosened(before, after) if not path.endswith(NEW)]
            )
            yield from (
                f"limits {body['event']} allow more, which nobody asked for: {one}" for one in more
            )
            return
        asked = record.requests.get(int(body["request"]))
        if asked is None or same_person(asked.by, str(body["by"])):
            yield "limits were loosened without two persons"
        elif hash_of(changed(before, asked.changes)) != hash_of(after):
            yield f"limits were loosened to other values than request {body['request']} asked for"
    except LimitsError as error:
        yield f"limits that cannot be compared: {error}"


def told(before: Limits, after: Limits, paths: Sequence[str]) -> list[str]:
    """Limits with both their values, for people; a name that had none before (`agents.NAME.*`) by itself."""
    both = {
        path: (values_at(limits, [path])[path] for limits in (before, after))
        for path in paths
        if path[-2:] != NEW
    }
    return [
        f"{path} ({' to '.join(map(str, both[path]))})" if path in both else path for path in paths
    ]


_BLANK: Final = frozenset(
    map(
        chr,
        (
            0x34F,
            0x115F,
            0x1160,
            *range(0x180B, 0x1810),
            0x2800,
            0x3164,
            *range(0xFE00, 0xFE10),
            0xFFA0,
        ),
    )
)


def blank(letter: str) -> bool:
    """Whether a letter shows nothing: spaces, what does not print, and fillers, which pass for printed ones.

    >>> blank(" "), blank("\u3164"), blank("a")
    (True, True, False)
    """
    return letter.isspace() or not letter.isprintable() or letter in _BLANK


def same_person(one: str, other: str) -> bool:
    """Whether two names are one person's: lookalike letters and invisible characters folded, how it was proved aside.

    >>> same_person("Ann ", "ann"), same_person("ann", "\uff21nn\u200b"), same_person("ann", "bob")
    (True, True, False)
    >>> same_person("ann", "ann (password)")
    True
    """
    return _spelt(one) == _spelt(other)


def _spelt(name: str) -> str:
    plain = unicodedata.normalize("NFKC", name.partition(" (")[0]).casefold()
    return "".join(letter for letter in plain if not blank(letter))
