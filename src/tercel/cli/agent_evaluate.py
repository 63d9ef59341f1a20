"""`tercel agent evaluate`: policies against rules and strategies on the same unseen episodes, with paired intervals."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from tercel.cli.options import JsonRequest, ObservationOption, Ray, parse_dates, parse_seeds
from tercel.cli.order import Assume, JudgedOptions
from tercel.cli.output import ALL_IN, hand_over, print_rows, result_console, say
from tercel.core.errors import ConfigError, refuse_if

if TYPE_CHECKING:
    from tercel.lab.evaluation.pipeline.evaluation_record import EvaluationRecord
    from tercel.lab.evaluation.pipeline.experiment import Experiment

RESULT = "evaluation.json"
PAGE = "evaluation.html"

Policies = Annotated[
    list[str] | None,
    typer.Argument(
        help="Policies: folders, `default` for the packaged one, names of `tercel agent list`; `default-all` for all "
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
Against = Annotated[
    str, typer.Option(help="Rules to compare with, or all.", metavar="all|NAME,...")
]
Episodes = Annotated[
    int,
    typer.Option(
        help="Judged episodes in each market; on tape at most.", min=2, max=1_000_000, metavar="N"
    ),
]
Seeds = Annotated[
    str,
    typer.Option(
        help="Base seeds of the judged episodes, which are split evenly.", metavar="S,..."
    ),
]


@dataclass(frozen=True)
class EvaluatePolicies(JudgedOptions, JsonRequest):
    """Options of `tercel agent evaluate`."""

    interrupted: ClassVar[str] = "finished results are in {out}; the same command continues"
    several: ClassVar[bool] = True

    policies: Policies = None
    observation: ObservationOption = None
    family: Family = ""
    date: Annotated[
        str,
        typer.Option(
            help="(--tape) Days to judge on. Default: the later third.", metavar="D[,D...]"
        ),
    ] = ""
    allow_seen_days: Annotated[
        bool,
        typer.Option(
            "--allow-seen-days",
            help="(--tape) Judge policies on days that they learned from too; the table says so.",
        ),
    ] = False
    against: Against = "all"
    episodes: Episodes = 1_000
    seeds: Seeds = "1"
    dealers: Annotated[
        str,
        typer.Option(
            help="Dealers of requests for quote beside a simulated book: drawn (new ones for each seed), a panel's name, or "
            "its file (.toml). Evaluated ways to trade: book, rfq, block, routed.",
            metavar="drawn|PRESET|FILE",
        ),
    ] = ""
    sensitivity: Annotated[
        bool,
        typer.Option("--sensitivity", help="Other order sizes too."),
    ] = False
    adaptation: Annotated[
        bool,
        typer.Option("--adaptation", help="Regimes that begin half-way through the order too."),
    ] = False
    trained_for: Annotated[
        list[str] | None,
        typer.Option(
            help="(--adaptation) The policy trained in a regime, to measure losses against; several.",
            metavar="REGIME=POLICY",
        ),
    ] = None
    assume: Assume = None
    trust: Annotated[
        bool,
        typer.Option(
            "--trust", help="Unpickle .zip archives of Stable-Baselines3, which may run anything."
        ),
    ] = False
    apart: Annotated[
        bool,
        typer.Option(
            "--apart",
            help="What each part of the policy (or family) is worth: the same without it, and what listens on a placebo.",
        ),
    ] = False
    ray: Ray = None
    out: Annotated[
        Path,
        typer.Option(
            help="Folder of results, figures and page; results that are finished there are not run again."
        ),
    ] = Path("runs/evaluate")

    def __post_init__(self) -> None:
        """Refuse options that do not go together."""
        super().__post_init__()
        if self.date and self.by_list:
            raise ConfigError(
                "orders of a list on their own days", "--date with --orders", "leave one out"
            )
        if self.date and self.tape is None:
            raise ConfigError("--date with --tape", "--date alone", "add --tape and --symbol")
        refuse_if(
            self.trained_for and not self.adaptation,
            "--trained-for with --adaptation",
            "--trained-for alone",
            "add --adaptation, or leave it out",
        )
        refuse_if(
            self.by_list and (self.market or self.sensitivity or self.adaptation),
            "orders of a list on their tapes alone",
            f"{self.order.orders} beside other conditions",
            "leave --market, --sensitivity and --adaptation out",
        )
        refuse_if(
            not (self.policies or self.strategy or self.order.orders) and self.against == "all",
            "a policy or a strategy to judge",
            "none",
            "name its folder, default for the packaged one, --strategy FILE:NAME, or --against NAME,... alone",
        )
        for option, names in (("--strategy", self.strategy), ("--observation", self.observation)):
            if self.ray is not None and names:
                raise ConfigError(
                    f"{option} on this machine",
                    f"{option} {names[0]} with --ray",
                    "leave --ray out",
                )


def evaluate(request: EvaluatePolicies) -> None:
    """Evaluate policies against rules and strategies on the same unseen episodes, paired and with intervals."""
    folder = request.out
    result = _experiment(request).run(folder).write(folder, folder / RESULT, folder / PAGE)
    hand_over(result, request.as_json, lambda: show(result, folder / RESULT, folder / PAGE))


def _experiment(request: EvaluatePolicies) -> "Experiment":
    """The experiment that the options describe, every name looked up; with `trust` converts .zip models into folders in
    `out`."""
    from tercel.api.orders import read_orders

    order = request.order
    # before kernels: a refusal waits for none
    orders = (
        () if order.orders is None else read_orders(order.orders, columns=order.orders_column or ())
    )
    from tercel.api.evaluation import participants_of
    from tercel.execution.market import fees_of
    from tercel.execution.registry.resolve import ARCHIVE
    from tercel.execution.task import Task
    from tercel.execution.user_strategy import absolute_name
    from tercel.lab.evaluation.assumptions import parse_assumptions
    from tercel.lab.evaluation.pipeline.candidates import baselines_of, load_user_strategies
    from tercel.lab.evaluation.pipeline.experiment import (
        EACH,
        Experiment,
        parse_specialists,
        scenarios_of,
    )
    from tercel.lab.learning.agent.env import clusters
    from tercel.lab.learning.own_models import convert_archive

    regimes = request.regimes or ""
    markets = request.markets(
        "" if regimes == EACH else regimes,
        tuple(parse_dates(request.date)),
        fees=fees_of(request.fees),
        dealers=request.dealers,
    )
    scenarios = scenarios_of(
        markets,
        order.task(Task(), markets[-1]),
        orders,
        seeds=tuple(parse_seeds(request.seeds)),
        episodes=request.episodes,
    )
    observations = [absolute_name(name) for name in request.observation or ()]
    policies = [
        convert_archive(text, request.out) if request.trust and text.endswith(ARCHIVE) else text
        for text in request.policies or ()
    ]
    own_candidates = load_user_strategies([absolute_name(name) for name in request.strategy or ()])
    candidates = [*policies, *own_candidates, *baselines_of(request.against)]
    experiment = Experiment(
        scenarios,
        participants_of(candidates, scenarios, request.family, observations),
        regimes == EACH,
        request.sensitivity,
        request.adaptation,
        parse_specialists(request.trained_for or (), observations),
        None if request.ray is None else clusters().on_cluster(request.ray),
        allow_seen_days=request.allow_seen_days,
        assumptions=parse_assumptions(request.assume),
        apart=request.apart,
    )
    if request.adaptation and experiment.main.market.on_tape:
        raise ConfigError(
            "--adaptation in a preset's market", "a tape", "a tape has the regimes that it had"
        )
    return experiment


def show(result: "EvaluationRecord", file: Path, page: Path) -> None:
    """Print the table of an evaluation and the paths of its files."""
    from tercel.lab.evaluation.pipeline.analysis_tables import ABLATION_HEADINGS, ablation_rows
    from tercel.lab.evaluation.pipeline.judged_tables import judged_table

    result_console().print(replace(judged_table(result), all_in=ALL_IN))
    if result.apart is not None:
        print_rows("taken apart", ABLATION_HEADINGS, ablation_rows(result.apart))
    say(f"report    {page}")
    say(f"figures   {file}")
