"""Typed result of an evaluation: the table, paired comparisons, pictures, single episodes."""

import html
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tercel.core.errors import ConfigError, check_known
from tercel.core.files import write_atomic
from tercel.core.report import figures
from tercel.core.report.svg import Figure
from tercel.core.report.tables import JudgedTable
from tercel.core.serialization import from_jsonable, json_text, parse_json, to_jsonable
from tercel.core.stats import Estimate, PairedGain
from tercel.core.vocabulary import NS_PER_SECOND
from tercel.execution.costs import attribute
from tercel.execution.task import Task
from tercel.lab.evaluation.claims import called
from tercel.lab.evaluation.comparisons import KEYS, ComparisonLedger, ResampledScores, gains
from tercel.lab.evaluation.episodes import Plan
from tercel.lab.evaluation.example import book_example
from tercel.lab.evaluation.market import BuiltMarket, cached_market
from tercel.lab.evaluation.orders import Order
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.pipeline.evaluation import LISTED, Evaluation, EvaluationResult
from tercel.lab.evaluation.pipeline.page import write_page
from tercel.lab.evaluation.pipeline.summary import SEED
from tercel.lab.evaluation.pipeline.views import judged_table
from tercel.lab.evaluation.routing import informed
from tercel.lab.evaluation.runs import markets_of
from tercel.lab.evaluation.scenario import Scenario
from tercel.market.simulator import layout as sim

if TYPE_CHECKING:
    import polars as pl


FORMAT: Final = 1
"""Version of the JSON of a result."""
STYLE: Final = (
    "<style>.tercel .scroll{overflow-x:auto}.tercel td,.tercel th{text-align:right;padding:.1em .4em}"
    ".tercel th[scope=row]{text-align:left}"
    ".tercel .ci{display:block;opacity:.65;font-size:85%}.tercel .bar{width:120px;height:16px}"
    ".tercel .ci,.tercel th{white-space:nowrap}.tercel .mark{font-weight:normal;opacity:.65}"
    ".tercel .bar line{stroke:currentColor}.tercel .bar circle{fill:currentColor}.tercel .zero{opacity:.3}</style>"
)


FILLS = 1 << 16
"""Own fills of an episode that fit."""


@dataclass(frozen=True, eq=False)
class Episode:
    """One judged episode; :meth:`tercel.Result.episode` gives it.

    Parameters
    ----------
    number : int
        Among those judged, from 0.
    side : int
        +1 buy, -1 sell.
    lots : int
        Of the order.
    costs_bps : mapping of name to mapping of key to float
        Shortfall (`is_bps`) and its parts; impact by the mean displacement over all episodes, absent where nothing
        answers own trading.

    >>> from tercel.api.evaluation import evaluate
    >>> from tercel.api.market import load_market
    >>> from tercel.execution.task import Task
    >>> task = Task(side="sell", quantity=30, horizon="1min", decisions=2)
    >>> episode = evaluate(["twap_take", "pov"], load_market("csco-santa-fe"), task, episodes=2).episode(1)
    >>> episode.side, episode.lots, episode.fills("twap_take")["lots"].sum()
    (-1, 30, 30)
    """

    number: int
    side: int
    lots: int
    costs_bps: Mapping[str, Mapping[str, float]]
    _evaluation: Evaluation = field(repr=False)
    _scenario: Scenario = field(repr=False)
    _row: int = field(repr=False)

    def table(self) -> "pl.DataFrame":
        """strategy, shortfall_bps and its parts, cheapest first."""
        import polars as pl

        rows = [
            {
                "strategy": name,
                "shortfall_bps": cells["is_bps"],
                **{k: v for k, v in cells.items() if k != "is_bps"},
            }
            for name, cells in self.costs_bps.items()
        ]
        return pl.DataFrame(rows).sort("shortfall_bps")

    def fills(self, name: str) -> "pl.DataFrame":
        """Own fills of a strategy in this episode, run again.

        Returns
        -------
        polars.DataFrame
            time_s since arrival, price in price units, lots, passive, forced (by the horizon), unfilled: lots without
            a counterparty, at the price they are booked at.
        """
        import polars as pl

        built, candidate = self._built(), self._candidate(name)
        strategy = informed(candidate.strategy(built), built, self._plan(built))
        episodes = markets_of(strategy, built.judged, self._scenario.task, self._plan(built), FILLS)
        start = int(episodes.states[0, sim.START_NS])
        while episodes.working.any():
            episodes.work(strategy)
        ns, price, lots, _, _, passive, forced = episodes.fills(0).T
        columns = {
            "time_s": (ns - start) / NS_PER_SECOND,
            "price": price * built.judged.tick,
            "lots": lots,
        }
        return pl.DataFrame(
            columns
            | {"passive": passive != 0, "forced": forced != 0, "unfilled": forced == sim.UNFILLED}
        )

    def plot(self, name: str = "") -> Figure:
        """The book through time with a strategy's fills on it; by default of the first candidate."""
        built, candidate = self._built(), self._candidate(name)
        market = replace(built, plan=self._plan(built))
        strategy = informed(candidate.strategy(built), built, market.plan)
        return book_example(self._scenario, market, strategy).figure

    def _built(self) -> BuiltMarket:
        return cached_market(self._scenario)

    def _plan(self, built: BuiltMarket) -> Plan:
        return built.plan.take(slice(self._row, self._row + 1))

    def _candidate(self, name: str) -> Candidate:
        known = {one.key: one for one in (*self._evaluation.policies, *self._evaluation.baselines)}
        chosen = name or next(iter(known))
        check_known(chosen, known, error=ConfigError)
        return known[chosen]


