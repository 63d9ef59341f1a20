"""Commands of a person to the desk of a folder: posted to a running desk, or written into the journal of a stopped one."""

import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tercel.core.errors import JournalError, OrderError, refuse_if
from tercel.core.ports import Entry
from tercel.core.system import user_name
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.bodies import AlertEntry
from tercel.desk.trading.journal.command_inbox import post, withdraw
from tercel.desk.trading.journal.database import BRIEFLY, holder
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.ledger import ANSWERS

POLL_S = 0.05
"""Seconds between two polls for a desk's answer."""


@dataclass(frozen=True)
class PostedCommand:
    """A command posted to a desk's folder.

    Parameters
    ----------
    folder : Path
    command : str
    number : int
        Its number.
    entry : Entry or None
        Journal entry of the desk's answer; None if none came in time.
    idle : bool
        Whether the desk is not running: its next session takes the command.
    """

    folder: Path
    command: str
    number: int
    entry: Entry | None
    idle: bool

    @property
    def answer(self) -> str | None:
        """Outcome of the command, in one word; None while the desk has not answered."""
        return None if self.entry is None else str(self.entry.body.get("event", self.entry.kind))


def post_and_wait(
    folder: Path, command: str, body: Mapping[str, Any], reason: str, wait_s: float, by: str = ""
) -> PostedCommand:
    """Post a command to a running desk and wait for its answer (submit, pause, resume, cancel, amend, promote, limits).
    Without an answer in `wait_s` seconds `entry` is None. A desk that does not run is refused, unless `wait_s` is 0.

    With 0 seconds it does not wait, and the next session may take the command. `by`: operator; by default the process's user.

    Raises
    ------
    OrderError
        The desk refused, has ended, or ended before it answered.
    """
    idle = holder(folder) == ""
    refuse_if(
        idle and wait_s > 0,
        "a desk that runs",
        f"{folder}, which is not running; nothing was left there",
        f"start it with tercel trade run CONFIG.toml `desk={folder}` (where it traded on the simulated exchange, "
        "which ends with its desk, begin another), or post it for its next session with `wait=0`",
        OrderError,
    )
    with closing(JournalReader(folder)) as reader:
        last_seq = reader.last
        number = post(folder, command, body, by or user_name(), reason or command, time.time_ns())
        entry = _await_answer(folder, reader, last_seq, number, wait_s)
    if entry is not None and entry.kind == kinds.ALERT:
        alert = AlertEntry.of(entry)
        if alert.expected and alert.received and alert.remedy:
            raise OrderError(alert.expected, alert.received, alert.remedy)
        raise OrderError(
            f"a command that {folder.name} can obey", alert.text, "see `tercel trade orders`"
        )
    return PostedCommand(folder, command, number, entry, idle)


def _await_answer(
    folder: Path, reader: JournalReader, last_seq: int, number: int, wait_s: float
) -> Entry | None:
    """Journal entry that answers a command; None after `wait_s`. OrderError if the desk ends without one.
    A command that an ended desk did not take is withdrawn.
    """
    deadline = time.monotonic() + wait_s
    while True:
        has_ended = holder(folder) == ""  # before the answer: one written as the desk ends counts
        entry = find_answer(reader, last_seq, number)
        if entry is not None or time.monotonic() >= deadline:
            return entry
        if has_ended:
            outcome = "withdrawn" if withdraw(folder, number) else "taken and not answered"
            raise OrderError(
                "a desk that runs until it answers",
                f"{folder}, which ended meanwhile; the command was {outcome}",
                "see `tercel trade orders`",
            )
        time.sleep(POLL_S)


def find_answer(reader: JournalReader, after_seq: int, number: int) -> Entry | None:
    """First journal entry after `after_seq` that answers command `number`; None if there is none yet.

    An answer is a parent's event, a promotion, limits, the alert of a refusal, or the note itself.
    """
    answer_kinds = (*ANSWERS, kinds.PROMOTED, kinds.EXPERIMENT, kinds.OPERATOR)
    return next(
        (
            entry
            for _, entry in reader.read(after_seq, answer_kinds)
            if _is_answer(entry.body, number)
        ),
        None,
    )


def _is_answer(body: Mapping[str, Any], number: int) -> bool:
    """Whether the body of a journal entry answers command `number`."""
    return body.get("operator") == number or (
        body.get("id") == number and body.get("command") in kinds.NOTED
    )


def write_alert_owner(folder: Path, body: Mapping[str, Any], by: str, note: str) -> Entry | None:
    """Write an alert's owner into the journal of a desk that does not run; None if the desk runs.

    Alerts raised as a desk ended need an owner before its next session.
    """
    if (lock_holder := holder(folder)) is None or (lock_holder and BRIEFLY not in lock_holder):
        return None
    with (
        suppress(JournalError),
        closing(SqlJournal(folder, f"{by} (an alert, {BRIEFLY}")) as journal,
    ):
        last_ns = max((entry.ns for _, entry in journal.read(max(journal.last - 1, 0))), default=0)
        journal.append([statement := operator_entry("own_alert", body, by, note, last_ns)])
        return statement
    return None  # it has begun just now


def operator_entry(command: str, body: Mapping[str, Any], by: str, reason: str, ns: int) -> Entry:
    """Journal entry of a person's command that was given while the desk did not run."""
    statement = {
        "command": command,
        "body": dict(body),
        "by": by,
        "reason": reason,
        "wall_ns": time.time_ns(),
    }
    return Entry(kinds.OPERATOR, ns, body=statement)
