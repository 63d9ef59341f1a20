"""A desk made of a list of entries, for the console's tests."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import argon2

from tercel.api.console.connected import ConnectedDesk, Desks, RemoteDesk
from tercel.api.console.people import People
from tercel.api.console.request_book import RequestBook
from tercel.core.errors import OrderError
from tercel.core.fixed_point import ONE
from tercel.core.orders import ExecType, NewOrder, OrdStatus, Report, Tif
from tercel.core.ports import Entry
from tercel.desk.console.follow import JournalFollower
from tercel.desk.console.report_base import LatchPart
from tercel.desk.trading.experiment import (
    BEGAN,
    Covariates,
    Draw,
    ExperimentEntry,
    ExperimentTerms,
    uniform_draw,
)
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.codec import entry_denied, entry_in, entry_out

S = 1_000_000_000
PASSWORD = "eight or more"
QUICK = argon2.PasswordHasher(1, 8, 1)
"""Hashes in no time, which says nothing of how safe they are."""


BY_HAND: dict[str, Any] = {
    "take_over": ("taken_over",),
    "give_back": ("given_back",),
    "order": ("ordered", ("order", "p1.7"), ("hand", {"lots": 5, "price": None})),
    "withdraw": ("withdrawn", ("orders", ["p1.7"])),
}
"""What a desk answers to what people do by hand."""


QUOTES = {"request_quotes": "requested", "accept_quote": "accepted", "pass_quotes": "passed"}
"""What a desk journals of what people do with requests for quotes."""


class ListedDesk(RemoteDesk):
    """Does what `api.console.connected.RemoteDesk` does, over a list; keeps what was asked of it, and says yes."""

    def __init__(self, entries: list[Entry], name: str = "test desk") -> None:
        self.name = name
        self.entries = entries
        self.posted: list[tuple[str, dict[str, Any], str, str]] = []
        self.latch: LatchPart | None = None
        self.says_no = ""
        self.turns = 0
        """Of the latch, which is none but this."""
        self.wall: ListedDesk | None = None
        """Its gate."""

    def gate(self, told: Mapping[str, Any]) -> "ListedDesk | None":  # type: ignore[override]
        return self.wall

    def journal_position(self) -> tuple[str, int]:
        return "listed", len(self.entries)

    def lock_holder(self) -> str | None:
        return "process 1 (test)"

    def read(
        self, after: int = 0, kinds: Iterable[str] = (), until: int = 2**62
    ) -> Iterator[tuple[int, Entry]]:
        wanted = set(kinds)
        for seq, entry in enumerate(list(self.entries), 1):
            if after < seq <= until and (not wanted or entry.kind in wanted):
                yield seq, entry

    def post(self, command: str, body: Mapping[str, Any], by: str, reason: str) -> int:
        self.posted.append((command, dict(body), by, reason))
        return len(self.posted)

    def ask(self, command: str, body: Mapping[str, Any], by: str, reason: str) -> Entry | None:
        number = self.post(command, body, by, reason)
        if self.says_no:
            raise OrderError("something else", self.says_no, "ask for that")
        said = {"operator": number, "event": command, "by": by, "reason": reason}
        if command == "limits":
            event = {"tighten": "tightened", "request": "requested", "approve": "loosened"}[
                str(body["act"])
            ]
            said |= {"event": event, "hash": "h", "request": number}
            return Entry(kinds.LIMITS, S, body=said)
        if command == "experiment":
            ended = {"event": "ended", "name": body["name"], "arm": body.get("arm", "")}
            return Entry(kinds.EXPERIMENT, S, agent=str(body["agent"]), body=said | ended)
        if command == "promote":
            return Entry(
                kinds.PROMOTED,
                S,
                agent=str(body["agent"]),
                body=said | {"champion": "a", "challenger": "b"},
            )
        if command in ("pause_agent", "resume_agent"):
            said |= {"event": f"{command.removesuffix('_agent')}d", "parents": ["p1"]}
            return Entry(kinds.HOLD, S, agent=str(body["agent"]), body=said)
        if command == "posture":
            event = {"event": "lifted"} if body.get("lift") else {"event": "set", "until_ns": 9 * S}
            return Entry(kinds.STANCE, S, agent=str(body["agent"] or ""), body=said | event)
        if command in QUOTES:
            told = {
                "event": QUOTES[command],
                "request": str(body.get("request", "r9")),
                "operator": number,
            }
            told |= {
                "dealers": body.get("dealers"),
                "ids": body.get("quotes"),
                "id": body.get("quote", ""),
            }
            where = ("AAA", "ppo", str(body.get("parent", "p1")), "p1.7")
            return Entry(
                kinds.QUOTE, S, *where, body={key: one for key, one in told.items() if one}
            )
        if command in BY_HAND:
            event, *more = BY_HAND[command]
            said |= {"event": event, **dict(more)}
        if command == "own_alert":
            return Entry(
                kinds.OPERATOR,
                S,
                body={"id": number, "command": command, "body": dict(body), "by": by},
            )
        if command == "submit":
            told = {key: body[key] for key in ("side", "lots", "horizon_ns")} | {
                "limit_price": body.get("limit_price")
            }
            said |= {"event": "accepted", **told}
        parent = str(body.get("parent", body.get("id", "")))
        return Entry(
            kinds.PARENT,
            S,
            str(body.get("instrument", "AAA")),
            str(body.get("agent", "ppo")),
            parent,
            body=said,
        )

    def kill(self, agents: Sequence[str], by: str, reason: str) -> None:
        self.latch = LatchPart(scope=", ".join(agents) or "all", by=by, reason=reason)
        self.turns += 1
        for agent in agents or ("ppo", "peg"):
            body = {"event": "confirmed", "scope": agent, "by": "", "reason": reason, "open": 0}
            self.entries.append(Entry(kinds.KILL, 11 * S, agent=agent, body=body))

    def rearm(self, agents: Sequence[str], by: str, reason: str, mark: str = "") -> None:
        assert mark == self.latch_mark()
        self.latch = None
        self.turns += 1
        for agent in agents or ("ppo", "peg"):
            body = {"scope": agent, "by": by, "reason": reason}
            self.entries.append(Entry(kinds.REARM, 12 * S, agent=agent, body=body))

    def latch_mark(self) -> str:
        return str(self.turns)

    def read_latch(self) -> LatchPart | None:
        return self.latch

    def signals(self) -> dict[str, Any]:
        return {"model": "packaged:demo"}

    def explain_decision(self, seq: int) -> Mapping[str, Any] | None:
        if not 0 < seq <= len(self.entries) or self.entries[seq - 1].kind != kinds.DECISION:
            return None
        return {
            "title": f"decision {seq}",
            "sentences": ["It took 3 lots."],
            "tables": {"seen": {"left": 7, "mid": 10.5}},
        }


class Steady:
    """A clock that a test turns."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def served_by(
    folder: Path, *desks: ListedDesk, now_s: Callable[[], float], wall_ns: Callable[[], int]
) -> Desks:
    """What a console serves: desks of lists, their requests in folders of their own."""
    found = Desks()
    for desk in desks:
        (folder / desk.name).mkdir(parents=True, exist_ok=True)
        book = RequestBook(folder / desk.name, wall_ns)
        found[desk.name] = ConnectedDesk(desk, JournalFollower(desk, now_s), book)
    return found


