"""A desk that starts again where another died: parents that ended meanwhile are in its results and on the console."""

from tests.trading.desk.test_one_after_another import SMALL

from tercel.console.state import DeskState
from tercel.core.vocabulary import NS_PER_SECOND as S
from tercel.trading.desk.build import Workbench, open_desk
from tercel.trading.desk.config import parse_config
from tercel.trading.desk.planted import planted
from tercel.trading.journal import kinds
from tercel.trading.journal.memory import MemoryJournal
from tercel.trading.parents import ParentRequest
from tercel.trading.tca.recorder import TcaRecorder


def test_what_expired_while_the_desk_was_dead_is_told_once() -> None:
    config, tools, journal = parse_config(SMALL, "desk.toml"), Workbench(), MemoryJournal(chained=False)
    exchange = tools.exchange(config, 1, planted(config, 1))
    died = open_desk(config, journal, 1, tools, exchange)
    died.desk.warm_up()
    died.session.accept(ParentRequest("mine", "AAA", 1, 500, 120 * S, 12, "twap_take", "peg"))
    died.session.run_until(died.session.now_ns + 45 * S)
    exchange.step(exchange.now_ns + 10 * S)
    for _ in range(2):
        over = exchange.now_ns + 200 * S
        while exchange.now_ns < over:
            exchange.step(over)
        opened = open_desk(config, journal, 1, tools, exchange)
        recorder = TcaRecorder(opened.session)
        opened.desk.run()
        recorder.close()
        told = {row["id"]: row for row in opened.desk.results}
    parent = opened.session.ledger.parents.must("mine")
    assert (parent.status, 0 < parent.filled < 500) == ("expired", True)
    for kind in (kinds.FEEDBACK, kinds.TCA):
        [body] = [entry.body for _, entry in journal.read(kinds=(kind,)) if entry.parent == "mine"]
        assert (body["filled"], body["unfilled"]) == (parent.filled, 500 - parent.filled)
    assert (told["mine"]["filled"], told["mine"]["status"]) == (parent.filled, "expired")
    state = DeskState()
    for seq, entry in journal.read():
        state.apply(seq, entry)
    row = next(row for row in state.shown()["parents"] if row["parent"] == "mine")
    assert (row["filled"], row["unfilled"], row["is_bps"]) == (parent.filled, 500 - parent.filled, body["is_bps"])
    assert {row["parent"] for row in state.shown()["parents"]} == set(told)
