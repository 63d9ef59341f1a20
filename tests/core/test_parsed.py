"""Bounds of what is parsed: the parsers of the standard library are the oracle of everything within them."""

import csv
import json
import tomllib
import tracemalloc
from contextlib import nullcontext
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import example, given, strategies as st

from tercel.core.bounded_parsing import DEEPEST, parse_json, parse_tables
from tercel.core.errors import ConfigError
from tercel.core.report.cells import csv_text, read_cell
from tercel.core.toml import read_toml, row_of_key
from tercel.desk.limits.file import packaged_text, parse as parse_limits
from tercel.market.dealers.panel import load_panel

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30
)
TRICKY = ["[" * 200, "a." * 200, "'[", "#[", '"""', "'''", '\\"[']


@given(VALUES)
@example({one: [one] for one in TRICKY})
@example([TRICKY] * 50)
def test_json_within_bounds_is_what_the_standard_library_reads(value):
    text = json.dumps(value)
    assert parse_json(text) == parse_json(text.encode()) == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        f"x = '{'[' * 300}'\ny = '''\n{'a.' * 300}'''\n# {'[' * 300} don't\nlast = 5",
        f'z = """\n{"[" * 300} \\\\"""\nlast = "{"a." * 300}"',
        "x = [" + "1.5, " * 500 + "]",
        "\n".join(f"a.b.c{n} = {{ d = [{n}.5] }}" for n in range(300)),
        ".".join(["a"] * DEEPEST) + " = 1",
        '[a."b.c".d]\ne = "\\"["',
        *(
            f"x = {quote}{'[' * 300}{end}\ny = [1.5]"
            for quote in ('"""', "'''")
            for end in (quote, quote + quote[0], quote + quote[1:])
        ),
    ],
)
def test_toml_within_bounds_is_what_the_standard_library_reads(text):
    assert parse_tables(text) == tomllib.loads(text)


@pytest.mark.parametrize("depth", [DEEPEST, DEEPEST + 1, 100_000])
@pytest.mark.parametrize("parse", [parse_json, lambda text: parse_tables(f"x = {text}")])
def test_what_is_nested_too_deep_is_refused(parse, depth):
    text = "[" * depth + "]" * depth
    if depth == DEEPEST:
        parse(text)
        return
    with pytest.raises(ValueError, match="more than 100 brackets within each other"):
        parse(text)


@pytest.mark.parametrize("part", ["a", '"a"', "'a'", "a "])
def test_a_key_of_thirty_thousand_parts_is_refused_at_once(part, tmp_path):
    file = tmp_path / "long.toml"
    file.write_text("\n[ok]\n" + ".".join([part] * 30_000) + " = 1\n")
    with pytest.raises(ConfigError, match="parts of a key, in row 3"):
        read_toml(file, "mend it")


@pytest.mark.parametrize(
    "text",
    [
        f'x = """{"a[" * 100_000}"""',
        'x = """' + '\n\\"""' * 40_000 + "." * 101,
        'x = "' + '\\"' * 100_000 + "." * 101,
    ],
    ids=["long", "never closed", "never closed, in a row"],
)
def test_a_long_text_is_looked_at_once_and_takes_no_more_than_it_has(text):
    """Also one that never ends, in whose every letter another could begin."""
    tracemalloc.start()
    with nullcontext() if text.endswith('"') else pytest.raises(tomllib.TOMLDecodeError):
        assert parse_tables(text)["x"]
    assert tracemalloc.get_traced_memory()[1] < 20 * len(text)
    tracemalloc.stop()


def test_toml_is_bounded_in_length():
    with pytest.raises(ValueError, match="of at most 1,048,576"):
        parse_tables("#" * (2**20 + 1))


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"))),
        min_size=1,
    )
)
@example(["=1+1", "'=1", "''=1", "-", "@x", "+1", "'tis", "-3.5"])
def test_what_is_written_as_csv_is_no_formula_and_reads_back(tmp_path_factory, texts):
    file: Path = tmp_path_factory.mktemp("csv") / "names.csv"
    file.write_text(
        csv_text([["n", "name"], *((n, text) for n, text in enumerate(texts))]),
        encoding="utf-8",
        newline="",
    )
    with file.open(newline="", encoding="utf-8") as opened:
        written = [row["name"] for row in csv.DictReader(opened)]
    assert not [cell for cell in written if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert [read_cell(cell) for cell in written] == texts


def test_control_letters_begin_no_cell_and_numbers_stay_numbers():
    assert csv_text([["\tx", "\rx", -3.5, None, ["a"]]]) == """'\tx,"'\rx",-3.5,,"[""a""]"\r\n"""


def test_a_byte_order_mark_is_no_part_of_a_text(tmp_path):
    """As editors write it: the same tables, the same rows in errors, and in every reader that parses them."""
    text = "[desk]\nlots = 5\n[[agent]]\nname = 3\n"
    assert parse_tables("\ufeff" + text) == parse_tables(text)
    for keys in (["desk", "lots"], ["agent", 0, "name"]):
        assert row_of_key("\ufeff" + text, keys) == row_of_key(text, keys)
    file = tmp_path / "gate.toml"
    file.write_text("\ufeff" + text, encoding="utf-8")
    assert read_toml(file, "save it again") == parse_tables(text)
    panel = files("tercel.market.dealers") / "presets"
    name = next(one.name for one in panel.iterdir() if one.name.endswith(".toml"))
    file = tmp_path / "panel.toml"
    file.write_text("\ufeff" + (panel / name).read_text(encoding="utf-8"), encoding="utf-8")
    assert load_panel(file).name == load_panel(name.removesuffix(".toml")).name
    limits = packaged_text()
    marked = parse_limits("\ufeff" + limits)
    assert marked.of_agent("anyone") == parse_limits(limits).of_agent("anyone")
