"""The plugin that records what tests cost, and the budgets: parts, order, sums."""

from pathlib import Path

import pytest
from tests import budgets, costs

pytest_plugins = "pytester"
COSTS = {f"tests/test_{at}.py": float(at) for at in range(40)}


def test_every_unit_is_in_one_part_and_parts_cost_about_the_same() -> None:
    parts = costs.divided(COSTS)
    assert len(parts) == costs.PARTS
    assert sorted(file for part in parts for file in part) == sorted(COSTS)
    sums = [sum(COSTS[file] for file in part) for part in parts]
    assert max(sums) - min(sums) <= max(COSTS.values())
    assert costs.divided(dict(reversed(COSTS.items()))) == parts, "whatever the order of collection"


def test_a_run_records_what_its_tests_used_and_runs_expensive_files_first(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pytester.path / "known.tsv"
    table.write_text(
        "cpu_s\ttests\ttier\tfile\n0.1\t1\ttest\ttest_cheap.py\n9.0\t1\ttest\ttest_dear.py\n"
    )
    monkeypatch.setattr(costs, "TABLE", table)
    monkeypatch.setattr(costs, "loop_s", lambda: 2 * costs.REFERENCE_S)
    pytester.makepyfile(
        test_cheap="def test_nothing(): pass",
        test_dear="import os, sys\ndef test_work(): os.system(f\"{sys.executable} -c 'sum(range(10**7))'\")",
    )
    words = ("-p", "tests.costs", "-p", "no:xdist", "-p", "no:cacheprovider")
    ran = pytester.inline_run(*words, "--costs", "out/costs.tsv")
    ran.assertoutcome(passed=2)
    factor, tests = costs.read(pytester.path / "out" / "costs.tsv")
    assert factor == 2.0
    names = [
        report.nodeid
        for report in ran.getreports("pytest_runtest_logreport")
        if report.when == "call"
    ]
    assert names == ["test_dear.py::test_work", "test_cheap.py::test_nothing"]
    cpu, of_children, _ = tests["test_dear.py::test_work"]
    assert cpu >= of_children > tests["test_cheap.py::test_nothing"][0]


def test_tests_that_share_a_fixture_of_their_file_stay_together(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "TABLE", pytester.path / "none.tsv")
    pytester.makepyfile(
        """
        import pytest
        @pytest.fixture(scope="module")
        def shared(): return []
        @pytest.mark.parametrize("at", range(7))
        def test_together(shared, at): pass
        @pytest.mark.parametrize("at", range(30))
        def test_alone(at): pass
        """
    )
    words = ("-p", "tests.costs", "-p", "no:xdist", "-p", "no:cacheprovider")
    found = []
    for part in range(1, costs.PARTS + 1):
        ran = pytester.inline_run(*words, "--part", str(part))
        found.append(
            [
                one.nodeid.rpartition("::")[2]
                for one in ran.getreports()
                if getattr(one, "when", "") == "call"
            ]
        )
    together = [[name for name in names if name.startswith("test_together")] for names in found]
    assert sorted(map(len, together)) == [0, 0, 0, 0, 0, 7]
    assert len({name for names in found for name in names}) == sum(map(len, found)) == 37


@pytest.mark.parametrize(("used", "kept"), [(11.9, True), (12.1, False)])
def test_a_tier_may_be_a_fifth_above_its_budget(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    used: float,
    kept: bool,
) -> None:
    (tmp_path / "budgets.toml").write_text(
        "[cpu_s.test]\nall = 10\n[cpu_s.test.folders]\n'tests/a' = 3\n"
    )
    monkeypatch.setattr(budgets, "BUDGETS", tmp_path / "budgets.toml")
    record = tmp_path / "test.tsv"
    record.write_text(
        "# factor 2.00, wall 9 s, workers 2\ncpu_s\tof_children_s\twall_s\ttest\n"
        f"{2 * used - 4:.2f}\t0\t0\ttests/a/test_x.py::test_y\n4.00\t0\t0\ttests/b/test_x.py::test_y\n"
        "100.00\t0\t0\t(kernels)\n"
    )
    assert budgets.main(["cpu", "test", str(record)]) == int(not kept)
    assert "tests/a: " in capsys.readouterr().out


def test_a_package_with_more_statements_than_its_budget_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "package" / "core").mkdir(parents=True)
    (tmp_path / "package" / "core" / "a.py").write_text(
        '"""Doc."""\n\n\ndef f(x):\n    """Doc."""\n    y = x\n    return y\n'
    )
    (tmp_path / "budgets.toml").write_text("[statements]\ncore = 3\n[packed]\nall = 0\n")
    monkeypatch.setattr(budgets, "PACKAGE", tmp_path / "package")
    monkeypatch.setattr(budgets, "BUDGETS", tmp_path / "budgets.toml")
    assert budgets.main(["statements"]) == 0
    (tmp_path / "budgets.toml").write_text("[statements]\ncore = 2\n[packed]\nall = 0\n")
    assert budgets.main(["statements"]) == 1
    assert "core: 3 statements, budget 2" in capsys.readouterr().out
