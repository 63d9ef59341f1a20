"""The learner that a configuration asks for: its settings, its objective, the learner at its start.

Configuration for Stable-Baselines3:

    [learner]
    algo = "sb3_recurrent_ppo"      # sb3_ppo, sb3_maskable_ppo, sb3_recurrent_ppo, sb3_dqn, sb3_qrdqn
    device = "auto"                 # a GPU if torch finds one
    n_steps = 128                   # and whatever else the algorithm takes, under its own names
    network = { net_arch = [64], lstm_hidden_size = 64 }

Without `network` the layers are those of `policy.hidden`.
"""

from collections.abc import Mapping, Set
from dataclasses import fields, replace
from typing import Any, Final, cast

from tercel.core.errors import ConfigError, check_known, nearest, refuse_if
from tercel.core.toml import changed, keys_of, read_toml
from tercel.execution.action_sets import ActionSet
from tercel.execution.task import Latency
from tercel.lab.evaluation.scenario import Scenario
from tercel.lab.learning.agent.config import (
    AgentConfig,
    LearnerSection,
    RewardSection,
    parse,
    preset_file,
)
from tercel.lab.learning.agent.env import actions_of
from tercel.lab.learning.native.dqn import Dqn, DqnSettings
from tercel.lab.learning.native.evolution import Evolution, EvolutionSettings
from tercel.lab.learning.native.ppo import Ppo, PpoSettings
from tercel.lab.learning.port import Learner
from tercel.lab.learning.rewards import Measure, Risk
from tercel.lab.learning.sb3.bridge import ALGORITHMS as SB3_ALGORITHMS, VALUES, Sb3Settings
from tercel.market.flow import preset as presets
from tercel.market.simulator.terms import NO_FEES

# -- learner --------------------------------------------------------------------------------------

SB3: Final = "sb3_"
# Keys that are ours; all others are the algorithm's parameters.
OWN: Final = ("device", "head", "normalise_observations", "scale_rewards", "threads", "network")


def sb3_settings(config: AgentConfig, actions: ActionSet) -> Sb3Settings:
    """Settings of Stable-Baselines3's learner.

    Raises
    ------
    ConfigError
        If values of vector actions are requested.
    """
    section = config.learner
    given: dict[str, Any] = dict(section.settings)
    refuse_if(
        config.reward.risk_aversion,
        "reward.risk_aversion with the native ppo",
        section.algo,
        "set it to 0, or use `algo=ppo`",
    )
    algorithm = section.algo.removeprefix(SB3)
    refuse_if(
        algorithm in VALUES and actions.continuous,
        f"discrete actions for {section.algo}",
        config.policy.actions,
        "use actions such as sized",
    )
    own = {key: given.pop(key) for key in OWN if key in given}
    own.setdefault("network", {"net_arch": list(config.policy.hidden)})
    own.setdefault("head", "simplex" if actions.name == "allocation" else "vector")
    return Sb3Settings(algorithm, section.frames, given, **own)


# Probability of the rule in every state before an `override` policy has learned; greedily it is the rule.
RULE_FIRST: Final = 0.6


# Native learner -> its settings.
SETTINGS: Final[dict[str, type[PpoSettings] | type[DqnSettings] | type[EvolutionSettings]]] = {
    "ppo": PpoSettings,
    "dqn": DqnSettings,
    "es": EvolutionSettings,
}


