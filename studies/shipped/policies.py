"""Runs' policies as they are shipped, with what they observed on calm episodes.

Runs of one recipe and market that differ in their training seed are told apart by it: DIR/NAME-MARKET-SEED, or
DIR/NAME-SEED where one network is made for several markets. They share DIR/observations/NAME-MARKET.json.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tercel import Market
from tercel.core import ConfigError, Floats
from tercel.core.report import format_interval
from tercel.core.stats import mean_interval
from tercel.execution import Costs, features_of
from tercel.execution.policies import (
    Card,
    MlpPolicy,
    PolicyStrategy,
    load_policy,
    policy_strategy,
    save_policy,
)
from tercel.execution.policies_packaged import SHARED, CalmObservations
from tercel.execution.strategies import build
from tercel.lab.evaluation import Decisions, Scenario, build_market, run_strategies, seeded_plan
from tercel.lab.learning.agent import AgentConfig, preset_file, preset_names, read_config
from tercel.lab.learning.agent.run_folder import read_run
from tercel.market.flow import registry as presets
from tercel.market.simulator import reactive

OBSERVED_SEED, OBSERVED_EPISODES = 2_026, 256
JUDGED_SEED = 7_000_000
RIVALS = ("twap_take",)
MATERIAL = "synthetic: the flow model of the preset alone"


@dataclass(frozen=True, eq=False)
class PackagedPolicy:
    """A run's policy on its way to being shipped."""

    config: AgentConfig
    markets: tuple[str, ...]
    seed: int
    policy: MlpPolicy
    card: Card
    strategy: PolicyStrategy
    base: str

    @property
    def stem(self) -> str:
        """Name without the training seed."""
        return f"{self.base}-{self.markets[0]}" if len(self.markets) == 1 else self.base

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.stem}-{self.seed}"

    @property
    def shipped(self) -> str | None:
        """The shipped preset that is its configuration; None where the card has to keep the configuration."""
        return next(
            (name for name in preset_names() if read_config(preset_file(name)) == self.config), None
        )


def package(
    runs: Sequence[Path],
    out: Path,
    episodes: int,
    name: str = "",
    *,
    command: Callable[[PackagedPolicy], str],
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Judge runs' policies on fresh episodes of their markets, write each with its figures into `out`; what is there.

    A card keeps the `command` that trains its policy again. `tell` hears a line of each figure and file.

    Raises
    ------
    ConfigError
        A run on tape, whose data are not ours to give away, a network that is no plain MLP, two of one name.
    """
    packed = [packing(run, name) for run in runs]
    written: dict[str, Any] = {"policies": {}, "observations": []}
    named = [one.name for one in packed]
    twice = next((one for one in named if named.count(one) > 1), None)
    if twice is not None:
        both = ", ".join(str(run) for run, one in zip(runs, named, strict=True) if one == twice)
        raise ConfigError(
            "runs of different recipes, markets or seeds",
            f"{both}: all {twice}",
            "package one of them",
        )
    for stem in dict.fromkeys(one.stem for one in packed):
        team = [one for one in packed if one.stem == stem]
        if any(
            (one.markets, one.config.task) != (team[0].markets, team[0].config.task) for one in team
        ):
            raise ConfigError(
                f"one task and the same markets for all of {stem}",
                "several",
                "package them by themselves",
            )
        judged = {market: fresh(team, market, episodes) for market in team[0].markets}
        for at, one in enumerate(team):
            mine = {market: costs[at] for market, costs in judged.items()}
            scores = write(one, mine, judged, out, command(one), tell)
            written["policies"][one.name] = {"folder": str(out / one.name), "scores": scores}
        (out / SHARED).mkdir(exist_ok=True)
        (out / SHARED / f"{stem}.json").write_text(observed(team, command(team[0])).to_json())
        written["observations"].append(str(out / SHARED / f"{stem}.json"))
        tell(f"written  {out / SHARED / f'{stem}.json'}")
    return written


def packing(run: Path, name: str = "") -> PackagedPolicy:
    """The policy of a run, refused where it cannot be shipped."""
    config, _, seed = read_run(run)
    if config.on_tape:
        raise ConfigError(
            "a run in a simulated market",
            f"{run} ran on {config.market.symbol}'s tape",
            "use a preset",
        )
    policy, card = load_policy(run / "policy")
    if not isinstance(policy, MlpPolicy):
        raise ConfigError(
            "an MLP", f"{type(policy).__name__}", "package a policy of the native learners"
        )
    markets = tuple(presets.load(market).name for market in config.market.presets)
    base = name or (
        config.name.removesuffix(f"-{markets[0]}") if len(markets) == 1 else config.name
    )
    return PackagedPolicy(
        config,
        markets,
        seed,
        policy,
        replace(card, name=base),
        policy_strategy(run / "policy"),
        base,
    )


def fresh(team: Sequence[PackagedPolicy], market: str, episodes: int) -> list[Costs]:
    """Costs of a team's policies, then of the rivals, on fresh episodes of a market."""
    preset, task = presets.load(market), team[0].config.task.task
    source = build_market(Scenario(Market(preset=market), task)).judged
    plan = seeded_plan(task, task.lots(preset.volume_per_s), JUDGED_SEED, 0, episodes)
    strategies = [*(one.strategy for one in team), *(build(name) for name in RIVALS)]
    return run_strategies(source, task, plan, strategies, run_out=False)


def write(
    one: PackagedPolicy,
    mine: dict[str, Costs],
    judged: dict[str, list[Costs]],
    out: Path,
    command: str,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Write a policy with its scores, and give them: those of its first market, and of each if there are several."""
    figures = {}
    for market, costs in mine.items():
        cost = mean_interval(costs.shortfall_bps, costs.cluster, np.random.default_rng(0))
        rivals = zip(RIVALS, judged[market][-len(RIVALS) :], strict=True)
        figures[market] = {
            "is_bps": cost.to_json(),
            **{name: float(their.shortfall_bps.mean()) for name, their in rivals},
        }
        tell(f"{one.name} in {market}: {format_interval(cost)} bps")
    first, costs = next(iter(mine.items()))
    scores: dict[str, Any] = {
        "judged": f"{len(costs)} fresh episodes of {first}, seed {JUDGED_SEED}",
        **figures[first],
        **({"by_market": figures} if len(figures) > 1 else {}),
    }
    trained = {**one.card.trained_on, "command": command, "material": MATERIAL}
    if one.shipped is None:
        trained["configuration"] = one.config.model_dump(mode="json", exclude_defaults=True)
    card = replace(one.card, trained_on=trained, scores={**one.card.scores, **scores})
    save_policy(out / one.name, one.policy, card)
    tell(f"written  {out / one.name}")
    return scores


def observed(team: Sequence[PackagedPolicy], command: str) -> CalmObservations:
    """What calm episodes of the first market showed to a team, each policy for its part of the episodes."""
    preset, task = presets.load(team[0].markets[0]), team[0].config.task.task
    source, quantity = reactive(preset, 1), task.lots(preset.volume_per_s)
    parts: list[Floats] = []
    for at, rows in enumerate(np.array_split(np.arange(OBSERVED_EPISODES), len(team))):
        if len(rows):
            plan = seeded_plan(task, quantity, OBSERVED_SEED, int(rows[0]), len(rows))
            decisions: list[Decisions] = []
            run_strategies(source, task, plan, [team[at].strategy], decisions=decisions)
            [seen] = decisions
            parts.append(features_of(seen.x[seen.live], seen.m[seen.live]).astype(np.float64))
    return CalmObservations.of(np.concatenate(parts), OBSERVED_EPISODES, preset.name, command)
