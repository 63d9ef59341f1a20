"""An explanation of a policy, and its page."""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from studies.explain.figures import dependences, episode, importances
from studies.explain.importance import (
    PARTS,
    Dependence,
    EpisodeStep,
    EpisodeTrace,
    ExplainableStrategy,
    ObservedDecisions,
    PermutationImportance,
    Reason,
    away_from,
    chosen,
    grouped,
    moves_action,
    moves_cost,
    partial_dependence,
    trace_episodes,
    watch,
)
from tercel import Market, Policy
from tercel.core import refuse_if, write_atomic
from tercel.core.report import Section, plain_table, render
from tercel.core.stats import Estimate, mean_interval
from tercel.execution import ObservationFunction, action_set, attribute
from tercel.execution.policies import CARD_FILE as CARD, Card, policy_strategy, read_card
from tercel.execution.registry import resolve_policy
from tercel.lab.evaluation import seeded_plan, task_of
from tercel.market.flow import preset as presets
from tercel.market.impact import law_for
from tercel.market.simulator import reactive

if TYPE_CHECKING:
    import polars as pl


# -- page -----------------------------------------------------------------------------------------
# Page of an explanation: importances, responses, and episodes to read.

STEP_HEADINGS = (
    "minute",
    "left",
    "bid x ask",
    "own | far lots",
    "wants",
    "because",
    "filled",
    "bps so far",
)


