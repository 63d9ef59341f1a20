"""A learned policy as a strategy: judged, replayed and traded through the same port as the written ones."""

from dataclasses import dataclass, field

import numpy as np

from tercel.core.errors import PolicyError
from tercel.execution.actions import ActionSet, action_set
from tercel.execution.intent import Intents
from tercel.execution.policies.mlp import Float32
from tercel.execution.policies.policy import Policy
from tercel.execution.strategy import Shares, expected_shares, shares
from tercel.execution.view import View


@dataclass(frozen=True)
class PolicyStrategy:
    """Acts greedily: the action of the largest logit or value, decoded by the policy's action set.

    What is judged is this greedy policy, so its expected intent is the intent itself. With `stochastic` the expected
    intent is the mean over the policy's action probabilities instead, which is what a policy that samples does; the
    decisions stay greedy. In a halt every decoder holds.

    Parameters
    ----------
    name : str
        As shown in tables: "ppo", "dqn", "ppo_untrained", ...
    policy : Policy
        From observations to actions.
    action_set_name : str
        "placement", "fraction" or "level".
    stochastic : bool
        Whether `expected` averages over action probabilities.

    Raises
    ------
    PolicyError
        If the policy has another number of actions than the set.
    """

    name: str
    policy: Policy
    action_set_name: str = "placement"
    stochastic: bool = False
    _actions: ActionSet = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a policy for other actions."""
        actions = action_set(self.action_set_name)
        if self.policy.n_actions != actions.size:
            raise PolicyError(
                f"a policy with the {actions.size} actions of {actions.name!r}",
                f"{self.policy.n_actions} actions in {self.name!r}",
                "name the action set that its card names",
            )
        object.__setattr__(self, "_actions", actions)

    def decide(self, view: View) -> Intents:
        """Intents of the greedy actions, int32 (n, 10)."""
        return self.answer(self.observe(view), view)

    def observe(self, view: View) -> Float32:
        """What the policy sees of a view, float32 (n, D): the entries that its card names."""
        return np.asarray(view.obs, np.float32)

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
        return self._actions.decode(self.policy.act(obs), view)

    def expected(self, view: View) -> Shares:
        """Shares of the greedy intent, or their mean over the action probabilities, float64 (n, 6)."""
        if not self.stochastic:
            return shares(self.decide(view), view)
        weights = self.policy.probabilities(np.asarray(view.obs, np.float32)).astype(np.float64)
        return expected_shares(weights / weights.sum(axis=1, keepdims=True), self._actions.decode, view)
