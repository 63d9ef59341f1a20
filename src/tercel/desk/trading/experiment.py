"""Experiment of an agent's strategies on its own orders, folded from the journal: who drew what, and what it cost.

An arm is drawn for a unit (an order, or all orders of a symbol or of a day) by a hash of seed, experiment and unit alone:
nothing that a strategy sees, and no earlier draw, says anything of it. The draw is part of the entry that accepts the
order, so a desk that is killed before or after that entry draws the same again or finds it drawn.
"""

from bisect import bisect
from dataclasses import dataclass, replace
from hashlib import blake2b
from math import log, sqrt
from typing import Final

import numpy as np
from msgspec import convert, field, structs

from tercel.core.arrays import Floats
from tercel.core.ports import Entries, Entry
from tercel.core.stats.confidence_sequence import SequentialRidge
from tercel.core.vocabulary import DAY_NS, NO_ASK, NO_BID
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.agent_bodies import CostEntry
from tercel.desk.trading.journal.bodies import EntryBody, ParentEntry, Signed

BEGAN: Final = "began"
SHARES: Final = "shares"
STOPPED: Final = "arm_stopped"
ENDED: Final = "ended"
ORDER: Final = "order"
SYMBOL: Final = "symbol"
DAY: Final = "day"
SIZES: Final = (0.02, 0.1)
"""Shares of the expected volume at which a small order ends and a large one begins."""
GRACE_NS: Final = 3600 * 10**9
"""After its horizon, how long an order that is not over holds up those after it."""
COSTS: Final = (kinds.FEEDBACK, kinds.TCA)
OWN: Final = (kinds.PARENT, kinds.EXPERIMENT, *COSTS)
"""Kinds of entries that an experiment is folded from."""


class Covariates(EntryBody):
    """What is known of an order as it arrives; None: not known. `hour` in UTC, `share` of the volume expected in its horizon."""

    side: int = 0
    hour: int = field(default_factory=int)
    lots: int = 0
    spread_bps: float | None = None
    sd_bps: float | None = None
    share: float | None = None
    forecast_bps: float | None = None
    """Forecast return over its horizon times its side."""
    estimate_bps: float | None = None
    """Half the spread, and the standard deviation of the price over the horizon times the square root of `share`."""


class Draw(EntryBody):
    """Arm that was drawn for an order, with the chance that each arm had, in the entry that accepts the order."""

    name: str
    arm: str
    unit: str
    day: int
    chances: dict[str, float]
    covariates: Covariates


class ExperimentTerms(EntryBody):
    """Terms of an experiment, which never change: another one has another name. The first of `arms` is the baseline, `strategies`
    have the full name of each."""

    arms: list[str]
    strategies: dict[str, str]
    unit: str
    strata: list[str]
    seed: int
    planned: int
    instruments: list[str]


class ExperimentEntry(Signed, kw_only=True):
    """An event of an experiment (see `kinds.EXPERIMENT`)."""

    event: str
    name: str
    terms: ExperimentTerms | None = None
    shares: dict[str, float] | None = None
    arm: str = ""


def uniform_draw(seed: int, *names: str) -> float:
    """Number in [0, 1) that a seed and names determine, and that tells nothing of those of other names.

    >>> round(uniform_draw(1, "a", "order-1"), 3), round(uniform_draw(1, "a", "order-2"), 3)
    (0.213, 0.021)
    """
    key = seed.to_bytes(8, "little")
    digest = blake2b("\x1f".join(names).encode(), key=key, digest_size=7)
    return int.from_bytes(digest.digest(), "little") / 2.0**56


