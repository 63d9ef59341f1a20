"""Recipes: complete training configurations for a scenario, by algorithm and number of frames."""

from collections.abc import Mapping, Set
from dataclasses import fields, replace
from typing import Any, Final

from tercel.core.errors import ConfigError, check_known, nearest_names, refuse_if
from tercel.core.toml import override_tables, read_toml
from tercel.core.validation import model_keys
from tercel.execution.task import Latency
from tercel.lab.evaluation.scenario import Scenario
from tercel.lab.learning.agent.config import BEST, AgentConfig, parse, preset_file
from tercel.lab.learning.agent.learner import SB3, with_algo
from tercel.lab.learning.native.ppo import PpoSettings
from tercel.lab.learning.sb3.settings import ALGORITHMS as SB3_ALGORITHMS
from tercel.market.flow import registry as presets
from tercel.market.simulator.terms import NO_FEES

# Shipped configuration from which a recipe starts, by algorithm; other algorithms start from `ppo`.
RECIPES: Final = {"ppo": "one_market", "dqn": "dqn", "es": "default"}
ALGORITHMS: Final = ("ppo", "dqn", "es", *(f"{SB3}{name}" for name in SB3_ALGORITHMS))
# Trainings of fewer decisions have smaller batches, and end exploring in time.
SHORT_FRAMES: Final = 500_000
# Batches that a short training has at least. A clipped step moves a probability by a fifth at most, and the rule that a
# policy starts as is twenty times as probable as each other action: a dozen batches never change what it does.
MIN_UPDATES: Final = 60
BATCH_KEYS: Final = ("markets", "steps", "minibatch")
MIN_MARKETS: Final = 8
# Validation episodes: minimum, frames per episode, maximum.
VALIDATION_EPISODES: Final = (64, 500, 1_000)


def make_learnable(scenario: Scenario) -> tuple[Scenario, list[str]]:
    """Scenario without the terms that training does not model, and the names of those terms.

    Training has no fees, no latency of the feed, no limit price, one latency of orders (the middle of a law) and
    decisions by time.

    >>> from tercel.execution.task import Task
    >>> from tercel.lab.evaluation.scenario import Market, Scenario
    >>> make_learnable(Scenario(Market("sh600961"), Task(limit_price="25bps")))[1]
    ['a limit price']
    """
    task = scenario.task
    plain_task = replace(
        task, latency=Latency("constant", round(task.latency.mean_ns)), feed_latency=Latency()
    )
    plain_task = replace(plain_task, limit_price=None, clock="time", clock_step=0)
    features = {
        "fees": not scenario.market.fees.free,
        "a latency of the feed": task.feed_latency != Latency(),
        "a latency that varies": task.latency.kind != "constant",
        "a limit price": task.limit_price is not None,
        f"decisions by {task.clock}": task.clock != "time",
    }
    return replace(scenario.in_market(fees=NO_FEES), task=plain_task), [
        feature for feature, is_used in features.items() if is_used
    ]


