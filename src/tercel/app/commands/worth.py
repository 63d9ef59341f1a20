"""`tercel trade worth`: what a forecast and a posture are worth in bps; and how policies are packaged."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from tercel.app.job.market import build_market
from tercel.app.job.settings import load_settings
from tercel.app.job.training import policy_folder
from tercel.app.output import say
from tercel.core.errors import ConfigError
from tercel.evaluation.episodes import seeded_plan
from tercel.evaluation.experiment import run_recorded
from tercel.execution.observation import OBS_NAMES
from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.policy import load_policy, save_policy
from tercel.execution.policies.strategy import PolicyStrategy
from tercel.execution.policies_packaged import OBSERVATIONS, Observed
from tercel.execution.step import E_QUANTITY

OBSERVED_SEED = 2_026
OBSERVED_EPISODES = 256


def package(run: Path, learner: str, out: Path, command: str) -> Path:
    """Ship the first training seed of a run: its network, its card, and what it observes on calm episodes.

    Parameters
    ----------
    run : Path
        Folder of a finished run in a simulated market.
    learner : str
        "ppo" or "dqn".
    out : Path
        Folder to write; replaced when it is there.
    command : str
        What trained it, for the card.

    Raises
    ------
    ConfigError
        A run on tape, whose data are not ours to give away, or a network that is no plain MLP.
    """
    settings = load_settings(run)
    if settings.on_tape:
        raise ConfigError("a run in a simulated market", f"{run} ran on {settings.symbol}'s tape", "run in a preset")
    market = build_market(settings)
    policy, card = load_policy(policy_folder(run, learner, settings.training_seeds[0]), OBS_NAMES)
    if not isinstance(policy, MlpPolicy):
        raise ConfigError("an MLP", f"{type(policy).__name__}", "package a policy that a run trained")
    result = json.loads((run / "result.json").read_text())
    scores = {"judged": f"{result['episodes']} episodes, seeds {result['seeds']} pooled"}
    trained = {**card.trained_on, "command": command, "material": "synthetic: the flow model of the preset alone"}
    card = replace(card, trained_on=trained, scores={**scores, "is_bps": result["strategies"][learner]["is_bps"]})
    save_policy(out, policy, card)
    quantity = int(market.plan.rows[0, E_QUANTITY])
    plan = seeded_plan(settings.task, quantity, OBSERVED_SEED, 0, OBSERVED_EPISODES)
    seen = run_recorded(market.judged, settings.task, plan, PolicyStrategy(learner, policy, card.actions))
    figures = Observed.of(seen.obs[seen.live].astype(np.float64), OBSERVED_EPISODES, market.name, command)
    (out / OBSERVATIONS).write_text(figures.to_json())
    say(f"written  {out}")
    return out