def whole_bps(cost: CostEntry) -> float | None:
    """Cost of all of an order's lots, unfilled and refused ones too, bps of their value at arrival; None where unknown.

    >>> whole_bps(CostEntry(is_bps=4.0, filled=3, unfilled=1, opportunity_bps=8.0))
    5.0
    """
    parts = (
        (cost.is_bps, cost.filled),
        (cost.opportunity_bps, cost.unfilled),
        (cost.refusal_bps, cost.refused),
    )
    known = [(bps, lots) for bps, lots in parts if lots]
    if not known or any(bps is None for bps, _ in known):
        return None
    return sum((bps or 0.0) * lots for bps, lots in known) / sum(lots for _, lots in known)


@dataclass(frozen=True)
class AssignedOrder:
    """An order of an experiment, with its draw and what became of it so far.

    Parameters
    ----------
    parent, instrument : str
    draw : Draw
    accepted_ns, ends_ns : int
        Its acceptance, and the end of its horizon as last amended.
    expected, plain : float
        Its cost as predicted from orders that were over when it came, and their mean cost, bps.
    features : float64 (f,)
    cost_bps : float or None
        Of all its lots; None: not known.
    unfilled : float
        Share of its lots that were not filled.
    filled : float
        Lots.
    paid, paid_ns : float, int
        Cost of the fills, in money, and when it was booked.
    """

    parent: str
    instrument: str
    draw: Draw
    accepted_ns: int
    ends_ns: int
    features: Floats
    expected: float
    plain: float
    predicted: float
    """By the regression, which `expected` is only where it has predicted better than the mean so far."""
    over: bool = False
    by_hand: bool = False
    fell_back: bool = False
    cost_bps: float | None = None
    unfilled: float = 0.0
    filled: float = 0.0
    paid: float = 0.0
    paid_ns: int = 0


