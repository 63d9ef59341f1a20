"""The request for quotes that a strategy by `rfq` or `routed` makes for an arriving parent: lots, dealers, bound."""

from dataclasses import dataclass
from typing import Final

from tercel.execution.routing import RFQ, Route, Routed
from tercel.execution.strategy import Strategy

WIDEST_BPS: Final = 10_000.0


@dataclass(frozen=True, slots=True)
class QuotePlan:
    """Request for quotes planned for an arriving parent: lots, dealers, and the most bps from mid at which a quote is
    taken."""

    lots: int
    dealers: tuple[str, ...]
    within: float = WIDEST_BPS


def plan_of(strategy: Strategy, lots: int, dealers: tuple[str, ...]) -> QuotePlan | None:
    """Request for quotes that a strategy makes for an arriving parent; None if it makes none.

    Parameters
    ----------
    strategy : Strategy
    lots : int
        Of the parent.
    dealers : tuple of str
        Those of the desk, in the order of the strategy's panel.

    >>> from tercel.execution.strategies import build
    >>> plan_of(Routed(build("twap_passive"), only=RFQ), 300, ("D1", "D2"))
    QuotePlan(lots=300, dealers=('D1', 'D2'), within=10000.0)
    >>> plan_of(Routed(build("twap_passive")), 300, ("D1", "D2")) is None
    True
    """
    if not isinstance(strategy, Routed):
        return None
    if (known := strategy.knowledge) is None:
        return QuotePlan(lots, dealers) if strategy.only == RFQ else None
    units = lots / known.terms.lots
    route = strategy.fixed if isinstance(strategy.fixed, Route) else strategy.routes(units)[0].route
    lots_asked = round(route.share * lots)
    if not lots_asked or not route.dealers:
        return None
    names = tuple(dealers[d] for d in route.recipients(known, route.share * units))
    leak = known.follows * known.leak(route.share * units, route.dealers)
    return QuotePlan(lots_asked, names, known.max_accepted_bps(leak))
