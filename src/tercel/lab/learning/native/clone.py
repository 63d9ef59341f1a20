"""Behaviour cloning: let a policy start as someone else's, a written rule's say, before it learns on its own."""

import numpy as np

from tercel.core.arrays import Float32, Ints
from tercel.core.errors import ConfigError
from tercel.lab.learning.native.blas import one_thread
from tercel.lab.learning.native.net import Adam, Workspace
from tercel.lab.learning.native.ppo import Ppo
from tercel.lab.learning.port import action_sizes


def clone(
    learner: Ppo,
    observations: Float32,
    targets: Ints | Float32,
    *,
    epochs: int = 20,
    minibatch: int = 256,
    learning_rate: float = 1e-3,
) -> float:
    """Fit the policy to (observation, action) pairs; the value tower and the learner's own optimiser stay as they are.

    Actions that are numbers and shares are fitted by cross-entropy, vectors by squared error. The learning rate falls
    linearly to 0.

    Parameters
    ----------
    learner : Ppo
    observations : float32[n, D]
        As the environment shows them; the learner's normalisation learns from them too.
    targets : int64[n] or float32[n, A]
        What is to be done there.
    epochs, minibatch, learning_rate
        Of Adam.

    Returns
    -------
    float
        Mean loss of the last epoch.

    Raises
    ------
    ConfigError
        If the arrays are not of the learner's sizes.
    """
    _check(learner, observations, targets)
    net, law, rows = learner.net, learner.law, min(minibatch, len(observations))
    if learner.settings.normalise_observations:
        learner.normaliser.update(np.ascontiguousarray(observations, np.float32))
    work, adam, x = (
        Workspace(net, rows),
        Adam(net.params.size),
        np.empty((rows, net.inputs), np.float32),
    )
    updates, done, total = epochs * (len(observations) // rows), 0, 0.0
    net.grad[:] = 0.0
    with one_thread():
        for _ in range(epochs):
            order, total = learner.rng.permutation(len(observations)), 0.0
            for start in range(0, len(order) - rows + 1, rows):
                which = order[start : start + rows]
                learner.normaliser.apply(np.ascontiguousarray(observations[which], np.float32), x)
                raw = net.forward_tower(0, x, work) + net.head_biases[0]
                loss, work.dout[0][:] = law.fit(raw, targets[which])
                net.backward_tower(0, x, work)
                adam.step(net.params, net.grad, learning_rate * (1.0 - done / updates), np.inf)
                total, done = total + loss, done + 1
    return total / max(len(observations) // rows, 1)


def _check(learner: Ppo, observations: Float32, targets: Ints | Float32) -> None:
    numbers, entries = action_sizes(learner.env)
    n = len(observations)
    shapes = (n, learner.net.inputs), (n, entries) if entries else (n,)
    if n < 1 or (observations.shape, targets.shape) != shapes:
        raise ConfigError(
            f"observations and actions of shapes {shapes[0]} and {shapes[1]}",
            f"{observations.shape} and {targets.shape}",
            "take both from the environment that the policy acts in",
        )
    if numbers and not ((targets >= 0) & (targets < numbers)).all():
        raise ConfigError(
            f"actions from 0 to {numbers - 1}",
            f"{targets.min()} to {targets.max()}",
            "look at the rule",
        )
    if not (np.isfinite(observations).all() and np.isfinite(targets).all()):
        raise ConfigError("finite numbers", "NaN or infinite ones", "look at the rule's decisions")
