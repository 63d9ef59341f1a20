"""Commands of people who stop a desk: `tercel kill`, `tercel rearm`."""

import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from tercel.cli.desks import find_desk, waiting
from tercel.cli.shared import JsonRequest
from tercel.cli.terminal import hand_over, say
from tercel.core.errors import ConfigError, TercelError
from tercel.core.machine import person
from tercel.core.names import offer
from tercel.core.toml import read_toml

Desk = Annotated[
    Path | None,
    typer.Option(
        help="The desk's folder (default: TERCEL_DESK, or the newest under desks/).", metavar="DIR"
    ),
]


@dataclass(frozen=True, kw_only=True)
class DeskRequest(JsonRequest):
    """A request of a desk."""

    desk: Desk = None


@dataclass(frozen=True, kw_only=True)
class AskDesk(DeskRequest):
    """A request that a desk which runs answers."""

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
"""Where the console is, unless asked otherwise."""


@dataclass(frozen=True)
class Kill(DeskRequest):
    """What is asked of `tercel kill`."""

    reason: Reason = ""
    agent: Agents = None
    every: Annotated[
        bool, typer.Option("--all", help="Every agent (the default without --agent).")
    ] = False

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if self.every and self.agent:
            raise ConfigError("--all or --agent", "both", "leave one of the two out")


def kill(request: Kill) -> None:
    """Cancel every order of a desk or of some agents and refuse new ones, across restarts, until `tercel rearm`."""
    from tercel.desk.trading.journal.lock import holder
    from tercel.desk.trading.kill import LATCH, KillLatch

    reason, agents = request.reason.strip() or "no reason given", request.agent or []
    folder = _stopped(request.desk)
    has = (
        agents_of(folder) if agents else set()
    )  # empty also where it is not known whom the desk has
    strangers = [agent for agent in agents if has and agent not in has]
    whom = [agent for agent in agents if agent not in strangers]
    if whom or not strangers:
        state = KillLatch(folder / LATCH).kill(reason, person(), time.time_ns(), whom)
        _post(folder, "kill", {"agents": whom}, reason)
    if strangers:  # once those that the desk has are latched
        known = sorted(agents_of(folder))
        done = f"killed: {', '.join(whom)}" if whom else "nothing was killed"
        remedy = f"{offer(strangers[0], known, 'kill one of them')}, or --all"
        raise ConfigError(
            f"agents of the desk: {', '.join(known)}", f"{', '.join(strangers)}; {done}", remedy
        )
    ended = ""
    if holder(folder) == "":
        ended = ", where nothing runs: the desk has ended"
        ended += "" if _held_here(folder) else ", and its next session begins killed"
    text = f"killed: {', '.join(whom) or 'every agent'} of {folder}{ended}; `tercel rearm --reason ...` releases it"
    hand_over(
        {"desk": str(folder), "killed": dict(state.killed)}, request.as_json, lambda: say(text)
    )


@dataclass(frozen=True)
class Rearm(DeskRequest):
    """What is asked of `tercel rearm`."""

    reason: Reason
    agent: Agents = None


def rearm(request: Rearm) -> None:
    """Let a killed desk trade again; a person's word, with a reason."""
    from tercel.desk.trading.kill import LATCH, KillLatch

    folder, agents = _stopped(request.desk), request.agent or []
    latch = KillLatch(folder / LATCH)
    before, state = latch.state(), latch.rearm(request.reason, person(), time.time_ns(), agents)
    _post(folder, "rearm", {"agents": agents}, request.reason)
    who, waits = ", ".join(state.history[-1]["agents"]) or "every agent", _waiting(folder)
    text = (
        f"armed again: {who} of {folder}"
        if before.killed or before.damaged
        else f"nothing was killed at {folder}"
    )
    text += f"; {waits}" if waits else ""
    hand_over(
        {"desk": str(folder), "killed": dict(state.killed)}, request.as_json, lambda: say(text)
    )


def _waiting(folder: Path) -> str:
    """Which parents wait for a person, as far as the desk's journal can be read."""
    from tercel.api.desk_folder import ledger_of  # a kill needs none of it, and cannot wait for it

    with suppress(TercelError):
        return waiting(folder, ledger_of(folder))
    return ""


def _held_here(folder: Path) -> bool:
    """Whether a desk's file, as its folder has it, keeps orders in its process: no session follows one that ended."""
    with suppress(TercelError):
        desk = read_toml(folder / "desk.toml", "name the folder of a desk").get("desk", {})
        return bool(desk.get("venue", "simulated") == "simulated" or desk.get("stage") == "shadow")
    return False


def agents_of(folder: Path) -> set[str]:
    """Who trades at a desk, as far as its journal can be read."""
    from tercel.desk.trading.journal import kinds
    from tercel.desk.trading.journal.reader import JournalReader

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
    from tercel.desk.trading.journal.lock import LOCK
    from tercel.desk.trading.kill import LATCH

    if desk is not None and any((desk / name).exists() for name in (LOCK, LATCH)):
        return desk
    return find_desk(desk)


def _post(folder: Path, command: str, body: Mapping[str, Any], reason: str) -> None:
    """The latch holds already: a journal that cannot take the word is no reason to fail."""
    from tercel.desk.trading.journal.reader import post

    try:
        post(folder, command, body, person(), reason, time.time_ns())
    except TercelError as error:
        say(f"the journal does not know of it yet: {error}")
