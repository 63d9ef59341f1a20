"""The judged table: what it says, what it never says, and that it fits."""

import io
import re
from dataclasses import replace
from math import nan
from xml.etree import ElementTree

import pytest
from hypothesis import given, strategies as st
from rich.console import Console

from tercel.core.report.interval_text import verdict, verdict_sentence
from tercel.core.report.judged_table import COLUMNS, JudgedTable
from tercel.core.report.tables import plain_table
from tercel.core.stats import PairedGain


def interval(mean: float | None, half: float = 0.3) -> PairedGain:
    return (
        PairedGain(nan, None, None) if mean is None else PairedGain(mean, mean - half, mean + half)
    )


def judged(impact: float | None = 1.0, clusters: int = 400) -> JudgedTable:
    strategies = {
        name: {column.key: interval(0.25) for column in COLUMNS}
        | {"is_bps": interval(cost), "impact_bps": interval(impact), "fees_bps": interval(0.0, 0.0)}
        | {"unfilled_share": interval(0.05, 0.0)}
        for name, cost in {
            "submit_and_leave": 3.0,
            "ppo": 1.5,
            "twap_passive": 2.0,
            "broken": None,
        }.items()
    }
    return JudgedTable(
        strategies,
        "twap_passive",
        {"ppo": interval(0.5), "submit_and_leave": interval(-0.1)},
        400,
        clusters,
    )


def printed(table: JudgedTable, width: int) -> str:
    stream = io.StringIO()
    Console(file=stream, width=width).print(table)
    return stream.getvalue()


def test_cheapest_first_and_unknown_last() -> None:
    table = judged()
    assert table.names == ["ppo", "twap_passive", "submit_and_leave", "broken"]
    left = {**table.strategies["ppo"], "unfilled_share": interval(0.37, 0.0)}
    priced = replace(table, strategies={**table.strategies, "ppo": left})
    assert priced.names == ["twap_passive", "submit_and_leave", "ppo", "broken"]


@pytest.mark.parametrize(
    ("table", "width", "said", "never"),
    [
        (judged(impact=None), 140, ["Impact is not separated here", "\N{EN DASH}"], ["impact "]),
        (judged(clusters=19), 100, ["fewer than 20"], []),
        (judged(clusters=20), 100, [], ["fewer than 20", "fees", "after the correction"]),
        (
            judged(), 120,
            [
                "ppo: cheaper than twap_passive (gain +0.50 [+0.20, +0.80] bps).",
                "submit_and_leave: no significant difference to twap_passive (gain -0.10 [-0.40, +0.20] bps).",
            ],
            [],
        ),
    ],
)  # fmt: skip
def test_what_a_table_says_and_what_not(
    table: JudgedTable, width: int, said: list[str], never: list[str]
) -> None:
    text = " ".join(printed(table, width).split())
    assert [words for words in said if words not in text] == []
    assert [words for words in never if words in text] == []


def test_what_could_have_been_found_is_said_where_nothing_was() -> None:
    gains = {
        "pov": replace(interval(0.1), power=0.43),
        "random": replace(interval(2.0), power=0.43),
    }
    assert verdict_sentence("mine", gains) == (
        "mine: no significant difference to pov (gain +0.10 [-0.20, +0.40] bps; a true gain of 0.43 would have been "
        "detected with 80 % power), cheaper than random (gain +2.00 [+1.70, +2.30] bps)."
    )


def test_verdicts_come_first_and_what_the_sample_is_last() -> None:
    table = replace(
        judged(), notes=("A note.",), verdicts={"ppo": {"random": interval(0.5)}}, correlation=0.5
    )
    first, *_, last = table.sentences()
    assert first.startswith("ppo: cheaper than random")
    assert "effective sample 400 clusters (episode seed); costs of two strategies" in last
    assert "correlate at 0.50" in last


def test_who_is_asked_about_stands_above_the_others() -> None:
    table = replace(judged(), listed_first=("twap_passive", "submit_and_leave", "nobody"))
    assert table.names == ["twap_passive", "submit_and_leave", "ppo", "broken"]
    lines = [line.split() for line in printed(table, 100).splitlines()]
    at = next(number for number, line in enumerate(lines) if line[:1] == ["twap_passive"])
    assert [line[:1] for line in lines[at : at + 4]] == [
        ["twap_passive"],
        ["submit_and_leave"],
        [],
        ["ppo"],
    ]


def test_the_page_shows_the_gain_beside_the_cost() -> None:
    heads = re.findall(r"<th scope=\"col\"[^>]*>([^<]+)<", judged().html())
    assert heads[1:4] == ["vs best, bps", "cost, bps", "cost, to scale"]
    axis = re.findall(r'<text x="([^"]+)"[^>]*>([^<]+)</text>', judged().html())
    assert len(axis) >= 2
    assert [float(number) for _, number in axis] == sorted(float(number) for _, number in axis)
    assert "0" in [number for _, number in axis], "zero and both ends have numbers"
    cells = re.findall(
        r"<td[^>]*>(.*?)</td>", judged().html().split("<tbody>")[1].split("</tr>")[0]
    )
    assert len(cells) == len(heads) - 1
    assert cells[0].startswith("+0.50")


