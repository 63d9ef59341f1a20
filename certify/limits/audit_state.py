"""What the auditor remembers, as plain as can be: orders under all their names, fills, lots, marks."""

from dataclasses import dataclass, field

from tercel.core import ONE, ExecType, Report
from tercel.desk.limits import BestQuotes


@dataclass(slots=True, eq=False)
class AuditedChild:
    """An order as the auditor knows it: what it was asked to be, under each of its names."""

    agent: str
    instrument: str
    parent: str
    side: int
    lots: int
    price: int | None
    requested: dict[str, tuple[int, int, int | None]] = field(default_factory=dict)
    replaces: int = 0
    taken: int = 0
    cum: int = 0
    reported: int = 0
    accepted: bool = False
    dead: bool = False
    filled: bool = False
    ended_ns: int = -(2**62)
    changed_ns: int = -(2**62)
    recounted_ns: int = -(2**62)
    cancelled_by: dict[str, int] = field(default_factory=dict)
    """Cancels sent after its end, and how many replaces were sent before each."""
    replaced_by: set[str] = field(default_factory=set)
    """Names of every replace that was asked for."""
    asked_prices: list[int | None] = field(default_factory=list)
    """Every price that was asked for."""

    def beyond(self, px: int) -> bool:
        """Nobody asked for a fill at such a price."""
        return all(
            price is not None and (px - price * ONE) * self.side > 0 for price in self.asked_prices
        )

    @property
    def most(self) -> int:
        """Lots that it may come to."""
        return max([self.lots, *(lots for _, lots, _ in self.requested.values())])

    @property
    def terms(self) -> list[tuple[int, int | None]]:
        """Lots and price that it may have at the venue: its own while it lives, and those of replaces without an answer."""
        requested_terms = [(lots, price) for _, lots, price in self.requested.values()]
        if self.dead:
            return [term for term in requested_terms if term[0] * ONE > self.cum]
        return [(self.lots, self.price), *requested_terms]

    @property
    def open(self) -> int:
        """What it may still fill, 10^-8 of a lot, as `cum` and `reported` are."""
        return max(0, max([self.reported, *(lots * ONE for lots, _ in self.terms)]) - self.cum)

    @property
    def prices(self) -> list[int | None]:
        """Prices at which it may rest."""
        return [price for _, price in self.terms]


@dataclass(slots=True, eq=False)
class AuditedTrade:
    """A fill of an order, and the latest word that took it back or corrected it."""

    child: AuditedChild
    qty: int
    px: int
    last: Report | None = None

    def change(self, report: Report) -> None:
        """Take a bust or a correction: the first bust stands, of corrections the latest."""
        busted = report.exec_type is ExecType.BUSTED
        if self.last is None or (self.qty and (busted or report.ns >= self.last.ns)):
            self.last = report
            self.qty = 0 if busted else report.last_qty
            self.px = self.px if busted else report.last_px


@dataclass(slots=True)
class Exposure:
    """Lots of one agent in one instrument, in 10^-8."""

    position: int = 0
    buys: int = 0
    sells: int = 0

    @property
    def worst(self) -> int:
        """The larger of both worst cases."""
        return max(self.position + self.buys, self.sells - self.position)


@dataclass(slots=True)
class Mark:
    """The last touch of an instrument; `mid2` the last one that was a mid."""

    quotes: BestQuotes = field(default_factory=BestQuotes)
    ns: int | None = None
    mid2: int = 0
    sane_ns: int = -(2**62)

    def sane(self, now_ns: int, age_ns: int) -> bool:
        """It is a reference at a time."""
        bid = self.quotes.bid
        ask = self.quotes.ask
        if self.ns is None or bid is None or ask is None or not 0 < bid < ask:
            return False
        return abs(now_ns - self.ns) <= age_ns
