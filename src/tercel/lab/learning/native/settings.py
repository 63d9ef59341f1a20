"""Settings of the native learners, and the bounds that each number must keep."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Final

from tercel.core.errors import ConfigError, refuse_if
from tercel.lab.learning.risk_objective import risk_transform


@dataclass(frozen=True)
class Bounds:
    """Range of finite numbers that a setting may have.

    Parameters
    ----------
    description : str
        For people.
    holds : callable
        Whether a finite number is among them.
    integer : bool
        Whole numbers alone.
    """

    description: str
    holds: Callable[[float], bool]
    integer: bool = False

    def admits(self, value: object) -> bool:
        """Whether `value` is a number in the range; True and False are no numbers."""
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
SETTING_BOUNDS: Final[dict[str, Bounds]] = {
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
    """Common settings of the native learners that follow a gradient.

    Raises
    ------
    ConfigError
        A setting that is no number, or one outside its range; what was received begins with its name.
    """

    hidden: tuple[int, ...] = (64, 64)  # SB3 MlpPolicy
    minibatch: int = 256
    learning_rate: float = 5e-4  # annealed to 0 by `anneal_frames`
    anneal_frames: int = 0  # annealed values reach their end linearly in so many; 0: constant
    gamma: float = 1.0  # no discount: the horizon is part of the observation
    normalise_observations: bool = True
    scale_rewards: bool = True
    risk_aversion: float = 0.0  # see `rewards.Risk`; 0: the mean return alone
    risk_measure: str = "cvar"  # or mean_variance
    risk_level: float = 0.9  # of the CVaR

    def __post_init__(self) -> None:
        """Raise ConfigError for a setting of another type or outside its range."""
        for field in fields(self):
            name = field.name
            value = getattr(self, field.name)
            if isinstance(field.default, bool):
                _refuse_unless(isinstance(value, bool), "true or false", name, value)
            elif isinstance(field.default, tuple):
                admitted = isinstance(value, tuple) and all(
                    SETTING_BOUNDS[name].admits(number) for number in value
                )
                _refuse_unless(
                    admitted,
                    f"a list in which each is {SETTING_BOUNDS[name].description}",
                    name,
                    value,
                )
            elif name in SETTING_BOUNDS and not (value is None and field.default is None):
                _refuse_unless(
                    SETTING_BOUNDS[name].admits(value),
                    SETTING_BOUNDS[name].description,
                    name,
                    value,
                )
        try:
            risk_transform(1, self.risk_aversion, self.risk_measure, self.risk_level)
        except ConfigError as error:
            raise ConfigError(
                error.expected,
                f"risk_aversion = {self.risk_aversion} with risk_measure = {self.risk_measure!r}",
                error.remedy,
            ) from None


def _refuse_unless(admitted: bool, expected: str, name: str, value: object) -> None:
    """Raise ConfigError for a setting that is not admitted."""
    refuse_if(
        not admitted,
        f"{name}: {expected}",
        f"{name} = {value!r}",
        "correct it, or leave it out for the default",
    )
