"""`tercel trade run` and `tercel trade day`: run a desk, and report the day of desks."""

import getpass
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

import typer

import tercel as tc
from tercel.cli.commands import add
from tercel.cli.interrupts import end_on_termination
from tercel.cli.operator import PORT, find_desk, named_desk, new_desk, paused_sentence
from tercel.cli.options import AsJson, JsonRequest, check_date
from tercel.cli.output import (
    print_json,
    print_sentences,
    print_table,
    progress,
    result_console,
    say,
)
from tercel.cli.trade_experiment import experiment
from tercel.cli.trade_orders import (
    amend,
    cancel,
    limits_app,
    pause,
    promote,
    resume,
    settle,
    submit,
)
from tercel.cli.trade_tca import tca
from tercel.cli.trade_views import orders, positions, quotes, reconcile, replay, verify
from tercel.core.errors import JournalError, refuse_if
from tercel.core.files import write_atomic
from tercel.core.report.formatting import format_count, format_venue_time
from tercel.core.system import freeze_heap
from tercel.core.vocabulary import DAY_NS

if TYPE_CHECKING:
    from tercel.api.console.second_person import SecondPerson
    from tercel.api.desk.day_window import DayWindow
    from tercel.core.report.page import Section
    from tercel.desk.engine.config import DeskConfig
    from tercel.desk.engine.outcome import DeskOutcome, OpenParent

FILE: Final = "day.html"
FAILED: Final = 2
"""Exit code where a desk could not be read; the report is written all the same."""


NAMED_PARENTS = 5
"""Open parents that a sentence names."""
trade_app = typer.Typer(
    name="trade",
    help="A desk of agents: run, look, replay, reconcile.",
    no_args_is_help=True,
)


