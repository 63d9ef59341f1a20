"""Sentences beside an evaluation's tables: limits of cards, adaptation, and the claim."""

from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from tercel.core.report import evaluation_figures
from tercel.core.report.svg import Figure
from tercel.core.report.tables import RARE, JudgedTable, spelt, verdict, verdict_sentence
from tercel.core.stats import Estimate, PairedGain
from tercel.execution.policies.strategy import PARTS
from tercel.execution.routing import ROUTED
from tercel.execution.strategies import TUNABLE
from tercel.execution.strategies.event_clock import BEYOND, TAKES, Guarded, most_share, span_of
from tercel.execution.task import SIDES, Task, size_in_words
from tercel.lab.evaluation.claims import BEST, FIRST, RANDOM, Against, Claim, called
from tercel.lab.evaluation.comparisons import ALIKE, RAN_OUT, ScenarioCell
from tercel.lab.evaluation.pipeline.candidates import Candidate
from tercel.lab.evaluation.pipeline.evaluation import AdaptationCell, EvaluationResult
from tercel.lab.evaluation.pipeline.leaks import SEEN
from tercel.lab.evaluation.risk_statistics import ScheduleRatios
from tercel.lab.evaluation.scenario import Scenario

# -- card limits ----------------------------------------------------------------------------------
# Notes on policies that are judged outside the limits on their cards.

SLACK: Final = 1e-9
"""Relative; numbers that differ by less are the same."""
MS_NS: Final = 1e6
LATENCY_SLACK: Final = 0.001
"""Share of a decision interval; a smaller difference of latencies makes no difference to decisions."""
LARGE: Final = "Orders of"
"""First words of the notes on strategies beyond their size of order."""
SIDE_WORDS: Final = {1: "buys", -1: "sells", 0: "buys and sells"}


def outside(policy: Candidate, settings: Scenario, market: str) -> str:
    """Ways in which a policy is used outside its card's limits in a market; empty without any.

    Parameters
    ----------
    policy : Candidate
    settings : Scenario
        Of the judged episodes.
    market : str
        Name of the scenario.
    """
    differences = list(_differences(policy.card.limits, settings.task, market))
    return f"{policy.key} was trained for {', and for '.join(differences)}" if differences else ""


def size_notes(
    policies: Iterable[Candidate], baselines: Iterable[Candidate], markets: Mapping[str, Scenario]
) -> list[str]:
    """Notes on policies and rules beyond the size that they were made for, once per market."""
    listed, rules = list(policies), [one.key for one in baselines if one.key in TUNABLE]
    found = []
    for settings in markets.values():
        share = settings.task.share
        if share is None or share <= BEYOND * (1 + SLACK):
            continue
        orders = f"{LARGE} {100 * share:g} % of the volume"
        over = [
            one.key for one in listed if share > most_share(one.card.limits) * (1 + SLACK)
        ] + rules
        if over:
            words = f"{', '.join(over)} {'are' if len(over) > 1 else 'is'} made for less, rules for up to {100 * BEYOND:g} %"
            found.append(
                f"{orders}: {words}; beyond it what rests waits for trades that do not come. Look at {TAKES}."
            )
    return list(dict.fromkeys(found))


def notes_on(
    teams: Mapping[str, Sequence[Candidate]], markets: Mapping[str, Scenario]
) -> list[str]:
    """Notes on policies judged beyond the limits of their cards in any of the markets, without duplicates."""
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
        yield f"{SIDE_WORDS[side]}; here {SIDE_WORDS[task.side]}"
    markets = limits.get("markets")
    names = [markets] if isinstance(markets, str) else markets if isinstance(markets, list) else []
    if names and market not in names and market.removesuffix(" tape").lower() not in names:
        yield f"{', '.join(map(str, names))}; here {market}"


# -- adaptation -----------------------------------------------------------------------------------
# Cost of a regime that begins half-way, less that of the policy trained in it: in bps, then in percent.

ADAPTATION_HEADINGS = ("regime", "trained for it", "strategy", "costs more, bps", "costs more, %")


def adapted(result: EvaluationResult, name: str) -> Iterator[str]:
    """A line for each regime, the loss of schedules frozen at arrival beside it."""
    for regime, cell in result.adaptation.items():
        losses = cell.difference_to_specialist or {}
        if name not in losses:
            continue
        beside = [
            f"{other} {spelt(losses[other], '+')} bps" for other in cell.frozen if other in losses
        ]
        text = f"; schedules frozen at arrival: {', '.join(beside)}" if beside else ""
        yield (
            f"{name} where {regime} begins half-way: costs {_more(cell, name)} than {cell.specialist}, "
            f"given as trained in it{text}."
        )


def adaptation_rows(result: EvaluationResult) -> Iterator[tuple[str, ...]]:
    """Rows of the adaptation table; see `ADAPTATION_HEADINGS`."""
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
    """Difference in words, more or less; with a percentage only if the cost is significantly positive."""
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
        yield f"{name}, after the correction, is more expensive in {where} than {', '.join(there)}."
    if not lost:
        parts = "market, regime or market in a regime" if "by_regime" in found.lowest else "market"
        yield f"{name}, after the correction, is significantly more expensive than no strategy in any {parts}."


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
    """Picture of a policy's gains on every strategy, one panel per market."""
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


