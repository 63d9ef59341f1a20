"""`tercel agent evaluate`: policies against everything written, on the same unseen episodes, with honest statistics."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from tercel.cli.order import NOT_TYPED, Fees, Impact, TypedOrder, check_tape
from tercel.cli.shared import AsJson, ObservationOption, Ray, StrategyOption, Symbols, listed_dates, listed_seeds
from tercel.core.errors import ConfigError
from tercel.core.names import listed
from tercel.core.report.terminal import ALL_IN, hand_over, result_console, say

if TYPE_CHECKING:
    from tercel.execution.market import Market
    from tercel.lab.evaluation.pipeline.request import EvaluationRequest

RESULT = "evaluation.json"
PAGE = "evaluation.html"

Policies = Annotated[
    list[str] | None,
    typer.Argument(
        help="Policies: folders, `default` for the one that ships, names of `tercel agent list`; `default-all` for all "
        "of its family, each in the markets that it was made for. Folders of one recipe with other training seeds are "
        "judged as one row as well.",
        metavar="POLICY...",
    ),
]
Family = Annotated[
    str,
    typer.Option(
        help="Judge all these policies as one of this name, each in the markets that its card says it is made for.",
        metavar="NAME",
    ),
]
Markets = Annotated[
    list[str] | None,
    typer.Option(
        "--market", help="Preset market (default: csco); several: the first one's table is printed.", metavar="NAME"
    ),
]
Tape = Annotated[Path | None, typer.Option(help="Judge on the later days of this lake.", metavar="LAKE")]
Against = Annotated[str, typer.Option(help="Written strategies to compare with, or all.", metavar="all|NAME,...")]
Episodes = Annotated[
    int, typer.Option(help="Judged episodes in each market; on tape at most.", min=2, max=1_000_000, metavar="N")
]
Seeds = Annotated[str, typer.Option(help="Base seeds of the judged episodes, which are split evenly.", metavar="S,...")]


@dataclass(frozen=True)
class EvaluatePolicies:
    """What is asked of `tercel agent evaluate`."""

    interrupted: ClassVar[str] = "what is finished is kept in {out}; the same command goes on"

    policies: Policies = None
    strategy: StrategyOption = None
    observation: ObservationOption = None
    family: Family = ""
    market: Markets = None
    tape: Tape = None
    symbol: Symbols = None
    date: Annotated[
        str, typer.Option(help="(--tape) Days to judge on. Default: the later third.", metavar="D[,D...]")
    ] = ""
    allow_seen_days: Annotated[
        bool,
        typer.Option(
            "--allow-seen-days", help="(--tape) Judge policies on days that they learned from too; the table says so."
        ),
    ] = False
    impact: Impact = None
    against: Against = "all"
    episodes: Episodes = 1_000
    seeds: Seeds = "1"
    regimes: Annotated[
        str,
        typer.Option(
            help="Regimes, as in `tercel run` (chain, season, names, a .toml file); each: every named one by itself, "
            "in every market.",
            metavar="WHAT",
        ),
    ] = ""
    fees: Fees = None
    order: TypedOrder = NOT_TYPED
    sensitivity: Annotated[
        bool, typer.Option("--sensitivity", help="Other latencies, fees and order sizes too, one at a time.")
    ] = False
    adaptation: Annotated[
        bool, typer.Option("--adaptation", help="Regimes that begin half-way through the order too.")
    ] = False
    trained_for: Annotated[
        list[str] | None,
        typer.Option(
            help="(--adaptation) The policy trained in a regime, to measure losses against; several.",
            metavar="REGIME=POLICY",
        ),
    ] = None
    trust: Annotated[
        bool, typer.Option("--trust", help="Unpickle .zip archives of Stable-Baselines3, which may run anything.")
    ] = False
    ray: Ray = None
    out: Annotated[
        Path, typer.Option(help="Folder of results, figures and page; what is finished there is not run again.")
    ] = Path("runs/evaluate")
    as_json: AsJson = False

    def __post_init__(self) -> None:
        """Refuse options that do not go together."""
        check_tape(self.tape, self.symbol, self.order)
        if self.impact == "":
            raise ConfigError("the name of a law", "an empty one", "leave --impact out for the default")
        if self.date and self.order.orders is not None:
            raise ConfigError("orders of a list on their own days", "--date with --orders", "leave one out")
        if self.date and self.tape is None:
            raise ConfigError("--date with --tape", "--date alone", "add --tape and --symbol")
        if self.trained_for and not self.adaptation:
            remedy = "add --adaptation, or leave it out"
            raise ConfigError("--trained-for with --adaptation", "--trained-for alone", remedy)
        if self.order.orders is not None and (self.market or self.sensitivity or self.adaptation):
            remedy = "leave --market, --sensitivity and --adaptation out"
            received = f"{self.order.orders} beside other conditions"
            raise ConfigError("orders of a list on their tapes alone", received, remedy)
        if not (self.policies or self.strategy or self.order.orders) and self.against == "all":
            remedy = (
                "name its folder, default for the one that ships, --strategy FILE:NAME, or --against NAME,... alone"
            )
            raise ConfigError("a policy or a strategy to judge", "none", remedy)
        for option, own in (("--strategy", self.strategy), ("--observation", self.observation)):
            if self.ray is not None and own:
                raise ConfigError(f"{option} on this machine", f"{option} {own[0]} with --ray", "leave --ray out")


def evaluate(request: EvaluatePolicies) -> None:
    """Judge policies against everything written, on the same unseen episodes, with honest statistics."""
    from tercel.api.judged import judge

    out = request.out
    result = judge(_requested(request), out).write(out, out / RESULT, out / PAGE)
    hand_over(result, request.as_json, lambda: show(result, out / RESULT, out / PAGE))


def _requested(request: EvaluatePolicies) -> "EvaluationRequest":
    """What is asked for, every name looked up."""
    from tercel.api.judged import participants_of
    from tercel.execution.market import latency_of
    from tercel.execution.registry.resolve import ARCHIVE
    from tercel.execution.task import Task
    from tercel.execution.user_strategy import findable
    from tercel.lab.evaluation.order_files import read_orders, task_of
    from tercel.lab.evaluation.pipeline.candidates import baselines_of, own_of
    from tercel.lab.evaluation.pipeline.request import EvaluationRequest, settings_of, specialists
    from tercel.lab.learning.agent.convert import opened
    from tercel.lab.learning.ray.jobs import on_cluster

    order, seeds, late = request.order, listed_seeds(request.seeds), request.order.latency
    task = Task() if late is None else Task(latency=latency_of(late, "latency", request.tape or "", request.symbol))
    orders = () if order.orders is None else read_orders(order.orders)
    markets = settings_of(_markets(request), task_of(task, order.values), orders)
    eyes = [findable(name) for name in request.observation or ()]
    policies = [
        opened(text, request.out) if request.trust and text.endswith(ARCHIVE) else text
        for text in request.policies or ()
    ]
    own = own_of([findable(name) for name in request.strategy or ()])
    everyone = [*policies, *own, *baselines_of(request.against)]
    requested = EvaluationRequest(
        *participants_of(everyone, markets, request.family, eyes),
        markets,
        request.episodes,
        tuple(seeds),
        request.regimes,
        request.sensitivity,
        request.adaptation,
        specialists(request.trained_for or (), eyes),
        None if request.ray is None else on_cluster(request.ray),
        allow_seen_days=request.allow_seen_days,
    )
    if request.adaptation and next(iter(markets.values())).market.on_tape:
        raise ConfigError("--adaptation in a preset's market", "a tape", "a tape has the regimes that it had")
    return requested


def _markets(request: EvaluatePolicies) -> "list[Market]":
    """The markets that were typed; a law is that of a tape where there is one, regimes are those of presets."""
    from tercel.execution.market import Market, fees_of
    from tercel.lab.evaluation.pipeline.request import EACH
    from tercel.market.flow.preset import DEFAULT

    tape, law, fees = request.tape, request.impact or "", fees_of(request.fees)
    regimes = "" if request.regimes == EACH else request.regimes
    names = listed(",".join(request.market or ())) or ([DEFAULT] if tape is None else [])
    found = [Market(name, impact="" if tape else law, fees=fees, regimes=regimes) for name in names]
    if tape is None:
        return found
    dates = tuple(listed_dates(request.date))
    beside = "" if names else regimes
    return [*found, Market("", str(tape), request.symbol or "", dates, law, fees, regimes=beside)]


def show(result: Mapping[str, Any], file: Path, page: Path) -> None:
    """Print the table and where the rest is."""
    from tercel.lab.evaluation.pipeline.terminal import judged_table

    result_console().print(replace(judged_table(result), all_in=ALL_IN))
    say(f"report    {page}")
    say(f"figures   {file}")