def day(
    desks: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Folders of desks (default: TERCEL_DESK, or the newest under desks/).",
            metavar="DESK...",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The page (default: day.html, in the desk's folder if it is one).", metavar="FILE"
        ),
    ] = None,
    date: Annotated[
        str | None,
        typer.Option(
            help="This day in UTC (default: the last 24 hours of the venue).", metavar="YYYY-MM-DD"
        ),
    ] = None,
    session: Annotated[
        bool, typer.Option("--session", help="Since the last session began.")
    ] = False,
    from_ns: Annotated[
        int | None, typer.Option(help="From this venue time.", min=0, max=2**62, metavar="NS")
    ] = None,
    to_ns: Annotated[
        int | None, typer.Option(help="Up to this venue time.", min=0, max=2**62, metavar="NS")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Report the day of desks, as a page: costs, profit, limits, alerts and open issues."""
    from tercel.api.desk.day import DeskDay
    from tercel.api.desk.day_folders import UnreadDay, days_of
    from tercel.api.desk.day_page import DayReport

    folders = desks or [find_desk(None)]
    report = DayReport(days_of(folders, _window(date, session, from_ns, to_ns)))
    ends = sorted((d.to_ns, d.desk) for d in report.days if isinstance(d, DeskDay) and d.to_ns)
    refuse_if(
        ends and ends[-1][0] - ends[0][0] >= DAY_NS,
        "desks of one day",
        " and ".join(
            f"{name} until {format_venue_time(ns)}" for ns, name in ends[:: max(len(ends) - 1, 1)]
        ),
        "report each by itself, or give --date of one day",
    )
    file = out or (folders[0] / FILE if len(folders) == 1 and folders[0].is_dir() else Path(FILE))
    write_atomic(file, report.html())
    if as_json:
        print_json(report.to_json() | {"file": str(file)})
    else:
        print_sentences(report.text)
    say(f"report: {file}")
    if unread := [day.desk for day in report.days if isinstance(day, UnreadDay)]:
        say(f"not read: {', '.join(unread)}")
    return FAILED if unread else 0


def _window(date: str | None, session: bool, from_ns: int | None, to_ns: int | None) -> "DayWindow":
    """Window of venue time of a report: the typed times or session, or a whole day in UTC; ConfigError if both are
    typed."""
    from tercel.api.desk.day_window import DayWindow

    if date is None:
        return DayWindow(from_ns, to_ns, session)
    refuse_if(
        session or from_ns is not None or to_ns is not None,
        "--date, or a time to begin and to end",
        "both",
        "leave one of the two out",
    )
    check_date(date)
    begin = int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp())
    refuse_if(
        begin < 0,
        "a date from 1970 on",
        date,
        "correct it",
    )
    return DayWindow(begin * 10**9, (begin + 86_400) * 10**9 - 1)


@dataclass(frozen=True)
class Experiments:
    """Results of experiments beside a desk's run: figures by key, sections of its page, lines for the terminal."""

    figures: dict[str, Any] = field(default_factory=dict)
    sections: Sequence["Section"] = ()
    lines: Sequence[str] = ()


@dataclass(frozen=True)
class RunDesk(JsonRequest):
    """Options of `tercel trade run`."""

    interrupted: ClassVar[str] = "the journal keeps what was done"

    config: Annotated[
        Path | None, typer.Argument(help="The desk's file.", metavar="CONFIG.toml")
    ] = None
    demo: Annotated[
        bool, typer.Option("--demo", help="The packaged desk, on the simulated exchange.")
    ] = False
    experiment: Annotated[
        bool,
        typer.Option(
            "--experiment", help="(with --demo) Its experiment: default against vwap_take."
        ),
    ] = False
    show_demo: Annotated[
        bool,
        typer.Option(
            "--show-demo", help="Print the packaged desk's file, to start one's own from."
        ),
    ] = False
    seed: Annotated[
        int | None,
        typer.Option(help="Seed of all random draws (default: the file's).", min=0, max=2**31 - 1),
    ] = None
    rounds: Annotated[
        int | None,
        typer.Option(help="So many rounds (default: the file's).", min=1, max=10_000, metavar="N"),
    ] = None
    desk: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the desk (default: TERCEL_DESK, or a new one under desks/).",
            metavar="DIR",
        ),
    ] = None
    venue: Annotated[
        str | None, typer.Option(help="simulated or fix://[ID@]host:port.", metavar="WHERE")
    ] = None
    acknowledge: Annotated[
        str,
        typer.Option(
            help="Continue a damaged journal after its last valid entry; the reason, journaled.",
            metavar="REASON",
        ),
    ] = ""

    confirm: Annotated[
        str,
        typer.Option(help="(with real money) The sentence that its refusal shows.", metavar="TEXT"),
    ] = ""
    tried: Annotated[
        Path | None,
        typer.Option(
            help="(with real money) Folder of this desk in shadow or on paper in which the kill switch was tested today.",
            metavar="DIR",
        ),
    ] = None

    second: Annotated[
        str,
        typer.Option(
            help="(with real money) Second person with the role risk or admin, who types the password.",
            metavar="NAME",
        ),
    ] = ""

    def experiments(self, config: "DeskConfig", folder: Path) -> Experiments:
        """Hook for other packages: carry out experiments after the desk's run and return their results; by default none."""
        return Experiments()


