"""Trained Stable-Baselines3 models as policies: plain layers in arrays, or ONNX files."""

import copy
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tercel.core.arrays import Floats
from tercel.core.errors import refuse_if
from tercel.execution.policies.mlp import Activation, Head, MlpPolicy
from tercel.execution.policies.onnx_policy import OnnxPolicy, from_onnx
from tercel.lab.learning.native.normalisation import CLIP
from tercel.lab.learning.sb3.settings import VALUES

OPSET = 17
_NAMES: dict[str, Activation] = {"Tanh": "tanh", "ReLU": "relu"}
# Algorithm by the class name of a model.
_CLASSES = {
    "PPO": "ppo",
    "A2C": "ppo",
    "MaskablePPO": "maskable_ppo",
    "RecurrentPPO": "recurrent_ppo",
    "DQN": "dqn",
    "QRDQN": "qrdqn",
}


@dataclass(frozen=True, eq=False)
class TrainedSb3:
    """A trained Stable-Baselines3 model with its observation normalisation and output head.

    Parameters
    ----------
    model : Any
    algorithm : str
        A key of `settings.ALGORITHMS`.
    head : str
        Kind of the network's output.
    width : int
        Number of actions, or length of a vector.
    mean, scale : float64 (D,)
        The observation enters as ``clip((x - mean) * scale, -clip, clip)``.
    clip : float
    """

    model: Any
    algorithm: str
    head: Head
    width: int
    mean: Floats
    scale: Floats
    clip: float = CLIP


def trained_model(model: Any, shares: bool = False, normalised: Any = None) -> TrainedSb3:
    """Trained Stable-Baselines3 model with the normalisation that it was trained under.

    Parameters
    ----------
    model : Any
    shares : bool
        Whether its actions are the softmax of its output vectors.
    normalised : VecNormalize, optional

    Raises
    ------
    ConfigError
        A model of an algorithm whose network is not known here, or of other spaces.
    """
    space = model.observation_space
    class_names = [base.__name__ for base in type(model).__mro__]
    kind = next((name for name in class_names if name in _CLASSES), class_names[0])
    refuse_if(
        kind not in _CLASSES or len(space.shape or ()) != 1,
        f"a model of {', '.join(_CLASSES)} that observes rows of numbers",
        f"{kind} that observes {space.shape}",
        "export its network as ONNX yourself, and give that",
    )
    algorithm = _CLASSES[kind]
    numbers = int(getattr(model.action_space, "n", 0))
    head: Head = (
        "q" if algorithm in VALUES else "logits" if numbers else "simplex" if shares else "vector"
    )
    mean = np.zeros(space.shape)
    scale = np.ones(space.shape)
    clip = float(np.finfo(np.float32).max)
    if normalised is not None and normalised.norm_obs:
        moments = normalised.obs_rms
        clip = float(normalised.clip_obs)
        mean = moments.mean
        scale = 1.0 / np.sqrt(moments.var + normalised.epsilon)
    return TrainedSb3(
        model, algorithm, head, numbers or int(model.action_space.shape[0]), mean, scale, clip
    )


def policy_of(trained: TrainedSb3) -> MlpPolicy | OnnxPolicy:
    """Greedy policy of a trained model, a copy: arrays, or ONNX for other networks."""
    return _perceptron(trained) or from_onnx(export_onnx(trained), trained.head)


def _chain(trained: TrainedSb3) -> list[Any] | None:
    """Modules from observation to head if the network is a plain chain; None otherwise."""
    from stable_baselines3.common.torch_layers import FlattenExtractor

    model: Any = trained.model.policy
    algorithm = trained.algorithm
    if algorithm in ("recurrent_ppo", "qrdqn"):
        return None
    extractor = (
        model.q_net.features_extractor if algorithm == "dqn" else model.pi_features_extractor
    )
    if type(extractor) is not FlattenExtractor:
        return None
    return (
        list(model.q_net.q_net)
        if algorithm == "dqn"
        else [*model.mlp_extractor.policy_net, model.action_net]
    )


def _perceptron(trained: TrainedSb3) -> MlpPolicy | None:
    """Perceptron policy in arrays, if the network is linear layers with one supported activation; None otherwise."""
    from torch import nn

    modules = _chain(trained)
    if modules is None:
        return None
    linear = modules[::2]
    activations = {type(m).__name__ for m in modules[1::2]}
    is_plain = all(type(m) is nn.Linear and m.bias is not None for m in linear)
    if (
        not is_plain
        or len(modules) % 2 == 0
        or len(activations) > 1
        or not activations <= set(_NAMES)
    ):
        return None
    layers = [
        (
            m.weight.detach().cpu().numpy().T.astype(np.float32).copy(),
            m.bias.detach().cpu().numpy().copy(),
        )
        for m in linear
    ]
    mean = trained.mean.astype(np.float32)
    scale = trained.scale.astype(np.float32)
    # what rounding takes from the mean is much where the deviation is small: it goes into the first bias
    weight, bias = layers[0]
    layers[0] = weight, (bias - ((trained.mean - mean) * trained.scale) @ weight).astype(np.float32)
    activation = _NAMES[next(iter(activations))] if activations else "tanh"
    return MlpPolicy(tuple(layers), mean, scale, trained.clip, activation, trained.head)