def episode_of(evaluation: Evaluation, number: int) -> Episode:
    """The episode with that number among those that were judged.

    Raises
    ------
    ConfigError
        No episode has that number.
    """
    costs = evaluation.main.costs
    first = next(iter(costs.values()))
    if not 0 <= number < len(first):
        raise ConfigError(
            f"an episode from 0 to {len(first) - 1}", f"{number}", "episodes count from 0"
        )
    parts = {
        name: {
            key: float(row[number])
            for key, row in attribute(one, evaluation.twins).items()
            if row[number] == row[number]
        }
        for name, one in costs.items()
    }
    judged, inside = evaluation.main, number
    for one in judged.parts:
        judged, size = one, len(next(iter(one.costs.values())))
        if inside < size:
            break
        inside -= size
    # Some episodes may have been left out for everybody.
    row = inside if judged.plan_rows is None else int(judged.plan_rows[inside])
    return Episode(
        number,
        int(first.side[number]),
        int(first.qty[number]),
        parts,
        evaluation,
        judged.scenario,
        row,
    )


@dataclass(frozen=True)
class Comparison:
    """Paired comparison of two strategies on the same episodes.

    Parameters
    ----------
    a, b : str
    difference_bps : float
        Cost of `b` less cost of `a`, mean over episodes: above zero, `a` is cheaper.
    ci_low, ci_high : float or None
        95 % interval, bootstrapped over clusters of episodes; None with one cluster.
    p_adjusted : float or None
        Two-sided p-value, adjusted for all comparisons it was made with (Benjamini and Hochberg 1995).
    detectable_bps : float or None
        Minimum detectable effect: the least true difference that is found with 80 % power at the 5 % level.

    >>> print(Comparison("mine", "pov", 1.0, 0.25, 1.75, 0.01, 1.2))
    mine is 1.00 bps cheaper than pov [0.25, 1.75], adjusted p 0.01; minimum detectable effect 1.20 bps
    """

    a: str
    b: str
    difference_bps: float
    ci_low: float | None
    ci_high: float | None
    p_adjusted: float | None
    detectable_bps: float | None

    @property
    def significant(self) -> bool:
        """Whether the interval excludes zero and the adjusted p-value is below 0.05."""
        return called(self.gain) != "open"

    @property
    def gain(self) -> PairedGain:
        """The difference as the judge has it."""
        return PairedGain(
            self.difference_bps, self.ci_low, self.ci_high, self.p_adjusted, self.detectable_bps
        )

    @property
    def turned(self) -> "Comparison":
        """The comparison seen from `b`."""
        one = self.gain.times(-1)
        return Comparison(
            self.b, self.a, one.mean, one.ci_low, one.ci_high, self.p_adjusted, self.detectable_bps
        )

    def __str__(self) -> str:
        one, word = (
            (self, "cheaper") if self.difference_bps >= 0 else (self.turned, "more expensive")
        )
        text = f"{self.a} is {one.difference_bps:.2f} bps {word} than {self.b}"
        if one.ci_low is not None and one.ci_high is not None:
            text += f" [{one.ci_low:.2f}, {one.ci_high:.2f}]"
        if self.p_adjusted is not None:
            text += f", adjusted p {self.p_adjusted:.2g}" + (
                "" if self.significant else ", not significant"
            )
        else:
            text += ", no verdict"
        if self.detectable_bps is not None:
            text += f"; minimum detectable effect {self.detectable_bps:.2f} bps"
        return text

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(str(self))}</p>"


