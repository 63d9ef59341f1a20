"""`tercel trade experiment`: what each strategy of an experiment saves, how many orders it needs, and a person's decisions."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from tercel.cli.operator import AskDesk, Wait, find_desk
from tercel.cli.options import JsonRequest
from tercel.cli.output import print_json, print_sentences, print_table, say
from tercel.cli.trade_orders import post_command
from tercel.core.errors import ConfigError, refuse_if, split_commas
from tercel.core.files import write_atomic
from tercel.core.report.formatting import format_number
from tercel.desk.trading.journal.database import holder

FILE: Final = "experiment.html"
DROP_ORDER: Final = ("costliest 5 %", "unfilled", "share", "p")
"""Columns that leave a narrow terminal, first to last."""


@dataclass(frozen=True)
class ShowExperiment(JsonRequest):
    """Options of `tercel trade experiment`."""

    desk: Annotated[
        Path | None,
        typer.Argument(
            help="The desk's folder (default: TERCEL_DESK, or the newest).", metavar="DESK"
        ),
    ] = None
    desk_folder: Annotated[Path | None, typer.Option("--desk", help="The same.", metavar="DIR")] = (
        None
    )
    saving: Annotated[
        float,
        typer.Option(
            help="Count the orders that show a saving of so many bps.", min=0.001, max=1e6
        ),
    ] = 2.0
    lake: Annotated[
        Path | None,
        typer.Option(help="Count them by recorded days.", metavar="DIR"),
    ] = None
    order: Annotated[
        str,
        typer.Option(
            help="(with --lake) Symbol, lots, local time, horizon.",
            metavar="'AMZN 500 10:00 30min'",
        ),
    ] = ""
    stop: Annotated[
        bool, typer.Option("--stop", help="End the experiment; with --arm stop that arm alone.")
    ] = False
    shares: Annotated[
        str,
        typer.Option(help="Change shares from the next order on.", metavar="ARM=SHARE,..."),
    ] = ""
    promote: Annotated[
        str, typer.Option(help="End it; all later orders go to this arm.", metavar="ARM")
    ] = ""
    arm: Annotated[str, typer.Option(help="(with --stop) The arm.", metavar="ARM")] = ""
    agent: Annotated[
        str, typer.Option(help="Of a decision, if several agents have one.", metavar="A")
    ] = ""
    reason: Annotated[str, typer.Option(help="Why: it is journaled.", metavar="TEXT")] = ""
    wait: Wait = 10.0
    out: Annotated[
        Path | None,
        typer.Option(
            help="The page (default: experiment.html in the desk's folder).", metavar="FILE"
        ),
    ] = None


def experiment(request: ShowExperiment) -> None:
    """Show what each strategy of an experiment saves, or decide: stop it, change its shares, promote an arm."""
    is_decision = bool(request.stop or request.shares or request.promote)
    refuse_if(
        (request.arm or request.reason or request.agent) and not is_decision,
        "a decision: --stop, --shares or --promote",
        "none",
        "add one, or leave --arm, --reason and --agent out",
    )
    refuse_if(request.order and request.lake is None, "--order with --lake", "no --lake", "add it")
    if is_decision:
        _decide(request)
        return
    if request.lake is not None:
        _count_like_orders(request)
        return
    from tercel.api.desk.experiment import NEEDED_HEADINGS, analyse_desk
    from tercel.desk.console.experiment_report import HEADINGS, arm_rows, sentences_of

    found = analyse_desk(folder := find_desk(request.desk or request.desk_folder), request.saving)
    page = request.out or folder / FILE
    write_atomic(page, found.page())
    if request.as_json:
        print_json({**found.to_json(), "page": str(page)})
        return
    print_sentences([found.fault] if found.fault else [])
    for report in found.reports:
        title = f"{report.name}: orders of {report.agent}, one draw for each {report.unit}"
        print_table(title, HEADINGS, arm_rows(report), DROP_ORDER, ("arm", "verdict"))
        print_sentences(sentences_of(report, request.saving))
    if found.reports and holder(folder) == "":
        print_sentences(["The desk is not running now."])
    if not found.reports:
        rows = [
            [
                row.agent,
                f"{row.orders:,}",
                format_number(row.mean_bps, 1, thousands=True),
                format_number(row.sd_bps, 1, thousands=True),
                f"{row.needed:,}",
            ]
            for row in found.needed
        ]
        print_table(
            f"no experiment yet; orders that tell {request.saving:g} bps from 0, two arms",
            NEEDED_HEADINGS,
            rows,
        )
        print_sentences(["Write [[experiment]] into the desk's file to begin one."])
    say(f"report: {page}")


def _count_like_orders(request: ShowExperiment) -> None:
    """Print how many orders a saving takes, by the standard deviation of like orders on recorded days."""
    import tercel as tc
    from tercel.desk.trading.experiment_analysis import orders_needed

    parts = request.order.split()
    refuse_if(
        len(parts) != 4 or not parts[1].isdigit(),
        "a like order: symbol, lots, local time, horizon",
        f"--order {request.order!r}",
        "such as --order 'AMZN 500 10:00 30min'",
    )
    symbol, lots, start, horizon = parts
    found = tc.estimate(
        symbol,
        "buy",
        int(lots),
        lake=str(request.lake),
        start=start,
        horizon=horizon,
        strategies=("twap_take",),
    )
    sd = found.strategies[0].sd
    needed = orders_needed(sd, request.saving)
    if request.as_json:
        print_json(
            {"order": request.order, "sd_bps": sd, "saving_bps": request.saving, "needed": needed}
        )
        return
    print_table(
        f"like orders of {request.order}, {len(found.days)} days",
        ("sd, bps", "saving, bps", "orders needed"),
        [
            [
                format_number(sd, 1, thousands=True),
                format_number(request.saving, 1, thousands=True),
                f"{needed:,}",
            ]
        ],
    )


def _decide(request: ShowExperiment) -> None:
    """Post a person's decision to the running desk, and print its answer."""
    acts: dict[str, Mapping[str, object]] = {
        "stop": {"arm": request.arm} if request.stop else {},
        "shares": {"shares": _parse_shares(request.shares)} if request.shares else {},
        "promote": {"arm": request.promote} if request.promote else {},
    }
    given = [act for act, body in acts.items() if body]
    refuse_if(len(given) > 1, "one decision", f"--{' and --'.join(given)}", "give one")
    refuse_if(not request.reason, "why, for the journal", "no --reason", "add --reason TEXT")
    folder = find_desk(request.desk or request.desk_folder)
    agent = request.agent or _only_agent(folder)
    post_command(
        AskDesk(desk=folder, wait=request.wait, as_json=request.as_json),
        "experiment",
        {"agent": agent, "act": given[0], **acts[given[0]]},
        request.reason,
    )


def _only_agent(folder: Path) -> str:
    """Agent of the one experiment of a desk that runs or ended last; ConfigError where several have one, or none."""
    from tercel.desk.trading.experiment import read_experiments
    from tercel.desk.trading.journal.reader import JournalReader

    with closing(JournalReader(folder)) as reader:
        agents = {record.agent: None for record in read_experiments(reader).values()}
    refuse_if(
        len(agents) != 1,
        "one agent with an experiment",
        ", ".join(agents) or "none",
        "name one with --agent"
        if agents
        else "write [[experiment]] into the desk's file, and start it again",
    )
    return next(iter(agents))


def _parse_shares(text: str) -> dict[str, float]:
    """Shares by arm from text such as `guarded=0.7,default=0.3`; ConfigError where one is no number."""
    shares = {}
    for part in split_commas(text):
        arm, _, share = part.rpartition("=")
        try:
            shares[arm] = float(share)
        except ValueError:
            raise ConfigError("ARM=SHARE, such as guarded=0.7", repr(part), "correct it") from None
    return shares
