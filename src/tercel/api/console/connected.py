"""Desks that the console serves: each with its folder, the state folded from its journal, and its requests."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from tercel.api.console.guard import HttpError
from tercel.api.console.request_book import RequestBook
from tercel.api.desk import folder as desk_folder, posted_commands
from tercel.core.errors import (
    ConfigError,
    JournalError,
    OrderError,
    TercelError,
    check_known,
    refuse_if,
    suggest_name,
)
from tercel.core.ports import Entry
from tercel.core.report.formatting import format_percent
from tercel.desk.console.desk import FolderDesk
from tercel.desk.console.follow import JournalFollower
from tercel.desk.trading.journal.command_inbox import withdraw
from tercel.desk.trading.parent_orders.parent import ParentOrder

ANSWER_S: Final = 10.0
"""Seconds within which a running desk answers a person's command."""
LATCHED_S: Final = 2.0
"""Seconds within which a desk journals its reaction to a kill or a re-arm; no HTTP request waits longer for journal entries."""
POLL_S: Final = 0.02
CAREFUL: Final = frozenset(
    {"pause", "pause_agent", "cancel", "withdraw", "take_over", "own_alert", "pass_quotes"}
)
"""Commands that only reduce risk: without an answer they stay in the desk's inbox, and may be carried out late."""


class RemoteDesk(FolderDesk):
    """A desk's folder to which the console posts commands, with the answers from the desk's journal."""

    def ask(self, command: str, body: Mapping[str, Any], by: str, reason: str) -> Entry | None:
        """Send a command; return the desk's answer. None: no answer in time, and it may still be carried out.
        OrderError if the command could be withdrawn, or the desk refused it.

        Alerts' owners are also recorded for a desk that has ended.

        A command without an answer is withdrawn, unless it reduces risk: none takes effect long after its request, in
        a different market.

        Raises
        ------
        OrderError
            The desk refused, has ended, or does not run.
        """
        if (
            command == "own_alert"
            and (entry := posted_commands.write_alert_owner(self.folder, body, by, reason))
            is not None
        ):
            return entry
        posted = posted_commands.post_and_wait(self.folder, command, body, reason, ANSWER_S, by)
        refuse_if(
            posted.entry is None
            and command not in CAREFUL
            and withdraw(self.folder, posted.number),
            f"an answer of {self.name}",
            f"no answer in {ANSWER_S:g} s; the word was taken back, and nothing was done",
            "look whether the desk hangs, then ask again",
            OrderError,
        )
        return posted.entry

    def note(self, command: str, body: Mapping[str, Any], by: str, reason: str) -> str:
        """Post a note that the kill switch has already acted; return the error's text, or "". No answer is waited for."""
        try:
            self.post(command, body, by, reason)
        except (JournalError, OSError) as error:
            return str(error)
        return ""

    def signals(self) -> dict[str, Any]:
        """Section `[signals]` of the desk's file; {} if missing or unreadable."""
        try:
            return desk_folder.signals_of(self.folder)
        except (TercelError, OSError):
            return {}

    def last_seq(self) -> int:
        """Number of the journal's last entry; 0 if none is readable."""
        try:
            return self.journal_position()[1]
        except (JournalError, OSError):
            return 0


