"""Limits as journaled: those in force, and requests for others.

Every change is one entry of kind `limits` with all limits that are in force from there on; the hash of them stands on
every order that leaves. `wrong` holds the orders of a journal against that.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tercel.core.ports import Entry, Journal
from tercel.desk.limits import hash_of_json
from tercel.desk.trading.journal import kinds

EXPIRES_NS: Final = 900 * 10**9
"""Venue time in which a request may be approved."""


@dataclass(frozen=True, slots=True)
class LimitRequest:
    """A request for other limits, as ``PATH: value`` (`limits.changed`)."""

    changes: Mapping[str, str]
    by: str
    reason: str
    ns: int

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
            asked = LimitRequest(body["changes"], body["by"], body["reason"], entry.ns)
            self.requests[int(body["request"])] = asked
            return
        self.requests.pop(int(body.get("request", 0)), None)
        self.in_force, self.hash = body["limits"], str(body["hash"])


def wrong(journal: Journal) -> tuple[int, list[str]]:
    """Audit of limits in a journal: the number of orders, and those without the hash of the limits in force.

    Also named: an entry of limits whose hash is not that of its limits, and limits that were loosened by the one who
    had asked for them. Orders from before the first entry of limits carry none.
    """
    record, orders, found = LimitRecord(), 0, []
    for seq, entry in journal.read(kinds=(kinds.LIMITS, kinds.ORDER_OUT)):
        body = entry.body
        if entry.kind == kinds.ORDER_OUT:
            orders += (changes := body["what"] in ("new", "replace"))
            if changes and body.get("limits", "") != record.hash:
                found.append(f"entry {seq}: order {entry.order} says {body.get('limits')}, not {record.hash}")
            continue
        if body["event"] == "loosened" and not _agreed(record.requests.get(int(body["request"])), body):
            found.append(f"entry {seq}: limits were loosened without two persons")
        record.apply(entry)
        if "limits" in body and hash_of_json(body["limits"]) != body["hash"]:
            found.append(f"entry {seq}: limits are called {body['hash']} and are {hash_of_json(body['limits'])}")
    return orders, found


def _agreed(asked: LimitRequest | None, body: Mapping[str, Any]) -> bool:
    return asked is not None and not same_person(asked.by, str(body["by"]))


_BLANK: Final = frozenset(
    map(chr, (0x34F, 0x115F, 0x1160, *range(0x180B, 0x1810), 0x2800, 0x3164, *range(0xFE00, 0xFE10), 0xFFA0))
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
