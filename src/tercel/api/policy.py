"""Trained policies on disk: one loaded by name, copied, given statistics for a market, or made of one's own model."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tercel.core.errors import PolicyError
from tercel.core.files import write_atomic
from tercel.execution.observation import ObservationFunction
from tercel.execution.policies.calm_observations import OBSERVATIONS
from tercel.execution.policies.card import Card, read_card
from tercel.execution.policies.folder import CARD, MODEL, require_free_folder
from tercel.execution.policies.mlp import Activation
from tercel.execution.policies.strategy import policy_strategy
from tercel.execution.registry import resolve_policy
from tercel.execution.registry.resolve import POLICY
from tercel.lab.evaluation.calm_observations import observe_preset, task_of
from tercel.lab.learning.own_models import save_model


@dataclass(frozen=True)
class Policy:
    """A trained policy on disk; :func:`tercel.train` and :func:`load_policy` make one.

    Parameters
    ----------
    folder : Path
        Folder with ``policy.onnx`` and ``card.json``.
    name : str
        Name in tables.
    observation : callable, optional
        The user's own observation function of its training.

    >>> load_policy("default").card.actions
    'costs'
    """

    folder: Path
    name: str
    observation: ObservationFunction | None = field(default=None, repr=False)
    _folder_guard: TemporaryDirectory[str] | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        """Folder and name, and whether nothing was learned."""
        text = f"Policy(folder={str(self.folder)!r}, name={self.name!r})"
        try:
            return (
                f"{text}: nothing was learned, it is what its training began with"
                if self.card.is_start
                else text
            )
        except PolicyError:
            return text

    @property
    def card(self) -> Card:
        """Card of the policy: observation, actions, training data and validation results."""
        return read_card(self.folder / CARD)

    @property
    def selection_text(self) -> str:
        """Text on which weights the training selected (start or a checkpoint); "" if the card does not say."""
        return self.card.selection_text

    @property
    def temporary(self) -> bool:
        """Whether the folder is deleted with the object."""
        return self._folder_guard is not None

    def save(self, folder: str | Path) -> "Policy":
        """Copy the policy into a new folder; return the policy there.

        Raises
        ------
        ConfigError
            The folder holds other files.
        """
        target = require_free_folder(Path(folder))
        target.mkdir(parents=True, exist_ok=True)
        for name in (MODEL, CARD, OBSERVATIONS):
            if (self.folder / name).is_file():
                shutil.copyfile(self.folder / name, target / name)
        return Policy(target, self.name, self.observation)

    def observe(self, market: str) -> "Policy":
        """Write the policy's observation statistics in a preset market beside its card, for a desk to detect shifted inputs.
        Returns the policy itself.

        Training does this by itself. The orders are those of its card's task.

        Raises
        ------
        PolicyError, UnknownNameError, ConfigError
            A policy or a market that cannot be loaded.
        """
        strategy = policy_strategy(self.folder, own_observation=self.observation)
        statistics = observe_preset(task_of(self.card), strategy, market)
        write_atomic(self.folder / OBSERVATIONS, statistics.to_json())
        return self


def load_policy(
    name: str | Path, as_name: str = "", *, observation: ObservationFunction | None = None
) -> Policy:
    """A policy by name: a folder, a packaged one (``default``), or ``NAME@VERSION`` of the registry.

    Parameters
    ----------
    name : str or Path
    as_name : str
        Its name in tables; if not given `name`, for a folder the name on its card.
    observation : callable, optional
        The user's own observation function of its training: the card has only its name, and no code of a folder is
        run.

    Raises
    ------
    PolicyError, UnknownNameError
        A folder without a policy, one of another observation, or an unknown name.

    >>> load_policy("default").card.limits["horizon_s"]
    1800.0
    """
    folder = resolve_policy(str(name))
    policy_strategy(folder, own_observation=observation)
    typed_name = str(name).rstrip("/")
    card_name = (
        read_card(folder / CARD).name if Path(typed_name.removeprefix(POLICY)).is_dir() else ""
    )
    return Policy(folder, as_name or card_name or typed_name, observation)


def save_policy(
    model: Any,
    folder: str | Path,
    name: str = "",
    *,
    actions: str | None = None,
    action_parameters: Mapping[str, Any] | None = None,
    observation: ObservationFunction | str | None = None,
    stack: int | None = None,
    activation: Activation = "tanh",
    trained_on: Mapping[str, Any] | None = None,
    normalize: Any = None,
) -> Policy:
    """Save your own model as a policy folder: weights as ONNX, and a card; reading it runs no code.

    Parameters
    ----------
    model : path, bytes, sequence of (weight, bias), torch module or model of Stable-Baselines3
        An ONNX file or its bytes, with one float32 input (n, D); layers as arrays (in, out) and (out,) with an
        activation between them; a torch module; or a model of Stable-Baselines3. Its output is one number per action,
        the greatest of which is chosen; a vector for vector actions; and shares for the actions `allocation`, for which
        layers output logits.
    folder : str or Path
        A new or empty folder, or that of a policy, which is replaced.
    name : str
        Name on its card and in tables; the folder's if not given.
    actions, action_parameters, observation, stack
        Its actions and observation, as in :func:`tercel.model_strategy`.
    activation : str
        Activation between layers: tanh or relu.
    trained_on : mapping, optional
        Facts for the card, such as ``{"symbol": "AMZN", "trained on": "2012-06-20 to 2012-06-21"}``: recorded days
        named there are not used in evaluation.
    normalize
        As in :func:`tercel.model_strategy`.

    Raises
    ------
    ConfigError
        No such model, or a folder that holds other files.
    PolicyError
        A network that does not run, or whose sizes do not fit its observation and actions.

    >>> import tempfile, numpy as np
    >>> layers = [(np.zeros((50, 8)), np.eye(8)[2])]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_policy(layers, folder, "at_the_touch").card.actions
    'placement'
    """
    interface = {
        "actions": actions,
        "action_parameters": action_parameters,
        "observation": observation,
        "stack": stack,
    }
    strategy = save_model(
        model, Path(folder), name, interface, activation, trained_on or {}, normalize
    )
    return Policy(
        Path(folder),
        strategy.name,
        None if isinstance(strategy.observation, str) else strategy.observation,
    )
