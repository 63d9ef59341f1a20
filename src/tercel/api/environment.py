"""Functions that make environments `tercel/Execution-v1` for Gymnasium, Stable-Baselines3 (classes: `lab.learning`).

import gymnasium
import tercel as tc
import tercel.api.envs

env = gymnasium.make("tercel/Execution-v1", market="sh600961", task=tc.Task(share=0.05))
envs = gymnasium.make_vec("tercel/Execution-v1", num_envs=64, market=tc.replay("lake", "AMZN"))
"""

from collections.abc import Mapping
from typing import Any

from gymnasium.vector import AutoresetMode

from tercel.api.learn import trainable_scenario
from tercel.api.market import Market, load_market
from tercel.core.errors import refuse_if
from tercel.execution.columns import OBSERVATION
from tercel.execution.observation import ObservationFunction, is_user_name, name_of
from tercel.execution.task import Task
from tercel.execution.user_strategy import import_object
from tercel.lab.evaluation.market_estimates import WORLDS
from tercel.lab.learning.agent.market import first_training_market
from tercel.lab.learning.agent.recipes import recipe_config
from tercel.lab.learning.envs import ExecutionVec, TrainingTerms
from tercel.lab.learning.gym_env import ExecutionEnv
from tercel.lab.learning.gym_frame import METADATA
from tercel.lab.learning.reward_terms import RewardWeights
from tercel.lab.learning.rewards import Reward
from tercel.market.flow import registry as presets

MarketLike = Market | str
RewardLike = Reward | RewardWeights | str | None


def execution(
    market: MarketLike = presets.DEFAULT,
    task: Task | None = None,
    *,
    actions: str = "placement",
    action_parameters: Mapping[str, Any] | None = None,
    observation: ObservationFunction | str = OBSERVATION,
    reward: RewardLike = None,
    worlds: int = WORLDS,
    render_mode: str | None = None,
) -> ExecutionEnv:
    """Environment of ``gymnasium.make("tercel/Execution-v1", ...)``: one order at a time.

    :class:`tercel.lab.learning.gym_env.ExecutionEnv` documents observations, actions, seeds and termination. The
    episodes are the training episodes of :func:`tercel.train`: none of them is used in evaluation, and on tape they are
    windows of the days before the evaluated ones.

    Parameters
    ----------
    market : Market or str
        A market of :func:`tercel.load_market`, :func:`tercel.replay` or :func:`tercel.calibrate`, or a preset's name.
    task : Task
    actions : str
        A set of actions by name, with `action_parameters`.
    observation : str or callable
        "v3" (as the packaged policies), "v2" (without the slow flow), or your own function of a :class:`tercel.View`
        that returns numbers of shape (n, k); also as ``module:name``.
    reward : callable, str or RewardWeights, optional
        Your own function of a :class:`tercel.Step`, also as ``module:name``, or weights of the costs; by default
        minus the shortfall, ticks per lot.
    worlds : int
        Warmed books that the episodes of a simulated market start from.
    render_mode : str, optional
        "rgb_array": `render()` draws the book with the own orders in their queues, the time left and the lots left, as
        uint8 (320, 480, 3).

    Raises
    ------
    ConfigError, UnknownNameError
        A setting that training does not support either (fees, a feed latency), or an unknown name.

    >>> env = execution("csco-santa-fe", Task(horizon="2min", decisions=4), worlds=1)
    >>> env.reset(seed=1)[0].shape
    (50,)
    """
    arguments = _arguments(market, task, actions, action_parameters, observation, reward, worlds)
    return ExecutionEnv(
        ExecutionVec(n=1, terms=TrainingTerms(copy=False), render_mode=render_mode, **arguments)
    )


# Where Gymnasium looks which ways to render there are before it makes one: "human" and lists of frames are its own.
execution.metadata = METADATA  # type: ignore[attr-defined]


