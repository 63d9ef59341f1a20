"""A learned policy as a strategy: judged, replayed and traded through the same port as the written ones."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tercel.core.arrays import Float32
from tercel.core.errors import PolicyError
from tercel.execution.action_sets import ActionSet, action_set
from tercel.execution.foresight.forecaster import DEFAULT, Forecaster, heard
from tercel.execution.intent import Intents
from tercel.execution.observations import (
    ObservationFunction,
    Observer,
    is_own_name,
    name_of,
    observer,
    same_name,
)
from tercel.execution.policies.card import read_card
from tercel.execution.policies.onnx_file import RecurrentPolicy
from tercel.execution.policies.policy import CARD, PolicyPort, load_policy
from tercel.execution.strategies.events_clock import GAP_NS
from tercel.execution.strategy import Shares, expected_shares, shares
from tercel.execution.view import View

_DISCRETE = ("logits", "q")


@dataclass(frozen=True)
class PolicyStrategy:
    """Acts greedily: the action of the largest logit or value, or the mean vector, decoded by the policy's action set.

    What is judged is this greedy policy, so its expected intent is the intent itself. With `stochastic` the expected
    intent is the mean over the policy's action probabilities instead, which is what a policy that samples discrete
    actions does; the decisions stay greedy. In a halt every decoder holds.

    Parameters
    ----------
    name : str
        As shown in tables: "ppo", "dqn", ...
    policy : PolicyPort
        From observations to actions.
    action_set_name : str
        A set of `execution.action_sets`.
    stochastic : bool
        Whether `expected` averages over action probabilities.
    action_parameters : mapping
        Of the action set.
    observation : str or callable
        An observation of `execution.observations`, or the user's own function of a view.
    stack : int
        Decision intervals that it shows.
    weights : str
        SHA-256 of the policy's file, "" where it was read from none.

    Raises
    ------
    PolicyError
        If the policy has another number of actions than the set, or observes something of another length.
    """

    name: str
    policy: PolicyPort
    action_set_name: str = "placement"
    stochastic: bool = False
    action_parameters: Mapping[str, Any] = field(default_factory=dict)
    observation: str | ObservationFunction = "v1"
    stack: int = 1
    weights: str = ""
    _actions: ActionSet = field(init=False, repr=False, compare=False)
    _observer: Observer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a policy for other actions or of another observation."""
        actions = action_set(self.action_set_name, self.action_parameters)
        if self.policy.n_actions != actions.size:
            raise PolicyError(
                f"a policy with the {actions.size} actions of {actions.name!r}",
                f"{self.policy.n_actions} actions in {self.name!r}",
                "name the action set that its card names",
            )
        head = getattr(self.policy, "head", "logits")
        if actions.continuous == (head in _DISCRETE):
            raise PolicyError(
                f"a head for the {'continuous' if actions.continuous else 'discrete'} actions of {actions.name!r}",
                f"{head!r} in {self.name!r}",
                "name the action set that its card names",
            )
        eyes = observer(self.observation, self.stack)
        if self.policy.observation_size != eyes.size:
            raise PolicyError(
                f"a policy that observes the {eyes.size} entries of {eyes.name!r}, stacked {self.stack}",
                f"{self.policy.observation_size} entries in {self.name!r}",
                "name the observation that its card names",
            )
        object.__setattr__(self, "_actions", actions)
        object.__setattr__(self, "_observer", eyes)

    @property
    def from_a_rule(self) -> bool:
        """Whether it is a written strategy where its network says nothing."""
        return self._actions.from_a_rule

    @property
    def gap_ns(self) -> int:
        """Time between two looks, ns; 0 for a policy that decides as the task's clock says."""
        return GAP_NS if self.action_parameters.get("events") else 0

    @property
    def forecaster(self) -> Forecaster | None:
        """Whose forecasts it is told of; None: nobody's."""
        listening = self.action_parameters.get("flow")
        return heard(str(listening.get("model", DEFAULT))) if listening else None

    def decide(self, view: View) -> Intents:
        """Intents of the greedy actions, int32 (n, 10)."""
        return self.answer(self.observe(view), view)

    def observe(self, view: View) -> Float32:
        """Observation of a view, float32 (n, D): the entries that the policy's card names."""
        return self._observer.encode(view)

    def answer(self, obs: Float32, view: View) -> Intents:
        """Intents of the greedy actions on `obs`, float32 (n, D), which need not be what the view shows.

        Raises
        ------
        PolicyError
            For an observation that is not a number: a network would answer something all the same.
        """
        if not np.isfinite(obs).all():
            row, entry = np.argwhere(~np.isfinite(obs))[0]
            raise PolicyError(
                "an observation of finite numbers",
                f"{obs[row, entry]} in entry {entry} of row {row}, for {self.name!r}",
                "look for it in the columns that the observation is made of",
            )
        if isinstance(self.policy, RecurrentPolicy):
            return self._actions.decode(self.policy.proceed(obs, view.decision == 0), view)
        return self._actions.decode(self.policy.act(obs), view)

    def expected(self, view: View) -> Shares:
        """Shares of the greedy intent, or their mean over the action probabilities, float64 (n, 6)."""
        if not self.stochastic or self._actions.continuous:
            return shares(self._actions.decode(self.policy.act(self.observe(view)), view), view)
        weights = self.policy.probabilities(self.observe(view)).astype("float64")
        return expected_shares(
            weights / weights.sum(axis=1, keepdims=True), self._actions.decode, view
        )


def policy_strategy(
    folder: Path, shown_as: str = "", eyes: ObservationFunction | None = None
) -> PolicyStrategy:
    """The policy in a folder as its card says that it is to be run; `shown_as` is its name in tables, else the card's.

    The one way from a folder to a strategy: a policy of another observation, action set or stack is refused here.

    Parameters
    ----------
    folder : Path
    shown_as : str
    eyes : callable, optional
        The user's own observation, for a policy that was trained with it. What a folder names is never run: whoever
        opens it gives the function.

    Raises
    ------
    PolicyError
        If files are missing or damaged, the card does not fit this version's observations and actions, or names an
        observation of the user's that was not given.
    UnknownNameError, ConfigError
        An observation, a stack or a set of actions that this version does not have.
    """
    declared = read_card(folder / CARD)
    observation = (
        _given(folder, declared.observation, eyes)
        if is_own_name(declared.observation)
        else declared.observation
    )
    policy, card = load_policy(folder, observer(observation, declared.stack).entries)
    return PolicyStrategy(
        shown_as or card.name,
        policy,
        card.actions,
        action_parameters=card.action_parameters,
        observation=observation,
        stack=card.stack,
        weights=card.weights_sha256,
    )


def _given(folder: Path, declared: str, eyes: ObservationFunction | None) -> ObservationFunction:
    """The observation that a card names, if it was given."""
    if eyes is None or not same_name(declared, name_of(eyes)):
        given = "none was given" if eyes is None else f"{name_of(eyes)} was given"
        raise PolicyError(
            f"the function {declared} that the policy observes with",
            f"{folder / CARD} names it, {given}, and nothing that a folder names is run",
            f"give it if it is yours: `observation={declared}` (of `tercel.load_policy`: the function itself)",
        )
    return eyes
