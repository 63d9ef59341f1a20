"""Sentences for the readers of an evaluation: notes on what was run, caveats, verdicts, corrections and checks."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from statistics import median

from tercel.core.grouping import group_values
from tercel.core.report.formatting import (
    format_count,
    format_interval,
    format_percent,
    format_percent_interval,
)
from tercel.core.report.interval_text import verdict, verdict_sentence
from tercel.core.report.judged_table import UNRANKED
from tercel.core.stats import PairedGain
from tercel.core.stats.clusters import FEW_CLUSTERS
from tercel.execution.market import describe_terms
from tercel.execution.routing import ROUTED
from tercel.execution.strategies.guarded import Guarded
from tercel.lab.evaluation.assumptions import condition_text
from tercel.lab.evaluation.claims import POOLED, RANDOM, SINGLE_MARKET, Claim, verdict_of
from tercel.lab.evaluation.comparisons import ScenarioCell
from tercel.lab.evaluation.judge import CHALLENGERS, JudgedEntry, count_lots, have_same_fills
from tercel.lab.evaluation.market import cached_market
from tercel.lab.evaluation.market_notes import describe_hindsight, describe_impact, describe_limit
from tercel.lab.evaluation.pipeline.card_limits import LARGE
from tercel.lab.evaluation.pipeline.cost_store import CostStore, sum_fill_counts
from tercel.lab.evaluation.pipeline.evaluation_record import (
    AdaptationCell,
    EvaluationRecord,
)
from tercel.lab.evaluation.pipeline.fill_checks import CHECKS
from tercel.lab.evaluation.pipeline.leaks import SEEN
from tercel.lab.evaluation.risk_statistics import ScheduleRatios
from tercel.market.simulator.bounds import KIND, OPTIMISTIC

RAN_OUT_NOTE = "The depth of the book, or the limit price, ran out"
ALIKE_NOTE = "Exactly alike"
"""First words of two notes that change the meaning of a figure."""
UNFILLED_NOTE_SHARE = 0.01
"""Share of unfilled lots from which `RAN_OUT_NOTE` is added."""
ORDER = "The order"
"""First words of the note on the size of the orders."""
MADE_OF = "Days are simulated, made of"
"""First words of the note on a market of resampled days."""
QUICK = "A quick run: too few episodes to judge by; a look, not a judgement."
"""The note of an evaluation that is a smoke run: it goes before any verdict."""
NOT_EXAMINED = "; impact, latency and fees are as assumed (`assume` changes them)"
"""End of the sentence on the best rule below a table without gains under other assumptions."""
CAVEATS = (RAN_OUT_NOTE, ALIKE_NOTE)
"""First words of the notes that come before all others."""
MOST_VERDICTS = 3
"""Number of rows whose verdict is printed; the page has all."""
MOST_OPPONENTS = 5
"""Largest number of rules for which the gain over each is printed."""
POOLING_TEXTS = {
    "any_markets": "for markets drawn like these",
    "these_markets": "over these markets",
    "by_market": "in this market",
}
# A difference of risks below zero is the lower risk.
_RISK = {"worse": "lower", "better": "higher", "open": "no significant difference"}


def result_notes(store: CostStore, clusters: int) -> tuple[str, ...]:
    """Notes of a result: the market, participants and episodes, the router's choice, and what limits the figures."""
    main = store.main
    router = [
        explanation.in_words(ROUTED) for explanation in [main.ways.get(ROUTED)] if explanation
    ]
    replayed = store.twins is None and not main.parts
    notes = [
        *_market_notes(store),
        *store.notes,
        *router,
        *entry_notes(store.entries, clusters, replayed),
    ]
    if main.parts:
        notes.append(
            "Orders of a list differ: impact is not separated; what own volume moved is in timing_bps."
        )
    return tuple(notes)


