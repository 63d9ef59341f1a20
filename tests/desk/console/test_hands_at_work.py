"""People at work over HTTP: a desk that trades over FIX, is killed (-9) twice and goes on, and its console."""

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the console needs the extra [trade]")

from tests.cli.test_trade_command import fix_exchange
from tests.desk.console.desks import people_of
from tests.desk.console.processes import PASSWORD, console, started
from tests.desk.console.second import client_of
from tests.waiting import until

from tercel.api.desk.folder import quotes_of
from tercel.core.errors import JournalError
from tercel.core.fixed_point import ONE
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.ledger import Ledger

pytestmark = pytest.mark.long
DESK = """
[desk]
name = "hands"
venue = "{venue}"
rounds = 200
round_s = 60.0
decision_s = 5.0
warmup_s = 5.0
pace = "accelerated"
speed = 5.0
[[instrument]]
name = "600961"
[[agent]]
name = "peg"
strategy = "peg_behind"
[[agent]]
name = "taker"
strategy = "twap_take"
[signals]
model = "off"
[order_arrivals]
share = 0.02
"""
Run = Callable[[], AbstractContextManager[Any]]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Run]]:
    """A desk's folder beside an exchange that listens, and what starts the desk."""
    folder = tmp_path_factory.mktemp("hands")
    with fix_exchange("--dealers", "equity") as where:
        (folder / "hands.toml").write_text(DESK.format(venue=where))
        words = ["trade", "run", folder / "hands.toml", "--desk", folder / "today"]
        yield folder / "today", lambda: started(words, folder / "desk.out", signal.SIGKILL)


def began(folder: Path, after: int) -> int:
    """The last session's entry, once it is a later one than `after` and a market was seen; else 0."""
    try:
        found = list(JournalReader(folder).read(after, (kinds.SESSION, kinds.MARKET)))
    except JournalError:
        return 0
    sessions = [seq for seq, one in found if one.kind == kinds.SESSION]
    return sessions[-1] if sessions and found[-1][0] > sessions[-1] else 0


class Hands:
    """A person at the console of the desk `today`."""

    def __init__(self, address: str, name: str) -> None:
        self.client = client_of(address, name, PASSWORD)

    def __call__(self, path: str, status: int = 200, **body: Any) -> str:
        """What the desk did, or what was received where it was refused."""
        said = self.client.post(
            f"/api/{path}", json={"desk": "today", "reason": "news are due", **body}
        )
        assert said.status_code == status, (path, said.text)
        found = said.json()
        return "\n".join(found["done"]) if status == 200 else str(found.get("received", found))

    def parent(self, id_: str) -> Any:
        return next(
            one for one in self.client.get("/api/orders").json()["parents"] if one["id"] == id_
        )

    def agent(self, name: str) -> Any:
        return next(one for one in self.client.get("/api/agents").json() if one["agent"] == name)

    def market(self) -> Any:
        return self.client.get("/api/desks/today/state").json()


def test_by_hand_paused_and_careful_over_two_kills_of_the_process(desk: tuple[Path, Run]) -> None:
    folder, run = desk
    people_of(folder.parent, ann="trader", bob="trader", vic="viewer", ria="risk")
    with run() as process:
        until(lambda: began(folder, 0), seconds=120, what="a desk that has begun")
        with console(folder, folder.parent / "console.out") as address:
            ann, bob, vic, ria = (Hands(address, name) for name in ("ann", "bob", "vic", "ria"))
            until(lambda: "600961" in ann.market()["markets"], what="the market")
            _takes_over(ann, bob, vic)
            request, order, price = _takes_a_quote(ann, vic)
            process.kill()
            process.wait()
            first = began(folder, 0)
            with run() as again:
                until(lambda: began(folder, first), seconds=120, what="the desk again")
                _still_in_hand(ann, bob)
                _pauses(ann, ria)
                second = began(folder, 0)
                again.kill()
                again.wait()
                with run():
                    until(lambda: began(folder, second), seconds=120, what="the desk once more")
                    _still_paused(ann, ria)
    ledger = Ledger.of(JournalReader(folder))
    assert ledger.faults() == []
    exec_ids = [fill.exec_id for fill in ledger.orders.fills]
    assert len(exec_ids) == len(set(exec_ids))
    assert sum(fill.qty for fill in ledger.orders.fills if fill.order == order) == 2 * ONE
    *_, told = quotes_of(folder)[0]
    assert (told.id, told.outcome, told.taken[-1].order) == (request, "traded", order)
    assert [one.price for one in told.quotes if one.state == "accepted"] == [price]


