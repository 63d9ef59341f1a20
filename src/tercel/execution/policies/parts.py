"""A strategy taken apart: the same without its network, its forecast, its guard or its clock of events.

What a part is worth is what the strategy costs without it less what it costs with it, on the same episodes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from tercel.core.arrays import AnyArray, Bools, Float32
from tercel.core.names import check_known
from tercel.execution.foresight.forecaster import Forecaster, spread_alone
from tercel.execution.intent import Intents
from tercel.execution.policies.policy import PolicyPort
from tercel.execution.policies.strategy import PolicyStrategy
from tercel.execution.strategies.alpha_tilt import AlphaTilt
from tercel.execution.strategies.guarded import Guarded
from tercel.execution.strategy import Strategy, Wrapper, forecaster_of, gap_of
from tercel.execution.view import View

NETWORK, FORECAST, GUARD, CLOCK, LEARNED = "network", "forecast", "guard", "clock", "learned"
PARTS: Final[Mapping[str, str]] = {
    NETWORK: "what the network moves of the rule that it starts from",
    FORECAST: "what the forecast moves",
    GUARD: "the guard against late fills",
    CLOCK: "decisions between those of the schedule",
    LEARNED: "network and forecast together",
}
"""Parts by name, and what each is."""


@dataclass(frozen=True)
class Idle:
    """A policy that says nothing, in the place of one whose zeros are the rule that it starts from."""

    policy: PolicyPort

    def __getattr__(self, name: str) -> Any:
        return getattr(self.policy, name)

    def act(self, obs: Float32, mask: Bools | None = None) -> AnyArray:
        """Zeros of the actions' shape."""
        return np.zeros_like(self.policy.act(obs, mask))


@dataclass(frozen=True)
class _Same(Wrapper):
    """A strategy under its own name, asked otherwise."""

    inner: Strategy

    @property
    def name(self) -> str:
        """Name of the inner strategy."""
        return self.inner.name

    def decide(self, view: View) -> Intents:
        """Intents of the inner strategy."""
        return self.inner.decide(view)


class OnSchedule(_Same):
    """A strategy without its clock of events: it decides as the task's clock says."""

    @property
    def gap_ns(self) -> int:
        """None."""
        return 0


class Untold(_Same):
    """A strategy that is told of no forecast, the usual spread alone: it goes on without."""

    @property
    def forecaster(self) -> Forecaster:
        """Nobody's."""
        return spread_alone()


def without(strategy: Strategy, part: str) -> Strategy | None:
    """`strategy` without a part; None where it has none, or where it cannot be told apart.

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
    >>> without(build("guarded"), "clock").name, without(build("twap_repeg"), "clock")
    ('guarded', None)
    """
    check_known(part, PARTS, said=f"part {part!r}")
    if part == CLOCK:
        return OnSchedule(strategy) if gap_of(strategy) else None
    if part == LEARNED:
        silent = without(strategy, NETWORK)
        return without(silent or strategy, FORECAST) or silent
    if part == FORECAST:
        deaf = _without_alpha(strategy)
        told = forecaster_of(strategy) not in (None, spread_alone())
        return Untold(deaf or strategy) if told else deaf
    if isinstance(strategy, Wrapper):
        inner = without(strategy.inner, part)
        return None if inner is None else replace(strategy, inner=inner)  # type: ignore[type-var]
    if isinstance(strategy, PolicyStrategy):
        return _of_a_policy(strategy, part)
    return (
        replace(strategy, guard=None) if isinstance(strategy, Guarded) and part == GUARD else None
    )


def _without_alpha(strategy: Strategy) -> Strategy | None:
    """A strategy without the tilt of an alpha; None where it has none."""
    if isinstance(strategy, AlphaTilt):
        return strategy.inner
    inner = _without_alpha(strategy.inner) if isinstance(strategy, Wrapper) else None
    return None if inner is None else replace(strategy, inner=inner)  # type: ignore[type-var]


def _of_a_policy(strategy: PolicyStrategy, part: str) -> Strategy | None:
    """As :func:`without`, of a learned policy."""
    if part == NETWORK and strategy.from_a_rule:
        return replace(strategy, policy=Idle(strategy.policy))
    if part == GUARD and GUARD in strategy.action_parameters:
        kept = {name: value for name, value in strategy.action_parameters.items() if name != GUARD}
        return replace(strategy, action_parameters=kept)
    return None
