"""A saved policy as a strategy: observes a view, takes the greedy action, decodes the action into intents."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tercel.core.arrays import Float32
from tercel.core.errors import PolicyError, UnknownNameError, refuse_if
from tercel.execution.action_sets import ActionSet, action_set, base_strategy
from tercel.execution.columns import OBSERVATION
from tercel.execution.foresight.forecaster import DEFAULT, Forecaster, readable_forecaster
from tercel.execution.intent import Intents
from tercel.execution.observation import (
    COSTS,
    OBSERVERS,
    ObservationFunction,
    Observer,
    is_user_name,
    name_of,
    observer,
    same_name,
    warn_of_name,
)
from tercel.execution.policies.card import Card, read_card
from tercel.execution.policies.folder import CARD, PolicyPort, load_policy
from tercel.execution.policies.onnx_policy import RecurrentPolicy
from tercel.execution.policies.packaged_folders import folder_of, packaged_names, resolve_packaged
from tercel.execution.strategies.market_estimates import MarketEstimates
from tercel.execution.strategy import Shares, Strategy, forecaster_of, shares
from tercel.execution.view import View

_DISCRETE = ("logits", "q")


@dataclass(frozen=True)
class PolicyStrategy:
    """A policy as a strategy: the greedy action, decoded by its action set.

    Evaluations judge this greedy policy, so its expected intent is the intent itself. In a halt every decoder holds.

    Parameters
    ----------
    name : str
        As shown in tables: "ppo", "dqn", ...
    policy : PolicyPort
        From observations to actions.
    action_set_name : str
        A set of `execution.action_sets`.
    action_parameters : mapping
        Of the action set.
    observation : str or callable
        An observation of `execution.observation`, or the user's own function of a view.
    stack : int
        Decision intervals that it shows.
    weights : str
        SHA-256 of the policy's file, "" where it was read from none.
    waiting : float
        Cost of a resting order in its market, over half the spread (`View.waiting`); 0: as measured there.

    Raises
    ------
    PolicyError
        If the policy has another number of actions than the set, or observes something of another length.
    """

    name: str
    policy: PolicyPort
    action_set_name: str = "placement"
    action_parameters: Mapping[str, Any] = field(default_factory=dict)
    observation: str | ObservationFunction = OBSERVATION
    stack: int = 1
    weights: str = ""
    waiting: float = 0.0
    _actions: ActionSet = field(init=False, repr=False, compare=False)
    _observer: Observer = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raise PolicyError for a policy that does not fit the action set or the observation."""
        actions = action_set(self.action_set_name, self.action_parameters, base_of)
        refuse_if(
            self.policy.n_actions != actions.size,
            f"a policy with the {actions.size} actions of {actions.name!r}",
            f"{self.policy.n_actions} actions in {self.name!r}",
            "name the action set that its card names",
            PolicyError,
        )
        head = getattr(self.policy, "head", "logits")
        refuse_if(
            actions.continuous == (head in _DISCRETE),
            f"a head for the {'continuous' if actions.continuous else 'discrete'} actions of {actions.name!r}",
            f"{head!r} in {self.name!r}",
            "name the action set that its card names",
            PolicyError,
        )
        observed = observer(self.observation, self.stack)
        refuse_if(
            self.policy.observation_size != observed.size,
            f"a policy that observes the {observed.size} entries of {observed.name!r}, stacked {self.stack}",
            f"{self.policy.observation_size} entries in {self.name!r}",
            "name the observation that its card names",
            PolicyError,
        )
        object.__setattr__(self, "_actions", actions)
        object.__setattr__(self, "_observer", observed)

    @property
    def from_a_rule(self) -> bool:
        """Whether action 0, or a vector of zeros, means the decisions of a rule."""
        return self._actions.from_a_rule

    @property
    def gap_ns(self) -> int:
        """Least time between two decisions on the event clock, ns; 0 for the task's clock."""
        return self._actions.gap_ns

    def with_estimates(self, estimates: MarketEstimates | None) -> "PolicyStrategy":
        """The strategy with the cost of waiting of estimates of its market; itself for None."""
        return self if estimates is None else replace(self, waiting=estimates.waiting)

    @property
    def goes_by_costs(self) -> bool:
        """Whether the strategy, or its base, compares the cost of taking now with the cost of waiting (actions `costs`)."""
        return self.action_set_name == COSTS or getattr(self._actions.base, "goes_by_costs", False)

    @property
    def forecaster(self) -> Forecaster | None:
        """The forecaster that the strategy reads, with its cost of waiting, or None."""
        flow = self.action_parameters.get("flow")
        forecaster = (
            readable_forecaster(str(flow.get("model", DEFAULT)))
            if flow
            else forecaster_of(self._actions.base)
        )
        if forecaster is None or not self.waiting:
            return forecaster
        return replace(forecaster, waiting=self.waiting)

    def decide(self, view: View) -> Intents:
        """Intents of the greedy actions, int32 (n, 10); moves a memory on."""
        return self.answer(self.observe(view), view)

    def observe(self, view: View) -> Float32:
        """Observation of a view, float32 (n, D): the entries that the policy's card names."""
        return self._observer.encode(view)

    def answer(self, obs: Float32, view: View) -> Intents:
        """Intents int32 (n, 10) of greedy actions on observations, float32 (n, D), in the state of a view; moves a memory on.

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
        """Shares of the greedy intent, float64 (n, 6); a memory is neither read nor changed."""
        return shares(self._actions.decode(self.policy.act(self.observe(view)), view), view)


def base_of(parameters: Mapping[str, Any]) -> Strategy:
    """The strategy that an action set's parameters name as its ``base``: a packaged policy, or a rule (`base_strategy`).

    >>> base_of({"base": "default"}).name, base_of({"base": "guarded"}).name
    ('default', 'guarded')
    """
    packaged = resolve_packaged(str(parameters.get("base", "")))
    if packaged in packaged_names():
        return policy_strategy(folder_of(packaged))
    return base_strategy(parameters)


def policy_strategy(
    folder: Path, shown_as: str = "", own_observation: ObservationFunction | None = None
) -> PolicyStrategy:
    """Load the policy of a folder as a strategy, as its card says; `shown_as` is its name in tables ("": the card's).

    The one way from a folder to a strategy: a policy of another observation, action set or stack is refused here.

    Parameters
    ----------
    folder : Path
    shown_as : str
    own_observation : callable, optional
        The user's own observation, for a policy that was trained with it. What a folder names is never run: the caller
        gives the function.

    Raises
    ------
    PolicyError
        If files are missing or damaged, the card does not fit this version's observations and actions, or names an
        observation of the user's that was not given.
    UnknownNameError, ConfigError
        An observation, a stack or a set of actions that this version does not have.
    """
    declared = read_card(folder / CARD)
    observation: str | ObservationFunction = declared.observation
    if is_user_name(declared.observation):
        observation = _match_observation(folder, declared, own_observation)
    elif declared.observation not in OBSERVERS:
        raise UnknownNameError(
            f"a policy of one of the observations {', '.join(OBSERVERS)}",
            f"{folder / CARD}: observation {declared.observation!r}",
            "train it again: what it observes is no longer made",
        )
    entries = observer(observation, declared.stack).entries
    is_renamed = not isinstance(observation, str) and not same_name(
        declared.observation, name_of(observation)
    )
    policy, card = load_policy(folder, declared.observes if is_renamed else entries)
    return PolicyStrategy(
        shown_as or card.name,
        policy,
        card.actions,
        action_parameters=card.action_parameters,
        observation=observation,
        stack=card.stack,
        weights=card.weights_sha256,
    )


def _match_observation(
    folder: Path, card: Card, function: ObservationFunction | None
) -> ObservationFunction:
    """The given observation function, under the name that a card declares or, with a warning, under another if it answers
    the same on made-up views; PolicyError for None or another.
    """
    is_alike = function is not None and _answers_alike(card, function)
    if function is not None and (is_alike or same_name(card.observation, name_of(function))):
        warn_of_name(card.observation, function, str(folder / CARD))
        if not is_alike:
            warnings.warn(
                f"{card.observation} answers otherwise than when {folder / CARD} was written",
                stacklevel=2,
            )
        return function
    received = (
        "none was given"
        if function is None
        else f"{name_of(function)} was given, which answers otherwise"
    )
    raise PolicyError(
        f"the function {card.observation} that the policy observes with",
        f"{folder / CARD} names it, {received}, and nothing that a folder names is run",
        f"give it if it is yours: `observation={card.observation}` (of `tercel.load_policy`: the function itself)",
    )


def _answers_alike(card: Card, function: ObservationFunction) -> bool:
    """Whether a function answers made-up views as a card says, of an older card with as many numbers."""
    try:
        observed = observer(function)
        return len(card.observes) == observed.size and card.observation_answers in (
            "",
            observed.answers,
        )
    except Exception:
        return False