def _takes_over(ann: Hands, bob: Hands, vic: Hands) -> None:
    lot = ann.market()["instruments"]["600961"]["lot"]
    order = {"instrument": "600961", "side": "buy", "qty": 100 * lot, "minutes": 600}
    assert "p1 accepted" in ann("parents", id="p1", agent="peg", **order)
    vic("parents/p1/take_over", 403)
    vic("parents/p1/orders", 403, qty=lot)
    assert "taken over by ann (password)" in ann("parents/p1/take_over")
    assert "by hand (ann (password))" in ann("parents/p1/take_over", 409)
    assert "by hand (ann (password))" in bob("parents/p1/take_over", 409)
    assert bob("parents/p1/orders", 409, qty=lot) == "bob (password)"
    assert ann("parents/p1/orders", 409, qty=101 * lot) == "101"
    bid = ann.market()["markets"]["600961"]["bid"] * ann.market()["instruments"]["600961"]["tick"]
    assert "COLLAR" in ann("parents/p1/orders", 409, qty=lot, limit_price=round(2 * bid, 2))
    assert "price on a tick" not in ann(
        "parents/p1/orders", 409, qty=lot, limit_price=round(bid, 2) + 0.0033
    )
    said = ann("parents/p1/orders", qty=2 * lot)
    assert said.endswith(": filled"), said
    until(lambda: ann.parent("p1")["by_hand"] == 2 * lot, what="what was filled by hand")
    assert ann("parents/p1/orders", qty=3 * lot, limit_price=round(bid - 0.1, 2)).endswith(": new")


def _takes_a_quote(ann: Hands, vic: Hands) -> tuple[str, str, float]:
    """Request, order and price of the best quote for two lots; quotes live for a second, so who is late asks again."""
    lot = ann.market()["instruments"]["600961"]["lot"]
    order = {"instrument": "600961", "side": "sell", "qty": 100 * lot, "minutes": 600}
    ann("parents", id="p0", agent="peg", **order)
    asked = {"qty": 2 * lot, "dealers": ["D1", "D2", "D3"], "seconds": 60}
    vic("parents/p0/quotes", 403, **asked)

    def row() -> Any:
        return ann.market()["quote_requests"][0]

    def best() -> Any:
        return next((one for one in row()["quotes"] if one["state"] == "open"), None)

    for _ in range(50):
        request = ann("parents/p0/quotes", **asked).split(": ")[1].split()[0]
        until(lambda: best() or row()["outcome"] != "open", what="a quote")
        if (found := best()) is not None:
            there = f"/api/quotes/{request}/accept"
            said = ann.client.post(
                there, json={"desk": "today", "reason": "x", "quote": found["id"]}
            )
            if said.status_code == 200 and said.json()["done"]:
                break
        ann.client.post(f"/api/quotes/{request}/pass", json={"desk": "today", "reason": "late"})
        until(lambda: row()["outcome"] != "open", what="the end of a request")
    assert said.json()["done"][0].endswith(": filled"), said.text
    until(lambda: row()["outcome"] == "traded", what="the end of the request")
    vic(f"quotes/{request}/accept", 403, quote=found["id"])
    ann(f"quotes/{request}/accept", 409, quote=found["id"])
    taken = row()["taken"][-1]
    assert (taken["by"], row()["by"]) == ("ann (password)", "ann (password)")
    return request, taken["order"], found["price"]


def _still_in_hand(ann: Hands, bob: Hands) -> None:
    lot = ann.market()["instruments"]["600961"]["lot"]
    until(lambda: ann.market()["running"], what="the desk on the page")
    assert (ann.parent("p1")["status"], ann.parent("p1")["hand"]) == ("by hand", "ann (password)")
    assert ann("parents/p1/withdraw", 409) == "none", "no order works for nobody"
    assert ann("parents/p1/orders", qty=lot).endswith(": filled")
    assert "resumes with the remaining quantity" in bob("parents/p1/give_back")
    assert "p1 is working" in ann("parents/p1/give_back", 409)
    until(
        lambda: any(
            one["parent"] == "p1" for one in ann.client.get("/api/orders").json()["orders"]
        ),
        what="its orders",
    )
    assert ann("parents/p1/cancel").endswith("p1: its orders are being cancelled")
    until(lambda: ann.parent("p1")["status"] == "cancelled", what="its end")
    assert "p1, which is over, cancelled" in ann("parents/p1/take_over", 409)


def _pauses(ann: Hands, ria: Hands) -> None:
    lot = ann.market()["instruments"]["600961"]["lot"]
    assert "paused peg" in ann("agents/peg/pause")
    until(lambda: ann.agent("peg")["state"] == "paused", what="the pause")
    assert ann.agent("peg")["reason"] == "ann (password): news are due"
    order = {"instrument": "600961", "side": "buy", "qty": lot, "minutes": 600}
    assert "peg, paused by ann (password)" in ann("parents", 409, id="p2", agent="peg", **order)
    assert "p3 accepted" in ann("parents", id="p3", **order)
    assert "agent taker" in ann("parents", id="p4", **order)
    ann("posture", 403, minutes=60, size_multiplier=0.5)
    assert "of the desk set" in ria("posture", minutes=60, size_multiplier=0.5)
    assert "request" in ria("posture", 202, minutes=60, size_multiplier=1, instead=True)


def _still_paused(ann: Hands, ria: Hands) -> None:
    until(lambda: ann.market()["running"], what="the desk on the page")
    assert ann.agent("peg")["state"] == "paused"
    assert [one["words"] for one in ann.market()["stances"]] == [{"size_multiplier": 0.5}]
    assert "lifted" in ria("posture/end")
    assert "resumed peg" in ann("agents/peg/resume")
    until(lambda: ann.agent("peg")["state"] == "active", what="the end of the pause")
    assert "peg" in ann("agents/peg/resume", 409)
