"""`imbalance_peg`, counted by hand: where it stands by queues and time, and that it ends by taking."""

import pytest

from tercel.execution import intent as i
from tercel.execution.observation import HORIZON_NS, view_of
from tercel.execution.strategies.baselines import LAST, ImbalancePeg


def rows(decision, decisions=20, **queues):
    """Lots taken, at the touch and a tick behind it, of an order with 90 lots left."""
    left_ns = HORIZON_NS * (decisions - decision) // decisions
    view = view_of(left=90, decision=decision, decisions=decisions, time_left_ns=left_ns, **queues)
    told = ImbalancePeg().decide(view)
    assert (told[:, [i.REST0 + i.IMPROVE, i.REST0 + 3, i.REST0 + 4]] == 0).all()
    return told[:, [i.TAKE, i.REST0 + i.AT_TOUCH, i.REST0 + i.AT_TOUCH + 1]].tolist()


TOUCH, BEHIND, TAKEN = [0, 90, 0], [0, 0, 90], [90, 0, 0]


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize("decision", [0, 7, 13])
def test_the_longer_queue_on_the_own_side_brings_it_to_the_touch(side, decision):
    queues = {"own1": [300, 300, 300, 0], "far1": [299, 300, 301, 0], "own2": 9000, "far2": 1}
    far = {"side": side, "touch": 1000, "far": 1000 + 2 * side, "mid2": 2000 + 2 * side}
    assert rows(decision, **queues, **far) == [TOUCH, BEHIND, BEHIND, BEHIND]


def test_the_last_six_decisions_stand_at_the_touch_and_the_last_takes():
    told = [rows(decision, own1=1, far1=1000)[0] for decision in range(20)]
    assert told == [BEHIND] * (20 - LAST) + [TOUCH] * (LAST - 1) + [TAKEN]
    assert LAST == 6


@pytest.mark.parametrize("decisions", [1, 2, 6])
def test_an_order_of_few_decisions_never_stands_behind(decisions):
    told = [rows(decision, decisions, own1=1, far1=1000)[0] for decision in range(decisions)]
    assert told == [TOUCH] * (decisions - 1) + [TAKEN]
