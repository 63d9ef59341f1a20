"""Explanation of a policy folder: importances of its features, and some of its episodes step by step."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tercel.core.errors import PolicyError
from tercel.core.stats import Estimate, mean_interval
from tercel.execution.action_sets import action_set
from tercel.execution.costs import attribute
from tercel.execution.observations import ObservationFunction
from tercel.execution.policies.card import Card, read_card
from tercel.execution.policies.policy import CARD
from tercel.execution.policies.strategy import policy_strategy
from tercel.execution.task import Latency, Task
from tercel.lab.evaluation.episodes import seeded_plan
from tercel.lab.evaluation.explain.dependence import partial_dependence
from tercel.lab.evaluation.explain.episode_trace import chosen, trace_episodes
from tercel.lab.evaluation.explain.importance import away_from, moves_action, moves_cost
from tercel.lab.evaluation.explain.observed import (
    ExplainableStrategy,
    ObservedDecisions,
    grouped,
    watch,
)
from tercel.lab.evaluation.explain.page import Explanation
from tercel.market.flow import preset as presets
from tercel.market.impact.pilot import law_for
from tercel.market.simulator.source import reactive

ROWS = 4096
"""Decisions that the action's importance is measured on."""
CURVE_ROWS = 1024
TOP = 6
"""Features whose cost and partial dependence are measured."""
MOVING = ("residual", "levers")
"""Action sets in which a network moves a written rule."""
EACH = 2
"""Cheapest, median and dearest episodes told."""


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
        kept_start=card.kept_start,
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
    return policy_strategy(folder, eyes=eyes), read_card(folder / CARD)


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


def task_of(card: Card) -> Task:
    """Task of a card, as far as it holds one.

    Raises
    ------
    PolicyError
        For a task that is none.
    """
    known = {name: card.task[name] for name in Task.__dataclass_fields__ if name in card.task}
    try:
        for name in ("latency", "feed_latency"):
            if name in known:
                values = dict(known[name])
                known[name] = Latency(**{**values, "values_ns": tuple(values.get("values_ns", ()))})
        return Task(**known)
    except (TypeError, ValueError) as error:
        raise PolicyError("a card with a task", str(error), "save the policy again") from error
