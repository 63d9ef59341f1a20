"""State of a desk folded from its journal: child orders, positions, parent orders, limits, open commands.

ledger = Ledger.of(journal)
ledger.positions.of("ann", "AMZN").lots
"""

from collections import deque
from typing import Final

from tercel.core.child_order import Notice
from tercel.core.fixed_point import ONE, ceil_units, to_number
from tercel.core.orders import NewOrder, Report
from tercel.core.ports import Entry, Journal
from tercel.desk.limits import LimitGate
from tercel.desk.trading.archive import ArchiveIndex
from tercel.desk.trading.child_orders.fold import Orders
from tercel.desk.trading.child_orders.positions import Fill, Move, Positions
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import (
    AlertEntry,
    Answer,
    DeniedEntry,
    HoldEntry,
    OperatorEntry,
    OrderOutEntry,
    QuoteEntry,
    RearmEntry,
    StanceEntry,
)
from tercel.desk.trading.journal.codec import command_of, message_of
from tercel.desk.trading.limit_record import LimitRecord
from tercel.desk.trading.parent_orders.parent import ParentOrder, Parents
from tercel.desk.trading.risk.trading_state import TradingStates

KEEP_NS: Final = 3_600_000_000_000
"""Venue time for which a parent that is over stays: analyses have been written by then."""
_NEW: Final = ("new", "quoted")
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
        """Sequence number of the last entry folded."""
        self.acknowledged = 0
        """How often a person acknowledged a damaged journal."""
        self.pending_commands: dict[int, Entry] = {}
        """Operator commands that were taken and have not been answered: by number."""
        self.settled: dict[tuple[str, str], int] = {}
        """Position gaps to the venue that a person explained, 10^-8 of a lot, by account and instrument."""
        self.holds: dict[str, Entry] = {}
        """Agents that a person paused: the entry, a `HoldEntry`."""
        self.quote_requests: dict[str, list[Entry]] = {}
        """Requests for quotes that have not ended, by name: their entry, and those of the orders that took a quote."""
        self.stances: dict[str, Entry] = {}
        """Manual postures that were not lifted and whose end was not journaled, as entries of `SetStanceEntry`: by agent, ""
        the desk's."""
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
        """Fold the journal's entries written since the last folded one."""
        for seq, entry in journal.read(self.last, FOLDED):
            self.last = seq
            self.apply(entry)

    def apply(self, entry: Entry) -> list[Notice]:
        """Fold one journal entry; returns notices, [] for kinds not in `FOLDED`. With an archive, first recall the parent that a
        report refers to, and then archive parents that have been over for `keep_ns`."""
        self.moves = []
        if entry.kind not in FOLDED:
            return []
        if self.past is not None:
            self._recall(self.past, entry)
        notices = self._fold(entry)
        if self.past is not None:
            # Parents that have been over for `keep_ns` are archived, at the same entry in every fold.
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
                if works or self.parents.has_open_pair(name):
                    self._over.append((entry.ns + self._keep_ns, name))
                    continue
                self.parents.retire(name)
                self.children.pop(name, None)
                names, executions, fills = self.orders.retire(name)
                past.fills += fills
                past.put(name, self._began.pop(name), self.last, names, executions)
                if self._counts is not None:
                    self._counts.drop_finished(name, names, executions)
        return notices

    def moved_fills(self) -> list[tuple[int, Fill]]:
        """Fills that the last entry took back (-1) and booked (+1)."""
        pairs = (zip((-1, 1), pair, strict=True) for pair in self.moves)
        return [(sign, fill) for pair in pairs for sign, fill in pair if fill is not None]

    def _fold(self, entry: Entry) -> list[Notice]:
        """Fold one entry into orders, positions, parents, trading states, limits and open commands."""
        notices = self.orders.apply(entry)
        self.moves = self.orders.moves
        for before, after in self.moves:
            if before is not None:
                # A fill was busted (None) or corrected: positions are those of the fills in force.
                self.positions.rebook(before, after)
                self.parents.add_fill(before.parent, (after.qty if after else 0) - before.qty)
            elif after is not None:
                self.positions.book(after)
                self.parents.add_fill(after.parent, after.qty)
        if entry.kind == kinds.REPORT_IN and entry.body.get("exec_type") == "rejected":
            self.parents.add_refusal(entry.parent, entry.ns, *_rejected_lots(entry))
        self.parents.apply(entry)
        self.states.apply(entry)
        if entry.kind == kinds.LIMITS:
            self.limits.apply(entry)
        elif entry.kind == kinds.SETTLED:
            gaps = entry.body["qty_gaps"]
            self.settled = {(account, instrument): qty for account, instrument, qty in gaps if qty}
        elif entry.kind == kinds.QUOTE:
            self._apply_quote(entry)
        elif entry.kind == kinds.STANCE:
            self.stances.pop(entry.agent, None)
            if StanceEntry.of(entry).event == "set":
                self.stances[entry.agent] = entry
        elif entry.kind == kinds.HOLD:
            self.holds.pop(entry.agent, None)
            if HoldEntry.of(entry).event == "paused":
                self.holds[entry.agent] = entry
        if entry.kind == kinds.OPERATOR:
            operator_entry = OperatorEntry.of(entry)
            self.acknowledged += operator_entry.command == "acknowledge"
            if operator_entry.id and operator_entry.command not in kinds.NOTED:
                self.pending_commands[operator_entry.id] = entry
        elif entry.kind in ANSWERS and (number := Answer.of(entry).operator) is not None:
            self.pending_commands.pop(number, None)
        elif entry.kind in (kinds.ORDER_OUT, kinds.DENIED) and entry.order:
            # Lots of a parent that limits denied, until another order of the parent is sent.
            if entry.kind == kinds.ORDER_OUT and OrderOutEntry.of(entry).what in _NEW:
                self.parents.clear_refusal(entry.parent, entry.ns)
            elif entry.kind == kinds.DENIED:
                denied = DeniedEntry.of(entry)
                if isinstance(command := command_of(denied.command), NewOrder):
                    self.parents.add_refusal(entry.parent, entry.ns, command.lots, denied.code)
            stem, _, digits = entry.order.rpartition(".")
            if stem and digits.isdigit():
                self.children[stem] = max(self.children.get(stem, 0), int(digits))
        return notices

    def _apply_quote(self, entry: Entry) -> None:
        """Fold a `quote` entry into the open requests for quotes."""
        body = QuoteEntry.of(entry)
        if body.event == "requested":
            # The journal of a gate has no entries of their ends: old ones are dropped.
            young = {
                name: entries
                for name, entries in self.quote_requests.items()
                if entry.ns - entries[0].ns < KEEP_NS
            }
            self.quote_requests = young | {body.request: [entry]}
        elif body.event == "accepted" and body.request in self.quote_requests:
            self.quote_requests[body.request].append(entry)
        elif body.event == "ended":
            self.quote_requests.pop(body.request, None)

    def _recall(self, past: ArchiveIndex, entry: Entry) -> None:
        """Restore the archived parent that a report refers to, by folding its entries again."""
        if entry.kind != kinds.REPORT_IN or any(
            self.orders.get(entry.body.get(key, "")) for key in ("cl_ord_id", "orig")
        ):
            return
        for number in past.parents_of_report(entry.body):
            restored = Ledger()
            name = ""
            for seq, past_entry in past.entries(number, FOLDED):
                if seq >= self.last:  # the index may know of later entries than this fold
                    break
                name = name or past_entry.parent
                if past_entry.parent == name or (
                    past_entry.parent == "" and past_entry.kind != kinds.REPORT_IN
                ):
                    restored.last = seq
                    restored.apply(past_entry)
            if self.parents.get(name) is None:
                self._restore_parent(past, restored.parents.require(name), restored, entry.ns)

    def _restore_parent(
        self, past: ArchiveIndex, parent: ParentOrder, restored: "Ledger", ns: int
    ) -> None:
        """Take an archived parent's orders, fills and limit counts back into memory, from a fold of its entries."""
        name = parent.id
        self.parents.recall(parent)
        past.fills -= len(restored.orders.fills_of[name])
        if name in restored.children:
            self.children[name] = restored.children[name]
        self._began[name] = past.first_of(name)
        self.orders.recall(name, restored.orders)
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
        """Number of executions in force, archived parents included."""
        past = 0 if self.past is None else self.past.fills
        return past + sum(map(len, self.orders.fills_of.values()))

    def is_used(self, parent: str) -> bool:
        """Whether a parent of that name was ever accepted or requested."""
        return self.parents.get(parent) is not None or (
            self.past is not None and self.past.has(parent)
        )

    def has_execution(self, report: Report) -> bool:
        """Whether a report's execution was booked already, in memory or in an archived parent."""
        return self.orders.has_execution(report) or (
            self.past is not None and self.past.has_execution(report)
        )

    @property
    def accounts(self) -> list[str]:
        """Accounts that have had orders or parents, sorted."""
        return sorted({*self.orders.accounts, *self.parents.agents})

    def next_child(self, parent: str) -> int:
        """Number for the name of a parent's next child order; never one that was used, even if entries were lost."""
        return self.children.get(parent, 0) + 1 + 1_000 * self.acknowledged

    @property
    def next_session(self) -> int:
        """Number of the next session.

        After damage was acknowledged it leaps: sessions whose entries are lost have used the numbers in between, and a
        cl_ord_id must never come twice.
        """
        return self.orders.session + 1 + 1_000 * self.acknowledged

    def open_of(self, parent: str) -> int:
        """Open quantity of a parent's child orders, 10^-8 of a lot."""
        return sum(order.open_qty for order in self.orders.live(parent=parent))

    def lots_by_hand(self, parent: ParentOrder) -> int | float:
        """Lots of a parent that manual orders filled."""
        names = {name for name, _ in parent.by_hand}
        return to_number(
            sum(fill.qty for fill in self.orders.fills_of.get(parent.id, ()) if fill.order in names)
        )

    def describe_hold(self, agent: str) -> str:
        """Text of an agent's pause for people, "AGENT, paused by PERSON: REASON"; "" where it is not paused."""
        if (entry := self.holds.get(agent)) is None:
            return ""
        body = HoldEntry.of(entry)
        return f"{agent}, paused by {body.by}: {body.reason}"

    def faults(self) -> list[str]:
        """Texts of failed consistency checks: parents against their orders, positions against fills; [] if all agree."""
        wrong = []
        for parent in self.parents:
            children = self.orders.of_parent(parent.id)
            if (cum := sum(order.cum_qty for order in children)) != parent.filled_qty:
                wrong.append(
                    f"parent {parent.id}: {parent.filled} lots filled, its children {to_number(cum)}"
                )
            if parent.filled_qty + self.open_of(parent.id) > parent.lots * ONE:
                wrong.append(
                    f"parent {parent.id}: more filled and open than its {parent.lots} lots"
                )
        is_complete = self.past is None or not self.past.fills
        for (account, name), position in self.positions.all().items() if is_complete else ():
            fills = [f for f in self.orders.fills if (f.account, f.instrument) == (account, name)]
            if position.qty != sum(f.side * f.qty for f in fills):
                wrong.append(
                    f"{account} in {name}: {position.lots} lots held, not the sum of fills"
                )
        return wrong


def _rejected_lots(entry: Entry) -> tuple[int, str]:
    """Lots of an order that the venue rejected, and the reason; a part of a lot counts as one."""
    report = message_of(entry.body)
    assert isinstance(report, Report)
    return ceil_units(report.lots * ONE - report.cum_qty), f"the venue: {report.text}".removesuffix(
        ": "
    )


def apply_to_limits(entry: Entry, limits: LimitGate) -> None:
    """Apply an alert's stop or doubtful execution, or a re-arm, to the limits."""
    if entry.kind == kinds.ALERT:
        body = AlertEntry.of(entry)
        if body.stops is not None:
            limits.stop(entry.agent, f"{body.code} {entry.order}", body.execution or "")
        if body.execution is not None:
            limits.doubt(entry.agent, entry.instrument, body.execution, body.reference or 0)
    elif entry.kind == kinds.REARM:
        limits.resume(entry.agent, RearmEntry.of(entry).ends or ())
