"""Implementation shortfall of a parent order, split into filled, unfilled and refused lots.

With side s, fills (p, q), arrival mid m0, mid at the end m1:

    fills       = sum s (p - m0) q + fees
    opportunity = s (m1 - m0) x unfilled lots
    refusal     = s (m1 - m0) x lots that limits or the venue refused
    whole       = fills + opportunity + refusal, exactly

All four are integers, parts of half ticks x lots. Each is given in bps of the arrival value of *its own* lots, and
means over parents weigh by that value: lots that never traded neither cost nor dilute what did.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tercel.core.serialization import to_jsonable
from tercel.core.stats.mean_intervals import weighted_interval

BPS = 1e4
TICKS2 = 20_000
"""Value of a lot, half ticks, of which a bp is one tick: the base of costs if prices may be at or below zero."""


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Implementation shortfall of one parent order.

    Parameters
    ----------
    side, quantity : int
        +1 or -1; the requested quantity, in parts of a lot.
    filled, refused : int
        Filled quantity; of the rest, the quantity that limits or the venue refused.
    arrival_mid2, end_mid2 : int
        Bid + ask at arrival and at the end, half ticks.
    paid2 : int
        Sum of twice the price times quantity over the fills, in parts of a tick times parts of a lot.
    fees : int
        Charged on the fills, in the same.
    scale : int
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
    scale: int = 1
    value2: int = 0

    @property
    def unfilled(self) -> int:
        """Unfilled quantity without the refused part."""
        return self.quantity - self.filled - self.refused

    @property
    def fills(self) -> int:
        """Cost of the fills with fees, in half ticks x lots x scale^2."""
        return self.side * (self.paid2 - self.arrival_mid2 * self.scale * self.filled) + self.fees

    @property
    def opportunity(self) -> int:
        """Opportunity cost of the unfilled lots, in half ticks x lots x scale^2."""
        return self.side * (self.end_mid2 - self.arrival_mid2) * self.scale * self.unfilled

    @property
    def refusal(self) -> int:
        """Opportunity cost of the refused lots, in half ticks x lots x scale^2."""
        return self.side * (self.end_mid2 - self.arrival_mid2) * self.scale * self.refused

    @property
    def whole(self) -> int:
        """Sum of the costs of fills, unfilled and refused lots."""
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
        """A cost in bps of the arrival value of a quantity; NaN for none."""
        worth = (self.value2 or self.arrival_mid2) * self.scale * quantity
        return BPS * cost / worth if worth else math.nan

    def lots(self, quantity: int) -> int | float:
        """Lots of a quantity that is in parts of a lot (`scale`), for people."""
        lots, rest = divmod(quantity, self.scale)
        return quantity / self.scale if rest else lots

    def to_dict(self, unit: float) -> dict[str, Any]:
        """Figures as the body of a journal entry, null if missing; `unit`: money per half tick x lot."""
        names = ("is_bps", "opportunity_bps", "refusal_bps")
        figures = {name: to_jsonable(getattr(self, name)) for name in names}
        counts = {
            name: self.lots(getattr(self, name))
            for name in ("quantity", "filled", "unfilled", "refused")
        }
        notional = self.arrival_mid2 * self.filled / self.scale * unit
        return {"side": self.side, **counts, **figures, "notional": notional}


def weight(row: Mapping[str, Any]) -> float:
    """Weight of a parent in a mean over parents: the arrival value of its fills."""
    return float(row["notional"])


def by_filled(
    rows: Sequence[Mapping[str, Any]], key: str = "is_bps", least: int = 3
) -> tuple[float | None, float | None]:
    """Mean of a figure over parents weighted by filled value, and the half width of its 95 % interval.

    The interval takes parents as if independent (`stats.student.weighted_interval`); None with fewer than `least`.

    >>> by_filled([{"is_bps": 10.0, "notional": 3.0}, {"is_bps": 2.0, "notional": 1.0}, {"is_bps": None}])
    (8.0, None)
    """
    figures = ((row[key], weight(row)) for row in rows if row.get(key) is not None)
    return weighted_mean(figures, least)


def weighted_mean(
    figures: Iterable[tuple[float | None, float]], least: int = 3
) -> tuple[float | None, float | None]:
    """Weighted mean of (figure, weight) pairs, and the half width of its 95 % interval; figures None or NaN are left out."""
    known = [
        (float(value), share)
        for value, share in figures
        if value is not None and math.isfinite(value) and share > 0
    ]
    return weighted_interval(
        [value for value, _ in known], [share for _, share in known], least=least
    )
