"""Body of `tercel agent explain`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from tercel.app.commands.agent_show import folder_name
from tercel.app.output import print_json, print_table, progress_console, say
from tercel.core.errors import PolicyError
from tercel.evaluation.episodes import seeded_plan
from tercel.evaluation.explain import (
    Explained,
    Seen,
    away_from,
    grouped,
    moves_action,
    moves_cost,
    partial_dependence,
    tell,
    watch,
)
from tercel.evaluation.explain.importance import Moved
from tercel.evaluation.explain.page import Explanation
from tercel.evaluation.explain.seen import PARTS
from tercel.evaluation.explain.stories import chosen
from tercel.evaluation.task import Latency, Task
from tercel.execution.actions import action_set
from tercel.execution.costs import attribute
from tercel.execution.observers import Eyes, same_name
from tercel.execution.own import located
from tercel.execution.policies.card import Card, read_card
from tercel.execution.policies.policy import CARD
from tercel.execution.policies.strategy import policy_strategy
from tercel.execution.registry import resolve_policy
from tercel.market.flow import preset as presets
from tercel.market.impact.pilot import law_for
from tercel.market.simulator.source import reactive
from tercel.report.tables import spelt
from tercel.stats import Estimate, mean_interval

REPORT = "explain.html"
ROWS = 4096
"""Decisions that the action's importance is measured on."""
CURVE_ROWS = 1024
TOP = 6
"""Features whose cost and partial dependence are measured."""
MOVING = ("residual", "levers")
"""Action sets in which a network moves a written rule."""
EACH = 2
"""Cheapest, median and dearest episodes told."""
HEADINGS = ("feature", "goes elsewhere, %", *PARTS, "dearer without it, bps")
LEAVES = PARTS[::-1]


def run(
    policy: str,
    *,
    market: str,
    episodes: int,
    out: Path | None,
    seed: int,
    observations: Sequence[str],
    registry: str,
    as_json: bool,
) -> None:
    """Watch the policy, ask what moves it, tell some of its episodes."""
    from rich.progress import Progress

    folder = resolve_policy(policy, registry)
    said = read_card(folder / CARD).observation
    eyes = next((located(one, "observation") for one in observations if same_name(said, one)), None)
    with Progress(console=progress_console(), transient=True) as progress:
        bar = progress.add_task("watch", total=None)

        def advance(done: int, total: int, what: str) -> None:
            progress.update(bar, completed=done, total=total, description=what)

        found = explanation(folder, policy, market=market, episodes=episodes, seed=seed, eyes=eyes, advance=advance)
    page = (out or Path("runs") / "explain" / folder_name(folder)) / REPORT
    found.report(page)
    if as_json:
        print_json({**found.to_dict(), "report": str(page)})
    else:
        _print(found)
    say(f"report  {page}")


def explanation(
    folder: Path,
    policy: str,
    *,
    market: str = "",
    episodes: int,
    seed: int,
    eyes: Eyes | None = None,
    advance: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> Explanation:
    """What moves the policy in `folder`, which was named `policy`; `advance` hears how far the work is."""
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
    moved = moves_action(strategy, some, {name: (column,) for column, name in enumerate(names)}, rng)
    still = not any(each.distance.mean for each in moved)
    top = [] if still else [each.name for each in moved[:TOP]]
    arguments = (source, task, plan, strategy, costs)
    family_costs = {} if still else moves_cost(*arguments, families, rng, without)
    feature_costs = moves_cost(*arguments, {name: (names.index(name),) for name in top}, rng, without)
    few = seen.some(CURVE_ROWS, rng)
    curves = [partial_dependence(strategy, few, names, names.index(name)) for name in top]
    advance(next(steps), total, "tell episodes")
    cost = attribute(costs, None)["is_bps"]
    stories = tell(source, task, plan, strategy, some, names, chosen(cost, min(EACH, episodes // 3)), rng)
    beside = from_rule(strategy, card, some, rng)
    return Explanation(
        policy=strategy.name, market=preset.name, episodes=episodes, decisions=len(seen),
        is_bps=mean_interval(cost, costs.cluster, rng), families=moves_action(strategy, some, families, rng),
        features=moved, family_costs=family_costs, feature_costs=feature_costs, dependence=curves, stories=stories,
        tick=preset.tick,
        facts={"policy": policy, "market": preset.name, "episodes": episodes, "seed": seed, "decisions": len(seen)},
        from_rule=beside, kept_start=card.frames == 0 and "validation" in card.scores,
    )  # fmt: skip


def explained(folder: Path, eyes: Eyes | None = None) -> tuple[Explained, Card]:
    """The policy in `folder` as something that answers to observations (those of `eyes`, if they are the user's own),
    and its card.

    Raises
    ------
    PolicyError
        When it was made for another observation.
    """
    return policy_strategy(folder, eyes=eyes), read_card(folder / CARD)


def from_rule(strategy: Explained, card: Card, seen: Seen, rng: np.random.Generator) -> Estimate | None:
    """How far a network that moves a written rule goes from it; None for one that acts by itself."""
    if card.actions not in MOVING:
        return None
    actions = action_set(card.actions, card.action_parameters)
    still = np.zeros((len(seen), actions.size), np.float32)  # in these sets zero is the rule, lot for lot
    return away_from(actions.decode(still, seen.view), strategy, seen, rng)


def home_of(card: Card) -> str:
    """The market of a card, if it is one that is simulated; else the default one."""
    market = str(card.trained_on.get("market") or next(iter(card.trained_on.get("markets") or ()), ""))
    return market if market in presets.names() else presets.DEFAULT


def task_of(card: Card) -> Task:
    """The task of a card, as far as it tells one.

    Raises
    ------
    PolicyError
        For a task that is none.
    """
    known = {name: card.task[name] for name in Task.__dataclass_fields__ if name in card.task}
    try:
        for name in ("latency", "feed_latency"):
            if name in known:
                told = dict(known[name])
                known[name] = Latency(**{**told, "values_ns": tuple(told.get("values_ns", ()))})
        return Task(**known)
    except (TypeError, ValueError) as error:
        raise PolicyError("a card with a task", str(error), "save the policy again") from error


def _print(found: Explanation) -> None:
    say(found.lead())
    if found.still:
        say(f"{found.policy} in {found.market}, {found.episodes} episodes, IS {spelt(found.is_bps.to_json())} bps")
        return
    if found.from_rule is not None:
        share = f"{100 * found.from_rule.mean:.1f} %"
        say(f"It moves a written rule, and sends {share} of what is left elsewhere than the rule alone would.")
    title = f"{found.policy} in {found.market}, {found.episodes} episodes, IS {spelt(found.is_bps.to_json())} bps"
    print_table(title, HEADINGS, _cells(found.families, found.family_costs), LEAVES)
    print_table("single features", HEADINGS, _cells(found.features[:12], found.feature_costs), LEAVES)


def _cells(moved: Sequence[Moved], costs: Mapping[str, Estimate]) -> list[tuple[str, ...]]:
    return [
        (
            each.name,
            *(f"{100 * part:.1f}" for part in (each.distance.mean, *each.change)),
            spelt(costs[each.name].to_json(), "+") if each.name in costs else "",
        )
        for each in moved
    ]
