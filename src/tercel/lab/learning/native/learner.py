"""Base class of the native learners: current observations, annealing, the exported policy, and state for checkpoints."""

from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from tercel.core.arrays import Float32
from tercel.execution.policies.mlp import Head, MlpPolicy
from tercel.lab.learning.metrics import ReturnTracker
from tercel.lab.learning.native.net import Adam, Net, Workspace
from tercel.lab.learning.native.normalisation import CLIP, ObservationNormaliser, RewardScaler
from tercel.lab.learning.port import AnyVectorEnv, Metrics, State, observation_size
from tercel.lab.learning.risk_objective import risk_transform


@lru_cache(maxsize=1)
def _thread_pools() -> ThreadpoolController:
    """Controller of the BLAS thread pools that this process has loaded, cached."""
    return ThreadpoolController()


def one_thread() -> AbstractContextManager[Any]:
    """Context manager that limits BLAS to one thread, for small networks.

    A product of 256 x 64 by 64 x 64 on all cores costs more than it gives when another process works beside it, and
    ties the last bits of a result to the number of cores.
    """
    limited: AbstractContextManager[Any] = _thread_pools().limit(limits=1, user_api="blas")
    return limited


class NativeLearner:
    """Base class of learners whose network, optimiser and moments are NumPy arrays."""

    name: str
    settings: Any
    rng: np.random.Generator
    frames: int
    updates: int
    # Whole numbers of a checkpoint.
    counters: tuple[str, ...] = ("frames", "updates")

    def _prepare(
        self, env: AnyVectorEnv, seed: int, net: Net, width: int, masked: bool = True
    ) -> None:
        """Create optimiser, normalisers and work space for a training, after `self.rng` has drawn the weights of `net`;
        `width` actions in the mask, read from the environment if `masked`.
        """
        self.env: Any = env
        s = self.settings
        self.seed = seed
        self.net = net
        for counter in self.counters:
            setattr(self, counter, 0)
        self.adam = Adam(net.params.size)
        self.n = env.num_envs
        self.raw = np.empty((self.n, observation_size(env)), np.float32)
        self.normaliser = ObservationNormaliser(self.raw.shape[1])
        self.scaler = RewardScaler(self.n, s.gamma)
        self.risk_transform = risk_transform(self.n, s.risk_aversion, s.risk_measure, s.risk_level)
        self.returns = ReturnTracker(self.n)
        self.x = np.empty_like(self.raw)
        self.mask = np.ones((self.n, width), np.bool_)
        self._masked = masked
        self.acting = Workspace(net, self.n)
        self.learning = Workspace(net, s.minibatch)

    def _set_observation(self, obs: Float32) -> None:
        """Set `obs` (and the action mask) as the current observation."""
        self.raw[:] = obs
        if self._masked and hasattr(self.env, "mask"):
            self.mask[:] = self.env.mask()

    def _anneal(self, start: float, end: float) -> float:
        """Value at the present frame on the line from `start` to `end` over `anneal_frames`; `start` if these are 0.

        "37 details", detail 4.
        """
        frames = self.settings.anneal_frames
        remaining = max(1.0 - self.frames / frames, 0.0) if frames else 1.0
        return float(start * remaining + end * (1.0 - remaining))

    def _metrics_row(self) -> Metrics:
        """First metrics of an update (frames, mean return, episodes); counts the update and clears the returns."""
        self.updates += 1
        mean, episodes = self.returns.take()
        return {"frames": float(self.frames), "return_mean": mean, "episodes": float(episodes)}

    def _policy(self, layers: list[tuple[Float32, Float32]], head: Head) -> MlpPolicy:
        """Exported policy of a tower's layers, with the observation normaliser's moments."""
        mean, scale = (
            moments[: len(layers[0][0])].copy()
            for moments in (self.normaliser.mean, self.normaliser.scale)
        )
        return MlpPolicy(tuple(layers), mean, scale, CLIP, "tanh", head)

    def _parts(self) -> State:
        """Parts with a state of their own, by name in a checkpoint; the normaliser last."""
        return {
            "adam": self.adam,
            "scaler": self.scaler,
            "risk": self.risk_transform,
            "returns": self.returns,
            "normaliser": self.normaliser,
        }

    def _forget_episodes(self) -> None:
        """Forget the running episodes, since new ones begin."""
        self.scaler.returns[:] = 0.0
        if self.risk_transform:
            self.risk_transform.begin()

    def state(self) -> State:
        """State that a training resumes from."""
        state: State = {name: part.state() for name, part in self._parts().items() if part}
        state |= {
            "params": self.net.params.copy(),
            "rng": self.rng.bit_generator.state,
            **{name: getattr(self, name) for name in self.counters},
        }
        if hasattr(self.env, "restore"):
            state["env"] = self.env.state()
        return state

    def restore(self, state: State) -> None:
        """Restore from `state`; running episodes continue if the environment supports it, else new ones begin."""
        self.net.load(state["params"])
        for name in self.counters:
            setattr(self, name, int(state[name]))
        self.rng.bit_generator.state = state["rng"]
        can_continue = hasattr(self.env, "restore") and "env" in state
        parts = {name: part for name, part in self._parts().items() if part}
        for name, part in parts.items():
            part.restore(state[name])
        if can_continue:
            self._set_observation(self.env.restore(state["env"]))
        else:
            self.returns.running[:] = 0.0
            self._forget_episodes()
            self._set_observation(self.env.reset(seed=self.seed + self.frames)[0])
        # last: to begin may teach it what it already knew
        self.normaliser.restore(state["normaliser"])
