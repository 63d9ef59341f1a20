"""The state of orders, positions, parents and limits: one fold, for sessions, recovery and consoles.

ledger = Ledger.of(journal)
ledger.positions.of("ann", "AMZN").lots
"""

from collections import defaultdict

from tercel.core.ports import Entry, Journal
from tercel.trading.journal import kinds
from tercel.trading.limit_record import LimitRecord
from tercel.trading.order import Notice
from tercel.trading.orders import Orders
from tercel.trading.parents import Parents
from tercel.trading.positions import Fill, Positions

FOLDED = (
    *(kinds.SESSION, kinds.PARENT, kinds.ORDER_OUT, kinds.DENIED, kinds.REPORT_IN, kinds.ALERT, kinds.OPERATOR),
    *(kinds.LIMITS, kinds.KILL, kinds.REARM),
)
"""Kinds that the fold reads."""


class Ledger:
    """Orders, positions and parents after the entries so far.

    Parameters
    ----------
    last : int
        Sequence number of the last entry taken.
    """

    def __init__(self) -> None:
        self.orders, self.positions, self.parents = Orders(), Positions(), Parents()
        self.limits = LimitRecord()
        self.last, self.acknowledged = 0, 0
        self.requested: dict[int, Entry] = {}
        """Operator commands that were taken and have not been answered: by number."""
        self.killed: dict[str, str] = {}
        """Agents that the latch stopped, with the reason, as far as a session has seen."""
        self.fills_of: dict[str, list[Fill]] = defaultdict(list)
        """Executions that stand by parent, each once, in the order of their arrival."""
        self.children: dict[str, int] = {}
        """The highest number of a child's name, by parent."""

    @classmethod
    def of(cls, journal: Journal) -> "Ledger":
        """The fold of a whole journal."""
        ledger = cls()
        ledger.catch_up(journal)
        return ledger

    def catch_up(self, journal: Journal) -> None:
        """Take what was written since."""
        for seq, entry in journal.read(self.last, FOLDED):
            self.apply(entry)
            self.last = seq

    def apply(self, entry: Entry) -> list[Notice]:
        """Take one entry."""
        booked, rebooked = len(self.orders.fills), len(self.orders.rebooked)
        notices = self.orders.apply(entry)
        for fill in self.orders.fills[booked:]:
            self.positions.book(fill)
            self.parents.fill(fill.parent, fill.lots)
            self.fills_of[fill.parent].append(fill)
        for before, now in self.orders.rebooked[rebooked:]:
            self._rebook(before, now)
        if entry.kind == kinds.REPORT_IN and entry.body.get("exec_type") == "rejected":
            lots = int(entry.body["lots"]) - int(entry.body["cum"])
            self.parents.refuse(entry.parent, entry.ns, lots, f"the venue: {entry.body['text']}".removesuffix(": "))
        self.parents.apply(entry)
        self._note(entry)
        return notices

    def _rebook(self, before: Fill, now: Fill | None) -> None:
        """A fill was busted (None) or corrected: positions are those of the fills that stand."""
        where = before.account, before.instrument
        self.positions.rebook(*where, [fill for fill in self.orders.fills if (fill.account, fill.instrument) == where])
        self.parents.fill(before.parent, (now.lots if now else 0) - before.lots)
        fills = self.fills_of[before.parent]
        at = fills.index(before)
        fills[at : at + 1] = [now] if now else []

    def _note(self, entry: Entry) -> None:
        body = entry.body
        if entry.kind == kinds.LIMITS:
            self.limits.apply(entry)
        elif entry.kind == kinds.KILL:
            self.killed[entry.agent] = str(body.get("reason", ""))
        elif entry.kind == kinds.REARM:
            self.killed.pop(entry.agent, None)
        if entry.kind == kinds.OPERATOR and body.get("command") == "acknowledge":
            self.acknowledged += 1
        elif entry.kind == kinds.OPERATOR and "id" in body:
            self.requested[int(body["id"])] = entry
        elif entry.kind in (kinds.PARENT, kinds.ALERT, kinds.LIMITS) and "operator" in body:
            self.requested.pop(int(body["operator"]), None)
        elif entry.kind in (kinds.ORDER_OUT, kinds.DENIED) and entry.order:
            self._refusals(entry)
            stem, _, number = entry.order.rpartition(".")
            if stem and number.isdigit():
                self.children[stem] = max(self.children.get(stem, 0), int(number))

    def _refusals(self, entry: Entry) -> None:
        """What limits denied of a parent's lots, until another of its orders leaves."""
        if entry.kind == kinds.ORDER_OUT and entry.body["what"] == "new":
            self.parents.sent(entry.parent, entry.ns)
        elif entry.kind == kinds.DENIED and entry.body["command"]["what"] == "new":
            self.parents.refuse(entry.parent, entry.ns, int(entry.body["command"]["lots"]), str(entry.body["code"]))

    def next_child(self, parent: str) -> int:
        """Number of the next child of a parent: no name comes twice, not even after lost entries."""
        return self.children.get(parent, 0) + 1 + 1_000 * self.acknowledged

    @property
    def next_session(self) -> int:
        """Number of the next session.

        After damage was acknowledged it leaps: sessions whose entries are lost have used the numbers in between, and a
        cl_ord_id must never come twice.
        """
        return self.orders.session + 1 + 1_000 * self.acknowledged

    def open_of(self, parent: str) -> int:
        """Lots of a parent's children that may still fill."""
        return sum(order.open_lots for order in self.orders.live(parent=parent))

    def faults(self) -> list[str]:
        """Sums that do not agree: none, whatever came in."""
        wrong = []
        for parent in self.parents:
            mine = [order for order in self.orders if order.parent == parent.id]
            if (cum := sum(order.cum for order in mine)) != parent.filled:
                wrong.append(f"parent {parent.id}: {parent.filled} lots filled, its children {cum}")
            if parent.filled + self.open_of(parent.id) > parent.lots:
                wrong.append(f"parent {parent.id}: more filled and open than its {parent.lots} lots")
        for (account, name), held in self.positions.all().items():
            fills = [f for f in self.orders.fills if (f.account, f.instrument) == (account, name)]
            if held.lots != sum(f.side * f.lots for f in fills):
                wrong.append(f"{account} in {name}: {held.lots} lots held, not the sum of fills")
        return wrong
