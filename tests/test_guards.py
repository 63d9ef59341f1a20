"""The guards' own machinery on toy records; and the guards that take seconds, on the code as it is."""

import doctest
import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import zstandard
from guards import (
    __main__ as program,
    figures,
    files,
    journal,
    keys as maps,
    options,
    program as console_script,
    recorders,
    store,
)
from guards.compare import Record, differences, same
from guards.figures import Leaves, leaves, shape, told
from guards.keys import KeyMap, Rule, read_keys

from tercel.core.errors import ConfigError

HERE, THERE = {"processor": "this one"}, {"processor": "that one"}
FILLS = np.array([[17, 0, 4], [0, 0, 25]])
TOY: Leaves = {
    "costs/walk": told(FILLS),
    "costs/mean": 0.1,
    "model": "tercel.app.job.model.Rule",
    "learned/ppo/mean": 1.5,
    "learned/ppo/path": told(np.linspace(0.0, 1.0, 4000)),
    "days": ["2030-01-02"],
    "law": None,
}


def changed(recorded: Leaves = TOY, machine: dict[str, str] = HERE, **new: object) -> list[str]:
    now = {**recorded, **{name.replace("__", "/"): value for name, value in new.items()}}
    kept: Leaves = {name: value for name, value in now.items() if value != "gone"}
    return differences("toy", Record(recorded, HERE), Record(kept, machine), trained=("*ppo*",))


# -- comparison -------------------------------------------------------------------------------------------------------


def test_the_same_passes() -> None:
    assert changed() == []


def test_a_changed_figure_says_guard_key_recorded_and_now() -> None:
    other = FILLS.copy()
    other[1, 0] = 3
    assert changed(costs__walk=told(other)) == [
        "toy: costs/walk: recorded 'int 2 x 3 = 17 0 4 0*2 25', now 'int 2 x 3 = 17 0 4 3 0 25'"
    ]
    other = FILLS.copy()
    other[0, 0] = 18
    assert changed(costs__walk=told(other)) == [
        "toy: costs/walk: recorded 17, now 18 (1 of 5 figures differ, figure 1 first)"
    ]
    assert changed(costs__mean=0.2) == ["toy: costs/mean: recorded 0.1, now 0.2"]
    assert changed(law=0.0) == ["toy: law: recorded None, now 0.0"]
    assert changed(days=["2030-01-03"]) == [
        "toy: days: recorded ['2030-01-02'], now ['2030-01-03']"
    ]


@pytest.mark.parametrize("pair", [(1, 1.0), (True, 1), (0, None), ("1", 1), ([], {})])
def test_another_type_is_another_figure(pair: tuple[object, object]) -> None:
    assert not same(*pair)  # type: ignore[arg-type]


def test_a_key_that_is_gone_and_one_that_is_new() -> None:
    assert changed(law="gone") == ["toy: law: recorded None, now nothing"]
    assert changed(fees=3) == ["toy: fees: recorded nothing, now 3"]


def test_floats_are_the_same_but_for_the_order_of_a_sum() -> None:
    assert changed(costs__mean=0.1 * (1 + 1e-12)) == []
    assert len(changed(costs__mean=0.1 * (1 + 1e-6))) == 1
    one, two = (told(np.array([1.0, 1.0, x])) for x in (0.3, 0.3 * (1 + 1e-12)))
    assert same(one, two)
    assert same(told(np.array([1.0, 2.0])), told(np.array([1.0, 2.0 + 1e-11])))
    assert not same(one, told(np.array([1.0, 1.0, 0.4])))


def test_whole_numbers_are_exact_on_every_machine() -> None:
    many = np.arange(4000)
    assert not same(told(many), told(many[::-1]), other_machine=True)
    assert not same(told(FILLS), told(FILLS.T), other_machine=True)


def test_floats_that_are_hashed_are_exact_here_and_told_by_figures_elsewhere() -> None:
    path = np.linspace(0.0, 1.0, 4000)
    near, far = told(path * (1 + 1e-12)), told(path * (1 + 1e-6))
    assert "sha256" in near
    assert not same(told(path), near)
    assert same(told(path), near, other_machine=True)
    assert not same(told(path), far, other_machine=True)
    assert not same(told(path), told(path.reshape(2, 2000)), other_machine=True)


