"""Stable-Baselines3's PPO on the same environment with the same settings: the judge of the native learner.

It needs the extra ``[learn]``. Torch is imported inside the functions, never with this module. What it learns comes
back as an :class:`MlpPolicy`, so that both learners' results are saved, run and compared as one thing.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tercel.core.errors import ConfigError
from tercel.execution.policies.mlp import Float32, MlpPolicy
from tercel.learning.native.normalise import CLIP, EPSILON
from tercel.learning.native.ppo import PpoSettings
from tercel.learning.port import VecEnv

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv as Sb3VecEnv


def available() -> bool:
    """Whether Stable-Baselines3 can be imported."""
    from importlib.util import find_spec

    return find_spec("stable_baselines3") is not None


def _require() -> None:
    if not available():
        raise ConfigError("Stable-Baselines3 for learner 'sb3'", "a Python without it", "pip install 'tercel[learn]'")


def one_thread() -> None:
    """Keep torch on one thread, as the native learner keeps BLAS."""
    import torch

    torch.set_num_threads(1)


def torch_call(policy: MlpPolicy, observation: Float32) -> Callable[[], object]:
    """One forward pass of the same weights in torch eager on a ready tensor: what inference is measured against."""
    import torch
    from torch import nn

    modules: list[nn.Module] = []
    for weight, bias in policy.layers:
        linear = nn.Linear(*weight.shape)
        linear.weight.data, linear.bias.data = torch.tensor(weight.T.copy()), torch.tensor(bias)
        modules += [linear, nn.Tanh() if policy.activation == "tanh" else nn.ReLU()]
    network = nn.Sequential(*modules[:-1])
    x = torch.tensor((observation - policy.mean) * policy.scale)[None]

    def call() -> object:
        with torch.inference_mode():
            return network(x)

    return call


def to_sb3(env: VecEnv, seed: int) -> "Sb3VecEnv":
    """`env` as a Stable-Baselines3 VecEnv. Masks are not passed on: its PPO has none."""
    _require()
    import gymnasium as gym
    from stable_baselines3.common.vec_env import VecEnv as Base

    class Adapter(Base):
        def __init__(self) -> None:
            space = gym.spaces.Box(-np.inf, np.inf, (env.observation_size,), np.float32)
            super().__init__(env.n, space, gym.spaces.Discrete(env.n_actions))
            self.infos: list[dict[str, Any]] = [{} for _ in range(env.n)]

        def reset(self) -> Any:
            return env.reset(seed).copy()

        def step_async(self, actions: Any) -> None:
            self.actions = actions

        def step_wait(self) -> Any:
            obs, reward, done, _ = env.step(np.asarray(self.actions, np.int64))
            return obs.copy(), np.array(reward, np.float32), done.copy(), self.infos

        def close(self) -> None:
            pass

        def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
            return [getattr(env, attr_name, None)] * env.n

        def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
            raise NotImplementedError

        def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
            raise NotImplementedError

        def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
            return [False] * env.n

    return Adapter()


class Sb3Ppo:
    """Stable-Baselines3's PPO with every setting of :class:`PpoSettings` mapped one to one, on the CPU.

    Its `VecNormalize` is where our normalisation comes from; initialisation (orthogonal, gains sqrt(2), 0.01, 1),
    Adam's epsilon 1e-5 and per-minibatch normalised advantages are its defaults and ours.
    """

    name = "ppo_sb3"

    def __init__(self, env: VecEnv, settings: PpoSettings | None = None, seed: int = 0) -> None:
        from stable_baselines3 import PPO
        from stable_baselines3.common.vec_env import VecNormalize
        from torch import nn

        s = self.settings = settings or PpoSettings()
        self.venv = VecNormalize(
            to_sb3(env, seed),
            norm_obs=s.normalise_observations,
            norm_reward=s.scale_rewards,
            clip_obs=CLIP,
            clip_reward=CLIP,
            gamma=s.gamma,
            epsilon=EPSILON,
        )
        self.batch = s.steps * env.n
        self.model = PPO(
            "MlpPolicy", self.venv, learning_rate=self._schedule(), n_steps=s.steps, batch_size=s.minibatch,
            n_epochs=s.epochs, gamma=s.gamma, gae_lambda=s.lam, clip_range=s.clip, normalize_advantage=True,
            ent_coef=s.entropy, vf_coef=s.value, max_grad_norm=s.max_norm, seed=seed, device="cpu", verbose=0,
            policy_kwargs={"net_arch": list(s.hidden), "activation_fn": nn.Tanh},
        )  # fmt: skip

    def _schedule(self) -> Callable[[float], float]:
        """SB3 asks after a rollout how much is left; the native learner counts from before it, hence one batch more."""
        s = self.settings

        def rate(left: float) -> float:
            if not s.anneal_frames:
                return s.learning_rate
            return s.learning_rate * min(left + self.batch / s.anneal_frames, 1.0)

        return rate

    def learn(self, frames: int, go_on: bool = False) -> None:
        """Train for `frames` frames, from where it stands if `go_on`; if annealing, for ``settings.anneal_frames``."""
        self.model.learn(frames, reset_num_timesteps=not go_on)

    def policy(self) -> MlpPolicy:
        """What was learned, as arrays."""
        from torch import nn

        actor: Any = self.model.policy
        linear = [m for m in actor.mlp_extractor.policy_net if isinstance(m, nn.Linear)] + [actor.action_net]
        layers = tuple(
            (m.weight.detach().numpy().T.astype(np.float32).copy(), m.bias.detach().numpy().copy()) for m in linear
        )
        size = layers[0][0].shape[0]
        mean, scale = np.zeros(size, np.float32), np.ones(size, np.float32)
        if self.settings.normalise_observations:
            moments: Any = self.venv.obs_rms
            mean = moments.mean.astype(np.float32)
            scale = (1.0 / np.sqrt(moments.var + EPSILON)).astype(np.float32)
        return MlpPolicy(layers, mean, scale, CLIP, "tanh", "logits")
