"""Outcome of a desk's run: its costs, its agents, its parents, its journal."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tercel.core.fixed_point import to_number
from tercel.core.ports import Journal
from tercel.core.serialization import to_jsonable
from tercel.core.stats.mean_intervals import weighted_interval
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.desk.engine.challenge import Evidence, PaperSaving
from tercel.desk.engine.forecast_results import ForecastOutcome, read_forecast_outcome
from tercel.desk.engine.loop import DeskLoop
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import DeniedEntry
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.ledger import Ledger
from tercel.desk.trading.parent_orders.parent import ParentOrder, ParentStatus
from tercel.desk.trading.session import Session
from tercel.desk.trading.tca.shortfall import by_filled
from tercel.execution.costs import BPS


@dataclass(frozen=True)
class Mean:
    """A mean weighted by filled value, with its interval.

    Parameters
    ----------
    mean, half : float or None
        bps; half of its 95 % interval, which one parent does not have.
    """

    mean: float | None
    half: float | None


@dataclass(frozen=True)
class SavingOnPaper:
    """What an agent's strategy saved on another one in the same orders, both on paper on the same market data: without fees,
    with lots unfilled at the horizon at a price beyond the ladder (`execution.step.end`).

    Parameters
    ----------
    against : str
        The other strategy.
    orders : int
    value : float
        Of the orders at arrival, in money.
    saved_bps, half_bps : float, float or None
        Mean by value, below 0 where it cost more; half of its 95 % interval, which fewer than three orders do not have.
    """

    against: str
    orders: int
    value: float
    saved_bps: float
    half_bps: float | None

    @classmethod
    def of(cls, against: str, savings: Sequence[PaperSaving]) -> "SavingOnPaper":
        """The saving on one strategy from those in single orders, of which there is one at least."""
        values = [saving.value for saving in savings]
        mean, half = weighted_interval([saving.bps for saving in savings], values)
        return cls(against, len(savings), sum(values), mean or 0.0, half)

    @property
    def saved(self) -> float:
        """Saved in all orders, in money."""
        return self.saved_bps * self.value / BPS

    @property
    def half(self) -> float | None:
        """Half of the interval of what was saved, in money."""
        return None if self.half_bps is None else self.half_bps * self.value / BPS

    @property
    def is_sure(self) -> bool:
        """Whether the 95 % interval leaves out 0."""
        return self.half_bps is not None and abs(self.saved_bps) > self.half_bps


@dataclass(frozen=True)
class AgentOutcome:
    """Outcome of one agent.

    Parameters
    ----------
    share : float
        Of the flow, at the end.
    is_bps, half_bps : float or None
        Cost of its parents, each from its own arrival, by what was filled; half of the interval.
    cost : float
        The same in money.
    saves_bps, saves_half_bps : float or None
        What its parents save on the other agents' of the same instrument and round, which met the same prices: mean
        over rounds, and half of its interval. None for an agent alone.
    on_paper : tuple of SavingOnPaper
        On each alternative, then on the challenger.
    drift : float or None
        Distance of its inputs from those of its policy's training, in standard deviations; None without a policy.
    drifting : bool
        Whether its inputs are outside the training distribution (`desk.engine.drift`).
    strategy : str
    challenger : str or None
        The evidence on paper, where it has a challenger.
    """

    share: float
    is_bps: float | None
    half_bps: float | None
    drift: float | None
    drifting: bool
    strategy: str
    challenger: str | None
    cost: float = 0.0
    saves_bps: float | None = None
    saves_half_bps: float | None = None
    on_paper: tuple[SavingOnPaper, ...] = ()


@dataclass(frozen=True)
class ParentOutcome:
    """Outcome of a finished parent order.

    Parameters
    ----------
    id, instrument, agent : str
    status : str
        done, expired or cancelled.
    side, quantity, filled, unfilled, refused : int
        Lots; `unfilled` were left at the end, limits or the venue `refused`.
    is_bps, opportunity_bps, refusal_bps : float or None
        Cost of the filled, of the unfilled and of the refused lots against the mid at arrival, bps of their own value;
        None without such lots.
    notional : float or None
        Value of the filled lots at arrival, in money.
    alpha_bps : float or None
        Forecast when it was begun.
    posture : str or None
        Reasons of risk when it was begun.
    silent_s : float or None
        Longest time within its work without a market event, if far longer than usual there: the market had ended, or its
        data did not arrive, so its cost is not valid. None otherwise.
    by_hand : int or None
        Lots filled by manual orders after a person took it over: its cost is the desk's and no agent's. None if no person
        did.
    """

    id: str
    instrument: str
    agent: str
    status: str
    alpha_bps: float | None
    posture: str | None
    side: int
    quantity: int
    filled: int | float
    unfilled: int | float = 0
    refused: int = 0
    is_bps: float | None = None
    opportunity_bps: float | None = None
    refusal_bps: float | None = None
    notional: float | None = None
    by_hand: int | float | None = None
    silent_s: float | None = None


@dataclass(frozen=True)
class OpenParent:
    """A parent order still open at the end.

    Parameters
    ----------
    id, instrument, agent, status, reason : str
        `reason` says why it is open.
    side, quantity, left, at_venue : int
        Lots; `at_venue` of those left may still fill there. Where a part of a lot was filled they have decimals.
    """

    id: str
    instrument: str
    agent: str
    side: int
    quantity: int
    left: int | float
    at_venue: int | float
    status: str
    reason: str


@dataclass(frozen=True)
class JournalCheck:
    """Number of journal entries, and whether refolding them gives the session's state."""

    events: int
    consistent: bool


