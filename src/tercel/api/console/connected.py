"""A desk that the console serves: its folder, the state from its journal, and its requests for two persons.

`RequestBook`: requests of one person that another has to confirm, in a file of the desk's folder.

book = RequestBook(folder, time.time_ns)
asked = book.ask("rearm", {"agents": []}, "re-arm all", "ann", "password", "looked at it", {})
book.settle(asked.id, "confirmed", "bob", rearm)        # once; never after a quarter of an hour
"""

import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from tercel.api.console.guard import HttpError
from tercel.api.desk import folder as desk_folder
from tercel.core.errors import ConfigError, JournalError, OrderError, TercelError, offer
from tercel.core.files import locked, write_private
from tercel.core.ports import Entry
from tercel.desk.console.desk import FolderDesk
from tercel.desk.console.follow import JournalFollower
from tercel.desk.trading.journal.store import withdraw
from tercel.desk.trading.ledger import EXPIRES_NS
from tercel.desk.trading.parent_orders.parent import ParentOrder

FILE: Final = "requests.json"
MOST_REQUESTS: Final = 200
"""Requests in the file; the oldest are dropped first."""
MOST_WAITING: Final = 50
RequestState = Literal["waits", "confirmed", "refused", "expired"]
WAITS: Final = "waits"
CONFIRMED: Final = "confirmed"
REFUSED: Final = "refused"
EXPIRED: Final = "expired"
_Done = TypeVar("_Done")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of one person.

    Parameters
    ----------
    id : str
    act : str
        rearm, promote or limits.
    body : dict
        Of the act.
    what : str
        The same in words.
    asked_by, proof : str
        Name of the requester, and how it was proved.
    reason : str
    ns : int
        Time of the request, on the wall's clock.
    state : str
        waits, confirmed, refused or expired.
    by : str
        Name of the person who confirmed or refused it.
    lifters : dict of str to float
        The requester's `Person.lifters` at the time of the request.
    """

    id: str
    act: str
    body: dict[str, Any]
    what: str
    asked_by: str
    proof: str
    reason: str
    ns: int
    state: RequestState = WAITS
    by: str = ""
    lifters: dict[str, float] = field(default_factory=dict)

    def at(self, now_ns: int) -> "Asked":
        """The same at a time: what waits has expired, also where the clock was put back behind it."""
        old = self.state == WAITS and not 0 <= now_ns - self.ns <= EXPIRES_NS
        return replace(self, state=EXPIRED) if old else self


class RequestBook:
    """Requests of one desk, for all consoles that serve it.

    Parameters
    ----------
    folder : Path
        The desk's.
    now_ns : callable
        Time on the wall.
    """

    def __init__(self, folder: Path, now_ns: Callable[[], int]) -> None:
        self._path = folder / FILE
        self._now_ns = now_ns

    def all(self) -> list[Asked]:
        """Every request, the newest first.

        Raises
        ------
        ConfigError
            The file is none.
        """
        return [one.at(self._now_ns()) for one in reversed(self._read())]

    def shown(self) -> list[Asked]:
        """The same; of a file that is none, or cannot be read, a row that says so."""
        try:
            return self.all()
        except (ConfigError, OSError) as error:
            return [Asked("", "", {}, f"nothing: {error}", "", "", "", self._now_ns(), EXPIRED)]

    def ask(
        self,
        act: str,
        body: Mapping[str, Any],
        what: str,
        by: str,
        proof: str,
        reason: str,
        lifters: Mapping[str, float],
    ) -> Asked:
        """Store a request; the arguments are those of `Asked`, `by` is the requester.

        Raises
        ------
        OrderError
            Too many wait.
        """
        made = secrets.token_hex(8)
        asked = Asked(
            made, act, dict(body), what, by, proof, reason, self._now_ns(), lifters=dict(lifters)
        )
        with self._changing() as rows:
            waiting = sum(one.at(asked.ns).state == WAITS for one in rows)
            if waiting >= MOST_WAITING:
                raise OrderError(
                    f"at most {MOST_WAITING} requests that wait",
                    f"{waiting}",
                    "confirm or refuse some",
                )
            rows.append(asked)
        return asked

    def settle(
        self, id_: str, state: RequestState, by: str, act: Callable[[Asked], _Done]
    ) -> _Done:
        """Confirm or refuse a request that waits: it is done once, even if several try at the same time.

        It is settled first, and `act` does it with no lock held, so that a slow desk delays no other request; if
        that raises, nothing was done, and the request waits again. A console that dies between the two leaves it
        settled: what may have been done is never done twice.

        Raises
        ------
        OrderError
            It does not wait any more.
        """
        with self._changing() as rows:
            place = next((n for n, one in enumerate(rows) if one.id == id_), None)
            now = EXPIRED if place is None else rows[place].at(self._now_ns()).state
            if place is None or now != WAITS:
                raise OrderError(
                    "a request that waits",
                    f"one that is {now}",
                    f"ask again: a request is confirmed once, within {EXPIRES_NS // 10**9} s",
                )
            asked, rows[place] = rows[place], replace(rows[place], state=state, by=by)
        try:
            return act(asked)
        except BaseException:
            with self._changing() as rows:
                rows[:] = [asked if one.id == id_ else one for one in rows]
            raise

    @contextmanager
    def _changing(self) -> Iterator[list[Asked]]:
        with locked(self._path.with_name(f".{FILE}.lock")):
            rows = self._read()
            yield rows
            text = json.dumps(
                {"requests": [asdict(one) for one in rows[-MOST_REQUESTS:]]}, indent=1
            )
            write_private(self._path, text + "\n")

    def _read(self) -> list[Asked]:
        try:
            return [Asked(**row) for row in json.loads(self._path.read_bytes())["requests"]]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ConfigError(
                "a file of requests",
                f"{self._path}: {type(error).__name__}: {error}",
                "move it away, then make pending requests again",
            ) from None


ANSWER_S: Final = 10.0
"""Within it a desk that runs answers a person's word."""
LATCHED_S: Final = 2.0
"""Within it a desk journals what it does of a kill or a re-arm; no request waits longer."""
LOOK_S: Final = 0.02
CAREFUL: Final = frozenset(
    {"pause", "pause_agent", "cancel", "withdraw", "take_over", "own_alert", "pass_quotes"}
)
"""Words that may be taken late: they allow nothing."""


