"""What the native learners share: what they see between updates, what they normalise by, and their state on disk."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from functools import lru_cache
from numbers import Integral, Real
from typing import Any, Final

import numpy as np
from threadpoolctl import ThreadpoolController

from tercel.core.arrays import Float32
from tercel.core.errors import ConfigError, refuse_if
from tercel.execution.policies.network import Head, MlpPolicy
from tercel.lab.learning.native.net import (
    CLIP,
    Adam,
    Net,
    ObservationNormaliser,
    RewardScaler,
    Workspace,
)
from tercel.lab.learning.port import (
    Metrics,
    ReturnTracker,
    State,
    VecEnv,
)
from tercel.lab.learning.rewards import risk_transform

# -- blas -----------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _libraries() -> ThreadpoolController:
    """The thread pools that this process has loaded; looked up once."""
    return ThreadpoolController()


def one_thread() -> AbstractContextManager[Any]:
    """Run a block with one BLAS thread while small networks learn.

    A product of 256 x 64 by 64 x 64 on all cores costs more than it gives when another process works beside it, and
    ties the last bits of a result to the number of cores.
    """
    limited: AbstractContextManager[Any] = _libraries().limit(limits=1, user_api="blas")
    return limited


# -- bounds ---------------------------------------------------------------------------------------
# Which values a setting of the native learners may have.


@dataclass(frozen=True)
class Bounds:
    """The finite numbers that a setting may be.

    Parameters
    ----------
    words : str
        For people.
    holds : callable
        Whether a finite number is among them.
    integer : bool
        Whole numbers alone.
    """

    words: str
    holds: Callable[[float], bool]
    integer: bool = False

    def admits(self, value: object) -> bool:
        """Whether `value` is one of them; True and False are no numbers."""
        kind = Integral if self.integer else Real
        if not isinstance(value, kind) or isinstance(value, bool):
            return False
        return math.isfinite(value) and self.holds(float(value))


COUNT: Final = Bounds("a whole number above 0", lambda value: value >= 1, integer=True)
FRAMES: Final = Bounds("a whole number, 0 or above", lambda value: value >= 0, integer=True)
ABOVE: Final = Bounds("a number above 0", lambda value: value > 0)
WEIGHT: Final = Bounds("a number, 0 or above", lambda value: value >= 0)
SHARE: Final = Bounds("a number from 0 to 1", lambda value: 0 <= value <= 1)
LEVEL: Final = Bounds("a number between 0 and 1", lambda value: 0 < value < 1)
ANY: Final = Bounds("a finite number", lambda value: True)

# Setting -> its bounds; of a tuple, those of each entry.
OF: Final[dict[str, Bounds]] = {
    "hidden": COUNT,
    "start": ANY,
    "steps": COUNT,
    "minibatch": COUNT,
    "epochs": COUNT,
    "threads": COUNT,
    "capacity": COUNT,
    "warmup": FRAMES,
    "gradient_steps": COUNT,
    "n_step": COUNT,
    "target_every": COUNT,
    "anneal_frames": FRAMES,
    "epsilon_frames": FRAMES,
    "learning_rate": ABOVE,
    "clip": ABOVE,
    "max_norm": ABOVE,
    "sigma_start": ABOVE,
    "sigma_end": ABOVE,
    "learning_rate_end": WEIGHT,
    "entropy": WEIGHT,
    "entropy_end": WEIGHT,
    "value": WEIGHT,
    "target_kl": WEIGHT,
    "gamma": SHARE,
    "lam": SHARE,
    "epsilon_start": SHARE,
    "epsilon_end": SHARE,
    "risk_aversion": WEIGHT,
    "risk_level": LEVEL,
}


@dataclass(frozen=True)
class NativeSettings:
    """Settings of every native learner that follows a gradient.

    Raises
    ------
    ConfigError
        A setting that is no number, or one outside its range; what was received begins with its name.
    """

    hidden: tuple[int, ...] = (64, 64)  # SB3 MlpPolicy
    minibatch: int = 256
    learning_rate: float = 5e-4  # annealed to 0 by `anneal_frames`
    anneal_frames: int = 0  # what is annealed goes linearly to its end in so many; 0: constant
    gamma: float = 1.0  # no discount: the horizon is part of the observation
    normalise_observations: bool = True
    scale_rewards: bool = True
    risk_aversion: float = 0.0  # see `rewards.Risk`; 0: the mean return alone
    risk_measure: str = "cvar"  # or mean_variance
    risk_level: float = 0.9  # of the CVaR

    def __post_init__(self) -> None:
        """Refuse what is no number, or one outside its range."""
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            if isinstance(field.default, bool):
                _refuse_unless(isinstance(value, bool), "true or false", name, value)
            elif isinstance(field.default, tuple):
                admitted = isinstance(value, tuple) and all(OF[name].admits(one) for one in value)
                _refuse_unless(admitted, f"a list in which each is {OF[name].words}", name, value)
            elif name in OF and not (value is None and field.default is None):
                _refuse_unless(OF[name].admits(value), OF[name].words, name, value)
        try:
            risk_transform(1, self.risk_aversion, self.risk_measure, self.risk_level)
        except ConfigError as error:
            raise ConfigError(
                error.expected,
                f"risk_aversion = {self.risk_aversion} with risk_measure = {self.risk_measure!r}",
                error.remedy,
            ) from None


def _refuse_unless(admitted: bool, words: str, name: str, value: object) -> None:
    refuse_if(
        not admitted,
        f"{name}: {words}",
        f"{name} = {value!r}",
        "correct it, or leave it out for the default",
    )


# -- learner --------------------------------------------------------------------------------------


class NativeLearner:
    """A learner whose network, optimiser and moments are arrays of its own."""

    name: str
    settings: Any
    rng: np.random.Generator
    frames: int
    updates: int
    # Whole numbers of a checkpoint.
    counters: tuple[str, ...] = ("frames", "updates")

    def _prepare(self, env: VecEnv, seed: int, net: Net, width: int, masked: bool = True) -> None:
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
        if self._masked and hasattr(self.env, "mask"):
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

    def _forget_episodes(self) -> None:
        """Forget the running episodes: new ones begin."""
        self.scaler.returns[:] = 0.0
        if self.risk_transform:
            self.risk_transform.begin()

    def state(self) -> State:
        """Everything that a training resumes from."""
        state: State = {name: part.state() for name, part in self._parts().items() if part}
        state |= {"params": self.net.params.copy(), "returns": self.returns.state()}
        state |= {
            "rng": self.rng.bit_generator.state,
            **{name: getattr(self, name) for name in self.counters},
        }
        if hasattr(self.env, "restore"):
            state["env"] = self.env.state()
        return state

    def restore(self, state: State) -> None:
        """Go on from a state; episodes go on too where the environment can, else new ones begin."""
        self.net.load(state["params"])
        for name in self.counters:
            setattr(self, name, int(state[name]))
        self.rng.bit_generator.state = state["rng"]
        goes_on = hasattr(self.env, "restore") and "env" in state
        self.returns.restore(state["returns"], goes_on)
        parts = {name: part for name, part in self._parts().items() if part}
        for name, part in parts.items():
            part.restore(state[name])
        if goes_on:
            self._begin(self.env.restore(state["env"]))
        else:
            self._forget_episodes()
            self._begin(self.env.reset(self.seed + self.frames))
        parts["normaliser"].restore(
            state["normaliser"]
        )  # last: to begin may teach it what it already knew
