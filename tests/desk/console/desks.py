"""A desk made of a list of entries, for the console's tests."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tercel.core.fixed import ONE
from tercel.core.orders import ExecType, NewOrder, OrdStatus, Report, Tif
from tercel.core.ports import Entry
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.codec import entry_denied, entry_in, entry_out

S = 1_000_000_000


class ListedDesk:
    """Does what `console.desk.FolderDesk` does, over a list; keeps what was asked of it."""

    def __init__(self, entries: list[Entry]) -> None:
        self.name = "test desk"
        self.entries = entries
        self.posted: list[tuple[str, dict[str, Any], str, str]] = []
        self.latch: dict[str, Any] | None = None

    def stands(self) -> tuple[str, int]:
        return "listed", len(self.entries)

    def running(self) -> str | None:
        return "process 1 (test)"

    def read(self, after: int = 0, kinds: Iterable[str] = ()) -> Iterator[tuple[int, Entry]]:
        yield from ((seq, entry) for seq, entry in enumerate(list(self.entries), 1) if seq > after)

    def post(self, command: str, body: Mapping[str, Any], by: str, reason: str) -> int:
        self.posted.append((command, dict(body), by, reason))
        return len(self.posted)

    def kill(self, scope: str, by: str, reason: str) -> None:
        self.latch = {"scope": scope, "by": by, "reason": reason}

    def rearm(self, by: str, reason: str) -> None:
        self.latch = None

    def killed(self) -> Mapping[str, Any] | None:
        return self.latch

    def why(self, seq: int) -> Mapping[str, Any] | None:
        if not 0 < seq <= len(self.entries) or self.entries[seq - 1].kind != kinds.DECISION:
            return None
        return {
            "title": f"decision {seq}",
            "sentences": ["It took 3 lots."],
            "tables": {"seen": {"left": 7, "mid": 10.5}},
        }


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
        Entry(kinds.SESSION, S, body={"session": 1, "venue": "simulated", "holder": "x", "resume": False}),
        Entry(kinds.SHARE, S, "AAA", body={"shares": {"ppo": 0.5, "peg": 0.5}, "why": "first"}),
        Entry(kinds.PARENT, S, "AAA", "ppo", "p1", body=accepted),
        Entry(kinds.PARENT, S, "AAA", "peg", "p2", body=accepted | {"side": -1, "strategy": "peg_behind"}),
        Entry(kinds.ALPHA, S, "AAA", body={"expected_bps": 3.2, "sd_bps": 4.0, "sources": ["news"]}),
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
        Entry(kinds.DECISION, 2 * S, "AAA", "ppo", "p1", body={"n": 0, "intent": [0, 0], "commands": ["c1"]}),
        entry_out(order),
        entry_in(report("e1", 20, 3 * S), "p1"),
        entry_in(report("e1", 20, 3 * S), "p1"),
        entry_denied(order, "COLLAR", "price=1000"),
        Entry(
            kinds.ALERT, 4 * S, "AAA", "ppo", body={"severity": "warning", "code": "DRIFT", "text": "<b>spread</b> far"}
        ),
        Entry(kinds.DRIFT, 4 * S, "AAA", "ppo", body={"state": "drifting", "text": "spread +2.1 sd"}),
        Entry(
            kinds.HEARTBEAT,
            5 * S,
            body={
                "positions": {"ppo": {"AAA": 20}},
                "open": 1,
                "unknown": 0,
                "limits": {"agents": {"ppo": {"messages": [20, 500], "gross_value": [450.0, 500.0]}}},
            },
        ),
    ]
    for n in range(4):
        entries.append(
            Entry(kinds.FEEDBACK, (6 + n) * S, "AAA", "peg", f"p{2 + n}", body={"is_bps": 2.0 + n, "filled": 50})
        )
        entries.append(Entry(kinds.SHARE, (6 + n) * S, "AAA", body={"shares": {"ppo": 0.4, "peg": 0.6}, "why": "cost"}))
    why = "its horizon came while its agent was killed: prices look wrong; 50 of 50 lots unfilled"
    entries.append(Entry(kinds.PARENT, 10 * S, "AAA", "peg", "p2", body={"event": "expired", "reason": why}))
    return entries
