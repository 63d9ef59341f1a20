"""What a FIX session remembers of an order that a venue ends and opens again: a kill still cancels it."""

import pytest

from tercel.core.fixed_point import ONE
from tercel.core.link.order_memory import FILE, OrderMemory
from tercel.core.orders import ExecType, NewOrder, OrdStatus, Report, Tif

X, S = ExecType, OrdStatus
ENDS = [
    (X.REJECTED, S.REJECTED, X.NEW, S.NEW),
    (X.EXPIRED, S.EXPIRED, X.RESTATED, S.NEW),
    (X.CANCELED, S.CANCELED, X.NEW, S.NEW),
]


def report(kind: ExecType, status: OrdStatus, leaves: int) -> Report:
    return Report(
        "e", kind, status, "c1", "", "V1", "ann", "X", 1, 5, 100, 0, 0, 0, leaves * ONE, 10
    )


@pytest.mark.parametrize(("end", "ended", "again", "status"), ENDS)
def test_an_order_with_open_lots_is_live_whatever_was_said_before(
    tmp_path, end, ended, again, status
):
    memory = OrderMemory(tmp_path)
    memory.record(NewOrder("c1", "X", 1, 5, 100, Tif.DAY, "ann", "p", 1))
    memory.update(report(end, ended, 0))
    assert memory.live() == []
    memory.update(report(again, status, 5))
    assert [one.name for one in memory.live()] == ["c1"]
    memory.close()
    assert [one.name for one in OrderMemory(tmp_path).live()] == ["c1"]


def test_a_status_that_is_no_base_state_is_read_as_a_working_order(tmp_path):
    memory = OrderMemory(tmp_path)
    memory.record(NewOrder("c1", "X", 1, 5, 100, Tif.DAY, "ann", "p", 1))
    memory.close()
    file = tmp_path / FILE
    text = file.read_text()
    file.write_text(text.replace('"status":"pending_new"', '"status":"pending_cancel"'))
    assert file.read_text() != text
    again = OrderMemory(tmp_path)
    again.update(report(X.CANCELED, S.CANCELED, 0))
    assert again.live() == []
