"""The learner of a training configuration: its settings, its objective, the learner at its start.

Configuration for Stable-Baselines3:

    [learner]
    algo = "sb3_recurrent_ppo"      # sb3_ppo, sb3_maskable_ppo, sb3_recurrent_ppo, sb3_dqn, sb3_qrdqn
    device = "auto"                 # a GPU if torch finds one
    n_steps = 128                   # and whatever else the algorithm takes, under its own names
    network = { net_arch = [64], lstm_hidden_size = 64 }

Without `network` the layers are those of `policy.hidden`.
"""

from dataclasses import fields
from typing import Any, Final, cast

from tercel.core.errors import ConfigError, nearest_names, refuse_if
from tercel.execution.action_sets import ActionSet
from tercel.execution.strategies.resting_rules import TwapRepeg
from tercel.lab.learning.agent.config import BEST, AgentConfig, LearnerSection, RewardSection
from tercel.lab.learning.agent.policy_parts import actions_of
from tercel.lab.learning.native.dqn import Dqn, DqnSettings
from tercel.lab.learning.native.evolution import Evolution, EvolutionSettings
from tercel.lab.learning.native.ppo import Ppo, PpoSettings
from tercel.lab.learning.port import Learner
from tercel.lab.learning.risk_objective import Measure, Risk
from tercel.lab.learning.sb3.settings import VALUES, Sb3Settings

SB3: Final = "sb3_"
# Keys of the learner section that Tercel reads; all others are the algorithm's parameters.
OWN_KEYS: Final = (
    "device",
    "head",
    "normalise_observations",
    "scale_rewards",
    "threads",
    "network",
)


# Probability of the rule in every state before an `override` policy has learned; greedily it is the rule.
START_RULE_PROBABILITY: Final = 0.6
# How much less than the rule each other action is worth to an `override` learner of values at first, in scaled returns.
START_VALUE_GAP: Final = 0.1
# Native learner -> its settings.
SETTINGS: Final[dict[str, type[PpoSettings] | type[DqnSettings] | type[EvolutionSettings]]] = {
    "ppo": PpoSettings,
    "dqn": DqnSettings,
    "es": EvolutionSettings,
}


def sb3_settings(config: AgentConfig, actions: ActionSet) -> Sb3Settings:
    """Settings of a Stable-Baselines3 learner from a configuration; ConfigError for a risk aversion, or values of
    vector actions.

    Raises
    ------
    ConfigError
        If values of vector actions are requested.
    """
    section = config.learner
    parameters: dict[str, Any] = dict(section.settings)
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
    own_settings = {key: parameters.pop(key) for key in OWN_KEYS if key in parameters}
    own_settings.setdefault("network", {"net_arch": list(config.policy.hidden)})
    own_settings.setdefault("head", "simplex" if actions.name == "allocation" else "vector")
    return Sb3Settings(algorithm, section.frames, parameters, **own_settings)