@dataclass(frozen=True)
class Row:
    """One strategy of a result; costs are bps of the order's arrival value, each a mean with its 95 % interval.

    Parameters
    ----------
    strategy : str
    kind : str
        learned, untrained, own, baseline or random.
    shortfall_bps : Estimate
        Implementation shortfall against the arrival mid: the sum of the five that follow.
    spread_bps, impact_bps, timing_bps, forced_bps, fees_bps : Estimate or None
        None where it is not separated.
    timing_risk_bps : Estimate or None
        Standard deviation of the shortfall over episodes.
    passive_share : Estimate or None
        Of the lots, what was filled resting.
    adaptability : Estimate or None
        Share of the variance of decisions that the market explains.
    unfilled_share : float
        Share of the lots that stayed unfilled.
    vs_best : Comparison or None
        With the best baseline, a rule-based strategy; None for that one itself.
    """

    strategy: str
    kind: str
    shortfall_bps: Estimate
    spread_bps: Estimate | None
    impact_bps: Estimate | None
    timing_bps: Estimate | None
    forced_bps: Estimate | None
    fees_bps: Estimate | None
    timing_risk_bps: Estimate | None
    passive_share: Estimate | None
    adaptability: Estimate | None
    unfilled_share: float
    vs_best: Comparison | None


class Plot:
    """Pictures of a result; each shows itself in a notebook and is written by ``save(folder)``."""

    def __init__(self, result: "Result") -> None:
        self._result = result

    def costs(self) -> Figure:
        """Distribution of the shortfall over episodes, bps, every strategy."""
        ranked = self._result.ranked
        return figures.cost_distributions(
            {name: self._result.shortfall_bps[name] for name in ranked}, "distribution"
        )

    def parts(self) -> Figure:
        """Spread, impact, timing, forced and fees, which add up to the shortfall."""
        rows = self._result.figures.strategies
        return figures.decomposition({name: rows[name].known for name in self._result.ranked})

    def differences(self, name: str = "") -> Figure:
        """Paired gains of a strategy on every other, with intervals; by default of the best rule."""
        chosen = name or self._result.best_baseline
        others = [other for other in self._result.ranked if other != chosen]
        cells = {f"against {other}": self._result.compare(chosen, other).gain for other in others}
        return figures.paired_differences(cells, "the opponent", "differences")


