"""Between our learners and Stable-Baselines3: settings and environments in, networks out."""

import copy
import importlib
import inspect
import io
import pickle
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tercel.core.arrays import Float32, Floats
from tercel.core.errors import ConfigError, PolicyError, check_known, refuse_if
from tercel.core.serialization import parse_json
from tercel.execution.policies.network import Activation, Head, MlpPolicy, OnnxPolicy, from_onnx
from tercel.execution.policies.strategy import BOUND
from tercel.lab.learning.native.learner import CLIP
from tercel.lab.learning.port import ReturnTracker, VecEnv, action_sizes

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv as Sb3VecEnv


# Name -> module, class, policy. Values are learned off policy by the last two.
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


# -- env ------------------------------------------------------------------------------------------
# Our environments as Stable-Baselines3 wants them.


def require(module: str = "stable_baselines3") -> None:
    """Say what to install when `module` cannot be imported.

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


def softmax(x: Float32) -> Float32:
    """Shares float32[n, A] by the softmax of each row."""
    weights = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray((weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))


def to_sb3(
    env: VecEnv, seed: int, *, shares: bool = False, returns: ReturnTracker | None = None
) -> "Sb3VecEnv":
    """`env` as a Stable-Baselines3 VecEnv: discrete actions, or vectors; masks as sb3-contrib asks.

    Parameters
    ----------
    env : VecEnv
    seed : int
        Of every reset.
    shares : bool
        Whether actions are the softmax of the network's output.
    returns : ReturnTracker, optional
        Gets every reward.

    Notes
    -----
    Where an episode of an `ExecutionVec` ends, its info has `is_bps`, the shortfall, and `terminal_observation`.
    """
    require()
    import gymnasium as gym
    from stable_baselines3.common.vec_env import VecEnv as Base

    numbers, entries = action_sizes(env)
    own = {"render_mode": None, "vec": env, "shares": shares}
    own |= {"action_masks": True} if hasattr(env, "mask") and numbers else {}

    class Adapter(Base):
        def __init__(self) -> None:
            space = gym.spaces.Box(-np.inf, np.inf, (env.observation_size,), np.float32)
            choice = (
                gym.spaces.Box(-BOUND, BOUND, (entries,), np.float32)
                if entries
                else gym.spaces.Discrete(numbers)
            )
            super().__init__(env.n, space, choice)
            self.infos: list[dict[str, Any]] = [{} for _ in range(env.n)]

        def reset(self) -> Any:
            return env.reset(seed).copy()

        def step_async(self, actions: Any) -> None:
            self.actions = actions

        def step_wait(self) -> Any:
            actions: Any = np.asarray(self.actions, np.float32 if entries else np.int64)
            obs, reward, done, info = env.step(cast(Any, softmax(actions)) if shares else actions)
            if returns is not None:
                returns.add(reward, done)
            infos = [*self.infos]
            for i in info.get("which", ()):
                infos[i] = {
                    "terminal_observation": info["final_obs"][i].copy(),
                    "is_bps": float(info["is_bps"][i]),
                }
            return obs.copy(), np.array(reward, np.float32), done.copy(), infos

        def close(self) -> None:
            pass

        def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
            if attr_name not in own:
                raise AttributeError(attr_name)
            return [own[attr_name]] * env.n

        def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
            raise NotImplementedError

        def env_method(
            self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any
        ) -> list[Any]:
            if method_name == "action_masks" and hasattr(env, "mask"):
                return list(env.mask().copy())
            raise NotImplementedError

        def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
            return [False] * env.n

    return Adapter()


def monitored(env: "Sb3VecEnv") -> "Sb3VecEnv":
    """`env` with each episode's reward, length and shortfall counted, from which Stable-Baselines3 logs its curves."""
    from stable_baselines3.common.vec_env import VecMonitor

    return VecMonitor(env, info_keywords=("is_bps",))


