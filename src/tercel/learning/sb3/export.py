"""What Stable-Baselines3 learned, as a policy of ours: arrays, or ONNX with the normalisation inside."""

import copy
import io
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from tercel.execution.policies.mlp import Activation, Head, MlpPolicy
from tercel.execution.policies.onnx_file import OnnxPolicy, from_onnx
from tercel.learning.native.normalise import CLIP
from tercel.learning.port import action_sizes
from tercel.learning.sb3.settings import VALUES

if TYPE_CHECKING:
    from tercel.learning.sb3.learner import Sb3Learner

OPSET = 17
_NAMES: dict[str, Activation] = {"Tanh": "tanh", "ReLU": "relu"}


def head_of(learner: "Sb3Learner") -> Head:
    """What the network puts out."""
    if learner.settings.algorithm in VALUES:
        return "q"
    if action_sizes(learner.env)[1]:
        return "simplex" if learner.settings.head == "simplex" else "vector"
    return "logits"


def policy_of(learner: "Sb3Learner") -> MlpPolicy | OnnxPolicy:
    """Greedy policy of a learner as it stands, a copy."""
    return _perceptron(learner) or from_onnx(exported(learner), head_of(learner))


def _chain(learner: "Sb3Learner") -> list[Any] | None:
    """Modules from the features to the head, or None where the network is more than a chain of them."""
    from stable_baselines3.common.torch_layers import FlattenExtractor

    model: Any = learner.model.policy
    algorithm = learner.settings.algorithm
    if algorithm in ("recurrent_ppo", "qrdqn"):
        return None
    extractor = model.q_net.features_extractor if algorithm == "dqn" else model.pi_features_extractor
    if type(extractor) is not FlattenExtractor:
        return None
    return list(model.q_net.q_net) if algorithm == "dqn" else [*model.mlp_extractor.policy_net, model.action_net]


def _perceptron(learner: "Sb3Learner") -> MlpPolicy | None:
    """The network as arrays, if it is linear layers with one of our activations between."""
    from torch import nn

    modules = _chain(learner)
    if modules is None:
        return None
    linear, between = modules[::2], {type(m).__name__ for m in modules[1::2]}
    plain = all(type(m) is nn.Linear and m.bias is not None for m in linear)
    if not plain or len(modules) % 2 == 0 or len(between) > 1 or not between <= set(_NAMES):
        return None
    layers = tuple(
        (m.weight.detach().cpu().numpy().T.astype(np.float32).copy(), m.bias.detach().cpu().numpy().copy())
        for m in linear
    )
    activation = _NAMES[next(iter(between))] if between else "tanh"
    return MlpPolicy(layers, *learner.normalisation(), CLIP, activation, head_of(learner))


def _copied(policy: Any) -> Any:
    """The network again, on the CPU. What it keeps of its last call is part of a graph and cannot be copied."""
    law = getattr(policy, "action_dist", None)
    last = vars(law).pop("distribution", None) if law is not None else None
    try:
        return copy.deepcopy(policy).cpu().eval()
    finally:
        if law is not None:
            law.distribution = last


def _module(learner: "Sb3Learner") -> Any:
    """The whole of it as one torch module on the CPU: observation (and memory) in, head (and memory) out."""
    import torch
    from torch import nn

    algorithm, head = learner.settings.algorithm, head_of(learner)
    mean, scale = (torch.tensor(a) for a in learner.normalisation())

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.policy: Any = _copied(learner.model.policy)

        def normalised(self, observation: Any) -> Any:
            return torch.clamp((observation - mean) * scale, -CLIP, CLIP)

        def forward(self, observation: Any) -> Any:
            x, policy = self.normalised(observation), self.policy
            if algorithm == "dqn":
                return policy.q_net(x)
            if algorithm == "qrdqn":
                return policy.quantile_net(x).mean(dim=1)
            features = policy.pi_features_extractor(x)
            return self.end(policy.action_net(policy.mlp_extractor.forward_actor(features)))

        def end(self, raw: Any) -> Any:
            return torch.softmax(raw, dim=1) if head == "simplex" else raw

    class Recurrent(Whole):
        def forward(self, observation: Any, h: Any, c: Any) -> Any:  # type: ignore[override]
            policy = self.policy
            lstm = policy.lstm_actor
            features = policy.pi_features_extractor(self.normalised(observation))
            memory = [a.reshape(-1, lstm.num_layers, lstm.hidden_size).transpose(0, 1).contiguous() for a in (h, c)]
            latent, (h, c) = lstm(features.unsqueeze(0), tuple(memory))
            raw = policy.action_net(policy.mlp_extractor.forward_actor(latent.squeeze(0)))
            rows = [a.transpose(0, 1).reshape(-1, lstm.num_layers * lstm.hidden_size) for a in (h, c)]
            return self.end(raw), *rows

    return Recurrent() if algorithm == "recurrent_ppo" else Whole()


def exported(learner: "Sb3Learner") -> bytes:
    """ONNX bytes: input ``observation`` [n, D], output named after the head [n, A].

    Of a recurrent network also inputs ``h`` and ``c`` [n, layers x H], zero when an episode starts, and outputs
    ``h_next`` and ``c_next``, to be put in at the next decision.
    """
    import onnx
    import torch

    module = _module(learner)
    inputs: list[str] = ["observation"]
    outputs: list[str] = [head_of(learner)]
    given = [torch.zeros(2, learner.env.observation_size)]
    if learner.settings.algorithm == "recurrent_ppo":
        lstm = module.policy.lstm_actor
        given += [torch.zeros(2, lstm.num_layers * lstm.hidden_size) for _ in range(2)]
        inputs, outputs = [*inputs, "h", "c"], [*outputs, "h_next", "c_next"]
    buffer: Any = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # that there is a newer exporter, which needs one more package
        torch.onnx.export(
            module, tuple(given), buffer, input_names=inputs, output_names=outputs, opset_version=OPSET, dynamo=False,
            dynamic_axes={name: {0: "n"} for name in (*inputs, *outputs)},
        )  # fmt: skip
    model = onnx.load_model_from_string(buffer.getvalue())
    for output, size in zip(model.graph.output, _widths(learner, module), strict=True):
        output.type.tensor_type.shape.dim[1].dim_value = size
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def _widths(learner: "Sb3Learner", module: Any) -> list[int]:
    """Columns of each output; the exporter forgets some."""
    head = max(action_sizes(learner.env))
    if learner.settings.algorithm != "recurrent_ppo":
        return [head]
    lstm = module.policy.lstm_actor
    return [head] + [lstm.num_layers * lstm.hidden_size] * 2
