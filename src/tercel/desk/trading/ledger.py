"""The ledger: orders, positions, parents and limit counts as one fold, for sessions, recovery and consoles.

ledger = Ledger.of(journal)
ledger.positions.of("ann", "AMZN").lots
"""

from array import array
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tercel.core.executions import Key
from tercel.core.hash_index import HashIndex, array_of, base64_of, hash_of
from tercel.core.lifecycle import Notice
from tercel.core.orders import ONE, NewOrder, Report, ceiled, shown
from tercel.core.ports import Entries, Entry, Journal
from tercel.desk.limits import LimitGate
from tercel.desk.trading.child_orders.fold import Orders
from tercel.desk.trading.child_orders.positions import Fill, Move, Positions
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import (
    AlertEntry,
    Answer,
    DeniedEntry,
    HoldEntry,
    LimitsEntry,
    OperatorEntry,
    OrderOutEntry,
    QuoteEntry,
    RearmEntry,
    StanceEntry,
)
from tercel.desk.trading.journal.codec import command_of, message_of
from tercel.desk.trading.parent_orders.parent import ParentOrder, Parents
from tercel.desk.trading.risk.trading_state import TradingStates

KEEP_NS: Final = 3_600_000_000_000
"""Venue time for which a parent that is over stays: analyses have been written by then."""


_NEW: Final = ("new", "quoted")


def _stem(order: str) -> str:
    """The parent that an order's name begins with; "" where it says none."""
    stem, _, digits = order.rpartition(".")
    return stem if digits.isdigit() else ""


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
    """Values in force at these paths at the time of the request (`limits.values_at`)."""

    def open(self, now_ns: int) -> bool:
        """Whether it may still be approved."""
        return now_ns - self.ns <= EXPIRES_NS


class LimitRecord:
    """Fold of entries of kind `limits`: limits in force and open requests.

    Parameters
    ----------
    in_force : mapping or None
        `limits.limits_json` of the limits in force; None before the first session.
    hash : str
        Its name, "" before.
    requests : dict of int to LimitRequest
        Requests neither approved nor, by the last entry, expired: by number of the requesting entry.
    """

    def __init__(self) -> None:
        self.in_force: Mapping[str, Any] | None = None
        self.hash = ""
        self.requests: dict[int, LimitRequest] = {}

    def apply(self, entry: Entry) -> None:
        """Fold one entry of kind `limits`."""
        body = LimitsEntry.of(entry)
        number = body.request or 0
        self.requests = {number: one for number, one in self.requests.items() if one.open(entry.ns)}
        if body.event == "requested":
            changes, was = body.changes or {}, body.was or {}
            self.requests[number] = LimitRequest(changes, body.by, body.reason, entry.ns, was)
            return
        self.requests.pop(number, None)
        self.in_force = body.limits
        self.hash = body.hash


