"""Models of the user's as policies: an ONNX file, layers in arrays, a torch module, a Stable-Baselines3 model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from tercel.core.arrays import Float32
from tercel.core.errors import ConfigError, PolicyError, refuse_if
from tercel.execution.action_sets import ActionSet, action_set
from tercel.execution.observation import ObservationFunction, Observer, observer
from tercel.execution.policies.card import Card
from tercel.execution.policies.folder import require_free_folder, save_policy
from tercel.execution.policies.graph import read_network
from tercel.execution.policies.mlp import DISCRETE, Activation, Head, MlpPolicy
from tercel.execution.policies.model_policy import interface_of, statistics_of
from tercel.execution.policies.onnx_policy import OnnxPolicy, from_onnx
from tercel.execution.policies.strategy import PolicyStrategy, base_of

# Clip value that leaves all observations unchanged.
NO_CLIP: Final = float(np.finfo(np.float32).max)
Layers = Sequence[tuple[Any, Any]]


# Folder of archives that were converted for an evaluation.
CONVERTED = "converted"


def policy_from(
    model: Any,
    encoder: Observer,
    actions: ActionSet,
    activation: Activation = "tanh",
    normalize: Any = None,
) -> MlpPolicy | OnnxPolicy:
    """Policy with a model's weights, which runs without the library that the model was made with.

    Parameters
    ----------
    model : path, bytes, sequence of (weight, bias), torch module, model of Stable-Baselines3, or a policy already
        A path is that of an ONNX file. Layers are float (in, out) and float (out,), with the activation between them.
        Whatever it is puts out a number for each action, or a vector; layers for an allocation are followed by a
        softmax.
    encoder, actions
        Its observation and actions.
    activation : str
        Between layers: tanh or relu.
    normalize : VecNormalize or False, optional
        As of :func:`tercel.model_strategy`.

    Raises
    ------
    ConfigError
        Something else.
    PolicyError
        A network that does not run, or not on such observations.
    """
    head: Head = (
        "simplex" if actions.name == "allocation" else "vector" if actions.continuous else "logits"
    )
    size = encoder.size
    width = actions.size
    if isinstance(model, MlpPolicy | OnnxPolicy):
        policy = model
    elif isinstance(model, str | Path):
        policy = from_onnx(read_network(Path(model)), head)
    elif isinstance(model, bytes):
        policy = from_onnx(model, head)
    elif isinstance(model, Sequence):
        policy = _layers(model, size, head, activation)
    elif hasattr(model, "observation_space") and hasattr(model, "predict"):
        from tercel.lab.learning.sb3.export import policy_of, trained_model

        statistics = statistics_of(model, encoder, actions, normalize)
        policy = policy_of(trained_model(model, head == "simplex", statistics))
    elif hasattr(model, "forward") and hasattr(model, "state_dict"):
        from tercel.lab.learning.sb3.export import copy_module, onnx_of

        _refuse_sizes(model, size, width)
        name = "logits" if head in DISCRETE else head
        policy = from_onnx(
            onnx_of(copy_module(model), ["observation"], [name], [size], [width]), head
        )
    else:
        raise ConfigError(
            "an ONNX file, layers as pairs (weight, bias), a torch module, or a model of Stable-Baselines3",
            f"{type(model).__name__} {model!r}"[:200],
            "give one of these, or judge a function with tercel.model_strategy(function, name)",
        )
    return _check_output(policy, size) if policy.observation_size == size else policy


def strategy_of(
    model: Any,
    name: str,
    *,
    actions: str,
    action_parameters: Mapping[str, Any],
    observation: ObservationFunction | str,
    stack: int,
    activation: Activation = "tanh",
    normalize: Any = None,
) -> PolicyStrategy:
    """Strategy that acts by a user's model; see :func:`policy_from`.

    Raises
    ------
    ConfigError, PolicyError, UnknownNameError
        No such model, or one that has other sizes than its observation and actions.
    """
    policy = policy_from(
        model,
        observer(observation, stack),
        action_set(actions, action_parameters, base_of),
        activation,
        normalize,
    )
    return PolicyStrategy(
        name,
        policy,
        actions,
        action_parameters=action_parameters,
        observation=observation,
        stack=stack,
    )


def save_model(
    model: Any,
    folder: Path,
    name: str,
    meaning: Mapping[str, Any],
    activation: Activation = "tanh",
    trained_on: Mapping[str, Any] = MappingProxyType({}),
    normalize: Any = None,
) -> PolicyStrategy:
    """Save a user's model as a policy folder and return its strategy; `meaning` describes inputs and outputs where the model
    does not (`interface_of`). Raises if the folder holds other files.

    Raises
    ------
    ConfigError, PolicyError, UnknownNameError
        As :func:`strategy_of`; or a folder that holds other files.
    """
    strategy = strategy_of(
        model,
        name or require_free_folder(folder).resolve().name,
        activation=activation,
        normalize=normalize,
        **interface_of(model, **meaning),
    )
    encoder = observer(strategy.observation, strategy.stack)
    policy = strategy.policy
    assert isinstance(policy, MlpPolicy | OnnxPolicy)
    card = Card(
        strategy.name,
        encoder.entries,
        strategy.action_set_name,
        policy.n_actions,
        observation=encoder.name,
        observation_answers=encoder.answers,
        stack=encoder.stack,
        action_parameters=dict(strategy.action_parameters),
        trained_on=dict(trained_on),
    )
    save_policy(require_free_folder(folder), policy, card)
    return strategy


def _layers(layers: Layers, size: int, head: Head, activation: Activation) -> MlpPolicy:
    """Perceptron policy from pairs (weight, bias)."""
    try:
        pairs = tuple(
            (np.array(weight, np.float32), np.array(bias, np.float32)) for weight, bias in layers
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(
            "layers as pairs (weight, bias)", str(error), "such as [(W1, b1), (W2, b2)]"
        ) from error
    return MlpPolicy(
        pairs, np.zeros(size, np.float32), np.ones(size, np.float32), NO_CLIP, activation, head
    )


def _refuse_sizes(module: Any, size: int, width: int) -> None:
    """Refuse a torch module that does not map rows of `size` numbers to rows of `width` numbers."""
    import torch

    from tercel.lab.learning.sb3.export import copy_module

    expected = f"a network with {size} inputs and {width} outputs"
    remedy = "see `observation`, `stack` and `actions`"
    try:
        with torch.no_grad():
            shape = tuple(copy_module(module)(torch.zeros(2, size)).shape)
    except (RuntimeError, TypeError, ValueError) as error:
        inputs_text = next(
            (f"{weight.shape[1]} inputs: " for weight in module.parameters() if weight.ndim == 2),
            "",
        )
        raise PolicyError(expected, f"{inputs_text}{error}"[:300], remedy) from error
    if shape != (2, width):
        raise PolicyError(expected, f"{shape[-1] if len(shape) == 2 else shape} outputs", remedy)


def _check_output(policy: MlpPolicy | OnnxPolicy, size: int) -> MlpPolicy | OnnxPolicy:
    """Return the policy after checking that it maps two observations to one row each."""
    obs: Float32 = np.zeros((2, size), np.float32)
    rows = policy.logits(obs).shape
    refuse_if(
        rows != (2, policy.n_actions),
        f"a network that puts out (2, {policy.n_actions})",
        f"{rows}",
        "export it with the number of rows left open",
        PolicyError,
    )
    return policy


# Archives of a user's model that are trusted: converted for `agent convert` and for evaluations.


def convert_archive(archive: str, out_dir: Path) -> str:
    """Convert a trusted Stable-Baselines3 archive (unpickled: its code runs) to a policy folder below `out_dir`; its path."""
    from tercel.lab.learning.sb3.archive import unpickle_model

    folder = out_dir / CONVERTED / Path(archive).stem
    save_model(
        unpickle_model(Path(archive))[0],
        folder,
        Path(archive).stem,
        {},
    )
    return str(folder)
