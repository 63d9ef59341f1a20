"""What `Sb3Learner` is told: an algorithm, its parameters, its network, a device."""

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tercel.core.errors import ConfigError, check_known

ALGORITHMS: dict[str, tuple[str, str, str]] = {
    "ppo": ("stable_baselines3", "PPO", "MlpPolicy"),
    "maskable_ppo": ("sb3_contrib", "MaskablePPO", "MlpPolicy"),
    "recurrent_ppo": ("sb3_contrib", "RecurrentPPO", "MlpLstmPolicy"),
    "dqn": ("stable_baselines3", "DQN", "MlpPolicy"),
    "qrdqn": ("sb3_contrib", "QRDQN", "MlpPolicy"),
}
"""Name -> module, class, policy. Values are learned off policy by the last two."""
VALUES = ("dqn", "qrdqn")
ACTIVATIONS = {"tanh": "Tanh", "relu": "ReLU", "elu": "ELU", "gelu": "GELU", "silu": "SiLU"}
OURS = (
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
"""Parameters that the learner sets itself."""
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
        """Refuse names that are none."""
        check_known(self.algorithm, ALGORITHMS, "an algorithm of")
        check_known(self.head, HEADS, "a head of")


def algorithm_class(name: str) -> Any:
    """The class behind a name of :data:`ALGORITHMS`."""
    module, kind, _ = ALGORITHMS[name]
    return getattr(importlib.import_module(module), kind)


def check_parameters(kind: Any, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """`parameters`, if `kind` takes them all.

    Raises
    ------
    ConfigError
        A name that it does not know, or that the learner sets itself.
    """
    known = [name for name in inspect.signature(kind).parameters if name not in OURS]
    for name in parameters:
        check_known(name, known, f"parameters of {kind.__name__}:", error=ConfigError)
    return dict(parameters)


def policy_kwargs(network: Mapping[str, Any]) -> dict[str, Any]:
    """`network` with the classes that its strings name.

    Raises
    ------
    ConfigError
        An activation or a class that is not there.
    """
    from torch import nn

    out: dict[str, Any] = {}
    for name, value in network.items():
        if name == "activation_fn" and value in ACTIVATIONS:
            out[name] = getattr(nn, ACTIVATIONS[value])
        elif name.endswith(("_class", "_fn")):
            out[name] = _imported(name, str(value))
        else:
            out[name] = value
    return out


def _imported(name: str, value: str) -> Any:
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
