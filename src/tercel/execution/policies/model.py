"""A network of the user's, any other function of observations, or a Stable-Baselines3 model, as a strategy."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Float32
from tercel.core.errors import ConfigError
from tercel.execution.action_sets import action_set
from tercel.execution.observations import ObservationFunction, observer
from tercel.execution.policies.strategy import PolicyStrategy


class _Acting:
    """A function of observations, or a model with `predict`, as a policy."""

    def __init__(
        self, act: Callable[[Float32], Any], size: int, n_actions: int, continuous: bool
    ) -> None:
        self._act = act
        self.observation_size = size
        self.n_actions = n_actions
        self.continuous = continuous
        self.head = "vector" if continuous else "logits"

    def act(self, obs: Float32, mask: Bools | None = None) -> AnyArray:
        """Actions int64 (n,), or float32 (n, A)."""
        found, n = np.asarray(self._act(obs.copy())), len(obs)
        wanted = (n, self.n_actions) if self.continuous else (n,)
        whole = self.continuous or found.dtype.kind in "iu"
        if found.shape != wanted or not whole:
            kind = "numbers" if self.continuous else "whole numbers"
            received = f"{found.dtype} of shape {found.shape}"
            raise ConfigError(
                f"actions as {kind} of shape {wanted}", received, self._remedy(found, n)
            )
        if not self.continuous and ((found < 0) | (found >= self.n_actions)).any():
            received = f"{int(found.min())} to {int(found.max())}"
            raise ConfigError(
                f"actions from 0 to {self.n_actions - 1}",
                received,
                "name the set that it was made for",
            )
        return found.astype(np.float32 if self.continuous else np.int64)

    def _remedy(self, found: AnyArray, n: int) -> str:
        """How to go on with an answer of another shape or kind."""
        if found.ndim == 0 or len(found) != n:
            return f"answer every row of the observation: {n} here"
        if self.continuous:
            return f"answer {self.n_actions} numbers a row, or name the actions that the model was made for: actions=..."
        if found.shape == (n, self.n_actions):
            best = "numpy.argmax(model(obs), axis=1)"
            return f"a number for each action: answer the best one, {best}, or keep the network by tercel.save_policy"
        if found.size == n:
            return "one whole number a row: numpy.asarray(answer).reshape(len(obs)).astype(int)"
        if found.ndim == 2 and found.dtype.kind == "f":
            return f"{found.shape[1]} numbers a row are for other actions than these {self.n_actions}: name theirs"
        return "answer the number of one action a row"

    def logits(self, obs: Float32) -> Float32:
        """1 for the action taken, 0 for every other; of a continuous policy the action."""
        actions = self.act(obs)
        if self.continuous:
            return actions.astype(np.float32)
        return np.asarray(np.eye(self.n_actions, dtype=np.float32)[actions])

    def probabilities(self, obs: Float32, mask: Bools | None = None) -> Float32:
        """Probability 1 of the action taken: the policy is greedy."""
        return self.logits(obs)


def model_strategy(
    model: Any,
    name: str,
    *,
    actions: str = "placement",
    action_parameters: Mapping[str, Any] | None = None,
    observation: str | ObservationFunction = "v1",
    stack: int = 1,
) -> PolicyStrategy:
    """A network, any other callable obs -> action, or a Stable-Baselines3 model as a strategy.

    A model that was trained under a `VecNormalize`, and still has it, sees what it saw there.

    Parameters
    ----------
    model : callable or object with `predict`
        float32 (n, D) -> int64 (n,), or float32 (n, A) where the actions are vectors; of `predict` the first of the two
        that it returns is taken.
    name : str
        Name in tables.
    actions : str
        A set of `tercel.execution.action_sets`: what an action means; with `action_parameters`.
    observation, stack
        What it sees (`tercel.execution.observations`), or your own function of a view.

    Raises
    ------
    UnknownNameError, ConfigError
        No such actions or observation; nothing that can be called.

    >>> import numpy as np
    >>> model_strategy(lambda obs: np.zeros(len(obs), int), "always_0").name
    'always_0'
    """
    predict = getattr(model, "predict", None)
    if predict is None and hasattr(model, "state_dict"):
        remedy = "make a policy of it: tercel.save_policy(model, folder); or give a function obs -> action that calls it"
        raise ConfigError("a function of arrays", f"{type(model).__name__}, a torch module", remedy)
    if predict is None and not callable(model):
        raise ConfigError(
            "a callable obs -> action, or a model with predict", repr(model), "give one of the two"
        )
    call = model if predict is None else _predicting(model)
    parameters = action_parameters or {}
    chosen = action_set(actions, parameters)
    policy = _Acting(call, observer(observation, stack).size, chosen.size, chosen.continuous)
    return PolicyStrategy(
        name, policy, actions, action_parameters=parameters, observation=observation, stack=stack
    )


def _predicting(model: Any) -> Callable[[Float32], Any]:
    """Greedy predictions of a model for raw observations."""
    wrapped = getattr(model, "get_vec_normalize_env", lambda: None)()

    def predict(obs: Float32) -> Any:
        return model.predict(
            obs if wrapped is None else wrapped.normalize_obs(obs), deterministic=True
        )[0]

    return predict