def execution_vector(
    num_envs: int = 64,
    market: MarketLike = presets.DEFAULT,
    task: Task | None = None,
    *,
    actions: str = "placement",
    action_parameters: Mapping[str, Any] | None = None,
    observation: ObservationFunction | str = OBSERVATION,
    reward: RewardLike = None,
    worlds: int = WORLDS,
    threads: int = 1,
    autoreset_mode: AutoresetMode = AutoresetMode.SAME_STEP,
    render_mode: str | None = None,
) -> ExecutionVec:
    """Environment of ``gymnasium.make_vec("tercel/Execution-v1", num_envs=n, ...)``: n orders in one compiled loop.

    Parameters
    ----------
    num_envs : int
    threads : int
        That the markets are spread over; the results are the same bytes.
    autoreset_mode : AutoresetMode
        SAME_STEP; DISABLED for Gymnasium's vector wrappers of observations: episodes restart by
        ``reset(options={"reset_mask": ended})``.
    market, task, actions, action_parameters, observation, reward, worlds, render_mode
        As in :func:`execution`; `render()` gives a tuple of pictures.
    """
    return ExecutionVec(
        n=num_envs,
        **_arguments(market, task, actions, action_parameters, observation, reward, worlds),
        threads=threads,
        terms=TrainingTerms(autoreset_mode=autoreset_mode),
        render_mode=render_mode,
    )


def sb3_env(
    market: MarketLike = presets.DEFAULT,
    task: Task | None = None,
    n: int = 64,
    *,
    seed: int = 1,
    actions: str = "placement",
    action_parameters: Mapping[str, Any] | None = None,
    observation: ObservationFunction | str = OBSERVATION,
    reward: RewardLike = None,
    worlds: int = WORLDS,
) -> Any:
    """The vector environment of `execution_vector` as a `VecEnv` of Stable-Baselines3.

    A model that was trained in it is a candidate of :func:`tercel.evaluate` as it is. A `VecMonitor` counts rewards, so
    that Stable-Baselines3 logs `ep_rew_mean`; an episode's info has its shortfall too (`is_bps`). With the actions
    `allocation` the network's outputs are logits: the action is their softmax.

    Parameters
    ----------
    n : int
        Orders side by side.
    seed : int
        Of every reset.
    market, task, actions, action_parameters, observation, reward, worlds
        As in :func:`execution`.

    Raises
    ------
    ConfigError
        Stable-Baselines3 is not installed (the extra ``learn``), or as :func:`execution`.

    >>> env = sb3_env("csco-santa-fe", Task(horizon="2min", decisions=4), n=3, worlds=1)
    >>> env.num_envs, env.reset().shape
    (3, (3, 50))
    """
    from tercel.lab.learning.sb3 import to_sb3, with_monitor

    arguments = _arguments(market, task, actions, action_parameters, observation, reward, worlds)
    env = ExecutionVec(n=n, terms=TrainingTerms(copy=False), **arguments)
    return with_monitor(to_sb3(env, seed, shares=actions == "allocation"))


def _arguments(
    market: MarketLike,
    task: Task | None,
    actions: str,
    action_parameters: Mapping[str, Any] | None,
    observation: ObservationFunction | str,
    reward: RewardLike,
    worlds: int,
) -> dict[str, Any]:
    """Keyword arguments of an environment from the parameters of the public constructors."""
    resolved_market = load_market(market) if isinstance(market, str) else market
    refuse_if(
        not isinstance(resolved_market, Market),
        "a tercel.Market, or a market's name",
        f"{type(market).__name__} {market!r}",
        "such as 'sh600961'",
    )
    if isinstance(observation, str) and is_user_name(observation):
        observation = import_object(observation, "observation")
    observation_name = observation if isinstance(observation, str) else name_of(observation)
    worlds_of = {"market.worlds": worlds} if resolved_market.preset else {}
    config = recipe_config(
        trainable_scenario(resolved_market, task or Task()),
        "ppo",
        1,
        "environment",
        worlds_of | {"policy.observation": observation_name},
    )
    source, order, sampler = first_training_market(config)
    weights = import_object(reward, "reward") if isinstance(reward, str) else reward
    return {
        "source": source,
        "task": order,
        "sampler": sampler,
        "actions": actions,
        "action_parameters": action_parameters,
        "observation": observation,
        "weights": weights,
    }
