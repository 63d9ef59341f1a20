"""Labels and figure of a claim: gains of a policy on every strategy, with the verdict on each."""

from collections.abc import Container, Mapping

from tercel.core.report import gain_figures
from tercel.core.report.formatting import format_interval
from tercel.core.report.svg import Figure
from tercel.core.stats import PairedGain
from tercel.lab.evaluation.claims import Claim, OpponentGains, verdict_of

VERDICT_MARKS = {"better": "", "worse": " WORSE", "open": " open"}
POOLED = "all markets"


def row_label(name: str, claim: Claim, recipes: Container[str]) -> str:
    """Name of a row in tables, with the number of its training seeds for a recipe."""
    if name not in recipes:
        return name
    seeds = sorted(set(claim.training_seeds.values()))
    return f"{name} ({' or '.join(map(str, seeds))} seeds)" if seeds != [1] else name


def rank_opponents(against: Mapping[str, OpponentGains]) -> list[str]:
    """Names of the opponents by mean gain (over these markets, or in the only one), the smallest first."""
    return sorted(
        against,
        key=lambda opponent: (
            (against[opponent].these_markets or against[opponent].first_market_gain).mean
        ),
    )


def format_gain(cell: PairedGain) -> str:
    """Text of a gain with its interval, marked where the verdict is open or worse."""
    return f"{format_interval(cell, signed=True)}{VERDICT_MARKS[verdict_of(cell)]}"


def figure_name(name: str) -> str:
    """Name of the figure of a policy's gains, for its file: "gains-" and the policy's name, lower case, with hyphens."""
    return (
        "gains-"
        + "".join(letter if letter.isalnum() else "-" for letter in name).strip("-").lower()
    )


def gains_figure(name: str, claim: Claim, recipes: Container[str]) -> Figure:
    """Figure of a policy's gains on every strategy, one panel per market, and before several one of the gains pooled."""
    against = {opponent: claim.against[opponent] for opponent in rank_opponents(claim.against)}
    panels = {
        market: {opponent: row.by_market[market] for opponent, row in against.items()}
        for market in claim.markets
    }
    if len(panels) > 1:
        panels = {
            POOLED: {
                opponent: row.gain_in_view("these_markets") for opponent, row in against.items()
            },
            **panels,
        }
    return gain_figures.gains_by_place(
        panels, row_label(name, claim, recipes), figure_name(name), verdict_of
    )
