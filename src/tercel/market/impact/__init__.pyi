from tercel.market.impact.fitted import (
    LONGEST_S as LONGEST_S,
    WORLDS as WORLDS,
    carrying as carrying,
    delays as delays,
    law_for as law_for,
    mean_trade as mean_trade,
    replenishment as measured_replenishment,
    tape_law as tape_law,
)
from tercel.market.impact.law import ImpactLaw as ImpactLaw, whole_order_ticks as whole_order_ticks

__all__ = [
    "LONGEST_S",
    "WORLDS",
    "ImpactLaw",
    "carrying",
    "delays",
    "law_for",
    "mean_trade",
    "measured_replenishment",
    "tape_law",
    "whole_order_ticks",
]