def copy_module(policy: Any) -> Any:
    """Copy of a torch policy on the CPU, without the tensors of its last call, which cannot be copied."""
    law = getattr(policy, "action_dist", None)
    last = vars(law).pop("distribution", None) if law is not None else None
    try:
        return copy.deepcopy(policy).cpu().eval()
    finally:
        if law is not None:
            law.distribution = last


def _module(trained: TrainedSb3) -> Any:
    """Torch module on the CPU from observation (and memory) to head (and memory), normalisation included."""
    import torch
    from torch import nn

    algorithm = trained.algorithm
    mean = torch.tensor(trained.mean)
    scale = torch.tensor(trained.scale)
    clip = trained.clip

    class Whole(nn.Module):
        """Module from raw observation to head output, without memory."""

        def __init__(self) -> None:
            """Keep a copy of the model's policy."""
            super().__init__()
            self.policy: Any = copy_module(trained.model.policy)

        def normalised(self, observation: Any) -> Any:
            """Normalised and clipped observation."""
            return torch.clamp((observation.double() - mean) * scale, -clip, clip).float()

        def forward(self, observation: Any) -> Any:
            """Head output for a batch of observations."""
            x = self.normalised(observation)
            policy = self.policy
            if algorithm == "dqn":
                return policy.q_net(x)
            if algorithm == "qrdqn":
                return policy.quantile_net(x).mean(dim=1)
            features = policy.pi_features_extractor(x)
            return self.end(policy.action_net(policy.mlp_extractor.forward_actor(features)))

        def end(self, raw: Any) -> Any:
            """Final head output: softmax for shares, else unchanged."""
            return torch.softmax(raw, dim=1) if trained.head == "simplex" else raw

    class Recurrent(Whole):
        """Module from observation and LSTM memory to head output and new memory."""

        def forward(self, observation: Any, h: Any, c: Any) -> Any:  # type: ignore[override]
            """Head output and new memory (h, c) for observations and memory."""
            policy = self.policy
            lstm = policy.lstm_actor
            features = policy.pi_features_extractor(self.normalised(observation))
            memory = [
                a.reshape(-1, lstm.num_layers, lstm.hidden_size).transpose(0, 1).contiguous()
                for a in (h, c)
            ]
            latent, (h, c) = lstm(features.unsqueeze(0), tuple(memory))
            raw = policy.action_net(policy.mlp_extractor.forward_actor(latent.squeeze(0)))
            rows = [
                a.transpose(0, 1).reshape(-1, lstm.num_layers * lstm.hidden_size) for a in (h, c)
            ]
            return self.end(raw), *rows

    return Recurrent() if algorithm == "recurrent_ppo" else Whole()


def export_onnx(trained: TrainedSb3) -> bytes:
    """ONNX bytes of a trained model: input ``observation`` [n, D], output named after the head [n, A].

    Of a recurrent network also inputs ``h`` and ``c`` [n, layers x H], zero when an episode starts, and outputs
    ``h_next`` and ``c_next``, to be put in at the next decision.
    """
    module = _module(trained)
    if trained.algorithm != "recurrent_ppo":
        return onnx_of(
            module, ["observation"], [trained.head], [len(trained.mean)], [trained.width]
        )
    lstm = module.policy.lstm_actor
    memory = [lstm.num_layers * lstm.hidden_size] * 2
    names = ["observation", "h", "c"], [trained.head, "h_next", "c_next"]
    return onnx_of(module, *names, [len(trained.mean), *memory], [trained.width, *memory])


def onnx_of(
    module: Any,
    inputs: Sequence[str],
    outputs: Sequence[str],
    sizes: Sequence[int],
    widths: Sequence[int],
) -> bytes:
    """ONNX bytes of a torch module on the CPU, with names and widths of inputs and outputs."""
    import onnx
    import torch

    examples = [torch.zeros(2, size) for size in sizes]
    buffer: Any = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter(
            "ignore"
        )  # that there is a newer exporter, which needs one more package
        torch.onnx.export(
            module,
            tuple(examples),
            buffer,
            input_names=list(inputs),
            output_names=list(outputs),
            opset_version=OPSET,
            dynamo=False,
            dynamic_axes={name: {0: "n"} for name in (*inputs, *outputs)},
        )
    model = onnx.load_model_from_string(buffer.getvalue())
    for output, size in zip(model.graph.output, widths, strict=True):  # the exporter forgets some
        output.type.tensor_type.shape.dim[1].dim_value = size
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data
