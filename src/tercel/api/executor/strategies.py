"""The strategy that a caller of an executor names or gives."""

from pathlib import Path
from typing import Any

from tercel.api.evaluation import own_strategy
from tercel.api.policy import Policy
from tercel.api.tuning import Tuned
from tercel.desk.engine.configured_agents import strategy_of
from tercel.execution.policies.strategy import policy_strategy
from tercel.execution.registry import resolve_policy
from tercel.execution.strategies import MarketEstimates
from tercel.execution.strategy import Strategy
from tercel.execution.user_strategy import is_user_strategy, load_named


def strategy_for(given: Any, estimates: MarketEstimates | None = None) -> Strategy:
    """The strategy that a caller names or gives, as :func:`tercel.evaluate` takes it.

    Raises
    ------
    ConfigError, UnknownNameError, PolicyError
        Nothing of that name, or nothing that decides.

    >>> strategy_for("twap_take").name
    'twap_take'
    """
    if isinstance(given, Policy):
        loaded = policy_strategy(given.folder, given.name, given.observation)
        return loaded.with_estimates(estimates)
    if isinstance(given, Tuned):
        return given.strategy(estimates)
    if isinstance(given, Path) or (isinstance(given, str) and Path(given).is_dir()):
        return policy_strategy(resolve_policy(str(given))).with_estimates(estimates)
    if isinstance(given, str) and not given.startswith(("policy:", "packaged:")):
        return load_named(given) if is_user_strategy(given) else strategy_of(given, estimates)
    return strategy_of(given, estimates) if isinstance(given, str) else own_strategy(given)
