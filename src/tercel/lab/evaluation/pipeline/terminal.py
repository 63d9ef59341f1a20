"""An evaluation as a terminal shows it: the judged table, and the verdicts in short lines."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from tercel.core.report.tables import RARE, JudgedTable, spelt, verdict, verdict_sentence
from tercel.core.stats import Estimate, PairedGain
from tercel.execution.strategies.event_clock import Guarded
from tercel.execution.task import SIDES, Task, size_in_words
from tercel.lab.evaluation.claims import BEST, RANDOM, called
from tercel.lab.evaluation.comparisons import ScenarioCell
from tercel.lab.evaluation.pipeline.evaluation_result import EvaluationResult
from tercel.lab.evaluation.pipeline.leaks import SEEN
from tercel.lab.evaluation.pipeline.notes import LARGE, POOLED_WORDS, adapted, claimed
from tercel.lab.evaluation.risk_statistics import ScheduleRatios

ORDER = "The order"
"""How the note begins that says how large the orders are."""
MADE_OF = "Days are simulated, made of"
"""And the one on a market of resampled days."""
QUICK = "A quick run: too few episodes to judge by; a look, not a judgement."
"""The note of an evaluation that is a smoke run: it goes before any verdict."""
MOST_VERDICTS = 3
"""Rows whose verdict is printed; a page has all."""
MOST_OPPONENTS = 5
"""Written strategies up to which the gain over each is printed."""


def judged_table(result: EvaluationResult) -> JudgedTable:
    """The table, training seeds of one recipe as one row, and what a desk would say of it: policies, the best written
    strategy and `random` first."""
    inside = {member for members in result.recipes.values() for member in members}
    rows = {
        name: result.strategies[name].known
        | {
            key: Estimate(getattr(result.counts[name], key), None, None)
            for key in (*RARE, "messages_per_order")
        }
        | {
            f"{bound}_bps": row[name]
            for bound, row in result.by_bound.items()
            if bound != result.bound and name in row
        }
        for name in result.ranked
        if name not in inside
    }
    first, best = result.reported_rows, result.best_baseline
    learned = [name for name, kind in result.kinds.items() if kind in ("learned", "own")]
    written = [name for name in result.ranked if result.kinds[name] in ("baseline", "random")]
    listed = (
        first[:MOST_VERDICTS]
        if 1 < len(written) <= MOST_OPPONENTS and len(result.by_market) == 1
        else []
    )
    return JudgedTable(
        strategies=rows,
        best_baseline=best,
        paired_vs_best_baseline={name: result.paired[name][best] for name in first},
        episodes=result.episodes,
        clusters=result.clusters,
        cluster=result.cluster,
        notes=list(sentences(result)),
        title=title_of(result.market, result.task),
        learned=learned,
        called=called,
        paired={name: {other: result.paired[name][other] for other in written} for name in listed},
        verdicts=dict(verdict_gains(result)),
        correlation=result.correlation,
        first=(*first, best, RANDOM),
        caveat=QUICK if QUICK in result.notes else "",
        others=list(other_tables(result, rows)),
    )


def run_table(result: EvaluationResult) -> JudgedTable:
    """The table of `tercel run`: gains over the rule that agents are made of stand beside the costs, and what was just
    trained, the first row, has a sentence."""
    best, policies = result.best_baseline, result.reported_rows
    base = Guarded.name if Guarded.name in result.strategies else best
    order = next((note for note in result.notes if note.startswith(ORDER)), "")
    bound = f"fills by the bound {result.bound}" if result.by_bound else ""
    words = [
        title_of(result.market, result.task),
        order.removeprefix(f"{ORDER}: ").rstrip("."),
        bound,
    ]
    return replace(
        judged_table(result),
        title=", ".join(filter(None, words)),
        paired_vs_best_baseline={name: result.paired[name][base] for name in policies},
        beside=base,
        first=(*policies, base, best, RANDOM),
        verdicts={
            name: {other: result.paired[name][other] for other in dict.fromkeys((base, best))}
            for name in policies[:1]
        },
        paired={},
        notes=[note for note in result.notes if note.startswith((SEEN, LARGE, MADE_OF))],
        correlation=None,
    )


def other_tables(result: EvaluationResult, rows: Collection[str]) -> Iterator[JudgedTable]:
    """Costs and gains of some rows in every market besides the first, each against the written strategy that was chosen
    there; without those of too few episodes."""
    first = result.reported_rows
    for market, cell in [*result.by_market.items()][1:]:
        primary = [result.claims[name].primary for name in first]
        best = (
            primary[0][BEST].opponents[market]
            if primary and BEST in primary[0]
            else cell.best_baseline
        )
        if cell.is_bps:
            yield JudgedTable(
                strategies={name: {"is_bps": cell.is_bps[name]} for name in rows},
                best_baseline=best,
                paired_vs_best_baseline={name: cell.paired[name][best] for name in first},
                episodes=cell.episodes,
                clusters=result.clusters,
                title=market,
                learned=first,
                called=called,
                first=(*first, best, RANDOM),
            )


def verdict_gains(result: EvaluationResult) -> Iterator[tuple[str, dict[str, PairedGain]]]:
    """Row -> opponent -> gain, of what is said first: the primary comparisons; in a single market those with the best
    written strategy too, which is one of them unless the row is no primary one."""
    best, several = result.best_baseline, len(result.by_market) > 1
    for name in result.reported_rows[:MOST_VERDICTS]:
        primary = result.claims[name].primary
        told = {_opponent(key, found.opponents): found.gain for key, found in primary.items()}
        yield (
            (f"{name}, over these markets", told)
            if several
            else (name, {best: result.paired[name][best]} | told)
        )


def title_of(market: str, order: Mapping[str, Any]) -> str:
    """Title of a table: the market, and the order where it has a time of its own.

    >>> order = Task(side="buy", quantity=5000, start="10:30")
    >>> title_of("GOOG tape", order.to_dict())
    'GOOG tape: buy 5,000 lots, 10:30 to 11:00'
    """
    if not order.get("start"):
        return market
    task = Task.of(order)
    side = next(word for word, number in SIDES.items() if number == task.side)
    return f"{market}: {side} {size_in_words(task.share, task.quantity)}, {task.hours}"


def sentences(result: EvaluationResult) -> Iterator[str]:
    """What a desk would say below the table; verdicts come before it."""
    best, first = result.best_baseline, result.reported_rows
    yield from (note for note in result.notes if note.startswith((SEEN, ORDER, LARGE, MADE_OF)))
    if result.by_bound:
        beside = " and ".join(bound for bound in result.by_bound if bound != result.bound)
        yield f"Costs and verdicts are under the bound {result.bound} on fills; {beside} stand beside them."
    if first:
        others = f"{result.validation.episodes:,} other episodes"
        yield f"{best} is the best written strategy on {others}. {correction(result)}".rstrip()


def _opponent(key: str, opponents: Mapping[str, str]) -> str:
    """How the opponents of a primary comparison are called: by name, or each market's.

    >>> _opponent("best written", {"ibm": "pov", "csco": "pov"}), _opponent("random", {"ibm": "pov", "csco": "twap"})
    ('pov', 'the random of each market (pov in ibm, twap in csco)')
    """
    by_market = ", ".join(f"{rule} in {market}" for market, rule in opponents.items())
    alike = len(set(opponents.values())) == 1
    return next(iter(opponents.values())) if alike else f"the {key} of each market ({by_market})"


def correction(result: EvaluationResult) -> str:
    """How many comparisons are primary, and how the others are meant; nothing where one order leaves none to test."""
    if not result.comparisons:
        return ""
    primary = {key for claim in result.claims.values() for key in claim.primary}
    count = sum(len(claim.primary) for claim in result.claims.values())
    words = " and ".join(
        "random" if key == RANDOM else "the best written strategy" for key in sorted(primary)
    )
    others = f"{result.comparisons - count:,}"
    return (
        f"Primary (Holm): {count} comparison{'s' * (count != 1)}, with {words}. Exploratory (Benjamini and "
        f"Hochberg): {others}, with every other strategy and by regime, market and liquidity."
    )


def verdicts(result: EvaluationResult, name: str) -> Iterator[str]:
    """Lines that say where a policy stands."""
    best = result.best_baseline
    yield from claimed(name, result.claims[name], result.comparisons)
    least = result.power[name].get(best)
    if least is not None:
        yield f"{name} in {result.market}: minimum detectable effect against {best} {least:.2f} bps (80 % power)."
    yield from _worst(result, name, best)
    for market, found in result.bars.items():
        yield from _bars(market, found[name], name)
    yield from adapted(result, name)
    slope, its = result.price_move_beta[name], result.price_move_beta[best]
    yield f"{name}: cost rises {spelt(slope)} bps a bp of adverse move ({best}: {spelt(its)})."
    deflated = result.deflated.get(name)
    if deflated is not None and deflated.variants > 1:
        yield (
            f"{name}, deflated ({deflated.variants} variants): gain a unit of risk {deflated.ratio:.3f}, "
            f"threshold {deflated.best_of_none:.3f}, probability of a true gain {deflated.probability:.3f}."
        )
    if name in result.iqm:
        middle = spelt(result.iqm[name], "+")
        yield f"{name} against {best}: interquartile mean over training seeds and markets {middle} bps."
    for view, words in (
        (result.pooled.any_markets, POOLED_WORDS["any_markets"]),
        (result.pooled.these_markets, POOLED_WORDS["these_markets"]),
    ):
        pooled = view.get(name, {}).get(best)
        if pooled is not None:
            yield verdict_sentence(f"{name}, {words}", {best: pooled}, called=called)


def _worst(result: EvaluationResult, name: str, best: str) -> Iterator[str]:
    """In which parts and scenarios it gains least."""
    kinds: Mapping[str, Mapping[str, ScenarioCell]] = {
        "regimes": result.by_regime,
        "markets": result.by_market,
        "thirds of liquidity": result.thirds,
    }
    for words, parts in kinds.items():
        gained = {part: cell.paired[name][best] for part, cell in parts.items() if cell.paired}
        if len(gained) < 2:
            continue
        least = min(gained, key=lambda part: gained[part].mean)
        lost = [part for part, cell in gained.items() if called(cell) == "worse"]
        won = sum(called(cell) == "better" for cell in gained.values())
        yield (
            f"{name} against {best} in {len(gained)} {words}: better in {won}, worse in {len(lost)}"
            f"{' (' + ', '.join(lost) + ')' if lost else ''}; least in {least}, {spelt(gained[least], '+')} bps."
        )


def _bars(market: str, found: ScheduleRatios, name: str) -> Iterator[str]:
    """Ratios to the schedules with their denominators, the difference of risk, and that of adaptability."""
    for row, words in ((found.is_bps, "shortfall"), (found.impact_bps, "impact")):
        ratios = [
            f"{spelt(cell)} of {other}'s {spelt(cell.denominator)} bps"
            for other, cell in row.items()
            if cell is not None
        ]
        if ratios:
            yield f"{name} in {market}: {words} {', '.join(ratios)}."
    risks = [
        f"{spelt(cell, '+')} bps against {other} ({_RISK[verdict(cell)]})"
        for other, cell in found.timing_risk_bps.items()
    ]
    if risks:
        yield f"{name} in {market}: timing risk {', '.join(risks)}."
    for other, difference in found.adaptability.items():
        if difference is not None:
            yield f"{name} in {market}: adaptability {spelt(difference, '+')} over {other}'s."


# A difference of risks below zero is the lower risk.
_RISK = {"worse": "lower", "better": "higher", "open": "no significant difference"}


def closing(result: EvaluationResult) -> Iterator[str]:
    """Closing lines, which hold for all rows."""
    tried = f"{result.validation.episodes:,} other episodes"
    yield f"{result.best_baseline} is the best written strategy on {tried}; it was chosen there."
    bound = result.hindsight
    if bound is not None:
        yield f"{bound.label}: {spelt(bound.is_bps)} bps, what the same orders cost who knows the path."
    yield from dict.fromkeys([*result.notes, *result.checks])