# -- export ---------------------------------------------------------------------------------------
# What Stable-Baselines3 learned, as a policy of ours: arrays, or ONNX with the normalisation inside.
#
# An archive of Stable-Baselines3 is unpickled and may run any code. A caller that reads one here trusts it.

OPSET = 17
_NAMES: dict[str, Activation] = {"Tanh": "tanh", "ReLU": "relu"}


# Classes of models -> the algorithm whose networks they have.
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
    """A model of Stable-Baselines3, and what comes before and after its network.

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


def trained(model: Any, shares: bool = False, normalised: Any = None) -> TrainedSb3:
    """A model of Stable-Baselines3, with the normalisation that it was trained under.

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
    space, named = model.observation_space, [one.__name__ for one in type(model).__mro__]
    kind = next((name for name in named if name in _CLASSES), named[0])
    refuse_if(
        kind not in _CLASSES or len(space.shape or ()) != 1,
        f"a model of {', '.join(_CLASSES)} that observes rows of numbers",
        f"{kind} that observes {space.shape}",
        "export its network as ONNX yourself, and give that",
    )
    algorithm, numbers = _CLASSES[kind], int(getattr(model.action_space, "n", 0))
    head: Head = (
        "q" if algorithm in VALUES else "logits" if numbers else "simplex" if shares else "vector"
    )
    mean, scale = np.zeros(space.shape), np.ones(space.shape)
    clip = float(np.finfo(np.float32).max)
    if normalised is not None and normalised.norm_obs:
        moments = normalised.obs_rms
        clip = float(normalised.clip_obs)
        mean = moments.mean
        scale = 1.0 / np.sqrt(moments.var + normalised.epsilon)
    return TrainedSb3(
        model, algorithm, head, numbers or int(model.action_space.shape[0]), mean, scale, clip
    )


def policy_of(learned: TrainedSb3) -> MlpPolicy | OnnxPolicy:
    """Its current greedy policy, a copy."""
    return _perceptron(learned) or from_onnx(exported(learned), learned.head)


def _chain(learned: TrainedSb3) -> list[Any] | None:
    """Modules from the features to the head, or None where the network is more than a chain of them."""
    from stable_baselines3.common.torch_layers import FlattenExtractor

    model: Any = learned.model.policy
    algorithm = learned.algorithm
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


def _perceptron(learned: TrainedSb3) -> MlpPolicy | None:
    """The network as arrays, if it is linear layers with one of our activations between."""
    from torch import nn

    modules = _chain(learned)
    if modules is None:
        return None
    linear, between = modules[::2], {type(m).__name__ for m in modules[1::2]}
    plain = all(type(m) is nn.Linear and m.bias is not None for m in linear)
    if not plain or len(modules) % 2 == 0 or len(between) > 1 or not between <= set(_NAMES):
        return None
    layers = [
        (
            m.weight.detach().cpu().numpy().T.astype(np.float32).copy(),
            m.bias.detach().cpu().numpy().copy(),
        )
        for m in linear
    ]
    mean, scale = learned.mean.astype(np.float32), learned.scale.astype(np.float32)
    # what rounding takes from the mean is much where the deviation is small: it goes into the first bias
    weight, bias = layers[0]
    layers[0] = weight, (bias - ((learned.mean - mean) * learned.scale) @ weight).astype(np.float32)
    activation = _NAMES[next(iter(between))] if between else "tanh"
    return MlpPolicy(tuple(layers), mean, scale, learned.clip, activation, learned.head)


def copied(policy: Any) -> Any:
    """The network again, on the CPU. What it keeps of its last call is part of a graph and cannot be copied."""
    law = getattr(policy, "action_dist", None)
    last = vars(law).pop("distribution", None) if law is not None else None
    try:
        return copy.deepcopy(policy).cpu().eval()
    finally:
        if law is not None:
            law.distribution = last


def _module(learned: TrainedSb3) -> Any:
    """The whole of it as one torch module on the CPU: observation (and memory) in, head (and memory) out."""
    import torch
    from torch import nn

    algorithm, head = learned.algorithm, learned.head
    mean, scale, clip = torch.tensor(learned.mean), torch.tensor(learned.scale), learned.clip

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.policy: Any = copied(learned.model.policy)

        def normalised(self, observation: Any) -> Any:
            return torch.clamp((observation.double() - mean) * scale, -clip, clip).float()

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


