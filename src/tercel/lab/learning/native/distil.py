"""Distillation: a frozen teacher that sees more than the learner, and the pull of the learner towards it.

    loss = PPO's + weight x mean KL(teacher || learner)

The states are those that the learner comes to by itself (Schmitt et al. 2018, "Kickstarting deep reinforcement
learning"); a teacher that sees the future is the idea of Fang et al. 2021, "Universal Trading for Order Execution with
Oracle Policy Distillation".
"""

import numpy as np

from tercel.core.arrays import Bools, Float32, Floats
from tercel.core.errors import ConfigError
from tercel.core.jit import kernel
from tercel.lab.learning.native.kernels import log_softmax_row
from tercel.lab.learning.native.net import Net, Workspace
from tercel.lab.learning.native.normalise import ObservationNormaliser
from tercel.lab.learning.port import ForesightVecEnv, State


@kernel
def probabilities(raw: Float32, bias: Float32, mask: Bools, out: Float32) -> None:
    """out[B, A] = softmax(raw + bias), masked actions at 0."""
    for r in range(raw.shape[0]):
        log_softmax_row(raw[r], bias, mask[r], out[r])
        for j in range(raw.shape[1]):
            out[r, j] = np.exp(out[r, j])


@kernel
def distil_loss(
    raw: Float32,
    bias: Float32,
    taught: Float32,
    mask: Bools,
    weight: float,
    logp: Float32,
    draw: Float32,
    stats: Floats,
) -> None:
    """Add the gradient by the head of weight x mean KL(taught || softmax(raw + bias)) to `draw`.

    `taught[B, A]` are probabilities, `logp[A]` is work space. `stats[5]` += the mean KL, without its weight.
    """
    batch, size = raw.shape
    share = 1.0 / batch
    kl_weight = np.float32(weight * share)
    for r in range(batch):
        log_softmax_row(raw[r], bias, mask[r], logp)
        apart = 0.0
        for j in range(size):
            q = taught[r, j]
            draw[r, j] += kl_weight * (np.exp(logp[j]) - q)
            if q > 0:
                apart += q * (np.log(q) - logp[j])
        stats[5] += apart * share


class Teacher:
    """What a privileged teacher would do where the learner is; its weights do not change.

    Parameters
    ----------
    env : VecEnv that :class:`ForesightVecEnv`
        The learner's own: its foresight is what the teacher sees on top of the learner's observation.
    hidden : tuple of int
        Layers of the teacher's network.
    weight : float
        Of the divergence in the loss, at the start.
    anneal : int
        Frames over which the weight falls linearly to 0; from then on the teacher is not asked.

    Raises
    ------
    ConfigError
        If the environment has no foresight, or a number is out of range.
    """

    def __init__(self, env: object, hidden: tuple[int, ...], weight: float, anneal: int) -> None:
        if not isinstance(env, ForesightVecEnv):
            remedy = "train without a privileged teacher, or where the markets are in this process"
            raise ConfigError("an environment with foresight, for a privileged teacher", type(env).__name__, remedy)
        if not (np.isfinite(weight) and weight >= 0 and anneal >= 1):
            remedy = "such as 1.0, annealed over half of the training"
            raise ConfigError("a weight >= 0 that falls over 1 frame or more", f"{weight} over {anneal}", remedy)
        self.env, self.start, self.anneal = env, weight, anneal
        plain, more = env.observation_size, env.foresight_size
        self.net = Net(plain + more, hidden, (env.n_actions, 1))
        self.normaliser = ObservationNormaliser(plain + more)
        self._wide, self._x = (np.empty((env.n, plain + more), np.float32) for _ in range(2))
        self._work = Workspace(self.net, env.n)

    def weight(self, frames: int) -> float:
        """Of the divergence after so many frames."""
        return self.start * max(1.0 - frames / self.anneal, 0.0)

    def says(self, observation: Float32, mask: Bools, out: Float32) -> None:
        """Probabilities of its actions now, into out[n, A]; `observation` is the learner's, not normalised."""
        plain = observation.shape[1]
        self._wide[:, :plain], self._wide[:, plain:] = observation, self.env.foresight()
        self.normaliser.apply(self._wide, self._x)
        raw = self.net.forward_tower(0, self._x, self._work)
        probabilities(raw, self.net.head_biases[0], mask, out)

    def state(self) -> State:
        return {"params": self.net.params.copy(), "normaliser": self.normaliser.state()}

    def restore(self, state: State) -> None:
        """Become the teacher that `state` is of: an :class:`PrivilegedTeacher`'s, or this one's own."""
        self.net.load(state["params"])
        self.normaliser.restore(state["normaliser"])
