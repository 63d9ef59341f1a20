"""A desk run twice is the same desk, and what it says it did is what its journal holds."""

from collections import defaultdict

import pytest
from tests.parts import whole

from tercel.api.desk.config import read_config
from tercel.api.simulated_desk import SimulatedMarkets, open_demo
from tercel.desk.engine.config import DeskConfig
from tercel.desk.engine.loop import DeskLoop
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.memory import MemoryJournal

ROUNDS = 2


LENGTHS = {"short": {"round_s": 120.0, "warmup_s": 60.0}, "as_shipped": {}}


@pytest.fixture(
    scope="module", params=["short", pytest.param("as_shipped", marks=pytest.mark.long)]
)
def config(request: pytest.FixtureRequest) -> DeskConfig:
    return read_config(None).with_desk(rounds=ROUNDS, **LENGTHS[request.param])


def run(
    config: DeskConfig, tools: SimulatedMarkets, seed: int, chained: bool
) -> tuple[DeskLoop, MemoryJournal]:
    journal = MemoryJournal(chained=chained)
    opened = open_demo(config.with_desk(seed=seed), journal, tools)
    opened.run()
    return opened, journal


@pytest.fixture(scope="module")
def runs(config: DeskConfig) -> list[tuple[DeskLoop, MemoryJournal]]:
    """Seed 1 twice, on tools of their own; seed 2."""
    shared = SimulatedMarkets()
    return [
        run(config, SimulatedMarkets(), 1, False),
        run(config, shared, 1, True),
        run(config, shared, 2, False),
    ]


def told(journal: MemoryJournal) -> list[tuple[object, ...]]:
    """Everything but the bodies, whose tuples JSON gives back as lists."""
    return [
        (e.kind, e.ns, e.instrument, e.agent, e.parent, e.order, e.blob) for _, e in journal.read()
    ]


def test_one_seed_gives_one_journal(runs: list[tuple[DeskLoop, MemoryJournal]]) -> None:
    (one, plain), (again, chained), (other, _) = runs
    assert one.results == again.results
    assert one.cost_path == again.cost_path
    assert one.share_path == again.share_path
    assert one.results != other.results
    assert told(plain) == told(chained)


def test_what_a_desk_says_is_what_its_journal_holds(
    runs: list[tuple[DeskLoop, MemoryJournal]],
) -> None:
    for opened, journal in runs:
        fills: dict[str, dict[str, int]] = defaultdict(dict)
        for _, entry in journal.read(0, (kinds.REPORT_IN,)):
            if entry.body.get("exec_type") == "trade":
                fills[entry.parent][entry.body["exec_id"]] = whole(entry.body["last_qty"])
        assert len(opened.results) > ROUNDS
        said = [
            (entry.ns, entry.instrument, entry.body["shares"])
            for _, entry in journal.read(0, (kinds.SHARE,))
        ]
        assert said
        assert len(opened.share_path) == ROUNDS * len(opened.config.instrument)
        assert [one for one in opened.share_path if one in said] == said
        for row in opened.results:
            assert row["filled"] == sum(fills[str(row["id"])].values()) <= int(str(row["quantity"]))
        lots: dict[tuple[str, str], int] = defaultdict(int)
        for row in opened.results:
            lots[str(row["agent"]), str(row["instrument"])] += int(str(row["side"])) * int(
                str(row["filled"])
            )
        assert sum(lots.values()) == sum(
            count
            for book in opened.session.ledger.positions.lots().values()
            for count in book.values()
        )