@pytest.mark.parametrize("width", [44, 60, 72, 80, 100, 120, 220])
def test_it_fits_the_cost_stays_and_columns_without_room_are_named(width: int) -> None:
    table = judged()
    text = printed(table, width)
    head = next(line for line in text.splitlines() if "strategy" in line)
    missing = [
        name
        for name in (*(column.heading for column in table.columns), "vs best")
        if name not in head
    ]
    said = (
        f"left out: {', '.join(missing)} (a wider terminal shows more, its JSON has all)"
        if missing
        else ""
    )
    assert said in " ".join(text.split())
    assert bool(missing) == ("left out:" in text) == (width < 220)

    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    assert "\N{HORIZONTAL ELLIPSIS}" not in "".join(lines)
    assert any("1.50 [1.20, 1.80]" in line for line in lines)


@given(
    st.dictionaries(
        st.text(st.characters(codec="ascii", categories=("L", "P")), min_size=1, max_size=12),
        st.one_of(st.none(), st.floats(-1e4, 1e4)),
        min_size=1,
        max_size=6,
    ),
    st.integers(20, 200),
)
def test_any_result_can_be_shown(costs: dict[str, float | None], width: int) -> None:
    strategies = {name: {"is_bps": interval(cost)} for name, cost in costs.items()}
    table = JudgedTable(
        strategies, next(iter(costs)), {name: interval(cost) for name, cost in costs.items()}, 3, 3
    )
    printed(table, width)
    ElementTree.fromstring(f"<div>{table.html()}</div>")


def test_gains_over_named_opponents_are_listed_with_their_verdicts() -> None:
    row = {
        "twap_passive": interval(0.5),
        "submit_and_leave": interval(0.1),
        "broken": interval(-1.5),
    }
    table = replace(judged(), paired={"ppo": row})
    for width in (80, 120):
        lines = [line.split() for line in printed(table, width).splitlines()]
        assert ["ppo", "twap_passive", "*", "+0.50", "[+0.20,", "+0.80]", "cheaper"] in lines
        assert [
            "ppo",
            "submit_and_leave",
            "+0.10",
            "[-0.20,",
            "+0.40]",
            "no",
            "significant",
            "difference",
        ] in lines
        assert ["ppo", "broken", "-1.50", "[-1.80,", "-1.20]", "more", "expensive"] in lines
    plain = re.sub(r' data-head="[^"]*"', "", table.html())
    assert '<td>-1.50 [-1.80, -1.20]</td><td class="left">more expensive</td>' in plain


def test_html_holds_every_key_and_escapes_names() -> None:
    strategies = {"<b>": {column.key: interval(0.25) for column in COLUMNS}}
    markup = JudgedTable(strategies, "<b>", {}, 1, 30).html()
    assert "<b>" not in markup
    for column in COLUMNS:
        assert re.search(rf">{column.heading}(, bps)?</th>", markup)


@given(st.floats(-5, 5), st.floats(0, 5))
def test_verdict_is_zero_outside_the_interval(mean: float, half: float) -> None:
    expected = "better" if mean - half > 0 else "worse" if mean + half < 0 else "open"
    assert verdict(interval(mean, half)) == expected


def test_plain_table_is_escaped_and_well_formed() -> None:
    markup = plain_table(
        ["name", "value"], [["<x>", 1234], ["y", None], ["z", 0.123456], ["w", True]], "A & B"
    )
    cells = [cell.text for cell in ElementTree.fromstring(markup).iter("td")]
    assert cells == ["1,234", "\N{EN DASH}", "0.1235", "yes"]


def test_lots_that_found_nobody_and_lots_filled_twice_have_columns_where_there_are_any() -> None:
    plain = judged()
    rows = {name: dict(row) for name, row in plain.strategies.items()}
    for name, unfilled, twice in (
        ("ppo", 0.034, 0.96),
        ("twap_passive", 0.0011, 0.0),
        ("submit_and_leave", 0.0, 0.2),
    ):
        rows[name] |= {
            "unfilled_share": interval(unfilled, 0.0),
            "double_filled_share": interval(twice, 0.0),
        }
    table = printed(replace(plain, strategies=rows), 160)
    assert re.search(r"passive +unfilled +twice", table)
    assert re.search(r"ppo .* 3.4 % +96 %", table)
    assert re.search(r"twap_passive .* 0.11 % +0 %", table)
    none = {
        name: row | {"unfilled_share": interval(0.0005, 0.0)}
        for name, row in plain.strategies.items()
    }
    assert "unfilled" not in printed(replace(plain, strategies=none), 160)


@pytest.mark.parametrize("width", range(30, 130, 3))
def test_the_optimistic_cost_never_stands_without_the_pessimistic_one(width: int) -> None:
    table = judged()
    rows = {
        name: {**row, "optimistic_bps": interval(1.5), "pessimistic_bps": interval(1234.5)}
        for name, row in table.strategies.items()
    }
    shown = printed(replace(table, strategies=rows), width)
    header = next(line.split() for line in shown.splitlines() if "strategy" in line)
    assert "optimistic" not in header or "pessimistic" in header
