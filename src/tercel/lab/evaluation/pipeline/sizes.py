"""Orders larger than a policy's card is for, handed over."""

from collections.abc import Mapping
from math import inf
from typing import Any, Final

from tercel.execution.strategies import build
from tercel.execution.strategies.hand_over import TAKES, HandOver, most_share
from tercel.execution.strategy import Strategy
from tercel.lab.evaluation.market import JobMarket

SLACK: Final = 1e-9
"""Relative; numbers that differ by less are the same."""


def handing_over(strategy: Strategy, limits: Mapping[str, Any], market: JobMarket) -> Strategy:
    """A policy that hands orders beyond its size over."""
    most, task = most_share(limits), market.task
    if most == inf or (task.share is not None and task.share <= most * (1 + SLACK)):
        return strategy
    lots = 0.0 if task.share is not None else most * market.estimates.expected_volume
    return HandOver(strategy, build(TAKES, market.estimates), lots, task.horizon_ns)
