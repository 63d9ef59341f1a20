"""Orders and controls over our initiator, case by case in both versions; and cases that fail where they should."""

from dataclasses import replace

import pytest

from certify.fix import controls, orders, reports, surroundings
from certify.fix.case import REGISTER, Bench, run
from certify.fix.suite import reasons
from tercel.core.executions import Executions
from tercel.desk.gate.drop_copy import DropCopy
from tercel.desk.limits.gate import LimitGate
from tercel.desk.trading.reconciliation.inquiry import AckWatch
from tercel.desk.trading.report_booking import ReportBooking
from tercel.desk.trading.risk.cancels import KillCanceller
from tercel.fix.profiles import load
from tercel.fix.standard import StandardDialect

MINE = {module.__name__ for module in (orders, reports, surroundings, controls)}
CASES = {
    one.id: one
    for one in REGISTER.values()
    if one.body.__module__ in MINE and one.role == "initiator"
}


def result(id_, folder, base="generic-44"):
    return run(CASES[id_], Bench(load(base), folder))


def test_every_case_of_the_list_is_there():
    wanted = [f"O{n:02d}" for n in range(1, 40) if n != 37] + [f"K{n:02d}" for n in range(1, 13)]
    assert sorted(CASES) == sorted(wanted)
    assert "O37" in reasons("generic-44", "FIX.4.4")


SAID = {
    base: reasons(base, load(base).profile.version)
    for base in ("generic-44", "generic-42", "binance")
}
EVERY = [
    (id_, base)
    for id_ in sorted(CASES)
    for base in SAID
    if id_ not in SAID[base] and (id_, base) != ("O31", "generic-42")  # seven accounts, as in 4.4
]


# limits are inside us, whatever the dialect: controls run in one
@pytest.mark.parametrize(
    ("id_", "base"), [one for one in EVERY if one[0][0] == "O" or one[1] == "generic-44"]
)
def test_a_case_passes(id_, base, tmp_path):
    case = result(id_, tmp_path, base)
    assert case.passed, case.detail


def nothing(*_arguments, **_words):
    return None


def passes(self, command, now_ns):
    return None


def sends_again(self, command):
    ready, note = sends(self, command)
    return [*ready, *ready], note


sends = StandardDialect.commands
FAULTS = {
    "limits let everything through": (
        LimitGate,
        "check",
        passes,
        ["K01", "K02", "K03", "K05", "K09", "K10", "K12"],
    ),
    "limits count nothing": (LimitGate, "report", nothing, ["O01", "K06", "K08"]),
    "a kill cancels nothing": (KillCanceller, "_engage", nothing, ["K11", "O24"]),
    "nobody waits for an answer": (AckWatch, "check", nothing, ["O27"]),
    "busts are passed over": (Executions, "change", lambda *_: True, ["O20", "O21"]),
    "nothing is disowned": (StandardDialect, "disowning_messages", lambda *_: [], ["O22"]),
    "the copy is not heard": (DropCopy, "turn", nothing, ["O31"]),
    "orders leave twice": (StandardDialect, "commands", sends_again, ["O01"]),
    "alarms are not written": (
        ReportBooking,
        "_journal_alerts",
        nothing,
        ["O18", "O23", "O24", "O32"],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_fails_its_cases(fault, tmp_path, monkeypatch):
    owner, name, wrong, ids = FAULTS[fault]
    monkeypatch.setattr(owner, name, wrong)
    monkeypatch.setattr("certify.fix.wall.PATIENCE_S", 0.5)
    passed = [id_ for id_ in ids if result(id_, tmp_path / id_).passed]
    assert passed == []


def test_a_profile_of_ones_own_is_certified_in_its_version(tmp_path):
    terms = load("generic-44")
    renamed = replace(
        terms,
        profile=terms.profile.model_copy(
            update={"orders": terms.profile.orders.model_copy(update={"day": "1"})}
        ),
    )
    case = run(CASES["O01"], Bench(renamed, tmp_path))
    assert case.passed, case.detail
