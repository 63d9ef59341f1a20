"""Result of `tercel.evaluate`: table, comparisons, figures, single episodes and the written report."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tercel.core.bounded_parsing import parse_json
from tercel.core.errors import ConfigError, check_known, refuse_if
from tercel.core.files import write_atomic
from tercel.core.records import from_jsonable
from tercel.core.report import figures
from tercel.core.report.judged_table import JudgedTable
from tercel.core.report.svg import Figure
from tercel.core.serialization import json_text, to_jsonable
from tercel.execution.orders import Order
from tercel.execution.task import Task
from tercel.lab.evaluation.comparisons import ComparisonLedger, ResampledScores, gains
from tercel.lab.evaluation.cost_rows import KEYS
from tercel.lab.evaluation.pipeline.analyses import SEED
from tercel.lab.evaluation.pipeline.cost_store import ORDERS_KEY, CostStore
from tercel.lab.evaluation.pipeline.evaluation_record import EvaluationRecord
from tercel.lab.evaluation.pipeline.judged_episode import Episode, episode_of, tabulate_episodes
from tercel.lab.evaluation.pipeline.judged_tables import judged_table
from tercel.lab.evaluation.pipeline.page import write_page
from tercel.lab.evaluation.pipeline.paired_comparison import Comparison

if TYPE_CHECKING:
    from tercel.core.frames import Frame

FORMAT: Final = 1
"""Version of the JSON of a result."""


STORED: Final = {
    "figures": EvaluationRecord,
    "shortfall_bps": dict[str, tuple[float, ...]],
    "comparisons": tuple[Comparison, ...],
}
"""Attributes of a result in its JSON, with their types."""


STYLE: Final = (
    "<style>.tercel .scroll{overflow-x:auto}.tercel td,.tercel th{text-align:right;padding:.1em .4em}"
    ".tercel th[scope=row]{text-align:left}"
    ".tercel .ci{display:block;opacity:.65;font-size:85%}.tercel .bar{width:120px;height:16px}"
    ".tercel .ci,.tercel th{white-space:nowrap}.tercel .mark{font-weight:normal;opacity:.65}"
    ".tercel .bar line{stroke:currentColor}.tercel .bar circle{fill:currentColor}.tercel .zero{opacity:.3}</style>"
)


class Plot:
    """Pictures of a result; each shows itself in a notebook and is written by ``save(folder)``."""

    def __init__(self, result: "Result") -> None:
        """Keep the result whose figures are drawn."""
        self._result = result

    def costs(self) -> Figure:
        """Figure of the distribution of the shortfall over episodes, bps, for every strategy."""
        ranked = self._result.ranked
        return figures.cost_distributions(
            {name: self._result.shortfall_bps[name] for name in ranked}, "distribution"
        )

    def parts(self) -> Figure:
        """Figure of the parts of the shortfall: spread, impact, timing, forced and fees."""
        rows = self._result.figures.strategies
        return figures.decomposition({name: rows[name].estimates for name in self._result.ranked})

    def differences(self, name: str = "") -> Figure:
        """Figure of a strategy's paired gains, with intervals, on all that it is compared with; by default of the best rule."""
        chosen = name or self._result.best_baseline
        check_known(chosen, self._result.ranked, error=ConfigError)
        compared = {frozenset((pair.a, pair.b)) for pair in self._result.comparisons}
        cells = {
            f"against {opponent}": self._result.compare(chosen, opponent).gain
            for opponent in self._result.ranked
            if {chosen, opponent} in compared
        }
        return figures.paired_differences(cells, "the opponent", "differences")


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """Result of :func:`tercel.evaluate`. It shows itself as a table; all costs are bps of the arrival value.

    Parameters
    ----------
    figures : EvaluationRecord
        Everything; the JSON of ``tercel agent evaluate`` has a key for each attribute.
    store : CostStore, optional
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

    figures: EvaluationRecord
    store: CostStore | None = None

    @cached_property
    def shortfall_bps(self) -> Mapping[str, tuple[float, ...]]:
        """Implementation shortfall of each judged episode, bps, by strategy; of a recipe the mean over its training seeds."""
        if self.store is None:
            return {}
        scores = self.store.main_scores
        return {name: tuple(scores.mean(name).tolist()) for name in self.ranked}

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Paired comparisons, every pair once; a recipe and its members are not compared."""
        if self.store is None:
            return ()
        by_pair: dict[frozenset[str], Comparison] = {}
        for a, row in self.figures.paired.items():
            for b, cell in row.items():
                by_pair.setdefault(frozenset((a, b)), Comparison(a, b, *astuple(cell)))
        return (*by_pair.values(), *self._compare_rules(self.store))

    @property
    def market(self) -> str:
        """Name of the market."""
        return self.figures.market

    @cached_property
    def task(self) -> Task | tuple[Order, ...]:
        """Task of the judged orders; of a list of orders, the orders themselves."""
        task = self.figures.task
        return (
            tuple(Order(**order) for order in task[ORDERS_KEY])
            if ORDERS_KEY in task
            else Task.of(task)
        )

    @property
    def best_baseline(self) -> str:
        """Name of the best rule, chosen on other episodes."""
        return self.figures.best_baseline

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes that a reader of the table must know, and the checks that passed, each once."""
        return tuple(dict.fromkeys((*self.figures.notes, *self.figures.checks)))

    @cached_property
    def ranked(self) -> list[str]:
        """Names of the strategies, cheapest first; unranked ones last."""
        return self.figures.ranked

    def table(self) -> "Frame":
        """Data frame with one row per strategy, cheapest first.

        Returns
        -------
        polars.DataFrame, whose `to_pandas` needs no pyarrow
            strategy, kind; shortfall_bps with ci_low and ci_high; its parts (spread_bps ... fees_bps); timing_risk_bps,
            passive_share, adaptability, unfilled_share; vs_best_bps with vs_best_low, vs_best_high and vs_best_p: what
            is saved against the best rule. None where something is not available.
        """
        from tercel.core.frames import Frame

        rows = list[dict[str, object]]()
        for name in self.ranked:
            row = self.figures.strategies[name]
            cost = row.is_bps
            is_best = name == self.best_baseline
            versus = None if is_best else self.compare(name, self.best_baseline)
            rows.append(
                {
                    "strategy": name,
                    "kind": self.figures.kinds[name],
                    "shortfall_bps": cost.mean,
                    "ci_low": cost.ci_low,
                    "ci_high": cost.ci_high,
                    **{key: cell and cell.mean for key in KEYS[1:] for cell in [getattr(row, key)]},
                    "unfilled_share": self.figures.counts[name].unfilled_share,
                    "vs_best_bps": versus and versus.difference_bps,
                    "vs_best_low": versus and versus.ci_low,
                    "vs_best_high": versus and versus.ci_high,
                    "vs_best_p": versus and versus.p_adjusted,
                }
            )
        return Frame(rows, infer_schema_length=None)

    def compare(self, a: str, b: str) -> Comparison:
        """Paired gain of `a` on `b` (cost of `b` less cost of `a`), with interval, adjusted p and minimum detectable effect.

        Raises
        ------
        ConfigError
            A name that was not judged, or the same twice.
        """
        for name in (a, b):
            check_known(name, self.ranked, error=ConfigError)
        refuse_if(a == b, "two strategies", f"{a!r} twice", "name another")
        for comparison in self.comparisons:
            if (comparison.a, comparison.b) == (a, b):
                return comparison
            if (comparison.a, comparison.b) == (b, a):
                return comparison.turned
        raise ConfigError(
            f"a comparison of {a} and {b}",
            "policies of one row, judged alone and together",
            "compare each with others",
        )

    @property
    def plot(self) -> Plot:
        """Figures of the result: ``costs()``, ``parts()``, ``differences(name)``."""
        return Plot(self)

    def episode(self, number: int) -> Episode:
        """One judged episode by its number from 0: order, costs, fills of every strategy, book around them; ConfigError
        for a result read from JSON.

        Raises
        ------
        ConfigError
            No such episode, or a result that was read from JSON: the strategies are not in it.
        """
        return episode_of(self._require_evaluation("single episodes"), number)

    def episodes(self) -> "Frame":
        """Data frame with one row per judged episode and strategy: when, which order, what it cost.

        Returns
        -------
        polars.DataFrame, whose `to_pandas` needs no pyarrow
            episode (from 0), strategy, time of arrival (UTC; none in a simulated market), side (+1 buy, -1 sell), lots;
            shortfall_bps and its parts; passive_share of the lots. None where something is not available.

        Raises
        ------
        ConfigError
            For a result that was read from JSON: its episodes are not in it.
        """
        return tabulate_episodes(self._require_evaluation("single episodes"))

    def report(self, path: str | Path) -> Path:
        """Write the page of ``tercel agent evaluate``, one self-contained HTML file, and return its path; ConfigError
        for a result read from JSON.

        Raises
        ------
        ConfigError
            A result that was read from JSON.
        """
        file = Path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_page(
            file,
            self._require_evaluation("the page"),
            self.figures,
            footer="made by tercel.evaluate",
        )
        return file

    def write(self, out_dir: Path, file: Path, page: Path, footer: str = "") -> EvaluationRecord:
        """Write result file and page (last line `footer`); returns the figures with `out_dir` as their folder."""
        store = self._require_evaluation("the page")
        figures = replace(self.figures, out=str(out_dir))
        write_atomic(file, json_text(figures) + "\n")
        footer = footer or f"results, figures and page: {out_dir}"
        write_page(page, store, figures, footer=footer)
        return figures

    def to_json(self) -> dict[str, Any]:
        """The result as plain values that :meth:`from_json` reads."""
        return dict(
            to_jsonable({"format": FORMAT, **{name: getattr(self, name) for name in STORED}})
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | str) -> "Result":
        """Result from the values of :meth:`to_json`, or from their JSON text.

        Raises
        ------
        ConfigError
            Something else.
        """
        try:
            values = parse_json(data) if isinstance(data, str) else data
            if values["format"] != FORMAT:
                raise ConfigError(
                    f"a result of format {FORMAT}", f"format {values['format']}", "evaluate again"
                )
            result = cls(EvaluationRecord.from_json(values["figures"]))
            for name, kind in STORED.items():
                # instead of what the properties would compute of an evaluation
                vars(result)[name] = from_jsonable(kind, values[name])
            return result
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                "the JSON of a result", f"{error!r}", "give what Result.to_json returned"
            ) from error

    def __repr__(self) -> str:
        """The table as text, for a terminal."""
        from io import StringIO

        from rich.console import Console

        text = StringIO()
        Console(file=text, width=100).print(self._judged_table())
        return text.getvalue().rstrip()

    def _repr_html_(self) -> str:
        """The table with its notes as HTML, for notebooks."""
        table = self._judged_table()
        notes = list(
            dict.fromkeys((*table.notes, *self.figures.notes))
        )  # the page has all that can be said
        return f'<div class="tercel">{STYLE}{replace(table, notes=notes).html()}</div>'

    def _judged_table(self) -> JudgedTable:
        """Table with sentences as the command prints it; with rules alone also a sentence on detectable differences."""
        table = judged_table(self.figures)
        detectable = [
            comparison.detectable_bps
            for comparison in self.comparisons
            if comparison.detectable_bps is not None and comparison.p_adjusted is not None
        ]
        if self.figures.paired or not detectable:
            return table
        text = (
            f"Differences of two rules are found here with 80 % power from {min(detectable):.2f} to "
            f"{max(detectable):.2f} bps on, by the pair; their p-values are corrected together (Benjamini and Hochberg)."
        )
        return replace(table, notes=[*table.notes, text])

    def _require_evaluation(self, purpose: str) -> CostStore:
        """The evaluation behind the result; raises for a result read from JSON, which has none."""
        if self.store is None:
            raise ConfigError(
                f"a result of this session for {purpose}",
                "one that was read from JSON",
                "evaluate again",
            )
        return self.store

    def _compare_rules(self, store: CostStore) -> list[Comparison]:
        """Comparisons of rules with each other, p-values adjusted together."""
        names = [rule.key for rule in store.baselines]
        if len(names) < 2:
            return []
        ledger = ComparisonLedger()
        rng = np.random.default_rng((SEED, 1))
        scores = store.main_scores
        rule_gains = gains(ResampledScores.of(scores, rng), names, {}, rng)
        cells = {
            (a, b): ledger.enter(rule_gains[a][b], ranked=not {a, b} & {*scores.unranked})
            for a, b in combinations(names, 2)
        }
        ledger.adjust()
        return [Comparison(a, b, *astuple(cell)) for (a, b), cell in cells.items()]
