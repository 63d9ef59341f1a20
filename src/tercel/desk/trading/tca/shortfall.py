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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tercel.core.orders import summed
from tercel.core.serialization import to_jsonable
from tercel.core.stats.inference import weighted_interval

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
    figures = [(float(row[key]), weight(row)) for row in rows if row.get(key) is not None]
    figures = [(value, share) for value, share in figures if math.isfinite(value) and share > 0]
    return weighted_interval(
        [value for value, _ in figures], [share for _, share in figures], least=least
    )


# -- of many parents --------------------------------------------------------------------------------------------------
OF_FILLS = (
    "is_bps",
    "delay_bps",
    "spread_bps",
    "walk_bps",
    "timing_bps",
    "forced_bps",
    "fees_bps",
    "vwap_bps",
    "twap_bps",
    "close_bps",
    "passive_share",
)
"""Given for what was filled, and weighted by it."""


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Total and agents of analysed parents.

    Parameters
    ----------
    rows : sequence of mapping
        Analyses (`trading.tca.measure.ParentCost`), each with its ``agent``.

    Returns
    -------
    dict
        ``total`` and ``agents`` (by name): parents; lots asked for, filled, unfilled and refused; ``notional``, the
        arrival value of what was filled; every cost as a mean by that. Agents have ``ci_low`` and ``ci_high`` of
        ``is_bps`` beside it, 95 % of Student's t; parents that a person took over (``by_hand``) count in the total
        alone.

    Examples
    --------
    >>> rows = [{"agent": "a", "quantity": 5, "filled": 5, "notional": 1.0, "is_bps": value} for value in (1.0, 2.0, 3.0)]
    >>> found = summary(rows)["agents"]["a"]
    >>> found["is_bps"], round(found["ci_low"], 3), round(found["ci_high"], 3)
    (2.0, -0.484, 4.484)
    """
    own = [row for row in rows if "by_hand" not in row]
    agents = {
        name: [row for row in own if row["agent"] == name]
        for name in dict.fromkeys(r["agent"] for r in own)
    }
    return {
        "total": _means(rows),
        "agents": {name: _means(mine) | _interval(mine) for name, mine in sorted(agents.items())},
    }


PARTS = ("delay", "spread", "walk", "timing", "forced", "fees")
BENCHMARKS = {"vwap": "VWAP", "twap": "TWAP", "close": "the close"}


def sentences(
    rows: Sequence[Mapping[str, Any]],
    money: Mapping[str, Any] | None = None,
    more: Sequence[str] = (),
    unit: str = "bps",
) -> list[str]:
    """Summary of parents in at most three sentences.

    Parameters
    ----------
    rows : sequence of mapping
        As :func:`summary` takes them.
    money : mapping of str to number, optional
        The same costs in money: ``fills``, ``opportunity``, ``refusal``.
    more : sequence of str
        What else was left.
    unit : str
        What the rows' costs are in; where that is ticks, nothing is said of what the lots were worth.

    Examples
    --------
    >>> row = {"is_bps": 2.0, "spread_bps": 2.0, "timing_bps": 0.0, "filled": 4, "unfilled": 1, "notional": 600.0}
    >>> for sentence in sentences([row, row]):
    ...     print(sentence)
    2 parents: 8 lots worth 1,200 filled cost 2.00 bps against arrival.
    In parts, bps: spread 2.00, timing 0.00.
    2 lots unfilled.
    """
    total = _means(rows)
    mean, half = by_filled(rows)
    worth = f" worth {total['notional']:,.0f}" if unit == "bps" else ""
    several = "1 parent" if len(rows) == 1 else f"{len(rows):,} parents"
    filled = f"{several}: {total['filled']:,} lots{worth} filled"
    if mean is None:
        lines = [f"{filled}, nothing to tell a cost of."]
    else:
        within = "" if half is None else f" ± {half:.2f}"
        paid = f", {float(money['fills']):,.2f} in money" if money is not None else ""
        lines = [f"{filled} cost {mean:.2f}{within} {unit} against arrival{paid}."]
        split = {
            n: v for n in PARTS if (v := total.get(f"{n}_bps")) or n not in ("delay", "forced")
        }
        parts = ", ".join(
            f"{name} {value:.2f}" for name, value in split.items() if value is not None
        )
        beside = {word: total[f"{name}_bps"] for name, word in BENCHMARKS.items()}
        against = ", ".join(
            f"{word} {value:.2f}" for word, value in beside.items() if value is not None
        )
        lines += (
            [f"In parts, {unit}: {parts}{f'; against {against}' if against else ''}."]
            if parts
            else []
        )
    why = {"unfilled": ("unfilled", "opportunity"), "refused": ("refused", "refusal")}
    lost = [
        f"{total[key]:,} lots {what}"
        + (f", which came to {float(money[part]):,.2f}" if money is not None else "")
        for key, (what, part) in why.items()
        if total[key]
    ]
    lost += more
    return lines + ([f"{'; '.join(lost)}."] if lost else [])


def _means(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    sums = {
        key: summed(row.get(key, 0) for row in rows)
        for key in ("quantity", "filled", "unfilled", "refused")
    }
    notional = sum(row["notional"] for row in rows)
    costs = {
        key: by_filled(rows, key)[0]
        for key in OF_FILLS
        if key != "delay_bps" or any(key in one for one in rows)
    }
    spans = dict.fromkeys(span for row in rows for span in row.get("markouts_bps", {}))
    marks = {
        span: by_filled([{**row, "mark": row["markouts_bps"].get(span)} for row in rows], "mark")[0]
        for span in spans
    }
    return {"parents": len(rows), **sums, "notional": notional, **costs, "markouts_bps": marks}


def _interval(rows: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    mean, half = by_filled(rows, least=2)
    if mean is None or half is None:
        return {"ci_low": None, "ci_high": None}
    return {"ci_low": mean - half, "ci_high": mean + half}
