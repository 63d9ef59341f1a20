"""Implementation shortfall of a parent order: fills, unfilled and refused lots apart; the one definition.

With side s, fills (p, q), arrival mid m0, mid at the end m1:

    fills       = sum s (p - m0) q + fees
    opportunity = s (m1 - m0) x unfilled lots
    refusal     = s (m1 - m0) x lots that limits or the venue refused
    whole       = fills + opportunity + refusal, exactly

All four are integers, parts of half ticks x lots. Each is given in bps of the arrival value of *its own* lots, and
means over parents weigh by that value: lots that never traded neither cost nor dilute what did.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from tercel.core.orders import summed
from tercel.core.serialization import Record, to_jsonable
from tercel.core.stats.inference import weighted_interval

if TYPE_CHECKING:
    from tercel.desk.trading.tca.measure import AnalysedCost

BPS = 1e4
TICKS2 = 20_000
"""Half ticks a lot of which a bp is one tick: what costs are of where prices may be at or below zero."""


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Implementation shortfall of one parent order.

    Parameters
    ----------
    side, quantity : int
        +1 or -1; what was asked for, in parts of a lot.
    filled, refused : int
        What traded; of the rest, what limits or the venue refused.
    arrival_mid2, end_mid2 : int
        Bid + ask at arrival and at the end, half ticks.
    paid2 : int
        Sum of twice the price times quantity over the fills, in parts of a tick times parts of a lot.
    fees : int
        Charged on the fills, in the same.
    one : int
        Parts of a tick, and of a lot.
    value2 : int
        What bps are of, half ticks a lot; 0: the arrival mid. `TICKS2` makes them ticks.

    Examples
    --------
    >>> cost = Shortfall(1, 30, 10, 5, 2000, 2010, 20040, 0)
    >>> cost.fills, cost.opportunity, cost.refusal, cost.whole
    (40, 150, 50, 240)
    >>> cost.is_bps, cost.opportunity_bps, cost.refusal_bps, cost.whole_bps
    (20.0, 50.0, 50.0, 38.0)
    """

    side: int
    quantity: int
    filled: int
    refused: int
    arrival_mid2: int
    end_mid2: int
    paid2: int
    fees: int
    one: int = 1
    value2: int = 0

    @property
    def unfilled(self) -> int:
        """Unfilled quantity without the refused part."""
        return self.quantity - self.filled - self.refused

    @property
    def fills(self) -> int:
        """Cost of the fills, fees included."""
        return self.side * (self.paid2 - self.arrival_mid2 * self.one * self.filled) + self.fees

    @property
    def opportunity(self) -> int:
        """Opportunity cost of the unfilled lots."""
        return self.side * (self.end_mid2 - self.arrival_mid2) * self.one * self.unfilled

    @property
    def refusal(self) -> int:
        """Opportunity cost of the refused lots."""
        return self.side * (self.end_mid2 - self.arrival_mid2) * self.one * self.refused

    @property
    def whole(self) -> int:
        """Total of all three parts."""
        return self.fills + self.opportunity + self.refusal

    @property
    def is_bps(self) -> float:
        """Cost of the fills, bps of their arrival value; NaN without fills."""
        return self._bps(self.fills, self.filled)

    @property
    def opportunity_bps(self) -> float:
        """Opportunity cost, bps of the unfilled lots' arrival value; NaN without any."""
        return self._bps(self.opportunity, self.unfilled)

    @property
    def refusal_bps(self) -> float:
        """Cost of refusal, bps of the refused lots' arrival value; NaN without any."""
        return self._bps(self.refusal, self.refused)

    @property
    def whole_bps(self) -> float:
        """Cost of fills and opportunity, bps of all lots but the refused: what the executing agent answers for."""
        return self._bps(self.fills + self.opportunity, self.quantity - self.refused)

    def _bps(self, cost: int, quantity: int) -> float:
        worth = (self.value2 or self.arrival_mid2) * self.one * quantity
        return BPS * cost / worth if worth else math.nan

    def lots(self, quantity: int) -> int | float:
        """A quantity in lots, for people."""
        whole, rest = divmod(quantity, self.one)
        return quantity / self.one if rest else whole

    def to_dict(self, unit: float) -> dict[str, Any]:
        """The figures of a journal's body: null where there is none; `unit` is the money of a half tick x lot."""
        names = ("is_bps", "opportunity_bps", "refusal_bps")
        figures = {name: to_jsonable(getattr(self, name)) for name in names}
        counts = {
            name: self.lots(getattr(self, name))
            for name in ("quantity", "filled", "unfilled", "refused")
        }
        notional = self.arrival_mid2 * self.filled / self.one * unit
        return {"side": self.side, **counts, **figures, "notional": notional}