def _market_notes(store: CostStore) -> list[str]:
    """Notes on the main market; of a list of orders on all its scenarios."""
    main = store.main
    built = cached_market(main.scenario)
    if not main.parts:
        return list(built.notes)
    sentences = [
        sentence
        for part in main.parts
        for sentence in (*describe_limit(part.scenario), *describe_hindsight(part.scenario))
    ]
    task = main.scenario.task
    return [
        *built.notes[:1],
        *describe_impact(built.judged),
        *dict.fromkeys(sentences),
        *describe_terms(main.scenario.market.fees, task.latency, task.feed_latency),
    ]


def entry_notes(entries: Sequence[JudgedEntry], clusters: int, replayed: bool) -> list[str]:
    """Notes below the table: few clusters, replay, single training seeds, unfilled or double-filled lots, same fills."""
    notes = []
    if clusters < FEW_CLUSTERS:
        notes.append(f"under 20 clusters ({clusters}): intervals are an indication")
    if clusters == 1:
        notes.append("one cluster: no intervals")
    if replayed:
        notes.append(
            "nothing answers own trading: impact is not available, depth cost is in spread_bps"
        )
    learned = [entry for entry in entries if entry.kind == "learned"]
    single_seed = [entry.name for entry in learned if len(entry.runs) == 1]
    if single_seed:
        policies = (
            "learned policies" if len(single_seed) == len(learned) else "policies judged one by one"
        )
        notes.append(f"one training seed: intervals of {policies} leave out what training varies")
    lots = {entry.name: count_lots(entry) for entry in entries}
    unfilled_shares = {name: counted.unfilled_share for name, counted in lots.items()}
    if unfilled := ", ".join(
        f"{name} {format_percent(share)}"
        for name, share in unfilled_shares.items()
        if share > UNFILLED_NOTE_SHARE
    ):
        notes.append(
            f"{RAN_OUT_NOTE}: unfilled are {unfilled}, so these are not the costs of such an order."
            + f" Above {format_percent(UNRANKED)} nothing is ranked or compared."
            * (max(unfilled_shares.values()) > UNRANKED)
        )
    for entry, opponent in combinations(entries, 2):
        if {entry.kind, opponent.kind} & {*CHALLENGERS} and have_same_fills(
            entry.runs, opponent.runs
        ):
            notes.append(
                f"{ALIKE_NOTE}: {entry.name} and {opponent.name} had the same fills in every episode."
            )
    for shares, note in (
        (
            unfilled_shares,
            "Lots that found nobody, booked at the end of the book or its next price plus the law for the whole order",
        ),
        (
            {name: counted.double_filled_share for name, counted in lots.items()},
            "Lots that trades filled which the tape gave to its own orders too (replay is generous to them)",
        ),
    ):
        listed = ", ".join(f"{name} {share:.2%}" for name, share in shares.items() if share > 0)
        if listed:
            notes.append(f"{note}: {listed}.")
    return notes


def check_sentences(store: CostStore) -> list[str]:
    """Check the costs of all runs again (raises), and say so in sentences; with counts of sides and fills, and the notes."""
    parts = (*store.regimes.values(), *store.sensitivity.values())
    scenarios = [
        *store.markets.values(),
        *(judged for row in parts for judged in row.values()),
        *store.adaptation.values(),
    ]
    runs = [costs for judged in scenarios for costs in judged.costs.values()]
    for costs in runs:
        costs.check()
    episodes = sum(len(costs) for costs in runs)
    sides = next(iter(store.main.costs.values())).side
    fill_counts = sum_fill_counts(store.markets.values())
    fills = "Fills were not looked at one by one."
    if fill_counts is not None:
        takes, _, decisions, _ = (fill_counts[check] for check in CHECKS)
        touch_text = f"; {decisions:,} decisions took at the touch they saw, none more than the lots displayed there"
        fills = f"Fills: {takes:,} takes looked at, none at mid or better{touch_text if decisions else ''}."
    return [
        f"Lots add up in {episodes:,} episodes of {len(runs)} runs: none filled twice, none beyond the order.",
        f"Sides: {int((sides > 0).sum()):,} buys and {int((sides < 0).sum()):,} sells.",
        fills,
        *store.notes,
    ]


