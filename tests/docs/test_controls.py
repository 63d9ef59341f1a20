"""The table of controls: 38 rows, and every path, name, test and case in it exists."""

import ast
import importlib
import re
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

from certify.fix.case import REGISTER
from tercel.core.orders import NewOrder

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "controls.md").read_text(encoding="utf-8")
STATES = ("present", "partial", "absent")
CASE = re.compile(r"[SOK]\d\d")


def rows():
    cells = [
        line.strip("|").split("|") for line in PAGE.splitlines() if re.match(r"\| \d+ \|", line)
    ]
    return {int(one[0]): [cell.strip() for cell in one[1:]] for one in cells}


@cache
def names(path):
    """Every class, function, method and constant of a file, by qualified name."""
    found = set()
    for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
        targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
            found |= {
                f"{node.name}.{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)
            }
    return found


def cases():
    for module in ("orders", "reports", "surroundings", "controls"):
        importlib.import_module(f"certify.fix.{module}")
    return {id_ for id_, _ in REGISTER}


def test_there_are_38_rows_in_order():
    assert list(rows()) == list(range(1, 39))


@pytest.mark.parametrize("number", rows())
def test_what_a_row_names_exists(number):
    control, state, where, shown, missing = rows()[number]
    assert control
    assert state in STATES
    assert bool(missing) == (state != "present"), "what is not present says what is missing"
    code, proofs = re.findall(r"`([^`]+)`", where), re.findall(r"`([^`]+)`", shown)
    assert bool(code) == bool(proofs) == (state != "absent")
    for one in code:
        path, _, name = one.partition("::")
        assert path.startswith(("src/tercel/", "certify/", "docs/howto/"))
        assert (ROOT / path).is_file(), path
        assert not name or name in names(path), one
    for one in proofs:
        if CASE.fullmatch(one):
            assert one in cases(), one
            continue
        path, _, name = one.partition("::")
        assert path.startswith("tests/")
        assert (ROOT / path).is_file(), path
        method = name.rpartition(".")[2]
        assert name in names(path), one
        assert method.startswith("test_"), one


def test_the_places_of_an_orders_attributes_exist():
    page = (ROOT / "docs" / "reference" / "order_attributes.md").read_text(encoding="utf-8")
    placed = set()
    for line in page.splitlines():
        code = re.findall(r"`([^`]+)`", line)
        paths = [one for one in code if one.startswith("src/")]
        if line.startswith("| ") and paths:
            found = set().union(*(names(path) for path in paths))
            placed |= set(code) - set(paths)
            assert set(code) - set(paths) <= found, line
    used = set(re.findall(r"`([A-Za-z_]*[A-Z_]\w+)`", page)) - {"NewOrder", "timeInForce"}
    assert used == placed
    unshown = {"cl_ord_id", "instrument", "account", "parent", "sent_ns"}
    assert {each.name for each in fields(NewOrder)} - unshown == {"side", "lots", "price", "tif"}