def run(request: RunDesk) -> None:
    """Run a desk: signals, risk state, sized parents, agents, limits, venue, cost, and back."""
    from tercel.api.desk.config import read_config_and_text
    from tercel.api.simulated_desk import demo_text
    from tercel.desk.engine.runtime import check_desk

    if request.show_demo:
        result_console().print(demo_text(), markup=False, highlight=False, soft_wrap=True, end="")
        return
    refuse_if(
        request.demo == (request.config is not None),
        "a desk's file or --demo",
        "both" if request.demo else "neither",
        "give one of the two",
    )
    refuse_if(
        request.experiment and not request.demo,
        "--experiment with --demo",
        "without it",
        "write [[experiment]] into the desk's file, where it runs by itself",
    )
    typed = {
        "desk.experiments": request.experiment or None,
        "desk.seed": request.seed,
        "desk.rounds": request.rounds,
        "desk.venue": request.venue,
    }
    settings = {key: value for key, value in typed.items() if value is not None}
    config, _ = read_config_and_text(request.config, settings)
    folder = request.desk or named_desk()
    if folder is None:  # a new one, once the configuration is known to be one that can be opened
        check_desk(config, None if request.config is None else request.config.parent)
        folder = new_desk(config.desk.name)
    request = _prompt_confirmation(request, config)
    desk, staged = _run_desk(config, settings, folder, request)
    experiments = request.experiments(config, folder)
    outcome = desk.outcome
    desk.report(outcome=outcome, experiments=[*staged.sections, *experiments.sections])
    if request.as_json:
        print_json(outcome.to_json() | staged.figures | experiments.figures)
    else:
        _print(config, outcome, folder, [*staged.lines, *experiments.lines])
    if desk.unknown:
        say(
            f"NOT known to be over: {', '.join(desk.unknown)}; see tercel trade reconcile --desk {folder}"
        )
        raise typer.Exit(1)


def _prompt_confirmation(request: RunDesk, config: "DeskConfig") -> RunDesk:
    """The request with a typed confirmation sentence and second person; unchanged without money, terminal, or if it has one."""
    from tercel.desk.engine.assembly import limits_of
    from tercel.desk.engine.live_checks import confirmation_text, live_reason

    file_folder = None if request.config is None else request.config.parent
    if request.confirm or not sys.stdin.isatty() or not (money := live_reason(config, file_folder)):
        return request
    say(
        f"money is at risk ({money}). To continue, type: {confirmation_text(config, limits_of(config, file_folder))}"
    )
    typed = input("> ")
    return replace(
        request,
        confirm=typed,
        second=request.second or input("second person, of risk or admin: ").strip(),
    )


def _second(request: RunDesk) -> "SecondPerson | None":
    """The second person of a live desk, with the password from a terminal or a line of stdin; None if not named."""
    if not request.second:
        return None
    from tercel.api.console.second_person import SecondPerson

    if sys.stdin.isatty():
        typed = getpass.getpass(f"password of {request.second}: ")
    else:
        typed = sys.stdin.readline().rstrip("\r\n")
    return SecondPerson(request.second, typed)


def _stage_results(config: "DeskConfig", desk: "tc.Desk") -> Experiments:
    """Results of a desk with a stage: the stage's name, and for shadow the simulated cost bounds."""
    from tercel.api.desk.run_page import bounds_section

    if not config.desk.stage:
        return Experiments()
    if (bounds := desk.bounds()) is None:
        return Experiments({"stage": config.desk.stage, "bounds": None})
    section = bounds_section(bounds, {parent.id: parent.is_bps for parent in desk.outcome.parents})
    return Experiments(
        {"stage": config.desk.stage, "bounds": bounds.to_json()}, [section], [str(section.text)]
    )


def _run_desk(
    config: "DeskConfig", settings: dict[str, Any], folder: Path, request: RunDesk
) -> tuple["tc.Desk", Experiments]:
    """Open and run a desk in a folder, with progress and alerts; return the closed desk and its experiments."""
    from tercel.api.desk.dependencies import recorded_days
    from tercel.desk.trading.folder_ledger import fold_folder
    from tercel.desk.trading.journal.store import SqlJournal

    second = _second(request)
    end_on_termination()
    with progress(counted=True, transient=True) as bar:
        task = bar.add_task(f"round of {folder}", total=config.desk.rounds)

        def show(done: int) -> None:
            """Advance the progress bar to the number of finished rounds; at 0, when the desk is open, print where to watch it."""
            bar.update(task, completed=done)
            if not done:  # it is open, so nothing refused it
                rounds = f"{config.desk.rounds} rounds of {config.desk.round_s:g} s"
                days = recorded_days(config, request.config and request.config.parent)
                texts = [rounds, *(f"{name} of {date}" for name, date in days.items())]
                say(
                    f"desk      {folder}: {format_count(len(config.agent), 'agent')}, {', '.join(texts)}"
                )
                say(
                    f"watch     in another terminal: tercel console --desk {folder}, then http://127.0.0.1:{PORT}"
                )
                if waits := paused_sentence(folder, fold_folder(folder)):
                    say(waits)

        try:
            with tc.open_desk(
                request.config,
                folder=folder,
                settings=settings,
                acknowledge=request.acknowledge,
                progress=show,
                program="tercel trade run",
                confirm=request.confirm,
                tried=request.tried,
                second=second,
            ) as desk:
                freeze_heap()
                desk.run()
                staged = _stage_results(config, desk)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_open_parents_text(folder)) from None
    journal = desk.journal
    if isinstance(journal, SqlJournal):
        key = "" if journal.key else ", unkeyed hashes"
        say(f"the journal ends with entry {journal.last:,}, hash {journal.head}{key}")
    return desk, staged


