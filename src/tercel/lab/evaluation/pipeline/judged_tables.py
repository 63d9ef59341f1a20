"""Tables of judged strategies, with the sentences above and below them: verdicts, caveats, correction for many comparisons."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from tercel.core.report.formatting import format_count
from tercel.core.report.judged_table import RARE, JudgedTable
from tercel.core.stats import Estimate, PairedGain
from tercel.execution.routing import ROUTED
from tercel.execution.strategies.guarded import Guarded
from tercel.execution.task import SIDES, Task, describe_size
from tercel.lab.evaluation.claims import BEST, RANDOM, verdict_of
from tercel.lab.evaluation.judged_run import ALIKE_NOTE, RAN_OUT_NOTE
from tercel.lab.evaluation.pipeline.card_limits import LARGE
from tercel.lab.evaluation.pipeline.evaluation_result import EvaluationResult
from tercel.lab.evaluation.pipeline.leaks import SEEN

ORDER = "The order"
"""First words of the note on the size of the orders."""
MADE_OF = "Days are simulated, made of"
"""First words of the note on a market of resampled days."""
QUICK = "A quick run: too few episodes to judge by; a look, not a judgement."
"""The note of an evaluation that is a smoke run: it goes before any verdict."""
CAVEATS = (RAN_OUT_NOTE, ALIKE_NOTE)
"""First words of the notes that come before all others."""
MOST_VERDICTS = 3
"""Number of rows whose verdict is printed; the page has all."""
MOST_OPPONENTS = 5
"""Largest number of rules for which the gain over each is printed."""


def judged_table(result: EvaluationResult) -> JudgedTable:
    """Table of the evaluation, recipes as one row, with sentences; policies, best rule and `random` first."""
    recipe_members = {member for members in result.recipes.values() for member in members}
    rows = {
        name: result.strategies[name].estimates
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
        if name not in recipe_members
    }
    reported = result.reported_rows
    best = result.best_baseline
    learned = [name for name, kind in result.kinds.items() if kind in ("learned", "own")]
    rules = [
        name
        for name in result.ranked
        if result.kinds[name] in ("baseline", "random") and not result.is_unranked(name)
    ]
    listed = reported if 1 < len(rules) <= MOST_OPPONENTS and len(result.by_market) == 1 else []
    return JudgedTable(
        strategies=rows,
        best_baseline=best,
        paired_vs_best_baseline={name: result.paired[name][best] for name in reported},
        episodes=result.episodes,
        clusters=result.clusters,
        cluster=result.cluster,
        notes=list(table_sentences(result)),
        title=title_of(result.market, result.task),
        learned=learned,
        judge=verdict_of,
        paired={
            name: {opponent: result.paired[name][opponent] for opponent in rules} for name in listed
        },
        verdicts=dict(verdict_gains(result)),
        correlation=result.correlation,
        listed_first=(*reported, best, RANDOM),
        caveat=QUICK if QUICK in result.notes else "",
        other_markets=list(other_tables(result, rows)),
    )


def run_table(result: EvaluationResult) -> JudgedTable:
    """Table of `tercel run`: costs, and gains over the agents' base rule; the first row, just trained, has a sentence."""
    best = result.best_baseline
    policies = result.reported_rows
    base = Guarded.name if Guarded.name in result.strategies else best
    order = next((note for note in result.notes if note.startswith(ORDER)), "")
    bound = f"fills by the bound {result.bound}" if result.by_bound else ""
    title_parts = [
        title_of(result.market, result.task),
        order.removeprefix(f"{ORDER}: ").rstrip("."),
        bound,
    ]
    return replace(
        judged_table(result),
        title=", ".join(filter(None, title_parts)),
        paired_vs_best_baseline={name: result.paired[name][base] for name in policies},
        benchmark_label=base,
        listed_first=(*policies, base, best, RANDOM),
        verdicts={
            name: {
                opponent: result.paired[name][opponent] for opponent in dict.fromkeys((base, best))
            }
            for name in [name for name in result.paired if name in policies][:1]
        },
        paired={},
        notes=[note for note in result.notes if note.startswith((SEEN, LARGE, MADE_OF, *CAVEATS))],
        correlation=None,
    )


