"""Commands of a person to a desk, posted in its folder and waited for; orders that a person declares over."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tercel.api.desk_folder import ledger_of
from tercel.core.errors import JournalError, OrderError, offer
from tercel.core.fixed import shown
from tercel.core.machine import person
from tercel.core.ports import Entry
from tercel.desk.gate.process import FOLDER
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.codec import entry_in
from tercel.desk.trading.journal.database import DATABASE
from tercel.desk.trading.journal.lock import BRIEFLY, holder
from tercel.desk.trading.journal.reader import JournalReader, post, withdraw
from tercel.desk.trading.journal.store import SqlJournal
from tercel.desk.trading.ledger import ANSWERS
from tercel.desk.trading.order import ChildOrder
from tercel.desk.trading.settlement import ends

LOOK_S = 0.05
"""Between two looks for a desk's answer."""


@dataclass(frozen=True)
class PostedCommand:
    """A command that was left in a desk's folder.

    Parameters
    ----------
    folder : Path
    command : str
    number : int
        Its own.
    entry : Entry or None
        What the desk did of it; None where no answer came in time.
    idle : bool
        Whether nobody runs the desk: its next session takes it.
    """

    folder: Path
    command: str
    number: int
    entry: Entry | None
    idle: bool

    @property
    def answer(self) -> str | None:
        """Outcome of the command, in a word."""
        return None if self.entry is None else str(self.entry.body.get("event", self.entry.kind))


def ask(
    folder: Path, command: str, body: Mapping[str, Any], reason: str, wait_s: float, by: str = ""
) -> PostedCommand:
    """Post a command to a running desk (submit, pause, resume, cancel, amend, promote, limits) and wait for its answer.

    With 0 seconds nothing is waited for, and the session to come may take it. Whoever runs this process asks, or `by`.

    Raises
    ------
    OrderError
        The desk refused, has ended, or ended before it answered.
    """
    idle = holder(folder) == ""
    if idle and wait_s > 0:
        raise OrderError(
            "a desk that runs",
            f"{folder}, which nobody runs; nothing was left there",
            f"start it with tercel trade run CONFIG.toml `desk={folder}` (where it traded on the simulated exchange, "
            "which ends with its desk, begin another), or leave word for its next session with `wait=0`",
        )
    with closing(JournalReader(folder)) as reader:
        before = reader.last
        number = post(folder, command, body, by or person(), reason or command, time.time_ns())
        found = _await(folder, reader, before, number, wait_s)
    if found is not None and found.kind == kinds.ALERT:
        parts = [str(found.body.get(part) or "") for part in ("expected", "received", "remedy")]
        if not all(parts):
            parts = [
                f"a command that {folder.name} can obey",
                str(found.body["text"]),
                "see `tercel trade orders`",
            ]
        raise OrderError(*parts)
    return PostedCommand(folder, command, number, found, idle)


def _await(
    folder: Path, reader: JournalReader, before: int, number: int, wait_s: float
) -> Entry | None:
    """The answer to a command; None when none came in time. What a desk that has ended did not take is withdrawn."""
    until = time.monotonic() + wait_s
    while True:
        ended = holder(folder) == ""  # asked first: what a desk says as it ends counts
        found = answer(reader, before, number)
        if found is not None or time.monotonic() >= until:
            return found
        if ended:
            became = "withdrawn" if withdraw(folder, number) else "taken and not answered"
            raise OrderError(
                "a desk that runs until it answers",
                f"{folder}, which ended meanwhile; the command was {became}",
                "see `tercel trade orders`",
            )
        time.sleep(LOOK_S)


def answer(reader: JournalReader, after: int, number: int) -> Entry | None:
    """What the desk did of a person's command: a parent's event, a promotion, limits, or the alert of a refusal; of
    what is only noted, its own entry."""
    answers = (*ANSWERS, kinds.PROMOTED, kinds.OPERATOR)
    return next(
        (entry for _, entry in reader.read(after, answers) if _answers(entry.body, number)), None
    )


def _answers(body: Mapping[str, Any], number: int) -> bool:
    return body.get("operator") == number or (
        body.get("id") == number and body.get("command") in kinds.NOTED
    )


def own_alert(folder: Path, body: Mapping[str, Any], by: str, note: str) -> Entry | None:
    """Write into the journal of a desk that nobody runs whose an alert is; None where it runs, and is asked to (`ask`).

    What happened as a desk ended has to be somebody's before its next session.
    """
    if (by_whom := holder(folder)) is None or (by_whom and BRIEFLY not in by_whom):
        return None
    with (
        suppress(JournalError),
        closing(SqlJournal(folder, f"{by} (an alert, {BRIEFLY}")) as journal,
    ):
        last = max((entry.ns for _, entry in journal.read(max(journal.last - 1, 0))), default=0)
        journal.append([said := _said("own_alert", body, by, note, last)])
        return said
    return None  # it has begun just now


def settle_orders(
    desk: Path, orders: Sequence[str], reason: str, wait_s: float
) -> Iterator[PostedCommand | dict[str, Any]]:
    """End orders in the journals of a desk and of its gate, with what was filled. A gate that runs, or a desk without
    one, is asked to: what it says goes to whoever is behind it.

    Yields
    ------
    Posted or dict
        What was asked for; or order, filled (lots) and journal of an order that was ended here.

    Raises
    ------
    OrderError
        For an order that is not known, or is over: nothing was written.
    """
    names = list(dict.fromkeys(orders))
    found = {
        folder: ledger_of(folder)
        for folder in (desk / FOLDER, desk)
        if (folder / DATABASE).exists()
    }
    known = sorted({order.root for ledger in found.values() for order in ledger.orders.live()})
    if missing := [name for name in names if name not in known]:
        raise OrderError(
            "orders that are not over",
            f"{', '.join(missing)}; nothing was written",
            offer(missing[0], known, "see `tercel trade orders`"),
        )
    told = set[str]()
    for folder, ledger in found.items():
        chosen = [
            order
            for order in ledger.orders.live()
            if order.root in names and order.root not in told
        ]
        if chosen and holder(folder):
            yield ask(
                folder, "settle", {"orders": [order.root for order in chosen]}, reason, wait_s
            )
            told |= {order.root for order in chosen} if holder(desk) else set()
        elif chosen:
            _end(folder, chosen, ledger.orders.last_ns, reason)
            for order in chosen:
                yield {"order": order.root, "filled": shown(order.cum_qty), "journal": str(folder)}


def _end(folder: Path, orders: Sequence[ChildOrder], ns: int, reason: str) -> None:
    """Who said so, then the end of each order as if the venue had told it."""
    by = person()
    with closing(SqlJournal(folder, f"{by} (tercel trade settle)")) as journal:
        said = _said("settle", {"orders": [order.root for order in orders]}, by, reason, ns)
        over = zip(ends(orders, f"{said.body['wall_ns']}", ns, by, reason), orders, strict=True)
        journal.append([said, *(entry_in(end, order.parent) for end, order in over)])


def _said(command: str, body: Mapping[str, Any], by: str, reason: str, ns: int) -> Entry:
    """What a person said while nobody ran the desk."""
    words = {
        "command": command,
        "body": dict(body),
        "by": by,
        "reason": reason,
        "wall_ns": time.time_ns(),
    }
    return Entry(kinds.OPERATOR, ns, body=words)