class ArchiveIndex:
    """Index of archived parents, by the names of their orders and executions, into the journal.

    Parameters
    ----------
    journal : Entries
        Where the entries are.
    """

    def __init__(self, journal: Entries) -> None:
        self._journal = journal
        self._parents = HashIndex()
        self._executions = HashIndex()
        self._first = array("q")
        self._last = array("q")
        self.fills = 0
        """Number of executions in force of archived parents."""

    def __len__(self) -> int:
        return len(self._first)

    def put(
        self, parent: str, first: int, last: int, names: Iterable[str], executions: Iterable[Key]
    ) -> None:
        """Archive a parent: the range of its journal entries, its order names and its execution names."""
        number = self._parents.get(hash_of(parent))
        if number is None:
            number = len(self._first)
            self._first.append(first)
            self._last.append(last)
            self._parents.put(hash_of(parent), number)
        self._last[number] = last
        for name in names:
            if _stem(name) != parent:
                self._parents.put(hash_of("", name), number)
        for account, _, name in executions:
            self._executions.put(hash_of(account, name), number)

    def has(self, parent: str) -> bool:
        """Whether a parent of that name is archived."""
        return len(self._first) > 0 and self._parents.get(hash_of(parent)) is not None

    def knows(self, report: Report) -> bool:
        """Whether an execution is an archived parent's; not where its order's name is of a later parent."""
        number = (
            self._executions.get(hash_of(report.account, report.exec_id))
            if report.exec_id
            else None
        )
        named = [name for name in (report.cl_ord_id, report.orig) if name]
        return number is not None and (not named or number in map(self._parent_of, named))

    def _parent_of(self, order: str) -> int | None:
        """The past parent of an order, by its name."""
        found = self._parents.get(hash_of(stem)) if (stem := _stem(order)) else None
        return self._parents.get(hash_of("", order)) if found is None else found

    def entries(self, number: int, kinds: tuple[str, ...]) -> Iterator[tuple[int, Entry]]:
        """Journal entries within an archived parent's range."""
        first, last = self._first[number], self._last[number]
        for seq, entry in self._journal.read(first - 1, kinds):
            if seq > last:
                return
            yield seq, entry

    def meant(self, body: Mapping[str, Any]) -> list[int]:
        """Archived parents that a report's body refers to, by order or execution names."""
        if not self._first:
            return []
        orders = [name for key in ("cl_ord_id", "orig") if (name := str(body.get(key) or ""))]
        found = [self._parent_of(name) for name in orders]
        if found.count(None) == len(found):
            account, names = (
                str(body.get("account", "")),
                (str(body.get(key) or "") for key in ("exec_id", "ref")),
            )
            found += [self._executions.get(hash_of(account, name)) for name in names if name]
        return list(dict.fromkeys(number for number in found if number is not None))

    def as_of(self, count: int, fills: int) -> "ArchiveIndex":
        """A copy as it was when it had so many parents, and fills of theirs."""
        copy = ArchiveIndex(self._journal)
        copy._parents, copy._executions = self._parents.below(count), self._executions.below(count)
        copy._first = self._first[:count]
        copy._last = self._last[:count]
        copy.fills = fills
        return copy

    def first_of(self, parent: str) -> int:
        """Sequence number of an archived parent's first entry."""
        number = self._parents.get(hash_of(parent))
        return 0 if number is None else self._first[number]

    def rows(self) -> Iterator[tuple[str, Any]]:
        """State as (name, JSON value) rows, as one value would be too long."""
        yield "fills", self.fills
        yield "parents", self._parents.state()
        yield "executions", self._executions.state()
        yield "first", base64_of(self._first)
        yield "last", base64_of(self._last)

    def restore(self, rows: Iterable[tuple[str, Any]]) -> None:
        """Restore from `rows`."""
        fills, parents, executions, first, last = (value for _, value in rows)
        self.fills = int(fills)
        self._parents = HashIndex.of(parents)
        self._executions = HashIndex.of(executions)
        self._first = array_of("q", first)
        self._last = array_of("q", last)


# -- the ledger -------------------------------------------------------------------------------------------------------
FOLDED = (
    *(
        kinds.SESSION,
        kinds.PARENT,
        kinds.ORDER_OUT,
        kinds.DENIED,
        kinds.REPORT_IN,
        kinds.ALERT,
        kinds.OPERATOR,
        kinds.QUOTE,
    ),
    *(kinds.LIMITS, kinds.KILL, kinds.REARM, kinds.SETTLED, kinds.STATE, kinds.HOLD, kinds.STANCE),
)
"""Kinds that the fold reads."""
ANSWERS = (
    kinds.PARENT,
    kinds.ALERT,
    kinds.LIMITS,
    kinds.SETTLED,
    kinds.REARM,
    kinds.HOLD,
    kinds.STANCE,
    kinds.QUOTE,
)
"""Those that answer a person's command, by its number as "operator"."""


