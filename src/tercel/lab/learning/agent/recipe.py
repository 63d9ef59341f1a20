"""A shipped recipe with a market, an order and a length in it: what `tercel run` and Python train."""

from collections.abc import Mapping, Set
from dataclasses import fields, replace
from typing import Any, Final

from tercel.core.errors import ConfigError
from tercel.core.names import check_known, nearest
from tercel.core.toml import changed, read_toml
from tercel.core.validated import keys_of
from tercel.execution.task import Latency
from tercel.lab.evaluation.settings import MarketTask
from tercel.lab.learning.agent.config import AgentConfig, parse, preset_file
from tercel.lab.learning.agent.learner import SB3, with_algo
from tercel.lab.learning.native.ppo import PpoSettings
from tercel.lab.learning.sb3.settings import ALGORITHMS as SB3_ALGORITHMS
from tercel.market.flow import preset as presets
from tercel.market.simulator.terms import NO_FEES

RECIPES: Final = {"ppo": "one_market", "dqn": "dqn", "es": "default"}
"""Learner -> the shipped configuration that its training begins from; the others begin from `ppo`."""
ALGORITHMS: Final = ("ppo", "dqn", "es", *(f"{SB3}{name}" for name in SB3_ALGORITHMS))
SHORT: Final = 500_000
"""Trainings of fewer decisions have smaller batches, and end exploring in time."""
UPDATES: Final = 60
"""Batches that a short training has at least. A clipped step moves a probability by a fifth at most, and the rule that
a policy starts as is twenty times as probable as each other action: a dozen batches never change what it does."""
BATCHED: Final = ("markets", "steps", "minibatch")
LEAST_MARKETS: Final = 8
LOOKED_ON: Final = (64, 250, 2_000)
"""Validation episodes: at least, one for so many frames, at most."""


def learnable(settings: MarketTask) -> tuple[MarketTask, list[str]]:
    """The same market and order as training knows them, and what it does not know, in words.

    Training has no fees, no latency of the feed, no limit price, one latency of orders (the middle of a law) and
    decisions by time.

    >>> from tercel.execution.task import Task
    >>> from tercel.lab.evaluation.settings import Market
    >>> learnable(MarketTask(Market("csco"), Task(limit_price="25bps")))[1]
    ['a limit price']
    """
    task = settings.task
    plain = replace(
        task, latency=Latency("constant", round(task.latency.mean_ns)), feed_latency=Latency()
    )
    plain = replace(plain, limit_price=None, clock="time", clock_step=0)
    unknown = {
        "fees": not settings.market.fees.free,
        "a latency of the feed": task.feed_latency != Latency(),
        "a latency that varies": task.latency.kind != "constant",
        "a limit price": task.limit_price is not None,
        f"decisions by {task.clock}": task.clock != "time",
    }
    return replace(settings.in_market(fees=NO_FEES), task=plain), [
        words for words, there in unknown.items() if there
    ]


def configured(
    settings: MarketTask,
    algorithm: str,
    frames: int,
    name: str,
    values: Mapping[str, Any],
    share: float | None = None,
    recipe: str = "",
) -> AgentConfig:
    """Configuration of a training of a recipe.

    Parameters
    ----------
    settings : MarketTask
        Market and order, as :func:`learnable` gives them.
    algorithm : str
        ppo, dqn, es or one of Stable-Baselines3.
    frames : int
        Decisions that it sees.
    name : str
    values : mapping
        Dotted keys of the configuration file.
    share : float, optional
        The order as a share of the volume, where the task has lots and the market is a tape.
    recipe : str
        The shipped configuration to begin from; by default that of the algorithm.

    Raises
    ------
    ConfigError, UnknownNameError
        A setting that the learner does not have, another algorithm, no frames; lots on tape without a share.
    """
    check_known(algorithm, ALGORITHMS, "an algorithm:")
    if frames < 1:
        raise ConfigError("a training of 1 decision or more", f"{frames} frames", "such as 500_000")
    task, market = settings.task, settings.market
    raw = read_toml(preset_file(recipe or RECIPES.get(algorithm, "ppo")), "install Tercel again")
    raw["market"] = {"impact": market.impact} | (
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
        "share": share if share is not None else _share(settings),
        "horizon_s": task.horizon_s,
        "decision_s": task.horizon_s / task.decisions,
        "latency_ms": task.latency.a_ns / 1e6,
        "side": task.side,
        "start": task.start,
        "warmup_s": task.warmup_s,
    }
    told = {key.removeprefix("learner.") for key in values}
    raw["learner"] = {**_fitted(raw.get("learner", {}), frames, told), "frames": frames}
    least, each, most = LOOKED_ON
    validation = {"episodes": min(max(frames // each, least), most), "every": 0}
    raw["validation"] = {**raw.get("validation", {}), **validation}
    for key in values:
        if key not in AgentConfig.model_fields and "." not in key:
            raise _no_section(key)
    config = parse(changed(raw, values), "the settings")
    return config if algorithm in RECIPES else with_algo(config, algorithm)


def _fitted(learner: Mapping[str, Any], frames: int, told: Set[str]) -> dict[str, Any]:
    """A recipe's learner for so many decisions; `told` are the settings that somebody chose.

    >>> _fitted({"markets": 128, "minibatch": 1024}, 100_000, set())
    {'markets': 16, 'minibatch': 256}
    >>> _fitted({"algo": "dqn", "frames": 800_000, "epsilon_frames": 320_000}, 100_000, set())["epsilon_frames"]
    40000
    """
    fitted = dict(learner)
    if frames >= SHORT:
        return fitted
    if "epsilon_frames" in learner:
        fitted["epsilon_frames"] = round(learner["epsilon_frames"] * frames / learner["frames"])
    if "minibatch" in learner and not told & {"learner", *BATCHED}:
        steps, markets = learner.get("steps", PpoSettings.steps), learner["markets"]
        while markets > LEAST_MARKETS and markets * steps * UPDATES > frames:
            markets //= 2
        fitted |= {"markets": markets, "minibatch": min(learner["minibatch"], markets * steps // 4)}
    return fitted


def _no_section(key: str) -> ConfigError:
    """The refusal of a key without its section, with the dotted keys that may be meant."""
    known = [*(("learner", one.name) for one in fields(PpoSettings)), *keys_of(AgentConfig)]
    dotted = {name: f"{section}.{name}" for section, name in known if section}
    near = [key] if key in dotted else nearest(key, dotted)
    remedy = f"try {dotted[near[0]]!r}" if near else "such as 'learner.learning_rate'"
    return ConfigError("dotted keys of a training's configuration", f"the settings: {key}", remedy)


def _share(settings: MarketTask) -> float:
    """The order as a share of the volume."""
    task = settings.task
    if task.share is not None:
        return task.share
    if settings.market.on_tape:
        remedy = "give the share of the volume that it is"
        raise ConfigError("a task by share to train on tape", f"quantity {task.quantity}", remedy)
    return task.quantity / (presets.load(settings.market.preset).volume_per_s * task.horizon_s)