def table_sentences(result: EvaluationRecord) -> Iterator[str]:
    """Sentences below the table, verdicts excepted: rows not printed, caveats, order, fill bound, best rule, corrections."""
    best = result.best_baseline
    reported = result.reported_rows
    prefixes = SEEN, ORDER, LARGE, MADE_OF, ROUTED
    yield from unlisted_notes(result)
    yield from caveat_notes(result)
    yield from (note for note in result.notes if note.startswith(prefixes))
    if OPTIMISTIC in result.by_bound:
        yield describe_depth_bounds(result)
    elif result.by_bound:
        other_bounds = " and ".join(bound for bound in result.by_bound if bound != result.bound)
        yield f"Costs and verdicts are under the bound {result.bound} on fills; {other_bounds} stand beside them."
    if reported:
        episodes_text = f"{result.validation.episodes:,} other episodes"
        as_assumed = NOT_EXAMINED * (result.assumptions is None)
        yield f"{best} is the best rule on {episodes_text}{as_assumed}. {correction_sentence(result)}".rstrip()


def describe_depth_bounds(result: EvaluationRecord) -> str:
    """Sentence on costs of level totals under the queue model and both assumptions: of the best rule, and how far they differ."""
    rows = result.by_bound.values()
    costs = {name: [row[name].mean for row in rows] for name in result.by_bound[OPTIMISTIC]}
    width = median(max(row) - min(row) for row in costs.values())
    best = costs.get(result.best_baseline)
    span = f"{result.best_baseline} {min(best):.2f} to {max(best):.2f} bps, " if best else ""
    by = "a queue model" if result.bound == KIND else f"the bound {result.bound}"
    return (
        f"Level totals hide the queue. Under the queue model and two assumptions costs differ: {span}{width:.2f} bps for the "
        f"median strategy. It decides anew under each, so none of them bounds a cost. The cost is by {by}."
    )


def caveat_notes(result: EvaluationRecord) -> list[str]:
    """Notes that change the meaning of a cost: unfilled lots, candidates that trade alike."""
    return [note for note in result.notes if note.startswith(CAVEATS)]


def unlisted_notes(result: EvaluationRecord) -> Iterator[str]:
    """Sentence on the candidates ranked behind those whose verdict is printed, if there are any."""
    if unlisted := result.reported_rows[MOST_VERDICTS:]:
        yield f"These are the best {MOST_VERDICTS} candidates, and {len(unlisted)} more cost more: {', '.join(unlisted)}."


def _opponent(key: str, opponents: Mapping[str, str]) -> str:
    """Name of the opponents of a primary comparison: one name, or one for each market.

    >>> _opponent("best written", {"ibm": "pov", "sh600961": "pov"}), _opponent("random", {"ibm": "pov", "sh600961": "twap"})
    ('pov', 'the random of each market (pov in ibm, twap in sh600961)')
    """
    by_market = ", ".join(f"{rule} in {market}" for market, rule in opponents.items())
    is_same = len(set(opponents.values())) == 1
    return next(iter(opponents.values())) if is_same else f"the {key} of each market ({by_market})"


def correction_sentence(result: EvaluationRecord) -> str:
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