def test_what_was_trained_is_told_apart_by_type_and_shape_on_another_machine() -> None:
    new = {"learned__ppo__mean": 2.5, "learned__ppo__path": told(np.linspace(0.0, 2.0, 4000))}
    assert len(changed(**new)) == 2
    assert changed(machine=THERE, **new) == []
    assert len(changed(machine=THERE, learned__ppo__path=told(np.linspace(0.0, 1.0, 3000)))) == 1
    assert len(changed(machine=THERE, learned__ppo__mean="much")) == 1
    assert len(changed(machine=THERE, costs__mean=0.2)) == 1


# -- the map ----------------------------------------------------------------------------------------------------------


def mapped(text: str, now: Leaves, folder: Path) -> list[str]:
    (folder / "keys.toml").write_text(text)
    keys = read_keys(folder / "keys.toml", ["toy", "other"])
    return differences("toy", Record(TOY), Record(now), keys)


def renamed(**names: str) -> Leaves:
    return {names.get(name.replace("/", "__"), name): value for name, value in TOY.items()}


def test_a_mapped_rename_passes_and_an_unmapped_one_fails(tmp_path: Path) -> None:
    now = renamed(costs__walk="costs/slippage", costs__mean="costs/average")
    assert (
        mapped(
            '[keys.toy]\n"costs/walk" = "costs/slippage"\n"costs/mean" = "costs/average"',
            now,
            tmp_path,
        )
        == []
    )
    assert mapped('[keys.toy]\n"costs/walk" = "costs/slippage"', now, tmp_path) == [
        "toy: costs/mean: recorded 0.1, now nothing",
        "toy: costs/average: recorded nothing, now 0.1",
    ]


def test_a_renamed_key_with_another_figure_says_both_names(tmp_path: Path) -> None:
    now = {**renamed(costs__mean="costs/average"), "costs/average": 0.7}
    assert mapped('[keys.toy]\n"costs/mean" = "costs/average"', now, tmp_path) == [
        "toy: costs/average (recorded as costs/mean): recorded 0.1, now 0.7"
    ]


def test_rules_have_stars_and_follow_one_another(tmp_path: Path) -> None:
    now = renamed(costs__walk="bill/slippage", costs__mean="bill/mean")
    assert (
        mapped('[keys.toy]\n"costs/*" = "bill/*"\n"bill/walk" = "bill/slippage"', now, tmp_path)
        == []
    )
    assert Rule("a/*/c", "b/*/c").renamed("a/x/y/c") is None
    assert Rule("a/**/c", "b/**/d").renamed("a/x/y/c") == "b/x/y/d"
    assert (
        Rule("**{is_bps,*/**", "**{cost_bps,*/**").renamed("x/{is_bps,fees_bps}/mean")
        == "x/{cost_bps,fees_bps}/mean"
    )
    assert Rule("a.*", "b.*").renamed("abc") is None, "a dot is a dot"


def test_words_are_renamed_in_texts_and_in_arrays_of_them(tmp_path: Path) -> None:
    keys = KeyMap(words={"tercel.app.job": "tercel.lab.evaluation", "twap": "schedule"})
    assert keys.read("tercel.app.job.model.Rule") == "tercel.lab.evaluation.model.Rule"
    assert (
        keys.read("my.tercel.app.job and tercel.app.jobs")
        == "my.tercel.app.job and tercel.app.jobs"
    )
    old, new = (told(np.array([name, "pov"] * 900)) for name in ("twap", "schedule"))
    assert same(keys.read(old), new)
    now = {**TOY, "model": "tercel.lab.evaluation.model.Rule"}
    assert mapped('[words]\n"tercel.app.job" = "tercel.lab.evaluation"', now, tmp_path) == []


def test_a_rule_that_maps_nothing_is_told(tmp_path: Path) -> None:
    [said] = mapped('[keys.toy]\n"fees/*" = "terms/*"', TOY, tmp_path)
    assert said == 'toy: keys.toml maps "fees/*", which is no recorded key: take the rule out'


@pytest.mark.parametrize(
    ("text", "told_of"),
    [
        ("[keys.nobody]", "nobody"),
        ("[rename]", "rename"),
        ("[keys", "keys.toml"),
        ('[keys.toy]\n"costs/*" = "costs"', "stars"),
        ('[keys.toy]\n"costs/walk" = "x"\n"costs/mean" = "x"', "costs/mean and costs/walk"),
    ],
)
def test_a_map_that_makes_no_sense_is_refused(tmp_path: Path, text: str, told_of: str) -> None:
    with pytest.raises(ConfigError, match=told_of):
        mapped(text, TOY, tmp_path)