STORED: Final = {
    "figures": EvaluationResult,
    "shortfall_bps": dict[str, tuple[float, ...]],
    "comparisons": tuple[Comparison, ...],
}
"""Attributes of a result in its JSON, with their types."""


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """Result of :func:`tercel.evaluate`. It shows itself as a table; all costs are bps of the arrival value.

    Parameters
    ----------
    figures : EvaluationResult
        Everything; the JSON of ``tercel agent evaluate`` has a key for each attribute.
    evaluation : Evaluation, optional
        All that was run, for single episodes and the page; absent in a result that was read from JSON.

    See Also
    --------
    docs/concepts/evaluation.md : how intervals, corrections and the minimum detectable effect are made, with their sources.

    >>> from tercel.api.evaluation import evaluate
    >>> from tercel.api.market import load_market
    >>> task = Task(horizon="1min", decisions=2)
    >>> result = evaluate(["twap_take", "pov"], load_market("csco-santa-fe"), task, episodes=4)
    >>> sorted(result.table()["strategy"])
    ['pov', 'twap_take']
    >>> result.compare("pov", "twap_take") == Result.from_json(result.to_json()).compare("pov", "twap_take")
    True
    """

    figures: EvaluationResult
    evaluation: Evaluation | None = None

    @cached_property
    def shortfall_bps(self) -> Mapping[str, tuple[float, ...]]:
        """Implementation shortfall of each judged episode, bps, by strategy."""
        if self.evaluation is None:
            return {}
        scores = self.evaluation.scores(self.evaluation.main)
        return {name: tuple(scores.mean(name).tolist()) for name in self.ranked}

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Paired comparisons, every pair once."""
        if self.evaluation is None:
            return ()
        found: dict[frozenset[str], Comparison] = {}
        for a, row in self.figures.paired.items():
            for b, cell in row.items():
                found.setdefault(frozenset((a, b)), _comparison(a, b, cell))
        return (*found.values(), *self._written(self.evaluation))

    @property
    def market(self) -> str:
        """Name of the market."""
        return self.figures.market

    @cached_property
    def task(self) -> Task | tuple[Order, ...]:
        """Task of the judged orders."""
        task = self.figures.task
        return tuple(Order(**one) for one in task[LISTED]) if LISTED in task else Task.of(task)

    @property
    def episodes(self) -> int:
        """Number of judged episodes."""
        return self.figures.episodes

    @property
    def best_baseline(self) -> str:
        """Name of the best rule, chosen on other episodes."""
        return self.figures.best_baseline

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes that a reader of the table must know."""
        return tuple(dict.fromkeys((*self.figures.notes, *self.figures.checks)))

    @cached_property
    def ranked(self) -> list[str]:
        """Names of the strategies, cheapest first."""
        return self.figures.ranked

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Rows of the strategies, cheapest first."""
        found = []
        for name in self.ranked:
            cells = self.figures.strategies[name]
            parts = {key: getattr(cells, key) for key in KEYS[1:]}
            versus = None if name == self.best_baseline else self.compare(name, self.best_baseline)
            unfilled, kind = self.figures.counts[name].unfilled_share, self.figures.kinds[name]
            found.append(
                Row(name, kind, cells.is_bps, **parts, unfilled_share=unfilled, vs_best=versus)
            )
        return tuple(found)

    def table(self) -> "pl.DataFrame":
        """One row per strategy, cheapest first.

        Returns
        -------
        polars.DataFrame
            strategy, kind; shortfall_bps with ci_low and ci_high; its parts (spread_bps ... fees_bps); timing_risk_bps,
            passive_share, adaptability, unfilled_share; vs_best_bps with vs_best_low, vs_best_high and vs_best_p: what
            is saved against the best rule. None where something is not available.
        """
        import polars as pl

        rows = list[dict[str, object]]()
        for one in self.rows:
            cost, versus = one.shortfall_bps, one.vs_best
            rows.append(
                {
                    "strategy": one.strategy,
                    "kind": one.kind,
                    "shortfall_bps": cost.mean,
                    "ci_low": cost.ci_low,
                    "ci_high": cost.ci_high,
                    **{key: cell and cell.mean for key in KEYS[1:] for cell in [getattr(one, key)]},
                    "unfilled_share": one.unfilled_share,
                    "vs_best_bps": versus and versus.difference_bps,
                    "vs_best_low": versus and versus.ci_low,
                    "vs_best_high": versus and versus.ci_high,
                    "vs_best_p": versus and versus.p_adjusted,
                }
            )
        return pl.DataFrame(rows, infer_schema_length=None)

    def compare(self, a: str, b: str) -> Comparison:
        """Paired gain of `a` on `b`, with interval, adjusted p and minimum detectable effect.

        Raises
        ------
        ConfigError
            A name that was not judged, or the same twice.
        """
        for name in (a, b):
            check_known(name, self.ranked, error=ConfigError)
        if a == b:
            raise ConfigError("two strategies", f"{a!r} twice", "name another")
        for one in self.comparisons:
            if (one.a, one.b) == (a, b):
                return one
            if (one.a, one.b) == (b, a):
                return one.turned
        raise ConfigError(
            f"a comparison of {a} and {b}",
            "policies of one row, judged alone and together",
            "compare each with others",
        )

    @property
    def plot(self) -> Plot:
        """Pictures: ``costs()``, ``parts()``, ``differences(name)``."""
        return Plot(self)

    def episode(self, number: int) -> Episode:
        """One judged episode, from 0: its order, its costs, every strategy's fills, the book around them.

        Raises
        ------
        ConfigError
            No such episode, or a result that was read from JSON: the strategies are not in it.
        """
        return episode_of(self._live("single episodes"), number)

    def report(self, path: str | Path) -> Path:
        """Write the page of ``tercel agent evaluate``: one HTML file that fetches nothing.

        Raises
        ------
        ConfigError
            A result that was read from JSON.
        """
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_page(file, self._live("the page"), self.figures, footer="made by tercel.evaluate")
        return file

    def write(self, out: Path, file: Path, page: Path, footer: str = "") -> EvaluationResult:
        """Write figures and page, whose last line is `footer`; returns the figures, which name `out`."""
        figures = replace(self.figures, out=str(out))
        write_atomic(file, json_text(figures) + "\n")
        footer = footer or f"results, figures and page: {out}"
        write_page(page, self._live("the page"), figures, footer=footer)
        return figures

    def to_json(self) -> dict[str, Any]:
        """Plain values; :meth:`from_json` reads them."""
        return dict(
            to_jsonable({"format": FORMAT, **{name: getattr(self, name) for name in STORED}})
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | str) -> "Result":
        """The result of which `data` is the :meth:`to_json`, or its text.

        Raises
        ------
        ConfigError
            Something else.
        """
        try:
            given = parse_json(data) if isinstance(data, str) else data
            if given["format"] != FORMAT:
                raise ConfigError(
                    f"a result of format {FORMAT}", f"format {given['format']}", "evaluate again"
                )
            found = cls(EvaluationResult.from_json(given["figures"]))
            for name, kind in STORED.items():
                # instead of what the properties would compute of an evaluation
                vars(found)[name] = from_jsonable(kind, given[name])
            return found
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                "the JSON of a result", f"{error!r}", "give what Result.to_json returned"
            ) from error

    def __repr__(self) -> str:
        from io import StringIO

        from rich.console import Console

        text = StringIO()
        Console(file=text, width=100).print(self._judged_table())
        return text.getvalue().rstrip()

    def _repr_html_(self) -> str:
        table = self._judged_table()
        notes = list(
            dict.fromkeys((*table.notes, *self.figures.notes))
        )  # the page has all that can be said
        return f'<div class="tercel">{STYLE}{replace(table, notes=notes).html()}</div>'

    def _judged_table(self) -> JudgedTable:
        """The table and the sentences of the command, which compares rules with policies alone."""
        table = judged_table(self.figures)
        found = [
            one.detectable_bps
            for one in self.comparisons
            if one.detectable_bps is not None and one.p_adjusted is not None
        ]
        if self.figures.paired or not found:
            return table
        text = (
            f"Differences of two rules are found here with 80 % power from {min(found):.2f} to "
            f"{max(found):.2f} bps on, by the pair; their p-values are corrected together (Benjamini and Hochberg)."
        )
        return replace(table, notes=[*table.notes, text])

    def _live(self, what: str) -> Evaluation:
        if self.evaluation is None:
            raise ConfigError(
                f"a result of this session for {what}",
                "one that was read from JSON",
                "evaluate again",
            )
        return self.evaluation

    def _written(self, evaluation: Evaluation) -> list[Comparison]:
        """Rules with each other, adjusted together."""
        names = [one.key for one in evaluation.baselines]
        if len(names) < 2:
            return []
        ledger, rng = ComparisonLedger(), np.random.default_rng((SEED, 1))
        scores = evaluation.scores(evaluation.main)
        saved = gains(ResampledScores.of(scores, rng), names, {}, rng)
        cells = {
            (a, b): ledger.enter(saved[a][b], ranked=not {a, b} & {*scores.unranked})
            for a, b in combinations(names, 2)
        }
        ledger.adjust()
        return [_comparison(a, b, cell) for (a, b), cell in cells.items()]


def _comparison(a: str, b: str, gain: PairedGain) -> Comparison:
    return Comparison(a, b, gain.mean, gain.ci_low, gain.ci_high, gain.p_adjusted, gain.power)
