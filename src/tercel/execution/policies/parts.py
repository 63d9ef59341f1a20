"""Ablations of a strategy: the same strategy without its network, its forecasts, its guard or its event clock."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, cast

import numpy as np

from tercel.core.arrays import AnyArray, Float32
from tercel.core.errors import check_known
from tercel.execution.foresight.forecaster import Forecaster, spread_only_forecaster
from tercel.execution.intent import Intents
from tercel.execution.policies.folder import PolicyPort
from tercel.execution.policies.strategy import PolicyStrategy
from tercel.execution.strategies.alpha_tilt import AlphaTilt
from tercel.execution.strategies.guarded import Guarded
from tercel.execution.strategies.timed_takes import TakeTimed
from tercel.execution.strategy import Strategy, Wrapper, forecaster_of, gap_of
from tercel.execution.view import View

# A strategy taken apart: the same without its network, its forecast, its guard or its clock of events.
#
# What a part is worth is what the strategy costs without it less what it costs with it, on the same episodes.
NETWORK = "network"
FORECAST = "forecast"
GUARD = "guard"
CLOCK = "clock"
LEARNED = "learned"
PLACEBO: Final = "placebo"
# Parts by name, and what each is; a placebo does not switch a forecast off, it shows that of another market.
PARTS: Final[Mapping[str, str]] = {
    NETWORK: "what the network moves of the rule that it starts from",
    FORECAST: "what the forecast changes; the cost of waiting stays known",
    GUARD: "the guard against late fills",
    CLOCK: "decisions between those of the schedule",
    LEARNED: "network and forecast together",
    PLACEBO: "the same, given the forecast of another day at that hour, or of another episode",
}


@dataclass(frozen=True)
class Idle:
    """A policy whose actions are all zeros, in place of a network that moves a rule."""

    policy: PolicyPort

    def __getattr__(self, name: str) -> Any:
        return getattr(self.policy, name)

    def act(self, obs: Float32) -> AnyArray:
        """Zeros of the shape of the inner policy's actions."""
        return np.zeros_like(self.policy.act(obs))


@dataclass(frozen=True)
class _Same(Wrapper):
    """Wrapper that keeps the name of the inner strategy."""

    inner: Strategy

    def decide(self, view: View) -> Intents:
        """Intents of the inner strategy."""
        return self.inner.decide(view)


class OnSchedule(_Same):
    """The strategy without its event clock: it decides on the task's schedule alone."""

    @property
    def gap_ns(self) -> int:
        """0: no event clock."""
        return 0


class WithoutForecast(_Same):
    """The strategy without forecasts: it sees the usual spread alone."""

    @property
    def forecaster(self) -> Forecaster:
        """A forecaster of the usual spread alone."""
        return spread_only_forecaster()


class ZeroForecast(_Same):
    """The strategy with all forecast moves 0: it decides by the costs of taking and waiting."""

    @property
    def forecaster(self) -> Forecaster | None:
        """The inner strategy's forecaster with all moves 0, their standard deviations kept; None without one."""
        forecaster = forecaster_of(self.inner)
        return (
            None if forecaster is None else replace(forecaster, scale=forecaster.scale * [0.0, 1.0])
        )


class PlaceboForecast(_Same):
    """Mark of a strategy that is to be given the forecasts of other episodes; `lab.evaluation.windows` exchanges them."""


def reads_forecasts(strategy: Strategy) -> bool:
    """Whether a strategy reads forecasts; False for one whose forecaster only tells the usual spread."""
    return forecaster_of(strategy) not in (None, spread_only_forecaster())


def with_forecaster(strategy: Strategy, model: str) -> Strategy:
    """The strategy with another forecaster (name of a shipped one, or folder), here or inside it; unchanged if it reads none.

    >>> from tercel.execution.policies_packaged import build_named
    >>> with_forecaster(build_named("default+posture"), "mine").inner.action_parameters["flow"]["model"]
    'mine'
    """
    changes: dict[str, Any] = {}
    if isinstance(strategy, PolicyStrategy) and reads_forecasts(strategy):
        changes["action_parameters"] = {**strategy.action_parameters, "flow": {"model": model}}
    elif isinstance(strategy, TakeTimed):
        changes["model"] = model
    if (inner := getattr(strategy, "inner", None)) is not None:
        changes["inner"] = with_forecaster(inner, model)
    return replace(cast(Any, strategy), **changes) if changes else strategy


def without_part(strategy: Strategy, part: str) -> Strategy | None:
    """`strategy` without one of its `PARTS`, here or inside it; None if it has no such part.

    Parameters
    ----------
    strategy : Strategy
    part : str
        One of `PARTS`.

    Raises
    ------
    UnknownNameError
        No such part.

    >>> from tercel.execution.strategies import build
    >>> without_part(build("guarded"), "clock").name, without_part(build("twap_repeg"), "clock")
    ('guarded', None)
    """
    check_known(part, PARTS, received=f"part {part!r}")
    if part == CLOCK:
        return OnSchedule(strategy) if gap_of(strategy) else None
    if part == LEARNED:
        silent = without_part(strategy, NETWORK)
        return without_part(silent or strategy, FORECAST) or silent
    if part == PLACEBO:
        return PlaceboForecast(strategy) if reads_forecasts(strategy) else None
    if part == FORECAST:
        deaf = _without_alpha(strategy)
        if not reads_forecasts(strategy):
            return deaf
        return (ZeroForecast if goes_by_costs(strategy) else WithoutForecast)(deaf or strategy)
    if isinstance(strategy, Wrapper):
        inner = without_part(strategy.inner, part)
        return None if inner is None else replace(strategy, inner=inner)  # type: ignore[type-var]
    if isinstance(strategy, PolicyStrategy):
        return _policy_without(strategy, part)
    return (
        replace(strategy, guard=None) if isinstance(strategy, Guarded) and part == GUARD else None
    )


def goes_by_costs(strategy: Strategy) -> bool:
    """Whether the policy inside a strategy compares the cost of taking now with the cost of waiting."""
    if isinstance(strategy, Wrapper):
        return goes_by_costs(strategy.inner)
    return isinstance(strategy, PolicyStrategy) and strategy.goes_by_costs


def _without_alpha(strategy: Strategy) -> Strategy | None:
    """The strategy without its tilt by an alpha; None if it has none."""
    if isinstance(strategy, AlphaTilt):
        return strategy.inner
    inner = _without_alpha(strategy.inner) if isinstance(strategy, Wrapper) else None
    return None if inner is None else replace(strategy, inner=inner)  # type: ignore[type-var]


def _policy_without(strategy: PolicyStrategy, part: str) -> Strategy | None:
    """A policy strategy without one of its parts; None for parts that it has not."""
    if part == NETWORK and strategy.from_a_rule:
        return replace(strategy, policy=Idle(strategy.policy))
    if part == GUARD and strategy.goes_by_costs:
        return replace(strategy, action_parameters={**strategy.action_parameters, "guarded": False})
    if part == GUARD and GUARD in strategy.action_parameters:
        parameters = {
            name: value for name, value in strategy.action_parameters.items() if name != GUARD
        }
        return replace(strategy, action_parameters=parameters)
    return None
