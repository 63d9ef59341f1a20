"""`verify_alone` on tapes of every kind: each oddity is counted where it is, and every lot is accounted for."""

import numpy as np
import pytest

from tercel.core.errors import TapeError
from tercel.feeds.verify import TRUTHS, truth_for, verify_alone
from tercel.market.tape import Events, Instrument, schema as s


def tape(*rows, seq=None, recv=None):
    """(kind, id, side, price, lots) rows, a message each."""
    n = len(rows)
    kind, order_id, side, price, qty = zip(*rows, strict=True)
    ns = np.arange(1, n + 1) * 1000
    return Events.from_columns(
        {
            "exch_ns": ns, "recv_ns": ns if recv is None else recv, "seq": np.arange(1, n + 1) if seq is None else seq,
            "kind": kind, "order_id": order_id, "side": side, "price_ticks": price, "qty_lots": qty,
            "flags": np.full(n, s.MESSAGE_END),
        }
    )  # fmt: skip


BOOK = ((s.ADD, 1, 1, 100, 5), (s.ADD, 2, -1, 102, 7))


def test_a_sound_tape_of_orders():
    rows = (
        *BOOK,
        (s.EXECUTE, 2, -1, 102, 3),
        (s.REDUCE, 1, 1, 100, 1),
        (s.MODIFY, 2, -1, 103, 4),
        (s.DELETE, 1, 1, 100, 4),
    )
    found = verify_alone(tape(*rows))
    assert (found["tape"], found["rows"], found["prints"]) == ("orders", 6, 1)
    assert (found["lots_added"], found["lots_executed"], found["lots_resting"]) == (5 + 7 + 4, 3, 4)
    assert found["lots_cancelled"] == 1 + 4 + 4  # the modified order leaves its old level
    zero = {
        "lots_unaccounted",
        "crossed",
        "locked",
        "prints_outside_quotes",
        "executed_behind_best",
        "duplicate_ids",
    }
    assert all(found[name] == 0 for name in zero)
    assert found["one_sided"] == 2  # before the first ask, after the last bid


def test_a_row_that_names_another_price_than_its_order_is_found():
    found = verify_alone(tape(*BOOK, (s.EXECUTE, 1, 1, 99, 3)))
    assert found["lots_unaccounted"] == 3
    assert found["executed_behind_best"] == 1


def test_crossed_locked_duplicates_and_prints_in_a_halt():
    found = verify_alone(
        tape(*BOOK, (s.ADD, 3, 1, 102, 1), (s.ADD, 4, 1, 103, 1), (s.ADD, 4, 1, 99, 1), (s.DELETE, 3, 1, 102, 1),
             (s.STATUS, 0, 0, -1, 0), (s.EXECUTE, 1, 1, 100, 1), (s.TRADE_HIDDEN, 0, 1, 98, 4),
             (s.CROSS, -1, 0, 101, 50))
    )  # fmt: skip
    assert (found["locked"], found["crossed"], found["duplicate_ids"]) == (2, 1, 1)
    assert (found["halts"], found["executed_not_trading"]) == (1, 1)
    assert (found["hidden_prints"], found["hidden_outside_quotes"]) == (1, 1)
    assert (found["auction_prints"], found["auction_lots"]) == (1, 50)
    assert found["lots_unaccounted"] == 0


def test_executions_of_orders_that_are_not_first_in_their_queue_are_counted():
    found = verify_alone(
        tape(*BOOK, (s.ADD, 3, -1, 102, 2), (s.EXECUTE, 3, -1, 102, 2), (s.EXECUTE, 2, -1, 102, 7))
    )
    assert (found["executed_off_head"], found["executed_behind_best"], found["prints"]) == (1, 0, 2)


def test_what_crosses_for_a_moment_is_of_several_exchanges_or_of_messages_of_one_moment():
    rows = []
    for n in range(0, 200, 2):  # a bid that comes before the ask at its price has gone
        rows += [
            (s.LEVEL_SET, 0, -1, 102 + n, 5),
            (s.LEVEL_SET, 0, 1, 103 + n, 5),
            (s.LEVEL_SET, 0, -1, 102 + n, 0),
        ]
    apart = tape(*rows)
    assert verify_alone(apart)["likely_cause"].startswith("quotes of several exchanges: 100 levels")
    apart.exch_ns[2::3] = apart.exch_ns[1::3]
    assert verify_alone(apart)["likely_cause"].startswith("one moment in several messages")


def test_level_totals():
    found = verify_alone(
        tape((s.LEVEL_SET, 0, 1, 100, 5), (s.LEVEL_SET, 0, -1, 102, 7), (s.LEVEL_SET, 0, 1, 100, 5),
             (s.TRADE, 0, 1, 99, 2), (s.TRADE, 0, -1, 102, 2), (s.LEVEL_SET, 0, -1, 102, 5),
             (s.LEVEL_SET, 0, 1, 98, 0), (s.ROLL_OUT, 0, 1, 100, 0))
    )  # fmt: skip
    assert found["tape"] == "level totals"
    assert (found["prints"], found["prints_outside_quotes"]) == (2, 1)
    assert (found["level_repeats"], found["levels_gone_unknown"]) == (1, 1)
    assert (
        found["lots_added"],
        found["lots_cancelled"],
        found["lots_hidden_again"],
        found["lots_resting"],
    ) == (
        12,
        2,
        5,
        5,
    )
    assert found["lots_unaccounted"] == 0
    assert "executed_behind_best" not in found


def test_a_cleared_book_is_accounted_for():
    found = verify_alone(tape(*BOOK, (s.CLEAR, 0, 0, 0, 0), (s.ADD, 5, 1, 100, 2)))
    assert (found["lots_cleared"], found["lots_resting"], found["lots_unaccounted"]) == (12, 2, 0)


def test_clocks_and_gaps():
    found = verify_alone(
        tape(*BOOK, (s.DELETE, 1, 1, 100, 5), seq=[1, 2, 7], recv=[1500, 1400, 4000])
    )
    assert found["receive_backwards"] == 1
    assert found["received_before_sent"] == 1
    assert (found["sequence_gaps"], found["sequence_missing"]) == (1, 4)


def test_a_truth_for_each_feed_and_none_for_others():
    day = Instrument(venue="X", symbol="A", date="2024-01-05", tick=0.01, extra={"feed": "csv"})
    with pytest.raises(TapeError, match="imported as csv"):
        truth_for(day)
    for feed in TRUTHS:
        assert callable(
            truth_for(
                Instrument(
                    venue="X", symbol="A", date="2024-01-05", tick=0.01, extra={"feed": feed}
                )
            )
        )