def learner_settings(
    config: AgentConfig,
) -> PpoSettings | DqnSettings | EvolutionSettings | Sb3Settings:
    """Settings of the configured learner; annealed ones run over the whole training by default. ConfigError for a
    setting that it does not have or refuses.

    Raises
    ------
    ConfigError
        A setting that the learner does not have (the nearest are offered), or a value that it refuses.
    """
    if config.learner.algo.startswith(SB3):
        return sb3_settings(config, actions_of(config))
    section = config.learner
    kind = SETTINGS[config.learner.algo]
    known = sorted(field.name for field in fields(kind))
    settings = {"anneal_frames": section.frames, **section.settings}
    if kind is EvolutionSettings:
        _check_evolution(config)
    else:
        settings.setdefault("hidden", config.policy.hidden)
    if config.reward.risk_aversion:
        settings["risk_aversion"] = config.reward.risk_aversion
    for name in settings:
        if name not in known:
            candidates = [*LearnerSection.model_fields, *known]
            near = " or ".join(
                repr(f"learner.{candidate}")
                for candidate in nearest_names(name, candidates, 3, 0.5)
            )
            raise ConfigError(
                f"settings that {section.algo} has: {', '.join(known)}",
                f"learner.{name}",
                f"try {near}" if near else "take one of these",
            )
    actions = actions_of(config)
    if kind is PpoSettings and actions.continuous:
        settings.setdefault(
            "distribution", "logistic_normal" if actions.name == "allocation" else "gaussian"
        )
    if kind is PpoSettings and actions.name == "override":
        other_probability = (1.0 - START_RULE_PROBABILITY) / (actions.size - 1)
        settings.setdefault(
            "start", (START_RULE_PROBABILITY, *(other_probability,) * (actions.size - 1))
        )
    if kind is DqnSettings and actions.name == "override":
        settings.setdefault("start", (0.0, *(-START_VALUE_GAP,) * (actions.size - 1)))
    try:
        return kind(**settings)
    except TypeError as error:
        raise ConfigError(
            f"settings of {section.algo}", f"{settings} ({error})", "correct the section [learner]"
        ) from None
    except ConfigError as error:
        section_name = _section(config, error.received.partition(" ")[0])
        raise ConfigError(
            error.expected, f"{section_name}.{error.received}", error.remedy
        ) from None


def _section(config: AgentConfig, name: str) -> str:
    """Name of the configuration's section that holds a setting."""
    sections = {"hidden": "policy", "risk_aversion": "reward"}
    return sections.get(name, "learner") if name not in config.learner.settings else "learner"


def refuse_settings(config: AgentConfig, name: str) -> None:
    """Raise ConfigError for invalid learner settings of a configuration; `name` is its file in the message.

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
    """Make the configured learner, untrained, on an environment.

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
    """Refuse settings that an evolution strategy cannot use: it moves a rule by the shortfall of whole episodes."""
    reward = config.reward
    unsupported = {
        f"policy.actions {config.policy.actions!r}": config.policy.actions
        not in ("levers", "residual", "costs"),
        f"a section [reward] with {reward.model_dump(exclude_defaults=True)}": reward
        != RewardSection(unit=config.reward.unit),
        f"learner.shards {config.learner.shards}": config.learner.shards > 0,
        f"task.grow_frames {config.task.grow_frames}": config.task.grow_frames > 0,
    }
    expected = "actions of levers, residual or costs, the plain reward and one process, for learner.algo 'es'"
    for received, is_wrong in unsupported.items():
        refuse_if(is_wrong, expected, received, "leave it out, or train with ppo")


def risk_of(config: AgentConfig) -> Risk:
    """Risk objective of the configured learner; the mean cost for learners without one."""
    settings = learner_settings(config)
    if isinstance(settings, PpoSettings | DqnSettings):
        return Risk(
            settings.risk_aversion, cast(Measure, settings.risk_measure), settings.risk_level
        )
    return Risk()


def with_algo(config: AgentConfig, algo: str) -> AgentConfig:
    """Configuration with another algorithm at its default settings, over actions that it can learn; unchanged for its own."""
    if algo == config.learner.algo:
        return config
    values = {"algo": algo, "frames": config.learner.frames, "markets": config.learner.markets}
    policy = config.policy
    if algo.endswith("dqn") and actions_of(config).continuous:
        policy = policy.model_copy(
            update={"actions": "sized", "base": "score_rule", "parameters": {}, "levers": {}}
        )
    validation = config.validation
    if algo == "sb3_recurrent_ppo" and config.policy.base == BEST:
        # Its memory moves with every decision, so its base has to be a rule on the schedule.
        policy = policy.model_copy(update={"base": TwapRepeg.name})
        validation = validation.model_copy(update={"rule": BEST})
    return config.model_copy(
        update={
            "learner": LearnerSection.model_validate(values),
            "policy": policy,
            "validation": validation,
        }
    )