def learner_settings(
    config: AgentConfig,
) -> PpoSettings | DqnSettings | EvolutionSettings | Sb3Settings:
    """Settings of the learner; those that anneal do so over the whole training unless set otherwise.

    Raises
    ------
    ConfigError
        A setting that the learner does not have (the nearest are offered), or a value that it refuses.
    """
    if config.learner.algo.startswith(SB3):
        return sb3_settings(config, actions_of(config))
    section, kind = config.learner, SETTINGS[config.learner.algo]
    known = sorted(field.name for field in fields(kind))
    given = {"anneal_frames": section.frames, **section.settings}
    if kind is EvolutionSettings:
        _check_evolution(config)
    else:
        given.setdefault("hidden", config.policy.hidden)
    if config.reward.risk_aversion:
        given["risk_aversion"] = config.reward.risk_aversion
    for name in given:
        if name not in known:
            among = [*LearnerSection.model_fields, *known]
            near = " or ".join(repr(f"learner.{one}") for one in nearest(name, among, 3, 0.5))
            raise ConfigError(
                f"settings that {section.algo} has: {', '.join(known)}",
                f"learner.{name}",
                f"try {near}" if near else "take one of these",
            )
    actions = actions_of(config)
    if kind is PpoSettings and actions.continuous:
        given.setdefault(
            "distribution", "logistic_normal" if actions.name == "allocation" else "gaussian"
        )
    if kind is PpoSettings and actions.name == "override":
        others = (1.0 - RULE_FIRST) / (actions.size - 1)
        given.setdefault("start", (RULE_FIRST, *(others,) * (actions.size - 1)))
    try:
        return kind(**given)
    except TypeError as error:
        raise ConfigError(
            f"settings of {section.algo}", f"{given} ({error})", "correct the section [learner]"
        ) from None
    except ConfigError as error:
        where = _section(config, error.received.partition(" ")[0])
        raise ConfigError(error.expected, f"{where}.{error.received}", error.remedy) from None


def _section(config: AgentConfig, name: str) -> str:
    """The section of a setting: layers and aversion to risk have sections of their own."""
    elsewhere = {"hidden": "policy", "risk_aversion": "reward"}
    return elsewhere.get(name, "learner") if name not in config.learner.settings else "learner"


def refuse_settings(config: AgentConfig, name: str) -> None:
    """Refuse a configuration whose learner's settings will not do; `name` is how errors call it, the file.

    Raises
    ------
    ConfigError
        With the file and the key.
    """
    try:
        learner_settings(config)
    except ConfigError as error:
        raise type(error)(error.expected, f"{name}: {error.received}", error.remedy) from None


def make_learner(config: AgentConfig, env: Any, seed: int) -> Learner:
    """Learner of a configuration at its start.

    Raises
    ------
    ConfigError
        Settings that it does not take, or actions that it cannot learn.
    """
    settings = learner_settings(config)
    if isinstance(settings, Sb3Settings):
        from tercel.lab.learning.sb3 import Sb3Learner

        return Sb3Learner(env, settings, seed)
    if isinstance(settings, EvolutionSettings):
        return Evolution(env, settings, seed)
    if isinstance(settings, PpoSettings):
        return Ppo(env, settings, seed)
    refuse_if(
        actions_of(config).continuous,
        "discrete actions for dqn",
        config.policy.actions,
        "use `algo=ppo`, or actions such as sized",
    )
    return Dqn(env, settings, seed)


def _check_evolution(config: AgentConfig) -> None:
    """Refuse what an evolution strategy cannot do: it moves a rule, by the shortfall of whole episodes."""
    reward, wants = config.reward, RewardSection(unit=config.reward.unit)
    others = {
        f"policy.actions {config.policy.actions!r}": config.policy.actions
        not in ("levers", "residual", "costs"),
        f"a section [reward] with {reward.model_dump(exclude_defaults=True)}": reward != wants,
        f"learner.shards {config.learner.shards}": config.learner.shards > 0,
        f"task.grow_frames {config.task.grow_frames}": config.task.grow_frames > 0,
    }
    expected = "actions of levers, residual or costs, the plain reward and one process, for learner.algo 'es'"
    for received, wrong in others.items():
        refuse_if(wrong, expected, received, "leave it out, or train with ppo")


def risk_of(config: AgentConfig) -> Risk:
    """Objective of the learner; the mean cost where it knows no other."""
    settings = learner_settings(config)
    if isinstance(settings, PpoSettings | DqnSettings):
        return Risk(
            settings.risk_aversion, cast(Measure, settings.risk_measure), settings.risk_level
        )
    return Risk()


