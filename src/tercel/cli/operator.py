"""`tercel kill` and `tercel rearm`, and the desk folder that a command means."""

import os
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tercel.cli.options import AsJson, JsonRequest
from tercel.cli.output import hand_over, say
from tercel.core.bounded_parsing import parse_tables
from tercel.core.errors import ConfigError, TercelError, refuse_if, suggest_name
from tercel.core.system import user_name
from tercel.desk.trading.journal.database import CONFIG, DATABASE, LOCK, URL_FILE, holder

if TYPE_CHECKING:
    from tercel.desk.trading.ledger import Ledger

ROOT: Final = Path("desks")
MOST_NAMED: Final = 5
"""Desks that an error names."""


Desk = Annotated[
    Path | None,
    typer.Option(
        help="The desk's folder (default: TERCEL_DESK, or the newest under desks/).", metavar="DIR"
    ),
]
Reason = Annotated[str, typer.Option(help="Why: it is journaled.", metavar="TEXT")]
Wait = Annotated[
    float,
    typer.Option(
        help="Seconds to wait for the desk's answer; 0: none.", min=0.0, max=3600.0, metavar="S"
    ),
]
Agents = Annotated[
    list[str] | None, typer.Option("--agent", help="One agent; may be repeated.", metavar="A")
]
PORT = 8321
"""Default port of the console."""


def new_desk(name: str) -> Path:
    """Make and claim an empty folder for a new desk, so that two simultaneous runs get different ones."""
    ROOT.mkdir(exist_ok=True)
    suffixes = (path.name.rsplit("-", 1)[1] for path in ROOT.glob(f"{name}-*"))
    for number in count(
        1 + max((int(suffix) for suffix in suffixes if suffix.isdigit()), default=0)
    ):
        folder = ROOT / f"{name}-{number:03d}"
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            break
    return folder


def named_desk() -> Path | None:
    """Folder that `TERCEL_DESK` names, unchecked; None if it is not set."""
    return Path(name) if (name := os.environ.get("TERCEL_DESK")) else None


def find_desk(desk: Path | None) -> Path:
    """Desk folder of a command: the one given, that of `TERCEL_DESK`, or the newest under `desks/`.

    Raises
    ------
    ConfigError
        No such folder.
    """
    desk = desk or named_desk()
    if desk is not None:
        if not _is_desk(desk):
            raise ConfigError(
                f"a desk folder with a {DATABASE}",
                str(desk),
                f"name one that is there{_name_desks(desk)}; `tercel trade run --demo` makes one",
            )
        return desk
    desks = [path for path in ROOT.glob("*") if _is_desk(path)]
    refuse_if(
        not desks,
        "a desk",
        f"none under {ROOT}/",
        "begin with `tercel trade run --demo`, or name one: --desk DIR",
    )
    return max(desks, key=lambda folder: max(path.stat().st_mtime_ns for path in folder.iterdir()))


def _name_desks(desk: Path) -> str:
    """Desks beside a folder that is none, and under `desks/`, in brackets; "" when there are none."""
    folders = sorted({*desk.parent.glob("*"), *ROOT.glob("*")})
    names = [str(folder) for folder in folders if _is_desk(folder)]
    return f" ({', '.join(names[:MOST_NAMED])})" if names else ""


def _is_desk(folder: Path) -> bool:
    """Whether a folder contains a desk's journal."""
    return (folder / DATABASE).is_file() or (folder / URL_FILE).is_file()


def paused_sentence(folder: Path, ledger: "Ledger") -> str:
    """Sentence on parents that wait until a person resumes them; "" if none does."""
    from tercel.desk.trading.parent_orders.parent import ParentStatus

    paused = [parent.id for parent in ledger.parents if parent.status == ParentStatus.PAUSED]
    if not paused:
        return ""
    count_text = "1 parent waits" if len(paused) == 1 else f"{len(paused)} parents wait"
    return f"{count_text}: {', '.join(paused)}; while the desk runs, go on with `tercel trade resume PARENT --desk {folder}`"


@dataclass(frozen=True, kw_only=True)
class AskDesk(JsonRequest):
    """Options of a command that a running desk answers."""

    desk: Desk = None
    wait: Wait = 10.0


