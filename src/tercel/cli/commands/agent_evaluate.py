"""`tercel agent evaluate`: policies against everything written, on the same unseen episodes, with honest statistics."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tercel.core.errors import ConfigError
from tercel.evaluation.contest.asked import EACH, Asked, judged, markets_of, notes_of, specialists
from tercel.evaluation.contest.contenders import baselines_of, own_of, refuse_namesakes
from tercel.evaluation.contest.families import field_of
from tercel.evaluation.contest.shown import shown
from tercel.evaluation.order_files import read_orders, task_of
from tercel.evaluation.venue import fees_of, latency_of, tape_of
from tercel.execution.own import findable
from tercel.execution.registry.resolve import ARCHIVE
from tercel.execution.task import Task
from tercel.learning.agent.convert import opened
from tercel.learning.ray.contest import on_cluster
from tercel.market.simulator.terms import NO_FEES
from tercel.report.terminal import print_json, result_console, say

RESULT = "evaluation.json"
PAGE = "evaluation.html"


def evaluate(
    *,
    policies: Sequence[str],
    strategies: Sequence[str],
    observations: Sequence[str],
    family: str,
    markets: Sequence[str],
    lake: Path | None,
    symbol: str | None,
    dates: Sequence[str],
    allow_seen_days: bool,
    impact: str | None,
    against: str,
    episodes: int,
    seeds: Sequence[int],
    regimes: str,
    fees: str | None,
    latency_ms: str | None,
    order: Mapping[str, Any],
    orders: Path | None,
    sensitivity: bool,
    adaptation: bool,
    trained_for: Sequence[str],
    trust: bool,
    ray: str | None,
    out: Path,
    as_json: bool,
) -> int:
    """Judge; see the module."""
    if trained_for and not adaptation:
        raise ConfigError("--trained-for with --adaptation", "--trained-for alone", "add --adaptation, or leave it out")
    task = Task() if latency_ms is None else Task(latency=latency_of(latency_ms, "--latency", *tape_of(lake, symbol)))
    task = task_of(task, order)
    charged = NO_FEES if fees is None else fees_of(fees)
    listed = () if orders is None else read_orders(orders)
    if listed and (markets or sensitivity or adaptation):
        remedy = "leave --market, --sensitivity and --adaptation out"
        raise ConfigError("orders of a list on their tapes alone", f"{orders} beside other conditions", remedy)
    everywhere = "" if regimes == EACH else regimes
    held_in = markets_of(markets, lake, symbol, impact, task, charged, everywhere, dates, listed)
    for option, mine in (("--strategy", strategies), ("--observation", observations)):
        if ray is not None and mine:
            raise ConfigError(f"{option} on this machine", f"{option} {mine[0]} with --ray", "leave --ray out")
    eyes = [findable(name) for name in observations]
    own, baselines = own_of([findable(name) for name in strategies]), baselines_of(against)
    refuse_namesakes([*own, *baselines])
    if trust:
        policies = [opened(text, out) if text.endswith(ARCHIVE) else text for text in policies]
    asked = Asked(
        field_of(policies, family, held_in, own, eyes, alone=bool(listed)),
        baselines,
        held_in,
        episodes,
        tuple(seeds),
        regimes,
        sensitivity,
        adaptation,
        specialists(trained_for, eyes),
        None if ray is None else on_cluster(ray),
        allow_seen_days=allow_seen_days,
    )
    if adaptation and next(iter(held_in.values())).on_tape:
        raise ConfigError("--adaptation in a preset's market", "a tape", "a tape has the regimes that it had")
    result = judged(asked, out, notes_of(asked), out / RESULT, out / PAGE)
    if as_json:
        print_json(result)
    else:
        tell(result, out / RESULT, out / PAGE)
    return 0


def tell(result: Mapping[str, Any], file: Path, page: Path) -> None:
    """Print the table and where the rest is."""
    result_console().print(shown(result))
    say(f"report    {page}")
    say(f"figures   {file}")
