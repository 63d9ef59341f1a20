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


@pytest.fixture
def limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one package of three statements, and its file of limits."""
    package = tmp_path / "src" / "tercel"
    (package / "core").mkdir(parents=True)
    (package / "core" / "a.py").write_text(
        '"""Doc."""\n\n\ndef f(x):\n    """Doc."""\n    y = x\n    return y\n'
    )
    file = tmp_path / "budgets.toml"
    file.write_text(
        "[statements]\ncore = 3\nrepository = 3\n[closure]\n'tercel.core.a' = 3\n"
        "[code]\npacked_assignments = 1\nuntyped_dicts = 1\nkey_reads = 1\n"
        "[cpu_s.test]\nall = 10\nfolders = {'tests/a' = 3}\n[cpu_s.long]\nall = 1\n[cpu_s.all]\nall = 1\n"
    )
    monkeypatch.setattr(budgets, "ROOT", tmp_path)
    monkeypatch.setattr(budgets, "PACKAGE", package)
    monkeypatch.setattr(budgets, "BUDGETS", file)
    monkeypatch.setattr(budgets, "GATE", {"tercel.core.a"})
    return file


@pytest.mark.parametrize(("used", "kept"), [(11.9, True), (12.1, False)])
def test_a_tier_may_be_a_fifth_above_its_budget(
    limits: Path, capsys: pytest.CaptureFixture[str], used: float, kept: bool
) -> None:
    record = limits.with_name("test.tsv")
    record.write_text(
        "# factor 2.00, wall 9 s, workers 2\ncpu_s\tof_children_s\twall_s\ttest\n"
        f"{2 * used - 4:.2f}\t0\t0\ttests/a/test_x.py::test_y\n4.00\t0\t0\ttests/b/test_x.py::test_y\n"
        "100.00\t0\t0\t(kernels)\n"
    )
    assert budgets.main(["cpu", "test", str(record)]) == int(not kept)
    assert "tests/a: " in capsys.readouterr().out


@pytest.mark.parametrize("place", ["core", "core/b.py", "../../tests.py"])
def test_a_statement_more_than_a_limit_fails_and_is_named(
    limits: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    assert budgets.main(["size"]) == 0
    assert "statements core" in capsys.readouterr().out
    if place == "core":
        limits.write_text(limits.read_text().replace("'tercel.core.a' = 3", "'tercel.core.a' = 2"))
    else:
        (budgets.PACKAGE / place).write_text("pass\n")
    assert budgets.main(["size"]) == 1
    rows = [line for line in capsys.readouterr().out.splitlines() if "too many" in line]
    over = {"core": ["closure"], "core/b.py": ["statements", "statements"]}
    assert [row.split()[0] for row in rows] == over.get(place, ["statements"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("core = 3\n", "", "limits of [statements]: no core; add it"),
        ("core = 3\n", "core = 3\ncores = 3\n", "limits of [statements]: cores is unknown"),
        ("repository = 3\n", "", "limits of [statements]: no repository; add it"),
        ("core = 3\n", "core = 2.5\n", "[statements] core: expected a positive whole number"),
        ("core = 3\n", "core = true\n", "[statements] core: expected a positive whole number"),
        ("'tercel.core.a'", "'tercel.core.b'", "[closure] tercel.core.b: expected a module"),
        ("'tercel.core.a' = 3\n", "", "[closure]: expected limits of tercel.core.a"),
        ("key_reads = 1\n", "modules = 1\n", "limits of [code]: no key_reads; add it"),
        ("[cpu_s.long]\nall = 1\n", "", "tiers of [cpu_s]: no long; add it"),
        (
            "[cpu_s.long]\nall",
            "[cpu_s.long]\nwhole",
            "[cpu_s.long]: expected all, folders, reasons",
        ),
        ("{'tests/a' = 3}", "{'tests/a' = 0}", "[cpu_s.test] tests/a: expected a positive"),
        ("[code]", "[style]\nmodules = 1\n[code]", "sections: style is unknown; take it out"),
        ("[code]", "[code", "expected TOML, received"),
        (
            "[statements]\ncore = 3\nrepository = 3\n",
            "statements = 3\n",
            "[statements]: expected a section",
        ),
        ("[cpu_s.long]\nall = 1\n", "[cpu_s]\nlong = 1\n", "[cpu_s.long]: expected a section"),
        ("{'tests/a' = 3}", "3", "[cpu_s.test.folders]: expected a section"),
    ],
)
def test_a_file_of_limits_that_cannot_be_says_what_to_change(
    limits: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, message: str
) -> None:
    text = limits.read_text()
    assert text.count(old) == 1
    limits.write_text(text.replace(old, new))
    assert budgets.main(["size"]) == 2
    assert message in capsys.readouterr().err
