from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from benchmarks import (
    KEYS,
    book,
    book_cpp,
    dbn,
    decide,
    desk,
    env,
    fix,
    gate,
    imports,
    journal,
    market,
    shanghai,
    venue,
)
from benchmarks.reference_book import ReferenceBook
from tercel.core.errors import TercelError
from tercel.market.book import layout as lay
from tercel.market.simulator import layout as sim

pytestmark = pytest.mark.release


def test_the_environment_bench_gives_its_rows_and_one_result_for_any_number_of_threads() -> None:
    rows = env.bench(decisions=20, blocks=1)
    assert [row["name"] for row in rows] == [
        "env.decisions_per_s.k1",
        "env.decisions_per_s.k100",
        "env.share_of_book",
        "env.two_threads",
    ]
    assert all(set(row) == set(KEYS) for row in rows)
    assert all(
        row["value"] > 0 and row["ratio"] == row["value"] / row["reference_value"] for row in rows
    )


def test_the_load_is_what_the_bench_says() -> None:
    made = env.load(env.market(), 100)
    before, decisions = made.events(), made.episodes.states[:, sim.DECISION].copy()
    made.decide(20)
    env.check(made)
    assert (made.episodes.states[:, sim.DECISION] == decisions + 20).all()
    assert made.events() - before == pytest.approx(
        20 * 100 * env.MARKETS, rel=0.02
    )  # a market order counts its fills
    made.episodes.books[3, lay.LIVE] = env.LIVE - 1
    with pytest.raises(TercelError, match="live"):
        env.check(made)


def test_the_reference_runs_the_same_flow() -> None:
    flow = env.PlainFlow(1)
    flow.run(20_000)
    live = []
    for _ in range(20):
        flow.run(1_000)
        live.append(len(flow.ids))
    made = env.load(env.market(), 100)
    made.decide(50)
    assert np.mean(live) == pytest.approx(made.episodes.books[:, lay.LIVE].mean(), rel=0.1)
    assert len(flow.book.orders()) == len(flow.ids) == len(flow.place) == len(flow.left)
    assert flow.book.unknown_ids == 0
    assert isinstance(flow.book, ReferenceBook)


def _has_shape(rows: list[dict[str, object]], names: list[str]) -> None:
    assert [row["name"] for row in rows] == names
    assert all(
        set(row) == set(KEYS) and row["value"] > 0 and row["reference_value"] > 0 for row in rows
    )


def test_the_gate_bench_passes_every_limit_and_counts_nothing() -> None:
    names = [
        "gate.p50_us",
        "gate.p99_us",
        "gate.new.p50_us",
        "gate.replace.p50_us",
        "gate.cancel.p50_us",
    ]
    _has_shape(gate.bench(checks=50), names)
    busy = gate.busy_gate()
    before = busy.usage()
    for command in (*gate._news(), *gate._replaces(), *gate._cancels()):
        assert busy.check(command, gate.NOW_NS) is None
    assert busy.usage() == before


def test_the_journal_bench_gives_its_rows() -> None:
    names = [
        f"journal.{what}.p{percent}_us" for what in ("order", "decision") for percent in (50, 99)
    ]
    _has_shape(journal.bench(appends=8), names)


def test_the_fix_bench_gives_its_rows_and_says_what_it_has_no_reference_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = fix.bench(orders=20)
    _has_shape(rows, [f"fix.{what}" for what in (*_ACKS, "orders_per_s")])
    assert ("no module quickfix" in capsys.readouterr().err) == (find_spec("quickfix") is None)


_ACKS = [f"{what}_p{share}_us" for what in ("accept", "ack") for share in (50, 99)]


def test_the_desk_bench_gives_its_row() -> None:
    _has_shape(desk.bench(repeats=1, rounds=1), ["desk.rounds_per_s"])


def test_the_other_benches_give_their_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    _has_shape(
        market.bench(minutes=2, blocks=1, calibrated=False),
        [
            "market.messages_per_s",
            "market.share_of_santa_fe",
            "market.day_s",
            "market.one_more_strategy_ms",
        ],
    )
    _has_shape(
        imports.bench(rows=2_000),
        ["import.rows_per_s", "import.rows_per_s.l5", "import.share_of_floor"],
    )
    for name, small in (("MARKET_S", 20), ("ORDERS", 5), ("PARENTS", 2)):
        monkeypatch.setattr(venue, name, small)
    assert [row["name"] for row in venue.bench()] == [
        "venue.rows_per_s",
        "venue.orders_per_s",
        "venue.parents_per_s",
    ]


def test_the_decision_bench_gives_its_rows() -> None:
    rows = decide.bench(events=2_000)
    assert [row["name"] for row in rows][:2] == ["decide.p50_us", "decide.p99_us"]
    assert all(row["value"] > 0 for row in rows)


@pytest.mark.skipif(find_spec("databento_dbn") is None, reason="databento-dbn is not installed")
def test_the_dbn_bench_gives_its_row() -> None:
    assert [row["name"] for row in dbn.bench(records=2_000)] == ["dbn to tape"]


def test_the_shanghai_bench_gives_its_row() -> None:
    (row,) = shanghai.bench(rows=60_000, recorded=False)
    assert row["name"] == "shanghai to tape"
    assert row["value"] > 0


def test_the_twin_in_cpp_reads_the_same_touches(
    shared_peers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERCEL_PEERS", str(shared_peers))
    stream = book.make_stream(2_000, seed=3)
    twin = book_cpp.cpp_twin(book.ORDERS, book.WIDTH, book.MIDDLE)
    if twin is None:
        pytest.skip("no g++")
    book_cpp.check_twin(twin, stream)
    with pytest.raises(TercelError, match="twin with sum"):
        book_cpp.check_twin(lambda head: twin(head) + 1, stream)


def test_no_compiler_no_twin(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(book_cpp.shutil, "which", lambda name: None)
    assert [row["name"] for row in book.bench(messages=500, prefix=200, repeats=1)] == [
        "book.events_per_s"
    ]
    assert "g++" in capsys.readouterr().err