def weight(row: Mapping[str, Any]) -> float:
    """Weight of a parent in a mean: the arrival value of its fills."""
    return float(row["notional"])


def by_filled(
    rows: Sequence[Mapping[str, Any]], key: str = "is_bps", least: int = 3
) -> tuple[float | None, float | None]:
    """Mean of a figure over parents weighted by filled value, and the half width of its 95 % interval.

    The interval takes parents as if independent (`stats.student.weighted_interval`); None where there are fewer than
    `least`.

    >>> by_filled([{"is_bps": 10.0, "notional": 3.0}, {"is_bps": 2.0, "notional": 1.0}, {"is_bps": None}])
    (8.0, None)
    """
    figures = ((row[key], weight(row)) for row in rows if row.get(key) is not None)
    return weighted_mean(figures, least)


def weighted_mean(
    figures: Iterable[tuple[float | None, float]], least: int = 3
) -> tuple[float | None, float | None]:
    """As :func:`by_filled`, of pairs of a figure (None or NaN: not known) and its weight."""
    known = [
        (float(value), share)
        for value, share in figures
        if value is not None and math.isfinite(value) and share > 0
    ]
    return weighted_interval(
        [value for value, _ in known], [share for _, share in known], least=least
    )


# -- of many parents --------------------------------------------------------------------------------------------------
PARTS: Final = ("delay", "spread", "walk", "timing", "forced", "fees")
BENCHMARKS: Final = ("vwap", "twap", "close")


@dataclass(frozen=True, kw_only=True)
class CostMeans(Record):
    """Costs of parents together.

    Parameters
    ----------
    parents : int
    quantity, filled, unfilled, refused : int or float
        Lots asked for, and what became of them.
    notional : float
        Arrival value of what was filled.
    is_bps, ..., passive_share, markouts_bps
        Means by that (`trading.tca.measure.ParentCost`); None: not known. `delay_bps` is None where it was not
        measured, NaN where it is not known.
    interval : (float or None, float or None), optional
        Of `is_bps`, 95 % of Student's t; of an agent.
    money : mapping of str to float, optional
        The same costs in money.
    """

    parents: int
    quantity: float
    filled: float
    unfilled: float
    refused: float
    notional: float
    is_bps: float | None
    delay_bps: float | None
    spread_bps: float | None
    walk_bps: float | None
    timing_bps: float | None
    forced_bps: float | None
    fees_bps: float | None
    vwap_bps: float | None
    twap_bps: float | None
    close_bps: float | None
    passive_share: float | None
    markouts_bps: Mapping[str, float | None]
    interval: tuple[float | None, float | None] | None = None
    money: Mapping[str, float] | None = None

    def json_fields(self) -> dict[str, object]:
        """With the interval as `ci_low` and `ci_high`; without what was not asked for."""
        found = {
            key: value
            for key, value in vars(self).items()
            if key not in ("interval", "money") and (value is not None or key != "delay_bps")
        }
        low, high = self.interval or (None, None)
        found |= {} if self.interval is None else {"ci_low": low, "ci_high": high}
        return found | ({} if self.money is None else {"money": self.money})


def parts_of(cost: "AnalysedCost | CostMeans") -> dict[str, float | None]:
    """Parts that add up to the cost of what was filled, bps, by the names of `PARTS`."""
    return {
        "delay": cost.delay_bps,
        "spread": cost.spread_bps,
        "walk": cost.walk_bps,
        "timing": cost.timing_bps,
        "forced": cost.forced_bps,
        "fees": cost.fees_bps,
    }


def against_of(cost: "AnalysedCost | CostMeans") -> dict[str, float | None]:
    """Costs against `BENCHMARKS`, bps."""
    return {"vwap": cost.vwap_bps, "twap": cost.twap_bps, "close": cost.close_bps}


@dataclass(frozen=True)
class CostSummary:
    """Costs of all parents, and by agent those that no person took over."""

    total: CostMeans
    agents: Mapping[str, CostMeans]


def summary(rows: "Sequence[AnalysedCost]") -> CostSummary:
    """Total and agents of analysed parents; parents that a person took over count in the total alone.

    Examples
    --------
    >>> from tercel.desk.trading.tca.measure import AnalysedCost
    >>> costs = [AnalysedCost("p", "X", "a", 1, 5, 0, 9, 5, is_bps=cost, notional=1.0) for cost in (1.0, 2.0, 3.0)]
    >>> found = summary(costs).agents["a"]
    >>> found.is_bps, [round(end, 3) for end in found.interval]
    (2.0, [-0.484, 4.484])
    """
    own: dict[str, list[AnalysedCost]] = {}
    for row in rows:
        if row.by_hand is None:
            own.setdefault(row.agent, []).append(row)
    agents = {
        name: replace(_means(own[name]), interval=_interval(own[name])) for name in sorted(own)
    }
    return CostSummary(_means(rows), agents)


