"""What a parent order may cost before it is sent: by strategy, with intervals, and which limits speak against it."""

from collections.abc import Mapping
from typing import Any

from tercel.api.console.connected import ConnectedDesk
from tercel.api.console.models import Interval, QuoteBody, QuotedCost, QuotedCosts
from tercel.desk.console.state import Agent, DeskState
from tercel.desk.trading.tca.shortfall import BPS


def quote(served: ConnectedDesk, asked: QuoteBody) -> QuotedCosts:
    """Costs as each agent's finished parents of this journal had them, for the value of the order asked about.

    They are of other sizes and other times: an interval says how sure the mean is, not how this order will end. Less
    than three parents have no interval, none no mean. Without a price or a tick the money is not known.
    """
    lots = served.lots(asked.instrument, asked.qty)
    if asked.agent is not None:
        served.must_have([asked.agent])
    listing, killed = served.listing(asked.instrument), served.desk.killed()

    def costs(state: DeskState) -> QuotedCosts:
        value = _value(state, asked, listing)
        agents = [one for one in state.agents.values() if asked.agent in (None, one.name)]
        rows = [
            _cost(state, one, asked, lots, value, str(listing.get("currency") or ""))
            for one in agents
        ]
        rows.sort(key=lambda row: (row.bps.mean is None, row.bps.mean or 0.0))
        against = _against(state, "desk", "desk", asked.side, lots, value)
        against += _against(state, "instruments", asked.instrument, asked.side, lots, value)
        against += [] if killed is None else [f"killed: {killed['scope']}: {killed['reason']}"]
        return QuotedCosts(value=value, by_strategy=rows, against=against)

    return served.follower.ask(costs)


def _value(state: DeskState, asked: QuoteBody, listing: Mapping[str, Any]) -> float | None:
    """Of the order at the last mid."""
    market = state.markets.get(asked.instrument, {})
    prices = [market[side] for side in ("bid", "ask") if market.get(side) is not None]
    if not prices or not listing.get("tick"):
        return None
    return float(sum(prices) / len(prices) * float(listing["tick"]) * asked.qty)


def _cost(
    state: DeskState, agent: Agent, asked: QuoteBody, lots: int, value: float | None, currency: str
) -> QuotedCost:
    mean, _, low, high = agent.costs.bounds()
    bps = Interval(mean=mean, low=low, high=high)
    shown = {
        key: None if one is None or value is None else value * one / BPS
        for key, one in bps.model_dump().items()
    }
    standing = state.ledger.states.standing(agent.name)
    against = (
        []
        if str(standing.state) == "active"
        else [f"{agent.name} is {standing.state}: {standing.reason}"]
    )
    if (held := state.ledger.holds.get(agent.name)) is not None:
        against.append(f"{agent.name} is paused by {held['by']}: {held['reason']}")
    against += _against(state, "agents", agent.name, asked.side, lots, value)
    return QuotedCost(
        agent=agent.name,
        strategy=agent.strategy,
        parents=agent.parents,
        bps=bps,
        money=Interval(**shown),
        currency=currency,
        against=against,
    )


def _against(
    state: DeskState, room: str, name: str, side: str, lots: int, value: float | None
) -> list[str]:
    """Limits that the order would pass, filled whole, with what the last heartbeat has."""
    used = state.heartbeat.get("limits", {}).get(room, {}).get(name, {})
    more = {"long_lots" if side == "buy" else "short_lots": float(lots), "gross_value": value}
    return [
        f"{name}: {limit.replace('_', ' ')} {used[limit][0]:,.15g} + {add:,.15g} of {used[limit][1]:,.15g}"
        for limit, add in more.items()
        if add is not None and limit in used and used[limit][0] + add > used[limit][1]
    ]
