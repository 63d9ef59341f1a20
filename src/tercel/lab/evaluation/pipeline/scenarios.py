"""Scenarios: a market with its regimes, fees and latency, and the episodes that are judged there."""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from tercel import __version__
from tercel.execution import step as kernels
from tercel.execution.market import Market
from tercel.lab.evaluation.episodes import Plan, seeded_plan
from tercel.lab.evaluation.market import JobMarket, build_market, thinned
from tercel.lab.evaluation.settings import MarketTask
from tercel.market.simulator.source import Source
from tercel.market.tape import Lake

VALIDATION_SEED = -1_900_000_000
"""Of the episodes on which the best written strategy is chosen: no training, pilot or judged seed."""
PLAIN = "plain"
FORMAT = 2
"""Of the results on disk: those of another one lie in another folder."""


@dataclass(frozen=True)
class Scenario:
    """A market and its judged episodes; the same in every process.

    Parameters
    ----------
    name : str
        As tables call it.
    settings : MarketTask
        Market, task and orders.
    seeds : tuple of int
        Base seeds of the episodes, in equal parts.
    episodes : int
        In all; on tape at most, 0: every window.
    validation : bool
        Whether these are the episodes on which a baseline is chosen: on tape, windows of the training days.
    content : tuple of str
        Hashes of the recorded days and files that the settings name, as they were when this was made.
    """

    name: str
    settings: MarketTask
    seeds: tuple[int, ...]
    episodes: int
    validation: bool = False
    content: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Take down what the named days and files hold."""
        object.__setattr__(self, "content", self.content or _content(self.settings.market))

    @property
    def id(self) -> str:
        """Folder name of its results."""
        identity = {**self.settings.to_dict(), "seed": list(self.seeds), "episodes": self.episodes}
        identity |= {"validation": self.validation, "version": __version__, "format": FORMAT}
        identity |= {"content": self.content} if self.content else {}
        plain = "".join(letter if letter.isalnum() else "-" for letter in self.name)
        return f"{plain[:40]}@{hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]}"

    @property
    def market(self) -> str:
        """Name of the preset; empty on tape."""
        return "" if self.settings.market.on_tape else self.settings.market.name

    @property
    def answers(self) -> bool:
        """Whether own trades move prices here, so that there are twins."""
        return self.settings.market.answers

    def on_validation(self, episodes: int) -> "Scenario":
        """The same market on episodes of its own, to choose on."""
        settings = self.settings
        return Scenario(
            f"{self.name} validation", settings, (VALIDATION_SEED,), episodes, validation=True
        )


def _content(market: Market) -> tuple[str, ...]:
    """Hashes of the days of a lake, and of the files of a market and of regimes."""
    if market.on_tape:
        days = Lake(market.lake).list()
        return tuple(
            f"{day.venue} {day.date} {day.content_hash}"
            for day in days
            if day.symbol == market.symbol
        )
    files = [Path(name) for name in (market.preset, market.regimes) if name]
    return tuple(hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file())


@dataclass(frozen=True, eq=False)
class BuiltScenario:
    """A scenario's market and plan, built."""

    market: JobMarket
    source: Source
    plan: Plan


@lru_cache(maxsize=2)
def build_scenario(scenario: Scenario) -> BuiltScenario:
    """The market and the plan of a scenario."""
    settings = scenario.settings
    market = build_market(settings, seed=max(scenario.seeds[0], 0), episodes=1)
    if settings.market.on_tape:
        return _on_tape(scenario, market)
    quantity = int(market.plan.rows[0, kernels.E_QUANTITY])
    parts = np.array_split(np.arange(scenario.episodes), len(scenario.seeds))
    plans = [
        seeded_plan(settings.task, quantity, seed, 0, len(part))
        for seed, part in zip(scenario.seeds, parts, strict=True)
        if len(part)
    ]
    rows = np.concatenate([plan.rows for plan in plans])
    pairs = np.unique(rows[:, [kernels.E_SEED, kernels.E_INDEX]], axis=0, return_inverse=True)[1]
    return BuiltScenario(market, market.judged, Plan(rows, pairs.ravel().astype(np.int64)))


def _on_tape(scenario: Scenario, market: JobMarket) -> BuiltScenario:
    if scenario.validation:
        drawn = market.sampler(-1 - VALIDATION_SEED, 0, max(scenario.episodes, 1))
        return BuiltScenario(market, market.training, drawn)
    plan = market.plan
    if scenario.episodes and len(plan) > scenario.episodes and not scenario.settings.orders:
        plan = thinned(plan, scenario.episodes)
    return BuiltScenario(market, market.judged, plan)


def switching(folder: Path, regime: str, at_s: float) -> str:
    """A file of regimes in which `regime` begins so many seconds after arrival; what `Market.regimes` wants."""
    path = folder / "regimes" / f"{regime}-from-{at_s:g}-s.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'[[script]]\nat_s = {at_s}\nregime = "{regime}"\n', encoding="utf-8")
    return str(path.resolve())