class ExperimentRecord:
    """State of an experiment, folded from a journal's entries in their order, the one with which it began first.

    Parameters
    ----------
    name, agent : str
    terms : ExperimentTerms
    """

    def __init__(self, name: str, agent: str, terms: ExperimentTerms) -> None:
        self.name = name
        self.agent = agent
        self.terms = terms
        self.ns = 0
        self.shares: dict[str, float] = {}
        """Of assignment, by arm; without those that were stopped."""
        self.first_shares: dict[str, float] = {}
        self.stopped: dict[str, str] = {}
        """Why an arm was stopped, by arm."""
        self.ended: ExperimentEntry | None = None
        self.changes = 0
        """Entries so far that were of the experiment or of its orders."""
        self.orders: dict[str, AssignedOrder] = {}
        """In the order in which they were accepted; replaced, never changed."""
        self.draws: dict[str, Draw] = {}
        """First draw of each unit."""
        levels = [f"{SYMBOL}:{name}" for name in terms.instruments if SYMBOL in terms.strata]
        levels += [f"hour:{hour}" for hour in range(24) if "hour" in terms.strata]
        first = len(_features(Covariates()))
        self._columns = {level: number for number, level in enumerate(levels, first)}
        self._ridge = SequentialRidge(first + len(levels))
        self._known_costs = (0.0, 0)
        # Squared errors of the mean less those of the regression, over the orders so far.
        self._gained = 0.0

    def apply(self, entry: Entry) -> None:
        """Fold one entry of the journal; those of other experiments are passed over."""
        self.ns = max(self.ns, entry.ns)
        if entry.kind == kinds.EXPERIMENT:
            self._apply_event(ExperimentEntry.of(entry))
        elif entry.kind == kinds.PARENT:
            self._apply_parent(entry, ParentEntry.of(entry))
        elif (order := self.orders.get(entry.parent)) is not None and entry.kind in COSTS:
            self._apply_cost(order, CostEntry.of(entry), entry)
        self.changes += entry.kind == kinds.EXPERIMENT or entry.parent in self.orders

    def is_open_to(self, act: str) -> bool:
        """Whether a person may still "stop" it, change its "shares" or "promote" an arm, which may follow its end."""
        return self.ended is None or (act == "promote" and not self.ended.arm)

    def _apply_event(self, event: ExperimentEntry) -> None:
        """Fold an event of the experiment itself."""
        if event.name != self.name:
            return
        if event.shares is not None:
            self.shares = dict(event.shares)
            self.first_shares = self.first_shares or self.shares
        if event.event == STOPPED:
            self.stopped[event.arm] = event.reason
        elif event.event == ENDED:
            self.ended = event

    def _apply_parent(self, entry: Entry, body: ParentEntry) -> None:
        """Fold an event of a parent order: its draw, that a person or the fallback worked it, that it is over."""
        if body.event == "accepted" and body.experiment is not None:
            draw = convert(body.experiment, Draw)
            if draw.name == self.name:
                self.draws.setdefault(draw.unit, draw)
                x = self._features_of(entry.instrument, draw.covariates)
                total, count = self._known_costs
                plain = total / count if count else 0.0
                predicted = self._ridge.predict(x) + (draw.covariates.estimate_bps or 0.0)
                self.orders[entry.parent] = AssignedOrder(
                    entry.parent,
                    entry.instrument,
                    draw,
                    entry.ns,
                    entry.ns + (body.horizon_ns or 0),
                    x,
                    predicted if self._gained > 0 else plain,
                    plain,
                    predicted,
                )
        elif (order := self.orders.get(entry.parent)) is not None:
            self.orders[entry.parent] = replace(
                order,
                ends_ns=order.accepted_ns + body.horizon_ns if body.horizon_ns else order.ends_ns,
                over=order.over or body.event in ("done", "expired", "cancelled"),
                by_hand=order.by_hand or body.event == "taken_over",
                fell_back=order.fell_back or body.event == "fallback",
            )

    def _apply_cost(self, order: AssignedOrder, cost: CostEntry, entry: Entry) -> None:
        """Fold what an order cost; a later analysis counts where its fills changed, after a bust or correction."""
        bps = whole_bps(cost)
        lots = cost.filled + cost.unfilled + cost.refused
        if bps is None or not (
            entry.kind == kinds.FEEDBACK
            or (order.cost_bps is not None and cost.filled != order.filled)
        ):
            return
        if order.cost_bps is None:
            total, count = self._known_costs
            self._known_costs = (total + bps, count + 1)
            self._gained += (bps - order.plain) ** 2 - (bps - order.predicted) ** 2
            self._ridge.add(order.features, bps - (order.draw.covariates.estimate_bps or 0.0))
        self.orders[order.parent] = replace(
            order,
            cost_bps=bps,
            filled=cost.filled,
            unfilled=1.0 - cost.filled / lots,
            paid=(cost.is_bps or 0.0) * cost.notional / 1e4,
            paid_ns=entry.ns,
        )

    def _features_of(self, instrument: str, covariates: Covariates) -> Floats:
        """Features of an order, about of the scale of 1: covariates, then a column for each level of the strata."""
        x = np.zeros(len(_features(covariates)) + len(self._columns))
        x[: len(x) - len(self._columns)] = _features(covariates)
        for level in (f"{SYMBOL}:{instrument}", f"hour:{covariates.hour}"):
            if level in self._columns:
                x[self._columns[level]] = 1.0
        return x

    @property
    def known_orders(self) -> list[AssignedOrder]:
        """Orders with a known cost, up to the first that is open, but for one open an hour after its horizon: a fast arm must not
        be counted earlier."""
        known = []
        for order in self.orders.values():
            if not order.over and self.ns < order.ends_ns + GRACE_NS:
                break
            if order.cost_bps is not None:
                known.append(order)
        return known