def people_of(folder: Path, wall_s: Callable[[], float] = lambda: 1e9, **roles: str) -> People:
    """People by name and role, all with one password, let in long ago by nobody who is here."""
    long_ago = People(folder / "people.json", lambda: 0.0, QUICK)
    for name, role in roles.items():
        long_ago.add(name, role, PASSWORD, "root (test)")
    return People(folder / "people.json", wall_s, QUICK)


def report(exec_id: str, lots: int, ns: int, agent: str = "ppo") -> Report:
    return Report(
        exec_id, ExecType.TRADE, OrdStatus.PARTIALLY_FILLED, "c1", "", "o1", agent, "AAA", 1, 50, 1000,
        lots * ONE, 1000 * ONE, lots * ONE, (50 - lots) * ONE, ns, True,
    )  # fmt: skip


def a_session() -> list[Entry]:
    """A short session: two agents, three parents, a posture, an alert, a denial."""
    order = NewOrder("c1", "AAA", 1, 50, 1000, Tif.DAY, "ppo", "p1", 2 * S)
    accepted = {
        "event": "accepted",
        "side": 1,
        "lots": 50,
        "horizon_ns": 600 * S,
        "decisions": 20,
        "strategy": "ppo-csco",
    }
    entries = [
        Entry(
            kinds.SESSION,
            S,
            body={"session": 1, "venue": "simulated", "holder": "x", "resume": False},
        ),
        Entry(kinds.SHARE, S, "AAA", body={"shares": {"ppo": 0.5, "peg": 0.5}, "why": "first"}),
        Entry(kinds.PARENT, S, "AAA", "ppo", "p1", body=accepted),
        Entry(
            kinds.PARENT,
            S,
            "AAA",
            "peg",
            "p2",
            body=accepted | {"side": -1, "strategy": "peg_behind"},
        ),
        Entry(
            kinds.ALPHA, S, "AAA", body={"expected_bps": 3.2, "sd_bps": 4.0, "sources": ["news"]}
        ),
        Entry(
            kinds.POSTURE,
            S,
            "AAA",
            body={
                "urgency": 0.3,
                "max_participation": 0.2,
                "styles": 3,
                "size_multiplier": 0.5,
                "reasons": ["depth thin: 0.4 of usual"],
            },
        ),
        Entry(
            kinds.DECISION,
            2 * S,
            "AAA",
            "ppo",
            "p1",
            body={"n": 0, "intent": [0, 0], "commands": ["c1"]},
        ),
        entry_out(order),
        entry_in(report("e1", 20, 3 * S), "p1"),
        entry_in(report("e1", 20, 3 * S), "p1"),
        entry_denied(order, "COLLAR", "price=1000"),
        Entry(
            kinds.ALERT,
            4 * S,
            "AAA",
            "ppo",
            body={"severity": "warning", "code": "DRIFT", "text": "<b>spread</b> far"},
        ),
        Entry(
            kinds.DRIFT, 4 * S, "AAA", "ppo", body={"state": "drifting", "text": "spread +2.1 sd"}
        ),
        Entry(
            kinds.HEARTBEAT,
            5 * S,
            body={
                "positions": {"ppo": {"AAA": 20}},
                "open": 1,
                "unknown": 0,
                "limits": {
                    "agents": {"ppo": {"messages": [20, 500], "gross_value": [450.0, 500.0]}}
                },
            },
        ),
    ]
    for n in range(4):
        entries.append(
            Entry(
                kinds.FEEDBACK,
                (6 + n) * S,
                "AAA",
                "peg",
                f"p{2 + n}",
                body={"is_bps": 2.0 + n, "filled": 50, "notional": 500.0},
            )
        )
        entries.append(
            Entry(
                kinds.SHARE,
                (6 + n) * S,
                "AAA",
                body={"shares": {"ppo": 0.4, "peg": 0.6}, "why": "cost"},
            )
        )
    why = "its horizon came while its agent was killed: prices look wrong; 50 of 50 lots unfilled"
    entries.append(
        Entry(kinds.PARENT, 10 * S, "AAA", "peg", "p2", body={"event": "expired", "reason": why})
    )
    return entries


