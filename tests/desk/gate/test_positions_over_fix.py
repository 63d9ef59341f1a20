"""A gate before a FIX venue at which an account has other lots than were reported: nothing new passes, until a named
person says why, to the gate and to the desk behind it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.desk.gate.test_gate import session_over
from tests.desk.gate.wall import exchange, turning
from tests.desk.trading.desk_of_two import WIDE, Flaky, S, asked
from tests.waiting import until

from exchange.fix.server import serve_fix
from tercel.core.capabilities import Capabilities
from tercel.core.fixed_point import ONE
from tercel.core.orders import NewOrder
from tercel.core.ports import Entry
from tercel.desk.gate.config import GateConfig, GateTerms
from tercel.desk.gate.opening import open_gate
from tercel.desk.gate.server import Gate
from tercel.desk.trading.inbox import carry_out
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.command_inbox import post
from tercel.desk.trading.session import Session
from tercel.venues.wire import RemoteVenue


class Elsewhere(Flaky):
    """An exchange at which accounts have other lots than it reported."""

    def __init__(self) -> None:
        super().__init__(exchange())
        self.moved = Counter[str]()

    @property
    def capabilities(self) -> Capabilities:
        return replace(self._venue.capabilities, positions=self)

    def positions(self, account: str) -> dict[str, int]:
        lots = Counter(self._venue.positions(account))
        lots.update({"X": self.moved[account] * ONE})
        return dict(lots)

    @property
    def new_orders(self) -> int:
        return sum(isinstance(command, NewOrder) for command in self.sends)


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[tuple[Elsewhere, Gate, Session]]:
    venue = Elsewhere()
    (tmp_path / "limits.toml").write_text(WIDE)
    with serve_fix(venue, 0, ["DESK"]) as server:
        where = f"fix://DESK@127.0.0.1:{server.port}"
        terms = GateTerms(venue=where, accounts=("ann", "bob"), limits="limits.toml", silence_s=60)
        with open_gate(GateConfig(gate=terms), tmp_path, "test") as gate, turning(gate.run):
            session = session_over(RemoteVenue(str(gate.path), ["ann", "bob"]))
            session.manager.accept(
                asked(lots=400, horizon_s=1200, decisions=120, strategy="twap_passive")
            )
            go_on(session, 120)
            yield venue, gate, session
            session.close()


def go_on(session: Session, seconds: int) -> None:
    for _ in range(seconds // 10):
        session.run_until(session.now_ns + 10 * S)


def test_positions_at_a_fix_venue_are_compared_at_the_gate_and_behind_it(
    behind: tuple[Elsewhere, Gate, Session], tmp_path: Path
) -> None:
    venue, gate, session = behind
    assert gate.gateway.states.standing("").code == ""
    assert venue.new_orders > 0
    venue.moved["ann"] = 5
    go_on(session, 130)
    assert gate.gateway.states.standing("").code == "POSITIONS_DIFFER"
    assert session.gateway.states.standing("").code.startswith("POSITIONS"), (
        "the session asks its gate, which says what the venue told"
    )
    sent = venue.new_orders
    go_on(session, 60)
    assert venue.new_orders == sent
    post(tmp_path, "settle", {}, "eve", "lots from before", 0)
    until(lambda: gate.gateway.states.standing("").code == "", what="word of a person")
    body = {"command": "settle", "body": {}, "id": 1, "by": "eve", "reason": "lots from before"}
    carry_out(
        session.gateway, Entry(kinds.OPERATOR, session.now_ns, body=body), session.commands.execute
    )
    go_on(session, 120)
    assert (session.gateway.states.standing("").code, gate.gateway.states.standing("").code) == (
        "",
        "",
    )
    assert venue.new_orders > sent
