"""Bounds of a desk in shadow: what is unknown of impact is at its cheap end in the one, at its expensive end in the other."""

from tercel.api.desk.bounds import OPTIMISTIC, PESSIMISTIC, rules_at
from tercel.market.impact.law import ImpactLaw

LAW = ImpactLaw("translation", mean_trade_lots=10.0, trades=100.0, sigma_ticks=20.0)


def test_impact_of_takes_and_of_resting_fills_spans_what_is_unknown() -> None:
    low, high = (
        (rules_at(bound, {"XYZ": LAW}).laws or {})["XYZ"] for bound in (OPTIMISTIC, PESSIMISTIC)
    )
    assert (low.scale_ticks, high.scale_ticks) == (1.0, 3.0)
    assert (low.passive_impact, high.passive_impact) == (0.0, 1.0)
    assert not rules_at(OPTIMISTIC, {}).theirs
    assert rules_at(PESSIMISTIC, {}).theirs