class RemoteDesk(FolderDesk):
    """A desk that answers: what it did of a person's word, as its journal says."""

    def ask(self, command: str, body: Mapping[str, Any], by: str, reason: str) -> Entry | None:
        """Send a command; return the desk's answer, None if none came in time. A desk that has ended still records alerts'
        owners.

        A command without an answer is withdrawn, unless it reduces risk: none takes effect long after its request, in
        a different market.

        Raises
        ------
        OrderError
            The desk refused, has ended, or does not run.
        """
        if (
            command == "own_alert"
            and (written := desk_folder.own_alert(self.folder, body, by, reason)) is not None
        ):
            return written
        posted = desk_folder.ask(self.folder, command, body, reason, ANSWER_S, by)
        if posted.entry is None and command not in CAREFUL and withdraw(self.folder, posted.number):
            raise OrderError(
                f"an answer of {self.name}",
                f"no answer in {ANSWER_S:g} s; the word was taken back, and nothing was done",
                "look whether the desk hangs, then ask again",
            )
        return posted.entry

    def note(self, command: str, body: Mapping[str, Any], by: str, reason: str) -> str:
        """Post a note of an action that the kill switch has already done; return the error, or ""."""
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

    def last(self) -> int:
        """Number of the journal's last entry; 0 if none is readable."""
        try:
            return self.position()[1]
        except (JournalError, OSError):
            return 0


