"""What the native learners share: what they see between updates, what they normalise by, and their state on disk."""

from typing import Any

import numpy as np

from tercel.core.arrays import Float32
from tercel.execution.policies.mlp import Head, MlpPolicy
from tercel.lab.learning.metrics import ReturnTracker
from tercel.lab.learning.native.net import Adam, Net, Workspace
from tercel.lab.learning.native.normalise import CLIP, ObservationNormaliser, RewardScaler
from tercel.lab.learning.port import AnyVecEnv, MaskedVecEnv, Metrics, RestorableVecEnv, State
from tercel.lab.learning.risk import risk_transform


class NativeLearner:
    """A learner whose network, optimiser and moments are arrays of its own."""

    name: str
    settings: Any
    rng: np.random.Generator
    frames: int
    updates: int
    counters: tuple[str, ...] = ("frames", "updates")
    """Whole numbers of a checkpoint."""

    def _prepare(
        self, env: AnyVecEnv, seed: int, net: Net, width: int, masked: bool = True
    ) -> None:
        """What lasts through a training, for `width` actions; `self.rng` has drawn the weights of `net`."""
        self.env: Any = env
        s = self.settings
        self.seed = seed
        self.net = net
        for counter in self.counters:
            setattr(self, counter, 0)
        self.adam = Adam(net.params.size)
        self.normaliser = ObservationNormaliser(env.observation_size)
        self.scaler = RewardScaler(env.n, s.gamma)
        self.risk_transform = risk_transform(env.n, s.risk_aversion, s.risk_measure, s.risk_level)
        self.returns = ReturnTracker(env.n)
        self.raw = np.empty((env.n, env.observation_size), np.float32)
        self.x = np.empty_like(self.raw)
        self.mask = np.ones((env.n, width), np.bool_)
        self._masked = masked
        self.acting = Workspace(net, env.n)
        self.learning = Workspace(net, s.minibatch)

    def _begin(self, obs: Float32) -> None:
        """Take `obs` (and the mask) as what is seen now."""
        self.raw[:] = obs
        if self._masked and isinstance(self.env, MaskedVecEnv):
            self.mask[:] = self.env.mask()

    def _annealed(self, start: float, end: float) -> float:
        """Between `start` and `end`, from the first batch on ("37 details", detail 4)."""
        frames = self.settings.anneal_frames
        left = max(1.0 - self.frames / frames, 0.0) if frames else 1.0
        return float(start * left + end * (1.0 - left))

    def _row(self) -> Metrics:
        """How a row of metrics begins, when an update is over."""
        self.updates += 1
        mean, episodes = self.returns.take()
        return {"frames": float(self.frames), "return_mean": mean, "episodes": float(episodes)}

    def _policy(self, layers: list[tuple[Float32, Float32]], head: Head) -> MlpPolicy:
        """Layers of a tower beside the moments that its observations are normalised by."""
        mean, scale = (
            moments[: len(layers[0][0])].copy()
            for moments in (self.normaliser.mean, self.normaliser.scale)
        )
        return MlpPolicy(tuple(layers), mean, scale, CLIP, "tanh", head)

    def _parts(self) -> dict[str, Any]:
        """What keeps a state of its own, by its name in a checkpoint; the normaliser last."""
        return {
            "adam": self.adam,
            "scaler": self.scaler,
            "risk": self.risk_transform,
            "normaliser": self.normaliser,
        }

    def _anew(self) -> None:
        """Forget the episodes that were going on: new ones begin."""
        self.scaler.returns[:] = 0.0
        if self.risk_transform:
            self.risk_transform.begin()

    def state(self) -> State:
        """Everything that a training goes on from."""
        state: State = {name: part.state() for name, part in self._parts().items() if part}
        state |= {"params": self.net.params.copy(), "returns": self.returns.state()}
        state |= {
            "rng": self.rng.bit_generator.state,
            **{name: getattr(self, name) for name in self.counters},
        }
        if isinstance(self.env, RestorableVecEnv):
            state["env"] = self.env.state()
        return state

    def restore(self, state: State) -> None:
        """Go on from a state; episodes go on too where the environment can, else new ones begin."""
        self.net.load(state["params"])
        for name in self.counters:
            setattr(self, name, int(state[name]))
        self.rng.bit_generator.state = state["rng"]
        goes_on = isinstance(self.env, RestorableVecEnv) and "env" in state
        self.returns.restore(state["returns"], goes_on)
        parts = {name: part for name, part in self._parts().items() if part}
        for name, part in parts.items():
            part.restore(state[name])
        if goes_on:
            self._begin(self.env.restore(state["env"]))
        else:
            self._anew()
            self._begin(self.env.reset(self.seed + self.frames))
        parts["normaliser"].restore(
            state["normaliser"]
        )  # last: to begin may teach it what it already knew
