"""Kill switch: a small file that names the agents which may send no new order, read before every order; their open orders are
cancelled by `risk.cancels`.

    latch = KillLatch(desk_folder / "kill.json")
    gate = LimitGate(limits, listings, agents, killed=latch.kill_reason)      # called before every order
    latch.kill("runaway", by="ann", at_ns=now)                           # from any process
    latch.rearm("looked at it", by="ann", at_ns=now)                     # a person, with a reason

A query looks at the file's signature (`os.stat`) and reads it again only when that changed: a kill from another
process stops the next order. A file that cannot be read, makes no sense, or is gone after it was seen means *killed*.
It is written whole beside itself, made durable, then renamed, under a lock: whenever a writer dies, the file holds
the state before or the state after. The history only grows, so that no two states have the same signature.
"""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tercel.core.errors import ConfigError, OrderError, TercelError, refuse_if
from tercel.core.locks import file_lock
from tercel.core.ports import Journal
from tercel.core.records import from_jsonable
from tercel.desk.trading.journal import kinds

LATCH: Final = "kill.json"
"""Its file in a desk's folder."""
ALL: Final = "*"
"""Key of every agent among those killed."""
_Signature = tuple[int, int, int]


@dataclass(frozen=True)
class LatchAct:
    """A kill or a re-arm of the latch; no agents: all."""

    what: str = ""
    agents: tuple[str, ...] = ()
    reason: str = ""
    by: str = ""
    at_ns: int = 0


@dataclass(frozen=True, slots=True)
class KillState:
    """Contents of the kill latch: killed agents with reasons, and the history of kills and re-arms.

    Parameters
    ----------
    killed : dict of str to str
        Reason by agent; `ALL`: every agent.
    history : tuple of dict
        Every kill and re-arm: ``what``, ``agents`` ([]: all), ``reason``, ``by``, ``at_ns``.
    damaged : str
        Why the file cannot be believed ("" otherwise); everybody is killed then.
    """

    killed: dict[str, str]
    history: tuple[dict[str, Any], ...] = ()
    damaged: str = ""

    def reason_for(self, agent: str) -> str | None:
        """Reason why an agent is killed, or None."""
        return self.damaged or self.killed.get(ALL) or self.killed.get(agent)

    @property
    def last_act(self) -> Mapping[str, Any]:
        """The last kill or re-arm, as in `history`; {} if there is none."""
        return self.history[-1] if self.history else {}

    @property
    def acts(self) -> list[LatchAct]:
        """Every kill and re-arm, the last one last."""
        return [from_jsonable(LatchAct, each) for each in self.history]

    @property
    def mark(self) -> str:
        """Identity of this state, 16 hex digits: every kill and re-arm makes another."""
        content = self.damaged or json.dumps([self.killed, self.history])
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Latch:
    """A kill latch without a file, for a session in memory."""

    def __init__(self) -> None:
        self._state = KillState({})

    def kill_reason(self, agent: str) -> str | None:
        """Why an agent may send nothing new, or None."""
        return self._state.reason_for(agent)

    def kill(self, reason: str, by: str, at_ns: int, agents: Sequence[str] = ()) -> KillState:
        """Stop new orders of some agents (by default all) until a person re-arms; returns the new state.

        Raises
        ------
        ConfigError
            Without a reason or a name.
        """
        require_reason(reason, by)
        return self._change("kill", reason, by, at_ns, agents)

    def rearm(
        self, reason: str, by: str, at_ns: int, agents: Sequence[str] = (), mark: str = ""
    ) -> KillState:
        """Re-arm some agents (by default all); returns the new state.

        Parameters
        ----------
        reason, by : str
        at_ns : int
        agents : sequence of str
        mark : str
            Of the state that is meant (`KillState.mark`); "": whatever it is.

        Raises
        ------
        ConfigError
            Without a reason or a name.
        OrderError
            For agents that are not killed themselves: a desk that is killed whole is re-armed whole. Or where the state
            is another one than is meant.
        """
        require_reason(reason, by)
        return self._change("rearm", reason, by, at_ns, agents, mark)

    def _change(
        self, action: str, reason: str, by: str, at_ns: int, agents: Sequence[str], mark: str = ""
    ) -> KillState:
        """Apply a kill or a re-arm; returns the new state."""
        self._state = _next_state(_check_mark(self._state, mark), action, reason, by, at_ns, agents)
        return self._state

    def state(self) -> KillState:
        """Killed agents with reasons, and the history."""
        return self._state


