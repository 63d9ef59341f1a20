"""What is said beside an evaluation's tables: limits of cards, adaptation, and the claim."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from tercel.core.report import evaluation_figures
from tercel.core.report.svg import Figure
from tercel.core.report.tables import spelt
from tercel.core.stats import Estimate, PairedGain
from tercel.execution.strategies import TUNABLE
from tercel.execution.strategies.event_clock import BEYOND, TAKES, most_share, span_of
from tercel.execution.task import Task
from tercel.lab.evaluation.claims import FIRST, Against, Claim, called
from tercel.lab.evaluation.pipeline.candidates import SLACK, Candidate
from tercel.lab.evaluation.pipeline.evaluation_result import AdaptationCell, EvaluationResult
from tercel.lab.evaluation.settings import MarketTask

# -- card limits ----------------------------------------------------------------------------------
# Notes on policies that are judged outside the limits on their cards.

MS_NS: Final = 1e6
LATENCY_SLACK: Final = 0.001
"""Of a decision interval; latencies that differ by less are the same to who decides so seldom."""
LARGE: Final = "Orders of"
"""How the notes begin that say who is beyond the size of order that it is for."""
SIDES: Final = {1: "buys", -1: "sells", 0: "buys and sells"}


def outside(policy: Candidate, settings: MarketTask, market: str) -> str:
    """Ways in which a policy is used outside its card's limits in a market; empty without any.

    Parameters
    ----------
    policy : Candidate
    settings : MarketTask
        Of the judged episodes.
    market : str
        Name of the scenario.
    """
    differences = list(_differences(policy.card.limits, settings.task, market))
    return f"{policy.key} was trained for {', and for '.join(differences)}" if differences else ""


def handed_over(policies: Iterable[Candidate], settings: MarketTask) -> dict[str, str]:
    """Policies whose orders, told as a share of the volume, go to another: name -> whose."""
    share = settings.task.share
    large = [
        one.key
        for one in policies
        if share is not None and share > most_share(one.card.limits) * (1 + SLACK)
    ]
    return dict.fromkeys(large, TAKES)


def size_notes(
    policies: Iterable[Candidate], baselines: Iterable[Candidate], markets: Mapping[str, MarketTask]
) -> list[str]:
    """Who hands over, and which rules are beyond what their numbers were tuned for, in each market once."""
    listed, rules = list(policies), [one.key for one in baselines if one.key in TUNABLE]
    found = []
    for settings in markets.values():
        share = settings.task.share
        if share is None or share <= BEYOND * (1 + SLACK):
            continue
        orders = f"{LARGE} {100 * share:g} % of the volume"
        if over := handed_over(listed, settings):
            found.append(
                f"{orders}: {', '.join(over)} {'hand' if len(over) > 1 else 'hands'} over to {TAKES}, whose costs these are."
            )
        if rules:
            words = f"{', '.join(rules)} {'are' if len(rules) > 1 else 'is'} tuned for up to {100 * BEYOND:g} %"
            found.append(
                f"{orders}: {words}; beyond it what rests waits for trades that do not come. Look at {TAKES}."
            )
    return list(dict.fromkeys(found))


def notes_on(
    teams: Mapping[str, Sequence[Candidate]], markets: Mapping[str, MarketTask]
) -> list[str]:
    """A note for each policy that is judged outside its limits in any of the markets, what is the same said once."""
    found = (
        outside(one, settings, name) for name, settings in markets.items() for one in teams[name]
    )
    return list(dict.fromkeys(note for note in found if note))


def untrained_in(specialists: Mapping[str, Sequence[Candidate]]) -> list[str]:
    """A note for each policy that was given as trained in a regime which its card does not name."""
    return [
        f"{one.key} was given as trained in {regime}, but its card does not say so: "
        f"{f'regimes {named}' if (named := ', '.join(_regimes(one.card.trained_on))) else 'it names no regime'}"
        for regime, row in specialists.items()
        for one in row
        if regime not in _regimes(one.card.trained_on)
    ]


def _regimes(trained_on: Mapping[str, object]) -> list[str]:
    value = trained_on.get("regimes", ())
    parts: Iterable[object] = (
        value.split(",") if isinstance(value, str) else value if isinstance(value, list) else ()
    )
    return [str(part).strip() for part in parts]


def _differences(limits: Mapping[str, Any], task: Task, market: str) -> Iterator[str]:
    interval_s = task.horizon_s / task.decisions
    here = {
        "decision_s": (interval_s if task.clock == "time" else None, "s", " decisions"),
        "horizon_s": (task.horizon_s, "s", " horizons"),
        "share": (None if task.share is None else 100 * task.share, "%", " of the volume"),
        "latency_ms": (task.latency.mean_ns / MS_NS, "ms", " latency"),
    }
    for key, (value, unit, name) in here.items():
        span = span_of(limits.get(key), 100.0 if key == "share" else 1.0)
        if span is None or value is None:
            continue
        low, high = span
        slack = 1e3 * LATENCY_SLACK * interval_s if key == "latency_ms" else 0.0
        if not low - SLACK * abs(low) - slack <= value <= high + SLACK * abs(high) + slack:
            there = f"{low:g}" if low == high else f"{low:g} to {high:g}"
            yield f"{there} {unit}{name}; here {value:g} {unit}"
    side = limits.get("side")
    if side in (1, -1) and task.side != side:
        yield f"{SIDES[side]}; here {SIDES[task.side]}"
    markets = limits.get("markets")
    names = [markets] if isinstance(markets, str) else markets if isinstance(markets, list) else []
    if names and market not in names and market.removesuffix(" tape").lower() not in names:
        yield f"{', '.join(map(str, names))}; here {market}"


# -- adaptation -----------------------------------------------------------------------------------
# Cost of a regime that begins half-way, less that of the policy trained in it: in bps, then in percent.

HEADINGS = ("regime", "trained for it", "strategy", "costs more, bps", "costs more, %")


def adapted(result: EvaluationResult, name: str) -> Iterator[str]:
    """A line for each regime, the loss of schedules frozen at arrival beside it."""
    for regime, cell in result.adaptation.items():
        dearer = cell.difference_to_specialist or {}
        if name not in dearer:
            continue
        beside = [
            f"{other} {spelt(dearer[other], '+')} bps" for other in cell.frozen if other in dearer
        ]
        text = f"; schedules frozen at arrival: {', '.join(beside)}" if beside else ""
        yield (
            f"{name} where {regime} begins half-way: costs {_more(cell, name)} than {cell.specialist}, "
            f"given as trained in it{text}."
        )


def rows(result: EvaluationResult) -> Iterator[tuple[str, ...]]:
    """Rows of the adaptation table; see `HEADINGS`."""
    for regime, cell in result.adaptation.items():
        for name, (difference, loss) in cell.beside_specialist.items():
            yield (
                regime,
                f"{cell.specialist}",
                name,
                spelt(difference, "+"),
                percent(loss) if cell.is_cost else "",
            )


def _more(cell: AdaptationCell, name: str) -> str:
    """How much more or less; a percentage only of what is surely a cost."""
    difference, share = cell.beside_specialist[name]
    less = difference.mean < 0
    difference, share = (one.times(-1) if less else one for one in (difference, share))
    text = f"{spelt(difference)} bps"
    if cell.is_cost:
        beside = percent(share, sign="")
        text += f" ({beside})"
    return f"{text} {'less' if less else 'more'}"


def percent(share: Estimate, sign: str = "+") -> str:
    """A share as percent with its interval.

    >>> percent(Estimate(0.1, None, None))
    '+10.0 %'
    """
    return f"{spelt(share.times(100), sign, 1)} %"


# -- claim text -----------------------------------------------------------------------------------
# A claim in words and as a picture: what a page, a terminal and the big table say of it.

POOLED_WORDS = {
    "any_markets": "for markets drawn like these",
    "these_markets": "over these markets",
    "by_market": "in this market",
}
CALLED = {"better": "", "worse": " WORSE", "open": " open"}
POOLED = "all markets"


def claimed(name: str, found: Claim, comparisons: int) -> Iterator[str]:
    """Lines of a claim: against how many, with how much power, and where anything was lost."""
    seeds = sorted(set(found.training_seeds.values()))
    field = f"{len(found.markets)} markets x {' or '.join(map(str, seeds))} training seeds"
    for key, verdict_line in found.verdict.items():
        where = found.markets[0] if key == FIRST else f"{POOLED_WORDS[key]} ({field})"
        yield f"{name}, {where}: {verdict_line}; exploratory, corrected for {comparisons:,} comparisons."
        powers = [
            power for row in found.against.values() if (power := row.view(key).power) is not None
        ]
        if powers:
            yield (
                f"{name}, {where}: the minimum detectable effect is {min(powers):.2f} to {max(powers):.2f} bps, by the "
                "opponent (80 % power)."
            )
    for kind, words in (("by_market", "market"), ("by_regime", "regime")):
        if kind not in found.lowest or (kind == FIRST and len(found.markets) < 2):
            continue
        low = found.lowest[kind]
        yield (
            f"{name} by {words}: {low.below_0} of {low.parts:,} means are below 0; least against "
            f"{low.against} in {low.place}, {spelt(low.gain, '+')} bps."
        )
    lost: dict[str, list[str]] = {}
    for part in found.worse:
        lost.setdefault(part.place, []).append(f"{part.against} {spelt(part.gain, '+')}")
    for where, there in lost.items():
        yield f"{name}, after the correction, is dearer in {where} than {', '.join(there)}."
    if not lost:
        parts = "market, regime or market in a regime" if "by_regime" in found.lowest else "market"
        yield f"{name}, after the correction, is significantly dearer than no strategy in any {parts}."


def label(name: str, found: Claim, recipes: Container[str]) -> str:
    """Name of a row in tables, with its training seeds."""
    if name not in recipes:
        return name
    seeds = sorted(set(found.training_seeds.values()))
    return f"{name} ({' or '.join(map(str, seeds))} seeds)" if seeds != [1] else name


def ranked(against: Mapping[str, Against]) -> list[str]:
    """Opponents, those that are saved on least first."""
    return sorted(
        against, key=lambda other: (against[other].these_markets or against[other].first).mean
    )


def gain(cell: PairedGain) -> str:
    """Text of a gain with its interval and, where it is open or a loss, the word for that."""
    return f"{spelt(cell, '+')}{CALLED[called(cell)]}"


def figure_name(name: str) -> str:
    """File name of the picture of a policy's gains."""
    return (
        "gains-"
        + "".join(letter if letter.isalnum() else "-" for letter in name).strip("-").lower()
    )


def gains_figure(name: str, found: Claim, recipes: Container[str]) -> Figure:
    """Picture of a policy's gains on every strategy, one panel a market."""
    against = {other: found.against[other] for other in ranked(found.against)}
    panels = {
        market: {other: row.by_market[market] for other, row in against.items()}
        for market in found.markets
    }
    if len(panels) > 1:
        panels = {
            POOLED: {other: row.view("these_markets") for other, row in against.items()},
            **panels,
        }
    return evaluation_figures.gains_by_place(
        panels, label(name, found, recipes), figure_name(name), called
    )