@dataclass(frozen=True)
class DeskOutcome:
    """Outcome of a desk's run.

    Parameters
    ----------
    desk : str
        Its folder.
    seed : int
    cost_bps : float
        Cost of all requested lots, waiting included, bps of their arrival value.
    cost : float
        Of what its parents filled, each from its own arrival, in money.
    parents_bps : Mean
        Of its parents, each from its own arrival.
    parents : tuple of ParentOutcome
        Those that are over.
    open_parents : tuple of OpenParent
        The others.
    agents : mapping of name to AgentOutcome
    denials : mapping of code to int
        Orders that limits refused.
    posture_changes, fills : int
    journal : JournalCheck
    currency : str
        Of money: that of all its instruments; "" where they have several, or the venue names none.
    forecasts : ForecastOutcome
        Of a model that is served from files, beside what came; why there was none.
    """

    desk: str
    seed: int
    cost_bps: float
    cost: float
    parents_bps: Mean
    parents: tuple[ParentOutcome, ...]
    open_parents: tuple[OpenParent, ...]
    agents: Mapping[str, AgentOutcome]
    denials: Mapping[str, int]
    posture_changes: int
    fills: int
    journal: JournalCheck
    currency: str = ""
    forecasts: ForecastOutcome = field(default_factory=ForecastOutcome)

    def to_json(self) -> dict[str, Any]:
        """The outcome as plain JSON values."""
        return dict(to_jsonable(asdict(self)))


