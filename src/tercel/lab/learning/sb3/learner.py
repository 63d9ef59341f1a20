"""Algorithms of Stable-Baselines3 and sb3-contrib as a :class:`~tercel.lab.learning.port.Learner`.

    learner = Sb3Learner(env, Sb3Settings("recurrent_ppo", frames, network={"lstm_hidden_size": 64}), seed)
    train(learner, frames)

Recurrent and custom networks, quantiles, and a GPU where torch finds one (`device`), on the very environment that the
native learners act in. Learning is Stable-Baselines3's, unchanged; only annealed values follow our count of frames,
since its own starts again with every call.
"""

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from tercel.execution.policies.mlp import MlpPolicy
from tercel.execution.policies.onnx_policy import OnnxPolicy
from tercel.lab.learning.metrics import ReturnTracker
from tercel.lab.learning.native.normalisation import CLIP, EPSILON
from tercel.lab.learning.port import AnyVectorEnv, Metrics, State, action_sizes
from tercel.lab.learning.sb3.export import TrainedSb3, policy_of, trained_model
from tercel.lab.learning.sb3.settings import (
    ALGORITHMS,
    VALUES,
    Sb3Settings,
    algorithm_class,
    check_parameters,
    policy_kwargs,
    require_module,
)
from tercel.lab.learning.sb3.vec_env import to_sb3

# Decisions per slot between two rows of metrics, for off-policy algorithms.
STEPS_OFF_POLICY = 64
# Defaults for settings that are not given, equal to those of the native learners.
DEFAULTS: dict[str, dict[str, Any]] = {
    "on": {
        "n_steps": 64,
        "batch_size": 256,
        "n_epochs": 4,
        "learning_rate": 5e-4,
        "ent_coef": 0.01,
    },
    "off": {
        "learning_rate": 1e-3,
        "learning_starts": 5_000,
        "train_freq": 1,
        "buffer_size": 200_000,
        "batch_size": 256,
    },
}


# Values of Stable-Baselines3's logger in a row of metrics; NaN before the first update.
LOGGED = {
    "on": (
        "loss",
        "policy_gradient_loss",
        "value_loss",
        "entropy_loss",
        "approx_kl",
        "clip_fraction",
        "explained_variance",
        "learning_rate",
    ),
    "off": ("loss", "learning_rate"),
}


