"""Body of `tercel agent package`: a run's policy as it is shipped, with what it observed on calm episodes."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from tercel.app.commands.agent_train import resumed
from tercel.app.job.agent_validation import shortfall
from tercel.app.output import say
from tercel.core.errors import ConfigError
from tercel.evaluation.episodes import seeded_plan
from tercel.evaluation.experiment import run_recorded, run_strategies
from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.policy import load_policy, save_policy
from tercel.execution.policies.strategy import policy_strategy
from tercel.execution.policies_packaged import OBSERVATIONS, Observed
from tercel.execution.strategies import build
from tercel.market.flow import preset as presets
from tercel.market.simulator.source import reactive
from tercel.stats import mean_interval

OBSERVED_SEED, OBSERVED_EPISODES = 2_026, 256
JUDGED_SEED = 7_000_000
RIVALS = ("twap_take",)


def package(run: Path, out: Path, episodes: int) -> int:
    """Judge a run's policy on fresh episodes, write it with its figures to `out`; the exit code.

    Raises
    ------
    ConfigError
        A run on tape, whose data are not ours to give away, or a network that is no plain MLP.
    """
    config, _, seed = resumed(run)
    if config.on_tape:
        raise ConfigError("a run in a simulated market", f"{run} ran on {config.market.symbol}'s tape", "use a preset")
    policy, card = load_policy(run / "policy")
    if not isinstance(policy, MlpPolicy):
        raise ConfigError("an MLP", f"{type(policy).__name__}", "package a policy of the native learners")
    strategy, task = policy_strategy(run / "policy"), config.task.task
    preset = presets.load(config.market.presets[0])
    source, quantity = reactive(preset, 1), task.quantity(preset.volume_per_s)
    plan = seeded_plan(task, quantity, JUDGED_SEED, 0, episodes)
    mine, *theirs = run_strategies(source, task, plan, [strategy, *(build(name) for name in RIVALS)])
    cost = mean_interval(shortfall(mine), mine.cluster, np.random.default_rng(0))
    scores = {
        "judged": f"{episodes} fresh episodes of {preset.name}, seed {JUDGED_SEED}",
        "is_bps": {"mean": cost.mean, "ci_low": cost.ci_low, "ci_high": cost.ci_high},
        **{name: float(shortfall(costs).mean()) for name, costs in zip(RIVALS, theirs, strict=True)},
    }
    command = f"tercel agent train --preset {config.name} --seed {seed}"
    trained = {**card.trained_on, "command": command, "material": "synthetic: the flow model of the preset alone"}
    save_policy(out, policy, replace(card, trained_on=trained, scores={**card.scores, **scores}))
    seen = run_recorded(source, task, seeded_plan(task, quantity, OBSERVED_SEED, 0, OBSERVED_EPISODES), strategy)
    figures = Observed.of(seen.obs[seen.live].astype(np.float64), OBSERVED_EPISODES, preset.name, command)
    (out / OBSERVATIONS).write_text(figures.to_json())
    say(f"{strategy.name}: {cost.mean:.2f} bps [{cost.ci_low}, {cost.ci_high}], {scores}")
    say(f"written  {out}")
    return 0