ORDER = {"side": 1, "lots": 5, "horizon_ns": S, "decisions": 1, "strategy": "guarded"}
"""Of a parent that is accepted."""


def an_experiment(orders: int, name: str = "guard", agent: str = "ppo") -> list[Entry]:
    """An experiment with finished orders of an agent, whose arm `guarded` saves 8 bps on `plain`."""
    terms = ExperimentTerms(
        ["plain", "guarded"],
        {"plain": "twap_take", "guarded": "guarded"},
        "order",
        [],
        3,
        100,
        ["AAA"],
    )
    chances = {"plain": 0.5, "guarded": 0.5}
    begin = ExperimentEntry(event=BEGAN, name=name, terms=terms, shares=chances)
    entries = [Entry(kinds.EXPERIMENT, 20 * S, agent=agent, body=begin.json())]
    for number in range(orders):
        parent, ns = f"{name}-{number}", (21 + number) * S
        arm = "plain" if uniform_draw(3, name, parent) < 0.5 else "guarded"
        draw = Draw(name, arm, parent, number // 50, chances, Covariates(1, 10, 5, share=0.01))
        bps = 10 * uniform_draw(4, parent) + (8.0 if arm == "plain" else 0.0)
        bodies: dict[str, dict[str, Any]] = {
            "accepted": {**ORDER, "experiment": draw.json()},
            "done": {},
        }
        entries += [
            Entry(kinds.PARENT, ns, "AAA", agent, parent, body={"event": event, **body})
            for event, body in bodies.items()
        ]
        cost = {"is_bps": bps, "filled": 5, "notional": 500.0}
        entries.append(Entry(kinds.FEEDBACK, ns, "AAA", agent, parent, body=cost))
    return entries