class Ledger:
    """Orders, positions and parents after the entries folded so far.

    Parameters
    ----------
    past : ArchiveIndex, optional
        Archive of finished parents; without it everything stays in memory, for tables and consoles.
    counts : LimitGate, optional
        Limit counts, which archive and recall parents with this ledger.
    keep_ns : int
        Venue time for which a parent that is over stays.
    """

    def __init__(
        self,
        past: ArchiveIndex | None = None,
        counts: LimitGate | None = None,
        keep_ns: int = KEEP_NS,
    ) -> None:
        self.orders = Orders()
        self.positions = Positions()
        self.parents = Parents()
        self.limits = LimitRecord()
        self.states = TradingStates()
        self.past = past
        self._counts = counts
        self._keep_ns = keep_ns
        self.moves: list[Move] = []
        """Fills that the last entry booked, busted or corrected."""
        self.last = 0
        self.acknowledged = 0
        """Sequence number of the last entry taken, and how often damage was acknowledged."""
        self.requested: dict[int, Entry] = {}
        """Operator commands that were taken and have not been answered: by number."""
        self.settled: dict[tuple[str, str], int] = {}
        """Position gaps to the venue that a person explained, 10^-8 of a lot, by account and instrument."""
        self.holds: dict[str, Entry] = {}
        """Agents that a person paused: the entry, a `HoldEntry`."""
        self.asked: dict[str, list[Entry]] = {}
        """Requests for quotes that have not ended, by name: their entry, and those of the orders that took a quote."""
        self.stances: dict[str, Entry] = {}
        """Manual postures that were not lifted and whose end was not journaled, as entries of `SetStanceEntry`: by agent, ""
        the desk's."""
        self.fills_of: dict[str, list[Fill]] = defaultdict(list)
        """Executions in force by parent, each once, in the order of their arrival."""
        self.children: dict[str, int] = {}
        """The highest number of a child's name, by parent."""
        self._began: dict[str, int] = {}
        """The first entry of each parent in memory."""
        self._over: deque[tuple[int, str]] = deque()
        """Ended parents, with the venue time, ns, until which they stay in memory."""

    @classmethod
    def of(cls, journal: Journal) -> "Ledger":
        """Fold of a whole journal."""
        ledger = cls()
        ledger.catch_up(journal)
        return ledger

    def catch_up(self, journal: Journal) -> None:
        """Fold entries written since."""
        for seq, entry in journal.read(self.last, FOLDED):
            self.last = seq
            self.apply(entry)

    def apply(self, entry: Entry) -> list[Notice]:
        """Fold one entry; kinds other than `FOLDED` are ignored."""
        self.moves = []
        if entry.kind not in FOLDED:
            return []
        if self.past is not None:
            self._recall(self.past, entry)
        notices = self._fold(entry)
        if self.past is not None:
            # What has been over for long leaves memory, at the same entry in every fold.
            past = self.past
            if entry.kind == kinds.PARENT:
                self._began.setdefault(entry.parent, self.last)
                if (parent := self.parents.get(entry.parent)) is not None and parent.over:
                    self._over.append((entry.ns + self._keep_ns, parent.id))
            elif (
                entry.kind == kinds.SESSION
            ):  # a new session may still act on what ended just before
                self._over = deque((entry.ns + self._keep_ns, parent) for _, parent in self._over)
            while self._over and self._over[0][0] <= entry.ns:
                _, name = self._over.popleft()
                if self.parents.get(name) is None:
                    continue
                works = any(not order.settled for order in self.orders.of_parent(name))
                if works or self.parents.paired(name):
                    self._over.append((entry.ns + self._keep_ns, name))
                    continue
                self.parents.retire(name)
                past.fills += (fills := len(self.fills_of.pop(name, ())))
                self.children.pop(name, None)
                names, executions = self.orders.retire(name, fills)
                past.put(name, self._began.pop(name), self.last, names, executions)
                if self._counts is not None:
                    self._counts.retire(name, names, executions)
        return notices

    def _fold(self, entry: Entry) -> list[Notice]:
        booked, rebooked = len(self.orders.fills), len(self.orders.rebooked)
        notices = self.orders.apply(entry)
        for fill in self.orders.fills[booked:]:
            self.positions.book(fill)
            self.parents.fill(fill.parent, fill.qty)
            self.fills_of[fill.parent].append(fill)
            self.moves.append((None, fill))
        for before, now in self.orders.rebooked[rebooked:]:
            # A fill was busted (None) or corrected: positions are those of the fills in force.
            self.positions.rebook(before, now)
            self.parents.fill(before.parent, (now.qty if now else 0) - before.qty)
            fills = self.fills_of[before.parent]
            at = fills.index(before)
            fills[at : at + 1] = [now] if now else []
            self.moves.append((before, now))
        if entry.kind == kinds.REPORT_IN and entry.body.get("exec_type") == "rejected":
            self.parents.refuse(entry.parent, entry.ns, *_not_taken(entry))
        self.parents.apply(entry)
        self.states.apply(entry)
        if entry.kind == kinds.LIMITS:
            self.limits.apply(entry)
        elif entry.kind == kinds.SETTLED:
            gaps = entry.body["qty_gaps"]
            self.settled = {(account, instrument): qty for account, instrument, qty in gaps if qty}
        elif entry.kind == kinds.QUOTE:
            self._quote(entry)
        elif entry.kind == kinds.STANCE:
            self.stances.pop(entry.agent, None)
            if StanceEntry.of(entry).event == "set":
                self.stances[entry.agent] = entry
        elif entry.kind == kinds.HOLD:
            self.holds.pop(entry.agent, None)
            if HoldEntry.of(entry).event == "paused":
                self.holds[entry.agent] = entry
        if entry.kind == kinds.OPERATOR:
            said = OperatorEntry.of(entry)
            self.acknowledged += said.command == "acknowledge"
            if said.id and said.command not in kinds.NOTED:
                self.requested[said.id] = entry
        elif entry.kind in ANSWERS and (number := Answer.of(entry).operator) is not None:
            self.requested.pop(number, None)
        elif entry.kind in (kinds.ORDER_OUT, kinds.DENIED) and entry.order:
            # What limits denied of a parent's lots, until another of its orders leaves.
            if entry.kind == kinds.ORDER_OUT and OrderOutEntry.of(entry).what in _NEW:
                self.parents.sent(entry.parent, entry.ns)
            elif entry.kind == kinds.DENIED:
                denied = DeniedEntry.of(entry)
                if isinstance(command := command_of(denied.command), NewOrder):
                    self.parents.refuse(entry.parent, entry.ns, command.lots, denied.code)
            stem, _, digits = entry.order.rpartition(".")
            if stem and digits.isdigit():
                self.children[stem] = max(self.children.get(stem, 0), int(digits))
        return notices

    def _quote(self, entry: Entry) -> None:
        body = QuoteEntry.of(entry)
        if body.event == "requested":
            # A gate does not hear how they end.
            young = {
                name: entries
                for name, entries in self.asked.items()
                if entry.ns - entries[0].ns < KEEP_NS
            }
            self.asked = young | {body.request: [entry]}
        elif body.event == "accepted" and body.request in self.asked:
            self.asked[body.request].append(entry)
        elif body.event == "ended":
            self.asked.pop(body.request, None)

    def _recall(self, past: ArchiveIndex, entry: Entry) -> None:
        """Bring back what a report is about; the fold of its entries is what it was when it went."""
        if entry.kind != kinds.REPORT_IN or any(
            self.orders.get(entry.body.get(key, "")) for key in ("cl_ord_id", "orig")
        ):
            return
        for number in past.meant(entry.body):
            old, name = Ledger(), ""
            for seq, each in past.entries(number, FOLDED):
                if seq >= self.last:  # a fold of the past, by a later index
                    break
                name = name or each.parent
                if each.parent == name or (each.parent == "" and each.kind != kinds.REPORT_IN):
                    old.last = seq
                    old.apply(each)
            if self.parents.get(name) is None:
                self._take_back(past, old.parents.must(name), old, entry.ns)

    def _take_back(self, past: ArchiveIndex, parent: ParentOrder, old: "Ledger", ns: int) -> None:
        name, fills = parent.id, old.fills_of[parent.id]
        self.parents.recall(parent)
        past.fills -= len(fills)
        if fills:
            self.fills_of[name] = fills
        if name in old.children:
            self.children[name] = old.children[name]
        self._began[name] = past.first_of(name)
        self.orders.recall(name, old.orders)
        self._over.append((ns + self._keep_ns, name))
        if self._counts is not None:
            orders = [
                (order, self.orders.names_of(order.root)) for order in self.orders.of_parent(name)
            ]
            self._counts.recall(parent, orders, self.orders.executions_of(name))

    def first_of(self, parent: str) -> int:
        """Sequence number of a parent's first entry, archived parents included; 0 if unknown."""
        return self._began.get(parent) or (0 if self.past is None else self.past.first_of(parent))

    @property
    def fills(self) -> int:
        """Number of executions in force."""
        return len(self.orders.fills) + (self.past.fills if self.past is not None else 0)

    def used(self, parent: str) -> bool:
        """Whether a parent of that name was ever accepted or requested."""
        return self.parents.get(parent) is not None or (
            self.past is not None and self.past.has(parent)
        )

    def knows(self, report: Report) -> bool:
        """Whether an execution was booked already."""
        return self.orders.knows(report) or (self.past is not None and self.past.knows(report))

    @property
    def accounts(self) -> list[str]:
        """Accounts with trades or parent orders."""
        return sorted({*self.orders.accounts, *self.parents.agents})

    def next_child(self, parent: str) -> int:
        """Number of a parent's next child; no name is reused, even after lost entries."""
        return self.children.get(parent, 0) + 1 + 1_000 * self.acknowledged

    @property
    def next_session(self) -> int:
        """Number of the next session.

        After damage was acknowledged it leaps: sessions whose entries are lost have used the numbers in between, and a
        cl_ord_id must never come twice.
        """
        return self.orders.session + 1 + 1_000 * self.acknowledged

    def open_of(self, parent: str) -> int:
        """Open quantity of a parent's children, 10^-8 of a lot."""
        return sum(order.open_qty for order in self.orders.live(parent=parent))

    def lots_by_hand(self, parent: ParentOrder) -> int | float:
        """Lots of a parent that manual orders filled."""
        names = {name for name, _ in parent.by_hand}
        return shown(
            sum(fill.qty for fill in self.fills_of.get(parent.id, ()) if fill.order in names)
        )

    def held(self, agent: str) -> str:
        """Person and reason of an agent's pause, for people; "" where it is not paused."""
        if (entry := self.holds.get(agent)) is None:
            return ""
        held = HoldEntry.of(entry)
        return f"{agent}, paused by {held.by}: {held.reason}"

    def faults(self) -> list[str]:
        """Failed consistency checks; none, whatever came in."""
        wrong = []
        for parent in self.parents:
            mine = self.orders.of_parent(parent.id)
            if (cum := sum(order.cum_qty for order in mine)) != parent.filled_qty:
                wrong.append(
                    f"parent {parent.id}: {parent.filled} lots filled, its children {shown(cum)}"
                )
            if parent.filled_qty + self.open_of(parent.id) > parent.lots * ONE:
                wrong.append(
                    f"parent {parent.id}: more filled and open than its {parent.lots} lots"
                )
        whole = self.past is None or not self.past.fills
        for (account, name), held in self.positions.all().items() if whole else ():
            fills = [f for f in self.orders.fills if (f.account, f.instrument) == (account, name)]
            if held.qty != sum(f.side * f.qty for f in fills):
                wrong.append(f"{account} in {name}: {held.lots} lots held, not the sum of fills")
        return wrong


def _not_taken(entry: Entry) -> tuple[int, str]:
    """Lots of an order that the venue rejected, and why; a part of one counts as one."""
    report = message_of(entry.body)
    assert isinstance(report, Report)
    return ceiled(report.lots * ONE - report.cum_qty), f"the venue: {report.text}".removesuffix(
        ": "
    )


def obey(entry: Entry, limits: LimitGate) -> None:
    """Stop the agent of an alert that asks for it and doubt the execution that it names, until somebody says else."""
    if entry.kind == kinds.ALERT:
        body = AlertEntry.of(entry)
        if body.stops is not None:
            limits.stop(entry.agent, f"{body.code} {entry.order}", body.execution or "")
        if body.execution is not None:
            limits.doubt(entry.agent, entry.instrument, body.execution, body.reference or 0)
    elif entry.kind == kinds.REARM:
        limits.resume(entry.agent, RearmEntry.of(entry).ends or ())
