"""Everything that a journal says of orders, positions and parents: one fold, for sessions, recovery and consoles.

ledger = Ledger.of(journal)
ledger.positions.of("ann", "AMZN").lots
"""

from tercel.core.ports import Entry, Journal
from tercel.trading.journal import kinds
from tercel.trading.orders import Notice, Orders
from tercel.trading.parents import Parents
from tercel.trading.positions import Positions

FOLDED = (kinds.SESSION, kinds.PARENT, kinds.ORDER_OUT, kinds.REPORT_IN, kinds.ALERT, kinds.OPERATOR)
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
        self.last, self.acknowledged = 0, 0

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
        booked = len(self.orders.fills)
        notices = self.orders.apply(entry)
        for fill in self.orders.fills[booked:]:
            self.positions.book(fill)
            self.parents.fill(fill.parent, fill.lots)
        self.parents.apply(entry)
        if entry.kind == kinds.OPERATOR and entry.body.get("command") == "acknowledge":
            self.acknowledged += 1
        return notices

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