def outcome_of(desk: DeskLoop, folder: Path) -> DeskOutcome:
    """The outcome of a desk so far, from its loop and its journal."""
    ledger = desk.session.ledger
    with closing(JournalReader(folder)) as journal:
        denials = Counter(
            DeniedEntry.of(entry).code for _, entry in journal.read(0, (kinds.DENIED,))
        )
        journal_check = JournalCheck(journal.last, _is_consistent(journal, ledger))
        forecasts = read_forecast_outcome(
            entry for _, entry in journal.read(0, (kinds.ALPHA, kinds.MARKET, kinds.ALERT))
        )
    shares = desk.shares()
    rows = desk.results
    currencies = {
        desk.session.listings[instrument.name].currency for instrument in desk.config.instrument
    }
    parents = tuple(ParentOutcome(**to_jsonable(row)) for row in rows)
    unassisted = [parent for parent in parents if parent.by_hand is None]
    agent_parents = {
        name: [parent for parent in unassisted if parent.agent == name] for name in desk.slots
    }
    costs = {
        name: by_filled([vars(parent) for parent in worked])
        for name, worked in agent_parents.items()
    }
    agents = {
        name: AgentOutcome(
            share=shares[name],
            is_bps=costs[name][0],
            half_bps=costs[name][1],
            drift=to_jsonable(slot.drift.score) if slot.drift is not None else None,
            drifting=slot.drifting,
            strategy=f"drawn in {desk.experiments[name].record.name}"
            if name in desk.experiments
            else slot.strategy_name,
            challenger=str(Evidence.of(slot.gains_bps)) if slot.challenger is not None else None,
            cost=total_cost(agent_parents[name]),
            on_paper=tuple(
                SavingOnPaper.of(against, slot.paper_savings[against])
                for against in sorted(slot.paper_savings, key=slot.challenger_name.__eq__)
            ),
            **dict(zip(("saves_bps", "saves_half_bps"), savings(unassisted, name), strict=True)),
        )
        for name, slot in desk.slots.items()
    }
    return DeskOutcome(
        desk=str(folder),
        seed=desk.config.desk.seed,
        cost_bps=desk.cost_bps(),
        cost=total_cost(parents),
        parents_bps=Mean(*by_filled(rows)),
        parents=parents,
        open_parents=tuple(_open_parent(parent, desk.session) for parent in ledger.parents.open()),
        agents=agents,
        denials=dict(denials),
        posture_changes=desk.posture_changes,
        fills=ledger.fills,
        journal=journal_check,
        currency=currencies.pop() if len(currencies) == 1 else "",
        forecasts=forecasts,
    )


def total_cost(parents: Sequence[ParentOutcome]) -> float:
    """Total cost of parents' fills in money."""
    return float(
        sum(
            parent.is_bps * (parent.notional or 0) / BPS
            for parent in parents
            if parent.is_bps is not None
        )
    )


def savings(parents: Sequence[ParentOutcome], agent: str) -> tuple[float | None, float | None]:
    """What an agent's parents cost less than the others' of the same instrument and round, bps: mean and half of its interval."""
    rounds: dict[str, dict[str, float]] = defaultdict(dict)
    for parent in parents:
        if parent.is_bps is not None:
            rounds[parent.id.removesuffix(f"-{parent.agent}")][parent.agent] = parent.is_bps
    saved = [
        float(np.mean([cost for other_agent, cost in costs.items() if other_agent != agent]))
        - costs[agent]
        for costs in rounds.values()
        if agent in costs and len(costs) > 1
    ]
    return weighted_interval(saved, [1.0] * len(saved))


def _open_parent(parent: ParentOrder, session: Session) -> OpenParent:
    """Outcome of a parent order that is still open."""
    order = parent.order
    return OpenParent(
        id=parent.id,
        instrument=order.instrument,
        agent=order.agent,
        side=order.side,
        quantity=parent.lots,
        left=to_number(parent.unfilled_qty),
        at_venue=to_number(session.ledger.open_of(parent.id)),
        status=str(parent.status),
        reason=_why_open(parent, session.now_ns),
    )


def _why_open(parent: ParentOrder, now_ns: int) -> str:
    """Text why a parent order is still open."""
    if parent.status == ParentStatus.WORKING:
        remaining_s = (parent.ends_ns - now_ns) / NS_PER_SECOND
        return (
            f"its horizon comes {remaining_s:,.0f} s later"
            if remaining_s > 0
            else "its last orders have no answer yet"
        )
    return f"{parent.status}: {parent.reason}"


def _is_consistent(journal: Journal, own_ledger: Ledger) -> bool:
    """Whether refolding the journal gives the session's positions and open orders, without faults."""
    refolded = Ledger.of(journal)
    is_same = (refolded.positions.qty(), refolded.orders.live()) == (
        own_ledger.positions.qty(),
        own_ledger.orders.live(),
    )
    astray = [
        order for order in refolded.orders.live() if refolded.parents.require(order.parent).over
    ]
    return is_same and not refolded.faults() and not astray
