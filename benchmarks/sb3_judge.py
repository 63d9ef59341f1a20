"""Stable-Baselines3's PPO on the same environment with the same settings: the judge of the native learner.

What it learns comes back as an :class:`MlpPolicy`, so that both learners' results are saved, run and compared as one
thing.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np

from tercel.core import Float32
from tercel.execution.policies import MlpPolicy
from tercel.lab.learning import CLIP, EPSILON, AnyVectorEnv, PpoSettings
from tercel.lab.learning.sb3 import to_sb3


def available() -> bool:
    """Whether Stable-Baselines3 can be imported."""
    return find_spec("stable_baselines3") is not None


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


class Sb3Ppo:
    """Stable-Baselines3's PPO with every setting of :class:`PpoSettings` mapped one to one, on the CPU.

    Its `VecNormalize` is where our normalisation comes from; initialisation (orthogonal, gains sqrt(2), 0.01, 1),
    Adam's epsilon 1e-5 and per-minibatch normalised advantages are its defaults and ours.
    """

    name = "ppo_sb3"

    def __init__(
        self, env: AnyVectorEnv, settings: PpoSettings | None = None, seed: int = 0
    ) -> None:
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
        self.batch = s.steps * env.num_envs
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
        linear = [m for m in actor.mlp_extractor.policy_net if isinstance(m, nn.Linear)] + [
            actor.action_net
        ]
        layers = tuple(
            (m.weight.detach().numpy().T.astype(np.float32).copy(), m.bias.detach().numpy().copy())
            for m in linear
        )
        size = layers[0][0].shape[0]
        mean, scale = np.zeros(size, np.float32), np.ones(size, np.float32)
        if self.settings.normalise_observations:
            moments: Any = self.venv.obs_rms
            mean = moments.mean.astype(np.float32)
            scale = (1.0 / np.sqrt(moments.var + EPSILON)).astype(np.float32)
        return MlpPolicy(layers, mean, scale, CLIP, "tanh", "logits")
