"""Demonstrations of a written strategy in a policy's own actions: pairs for behaviour cloning."""

import numpy as np

from tercel.core.arrays import AnyArray, Float32, Ints
from tercel.core.errors import ConfigError
from tercel.execution.action_sets import ActionSet
from tercel.execution.actions.allocation import SIZE as PLACES
from tercel.execution.strategy import Shares, Strategy, shares
from tercel.execution.view import View
from tercel.lab.learning.mixed import MixedVec


def nearest_actions(actions: ActionSet, view: View, wanted: Shares) -> Ints:
    """int64 (n,): in each market the action whose intent is nearest to `wanted`, float64 (n, 6), in lots moved."""
    away = np.empty((actions.size, view.n))
    for action in range(actions.size):
        intents = actions.decode(np.full(view.n, action, np.int64), view)
        away[action] = np.abs(shares(intents, view) - wanted).sum(axis=1)
    return np.asarray(away.argmin(axis=0))


def as_actions(actions: ActionSet, view: View, strategy: Strategy) -> Ints | Float32:
    """Actions of a set that come nearest to what `strategy` does in a view.

    Raises
    ------
    ConfigError
        For actions that start from a written strategy anyway.
    """
    wanted = shares(strategy.decide(view), view)
    if not actions.continuous:
        return nearest_actions(actions, view, wanted)
    if actions.name != "allocation":
        remedy = "name the strategy as the policy's base, and leave start.clone out"
        raise ConfigError(
            "actions that do not start from a strategy", f"clone with {actions.name}", remedy
        )
    out = np.zeros((view.n, PLACES), np.float32)
    out[:, : PLACES - 1] = wanted
    out[:, -1] = np.maximum(1.0 - wanted.sum(axis=1), 0.0)
    return out


def demonstrations(
    env: MixedVec, strategy: Strategy, decisions: int, seed: int
) -> tuple[Float32, Ints | Float32]:
    """Observations and actions of at least `decisions` decisions, acted as they are said.

    Returns
    -------
    float32 (n, D), and int64 (n,) or float32 (n, A)
    """
    obs = env.reset(seed)
    seen: list[Float32] = []
    done: list[AnyArray] = []
    while len(seen) * env.n < decisions:
        views = [part.episodes.view for part in env.parts]
        actions = np.concatenate([as_actions(env.actions, view, strategy) for view in views])
        seen.append(obs.copy())
        done.append(actions)
        obs = env.step(actions)[0]
    return np.concatenate(seen), np.concatenate(done)
