"""Records of a comparison of trading rules, with sentences and JSON: by rule, by belief, costs learned."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Floats, Indices
from tercel.core.estimate import Estimate
from tercel.core.frames import Frame
from tercel.core.report.formatting import format_interval, format_number
from tercel.core.stats.bootstrap import Replicates
from tercel.signals.models.predict import format_utc
from tercel.signals.portfolio import book as books
from tercel.signals.portfolio.config import ALL_AT_ONCE, PortfolioConfig
from tercel.signals.portfolio.rebalance import BookTargets, Rule, Traded

NEAR: Final = 0.2
"""Distance from the true cost, as a share of it, within which a belief has recovered."""
STAYS: Final = 4
"""Dates in a row on which it has to be."""
NOT_JUDGED_REASONS: Final = {
    True: "rules.first",
    False: "the past by which parameters are first chosen; rules.first names a day",
}
"""Why dates are not judged, by whether the file says which are."""
LEAST_BOOK: Final = 0.01
"""Of equity: a date on which no rule holds or trades so much has no book."""
THIRD: Final = 1 / 3
"""Of the true cost of the last date: a belief to be compared with."""


@dataclass(frozen=True)
class PortfolioGain(Estimate):
    """A difference of Sharpe ratios with its interval, t and standard error, drawn over blocks of dates.

    Parameters
    ----------
    t : float or None
        None for the difference of a book from itself.
    error : float

    >>> str(PortfolioGain(0.5, 0.1, 0.9, 2.5, 0.2))
    '+0.50 [+0.10, +0.90], t 2.5'
    """

    t: float | None
    error: float

    def __str__(self) -> str:
        """Text such as `+0.50 [+0.10, +0.90], t 2.5`; without t where there is none."""
        return format_interval(self, signed=True) + (
            "" if self.t is None else f", t {format_number(self.t, 1)}"
        )


def gain_of(sharpe: Replicates, reference: Replicates) -> PortfolioGain:
    """Difference of two Sharpe ratios that were bootstrapped together."""
    gain = sharpe - reference
    estimate = gain.estimate()
    # an error below is rounding: the same book twice
    t = gain.point / gain.error if gain.error > 1e-9 else None
    return PortfolioGain(estimate.mean, estimate.ci_low, estimate.ci_high, t, gain.error)


@dataclass(frozen=True, eq=False)
class RuleResult:
    """Results of one trading rule over the dates that are judged.

    Parameters
    ----------
    rule : Rule
    traded : Traded
        Over all dates.
    judged_dates : int (D,)
        Those that are judged.
    periods : float
        Dates a year.
    net, gross : Replicates
        Annualised Sharpe ratios.
    gain : Gain
        Net Sharpe ratio less that of trading all at once.
    against_rate : Gain, optional
        Of a control, less that of the rule `rate`.
    """

    rule: Rule
    traded: Traded
    judged_dates: Indices
    periods: float
    net: Replicates
    gross: Replicates
    gain: PortfolioGain
    against_rate: PortfolioGain | None = None

    @property
    def equity(self) -> Floats:
        """Equity after each judged date, net of costs, from 1 before the first."""
        return np.asarray(np.cumprod(1.0 + self.traded.book.net[self.judged_dates]))

    @property
    def drawdown(self) -> float:
        """Largest loss from the highest equity before, a fraction of it, over judged dates."""
        highest = np.maximum(np.maximum.accumulate(self.equity), 1.0)
        return float((1.0 - self.equity / highest).max())

    @property
    def turnover(self) -> float:
        """One-way turnover per judged date, on average."""
        return float(self.traded.book.turnover[self.judged_dates].mean())

    @property
    def chosen(self) -> dict[str, float]:
        """The parameter of each calendar year; empty for a rule without a choice."""
        if len(self.rule.parameters) == 1:
            return {}
        times = self.traded.book.walk.time_ns[self.judged_dates].astype("datetime64[ns]")
        year = times.astype("datetime64[Y]").astype(int) + 1970
        chosen = self.traded.chosen[self.judged_dates]
        return {
            str(calendar_year): float(chosen[year == calendar_year][0])
            for calendar_year in np.unique(year)
        }

    def to_json(self) -> dict[str, Any]:
        """All figures by name."""
        book = self.traded.book
        dates = self.judged_dates
        figures = {
            "says": self.rule.says,
            "turnover": self.turnover,
            "gross": float(book.gross[dates].mean()),
            "cost": float(book.cost[dates].mean()),
            "net_a_year": float(self.equity[-1] ** (self.periods / len(dates)) - 1.0),
            "sd_a_year": float(book.net[dates].std(ddof=1) * self.periods**0.5),
            "drawdown": self.drawdown,
            "held": float(np.abs(book.weights[dates]).sum(axis=1).mean()),
            "left_while_held": self.traded.closed_without_forecast,
            "chosen": self.chosen or None,
            "sharpe_net": self.net.point,
            "sharpe_net_interval": self.net.estimate().to_json(),
            "sharpe_gross": self.gross.point,
            "sharpe_gross_interval": self.gross.estimate().to_json(),
            "against_all_at_once": self.gain.to_json(),
        }
        against = {"against_rate": self.against_rate and self.against_rate.to_json()}
        return figures | (against if self.against_rate else {})


@dataclass(frozen=True)
class BeliefGains:
    """Net Sharpe ratios of a rule by its belief on costs, and gains of learned costs over known costs and over a belief
    of a third of them.
    """

    learned: float
    true: float
    third: float
    learned_against_true: PortfolioGain
    learned_against_third: PortfolioGain


@dataclass(frozen=True)
class CostLearned:
    """Cost that a rule believed at last, the true one, and after how many dates the belief was within `near` of the truth
    where it changed.
    """

    at_last: float
    true_at_last: float
    near: float = NEAR
    back_after: int | None = None


@dataclass(frozen=True, eq=False)
class PortfolioComparison:
    """A portfolio traded by several rules over the same dates.

    Parameters
    ----------
    config : PortfolioConfig
    file : Path
        Of the configuration.
    model : str, optional
        Id of the trained model whose forecasts they are.
    note : str
        Caveats of every number.
    targets : BookTargets
    judged_dates : int (D,)
        Dates that are judged: the first, and those on which a rule holds or trades a book.
    idle : int
        Dates since the first on which none does.
    rules : mapping of str to RuleResult
    beliefs : mapping of str to BeliefGains
        Of rules that choose a parameter.
    learned : CostLearned
    seed : int
    shuffled : bool
        Outcomes were exchanged among the names of a date: a control.
    """

    config: PortfolioConfig
    file: Path
    model: str | None
    note: str
    targets: BookTargets
    judged_dates: Indices
    idle: int
    rules: Mapping[str, RuleResult]
    beliefs: Mapping[str, BeliefGains]
    learned: CostLearned
    seed: int
    shuffled: bool

    @property
    def cost(self) -> str:
        """Sentence on the cost of trading."""
        cost = self.config.cost
        changed = f", {cost.times:g} times as much from {cost.changes} on" * bool(cost.changes)
        return f"{cost.charge}{changed}"

    @property
    def best(self) -> str:
        """The rule with the highest Sharpe ratio after costs, among those that choose by past results if there are
        any."""
        choosing = {
            name: result for name, result in self.rules.items() if result.chosen
        } or self.rules
        return max(choosing, key=lambda name: choosing[name].net.point)

    @property
    def span(self) -> tuple[str, str, str]:
        """The first date of all, the first that is judged, and the end of the last label."""
        walk = self.targets.walk
        times = (
            walk.start_ns[0],
            walk.start_ns[self.judged_dates[0]],
            walk.end_ns[self.judged_dates[-1]],
        )
        return format_utc(times[0]), format_utc(times[1]), format_utc(times[2])

    def to_json(self) -> dict[str, Any]:
        """All figures by name, with the curve and the sentences."""
        begin, first, last = self.span
        return {
            "name": self.config.name,
            "file": self.file,
            "model": self.model,
            "dates": len(self.judged_dates) + self.idle,
            "invested": len(self.judged_dates),
            "names": len(self.targets.walk.names),
            "first": first,
            "last": last,
            "not_judged": {
                "dates": int(self.judged_dates[0]),
                "first": begin,
                "why": NOT_JUDGED_REASONS[bool(self.config.rules.first)],
            },
            "dates_a_year": self.targets.periods,
            "book": self.config.book.kind,
            "hold": self.config.book.hold,
            "cost": self.cost,
            "believed": self.config.cost.believed,
            "definition": books.DEFINITION,
            "rules": {name: result.to_json() for name, result in self.rules.items()},
            "beliefs": {name: asdict(gains) for name, gains in self.beliefs.items()},
            "cost_learned": asdict(self.learned),
            "curve": self.curve(),
            "note": self.note,
            "seed": self.seed,
            "shuffled": self.shuffled,
            "sentences": self.sentences(),
        }

    def table(self) -> Frame:
        """A row per rule: `rule`, numbers as in JSON, and the ends of the net Sharpe ratio's 95 % interval."""
        return Frame(
            {
                "rule": name,
                **{k: v for k, v in result.to_json().items() if isinstance(v, float | int)},
                "sharpe_net_low": result.net.estimate().ci_low,
                "sharpe_net_high": result.net.estimate().ci_high,
            }
            for name, result in self.rules.items()
        )

    def curve(self) -> list[dict[str, Any]]:
        """One row per date: what each rule earned net, its equity, its parameter, the cost believed and the true one."""
        return [
            {
                "at": format_utc(self.targets.walk.time_ns[t]),
                "cost_true": float(self.targets.level[t]),
                "rules": {
                    name: {
                        "net": float(result.traded.book.net[t]),
                        "equity": float(result.equity[k]),
                        "chosen": float(result.traded.chosen[t]),
                        "turnover": float(result.traded.book.turnover[t]),
                        "cost_believed": float(result.traded.believed[t]),
                    }
                    for name, result in self.rules.items()
                },
            }
            for k, t in enumerate(self.judged_dates.tolist())
        ]

    def __repr__(self) -> str:
        """Its sentences."""
        return "\n".join(self.sentences())

    def sentences(self) -> list[str]:
        """Summary of at most five sentences."""
        best = self.rules[self.best]
        plain = self.rules[ALL_AT_ONCE]
        begin, first, last = (day[:10] for day in self.span)
        invested = f"invested on {len(self.judged_dates)} of {len(self.judged_dates) + self.idle}"
        span = f"{invested if self.idle else len(self.judged_dates)} dates, {first} to {last}"
        if before := int(self.judged_dates[0]):
            reason = NOT_JUDGED_REASONS[bool(self.config.rules.first)]
            span += f"; the {before} before, from {begin} on, are not judged ({reason})"
        lead = f"After costs ({self.cost}), {self.best} has a Sharpe ratio of {best.net.point:.2f}"
        if self.best != ALL_AT_ONCE:
            lead += f", trading all at once {plain.net.point:.2f}: {best.gain}"
        gross = (
            best.gross.point,
            plain.gross.point,
        )  # a book that hardly ever held anything has none
        free = f"; before costs its Sharpe ratio is {gross[0]:.2f} for {gross[1]:.2f}" * bool(
            np.isfinite(gross).all()
        )
        lines = [
            f"{'Control, outcomes exchanged among names: ' * self.shuffled}{lead}; {span}.",
            f"One-way turnover is {best.turnover:.2f} per date for {plain.turnover:.2f}{free}.",
        ]
        if (belief := self.beliefs.get(self.best)) is not None:
            cost = self.learned
            back = f", back within {cost.near:.0%} {cost.back_after} dates after the change" * (
                cost.back_after is not None
            )
            lines.append(
                f"A cost learned from fills ends at {cost.at_last:.3g}, true {cost.true_at_last:.3g}{back}; it is "
                f"worth {belief.learned_against_true.mean:+.2f} beside the true one, "
                f"{belief.learned_against_third.mean:+.2f} beside a third of it."
            )
        closed_positions = best.traded.closed_without_forecast
        lines += [
            f"{closed_positions} positions were closed at their last close as their names had no forecast any more."
        ] * bool(closed_positions)
        return lines + [f"Bias: {self.note}."] * bool(self.note)


def back_after(believed: Floats, true: Floats, within: float = NEAR) -> int | None:
    """Number of dates until a belief is near the truth and stays so for STAYS dates; None where that never happens.

    >>> back_after(np.array([1.0, 2.0, 2.8, 2.9, 3.0, 3.1]), np.full(6, 3.0))
    2
    """
    near = np.abs(believed / np.where(true > 0, true, 1.0) - 1.0) <= within
    runs = np.convolve(near, np.ones(STAYS), "valid") == STAYS
    return int(runs.argmax()) if runs.any() else None
