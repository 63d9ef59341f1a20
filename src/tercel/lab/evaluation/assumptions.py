"""Assumptions that nobody has measured: the scenarios that change one of them, and what a verdict owes to them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

from tercel.core.errors import ConfigError, check_known
from tercel.core.stats import Estimate
from tercel.execution.task import Latency
from tercel.lab.evaluation.claims import verdict_of
from tercel.lab.evaluation.scenario import Scenario
from tercel.market.impact.law import PASSIVE_IMPACT_INTERVAL
from tercel.market.simulator.terms import Fees

IMPACT: Final = "impact"
LATENCY: Final = "latency"
FEES: Final = "fees"
ASSUMPTIONS: Final = (IMPACT, LATENCY, FEES)
NONE: Final = "none"
LATENCIES: Final = {"100 ms": 100_000_000, "1 s": 1_000_000_000}
"""Delays of orders, ns, by their label."""
TAKER_FEE_BPS: Final = 1.0
MIN_ORDERS: Final = 100
"""Judged orders from which assumptions are examined unless a person asks for it: fewer tell no gains apart."""


def parse_assumptions(text: str | None) -> tuple[str, ...] | None:
    """Names of assumptions from a list by commas; () for `none`, None for None.

    Raises
    ------
    ConfigError, UnknownNameError
        An assumption named twice, or one that does not exist.

    >>> parse_assumptions("impact,fees"), parse_assumptions("none"), parse_assumptions(None)
    (('impact', 'fees'), (), None)
    """
    if text is None:
        return None
    if not isinstance(text, str):
        raise ConfigError("names of assumptions with commas", repr(text), "such as 'impact,fees'")
    names = tuple(name.strip() for name in text.split(","))
    if names == (NONE,):
        return ()
    for name in names:
        check_known(name, ASSUMPTIONS, f"{NONE} alone, or some of")
    if len(set(names)) < len(names):
        raise ConfigError("each assumption once", text, f"such as {','.join(dict.fromkeys(names))}")
    return names


def impact_label(ratio: float) -> str:
    """Label of the assumption that a resting fill moves the price `ratio` times as much as a take.

    >>> impact_label(0.0), impact_label(1.0), impact_label(0.5)
    ('resting fills move no price', 'resting fills move the price as takes do', 'resting fills move the price .5 of a take')
    """
    words = {0.0: "no price", 1.0: "the price as takes do"}
    return f"resting fills move {words.get(ratio) or f'the price {_format_ratio(ratio)} of a take'}"


def _format_ratio(ratio: float) -> str:
    """A ratio below 1 with at most two digits, without the zero before the point."""
    return f"{round(ratio, 2):g}".replace("0.", ".", 1)


def examined(names: Sequence[str] | None, orders: int) -> Sequence[str]:
    """Names of the assumptions to examine; if none are named (None) all of them from `MIN_ORDERS` orders on."""
    return (ASSUMPTIONS if orders >= MIN_ORDERS else ()) if names is None else names


def changes(names: Collection[str], scenarios: Collection[Scenario]) -> dict[str, dict[str, Any]]:
    """Changed fields of a market, by label: both ends of impact, two latencies, a fee of takers; no label that would change none
    of the scenarios (without an impact law a ratio changes nothing).
    """
    found: dict[str, dict[str, Any]] = {}
    if IMPACT in names:
        found |= {
            impact_label(ratio): {"passive_impact": ratio} for ratio in PASSIVE_IMPACT_INTERVAL
        }
    if LATENCY in names:
        found |= {
            f"orders arrive {text} late": {"latency": Latency("constant", latency_ns)}
            for text, latency_ns in LATENCIES.items()
        }
    if FEES in names:
        found[f"takers pay {TAKER_FEE_BPS:g} bps"] = {"fees": Fees(0.0, TAKER_FEE_BPS, "bps")}
    return {
        label: fields
        for label, fields in found.items()
        if any(
            scenario.in_market(**fields) != scenario
            and not ("passive_impact" in fields and scenario.market.impact == NONE)
            for scenario in scenarios
        )
    }


def changed_scenarios(
    names: Collection[str], scenarios: Mapping[str, Scenario]
) -> dict[tuple[str, str], Scenario]:
    """Scenarios with one assumption changed (`changes`), by its label and market."""
    return {
        (label, market): replace(scenario.in_market(**fields), name=f"{scenario.name}, {label}")
        for label, fields in changes(names, scenarios.values()).items()
        for market, scenario in scenarios.items()
    }


def condition_text(
    gains: Mapping[str, Estimate], own_ratio: float, judge: Callable[[Any], str] = verdict_of
) -> str:
    """What being cheaper owes to the impact of resting fills, as the end of a sentence; "" if nothing, or not examined.

    `gains`: by assumption, told by `judge`; with the gain in the market as it is, at `own_ratio`. Between two ratios the lower
    limit of the interval is taken to be linear.

    >>> from tercel.core.stats import PairedGain
    >>> low, high = PairedGain(-2.0, -3.0, -1.0, p_adjusted=0.01), PairedGain(1.0, 1.0, 1.5, p_adjusted=0.01)
    >>> condition_text({impact_label(0.0): low, impact_label(1.0): high}, 1.0)
    'if resting fills move the price by more than about .75 of a take'
    """
    ratios = sorted({*PASSIVE_IMPACT_INTERVAL, own_ratio})
    found = {ratio: gains[label] for ratio in ratios if (label := impact_label(ratio)) in gains}
    held = {ratio for ratio, gain in found.items() if judge(gain) == "better"}
    if len(found) < len(ratios) or len(held) == len(ratios):
        return ""
    words = [
        f"{'more' if high in held else 'less'} than about {_format_ratio(crossing)}"
        for low, high in pairwise(ratios)
        if (low in held) != (high in held)
        for crossing in [_crossing(found[low], found[high], low, high)]
    ]
    return f"if resting fills move the price by {' and '.join(words)} of a take" if words else ""


def _crossing(low_gain: Estimate, high_gain: Estimate, low: float, high: float) -> float:
    """Ratio between two at which the lower limit of the interval is 0; the middle where both are on one side of it."""
    least = low_gain.ci_low or 0.0
    most = high_gain.ci_low or 0.0
    if (least > 0.0) == (most > 0.0):  # told apart by the correction alone
        return 0.5 * (low + high)
    return low - (high - low) * least / (most - least)