@dataclass(frozen=True, slots=True)
class ConnectedDesk:
    """A desk that the console serves: its folder, the state followed from its journal, its two-person requests.

    Parameters
    ----------
    desk : RemoteDesk
    follower : JournalFollower
    requests : RequestBook
    """

    desk: RemoteDesk
    follower: JournalFollower
    requests: RequestBook

    @property
    def name(self) -> str:
        """Name of the desk's folder."""
        return self.desk.name

    @property
    def gate_desk(self) -> RemoteDesk | None:
        """The gate before the desk's venue, whose journal has alerts too; None without one."""
        gate = self.follower.gate.desk
        return gate if isinstance(gate, RemoteDesk) else None

    def owner(self, seq: int, *, at_gate: bool) -> str | None:
        """Owner of an alert of the desk or of its gate; "" without one, None if there is no such alert."""
        if at_gate:
            self.poll_gate()
            return self.follower.gate.query(lambda book: book.owner(seq))
        self.catch_up()
        return self.follower.query(lambda state: state.alerts.owner(seq))

    def poll_gate(self) -> None:
        """Fold new entries of the gate's journal; an unreadable or locked journal is skipped."""
        if not self.follower.gate.fault:
            self.follower.poll_gate()

    def agents(self) -> set[str]:
        """Names of the desk's agents known from its journal; empty where the journal is not readable."""
        return (
            set() if self.follower.fault else self.follower.query(lambda state: set(state.agents))
        )

    @property
    def reading(self) -> bool:
        """Whether the journal is still being read and its end is not reached; False for an unreadable journal."""
        return not self.follower.fault and self.follower.read_share < 1.0

    @property
    def blind(self) -> bool:
        """Whether the desk may have unknown agents: its journal is unreadable, or is not read completely yet.

        Check this before an agent is reported missing: the journal may be complete a moment later.
        """
        return self.reading or not self.agents()

    def refuse_unknown_agents(self, agents: Iterable[str]) -> None:
        """Raise HTTP 404 for agents that the desk is known not to have; none while its agents are not known (`blind`)."""
        blind = self.blind
        known_agents = sorted(self.agents())
        for agent in () if blind else agents:
            check_known(
                agent, known_agents, f"an agent of {self.name}:", error=partial(HttpError, 404)
            )

    def refuse_while_reading(self) -> None:
        """Raise 409 while the journal is not yet read to its end."""
        if self.reading:
            raise HttpError(
                409,
                f"the journal of {self.name}, read to its end",
                f"{format_percent(self.follower.read_share)} of it",
                "wait until the page has read it; kills, pauses and cancels are taken at once",
            )

    def parent(self, id_: str) -> ParentOrder:
        """A parent order of the desk by id; 404 if unknown."""
        parent = self.follower.query(lambda state: state.ledger.parents.get(id_))
        if parent is None:
            raise HttpError(
                404, f"a parent order of {self.name}", repr(id_[:80]), "see /api/orders"
            )
        return parent

    def listing(self, instrument: str) -> dict[str, Any]:
        """Tick, lot and currency of an instrument; {} where the journal does not say."""
        listings = self.follower.query(lambda state: dict(state.session.get("listings") or {}))
        return dict(listings.get(instrument) or {})

    def lots(self, instrument: str, qty: float) -> int:
        """A quantity (shares or coins) of an instrument in lots; HTTP 409 if it is not a whole number of lots, at least one."""
        lot = float(self.listing(instrument).get("lot") or 1.0)
        lots = round(qty / lot)
        if lots < 1 or abs(lots * lot - qty) > 1e-9 * qty:
            raise HttpError(
                409,
                f"a multiple of a lot, {lot:g} {instrument}",
                f"{qty:g}",
                f"try {max(lots, 1) * lot:g}",
            )
        return lots

    def wait(
        self, after_seq: int, kinds: Sequence[str], is_complete: Callable[[list[Entry]], bool]
    ) -> list[Entry]:
        """Journal entries of some kinds after `after_seq`, once `is_complete` holds of them, `LATCHED_S` have passed,
        the desk does not run, or its journal is unreadable.

        An unreadable journal gives the entries so far; a desk that does not run is not waited for.
        """
        deadline = time.monotonic() + LATCHED_S
        entries = list[Entry]()
        while True:
            is_running = self.desk.lock_holder() != ""
            try:
                entries = [entry for _, entry in self.desk.read(after_seq, kinds)]
            except (JournalError, OSError):
                return entries
            if not is_running or is_complete(entries) or time.monotonic() >= deadline:
                return entries
            time.sleep(POLL_S)

    def catch_up(self) -> None:
        """Wait until the followed state has the journal's present last entry; give up after `LATCHED_S` without an error."""
        last_seq = self.desk.last_seq()
        deadline = time.monotonic() + LATCHED_S
        while not self.follower.fault and self.follower.query(lambda state: state.seq) < last_seq:
            if time.monotonic() >= deadline:
                return
            time.sleep(POLL_S)


class Desks(dict[str, ConnectedDesk]):
    """The desks of a console, by name."""

    def of(self, name: str) -> ConnectedDesk:
        """A desk by name; 404 if unknown."""
        if name not in self:
            raise HttpError(
                404, f"a desk: {', '.join(self)}", repr(name[:80]), suggest_name(name, self)
            )
        return self[name]

    def select(self, name: str | None) -> list[ConnectedDesk]:
        """The named desk as a list, or all desks for None."""
        return list(self.values()) if name is None else [self.of(name)]

    def ready_desk(self, name: str) -> ConnectedDesk:
        """The desk of a name; 409 until its journal is read to the end, as older state may be long out of date."""
        desk = self.of(name)
        desk.refuse_while_reading()
        return desk


def connect_desks(
    folders: Sequence[Path], wall_ns: Callable[[], int], now_s: Callable[[], float]
) -> Desks:
    """The desks of these folders, by folder name; their journals are followed once `create_app`'s server runs.

    Parameters
    ----------
    folders : sequence of Path
    wall_ns : callable
        Time on the wall, for the record.
    now_s : callable
        Seconds that never go back.

    Raises
    ------
    ConfigError
        Two folders of one name.
    """
    desks = Desks()
    for folder in dict.fromkeys(path.resolve() for path in folders):
        desk = RemoteDesk(folder, wall_ns)
        if desk.name in desks:
            raise ConfigError(
                "folders of different names: a desk is called by its folder's",
                f"{desks[desk.name].desk.folder} and {folder}",
                "rename one, or serve it apart",
            )
        desks[desk.name] = ConnectedDesk(
            desk, JournalFollower(desk, now_s), RequestBook(folder, wall_ns)
        )
    return desks
