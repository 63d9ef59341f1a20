"""Alerts of a journal and whose they are: a fold of its entries, with the last ones at hand, all others by number."""

from array import array
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from tercel.core.ports import Entry
from tercel.desk.trading.journal import kinds

KEPT_ALERTS: Final = 50
SEVERE: Final = ("critical", "warning")
"""Alerts that need an owner, the worst first."""
LEVELS: Final = ("info", *SEVERE)
KINDS: Final = (kinds.ALERT, kinds.OPERATOR)
"""Entries that the fold takes."""


class AlertBook:
    """The alerts of one journal, folded in order. An alert is the first one's who takes it.

    >>> book = AlertBook()
    >>> book.apply(1, Entry(kinds.ALERT, 5, body={"severity": "critical", "code": "GAP", "text": "gone"}))
    >>> book.apply(2, Entry(kinds.OPERATOR, 6, body={"command": "own_alert", "body": {"alert": 1}, "by": "ann"}))
    >>> [(row["code"], row["owner"]) for row in book.shown()], book.unowned, book.newest(9, 50)
    ([('GAP', 'ann')], {}, [(5, 1)])
    >>> book.as_of(5).unowned
    {1: 5}
    """

    def __init__(self) -> None:
        self.severities: Counter[str] = Counter()
        self.codes: Counter[tuple[str, str]] = Counter()
        """Alerts by severity and code, as they were written."""
        self.unowned: dict[int, int] = {}
        """Time of each that needs an owner and has none, by the number of its entry."""
        self.owners: dict[int, dict[str, str]] = {}
        """Owner and note, by the number of the alert's entry."""
        self.told: deque[dict[str, Any]] = deque(maxlen=KEPT_ALERTS)
        """Rows of the last ones."""
        self._seqs = array("q")
        self._times = array("q")
        self._levels = array("b")
        self._owned: dict[int, int] = {}
        self._general: set[int] = set()
        """Those that are about no agent."""

    def apply(self, seq: int, entry: Entry) -> None:
        """Take an entry of one of `KINDS`."""
        if entry.kind == kinds.ALERT:
            row = row_of(seq, entry)
            self.told.append(row)
            self.codes[row["severity"], row["code"]] += 1
            self._general |= set() if entry.agent else {seq}
            ns = (
                max(entry.ns, self._times[-1]) if self._times else entry.ns
            )  # a clock that is set back
            self._count(seq, ns, LEVELS.index(row["severity"]) if row["severity"] in LEVELS else 0)
        for number, owner in owner_of(seq, entry).items():
            if number not in self.owners:
                self.owners[number], self._owned[number] = owner, entry.ns
                self.unowned.pop(number, None)

    def _count(self, seq: int, ns: int, level: int) -> None:
        self._seqs.append(seq)
        self._times.append(ns)
        self._levels.append(level)
        self.severities[LEVELS[level]] += 1
        if LEVELS[level] in SEVERE:
            self.unowned[seq] = ns

    def shown(self) -> list[dict[str, Any]]:
        """Rows of the last `KEPT_ALERTS` with their owners, newest first."""
        return self.owned(reversed(self.told))

    def owner(self, seq: int) -> str | None:
        """Whose an alert is; "" nobody's, None where the entry is no alert."""
        place = bisect_left(self._seqs, seq)
        if place == len(self._seqs) or self._seqs[place] != seq:
            return None
        return self.owners.get(seq, {}).get("owner", "")

    @property
    def free(self) -> int:
        """How many of no agent need an owner and have none."""
        return len(self.unowned.keys() & self._general)

    def owned(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Rows with their owners, where they have one."""
        return [{**row, **self.owners.get(row["seq"], {})} for row in rows]

    def newest(self, before_ns: int, most: int, unowned: bool = False) -> list[tuple[int, int]]:
        """Times and numbers of the last alerts before a time, newest first: so many, and all of the earliest's time.

        With `unowned` of those alone that need an owner and have none.
        """
        times: Sequence[int] = list(self.unowned.values()) if unowned else self._times
        seqs: Sequence[int] = list(self.unowned) if unowned else self._seqs
        end = bisect_left(times, before_ns)
        start = bisect_left(times, times[max(end - most, 0)]) if end else 0
        return list(zip(times[start:end], seqs[start:end], strict=True))[::-1]

    def as_of(self, ns: int) -> "AlertBook":
        """Counts, numbers and owners as they were at a time, without rows."""
        then = AlertBook()
        then._general = self._general
        for seq, told, level in zip(self._seqs, self._times, self._levels, strict=True):
            if told <= ns:
                then._count(seq, told, level)
        then.owners = {seq: owner for seq, owner in self.owners.items() if self._owned[seq] <= ns}
        then.unowned = {seq: told for seq, told in then.unowned.items() if seq not in then.owners}
        return then


def row_of(seq: int, entry: Entry) -> dict[str, Any]:
    """An alert as the page shows it: seq, ns, severity, code, text, agent, instrument."""
    row = {key: str(entry.body.get(key, "")) for key in ("severity", "code", "text")}
    return {**row, "seq": seq, "ns": entry.ns, "agent": entry.agent, "instrument": entry.instrument}


def owner_of(seq: int, entry: Entry) -> dict[int, dict[str, str]]:
    """Whose an alert is from an operator's entry on: {entry of the alert: {"owner", "note"}}, or {}.

    People may leave any word in an inbox: what names no entry before its own says nothing.
    """
    body, about = entry.body, entry.body.get("body")
    number = about.get("alert") if isinstance(about, Mapping) else None
    if body.get("command") != "own_alert" or type(number) is not int or not 0 < number < seq:
        return {}
    return {number: {"owner": str(body.get("by") or ""), "note": str(body.get("reason") or "")}}