def draw_arm(
    record: ExperimentRecord, parent: str, instrument: str, ns: int, covariates: Covariates
) -> Draw:
    """The draw of an order that arrives at a venue time, ns, in a running experiment; that of its unit, if there was one."""
    day = ns // DAY_NS
    unit = {ORDER: parent, SYMBOL: f"{instrument} of day {day}", DAY: f"day {day}"}[
        record.terms.unit
    ]
    if (drawn := record.draws.get(unit)) is not None and drawn.arm not in record.shares:
        # Its number lies in the part of the stopped arm: it needs another one.
        unit = f"{unit} without {', '.join(sorted(record.stopped))}"
        drawn = record.draws.get(unit)
    if drawn is not None and drawn.arm in record.shares:
        return structs.replace(drawn, covariates=covariates)
    total = sum(record.shares.values())
    # In the order of the terms: a journal sorts the keys of what it keeps.
    shares = [(arm, record.shares.get(arm, 0.0)) for arm in record.terms.arms]
    chances = {arm: share / total for arm, share in shares if share > 0}
    reached = np.cumsum(list(chances.values())).tolist()
    number = uniform_draw(record.terms.seed, record.name, unit)
    arm = [*chances][min(bisect(reached, number), len(chances) - 1)]
    return Draw(record.name, arm, unit, day, chances, covariates)


def covariates_of(
    side: int,
    lots: int,
    ns: int,
    touch: tuple[float, float] | None,
    sd: float,
    volume: float,
    forecast_bps: float | None,
) -> Covariates:
    """Covariates of an order at its arrival.

    Parameters
    ----------
    side, lots : int
    ns : int
        Venue time.
    touch : tuple of float, optional
        Best bid and ask, ticks; None without a two-sided market.
    sd : float
        Standard deviation of the mid over its horizon, ticks.
    volume : float
        Lots expected to trade in its horizon.
    forecast_bps : float, optional

    >>> found = covariates_of(1, 100, 36_000 * 10**9, (99.0, 101.0), 2.0, 10_000.0, None)
    >>> found.spread_bps, found.sd_bps, found.share, round(found.estimate_bps, 6), found.hour
    (200.0, 200.0, 0.01, 120.0, 10)
    """
    share = lots / volume if volume > 0 else None
    # Of a side without orders the touch is a sentinel.
    is_market = touch is not None and NO_BID < touch[0] <= touch[1] < NO_ASK and sum(touch) > 0
    known = Covariates(side, ns // (3600 * 10**9) % 24, lots, share=share)
    if touch is not None and is_market:
        mid = (touch[0] + touch[1]) / 2
        spread = 1e4 * (touch[1] - touch[0]) / mid
        deviation = 1e4 * sd / mid
        known = structs.replace(
            known,
            spread_bps=spread,
            sd_bps=deviation,
            estimate_bps=spread / 2 + deviation * sqrt(share or 0.0),
        )
    if forecast_bps is not None:
        known = structs.replace(known, forecast_bps=side * forecast_bps)
    return known


def _features(covariates: Covariates) -> list[float]:
    """Covariates as features, about of the scale of 1; 0 where one is not known."""
    share = covariates.share or 0.0
    return [
        float(covariates.side),
        log(max(covariates.spread_bps or 1.0, 1e-6)),
        log(max(covariates.sd_bps or 1.0, 1e-6)),
        sqrt(share),
        float(share > SIZES[0]),
        float(share > SIZES[1]),
        (covariates.forecast_bps or 0.0) / 10.0,
        (covariates.estimate_bps or 0.0) / 10.0,
    ]


def read_experiments(journal: Entries) -> dict[str, ExperimentRecord]:
    """Experiments of a journal, by name."""
    records: dict[str, ExperimentRecord] = {}
    for _, entry in journal.read(0, OWN):
        fold_experiment(records, entry)
    return records


def fold_experiment(records: dict[str, ExperimentRecord], entry: Entry) -> None:
    """Fold an entry of any kind into the experiments so far, by name; the first of an experiment adds it."""
    if entry.kind == kinds.EXPERIMENT and (event := ExperimentEntry.of(entry)).terms is not None:
        records.setdefault(event.name, ExperimentRecord(event.name, entry.agent, event.terms))
    for record in records.values():
        record.apply(entry)