def _open_parents_text(folder: Path) -> str:
    """Message on a stopped desk: its journal, and the parents that are still open in it."""
    from tercel.desk.trading.folder_ledger import fold_folder

    try:
        parents = [parent for parent in fold_folder(folder).parents if not parent.over]
    except JournalError:
        return f"nothing was done in {folder}"
    parent_texts = [
        f"{parent.id} ({parent.left:,} lots left)" for parent in parents[:NAMED_PARENTS]
    ]
    parent_texts += (
        [f"{len(parents) - NAMED_PARENTS:,} more"] if len(parents) > NAMED_PARENTS else []
    )
    open_text = f"; open parents: {', '.join(parent_texts)}" if parent_texts else ""
    return f"the journal is in {folder}{open_text}"


def _print(
    config: "DeskConfig", outcome: "DeskOutcome", folder: Path, experiments: Sequence[str]
) -> None:
    """Print a table of the agents, and sentences on the run."""
    from tercel.api.desk.desk import REPORT
    from tercel.api.desk.run_text import (
        agent_rows,
        answer_sentences,
        forecast_sentences,
        silence_sentences,
    )

    headings, rows = agent_rows(outcome)
    leaves = (headings[-1], "share of the flow", "input shift, sd", "strategy")
    print_sentences(silence_sentences(outcome))
    print_table(
        f"desk {config.desk.name}, seed {outcome.seed}: {config.desk.rounds} rounds of {config.desk.round_s:g} s",
        headings,
        rows,
        leaves,
        left_aligned=("strategy",),
        wraps=headings[-1:],
    )
    print_sentences(answer_sentences(outcome))
    _print_open(outcome.open_parents)
    print_sentences(forecast_sentences(outcome.forecasts))
    if not outcome.journal.consistent:
        print_sentences(
            ["The journal does NOT agree with the desk's state: see `tercel trade verify`."]
        )
    print_sentences([*experiments, "One run is one sample: --seed N draws another."])
    follow_up = f"experiment {folder}" if config.experiments else f"tca --desk {folder}"
    print_sentences([f"report: {folder / REPORT}", f"next: tercel trade {follow_up}"])


def _print_open(parents: "Sequence[OpenParent]") -> None:
    """Print the parents that had not ended when the desk stopped."""
    if not parents:
        return
    keys = {
        "id": "parent",
        "instrument": "instrument",
        "agent": "agent",
        "left": "left",
        "at_venue": "at the venue",
        "reason": "why",
    }
    rows = [
        [f"{cell:,}" if isinstance(cell := getattr(row, key), int) else cell for key in keys]
        for row in parents
    ]
    text = ("instrument", "agent")
    print_table(
        f"open when the desk stopped: {len(parents)} parents",
        list(keys.values()),
        rows,
        text,
        text,
        ("why",),
    )


add(
    trade_app,
    run,
    submit,
    pause,
    resume,
    cancel,
    amend,
    promote,
    settle,
    orders,
    positions,
    quotes,
    replay,
    reconcile,
    verify,
    tca,
    experiment,
    day,
)
trade_app.add_typer(limits_app)
