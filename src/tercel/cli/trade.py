"""`tercel trade ...`."""

import getpass
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final

import typer

import tercel as tc
from tercel.cli.operator import PORT, find_desk, named_desk, new_desk, waiting
from tercel.cli.shared import (
    AsJson,
    JsonRequest,
    add,
    end_on_termination,
    print_json,
    print_sentences,
    print_table,
    progress,
    result_console,
    say,
)
from tercel.cli.trade_look import orders, positions, quotes, reconcile, replay, tca, verify
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
from tercel.core.errors import ConfigError, JournalError
from tercel.core.files import write_atomic
from tercel.core.system import freeze_heap

if TYPE_CHECKING:
    from tercel.api.console.people import SecondPerson
    from tercel.api.desk.day import DayWindow
    from tercel.core.report.svg import Section
    from tercel.desk.engine.config import DeskConfig
    from tercel.desk.engine.outcome import DeskOutcome, OpenParent

FILE: Final = "day.html"
FAILED: Final = 2
"""Exit code where a desk could not be read; the report is written all the same."""


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
    from tercel.api.desk.day import UnreadDay, days_of
    from tercel.api.desk.day_page import DayReport

    folders = desks or [find_desk(None)]
    report = DayReport(days_of(folders, _window(date, session, from_ns, to_ns)))
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
    """The time that a report of the day covers."""
    from tercel.api.desk.day import DayWindow

    if date is None:
        return DayWindow(from_ns, to_ns, session)
    if session or from_ns is not None or to_ns is not None:
        raise ConfigError(
            "--date, or a time to begin and to end", "both", "leave one of the two out"
        )
    try:
        begin = int(datetime.strptime(date, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError:
        raise ConfigError("a date YYYY-MM-DD", repr(date[:40]), "correct it") from None
    if begin < 0:
        raise ConfigError("a date from 1970 on", date, "correct it")
    return DayWindow(begin * 10**9, (begin + 86_400) * 10**9 - 1)


NAMED = 5
"""Open parents that a sentence names."""

trade_app = typer.Typer(
    name="trade",
    help="A desk of agents: run, look, replay, reconcile.",
    no_args_is_help=True,
)


@dataclass(frozen=True)
class Experiments:
    """Results of experiments beside a desk's run: figures by key, sections of its page, lines on the terminal."""

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
        """Run experiments beside the desk, after its run."""
        return Experiments()


def run(request: RunDesk) -> None:
    """Run a desk: signals, risk state, sized parents, agents, limits, venue, cost, and back."""
    from tercel.api.demo import demo_text
    from tercel.api.desk.config import described
    from tercel.desk.engine.runtime import refuse

    if request.show_demo:
        result_console().print(demo_text(), markup=False, highlight=False, soft_wrap=True, end="")
        return
    if request.demo == (request.config is not None):
        raise ConfigError(
            "a desk's file or --demo", "both" if request.demo else "neither", "give one of the two"
        )
    typed = {"desk.seed": request.seed, "desk.rounds": request.rounds, "desk.venue": request.venue}
    settings = {key: value for key, value in typed.items() if value is not None}
    config, _ = described(request.config, settings)
    folder = request.desk or named_desk()
    if folder is None:  # a new one, once the configuration is known to be one that can be opened
        refuse(config, None if request.config is None else request.config.parent)
        folder = new_desk(config.desk.name)
    request = _confirmed(request, config)
    desk, staged = _traded(config, settings, folder, request)
    tried = request.experiments(config, folder)
    outcome = desk.outcome
    desk.report(outcome=outcome, experiments=[*staged.sections, *tried.sections])
    if request.as_json:
        print_json(outcome.to_json() | staged.figures | tried.figures)
    else:
        _print(config, outcome, folder, [*staged.lines, *tried.lines])
    if desk.unknown:
        say(
            f"NOT known to be over: {', '.join(desk.unknown)}; see tercel trade reconcile --desk {folder}"
        )
        raise typer.Exit(1)


def _confirmed(request: RunDesk, config: "DeskConfig") -> RunDesk:
    """Prompt for the confirmation sentence of a desk that trades real money, and for the second person."""
    from tercel.desk.engine.config import asks_live, sentence
    from tercel.desk.engine.runtime import limits_of

    beside = None if request.config is None else request.config.parent
    if request.confirm or not sys.stdin.isatty() or not (why := asks_live(config, beside)):
        return request
    say(
        f"money is at risk ({why}). To continue, type: {sentence(config, limits_of(config, beside))}"
    )
    typed = input("> ")
    return replace(
        request,
        confirm=typed,
        second=request.second or input("second person, of risk or admin: ").strip(),
    )


def _second(request: RunDesk) -> "SecondPerson | None":
    """The second person of a live desk, whose password a terminal or a line of stdin gives."""
    if not request.second:
        return None
    from tercel.api.console.people import SecondPerson

    if sys.stdin.isatty():
        typed = getpass.getpass(f"password of {request.second}: ")
    else:
        typed = sys.stdin.readline().rstrip("\r\n")
    return SecondPerson(request.second, typed)


def _staged(config: "DeskConfig", desk: "tc.Desk") -> Experiments:
    """The stage of a desk that says one, and the bounds of one in shadow."""
    from tercel.api.desk.run_page import bounds_section

    if not config.desk.stage:
        return Experiments()
    if (found := desk.bounds()) is None:
        return Experiments({"stage": config.desk.stage, "bounds": None})
    section = bounds_section(found, {one.id: one.is_bps for one in desk.outcome.parents})
    return Experiments(
        {"stage": config.desk.stage, "bounds": found.to_json()}, [section], [str(section.text)]
    )


def _traded(
    config: "DeskConfig", settings: dict[str, Any], folder: Path, request: RunDesk
) -> tuple["tc.Desk", Experiments]:
    """Run the desk over its venue and journal; alerts leave while it runs."""
    from tercel.api.desk.folder import ledger_of
    from tercel.desk.trading.journal.store import SqlJournal

    second = _second(request)
    end_on_termination()
    with progress(counted=True, transient=True) as bar:
        task = bar.add_task(f"round of {folder}", total=config.desk.rounds)

        def show(done: int) -> None:
            bar.update(task, completed=done)
            if not done:  # it is open, so nothing refused it
                say(
                    f"watch     {folder}: tercel console --desk {folder}, then http://127.0.0.1:{PORT}"
                )
                if waits := waiting(folder, ledger_of(folder)):
                    say(waits)

        try:
            with tc.Desk(
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
                staged = _staged(config, desk)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_what_remains(folder)) from None
    journal = desk.journal
    if isinstance(journal, SqlJournal):
        key = "" if journal.key else ", unkeyed hashes"
        say(f"the journal ends with entry {journal.last:,}, hash {journal.head}{key}")
    return desk, staged


def _what_remains(folder: Path) -> str:
    """Message on a stopped desk: its journal, and the parents that are still open in it."""
    from tercel.desk.trading.journal.store import JournalReader
    from tercel.desk.trading.ledger import Ledger

    try:
        with closing(JournalReader(folder)) as reader:
            parents = [parent for parent in Ledger.of(reader).parents if not parent.over]
    except JournalError:
        return f"nothing was done in {folder}"
    named = [f"{parent.id} ({parent.left:,} lots left)" for parent in parents[:NAMED]]
    named += [f"{len(parents) - NAMED:,} more"] if len(parents) > NAMED else []
    left = f"; open parents: {', '.join(named)}" if named else ""
    return f"the journal is in {folder}{left}"


def _print(
    config: "DeskConfig", outcome: "DeskOutcome", folder: Path, experiments: Sequence[str]
) -> None:
    """A table of the agents and what happened in words."""
    from tercel.api.desk.desk import REPORT
    from tercel.api.desk.run_page import (
        agent_rows,
        answer_sentences,
        forecast_sentences,
        silence_sentences,
    )

    heads, rows = agent_rows(outcome)
    title = f"desk {config.desk.name}, seed {outcome.seed}: {config.desk.rounds} rounds of {config.desk.round_s:g} s"
    leaves = (heads[-1], "share of the flow", "input shift, sd", "strategy")
    print_sentences(silence_sentences(outcome))
    print_table(title, heads, rows, leaves, left=("strategy",), wraps=heads[-1:])
    print_sentences(answer_sentences(outcome))
    _print_open(outcome.open_parents)
    print_sentences(forecast_sentences(outcome.forecasts))
    if not outcome.journal.consistent:
        print_sentences(
            ["The journal does NOT agree with the desk's state: see `tercel trade verify`."]
        )
    print_sentences([*experiments, "One run is one sample: --seed N draws another."])
    print_sentences([f"report: {folder / REPORT}", f"next: tercel trade tca --desk {folder}"])


def _print_open(parents: "Sequence[OpenParent]") -> None:
    """Parents that had not ended when the desk stopped, if any."""
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
    day,
)
trade_app.add_typer(limits_app)