def test_the_map_of_the_house_can_be_read() -> None:
    read_keys(program.KEYS, recorders.GUARDS)
    example = "\n".join(
        line.removeprefix("#") for line in program.KEYS.read_text().splitlines() if "=" in line
    )
    assert example.count("=") >= 5


# -- records as files -------------------------------------------------------------------------------------------------


def test_a_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    more = {**TOY, "posture": "null", "posture/styles": "int", "empty": {}, "none": []}
    store.write(Record(more, HERE), tmp_path / "toy.json")
    found = store.read(tmp_path / "toy.json")
    assert found == Record(more, HERE)
    lines = (tmp_path / "toy.json").read_text().splitlines()
    assert max(map(len, lines)) < 700
    assert json.loads("\n".join(lines))["keys"]["costs"]["mean"] == 0.1


@pytest.mark.parametrize("text", [None, "{", "[]", '{"keys": {}}'])
def test_a_record_that_is_missing_or_damaged_is_an_error_in_three_parts(
    tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "toy.json").write_text(text)
    with pytest.raises(ConfigError) as error:
        store.read(tmp_path / "toy.json")
    assert error.value.expected == "the record of the guard toy"
    assert "toy.json" in error.value.received
    assert "python -m guards record toy" in error.value.remedy


# -- figures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "module", [figures, files, console_script, journal, maps, options, recorders, store]
)
def test_examples_run(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


def test_arrays_are_told_by_value_whatever_their_width() -> None:
    assert told(FILLS.astype(np.int8)) == told(FILLS.astype(np.int64))
    assert told(np.zeros(4000, np.int32)) == "int 4000 = 0*4000"
    assert told(np.array([True, False])) == "int 2 = 1 0"
    assert told(np.array([], np.float32)) == "float32 0 ="
    assert told(np.array([0.5, np.nan])) == "float64 2 = 0.5 nan"
    assert "unknown 1" in told(np.array([np.nan, *np.linspace(0, 1, 4000)]))


def test_every_array_has_a_line_of_its_own() -> None:
    rng = np.random.default_rng(3)
    for values in (rng.integers(0, 9, 4000), rng.normal(size=4000), rng.choice(["a", "b"], 4000)):
        other = values.copy()
        other[1234] = {"i": 10, "f": 7.5, "U": "c"}[values.dtype.kind]
        assert told(values) == told(values.copy()) != told(other)
        assert "\n" not in told(values)


def test_keys_of_json() -> None:
    assert dict(leaves({"a/b": {"c": [{"d": 1}, 2]}})) == {"a|b/c/[0]/d": 1, "a|b/c/[1]": 2}
    assert shape({"a": [], "b": None, "c": {"d": {}}}) == {"a": "list", "b": "null", "c/d": "dict"}
    assert shape([{"a": {"b": 1}}, {"a": None}]) == {
        "[]/a": "absent | null",
        "[]/a/b": "absent | int",
    }


def test_names_of_one_shape_are_one_name() -> None:
    row = {"mean": 0.5, "se": None}
    found = shape({"twap": row, "best": "pov", "pov": row, "random": {"mean": 0.5}, "none": {}})
    assert found == {
        "{twap,pov}/mean": "float", "{twap,pov}/se": "null", "best": "text", "random/mean": "float", "none": "dict",
    }  # fmt: skip


def test_a_folder_is_read_whatever_wrote_it(tmp_path: Path) -> None:
    folder = tmp_path / "cells" / "csco@0123456789ab"
    folder.mkdir(parents=True)
    np.savez(folder / "0.npz", **{"costs.walk": FILLS, "seconds": np.array([1.5])})
    (folder / "card.json").write_text('{"days": ["2030-01-02"], "gain": 0.5}')
    (folder / "metrics.csv").write_text("frames,seconds\n64,0.5\n128,0.7\n")
    (folder / "page.html").write_text("<p>")
    assert files.left_in(tmp_path, skip=("*/seconds",)) == {
        "cells/csco/0.npz/costs.walk": "int 2 x 3 = 17 0 4 0*2 25",
        "cells/csco/card.json/days": ["2030-01-02"],
        "cells/csco/card.json/gain": 0.5,
        "cells/csco/metrics.csv/frames": "float64 2 = 64 128",
    }
    (tmp_path / "cells" / "csco@fedcba987654").mkdir()
    (tmp_path / "cells" / "csco@fedcba987654" / "card.json").write_text('{"gain": 0.5}')
    with pytest.raises(ConfigError, match=r"card\.json/gain twice"):
        files.left_in(tmp_path)


def test_a_journal_is_told_by_kinds_and_columns(tmp_path: Path) -> None:
    head = json.dumps([["x", "<i8", [2]]]).encode()
    blob = zstandard.compress(head + b"\n" + np.array([5, 6]).tobytes())
    rows = [
        ("session", 1, 10, "", "", "", "", '{"holder": "ann (tercel)", "resume": false}', b""),
        ("fill", 2, 11, "AAA", "peg", "p", "p.1", '{"lots": 3, "price": null}', blob),
        ("fill", 3, 12, "AAA", "peg", "p", "p.2", '{"lots": 4, "price": 7}', blob),
    ]
    with sqlite3.connect(tmp_path / "journal.db") as connection:
        columns = "kind, seq, ns, instrument, agent, parent, ord, body, blob"
        connection.execute(f"create table journal ({columns})")
        connection.executemany(f"insert into journal ({columns}) values (?,?,?,?,?,?,?,?,?)", rows)
    found = journal.events_in(tmp_path / "journal.db")
    assert found["session/body/holder"] == 'text 1 = "PERSON (tercel)"'
    assert (found["fill/events"], found["fill/head/seq"]) == (2, "int 2 = 2 3")
    assert (found["fill/body/lots"], found["fill/body/price"]) == (
        "int 2 = 3 4",
        "float64 2 = nan 7",
    )
    assert (found["fill/arrays/x"], found["fill/shapes/x"]) == (
        "int 4 = 5 6 5 6",
        "int 2 x 1 = 2*2",
    )


# -- the program ------------------------------------------------------------------------------------------------------


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """A guard `toy` that finds what the returned mapping holds; its records lie in a folder of the test."""
    found: dict[str, object] = {"lots": 17, "where": "text"}
    guards = {"toy": recorders.Guard("a toy", lambda: {**found, "where": str(Path.cwd() / "x")})}  # type: ignore[arg-type]
    for module in (recorders, program):
        monkeypatch.setattr(module, "GUARDS", guards)
    monkeypatch.setattr(program, "FOLDER", tmp_path / "recorded")
    return found


def test_a_record_is_written_compared_and_written_anew(
    toy: dict[str, object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(["compare"]) == 2
    said = capsys.readouterr().out
    assert all(
        part in said
        for part in ("expected  the record of the guard toy", "received  no", "to go on  python")
    )
    assert program.main(["record"]) == 0
    assert '"where": "FOLDER/x"' in (tmp_path / "recorded" / "toy.json").read_text()
    assert program.main(["compare", "toy"]) == 0
    assert "toy: 2 keys, as recorded" in capsys.readouterr().out
    toy["lots"] = 18
    assert program.main(["compare"]) == 1
    said = capsys.readouterr().out
    assert "toy: lots: recorded 17, now 18" in said
    assert "python -m guards record toy" in said
    assert program.main(["record", "toy"]) == 0
    assert "toy: lots: recorded 17, now 18" in capsys.readouterr().out, (
        "what the commit has to name"
    )
    assert program.main(["compare"]) == 0


def test_a_record_that_is_written_anew_says_what_was_renamed(
    toy: dict[str, object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert program.main(["record"]) == 0
    toy["shares"] = toy.pop("lots")
    assert program.main(["compare"]) == 1
    monkeypatch.setattr(program, "KEYS", tmp_path / "keys.toml")
    program.KEYS.write_text('[keys.toy]\nlots = "shares"\n')
    assert program.main(["compare"]) == 0
    capsys.readouterr()
    assert program.main(["record"]) == 0
    assert (
        capsys.readouterr().out.splitlines()[0]
        == "toy: renamed lots to shares: take its rule out of keys.toml"
    )
    assert program.main(["compare"]) == 1
    assert "no recorded key: take the rule out" in capsys.readouterr().out


def test_a_guard_that_nobody_knows_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["compare", "nobody"]) == 2
    assert "options" in capsys.readouterr().out


def test_a_command_that_does_not_go_well_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (("data", "list", "--lake", "nowhere"), ("data", "nonsense")):
        with pytest.raises(ConfigError, match="to go well"):
            console_script.tercel(*words)


def test_records_are_there_for_every_guard_and_small() -> None:
    assert {path.stem for path in store.FOLDER.iterdir()} == set(recorders.GUARDS)
    assert sum(path.stat().st_size for path in store.FOLDER.iterdir()) < 450_000


# -- the code --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["options", pytest.param("journal", marks=pytest.mark.long)])
def test_the_house_gives_what_is_recorded(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["compare", name, "--all"]) == 0, capsys.readouterr().out