class KillLatch(Latch):
    """Kill latch of one desk, in a file.

    Parameters
    ----------
    path : Path
        Its file, in a folder that exists; the first kill creates it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._name = os.fspath(path)
        self._seen: _Signature | None = None
        self._quiet = True
        self._stuck = ""

    def kill_reason(self, agent: str) -> str | None:
        """Why an agent may send nothing new, or None; each call looks whether the file has changed, and reads it then. A file
        that cannot be believed kills everybody."""
        try:
            stat = os.stat(self._name)  # noqa: PTH116 - called before every order: Path.stat takes twice as long
        except FileNotFoundError:
            if self._seen is None and not self._stuck:
                return None
            return self._stuck or f"{self.path} is gone: killed until it is re-armed"
        except OSError as error:
            return f"{self.path} cannot be looked at ({error.strerror}): killed until it can"
        signature = (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if signature != self._seen or self._state.damaged:
            self._seen, self._state = signature, self.state()
            self._quiet = not (self._state.damaged or self._state.killed)
        if self._quiet and not self._stuck:
            return None
        return self._stuck or self._state.reason_for(agent)

    def kill(self, reason: str, by: str, at_ns: int, agents: Sequence[str] = ()) -> KillState:
        """Stop new orders of some agents (by default all) in the file; if writing fails this process is killed, and the file
        emptied to kill the others.

        Raises
        ------
        OSError
            When it could not be made durable. This process is killed all the same, others as far as the disk allows.
        """
        try:
            return super().kill(reason, by, at_ns, agents)
        except OSError as error:
            self._stuck = f"{reason} (not durable: {error.strerror})"
            # an empty file makes no sense, so every reader is killed; it needs no room on a full disk
            with suppress(OSError):
                os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
            raise

    def rearm(
        self, reason: str, by: str, at_ns: int, agents: Sequence[str] = (), mark: str = ""
    ) -> KillState:
        """Re-arm some agents (by default all) in the file; a damaged file is set aside and a new one begun."""
        state = super().rearm(reason, by, at_ns, agents, mark)
        self._stuck = ""
        return state

    def _change(
        self, action: str, reason: str, by: str, at_ns: int, agents: Sequence[str], mark: str = ""
    ) -> KillState:
        """Apply a kill or a re-arm to the file, under its lock; returns the new state."""
        # Alone among all writers; a lock of its own file, as a rename takes the other away. Dies with its holder.
        with file_lock(self.path.with_name(self.path.name + ".lock")):
            old = _check_mark(self.state(), mark)
            state = _next_state(old, action, reason, by, at_ns, agents)
            if old.damaged:
                _set_aside(self.path)
            self._write(state)
        self.kill_reason("")
        return state

    def state(self) -> KillState:
        """The file's current contents; `damaged`, which kills all, if it cannot be read, makes no sense, or is gone after it was
        seen."""
        try:
            stored = json.loads(self.path.read_bytes())
            killed = stored["killed"]
            history = stored["history"]
            if not all(type(each) is str and each for pair in killed.items() for each in pair):
                raise TypeError("killed is no list of reasons")
            if not all(type(each) is dict for each in history):
                raise TypeError("history is no list of entries")
        except FileNotFoundError:
            gone = "" if self._seen is None else f"{self.path} is gone: killed until it is re-armed"
            return KillState({}, self._state.history, gone)
        except OSError as error:
            return KillState(
                {},
                (),
                f"{self.path} cannot be read ({error.strerror}): killed until it is re-armed",
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            return KillState(
                {},
                (),
                f"{self.path} makes no sense ({type(error).__name__}: {error}): killed until it is re-armed",
            )
        return KillState(killed, tuple(history))

    def _write(self, state: KillState) -> None:
        """Replace the file by a new state, durably."""
        content = json.dumps(
            {"killed": state.killed, "history": list(state.history)}, indent=1, ensure_ascii=False
        )
        temporary = self.path.with_name(self.path.name + ".tmp")
        mode = stat.S_IMODE(self.path.stat().st_mode) if self.path.exists() else 0o600
        with os.fdopen(
            os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb"
        ) as file:
            file.write(content.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _check_mark(state: KillState, mark: str) -> KillState:
    """The state, if its mark is the given one or none is given (""); raises OrderError otherwise."""
    refuse_if(
        mark and mark != state.mark,
        "the kill that the request names",
        f"another one now: {state.damaged or ', '.join(state.killed) or 'no agent'} killed",
        "look at it, then ask again",
        OrderError,
    )
    return state


def _next_state(
    old: KillState, action: str, reason: str, by: str, at_ns: int, agents: Sequence[str]
) -> KillState:
    """The state after a kill or a re-arm of some agents (none: all); raises OrderError to re-arm agents not killed by name."""
    killed = {ALL: old.damaged} if old.damaged else dict(old.killed)
    if action == "kill":
        killed |= dict.fromkeys(agents or (ALL,), reason)
    elif agents:
        missing = [agent for agent in agents if agent not in killed]
        refuse_if(
            missing or ALL in killed,
            "agents that are killed",
            f"{', '.join(missing or agents)}, where {', '.join(killed) or 'no agent'} is killed",
            "re-arm all, without naming agents",
            OrderError,
        )
        killed = {agent: text for agent, text in killed.items() if agent not in agents}
    else:
        agents = () if ALL in killed else tuple(killed)
        killed = {}
    entry = {"what": action, "agents": list(agents), "reason": reason, "by": by, "at_ns": at_ns}
    if old.damaged:
        entry["damaged"] = old.damaged
    return KillState(killed, (*old.history, entry))


def require_reason(
    reason: str, by: str, error: Callable[[str, str, str], TercelError] = ConfigError
) -> None:
    """Raise `error` for an act of a person without a reason or the person's name."""
    for expected, text in (("a reason", reason), ("the operator's name", by)):
        if not isinstance(text, str) or not text.strip():
            raise error(expected, repr(text), "give one: it is recorded")


def _set_aside(path: Path) -> None:
    """Copy a damaged file to a name of its own, before another is written in its place."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    if path.exists():
        aside.write_bytes(path.read_bytes() if os.access(path, os.R_OK) else b"")


def check_latch(journal: Journal, latch: Path) -> None:
    """Refuse to start without a latch file where the journal ends with a kill: deleting it does not re-arm.

    Raises
    ------
    ConfigError
        When the journal ends with somebody killed and there is no latch.
    """
    killed: dict[str, None] = {}
    for _, entry in journal.read(0, (kinds.KILL, kinds.REARM)):
        if entry.kind == kinds.KILL:
            killed[entry.agent] = None
        else:
            killed.pop(entry.agent, None)
    refuse_if(
        killed and not latch.exists(),
        f"{latch}, as the journal ends with {', '.join(killed)} killed",
        "none",
        f"re-arm them with a reason: tercel rearm `desk={latch.parent}` `reason=TEXT`",
    )