def other_tables(result: EvaluationResult, rows: Collection[str]) -> Iterator[JudgedTable]:
    """Tables of costs and gains of some rows in each further market, against the rule chosen there.

    Markets with too few episodes are left out.
    """
    reported = result.reported_rows
    for market, cell in [*result.by_market.items()][1:]:
        primary = [result.claims[name].primary for name in reported]
        best = (
            primary[0][BEST].opponents[market]
            if primary and BEST in primary[0]
            else cell.best_baseline
        )
        if cell.is_bps:
            yield JudgedTable(
                strategies={name: {"is_bps": cell.is_bps[name]} for name in rows},
                best_baseline=best,
                paired_vs_best_baseline={name: cell.paired[name][best] for name in reported},
                episodes=cell.episodes,
                clusters=result.clusters,
                title=market,
                learned=reported,
                judge=verdict_of,
                listed_first=(*reported, best, RANDOM),
            )


def verdict_gains(
    result: EvaluationResult, most: int = MOST_VERDICTS
) -> Iterator[tuple[str, dict[str, PairedGain]]]:
    """Labels and gains by opponent for the first sentences, of `most` rows: the primary comparisons.

    In a single market also the gains on the best rule, unless these are primary already.
    """
    best = result.best_baseline
    several = len(result.by_market) > 1
    for name in result.reported_rows[:most]:
        primary = result.claims[name].primary
        gains = {
            _opponent(key, comparison.opponents): comparison.gain
            for key, comparison in primary.items()
        }
        yield (
            (f"{name}, over these markets", gains)
            if several
            else (name, {best: result.paired[name][best]} | gains)
        )


def title_of(market: str, order: Mapping[str, Any]) -> str:
    """Title of a table: the market, and side, size and hours of an order with a start time.

    >>> order = Task(side="buy", quantity=5000, start="10:30")
    >>> title_of("GOOG tape", order.to_dict())
    'GOOG tape: buy 5,000 lots, 10:30 to 11:00'
    """
    if not order.get("start"):
        return market
    task = Task.of(order)
    side = next(word for word, number in SIDES.items() if number == task.side)
    return f"{market}: {side} {describe_size(task.share, task.quantity)}, {task.hours}"


def table_sentences(result: EvaluationResult) -> Iterator[str]:
    """Sentences below the table, verdicts excepted: rows not printed, caveats, order, fill bound, best rule, corrections."""
    best = result.best_baseline
    reported = result.reported_rows
    prefixes = SEEN, ORDER, LARGE, MADE_OF, ROUTED
    yield from unlisted_notes(result)
    yield from caveat_notes(result)
    yield from (note for note in result.notes if note.startswith(prefixes))
    if result.by_bound:
        other_bounds = " and ".join(bound for bound in result.by_bound if bound != result.bound)
        yield f"Costs and verdicts are under the bound {result.bound} on fills; {other_bounds} stand beside them."
    if reported:
        episodes_text = f"{result.validation.episodes:,} other episodes"
        yield f"{best} is the best rule on {episodes_text}. {correction_sentence(result)}".rstrip()


def caveat_notes(result: EvaluationResult) -> list[str]:
    """Notes that change the meaning of a cost: unfilled lots, candidates that trade alike."""
    return [note for note in result.notes if note.startswith(CAVEATS)]


def unlisted_notes(result: EvaluationResult) -> Iterator[str]:
    """Sentence on the candidates ranked behind those whose verdict is printed, if there are any."""
    if unlisted := result.reported_rows[MOST_VERDICTS:]:
        yield f"These are the best {MOST_VERDICTS} candidates, and {len(unlisted)} more cost more: {', '.join(unlisted)}."


def _opponent(key: str, opponents: Mapping[str, str]) -> str:
    """Name of the opponents of a primary comparison: one name, or one for each market.

    >>> _opponent("best written", {"ibm": "pov", "csco": "pov"}), _opponent("random", {"ibm": "pov", "csco": "twap"})
    ('pov', 'the random of each market (pov in ibm, twap in csco)')
    """
    by_market = ", ".join(f"{rule} in {market}" for market, rule in opponents.items())
    is_same = len(set(opponents.values())) == 1
    return next(iter(opponents.values())) if is_same else f"the {key} of each market ({by_market})"


def correction_sentence(result: EvaluationResult) -> str:
    """Sentence on the numbers of primary and exploratory comparisons; empty if there is none."""
    if not result.comparisons:
        return ""
    primary = {key for claim in result.claims.values() for key in claim.primary}
    count = sum(len(claim.primary) for claim in result.claims.values())
    opponents_text = " and ".join(
        "random" if key == RANDOM else "the best rule" for key in sorted(primary)
    )
    exploratory_count = f"{result.comparisons - count:,}"
    return (
        f"Primary (Holm): {format_count(count, 'comparison')}, with {opponents_text}. Exploratory (Benjamini and "
        f"Hochberg): {exploratory_count}, with every other strategy and by regime, market and liquidity."
    )