def with_algo(config: AgentConfig, algo: str) -> AgentConfig:
    """The same with another learner, whose own settings are its defaults, over actions that it can learn."""
    if algo == config.learner.algo:
        return config
    plain = {"algo": algo, "frames": config.learner.frames, "markets": config.learner.markets}
    learner = LearnerSection.model_validate(plain)
    policy = config.policy
    if algo.endswith("dqn") and actions_of(config).continuous:
        policy = policy.model_copy(
            update={"actions": "sized", "base": "score_rule", "parameters": {}, "levers": {}}
        )
    return config.model_copy(update={"learner": learner, "policy": policy})


# -- recipe ---------------------------------------------------------------------------------------
# A shipped recipe with a market, an order and a length in it: what `tercel run` and Python train.

# Learner -> the shipped configuration that its training begins from; the others begin from `ppo`.
RECIPES: Final = {"ppo": "one_market", "dqn": "dqn", "es": "default"}
ALGORITHMS: Final = ("ppo", "dqn", "es", *(f"{SB3}{name}" for name in SB3_ALGORITHMS))
# Trainings of fewer decisions have smaller batches, and end exploring in time.
SHORT: Final = 500_000
# Batches that a short training has at least. A clipped step moves a probability by a fifth at most, and the rule that a
# policy starts as is twenty times as probable as each other action: a dozen batches never change what it does.
UPDATES: Final = 60
BATCHED: Final = ("markets", "steps", "minibatch")
LEAST_MARKETS: Final = 8
# Validation episodes: at least, one for so many frames, at most.
LOOKED_ON: Final = (64, 250, 2_000)


def learnable(settings: Scenario) -> tuple[Scenario, list[str]]:
    """The same market and order as training knows them, and what it does not know, in words.

    Training has no fees, no latency of the feed, no limit price, one latency of orders (the middle of a law) and
    decisions by time.

    >>> from tercel.execution.task import Task
    >>> from tercel.lab.evaluation.scenario import Market, Scenario
    >>> learnable(Scenario(Market("csco"), Task(limit_price="25bps")))[1]
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
    settings: Scenario,
    algorithm: str,
    frames: int,
    name: str,
    values: Mapping[str, Any],
    share: float | None = None,
) -> AgentConfig:
    """Configuration of a training of a recipe.

    Parameters
    ----------
    settings : Scenario
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

    Raises
    ------
    ConfigError, UnknownNameError
        A setting that the learner does not have, another algorithm, no frames; lots on tape without a share.
    """
    check_known(algorithm, ALGORITHMS, "an algorithm:")
    refuse_if(frames < 1, "a training of 1 decision or more", f"{frames} frames", "such as 500_000")
    task, market = settings.task, settings.market
    raw = read_toml(preset_file(RECIPES.get(algorithm, "ppo")), "install Tercel again")
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
    chosen = {key.removeprefix("learner.") for key in values}
    raw["learner"] = {**_fitted(raw.get("learner", {}), frames, chosen), "frames": frames}
    least, each, most = LOOKED_ON
    validation = {"episodes": min(max(frames // each, least), most), "every": 0}
    raw["validation"] = {**raw.get("validation", {}), **validation}
    for key in values:
        if key not in AgentConfig.model_fields and "." not in key:
            raise _no_section(key)
    config = parse(changed(raw, values), "the settings")
    return config if algorithm in RECIPES else with_algo(config, algorithm)


def _fitted(learner: Mapping[str, Any], frames: int, chosen: Set[str]) -> dict[str, Any]:
    """A recipe's learner for so many decisions; `chosen` are the settings that the user gave.

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
    if "minibatch" in learner and not chosen & {"learner", *BATCHED}:
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


def _share(settings: Scenario) -> float:
    """The order as a share of the volume."""
    task = settings.task
    if task.share is not None:
        return task.share
    refuse_if(
        settings.market.on_tape,
        "a task by share to train on tape",
        f"quantity {task.quantity}",
        "give the share of the volume that it is",
    )
    return task.quantity / (presets.load(settings.market.preset).volume_per_s * task.horizon_s)