@dataclass(frozen=True, slots=True)
class ConnectedDesk:
    """One desk of a console.

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
        """The folder's name."""
        return self.desk.name

    @property
    def at_gate(self) -> RemoteDesk | None:
        """The gate before the desk's venue, whose journal has alerts too; None without one."""
        gate = self.follower.gate.desk
        return gate if isinstance(gate, RemoteDesk) else None

    def owner(self, seq: int, *, at_gate: bool) -> str | None:
        """Owner of an alert of the desk or of its gate; "" without one, None if there is no such alert."""
        if at_gate:
            self.look_at_gate()
            return self.follower.gate.ask(lambda book: book.owner(seq))
        self.read_up()
        return self.follower.ask(lambda state: state.alerts.owner(seq))

    def look_at_gate(self) -> None:
        """Fold what the gate's journal holds now; one that cannot be read, or is locked, is passed over."""
        if not self.follower.gate.fault:
            self.follower.look_at_gate()

    def agents(self) -> set[str]:
        """Whom the desk is known to have; empty also where that is not known."""
        return set() if self.follower.fault else self.follower.ask(lambda state: set(state.agents))

    @property
    def reading(self) -> bool:
        """Whether its journal is read and not at its end yet; one that cannot be read is not."""
        return not self.follower.fault and self.follower.read < 1.0

    @property
    def blind(self) -> bool:
        """Whether the desk may have unknown agents: its journal is unreadable, or is not read completely yet.

        Check this before an agent is reported missing: the journal may be complete a moment later.
        """
        return self.reading or not self.agents()

    def must_have(self, agents: Iterable[str]) -> None:
        """Refuse agents that the desk is known not to have: 404."""
        blind, known = self.blind, self.agents()
        for agent in agents:
            if agent not in known and not blind:
                raise HttpError(
                    404,
                    f"an agent of {self.name}: {', '.join(sorted(known))}",
                    repr(agent),
                    offer(agent, sorted(known)),
                )

    def must_be_read(self) -> None:
        """Refuse what has to know the desk while its journal is read: 409."""
        if self.reading:
            raise HttpError(
                409,
                f"the journal of {self.name}, read to its end",
                f"{100 * self.follower.read:.0f} % of it",
                "wait until the page has read it; kills, pauses and cancels are taken at once",
            )

    def parent(self, id_: str) -> ParentOrder:
        """A parent order of the desk by id; 404 if unknown."""
        found = self.follower.ask(lambda state: state.ledger.parents.get(id_))
        if found is None:
            raise HttpError(
                404, f"a parent order of {self.name}", repr(id_[:80]), "see /api/orders"
            )
        return found

    def listing(self, instrument: str) -> dict[str, Any]:
        """Tick, lot and currency of an instrument; {} where the journal does not say."""
        said = self.follower.ask(lambda state: dict(state.session.get("listings") or {}))
        return dict(said.get(instrument) or {})

    def lots(self, instrument: str, qty: float) -> int:
        """Lots of a quantity; 409 where they are not whole."""
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
        self, after: int, kinds: Sequence[str], enough: Callable[[list[Entry]], bool]
    ) -> list[Entry]:
        """Entries of some kinds above a number, once they are enough or `LATCHED_S` have passed; none of a journal
        that cannot be read, and whatever there is of a desk that does not run."""
        until, found = time.monotonic() + LATCHED_S, list[Entry]()
        while True:
            runs = self.desk.running() != ""
            try:
                found = [entry for _, entry in self.desk.read(after, kinds)]
            except (JournalError, OSError):
                return found
            if not runs or enough(found) or time.monotonic() >= until:
                return found
            time.sleep(LOOK_S)

    def read_up(self) -> None:
        """Wait until the page has what the journal holds now, `LATCHED_S` at most: the next question finds it there."""
        last, until = self.desk.last(), time.monotonic() + LATCHED_S
        while not self.follower.fault and self.follower.ask(lambda state: state.seq) < last:
            if time.monotonic() >= until:
                return
            time.sleep(LOOK_S)


class Desks(dict[str, ConnectedDesk]):
    """The desks of a console, by name."""

    def of(self, name: str) -> ConnectedDesk:
        """A desk by name; 404 if unknown."""
        if name not in self:
            raise HttpError(404, f"a desk: {', '.join(self)}", repr(name[:80]), offer(name, self))
        return self[name]

    def chosen(self, name: str | None) -> list[ConnectedDesk]:
        """The desk of a name, or all."""
        return list(self.values()) if name is None else [self.of(name)]

    def whole(self, name: str) -> ConnectedDesk:
        """One desk whose journal has been read; 409 while it is: what would be acted on may be of long ago."""
        found = self.of(name)
        found.must_be_read()
        return found


def served(
    folders: Sequence[Path], wall_ns: Callable[[], int], now_s: Callable[[], float]
) -> Desks:
    """The desks of folders.

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
    found = Desks()
    for folder in dict.fromkeys(one.resolve() for one in folders):
        desk = RemoteDesk(folder, wall_ns)
        if desk.name in found:
            raise ConfigError(
                "folders of different names: a desk is called by its folder's",
                f"{found[desk.name].desk.folder} and {folder}",
                "rename one, or serve it apart",
            )
        found[desk.name] = ConnectedDesk(
            desk, JournalFollower(desk, now_s), RequestBook(folder, wall_ns)
        )
    return found
