"""Cost estimates of a parent order before it is sent: by agent from its past costs, and from recorded days of a lake."""

from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from threading import Lock
from typing import Any, Final
from zoneinfo import ZoneInfo

from tercel.api.console.connected import ConnectedDesk
from tercel.api.console.guard import HttpError
from tercel.api.console.models import EstimatedOrder, QuoteBody, QuotedCost, QuotedCosts
from tercel.core.errors import TercelError
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.desk.console.agent_state import Agent
from tercel.desk.console.model_report import Interval
from tercel.desk.console.state import DeskState
from tercel.desk.trading.journal.bodies import HoldEntry
from tercel.desk.trading.tca.shortfall import BPS
from tercel.market.tape import Lake

FIRST_NS: Final = 10 * 365 * 86_400 * NS_PER_SECOND
"""Times before it are of simulated markets, which begin in 1970."""


def estimate_costs(served: ConnectedDesk, payload: QuoteBody) -> QuotedCosts:
    """Cost estimates of an order for each agent: mean cost (bps) of its finished parents, and money at the order's value.

    Those parents had other sizes and times: an interval is that of the mean, not a forecast of this order's cost. Fewer
    than three parents have no interval, none no mean. Without a price or a tick the money is unknown.
    """
    lots = served.lots(payload.instrument, payload.qty)
    if payload.agent is not None:
        served.refuse_unknown_agents([payload.agent])
    listing = served.listing(payload.instrument)
    killed = served.desk.read_latch()

    def costs(state: DeskState) -> QuotedCosts:
        """Estimates of the requested agent, or of all agents, from the desk's folded state; the cheapest first."""
        value = _order_value(state, payload, listing)
        agents = [agent for agent in state.agents.values() if payload.agent in (None, agent.name)]
        rows = [
            _estimate_cost(state, agent, payload, lots, value, str(listing.get("currency") or ""))
            for agent in agents
        ]
        rows.sort(key=lambda row: (row.bps.mean is None, row.bps.mean or 0.0))
        against = _limit_breaches(state, "desk", "desk", payload.side, lots, value)
        against += _limit_breaches(
            state, "instruments", payload.instrument, payload.side, lots, value
        )
        against += [] if killed is None else [f"killed: {killed.scope}: {killed.reason}"]
        return QuotedCosts(value=value, by_strategy=rows, against=against)

    return served.follower.query(costs)


class RecordedCosts:
    """Estimates of `tercel estimate` from a lake's recorded days, one at a time, each in a process of its own.

    A kill does not wait for it, and what it loads leaves with it.

    Parameters
    ----------
    lake : Path, optional

    Raises
    ------
    ConfigError
        No lake is there.
    """

    def __init__(self, lake: Path | None) -> None:
        self._lake = None if lake is None else Lake.existing(lake)
        self._one = Lock()

    def estimate(self, served: ConnectedDesk, payload: QuoteBody) -> EstimatedOrder:
        """Estimate an order that arrives now, by the desk's clock; 409 without a lake, 422 for what the estimate refuses,
        429 while another is computed."""
        if self._lake is None:
            raise HttpError(
                409,
                "a lake of recorded days",
                "none",
                "start `tercel console` with the option of a lake",
            )
        lots = served.lots(payload.instrument, payload.qty)
        now_ns = served.follower.query(lambda state: state.ns)
        if now_ns < FIRST_NS:
            raise HttpError(
                409,
                "a desk that trades by the calendar",
                f"{served.name}, whose simulated market has no date",
                "use `tercel estimate`, which asks for the time of the order",
            )
        if not self._one.acquire(blocking=False):
            raise HttpError(429, "one estimate at a time", "a second", "wait until it is there")
        try:
            order = (self._lake, payload.instrument, payload.side, lots, payload.minutes)
            with ProcessPoolExecutor(1, get_context("spawn")) as process:
                return process.submit(_estimate_now, *order, now_ns).result()
        except TercelError as error:
            raise HttpError(422, error.expected, error.received, error.remedy) from None
        except BrokenProcessPool:
            raise HttpError(
                503, "an estimate", "its process was ended", "look at the machine's memory"
            ) from None
        finally:
            self._one.release()


def _estimate_now(
    lake: Lake, symbol: str, side: str, lots: int, minutes: float, now_ns: int
) -> EstimatedOrder:
    """Estimate an order that arrives at `now_ns`."""
    from tercel.api.estimate import estimate

    symbol = lake.match_case(symbol)
    zone = ZoneInfo(lake.instrument(symbol, lake.days(symbol)[-1]).timezone)
    now = datetime.fromtimestamp(now_ns / NS_PER_SECOND, UTC).astimezone(zone)
    start = f"{now:%Y-%m-%d %H:%M}"
    found = estimate(symbol, side, lots, lake=lake.root, start=start, horizon=minutes * 60)
    return EstimatedOrder(
        title=found.title,
        headings=[*found.headings],
        rows=found.rows(),
        sentences=found.sentences(),
        picture=found.figure().svg,
    )


def _order_value(state: DeskState, payload: QuoteBody, listing: Mapping[str, Any]) -> float | None:
    """Value of the order in the instrument's currency at the last mid (or the only price); None without price or tick."""
    market = state.markets.get(payload.instrument)
    sides = () if market is None else (market.get("bid"), market.get("ask"))
    prices = [price for price in sides if price is not None]
    if not prices or not listing.get("tick"):
        return None
    return float(sum(prices) / len(prices) * float(listing["tick"]) * payload.qty)


def _estimate_cost(
    state: DeskState,
    agent: Agent,
    payload: QuoteBody,
    lots: int,
    value: float | None,
    currency: str,
) -> QuotedCost:
    """Cost estimate of one agent for an order of so many lots, in bps and money, with the limits it would breach."""
    mean, _, low, high = agent.costs.bounds()
    bps = Interval(mean=mean, low=low, high=high)
    money_bounds = {
        key: None if bound_bps is None or value is None else value * bound_bps / BPS
        for key, bound_bps in vars(bps).items()
    }
    standing = state.ledger.states.standing(agent.name)
    against = (
        []
        if str(standing.state) == "active"
        else [f"{agent.name} is {standing.state}: {standing.reason}"]
    )
    if (entry := state.ledger.holds.get(agent.name)) is not None:
        hold = HoldEntry.of(entry)
        against.append(f"{agent.name} is paused by {hold.by}: {hold.reason}")
    against += _limit_breaches(state, "agents", agent.name, payload.side, lots, value)
    return QuotedCost(
        agent=agent.name,
        strategy=agent.strategy,
        parents=agent.parents,
        bps=bps,
        money=Interval(**money_bounds),
        currency=currency,
        against=against,
    )


def _limit_breaches(
    state: DeskState, scope: str, name: str, side: str, lots: int, value: float | None
) -> list[str]:
    """Texts of the limits (lots of its side, gross value) that the order would breach if filled whole, by the last heartbeat."""
    used = state.heartbeat.get("limits", {}).get(scope, {}).get(name, {})
    additions = {"long_lots" if side == "buy" else "short_lots": float(lots), "gross_value": value}
    return [
        f"{name}: {limit.replace('_', ' ')} {used[limit][0]:,.15g} + {add:,.15g} of {used[limit][1]:,.15g}"
        for limit, add in additions.items()
        if add is not None and limit in used and used[limit][0] + add > used[limit][1]
    ]
