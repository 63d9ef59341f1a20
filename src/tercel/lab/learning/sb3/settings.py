"""Settings of Stable-Baselines3's algorithms: names of algorithms, checks of parameters, classes named by text."""

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tercel.core.errors import ConfigError, check_known, refuse_if

# Module, class and policy name by algorithm; the last two are off-policy.
ALGORITHMS: dict[str, tuple[str, str, str]] = {
    "ppo": ("stable_baselines3", "PPO", "MlpPolicy"),
    "maskable_ppo": ("sb3_contrib", "MaskablePPO", "MlpPolicy"),
    "recurrent_ppo": ("sb3_contrib", "RecurrentPPO", "MlpLstmPolicy"),
    "dqn": ("stable_baselines3", "DQN", "MlpPolicy"),
    "qrdqn": ("sb3_contrib", "QRDQN", "MlpPolicy"),
}
VALUES = ("dqn", "qrdqn")
ACTIVATIONS = {"tanh": "Tanh", "relu": "ReLU", "elu": "ELU", "gelu": "GELU", "silu": "SiLU"}
# Parameters that the learner sets itself.
RESERVED = (
    "self",
    "policy",
    "env",
    "policy_kwargs",
    "seed",
    "device",
    "verbose",
    "tensorboard_log",
    "_init_setup_model",
)
HEADS = ("vector", "simplex")


@dataclass(frozen=True)
class Sb3Settings:
    """Settings of :class:`Sb3Learner`.

    Parameters
    ----------
    algorithm : str
        A key of :data:`ALGORITHMS`.
    frames : int
        Length of the whole training, by which the learning rate and exploration are annealed; 0: constant.
    parameters : mapping
        Keyword arguments of the algorithm, under Stable-Baselines3's own names (``n_steps``, ``batch_size``, ...).
    network : mapping
        ``policy_kwargs`` under their own names: ``net_arch``, ``lstm_hidden_size``, ...; ``activation_fn`` by name
        (tanh, relu, elu, gelu, silu), and any ``..._class`` as "package.module:Class".
    device : str
        "auto" (a GPU if there is one), "cpu", "cuda", "cuda:1", ...
    head : str
        Of continuous actions: "vector", or "simplex": the softmax of what the network puts out.
    normalise_observations, scale_rewards : bool
        As :class:`PpoSettings` has them, by Stable-Baselines3's `VecNormalize`.
    threads : int
        Of torch on the CPU.
    """

    algorithm: str = "ppo"
    frames: int = 0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    network: Mapping[str, Any] = field(default_factory=dict)
    device: str = "auto"
    head: str = "vector"
    normalise_observations: bool = True
    scale_rewards: bool = True
    threads: int = 1

    def __post_init__(self) -> None:
        """Refuse an unknown algorithm or head."""
        check_known(self.algorithm, ALGORITHMS, "an algorithm of")
        check_known(self.head, HEADS, "a head of")


def algorithm_class(name: str) -> Any:
    """Class of a Stable-Baselines3 algorithm by its name in :data:`ALGORITHMS`."""
    module, kind, _ = ALGORITHMS[name]
    return getattr(importlib.import_module(module), kind)


def check_parameters(kind: Any, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return `parameters` after checking that the algorithm's class takes them all.

    Raises
    ------
    ConfigError
        A name that it does not know, or that the learner sets itself.
    """
    known = [name for name in inspect.signature(kind).parameters if name not in RESERVED]
    for name in parameters:
        check_known(name, known, f"parameters of {kind.__name__}:", error=ConfigError)
    return dict(parameters)


def policy_kwargs(network: Mapping[str, Any]) -> dict[str, Any]:
    """Policy keyword arguments from `network`, with strings replaced by the classes that they name.

    Raises
    ------
    ConfigError
        An activation or a class that is not there.
    """
    from torch import nn

    kwargs: dict[str, Any] = {}
    for name, value in network.items():
        if name == "activation_fn" and value in ACTIVATIONS:
            kwargs[name] = getattr(nn, ACTIVATIONS[value])
        elif name.endswith(("_class", "_fn")):
            kwargs[name] = _import_class(name, str(value))
        else:
            kwargs[name] = value
    return kwargs


def _import_class(name: str, value: str) -> Any:
    """Class by `package.module:Class` or activation by name; raises ConfigError if it cannot be imported."""
    module, colon, kind = value.partition(":")
    try:
        if not colon:
            raise ImportError("no colon in it")
        return getattr(importlib.import_module(module), kind)
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"{name} as an activation ({', '.join(ACTIVATIONS)}) or as package.module:Class",
            f"{value!r}: {error}",
            "check that it can be imported here",
        ) from error


def require_module(module: str = "stable_baselines3") -> None:
    """Raise with an install command if `module` cannot be imported.

    Raises
    ------
    ConfigError
    """
    from importlib.util import find_spec

    refuse_if(
        find_spec(module) is None,
        f"{module} for learner 'sb3'",
        "a Python without it",
        "pip install 'tercel[learn]'",
    )