def kill(
    reason: Reason = "",
    agent: Agents = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every agent (the default without --agent).")
    ] = False,
    as_json: AsJson = False,
    desk: Desk = None,
) -> None:
    """Cancel every order of a desk or of some agents and refuse new ones, across restarts, until `tercel rearm`."""
    refuse_if(
        every and agent,
        "--all or --agent",
        "both",
        "leave one of the two out",
    )
    from tercel.desk.trading.risk.kill_switch import LATCH, KillLatch

    reason_text = reason.strip() or "no reason given"
    agents = agent or []
    folder = _desk_to_stop(desk)
    desk_agents = _agents_of(folder) if agents else []  # empty also where they are not known
    unknown_agents = [name for name in agents if desk_agents and name not in desk_agents]
    targets = [name for name in agents if name not in unknown_agents]
    if targets or not unknown_agents:
        state = KillLatch(folder / LATCH).kill(reason_text, user_name(), time.time_ns(), targets)
        _post_note(folder, "kill", {"agents": targets}, reason_text)
    if unknown_agents:  # once those that the desk has are latched
        done = f"killed: {', '.join(targets)}" if targets else "nothing was killed"
        raise ConfigError(
            f"agents of the desk: {', '.join(desk_agents)}",
            f"{', '.join(unknown_agents)}; {done}",
            f"{suggest_name(unknown_agents[0], desk_agents, 'kill one of them')}, or --all",
        )
    begins_killed = (
        "" if _keeps_orders_in_process(folder) else ", and its next session begins killed"
    )
    ended_text = f", where nothing runs: the desk has ended{begins_killed}" * (holder(folder) == "")
    text = f"killed: {', '.join(targets) or 'every agent'} of {folder}{ended_text}; `tercel rearm --reason ...` releases it"
    hand_over({"desk": str(folder), "killed": dict(state.killed)}, as_json, lambda: say(text))


def rearm(
    reason: Reason,
    agent: Agents = None,
    as_json: AsJson = False,
    desk: Desk = None,
) -> None:
    """Re-arm a killed desk, with a reason: it may trade again."""
    from tercel.desk.trading.risk.kill_switch import LATCH, KillLatch

    folder = _desk_to_stop(desk)
    agents = agent or []
    latch = KillLatch(folder / LATCH)
    previous = latch.state()
    state = latch.rearm(reason, user_name(), time.time_ns(), agents)
    _post_note(folder, "rearm", {"agents": agents}, reason)
    agents_text = ", ".join(state.acts[-1].agents) or "every agent"
    paused_text = _paused_sentence_of(folder)
    text = (
        f"armed again: {agents_text} of {folder}"
        if previous.killed or previous.damaged
        else f"nothing was killed at {folder}"
    )
    text += f"; {paused_text}" if paused_text else ""
    hand_over({"desk": str(folder), "killed": dict(state.killed)}, as_json, lambda: say(text))


def _paused_sentence_of(folder: Path) -> str:
    """Sentence on parents that wait for a person; "" if the desk's journal is unreadable."""
    from tercel.desk.trading.folder_ledger import fold_folder

    with suppress(TercelError):
        return paused_sentence(folder, fold_folder(folder))
    return ""


def _keeps_orders_in_process(folder: Path) -> bool:
    """Whether a desk's file keeps its orders in its own process, so that no later session can continue them."""
    with suppress(OSError, ValueError):
        desk = parse_tables((folder / CONFIG).read_text(encoding="utf-8")).get("desk", {})
        return bool(desk.get("venue", "simulated") == "simulated" or desk.get("stage") == "shadow")
    return False


def _agents_of(folder: Path) -> list[str]:
    """Names of a desk's agents of this and earlier sessions, by its journal; empty if that is unreadable or names none."""
    from tercel.desk.trading.journal import kinds
    from tercel.desk.trading.journal.reader import JournalReader

    with suppress(TercelError), closing(JournalReader(folder)) as reader:
        rows = reader.read(0, (kinds.AGENT_ASSIGNMENT, kinds.PARENT))
        return sorted({entry.agent for _, entry in rows if entry.agent})
    return []


def _desk_to_stop(desk: Path | None) -> Path:
    """Folder of the desk to stop; a named desk counts even if its journal is gone."""
    from tercel.desk.trading.risk.kill_switch import LATCH

    if desk is not None and any((desk / name).exists() for name in (LOCK, LATCH)):
        return desk
    return find_desk(desk)


def _post_note(folder: Path, command: str, body: Mapping[str, Any], reason: str) -> None:
    """Post a note of an action of the kill switch, for the desk to journal; errors are only printed: the latch holds already."""
    from tercel.desk.trading.journal.command_inbox import post

    try:
        post(folder, command, body, user_name(), reason, time.time_ns())
    except TercelError as error:
        say(f"the journal does not know of it yet: {error}")