class Sb3Learner:
    """Learner that trains a Stable-Baselines3 or sb3-contrib algorithm on a vector environment.

    Raises
    ------
    ConfigError
        The extra is missing, or a parameter or class that the settings name does not exist.
    """

    def __init__(
        self, env: AnyVectorEnv, settings: Sb3Settings | None = None, seed: int = 0
    ) -> None:
        """Wrap `env` for Stable-Baselines3 and make the algorithm that the settings name."""
        s = self.settings = settings or Sb3Settings()
        module, _, network = ALGORITHMS[s.algorithm]
        require_module("stable_baselines3")
        require_module(module)
        import torch
        from stable_baselines3.common.vec_env import VecNormalize

        torch.set_num_threads(s.threads)
        self.env = env
        self.seed = seed
        self.updates = 0
        self.name = f"sb3_{s.algorithm}"
        self.returns = ReturnTracker(env.num_envs)
        kind = algorithm_class(s.algorithm)
        defaults = DEFAULTS["off" if s.algorithm in VALUES else "on"]
        parameters = {"gamma": 1.0, **defaults, **check_parameters(kind, s.parameters)}
        self.rate = float(parameters.pop("learning_rate"))
        shares = s.head == "simplex" and action_sizes(env)[1] > 0
        self.venv = VecNormalize(
            to_sb3(env, seed, shares=shares, returns=self.returns),
            norm_obs=s.normalise_observations,
            norm_reward=s.scale_rewards,
            clip_obs=CLIP,
            clip_reward=CLIP,
            gamma=parameters["gamma"],
            epsilon=EPSILON,
        )
        self.model = kind(
            network,
            self.venv,
            learning_rate=self._annealed_rate(),
            policy_kwargs=policy_kwargs(s.network),
            seed=seed,
            device=s.device,
            verbose=0,
            **parameters,
        )
        if s.algorithm in VALUES and s.frames:
            explore = self.model.exploration_schedule
            self.model.exploration_schedule = lambda _: explore(1.0 - self._progress())
        self.batch = env.num_envs * int(parameters.get("n_steps", STEPS_OFF_POLICY))

    @property
    def frames(self) -> int:
        """Decisions taken so far."""
        model = getattr(self, "model", None)
        return 0 if model is None else int(model.num_timesteps)

    def _progress(self) -> float:
        """Share of the planned frames taken so far, at most 1."""
        return min(self.frames / self.settings.frames, 1.0) if self.settings.frames else 0.0

    def _annealed_rate(self) -> Callable[[float], float]:
        """Schedule of the learning rate by our count of frames, linear to 0; constant if `settings.frames` is 0."""

        def rate(_: float) -> float:
            """Learning rate at the current frame; the argument is ignored."""
            frames = self.settings.frames
            counted = (
                self.batch
                if frames and self.settings.algorithm not in VALUES and self.frames
                else 0
            )
            return self.rate * (
                1.0 - (min((self.frames - counted) / frames, 1.0) if frames else 0.0)
            )

        return rate

    def update(self) -> Metrics:
        """Run one rollout and its epochs, or as many steps of off-policy learning; returns metrics."""
        self.model.learn(self.batch, reset_num_timesteps=False, log_interval=None)
        self.updates += 1
        mean, episodes = self.returns.take()
        row = {"frames": float(self.frames), "return_mean": mean, "episodes": float(episodes)}
        logged = self.model.logger.name_to_value
        names = LOGGED["off" if self.settings.algorithm in VALUES else "on"]
        return row | {name: float(logged.get(f"train/{name}", np.nan)) for name in names}

    def policy(self) -> MlpPolicy | OnnxPolicy:
        """Greedy policy: arrays for a plain perceptron, else an ONNX network."""
        return policy_of(self.trained_model())

    def trained_model(self) -> TrainedSb3:
        """The trained model with its normalisation and head."""
        return trained_model(self.model, self.settings.head == "simplex", self.venv)

    def _moments(self) -> dict[str, Any]:
        """Running moments of observations and returns in the normalising environment."""
        return {"obs": self.venv.obs_rms, "ret": self.venv.ret_rms}

    def state(self) -> State:
        """Weights, optimiser, normalisation and counts; running episodes and replay memory are left out."""
        import torch

        buffer = io.BytesIO()
        torch.save(self.model.get_parameters(), buffer)
        moments: State = {}
        for name, rms in self._moments().items():
            moments[name] = {
                "mean": np.array(rms.mean),
                "var": np.array(rms.var),
                "count": float(rms.count),
            }
        return {
            "parameters": np.frombuffer(buffer.getvalue(), np.uint8).copy(),
            "moments": moments,
            "returns": self.returns.state(),
            "frames": self.frames,
            "updates": self.updates,
        }

    def restore(self, state: State) -> None:
        """Restore from `state` with new episodes and an empty replay memory."""
        import torch

        data = torch.load(
            io.BytesIO(state["parameters"].tobytes()),
            weights_only=True,
            map_location=self.model.device,
        )
        self.model.set_parameters(data, device=self.model.device)
        for name, rms in self._moments().items():
            saved = state["moments"][name]
            rms.mean = np.array(saved["mean"])
            rms.var = np.array(saved["var"])
            rms.count = float(saved["count"])
        self.returns.restore(state["returns"])
        self.returns.running[:] = 0.0
        self.updates = int(state["updates"])
        self.model.num_timesteps = int(state["frames"])
        self.model._last_obs = None  # learn() starts new episodes