def verdict_gains(
    result: EvaluationRecord, most: int = MOST_VERDICTS
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


def verdict_conditions(result: EvaluationRecord) -> dict[str, dict[str, str]]:
    """What the verdicts of :func:`verdict_gains` owe to the impact of resting fills, by its labels and opponents."""
    several = len(result.by_market) > 1
    return {
        f"{name}, over these markets" if several else name: {
            opponent: condition_text(result.gains_by_assumption(name, key), result.passive_impact)
            for key, opponent in (
                (Guarded.name, Guarded.name),
                *(
                    (key, _opponent(key, comparison.opponents))
                    for key, comparison in result.claims[name].primary.items()
                ),
            )
        }
        for name in result.reported_rows
    }


def verdict_lines(result: EvaluationRecord, name: str) -> Iterator[str]:
    """Verdicts on a policy as lines of text."""
    best = result.best_baseline
    yield from claim_lines(name, result.claims[name], result.comparisons)
    detectable = result.power[name].get(best)
    if detectable is not None:
        yield f"{name} in {result.market}: minimum detectable effect against {best} {detectable:.2f} bps (80 % power)."
    yield from _least_gains(result, name, best)
    for market, ratios in result.bars.items():
        yield from _ratio_lines(market, ratios[name], name)
    yield from adaptation_lines(result, name)
    slope = result.price_move_beta[name]
    best_slope = result.price_move_beta[best]
    yield f"{name}: cost rises {format_interval(slope)} bps a bp of adverse move ({best}: {format_interval(best_slope)})."
    deflated = result.deflated.get(name)
    if deflated is not None and deflated.variants > 1:
        yield (
            f"{name}, deflated ({deflated.variants} variants): gain a unit of risk {deflated.ratio:.3f}, "
            f"threshold {deflated.best_of_none:.3f}, probability of a true gain {deflated.probability:.3f}."
        )
    if name in result.iqm:
        middle = format_interval(result.iqm[name], signed=True)
        yield f"{name} against {best}: interquartile mean over training seeds and markets {middle} bps."
    if len(result.by_market) > 1:
        for view in POOLED:
            pooled = result.claims[name].against[best].gain_in_view(view)
            yield verdict_sentence(
                f"{name}, {POOLING_TEXTS[view]}", {best: pooled}, judge=verdict_of
            )


def _least_gains(result: EvaluationRecord, name: str, best: str) -> Iterator[str]:
    """Lines on the part of each kind (regimes, markets, liquidity) in which a policy gains least."""
    kinds: Mapping[str, Mapping[str, ScenarioCell]] = {
        "regimes": result.by_regime,
        "markets": result.by_market,
        "thirds of liquidity": result.thirds,
    }
    for unit, parts in kinds.items():
        gained = {part: cell.paired[name][best] for part, cell in parts.items() if cell.paired}
        if len(gained) < 2:
            continue
        least_part = min(gained, key=lambda part: gained[part].mean)
        lost = [part for part, cell in gained.items() if verdict_of(cell) == "worse"]
        won = sum(verdict_of(cell) == "better" for cell in gained.values())
        yield (
            f"{name} against {best} in {len(gained)} {unit}: better in {won}, worse in {len(lost)}"
            f"{' (' + ', '.join(lost) + ')' if lost else ''}; least in {least_part}, "
            f"{format_interval(gained[least_part], signed=True)} bps."
        )


def _ratio_lines(market: str, schedule_ratios: ScheduleRatios, name: str) -> Iterator[str]:
    """Lines on ratios to the schedules with their denominators, and differences of risk and adaptability."""
    for row, measure in (
        (schedule_ratios.is_bps, "shortfall"),
        (schedule_ratios.impact_bps, "impact"),
    ):
        ratios = [
            f"{format_interval(cell)} of {schedule}'s {format_interval(cell.denominator)} bps"
            for schedule, cell in row.items()
            if cell is not None
        ]
        if ratios:
            yield f"{name} in {market}: {measure} {', '.join(ratios)}."
    risks = [
        f"{format_interval(cell, signed=True)} bps against {schedule} ({_RISK[verdict(cell)]})"
        for schedule, cell in schedule_ratios.timing_risk_bps.items()
    ]
    if risks:
        yield f"{name} in {market}: timing risk {', '.join(risks)}."
    for schedule, difference in schedule_ratios.adaptability.items():
        if difference is not None:
            yield f"{name} in {market}: adaptability {format_interval(difference, signed=True)} over {schedule}'s."


def closing_lines(result: EvaluationRecord) -> Iterator[str]:
    """Closing lines that hold for all rows: best rule, hindsight bound, notes and checks."""
    episodes_text = f"{result.validation.episodes:,} other episodes"
    yield f"{result.best_baseline} is the best rule on {episodes_text}; it was chosen there."
    bound = result.hindsight
    if bound is not None:
        bound_text = format_interval(bound.is_bps)
        yield f"{bound.label}: {bound_text} bps, the cost of the same orders with perfect foresight of the path."
    yield from dict.fromkeys([*result.notes, *result.checks])


def claim_lines(name: str, claim: Claim, comparisons: int) -> Iterator[str]:
    """Lines of a claim: number of opponents, power of the comparisons, and places with losses."""
    seeds = sorted(set(claim.training_seeds.values()))
    field = f"{len(claim.markets)} markets x {' or '.join(map(str, seeds))} training seeds"
    for key, verdict_line in claim.verdict.items():
        scope = claim.markets[0] if key == SINGLE_MARKET else f"{POOLING_TEXTS[key]} ({field})"
        yield f"{name}, {scope}: {verdict_line}; exploratory, corrected for {comparisons:,} comparisons."
        powers = [
            power
            for row in claim.against.values()
            if (power := row.gain_in_view(key).power) is not None
        ]
        if powers:
            yield (
                f"{name}, {scope}: the minimum detectable effect is {min(powers):.2f} to {max(powers):.2f} bps, by the "
                "opponent (80 % power)."
            )
    for kind, unit in (("by_market", "market"), ("by_regime", "regime")):
        if kind not in claim.lowest or (kind == SINGLE_MARKET and len(claim.markets) < 2):
            continue
        opponent, place, gain = claim.lowest[kind]
        below_0, parts = claim.count_losses(kind)
        yield (
            f"{name} by {unit}: {below_0} of {parts:,} means are below 0; least against {opponent} in {place}, "
            f"{format_interval(gain, signed=True)} bps."
        )
    lost = group_values(
        (place, f"{opponent} {format_interval(gain, signed=True)}")
        for opponent, place, gain in claim.worse
    )
    for place, opponents in lost.items():
        yield f"{name}, after the correction, is more expensive in {place} than {', '.join(opponents)}."
    if not lost:
        kinds = "market, regime or market in a regime" if "by_regime" in claim.lowest else "market"
        yield f"{name}, after the correction, is significantly more expensive than no strategy in any {kinds}."


def adaptation_lines(result: EvaluationRecord, name: str) -> Iterator[str]:
    """Line for each new regime: loss of a row, with the loss of schedules frozen at arrival beside it."""
    for regime, cell in result.adaptation.items():
        losses = cell.difference_to_specialist or {}
        if name not in losses:
            continue
        frozen_losses = [
            f"{schedule} {format_interval(losses[schedule], signed=True)} bps"
            for schedule in cell.frozen
            if schedule in losses
        ]
        text = f"; schedules frozen at arrival: {', '.join(frozen_losses)}" if frozen_losses else ""
        yield (
            f"{name} where {regime} begins half-way: costs {_compare_with_specialist(cell, name)} than {cell.specialist}, "
            f"given as trained in it{text}."
        )


def _compare_with_specialist(cell: AdaptationCell, name: str) -> str:
    """Text on the unsigned difference in cost to the specialist, with "more" or "less", and a percentage if the specialist's
    cost is significantly above 0.
    """
    difference, share = cell.versus_specialist[name]
    is_less = difference.mean < 0
    difference, share = (
        estimate.times(-1) if is_less else estimate for estimate in (difference, share)
    )
    text = f"{format_interval(difference)} bps"
    if cell.is_cost:
        percent_text = format_percent_interval(share)
        text += f" ({percent_text})"
    return f"{text} {'less' if is_less else 'more'}"