@dataclass(frozen=True, eq=False)
class Explanation:
    """Result of explaining a policy in one market.

    Parameters
    ----------
    policy, market : str
    episodes, decisions : int
    is_bps : Estimate
        What it cost in these episodes.
    families, features : list of PermutationImportance
        Effect on the action.
    family_costs, feature_costs : mapping of name to Estimate
        Effect on the cost, bps.
    dependence : list of Dependence
    traces : list of EpisodeTrace
    tick : float
    facts : mapping
        For the head of the page.
    from_rule : Estimate, optional
        Of a network that moves a written rule: the share of what is left that it sends elsewhere than the rule alone.
    is_start : bool
        Whether its training returned its start, because nothing after it was better.
    """

    policy: str
    market: str
    episodes: int
    decisions: int
    is_bps: Estimate
    families: list[PermutationImportance]
    features: list[PermutationImportance]
    family_costs: Mapping[str, Estimate]
    feature_costs: Mapping[str, Estimate]
    dependence: list[Dependence]
    traces: list[EpisodeTrace]
    tick: float
    facts: Mapping[str, object]
    from_rule: Estimate | None = None
    is_start: bool = False

    @property
    def still(self) -> bool:
        """Whether no feature moves the policy, so that there is nothing to rank."""
        return not any(each.distance.mean for each in self.features)

    def lead(self) -> str:
        """Summary in two sentences."""
        rule = self.from_rule is not None and self.from_rule.mean == 0.0
        if self.still and rule:
            return f"Nothing was learned: {self.policy} is the rule itself, and no feature moves it from there."
        begun = (
            f"Nothing was learned: {self.policy} is what its training began with. "
            if self.is_start
            else ""
        )
        if self.still:
            return f"{begun}No feature that {self.policy} sees moves what it does."
        return begun + self._moving()

    def _moving(self) -> str:
        most = self.families[0]
        share = f"{100 * most.distance.mean:.0f} %"
        sentence = f"What moves {self.policy} most is {most.name}: shuffled, it sends {share} of what is left elsewhere."
        paying = {
            name: cost
            for name, cost in self.family_costs.items()
            if cost.ci_low is not None and cost.ci_low > 0
        }
        if not paying:
            return f"{sentence} No family of features is shown to pay here: no interval of the cost lies above zero."
        name, cost = max(paying.items(), key=lambda item: item[1].mean)
        return f"{sentence} What pays most is {name}: without it an order costs {cost.mean:.2f} bps more."

    def report(self, path: Path) -> Path:
        """Write the page, whole or not at all; its folder is made."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, self.html())
        return path

    def table(self) -> "pl.DataFrame":
        """Families, then features: the share of what is left that goes elsewhere when it is shuffled, and what an order
        costs more without it, bps (None where that was not measured)."""
        import polars as pl

        rows = []
        for kind, moved, costs in (
            ("family", self.families, self.family_costs),
            ("feature", self.features, self.feature_costs),
        ):
            for one in moved:
                extra = costs[one.name].mean if one.name in costs else None
                rows.append((kind, one.name, one.distance.mean, extra))
        return pl.DataFrame(rows, schema=["kind", "name", "elsewhere", "dearer_bps"], orient="row")

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.lead())}</p>{self.table()._repr_html_()}"

    def html(self) -> str:
        """The page."""
        sections = [self._trace_section(number, trace) for number, trace in enumerate(self.traces)]
        sections = sections if self.still else [*self._moves(), *sections]
        return render(f"Why {self.policy} does what it does", self.lead(), sections, self.facts)

    def _moves(self) -> list[Section]:
        return [
            Section(
                "What moves it",
                self._with_rule_note(
                    "Families of features first, because features that say the same share their importance."
                ),
                figures=[
                    importances(_distances(self.families), self.family_costs, "families"),
                    importances(_distances(self.features[:16]), self.feature_costs, "features"),
                ],
            ),
            Section(
                "How it answers",
                "The features that move it most, one at a time.",
                figures=[dependences([(d.name, d.grid, d.mean) for d in self.dependence])],
            ),
        ]

    def _with_rule_note(self, text: str) -> list[str]:
        if self.from_rule is None:
            return [text]
        share = f"{100 * self.from_rule.mean:.0f} %"
        return [
            text,
            "This network moves a rule, which looks at the market by itself: what is shuffled is what the "
            f"network sees. It sends {share} of what is left elsewhere than the rule alone would.",
        ]

    def _trace_section(self, number: int, trace: EpisodeTrace) -> Section:
        steps = trace.steps
        title = f"Episode {trace.episode}, among the {trace.title}: {trace.cost_bps:+.2f} bps"
        fills = trace.fill_s, trace.fill_ticks, trace.fill_lots, trace.fill_passive
        figure = episode(
            [s.time_s for s in steps],
            [s.bid for s in steps],
            [s.ask for s in steps],
            [s.shown for s in steps],
            [s.held for s in steps],
            [s.cost_bps for s in steps],
            trace.cost_bps,
            fills,
            trace.side,
            title,
            f"story{number}",
            self.tick,
        )
        table = plain_table(
            STEP_HEADINGS, [_row(step, self.tick) for step in steps], title, prose=True
        )
        return Section(
            title,
            _summary(trace),
            f"<details><summary>Step by step</summary>{table}</details>",
            [figure],
        )

    def to_dict(self) -> dict[str, object]:
        """The explanation as plain values, for JSON."""
        return {
            "policy": self.policy,
            "market": self.market,
            "episodes": self.episodes,
            "decisions": self.decisions,
            "is_bps": self.is_bps.to_json(),
            "from_rule": None if self.from_rule is None else self.from_rule.to_json(),
            "families": _measured(self.families, self.family_costs),
            "features": _measured(self.features, self.feature_costs),
            "dependence": {
                each.name: {"grid": each.grid}
                | {part: each.mean[:, k] for k, part in enumerate(PARTS)}
                for each in self.dependence
            },
            "stories": [_trace_json(trace) for trace in self.traces],
        }


def reason_in_words(reason: Reason) -> str:
    """Phrase for a reason.

    >>> reason_in_words(Reason("imbalance_1", 0.714, 0.9, (0.25, -0.25, 0.0, 0.0)))
    'imbalance_1 0.71 (above 90 %): take +25 %, touch -25 %'
    """
    changes = zip(PARTS, reason.change, strict=True)
    sentence = ", ".join(f"{part} {100 * by:+.0f} %" for part, by in changes if abs(by) >= 0.005)
    return f"{reason.name} {reason.value:.2f} (above {100 * reason.rank:.0f} %): {sentence or 'another price'}"


def _row(step: EpisodeStep, tick: float) -> list[object]:
    filled = f"{step.filled} ({step.passive} resting)" if step.filled else ""
    return [
        f"{step.time_s / 60:.1f}",
        step.left,
        f"{step.bid * tick:g} x {step.ask * tick:g}",
        f"{step.own_depth:,} | {step.far_depth:,}",
        step.wants,
        "; ".join(reason_in_words(reason) for reason in step.reasons),
        filled,
        f"{step.cost_bps:+.2f}",
    ]


def _summary(trace: EpisodeTrace) -> str:
    lots = trace.fill_lots
    rested, forced = int(lots[trace.fill_passive].sum()), int(lots[trace.fill_forced].sum())
    names = [reason.name for step in trace.steps for reason in step.reasons[:1]]
    common = max(set(names), key=names.count) if names else ""
    led = (
        f" What led most often: {common}, in {names.count(common)} of {len(trace.steps)} decisions."
        if common
        else ""
    )
    return (
        f"{'Buys' if trace.side > 0 else 'Sells'} {trace.lots} lots: {rested} filled resting, "
        f"{int(lots.sum()) - rested - forced} taken, {forced} sent at the horizon.{led}"
    )


def _distances(moved: Sequence[PermutationImportance]) -> dict[str, Estimate]:
    return {each.name: each.distance for each in moved}


def _measured(
    moved: Sequence[PermutationImportance], costs: Mapping[str, Estimate]
) -> dict[str, object]:
    return {
        each.name: {
            "action": each.distance.to_json(),
            **dict(zip(PARTS, each.change, strict=True)),
            "cost_bps": costs[each.name].to_json() if each.name in costs else None,
        }
        for each in moved
    }


def _trace_json(trace: EpisodeTrace) -> dict[str, object]:
    steps = [
        {
            "time_s": step.time_s,
            "left": step.left,
            "bid": step.bid,
            "ask": step.ask,
            "take": step.take,
            "rest": step.rest,
            "wants": step.wants,
            "because": [reason_in_words(reason) for reason in step.reasons],
            "filled": step.filled,
            "passive": step.passive,
            "cost_bps": step.cost_bps,
        }
        for step in trace.steps
    ]
    return {
        "title": trace.title,
        "episode": trace.episode,
        "side": trace.side,
        "lots": trace.lots,
        "is_bps": trace.cost_bps,
        "forced_lots": int(np.sum(trace.fill_lots[trace.fill_forced])),
        "steps": steps,
    }


# -- explanation ----------------------------------------------------------------------------------
# Explanation of a policy folder: importances of its features, and some of its episodes step by step.

ROWS = 4096
"""Decisions that the action's importance is measured on."""
CURVE_ROWS = 1024
TOP = 6
"""Features whose cost and partial dependence are measured."""
MOVING = ("residual", "levers")
"""Action sets in which a network moves a written rule."""
EACH = 2
"""Episodes shown: the cheapest, the median and the most expensive."""