def exported(learned: TrainedSb3) -> bytes:
    """ONNX bytes: input ``observation`` [n, D], output named after the head [n, A].

    Of a recurrent network also inputs ``h`` and ``c`` [n, layers x H], zero when an episode starts, and outputs
    ``h_next`` and ``c_next``, to be put in at the next decision.
    """
    module = _module(learned)
    if learned.algorithm != "recurrent_ppo":
        return onnx_of(
            module, ["observation"], [learned.head], [len(learned.mean)], [learned.width]
        )
    lstm = module.policy.lstm_actor
    memory = [lstm.num_layers * lstm.hidden_size] * 2
    names = ["observation", "h", "c"], [learned.head, "h_next", "c_next"]
    return onnx_of(module, *names, [len(learned.mean), *memory], [learned.width, *memory])


def onnx_of(
    module: Any,
    inputs: Sequence[str],
    outputs: Sequence[str],
    sizes: Sequence[int],
    widths: Sequence[int],
) -> bytes:
    """A torch module on the CPU as ONNX bytes: inputs and outputs by name, rows of so many numbers each."""
    import onnx
    import torch

    given = [torch.zeros(2, size) for size in sizes]
    buffer: Any = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter(
            "ignore"
        )  # that there is a newer exporter, which needs one more package
        torch.onnx.export(
            module,
            tuple(given),
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


# Where the class of a model's policy is written -> the algorithm.
_MODULES = {
    "sb3_contrib.common.recurrent": "recurrent_ppo",
    "sb3_contrib.common.maskable": "maskable_ppo",
    "sb3_contrib.qrdqn": "qrdqn",
    "stable_baselines3.dqn": "dqn",
    "stable_baselines3.common.policies": "ppo",
}


def algorithm_of(path: Path) -> str:
    """The algorithm whose model lies in an archive, read off its text; nothing is unpickled.

    Raises
    ------
    PolicyError
        No archive of a model, or of an algorithm that is not known here.
    """
    remedy = "name what model.save(...) wrote, of one of these algorithms"
    try:
        with zipfile.ZipFile(path) as archive:
            content = parse_json(archive.read("data"))
        module = str(content["policy_class"]["__module__"])
    except (OSError, KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise PolicyError(
            "an archive of a Stable-Baselines3 model", f"{path}: {error}", remedy
        ) from error
    found = next((name for start, name in _MODULES.items() if module.startswith(start)), "")
    refuse_if(
        not found,
        f"a model of {', '.join(ALGORITHMS)}",
        f"{path} with a policy of {module}",
        remedy,
        PolicyError,
    )
    return found


def unpickled(path: Path, moments: Path | None = None) -> tuple[Any, Any]:
    """The model in an archive, and the `VecNormalize` that was saved beside it.

    Parameters
    ----------
    path : Path
        Archive of ``model.save``.
    moments : Path, optional
        File of ``VecNormalize.save``.

    Raises
    ------
    ConfigError, PolicyError
        Stable-Baselines3 is not installed; files that are something else.
    """
    require()
    name = algorithm_of(path)
    require(ALGORITHMS[name][0].partition(".")[0])
    try:
        model = algorithm_class(name).load(path, device="cpu")
        normalised = None if moments is None else pickle.loads(moments.read_bytes())
    except Exception as error:  # code in a pickle may raise anything
        raise PolicyError(
            "a model that can be read",
            f"{path}: {error}"[:400],
            "save it again with the versions that are installed here",
        ) from error
    refuse_if(
        moments is not None and "norm_obs" not in getattr(normalised, "__dict__", {}),
        "what VecNormalize.save wrote",
        f"{moments}: {type(normalised).__name__}",
        "name that file",
        PolicyError,
    )
    return model, normalised
