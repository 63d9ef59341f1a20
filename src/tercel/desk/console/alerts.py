"""Alerts of one journal with their owners, folded from its entries.

An alert stays in the journal that it was written to, and so does its owner: several desks behind one gate show the
same one.
"""

from array import array
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from tercel.core.ports import Entry
from tercel.desk.console.report import Alert
from tercel.desk.trading.journal import kinds

MOST_ALERTS: Final = 50
"""Alerts of a report."""
SEVERE: Final = ("critical", "warning")
"""Severities that need an owner, the worst first."""
LEVELS: Final = ("info", *SEVERE)
KINDS: Final = (kinds.ALERT, kinds.OPERATOR)
"""Entries that the fold takes."""


class Owner(NamedTuple):
    """Owner of an alert, with a note."""

    owner: str
    note: str


class AlertBook:
    """The alerts of one journal, folded in order. The first person to take an alert owns it.

    >>> book = AlertBook()
    >>> book.apply(1, Entry(kinds.ALERT, 5, body={"severity": "critical", "code": "GAP", "text": "gone"}))
    >>> book.apply(2, Entry(kinds.OPERATOR, 6, body={"command": "own_alert", "body": {"alert": 1}, "by": "ann"}))
    >>> [(row.code, row.owner) for row in book.rows()], book.unowned, book.newest(9, 50)
    ([('GAP', 'ann')], {}, [(5, 1)])
    >>> book.as_of(5).unowned
    {1: 5}
    """

    def __init__(self) -> None:
        self.severities: Counter[str] = Counter()
        # Alerts by severity and code, as they were written
        self.codes: Counter[tuple[str, str]] = Counter()
        # Time of each that needs an owner and has none, by the number of its entry
        self.unowned: dict[int, int] = {}
        # By the number of the alert's entry
        self.owners: dict[int, Owner] = {}
        self.latest: deque[Alert] = deque(maxlen=MOST_ALERTS)
        self._seqs = array("q")
        self._times = array("q")
        self._levels = array("b")
        self._owned_ns: dict[int, int] = {}
        # Those about no agent
        self._general: set[int] = set()

    def apply(self, seq: int, entry: Entry) -> None:
        """Fold entry number `seq`: an alert, or an operator's command that makes its sender an alert's owner; the first
        one stays."""
        if entry.kind == kinds.ALERT:
            alert = alert_of(seq, entry)
            self.latest.append(alert)
            self.codes[alert.severity, alert.code] += 1
            self._general |= set() if entry.agent else {seq}
            # times never decrease, even if a clock was set back
            ns = max(entry.ns, self._times[-1]) if self._times else entry.ns
            self._count(seq, ns, LEVELS.index(alert.severity) if alert.severity in LEVELS else 0)
        for number, owner in owner_of(seq, entry).items():
            if number not in self.owners:
                self.owners[number] = owner
                self._owned_ns[number] = entry.ns
                self.unowned.pop(number, None)

    def _count(self, seq: int, ns: int, level: int) -> None:
        """Count an alert by its severity (`level`: index in `LEVELS`); a critical one or a warning is unowned from now on."""
        self._seqs.append(seq)
        self._times.append(ns)
        self._levels.append(level)
        self.severities[LEVELS[level]] += 1
        if LEVELS[level] in SEVERE:
            self.unowned[seq] = ns

    def rows(self) -> list[Alert]:
        """The last `MOST_ALERTS` alerts with their owners, newest first."""
        return self.with_owners(reversed(self.latest))

    def owner(self, seq: int) -> str | None:
        """Owner of the alert with entry number `seq`; "" without one, None if the entry is no alert."""
        place = bisect_left(self._seqs, seq)
        if place == len(self._seqs) or self._seqs[place] != seq:
            return None
        return self.owners[seq].owner if seq in self.owners else ""

    @property
    def unowned_general(self) -> int:
        """Number of unowned alerts that are about no agent."""
        return len(self.unowned.keys() & self._general)

    def with_owners(self, rows: Iterable[Alert]) -> list[Alert]:
        """Copies of alerts with their owners; alerts without an owner as they are."""
        return [
            replace(row, **self.owners[row.seq]._asdict()) if row.seq in self.owners else row
            for row in rows
        ]

    def newest(self, before_ns: int, max_rows: int, unowned: bool = False) -> list[tuple[int, int]]:
        """(time, entry number) of the last `max_rows` alerts before a time (exclusive), newest first; more if the
        earliest share a time.

        With `unowned` only those that need an owner and have none.
        """
        times: Sequence[int] = list(self.unowned.values()) if unowned else self._times
        seqs: Sequence[int] = list(self.unowned) if unowned else self._seqs
        end = bisect_left(times, before_ns)
        start = bisect_left(times, times[max(end - max_rows, 0)]) if end else 0
        return list(zip(times[start:end], seqs[start:end], strict=True))[::-1]

    def as_of(self, ns: int) -> "AlertBook":
        """Copy of the book as it was at a time, ns (inclusive): counts, numbers and owners, without the alerts' texts."""
        past_book = AlertBook()
        past_book._general = self._general
        for seq, alert_ns, level in zip(self._seqs, self._times, self._levels, strict=True):
            if alert_ns <= ns:
                past_book._count(seq, alert_ns, level)
        past_book.owners = {
            seq: owner for seq, owner in self.owners.items() if self._owned_ns[seq] <= ns
        }
        past_book.unowned = {
            seq: alert_ns
            for seq, alert_ns in past_book.unowned.items()
            if seq not in past_book.owners
        }
        return past_book


def alert_of(seq: int, entry: Entry, *, gate: bool = False) -> Alert:
    """The alert of an entry, without its owner; `gate`: it is in a gate's journal."""
    severity, code, text = (str(entry.body.get(key, "")) for key in ("severity", "code", "text"))
    return Alert(
        seq=seq,
        ns=entry.ns,
        severity=severity,
        code=code,
        text=text,
        agent=entry.agent,
        instrument=entry.instrument,
        gate=gate,
    )


def owner_of(seq: int, entry: Entry) -> dict[int, Owner]:
    """Owner that an operator's entry gives to an alert, by the number of the alert's entry; {} for other entries.

    An inbox may hold anything: a number that is none of an earlier entry is ignored.
    """
    body = entry.body
    command_body = entry.body.get("body")
    number = command_body.get("alert") if isinstance(command_body, Mapping) else None
    if body.get("command") != "own_alert" or type(number) is not int or not 0 < number < seq:
        return {}
    return {number: Owner(str(body.get("by") or ""), str(body.get("reason") or ""))}