def sentences(
    rows: "Sequence[AnalysedCost]",
    money: Mapping[str, Any] | None = None,
    more: Sequence[str] = (),
    unit: str = "bps",
) -> list[str]:
    """Summary of parents in at most three sentences.

    Parameters
    ----------
    rows : sequence of AnalysedCost
    money : mapping of str to number, optional
        The same costs in money: ``fills``, ``opportunity``, ``refusal``.
    more : sequence of str
        What else was left.
    unit : str
        What the rows' costs are in; where that is ticks, nothing is said of what the lots were worth.

    Examples
    --------
    >>> from tercel.desk.trading.tca.measure import AnalysedCost
    >>> split = {"is_bps": 2.0, "spread_bps": 2.0, "timing_bps": 0.0}
    >>> row = AnalysedCost("p", "X", "a", 1, 5, 0, 9, filled=4, unfilled=1, notional=600.0, **split)
    >>> for sentence in sentences([row, row]):
    ...     print(sentence)
    2 parents: 8 lots worth 1,200 filled cost 2.00 bps against arrival.
    In parts, bps: spread 2.00, timing 0.00.
    2 lots unfilled.
    """
    total = _means(rows)
    mean, half = weighted_mean((row.is_bps, row.notional) for row in rows)
    worth = f" worth {total.notional:,.0f}" if unit == "bps" else ""
    several = "1 parent" if len(rows) == 1 else f"{len(rows):,} parents"
    filled = f"{several}: {total.filled:,} lots{worth} filled"
    if mean is None:
        lines = [f"{filled}, nothing to tell a cost of."]
    else:
        within = "" if half is None else f" ± {half:.2f}"
        paid = f", {float(money['fills']):,.2f} in money" if money is not None else ""
        lines = [f"{filled} cost {mean:.2f}{within} {unit} against arrival{paid}."]
        parts = ", ".join(
            f"{name} {value:.2f}"
            for name, value in parts_of(total).items()
            if value is not None and (value or name not in ("delay", "forced"))
        )
        words = zip(("VWAP", "TWAP", "the close"), against_of(total).values(), strict=True)
        against = ", ".join(f"{word} {value:.2f}" for word, value in words if value is not None)
        beside = f"; against {against}" if against else ""
        lines += [f"In parts, {unit}: {parts}{beside}."] if parts else []
    lost = [
        f"{lots:,} lots {what}"
        + (f", which came to {float(money[part]):,.2f}" if money is not None else "")
        for lots, what, part in (
            (total.unfilled, "unfilled", "opportunity"),
            (total.refused, "refused", "refusal"),
        )
        if lots
    ]
    lost += more
    return lines + ([f"{'; '.join(lost)}."] if lost else [])


def _means(rows: "Sequence[AnalysedCost]") -> CostMeans:
    def mean(figure: "Callable[[AnalysedCost], float | None]") -> float | None:
        return weighted_mean((figure(row), row.notional) for row in rows)[0]

    spans = dict.fromkeys(span for row in rows for span in row.markouts_bps)
    delay, measured = (
        mean(lambda row: row.delay_bps),
        any(row.delay_bps is not None for row in rows),
    )
    return CostMeans(
        parents=len(rows),
        quantity=summed(row.quantity for row in rows),
        filled=summed(row.filled for row in rows),
        unfilled=summed(row.unfilled for row in rows),
        refused=summed(row.refused for row in rows),
        notional=sum(row.notional for row in rows),
        is_bps=mean(lambda row: row.is_bps),
        delay_bps=math.nan if measured and delay is None else delay,
        spread_bps=mean(lambda row: row.spread_bps),
        walk_bps=mean(lambda row: row.walk_bps),
        timing_bps=mean(lambda row: row.timing_bps),
        forced_bps=mean(lambda row: row.forced_bps),
        fees_bps=mean(lambda row: row.fees_bps),
        vwap_bps=mean(lambda row: row.vwap_bps),
        twap_bps=mean(lambda row: row.twap_bps),
        close_bps=mean(lambda row: row.close_bps),
        passive_share=mean(lambda row: row.passive_share),
        markouts_bps={
            span: weighted_mean((row.markouts_bps.get(span), row.notional) for row in rows)[0]
            for span in spans
        },
    )


def _interval(rows: "Sequence[AnalysedCost]") -> tuple[float | None, float | None]:
    mean, half = weighted_mean(((row.is_bps, row.notional) for row in rows), least=2)
    return (None, None) if mean is None or half is None else (mean - half, mean + half)
