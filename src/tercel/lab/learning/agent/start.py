"""The strategy that a training starts from: the best of `guarded`, the packaged policy and the tuned rules in its markets.

All candidates work the same training episodes. `guarded` is the start unless another is cheaper by its interval, which is
corrected for their number: a rule that was lucky is not chosen. What a training returns is held against its start.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import msgspec

from tercel.core.errors import ConfigError
from tercel.core.files import write_atomic
from tercel.core.records import Record
from tercel.core.serialization import to_jsonable
from tercel.execution.policies.strategy import base_of
from tercel.execution.policies.training_outcome import ValidationCheck
from tercel.execution.strategies import NEED_ESTIMATES, TUNABLE
from tercel.execution.strategies.guarded import Guarded
from tercel.execution.strategies.tuned_values import tuned_parameters
from tercel.execution.strategy import Strategy
from tercel.lab.evaluation.pipeline.candidates import policies_of
from tercel.lab.evaluation.pipeline.leaks import seen_days_of
from tercel.lab.learning.agent.config import BEST, AgentConfig
from tercel.lab.learning.agent.market import TrainingMarket
from tercel.lab.learning.agent.validation import Validator

START_FILE: Final = "start.json"
# Seed of the training episodes on which the candidates are compared.
CANDIDATE_SEED: Final = 2_000_000_000
# Episodes of each market in the first comparison.
CANDIDATE_EPISODES: Final = 256
PACKAGED: Final = "default"


@dataclass(frozen=True)
class StartCandidate(Record):
    """A strategy that a training may start from, and its cost on the episodes of the comparison.

    Parameters
    ----------
    name : str
    parameters : mapping
        Of a tuned rule.
    is_bps : float
        Mean cost, bps.
    gain, low, high : float
        What it saves on `guarded`, bps, paired, with its interval.
    """

    name: str
    parameters: Mapping[str, float] = field(default_factory=dict)
    is_bps: float = 0.0
    gain: float = 0.0
    low: float = 0.0
    high: float = 0.0

    @property
    def base(self) -> dict[str, Any]:
        """The candidate as the base of an action set: what its parameters name it by."""
        return {"base": self.name, "parameters": dict(self.parameters)}

    @cached_property
    def strategy(self) -> Strategy:
        """The candidate, built."""
        return base_of(self.base)


@dataclass(frozen=True)
class Start(Record):
    """The start of a training, and the candidates that it was chosen from."""

    chosen: StartCandidate
    candidates: tuple[StartCandidate, ...]


def candidates_in(market: str, symbol: str = "") -> list[StartCandidate]:
    """Candidates in a market: `guarded`, the packaged policy, rules with the values tuned for the market, or generic ones.

    On recorded days of a `symbol` that the packaged policy learned from, it is no candidate: it would win by what it has seen.

    >>> [candidate.name for candidate in candidates_in("ibm")][:4]
    ['guarded', 'default', 'twap_repeg', 'twap_repeg+events']
    """
    rules = [name for name in TUNABLE if name not in NEED_ESTIMATES]
    rules.insert(1, f"{rules[0]}+events")
    seen = {days.symbol for policy in policies_of([PACKAGED]) for days in seen_days_of(policy)}
    return [
        StartCandidate(Guarded.name),
        *([] if symbol in seen else [StartCandidate(PACKAGED)]),
        *(StartCandidate(name, tuned_parameters(market, name.partition("+")[0])) for name in rules),
    ]


def choose_start(
    markets: list[TrainingMarket],
    candidates: Sequence[StartCandidate],
    episodes: int = CANDIDATE_EPISODES,
) -> Start:
    """The cheapest of the candidates that are cheaper than the first by their interval, in all markets; else the first.

    Parameters
    ----------
    markets : list of TrainingMarket
    candidates : sequence of StartCandidate
        Two or more.
    episodes : int
        Of each market in the first comparison; those that are not clearly dearer run three times as many more.
    """
    level = 1 - 0.05 / (len(candidates) - 1)
    compared: dict[str, StartCandidate] = {}
    remaining = list(candidates)
    for first, count in ((0, episodes), (episodes, 3 * episodes)):
        plans = [
            replace(
                market,
                validation=market.training,
                plan=market.sampler(CANDIDATE_SEED, first, count),
            )
            for market in markets
        ]
        validator = Validator(plans, remaining[0].strategy)
        rows = validator.check_all([candidate.strategy for candidate in remaining], 0)
        for candidate, row in zip(remaining, rows, strict=True):
            check = msgspec.convert(row, ValidationCheck)
            low, high = check.interval(level)
            compared[candidate.name] = replace(
                candidate, is_bps=check.is_bps, gain=check.gain, low=low, high=high
            )
        remaining = [
            candidate for candidate in remaining if not compared[candidate.name].high < 0.0
        ]
    results = tuple(compared.values())
    return Start(_cheapest(results), results)


def _cheapest(results: Sequence[StartCandidate]) -> StartCandidate:
    """The candidate that saves most of those that are cheaper than the first by their interval; else the first."""
    better = [candidate for candidate in results if candidate.low > 0.0]
    return max(better, key=lambda candidate: candidate.gain, default=results[0])


def start_of(config: AgentConfig, folder: Path, markets: list[TrainingMarket]) -> Start:
    """Start of a training: that of its run folder if it was chosen before, else the best of :func:`candidates_in`.

    Raises
    ------
    ConfigError
        A damaged file.
    """
    path = folder / START_FILE
    if path.exists():
        try:
            return Start.from_json(json.loads(path.read_text()))
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigError(
                "the start of a training", f"{path}: {error}", "train in another folder"
            ) from None
    candidates = candidates_in(markets[0].name, str(markets[0].facts.get("symbol", "")))
    start = choose_start(markets, candidates, min(CANDIDATE_EPISODES, config.validation.episodes))
    write_atomic(path, json.dumps(to_jsonable(start), indent=1) + "\n")
    return start


def with_start(config: AgentConfig, start: Start) -> AgentConfig:
    """Configuration whose base is the start, where it names the best."""
    if config.policy.base != BEST:
        return config
    policy = config.policy.model_copy(update=start.chosen.base)
    return config.model_copy(update={"policy": policy})


def best_rule(start: Start) -> StartCandidate:
    """The best of the candidates that are rules: cheaper than `guarded` by its interval, else `guarded` itself."""
    return _cheapest([candidate for candidate in start.candidates if candidate.name != PACKAGED])