def explanation(
    folder: Path,
    policy: str,
    *,
    market: str = "",
    episodes: int,
    seed: int,
    eyes: ObservationFunction | None = None,
    advance: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> Explanation:
    """Explanation of the policy in `folder`, named `policy`; `advance` is called with the progress."""
    strategy, card = explained(folder, eyes)
    preset = presets.load(market or home_of(card))
    task = task_of(card)
    source = reactive(preset, 1, impact=law_for(preset, None) or "none")
    plan = seeded_plan(task, task.lots(preset.volume_per_s), seed, 0, episodes)
    rng = np.random.default_rng((seed, 23))
    names = card.observes
    families = grouped(names)
    steps = iter(range(1, total := len(families) + TOP + 4))

    def without(what: str) -> None:
        advance(next(steps), total, f"without {what}")

    seen, costs = watch(source, task, plan, strategy)
    some = seen.some(ROWS, rng)
    advance(next(steps), total, "shuffle")
    moved = moves_action(
        strategy, some, {name: (column,) for column, name in enumerate(names)}, rng
    )
    still = not any(each.distance.mean for each in moved)
    top = [] if still else [each.name for each in moved[:TOP]]
    arguments = (source, task, plan, strategy, costs)
    family_costs = {} if still else moves_cost(*arguments, families, rng, without)
    feature_costs = moves_cost(
        *arguments, {name: (names.index(name),) for name in top}, rng, without
    )
    few = seen.some(CURVE_ROWS, rng)
    curves = [partial_dependence(strategy, few, names, names.index(name)) for name in top]
    advance(next(steps), total, "tell episodes")
    cost = attribute(costs, None)["is_bps"]
    traces = trace_episodes(
        source, task, plan, strategy, some, names, chosen(cost, min(EACH, episodes // 3)), rng
    )
    beside = from_rule(strategy, card, some, rng)
    return Explanation(
        policy=strategy.name,
        market=preset.name,
        episodes=episodes,
        decisions=len(seen),
        is_bps=mean_interval(cost, costs.cluster, rng),
        families=moves_action(strategy, some, families, rng),
        features=moved,
        family_costs=family_costs,
        feature_costs=feature_costs,
        dependence=curves,
        traces=traces,
        tick=preset.tick,
        facts={
            "policy": policy,
            "market": preset.name,
            "episodes": episodes,
            "seed": seed,
            "decisions": len(seen),
        },
        from_rule=beside,
        is_start=card.is_start,
    )


def explained(
    folder: Path, eyes: ObservationFunction | None = None
) -> tuple[ExplainableStrategy, Card]:
    """The policy in `folder` as something that answers to observations (those of `eyes`, if they are the user's own),
    and its card.

    Raises
    ------
    PolicyError
        When it was made for another observation.
    """
    return policy_strategy(folder, own_observation=eyes), read_card(folder / CARD)


def from_rule(
    strategy: ExplainableStrategy, card: Card, seen: ObservedDecisions, rng: np.random.Generator
) -> Estimate | None:
    """Distance of a network from the written rule that it moves; None for one that acts by itself."""
    if card.actions not in MOVING:
        return None
    actions = action_set(card.actions, card.action_parameters)
    still = np.zeros(
        (len(seen), actions.size), np.float32
    )  # in these sets zero is the rule, lot for lot
    return away_from(actions.decode(still, seen.view), strategy, seen, rng)


def home_of(card: Card) -> str:
    """Market of a card, if simulated; else the default one."""
    market = str(
        card.trained_on.get("market") or next(iter(card.trained_on.get("markets") or ()), "")
    )
    return market if market in presets.names() else presets.DEFAULT


def explain(
    policy: Policy | str, market: Market | None = None, *, episodes: int = 200, seed: int = 1
) -> Explanation:
    """What moves a policy, what that is worth, and some of its episodes, as ``tercel agent explain`` does.

    Parameters
    ----------
    policy : Policy or str
    market : Market, optional
        A simulated one, under the law that it carries; by default the one that the policy was trained in.
    episodes : int
    seed : int

    Returns
    -------
    Explanation
        ``table()`` (family or feature, share of what is left that it moves elsewhere, what an order costs more without
        it, bps), ``report(path)``, ``families``, ``features``, ``is_bps``.

    Raises
    ------
    PolicyError, ConfigError
        A policy that cannot be run, or a market with a law, fees or latency of its own.

    >>> explain("default", episodes=2).market
    'csco'
    """
    refuse_if(
        market is not None and (market.on_tape or market != Market(preset=market.preset)),
        "a preset's market as it is",
        f"{market}",
        "call load_market(name) alone",
    )
    folder = policy.folder if isinstance(policy, Policy) else resolve_policy(policy)
    name, eyes = (policy.name, policy.observation) if isinstance(policy, Policy) else (policy, None)
    where = "" if market is None else market.preset
    return explanation(folder, name, market=where, episodes=episodes, seed=seed, eyes=eyes)
