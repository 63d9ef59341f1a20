"""Commands of people who stop a desk: `tercel kill`, `tercel rearm`."""

import os
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from tercel.cli.shared import AsJson, JsonRequest, hand_over, say
from tercel.core.errors import ConfigError, TercelError, offer
from tercel.core.serialization import parse_tables
from tercel.core.system import user_name
from tercel.desk.trading.journal.database import DATABASE, ELSEWHERE, LOCK, holder

if TYPE_CHECKING:
    from tercel.desk.trading.ledger import Ledger

ROOT: Final = Path("desks")


def new_desk(name: str) -> Path:
    """An empty folder for a new desk, claimed: two runs that begin at once get two."""
    ROOT.mkdir(exist_ok=True)
    ends = (path.name.rsplit("-", 1)[1] for path in ROOT.glob(f"{name}-*"))
    for number in count(1 + max((int(end) for end in ends if end.isdigit()), default=0)):
        folder = ROOT / f"{name}-{number:03d}"
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            break
    return folder


def named_desk() -> Path | None:
    """Folder that `TERCEL_DESK` names."""
    return Path(name) if (name := os.environ.get("TERCEL_DESK")) else None


def find_desk(given: Path | None) -> Path:
    """Desk folder of a command: the one given, that of `TERCEL_DESK`, or the newest under `desks/`.

    Raises
    ------
    ConfigError
        No such folder.
    """
    given = given or named_desk()
    if given is not None:
        if not _is_desk(given):
            raise ConfigError(
                f"a desk folder with a {DATABASE}", str(given), "run `tercel trade run` there first"
            )
        return given
    known = [path for path in ROOT.glob("*") if _is_desk(path)]
    if not known:
        raise ConfigError(
            "a desk",
            f"none under {ROOT}/",
            "begin with `tercel trade run --demo`, or name one: --desk DIR",
        )
    return max(known, key=lambda folder: max(path.stat().st_mtime_ns for path in folder.iterdir()))


def _is_desk(folder: Path) -> bool:
    return (folder / DATABASE).is_file() or (folder / ELSEWHERE).is_file()


def waiting(folder: Path, ledger: "Ledger") -> str:
    """Sentence on parents that wait until a person resumes them; "" if none does."""
    from tercel.desk.trading.parent_orders.parent import ParentStatus

    paused = [parent.id for parent in ledger.parents if parent.status == ParentStatus.PAUSED]
    if not paused:
        return ""
    many = "1 parent waits" if len(paused) == 1 else f"{len(paused)} parents wait"
    return f"{many}: {', '.join(paused)}; while the desk runs, go on with `tercel trade resume PARENT --desk {folder}`"


# -- what a person asks of a desk -------------------------------------------------------------------------------------
Desk = Annotated[
    Path | None,
    typer.Option(
        help="The desk's folder (default: TERCEL_DESK, or the newest under desks/).", metavar="DIR"
    ),
]


@dataclass(frozen=True, kw_only=True)
class AskDesk(JsonRequest):
    """Options of a command that a running desk answers."""

    desk: Desk = None
    wait: Annotated[
        float,
        typer.Option(
            help="Seconds to wait for the desk's answer; 0: none.", min=0.0, max=3600.0, metavar="S"
        ),
    ] = 10.0


Reason = Annotated[str, typer.Option(help="Why: it is journaled.", metavar="TEXT")]
Agents = Annotated[
    list[str] | None, typer.Option("--agent", help="One agent; may be repeated.", metavar="A")
]

PORT = 8321
"""Default port of the console."""


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
    if every and agent:
        raise ConfigError("--all or --agent", "both", "leave one of the two out")
    from tercel.desk.trading.risk.kill_switch import LATCH, KillLatch

    why, agents = reason.strip() or "no reason given", agent or []
    folder = _stopped(desk)
    has = (
        agents_of(folder) if agents else set()
    )  # empty also where it is not known whom the desk has
    strangers = [one for one in agents if has and one not in has]
    whom = [one for one in agents if one not in strangers]
    if whom or not strangers:
        state = KillLatch(folder / LATCH).kill(why, user_name(), time.time_ns(), whom)
        _post(folder, "kill", {"agents": whom}, why)
    if strangers:  # once those that the desk has are latched
        known = sorted(agents_of(folder))
        done = f"killed: {', '.join(whom)}" if whom else "nothing was killed"
        raise ConfigError(
            f"agents of the desk: {', '.join(known)}",
            f"{', '.join(strangers)}; {done}",
            f"{offer(strangers[0], known, 'kill one of them')}, or --all",
        )
    ended = ""
    if holder(folder) == "":
        ended = ", where nothing runs: the desk has ended"
        ended += "" if _held_here(folder) else ", and its next session begins killed"
    text = f"killed: {', '.join(whom) or 'every agent'} of {folder}{ended}; `tercel rearm --reason ...` releases it"
    hand_over({"desk": str(folder), "killed": dict(state.killed)}, as_json, lambda: say(text))


def rearm(
    reason: Reason,
    agent: Agents = None,
    as_json: AsJson = False,
    desk: Desk = None,
) -> None:
    """Re-arm a killed desk, with a reason: it may trade again."""
    from tercel.desk.trading.risk.kill_switch import LATCH, KillLatch

    folder, agents = _stopped(desk), agent or []
    latch = KillLatch(folder / LATCH)
    before, state = latch.state(), latch.rearm(reason, user_name(), time.time_ns(), agents)
    _post(folder, "rearm", {"agents": agents}, reason)
    who, waits = ", ".join(state.acts[-1].agents) or "every agent", _waiting(folder)
    text = (
        f"armed again: {who} of {folder}"
        if before.killed or before.damaged
        else f"nothing was killed at {folder}"
    )
    text += f"; {waits}" if waits else ""
    hand_over({"desk": str(folder), "killed": dict(state.killed)}, as_json, lambda: say(text))


def _waiting(folder: Path) -> str:
    """Sentence on parents that wait for a person; "" if the desk's journal is unreadable."""
    from tercel.api.desk.folder import ledger_of

    with suppress(TercelError):
        return waiting(folder, ledger_of(folder))
    return ""


def _held_here(folder: Path) -> bool:
    """Whether a desk's file, as its folder has it, keeps orders in its process: no session follows one that ended."""
    with suppress(OSError, ValueError):
        desk = parse_tables((folder / "desk.toml").read_text(encoding="utf-8")).get("desk", {})
        return bool(desk.get("venue", "simulated") == "simulated" or desk.get("stage") == "shadow")
    return False


def agents_of(folder: Path) -> set[str]:
    """Names of a desk's agents, as far as its journal is readable."""
    from tercel.desk.trading.journal import kinds
    from tercel.desk.trading.journal.store import JournalReader

    try:
        with closing(JournalReader(folder)) as reader:
            return {
                entry.agent
                for _, entry in reader.read(0, (kinds.AGENT_ASSIGNMENT, kinds.PARENT))
                if entry.agent
            }
    except TercelError:
        return set()


def _stopped(desk: Path | None) -> Path:
    """The desk that is meant; one that is named is stopped even when its journal is gone."""
    from tercel.desk.trading.risk.kill_switch import LATCH

    if desk is not None and any((desk / name).exists() for name in (LOCK, LATCH)):
        return desk
    return find_desk(desk)


def _post(folder: Path, command: str, body: Mapping[str, Any], reason: str) -> None:
    """The latch holds already: a journal that cannot take the word is no reason to fail."""
    from tercel.desk.trading.journal.store import post

    try:
        post(folder, command, body, user_name(), reason, time.time_ns())
    except TercelError as error:
        say(f"the journal does not know of it yet: {error}")
