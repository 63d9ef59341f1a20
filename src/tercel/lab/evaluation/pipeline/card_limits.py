"""Notes on policies and rules used outside the limits that their cards state."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from tercel.execution.strategies import TUNABLE
from tercel.execution.strategies.order_size import BEYOND, TAKES, most_share, span_of
from tercel.execution.task import Task
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.scenario import Scenario

SLACK: Final = 1e-9
"""Relative; numbers that differ by less are the same."""
MS_NS: Final = 1e6
LATENCY_SLACK: Final = 0.001
"""Share of a decision interval; a smaller difference of latencies makes no difference to decisions."""
LARGE: Final = "Orders of"
"""First words of the notes on strategies beyond their size of order."""
SIDE_WORDS: Final = {1: "buys", -1: "sells", 0: "buys and sells"}


def limit_note(policy: Candidate, scenario: Scenario, market: str) -> str:
    """Sentence on the ways in which a policy is used outside its card's limits in a market; empty without any.

    Parameters
    ----------
    policy : Candidate
    scenario : Scenario
        Of the judged episodes.
    market : str
        Name of the scenario.
    """
    differences = list(_differences(policy.card.limits, scenario.task, market))
    return f"{policy.key} was trained for {', and for '.join(differences)}" if differences else ""


def size_notes(
    policies: Iterable[Candidate], baselines: Iterable[Candidate], markets: Mapping[str, Scenario]
) -> list[str]:
    """Notes on policies and rules used on larger orders than they were made for, in any of the markets, without
    duplicates.
    """
    listed = list(policies)
    rules = [rule.key for rule in baselines if rule.key in TUNABLE]
    notes = []
    for scenario in markets.values():
        share = scenario.task.share
        if share is None or share <= BEYOND * (1 + SLACK):
            continue
        orders = f"{LARGE} {100 * share:g} % of the volume"
        oversized = [
            policy.key for policy in listed if share > most_share(policy.card.limits) * (1 + SLACK)
        ] + rules
        if oversized:
            sentence = (
                f"{', '.join(oversized)} {'are' if len(oversized) > 1 else 'is'} made for less, "
            )
            sentence += f"rules for up to {100 * BEYOND:g} %"
            notes.append(
                f"{orders}: {sentence}; beyond it what rests waits for trades that do not come. Look at {TAKES}."
            )
    return list(dict.fromkeys(notes))


def limit_notes(
    teams: Mapping[str, Sequence[Candidate]], markets: Mapping[str, Scenario]
) -> list[str]:
    """Notes on policies judged beyond the limits of their cards in any of the markets, without duplicates."""
    notes = (
        limit_note(policy, scenario, name)
        for name, scenario in markets.items()
        for policy in teams[name]
    )
    return list(dict.fromkeys(note for note in notes if note))


def untrained_notes(specialists: Mapping[str, Sequence[Candidate]]) -> list[str]:
    """Notes on specialists whose card does not name the regime that they were given for."""
    return [
        f"{policy.key} was given as trained in {regime}, but its card does not say so: "
        f"{f'regimes {named}' if (named := ', '.join(_regimes(policy.card.trained_on))) else 'it names no regime'}"
        for regime, row in specialists.items()
        for policy in row
        if regime not in _regimes(policy.card.trained_on)
    ]


def _regimes(trained_on: Mapping[str, object]) -> list[str]:
    """Names of the regimes that a card's `trained_on` lists."""
    value = trained_on.get("regimes", ())
    parts: Iterable[object] = (
        value.split(",") if isinstance(value, str) else value if isinstance(value, list) else ()
    )
    return [str(part).strip() for part in parts]


def _differences(limits: Mapping[str, Any], task: Task, market: str) -> Iterator[str]:
    """Texts on each way in which a task and a market lie outside a card's limits."""
    interval_s = task.horizon_s / task.decisions
    measures = {
        "decision_s": (interval_s if task.clock == "time" else None, "s", " decisions"),
        "horizon_s": (task.horizon_s, "s", " horizons"),
        "share": (None if task.share is None else 100 * task.share, "%", " of the volume"),
        "latency_ms": (task.latency.mean_ns / MS_NS, "ms", " latency"),
    }
    for key, (value, unit, name) in measures.items():
        span = span_of(limits.get(key), 100.0 if key == "share" else 1.0)
        if span is None and value and limits and key == "latency_ms":
            yield f"no latency that its card names; here {value:g} ms"
        if span is None or value is None:
            continue
        low, high = span
        slack = 1e3 * LATENCY_SLACK * interval_s if key == "latency_ms" else 0.0
        if not low - SLACK * abs(low) - slack <= value <= high + SLACK * abs(high) + slack:
            limit_text = f"{low:g}" if low == high else f"{low:g} to {high:g}"
            yield f"{limit_text} {unit}{name}; here {value:g} {unit}"
    side = limits.get("side")
    if side in (1, -1) and task.side != side:
        yield f"{SIDE_WORDS[side]}; here {SIDE_WORDS[task.side]}"
    markets = limits.get("markets")
    names = [markets] if isinstance(markets, str) else markets if isinstance(markets, list) else []
    if names and market not in names and market.removesuffix(" tape").lower() not in names:
        yield f"{', '.join(map(str, names))}; here {market}"
