"""Tables of judged strategies, with the sentences above and below them: verdicts, caveats, correction for many comparisons."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

from tercel.core.report.judged_table import RARE, JudgedTable
from tercel.core.stats import Estimate, PairedGain
from tercel.execution.strategies.guarded import Guarded
from tercel.execution.task import SIDES, Task, describe_size
from tercel.lab.evaluation.claims import BEST, RANDOM, verdict_of
from tercel.lab.evaluation.pipeline.card_limits import LARGE
from tercel.lab.evaluation.pipeline.evaluation_record import EvaluationRecord
from tercel.lab.evaluation.pipeline.leaks import SEEN
from tercel.lab.evaluation.pipeline.sentences import (
    CAVEATS,
    MADE_OF,
    MOST_OPPONENTS,
    MOST_VERDICTS,
    ORDER,
    QUICK,
    table_sentences,
    verdict_conditions,
    verdict_gains,
)


def judged_table(result: EvaluationRecord) -> JudgedTable:
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
        conditions=verdict_conditions(result),
        assumed=assumed_gains(result, BEST),
        correlation=result.correlation,
        listed_first=(*reported, best, RANDOM),
        caveat=QUICK if QUICK in result.notes else "",
        other_markets=list(other_tables(result, rows)),
    )


def run_table(result: EvaluationRecord) -> JudgedTable:
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
        assumed=assumed_gains(result, Guarded.name if base == Guarded.name else BEST),
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


def assumed_gains(result: EvaluationRecord, opponent: str) -> dict[str, dict[str, PairedGain]]:
    """Gains on an opponent by examined assumption, of the rows whose verdicts are printed."""
    names = result.reported_rows[:MOST_VERDICTS]
    rows = {name: result.gains_by_assumption(name, opponent) for name in names}
    return {
        label: {name: row[label] for name, row in rows.items() if label in row}
        for label in result.assumptions or {}
    }


def other_tables(result: EvaluationRecord, rows: Collection[str]) -> Iterator[JudgedTable]:
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


def title_of(market: str, order: Mapping[str, Any]) -> str:
    """Title of a table: the market, and side, size and hours (`order["hours"]` over a break) of an order with a start time.

    >>> order = Task(side="buy", quantity=5000, start="10:30")
    >>> title_of("GOOG tape", order.to_dict())
    'GOOG tape: buy 5,000 lots, 10:30 to 11:00'
    """
    if not order.get("start"):
        return market
    task = Task.of({key: value for key, value in order.items() if key != "hours"})
    side = next(word for word, number in SIDES.items() if number == task.side)
    return f"{market}: {side} {describe_size(task.share, task.quantity)}, {order.get('hours', task.hours)}"