ORDER = "The order"
"""First words of the note on the size of the orders."""
MADE_OF = "Days are simulated, made of"
"""And the one on a market of resampled days."""
QUICK = "A quick run: too few episodes to judge by; a look, not a judgement."
"""The note of an evaluation that is a smoke run: it goes before any verdict."""
CAVEATS = (RAN_OUT, ALIKE)
"""First words of the notes that come before all."""
MOST_VERDICTS = 3
"""Rows whose verdict is printed; a page has all."""
MOST_OPPONENTS = 5
"""Rules up to which the gain over each is printed."""


def judged_table(result: EvaluationResult) -> JudgedTable:
    """The table, training seeds of one recipe as one row, and what a desk would say of it: policies, the best
    rule and `random` first."""
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
    written = [
        name
        for name in result.ranked
        if result.kinds[name] in ("baseline", "random") and not result.is_unranked(name)
    ]
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
    """The table of `tercel run`: gains over the rule that agents are made of are beside the costs, and what was just
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
            for name in [name for name in result.paired if name in policies][:1]
        },
        paired={},
        notes=[note for note in result.notes if note.startswith((SEEN, LARGE, MADE_OF, *CAVEATS))],
        correlation=None,
    )


def other_tables(result: EvaluationResult, rows: Collection[str]) -> Iterator[JudgedTable]:
    """Costs and gains of some rows in every market besides the first, each against the rule that was chosen
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
    """Gains by row and opponent for the first sentences: the primary comparisons; in a single market those with the
    best rule too, which is one of them unless the row is no primary one."""
    best, several = result.best_baseline, len(result.by_market) > 1
    for name in result.reported_rows[:MOST_VERDICTS]:
        primary = result.claims[name].primary
        gains = {_opponent(key, found.opponents): found.gain for key, found in primary.items()}
        yield (
            (f"{name}, over these markets", gains)
            if several
            else (name, {best: result.paired[name][best]} | gains)
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
    """Sentences below the table for a desk; verdicts come before them."""
    best, first = result.best_baseline, result.reported_rows
    said = SEEN, ORDER, LARGE, MADE_OF, ROUTED
    yield from unnamed(result)
    yield from caveats(result)
    yield from (note for note in result.notes if note.startswith(said))
    if result.by_bound:
        beside = " and ".join(bound for bound in result.by_bound if bound != result.bound)
        yield f"Costs and verdicts are under the bound {result.bound} on fills; {beside} stand beside them."
    if first:
        others = f"{result.validation.episodes:,} other episodes"
        yield f"{best} is the best rule on {others}. {correction(result)}".rstrip()


def caveats(result: EvaluationResult) -> list[str]:
    """Notes without which a cost means something else: unfilled lots, candidates that trade alike."""
    return [note for note in result.notes if note.startswith(CAVEATS)]


def unnamed(result: EvaluationResult) -> Iterator[str]:
    """A sentence on the candidates behind those with a verdict, if there are any."""
    if more := result.reported_rows[MOST_VERDICTS:]:
        yield f"These are the best {MOST_VERDICTS} candidates, and {len(more)} more cost more: {', '.join(more)}."


def _opponent(key: str, opponents: Mapping[str, str]) -> str:
    """Name of the opponents of a primary comparison: one name, or each market's.

    >>> _opponent("best written", {"ibm": "pov", "csco": "pov"}), _opponent("random", {"ibm": "pov", "csco": "twap"})
    ('pov', 'the random of each market (pov in ibm, twap in csco)')
    """
    by_market = ", ".join(f"{rule} in {market}" for market, rule in opponents.items())
    alike = len(set(opponents.values())) == 1
    return next(iter(opponents.values())) if alike else f"the {key} of each market ({by_market})"


def correction(result: EvaluationResult) -> str:
    """Sentence on the number of primary comparisons and on the others; empty if one order leaves none to test."""
    if not result.comparisons:
        return ""
    primary = {key for claim in result.claims.values() for key in claim.primary}
    count = sum(len(claim.primary) for claim in result.claims.values())
    words = " and ".join("random" if key == RANDOM else "the best rule" for key in sorted(primary))
    others = f"{result.comparisons - count:,}"
    return (
        f"Primary (Holm): {count} comparison{'s' * (count != 1)}, with {words}. Exploratory (Benjamini and "
        f"Hochberg): {others}, with every other strategy and by regime, market and liquidity."
    )


def verdicts(result: EvaluationResult, name: str) -> Iterator[str]:
    """Verdicts on a policy, line by line."""
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
    yield f"{result.best_baseline} is the best rule on {tried}; it was chosen there."
    bound = result.hindsight
    if bound is not None:
        yield f"{bound.label}: {spelt(bound.is_bps)} bps, the cost of the same orders with perfect foresight of the path."
    yield from dict.fromkeys([*result.notes, *result.checks])


# -- ablation -------------------------------------------------------------------------------------

ABLATION_HEADINGS = ("part", "what it is", "saves, bps")
KNOWS = "learned_less_placebo"
"""Key of the learned part less its placebo: cost saving by the information in forecasts."""
SAID = {**PARTS, KNOWS: "what network and forecast save beyond that"}


def ablation_rows(worth: Mapping[str, Estimate | None]) -> list[tuple[str, str, str]]:
    """Rows of the table; see `ABLATION_HEADINGS`."""
    return [
        (part, SAID[part], "it has none" if saves is None else spelt(saves, "+"))
        for part, saves in worth.items()
    ]
