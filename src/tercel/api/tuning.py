"""`tercel.tune`: tuning of parameters, of a rule or of a user's own strategy."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from tercel.api.display import trim_traceback
from tercel.api.market import Market
from tercel.core.errors import ConfigError, check_known, refuse_if
from tercel.core.progress import progress as bars, say
from tercel.core.report.formatting import format_interval
from tercel.core.serialization import to_jsonable
from tercel.core.stats import Estimate
from tercel.execution.strategies import TUNABLE, MarketEstimates, build, tuned_values
from tercel.execution.strategy import Strategy
from tercel.execution.task import Task
from tercel.execution.user_strategy import (
    error_location,
    import_object,
    try_strategy,
    wrap_strategy,
)
from tercel.lab.evaluation.scenario import Scenario
from tercel.lab.tuning.own_search import (
    Bounds,
    Parameters,
    Trial,
    check_bounds,
    gain_on_start,
    is_number,
    search_bounds,
    value_between,
)
from tercel.lab.tuning.tune import TuningOutcome, TuningSettings, arena_of, tune as searched

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Tuned:
    """A strategy with tuned parameters; a candidate of :func:`tercel.evaluate`, which counts its trials.

    Parameters
    ----------
    rule : str
        Name of the rule or of your strategy.
    outcome : TuningOutcome
        Parameters, and their cost on training and validation episodes, bps.
    trials : tuple of Trial
        Sets of parameters that were tried within bounds, in order; empty for the search of a rule without bounds.
    gain : Estimate, optional
        What the cheapest trial saves against the start on validation episodes, bps, with its 95 % interval.

    >>> from tercel.lab.tuning.tune import TuningScore
    >>> outcome = TuningOutcome({"rate": 0.5}, validation=TuningScore(2.0, 0.1, 50))
    >>> Tuned("pov", outcome).name
    'pov_tuned_here'
    """

    rule: str
    outcome: TuningOutcome
    trials: tuple[Trial, ...] = ()
    gain: Estimate | None = None
    _maker: Any = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        """Parameters, and what the cheapest trial gains on the start."""
        told = f", cheapest trial against the start {format_interval(self.gain, signed=True)} bps"
        return label_of(self.rule, self.parameters) + told * bool(self.trials)

    @property
    def name(self) -> str:
        """Name in tables."""
        return f"{self.rule}_tuned_here"

    @property
    def parameters(self) -> Parameters:
        """Parameters by name: the cheapest trial's, or the start's where these cost less on validation episodes."""
        return self.outcome.parameters

    def strategy(self, estimates: MarketEstimates | None = None) -> Strategy:
        """The tuned strategy for a market; a rule needs estimates of it (ConfigError)."""
        return (
            build(self.rule, estimates, self.parameters)
            if self._maker is None
            else _make(self._maker, self.rule, self.parameters)
        )

    def table(self) -> "pl.DataFrame":
        """Every trial: its parameters, cost_bps and se on the tuning episodes; without trials parameter and value."""
        import polars as pl

        return pl.DataFrame(
            [
                {**trial.parameters, "cost_bps": trial.score.bps, "se": trial.score.se}
                for trial in self.trials
            ]
            or [{"parameter": name, "value": value} for name, value in self.parameters.items()],
            strict=False,
        )

    def to_json(self) -> dict[str, Any]:
        """The tuned strategy as plain values."""
        of_trials = {"gain": self.gain, "trials": self.trials} if self.trials else {}
        return {"rule": self.rule, **to_jsonable(self.outcome), **to_jsonable(of_trials)}


@trim_traceback
def tune(
    strategy: Any,
    market: Market,
    task: Task | None = None,
    *,
    params: Mapping[str, Any] | None = None,
    trials: int = 40,
    episodes: int = 0,
    seed: int = 1,
) -> Tuned:
    """Tune the parameters of your own strategy, or of a rule, and compare them with the start on other episodes.

    All trials run on the same tuning episodes: the start (defaults of the strategy, else the middle of the bounds), sets
    spread over the bounds, then CMA-ES from the best. Ctrl-C ends the search; what was tried until then counts. A rule
    without `params` is searched as by ``tercel agent tune``.

    Parameters
    ----------
    strategy : callable or str
        Takes the parameters by keyword, returns a strategy: a class of :class:`tercel.Strategy`, a function, or
        ``module:Name`` of one. Or a rule's name, one of `tercel.execution.strategies.TUNABLE`.
    market : Market
    task : Task
    params : mapping of name to bounds
        ``(low, high)`` of each; whole numbers are tried between whole ones.
    trials : int
        Sets of parameters to try.
    episodes : int
        Number of tuning episodes; 0: 256, for a rule without `params` by the number of its parameters.
    seed : int
        Of episodes and search: the same seed finds the same.

    Raises
    ------
    ConfigError, UnknownNameError
        A parameter without bounds, or that the strategy does not take; a strategy that fails or answers no intent; a
        rule without parameters to tune.

    >>> import tercel as tc
    >>> class Resting(tc.Strategy):
    ...     def __init__(self, share=0.9):
    ...         self.share = share
    ...     def decide(self, view):
    ...         return tc.Intent(rest=(self.share * view.left).astype(int))
    >>> market, task = tc.load_market("csco-santa-fe"), tc.Task(horizon="1min", decisions=2, warmup_s=0)
    >>> tuned = tune(Resting, market, task, params={"share": (0.0, 1.0)}, trials=3, episodes=8)
    >>> tuned.name, tuned.table().columns
    ('Resting_tuned_here', ['share', 'cost_bps', 'se'])
    """
    refuse_if(
        not all(isinstance(number, int) for number in (trials, episodes, seed))
        or min(trials - 2, episodes, seed) < 0
        or (episodes == 1 and params is not None),
        "2 trials or more, 2 episodes or more (or 0), and a seed from 0",
        f"{trials!r}, {episodes!r} and {seed!r}",
        "such as trials=40, episodes=256, seed=1",
    )
    refuse_if(
        not isinstance(market, Market),
        "a tercel.Market",
        f"{type(market).__name__} {market!r}",
        "such as tercel.load_market('sh600961')",
    )
    refuse_if(
        not isinstance(task, Task | None),
        "a tercel.Task",
        f"{type(task).__name__} {task!r}",
        "such as tercel.Task(share=0.1, horizon='30min')",
    )
    settings = TuningSettings(Scenario(market, task or Task()), episodes, seed=seed)
    rule = strategy if isinstance(strategy, str) and ":" not in strategy else ""
    known: Parameters = {}
    maker = (
        import_object(strategy, "strategy") if isinstance(strategy, str) and not rule else strategy
    )
    if rule:
        check_known(rule.partition("+")[0], TUNABLE, "a strategy to tune:")
        if params is None:
            return Tuned(rule, searched(arena_of(settings), rule, episodes or None, seed))
        known = TUNABLE[rule.partition("+")[0]].layout.generic | tuned_values(rule, market.name)

        def maker(**values: float) -> Strategy:
            """The rule with parameters, in the market."""
            return build(rule, arena.estimates, values)

    bounds = check_bounds(params)
    name = rule or getattr(maker, "__name__", type(maker).__name__).strip("<>")
    start = _start_of(maker, name, bounds, known)
    arena = arena_of(settings)
    make = partial(_make, maker, name)
    tried = list[Trial]()
    with bars(counted=True, transient=True) as display:
        bar = display.add_task(f"tune {name}", total=trials)
        try:
            for found in search_bounds(arena, make, bounds, start, trials, episodes, seed):
                tried += found
                display.advance(bar, len(found))
        except KeyboardInterrupt:
            if not tried:
                raise
            say(f"tune {name}: stopped after {len(tried)} of {trials} trials")
    best = min(tried, key=lambda trial: trial.score.bps)
    own, begun_from, gain = gain_on_start(arena, make(best.parameters), make(start))
    if gain.ci_low is None or gain.ci_low <= 0:
        say(
            f"tune {name}: "
            + (
                "by its interval"
                if gain.ci_low is not None
                else "no interval from one day of validation"
            )
            + ", no trial is shown to be cheaper than the start on other episodes"
        )
    outcome = TuningOutcome(
        dict(best.parameters if own.bps <= begun_from.bps else start),
        best.score.bps,
        sum(trial.score.episodes for trial in tried),
        validation=min(own, begun_from, key=lambda score: score.bps),
        begun_from=begun_from,
    )
    return Tuned(name, outcome, tuple(tried), gain, None if rule else maker)


def _start_of(maker: Any, name: str, bounds: Bounds, known: Parameters) -> Parameters:
    """Start of a search: values known, else defaults of a maker of strategies, else the middle of the bounds.

    Raises
    ------
    ConfigError
        It takes a parameter without bounds or default, or does not take one that has bounds.
    """
    try:
        signature = inspect.signature(maker)
        signature.bind(**bounds)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"a callable that takes {', '.join(bounds)} and returns a strategy",
            f"{name}: {error}",
            "such as a class of tercel.Strategy, or lambda slack: Patient(slack); bounds for all without default",
        ) from error
    defaults = {
        key: one.default for key, one in signature.parameters.items() if is_number(one.default)
    }
    return {
        key: known.get(key, defaults.get(key, value_between(pair, sum(pair) / 2)))
        for key, pair in bounds.items()
    }


def _make(maker: Any, name: str, values: Parameters) -> Strategy:
    """The strategy that a maker returns for parameters, which its name tells, tried on made-up markets."""
    label = label_of(name, values)
    try:
        made = maker(**values)
    except Exception as error:
        raise ConfigError(
            f"a strategy from {label}",
            f"{type(error).__name__}: {error}{error_location(error)}"[:300],
            "correct it, or narrow its bounds",
        ) from error
    return try_strategy(wrap_strategy(made, name=label))


def label_of(name: str, values: Parameters) -> str:
    """A strategy's name with its parameters.

    >>> label_of("Patient", {"slack": 0.1})
    'Patient(slack=0.1)'
    """
    return f"{name}({', '.join(f'{key}={value}' for key, value in values.items())})"
