"""Message fields for a counterparty: with private tags, in plain FIX 4.4, or in FIX 4.2.

Source: FIX 4.2 and 4.4, volume 4: ExecType and ExecTransType; ExecTransType (20) went into ExecType (150) with 4.3.
"""

from collections.abc import Iterable
from typing import Final

from tercel.fix import tags as t
from tercel.fix.own_dictionary import own_dictionary
from tercel.fix.protocol.message import Fields, utc_text

_PRIVATE: Final = range(t.EXACT_NS, t.CANCEL_ON_DISCONNECT + 1)
_OLD: Final = "FIX.4.2"
# ExecTransType of a bust, a correction and a status; of all else it is 0.
_TRANSACTIONS: Final = {"H": "1", "G": "2", "I": "3"}
# What a reason becomes that FIX 4.2 does not have.
_BROKER: Final = {
    t.ORD_REJ_REASON: "0",
    t.CXL_REJ_REASON: "2",
    t.REJECT_REASON: "0",
    t.MD_REJ_REASON: "0",
}


def plain(kind: str, fields: Iterable[tuple[int, str]], begin: str, now_ns: int) -> Fields:
    """A message's fields without private tags, dated by the wall clock, in a version of FIX.

    >>> plain("8", [(150, "F"), (39, "1"), (151, "5"), (60, "19700101-00:00:00"), (20001, "7")], "FIX.4.2", 10**18)
    [(20, '0'), (150, '1'), (39, '1'), (151, '5'), (60, '20010909-01:46:40.000')]
    """
    now = utc_text(now_ns)
    known = [
        (tag, now if tag == t.TRANSACT_TIME else value)
        for tag, value in fields
        if tag not in _PRIVATE
    ]
    return _older(kind, known) if begin == _OLD else known


def _older(kind: str, fields: list[tuple[int, str]]) -> Fields:
    """FIX 4.4 as FIX 4.2."""
    rules = own_dictionary(_OLD)
    block = rules.messages[kind].block
    values = dict(fields)
    if kind == t.EXECUTION_REPORT:
        what = values[t.EXEC_TYPE]
        old = ("1" if values[t.LEAVES_QTY] != "0" else "2") if what == "F" else what
        old = values[t.ORD_STATUS] if what in _TRANSACTIONS else old
        fields = [(tag, old if tag == t.EXEC_TYPE else value) for tag, value in fields]
        head = sum(tag in rules.header.members for tag, _ in fields)
        fields.insert(head, (t.EXEC_TRANS_TYPE, _TRANSACTIONS.get(what, "0")))
    made = []
    for tag, value in fields:
        if tag not in block.tags and tag not in rules.header.members:
            continue
        made.append(
            (tag, _BROKER[tag] if tag in _BROKER and rules.fields[tag].fault(value) else value)
        )
    return made
