"""`tercel agent explain`: which features move a policy and what it costs, and some episodes step by step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tercel.cli import (
    AsJson,
    ObservationOption,
    Policy,
    Registry,
    Seed,
    hand_over,
    print_table,
    progress,
    say,
)
from tercel.core.report import spelt

if TYPE_CHECKING:
    from studies.explain.explanation import Explanation
    from studies.explain.importance import PermutationImportance
    from tercel.core import Estimate


@dataclass(frozen=True)
class Explain:
    """What is asked of `tercel agent explain`."""

    policy: Policy
    market: Annotated[
        str, typer.Option(help="Market to look at it in. Default: that of its card.")
    ] = ""
    episodes: Annotated[int, typer.Option(help="Episodes to look at.", min=16, max=100_000)] = 256
    out: Annotated[Path | None, typer.Option(help="Folder for the report.", metavar="DIR")] = None
    seed: Seed = 1
    observation: ObservationOption = None
    registry: Registry = ""
    as_json: AsJson = False


def explain(request: Explain) -> None:
    """Explain a policy: which features move what it does and what it costs, and some episodes step by step."""
    from studies.explain.explanation import explanation
    from tercel.execution import located, same_name
    from tercel.execution.policies import CARD_FILE as CARD, read_card
    from tercel.execution.registry import resolve_policy

    folder = resolve_policy(request.policy, request.registry)
    observed = read_card(folder / CARD).observation
    eyes = next(
        (
            located(one, "observation")
            for one in request.observation or ()
            if same_name(observed, one)
        ),
        None,
    )
    with progress(transient=True) as bars:
        bar = bars.add_task("watch", total=None)

        def advance(done: int, total: int, what: str) -> None:
            bars.update(bar, completed=done, total=total, description=what)

        found = explanation(
            folder,
            request.policy,
            market=request.market,
            episodes=request.episodes,
            seed=request.seed,
            eyes=eyes,
            advance=advance,
        )
    short = folder.parent.name if folder.name == "policy" else folder.name
    page = (request.out or Path("runs") / "explain" / short) / "explain.html"
    found.report(page)
    hand_over(
        {**found.to_dict(), "report": str(page)}, request.as_json, lambda: _show_explained(found)
    )
    say(f"report  {page}")


def _show_explained(found: "Explanation") -> None:
    from studies.explain.importance import PARTS

    say(found.lead())
    if found.still:
        say(
            f"{found.policy} in {found.market}, {found.episodes} episodes, IS {spelt(found.is_bps)} bps"
        )
        return
    if found.from_rule is not None:
        share = f"{100 * found.from_rule.mean:.1f} %"
        say(
            f"It moves a rule, and sends {share} of what is left elsewhere than the rule alone would."
        )
    title = (
        f"{found.policy} in {found.market}, {found.episodes} episodes, IS {spelt(found.is_bps)} bps"
    )
    headings = ("feature", "goes elsewhere, %", *PARTS, "costs more without it, bps")
    print_table(title, headings, _cells(found.families, found.family_costs), PARTS[::-1])
    print_table(
        "single features", headings, _cells(found.features[:12], found.feature_costs), PARTS[::-1]
    )


def _cells(
    moved: "Sequence[PermutationImportance]", costs: "Mapping[str, Estimate]"
) -> list[tuple[str, ...]]:
    return [
        (
            each.name,
            *(f"{100 * part:.1f}" for part in (each.distance.mean, *each.change)),
            spelt(costs[each.name], "+") if each.name in costs else "",
        )
        for each in moved
    ]