def recipe_config(
    scenario: Scenario,
    algorithm: str,
    frames: int,
    name: str,
    values: Mapping[str, Any],
    share: float | None = None,
) -> AgentConfig:
    """Training configuration for a scenario: an algorithm's recipe over `frames` decisions, with changed values.

    Parameters
    ----------
    scenario : Scenario
        Market and order, as :func:`make_learnable` returns them.
    algorithm : str
        ppo, dqn, es or one of Stable-Baselines3.
    frames : int
        Decisions that it sees.
    name : str
    values : mapping
        Dotted keys of the configuration file.
    share : float, optional
        The order as a share of the volume, where the task has lots and the market is a tape.

    Raises
    ------
    ConfigError, UnknownNameError
        A setting that the learner does not have, another algorithm, no frames; lots on tape without a share.
    """
    check_known(algorithm, ALGORITHMS, "an algorithm:")
    refuse_if(frames < 1, "a training of 1 decision or more", f"{frames} frames", "such as 500_000")
    task = scenario.task
    market = scenario.market
    raw = read_toml(preset_file(RECIPES.get(algorithm, "ppo")), "install Tercel again")
    raw["market"] = {"impact": market.impact, **market.impact_terms} | (
        {
            "lake": market.lake,
            "symbol": market.symbol,
            "judge_days": list(market.days),
            "queue": market.queue,
        }
        if market.on_tape
        else {"presets": [market.preset], "regimes": market.regimes}
    )
    raw["name"] = name
    raw["task"] = {
        "share": share if share is not None else _share_of_volume(scenario),
        "horizon_s": task.horizon_s,
        "decision_s": task.horizon_s / task.decisions,
        "latency_ms": task.latency.a_ns / 1e6,
        "side": task.side,
        "start": task.start,
        "warmup_s": task.warmup_s,
    }
    chosen_keys = {key.removeprefix("learner.") for key in values}
    raw["learner"] = {
        **_fit_to_length(raw.get("learner", {}), frames, chosen_keys),
        "frames": frames,
    }
    least, frames_per_episode, most = VALIDATION_EPISODES
    validation = {"episodes": min(max(frames // frames_per_episode, least), most), "every": 0}
    raw["validation"] = {**raw.get("validation", {}), **validation}
    # A recipe that overrides a rule starts from the best one; other actions are held against it.
    for key in ("base", "parameters"):
        raw["policy"].pop(key, None)
    if values.get("policy.actions", raw["policy"]["actions"]) != "override":
        raw["validation"].setdefault("rule", BEST)
    for key in values:
        if key not in AgentConfig.model_fields and "." not in key:
            raise _no_section(key)
    config = parse(override_tables(raw, values), "the settings")
    return config if algorithm in RECIPES else with_algo(config, algorithm)


def _fit_to_length(
    learner: Mapping[str, Any], frames: int, chosen_keys: Set[str]
) -> dict[str, Any]:
    """Learner section of a recipe, fitted to `frames` decisions; settings in `chosen_keys` are kept.

    >>> _fit_to_length({"markets": 128, "minibatch": 1024}, 100_000, set())
    {'markets': 16, 'minibatch': 256}
    >>> _fit_to_length({"algo": "dqn", "frames": 800_000, "epsilon_frames": 320_000}, 100_000, set())["epsilon_frames"]
    40000
    """
    fitted = dict(learner)
    if frames >= SHORT_FRAMES:
        return fitted
    if "epsilon_frames" in learner:
        fitted["epsilon_frames"] = round(learner["epsilon_frames"] * frames / learner["frames"])
    if "minibatch" in learner and not chosen_keys & {"learner", *BATCH_KEYS}:
        steps = learner.get("steps", PpoSettings.steps)
        markets = learner["markets"]
        while markets > MIN_MARKETS and markets * steps * MIN_UPDATES > frames:
            markets //= 2
        fitted |= {"markets": markets, "minibatch": min(learner["minibatch"], markets * steps // 4)}
    return fitted


def _no_section(key: str) -> ConfigError:
    """Error for a key without its section, with the dotted keys that may be meant."""
    keys = [
        *(("learner", setting.name) for setting in fields(PpoSettings)),
        *model_keys(AgentConfig),
    ]
    dotted = {name: f"{section}.{name}" for section, name in keys if section}
    near = [key] if key in dotted else nearest_names(key, dotted)
    remedy = f"try {dotted[near[0]]!r}" if near else "such as 'learner.learning_rate'"
    return ConfigError("dotted keys of a training's configuration", f"the settings: {key}", remedy)


def _share_of_volume(scenario: Scenario) -> float:
    """Size of a scenario's order as a share of the expected volume."""
    task = scenario.task
    if task.share is not None:
        return task.share
    refuse_if(
        scenario.market.on_tape,
        "a task by share to train on tape",
        f"quantity {task.quantity}",
        "give the share of the volume that it is",
    )
    return task.quantity / (presets.load(scenario.market.preset).volume_per_s * task.horizon_s)
