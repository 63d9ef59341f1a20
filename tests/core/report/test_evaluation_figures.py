"""Pictures and tables of an evaluation colour what is called after the correction, not what an interval says alone."""

import re

import pytest

from tercel.core.report import figures, gain_figures, palette
from tercel.core.report.interval_text import verdict_sentence
from tercel.core.report.judged_table import JudgedTable
from tercel.core.report.svg import Figure, finish_figure, sketch, small_panels
from tercel.core.stats import Estimate, PairedGain
from tercel.lab.evaluation.claims import verdict_of

UNCALLED = PairedGain(1.0, 0.1, 1.9, 0.2)
BETTER = PairedGain(1.0, 0.5, 1.5, 0.001)
WORSE = PairedGain(-1.0, -1.5, -0.5, 0.001)


def drawings(cell: PairedGain) -> list[Figure]:
    return [
        figures.paired_differences({"against pov": cell}, "the opponent", judge=verdict_of),
        gain_figures.gain_map({"pov": {"thin": cell}}, "mine", verdict_of),
        gain_figures.gains_by_place({"sh600961": {"pov": cell}}, "mine", "gains", verdict_of),
    ]


@pytest.mark.parametrize(
    ("cell", "colours"),
    [(UNCALLED, set()), (BETTER, {palette.GOOD.css}), (WORSE, {palette.BAD.css})],
)
def test_a_figure_colours_what_is_called(cell: PairedGain, colours: set[str]) -> None:
    for figure in drawings(cell):
        assert {
            colour for colour in (palette.GOOD.css, palette.BAD.css) if colour in figure.svg
        } == colours
        assert "no significant difference, after the correction" in figure.caption


def test_the_judged_table_colours_and_says_what_is_called() -> None:
    costs = {name: {"is_bps": Estimate(mean, 0.0, 9.0)} for name, mean in (("ppo", 1), ("pov", 2))}
    table = JudgedTable(costs, "pov", {"ppo": UNCALLED}, episodes=64, clusters=64, judge=verdict_of)
    assert 'class="open"' in table.html()
    assert 'class="better"' not in table.html()
    assert "ppo: no significant difference to pov" in table.html()
    assert "ppo: cheaper than pov (gain +1.00" in verdict_sentence("ppo", {"pov": UNCALLED})
    assert verdict_sentence("ppo", {"pov": BETTER}, judge=verdict_of) == verdict_sentence(
        "ppo", {"pov": BETTER}
    )


def test_a_telephone_gets_a_drawing_of_its_own_without_dates_that_overlap() -> None:
    dates = [f"2020-04-{day:02d}" for day in range(1, 21)]
    with sketch(2.0) as drawing:
        panel = drawing.subplots()
        panel.plot(range(20), range(20), label="a")
        panel.set_xticks(range(20), dates)
    figure = finish_figure(drawing, "dates", "Twenty dates.")
    assert 'viewBox="0 0 360 ' in figure.narrow
    assert 'class="figure narrow"' in figure.narrow
    shown = [date for date in dates if f">{date}<" in figure.narrow]
    assert 2 <= len(shown) <= 6, "ten letters each in five inches"
    assert all(f">{date}<" in figure.svg for date in dates)
    ids = re.findall(r'\bid="([^"]+)"', figure.svg + figure.narrow)
    assert len(ids) == len(set(ids))


def test_a_telephone_has_two_panels_beside_one_another_and_words_in_lines() -> None:
    with sketch(2.0) as drawing:
        for panel in small_panels(drawing, 5, 5, sharey=True):
            panel.plot([1.0, 12.0], [-1.0, 1.0])
            panel.set_title("a title that five panels have no room for")
            panel.set_xticks([0, 5, 10, 15], ["0", "5", "10", "15"])
            panel.set_xlim(1, 12)
    figure = finish_figure(drawing, "many", "Five panels.")
    assert "narrow" not in vars(figure), "drawn for pages alone"
    assert figure.svg.count("a title that five panels have no room for") == 5
    assert "five panels have no room for" not in figure.narrow
    assert ">15<" not in figure.narrow, "beyond the data"
    assert "\N{MINUS SIGN}" not in figure.svg + figure.narrow
    low, high = (
        re.search(r'viewBox="0 0 (\S+) (\S+)"', s).groups() for s in (figure.svg, figure.narrow)
    )  # type: ignore[union-attr]
    assert float(high[1]) == 3 * float(low[1]), "three rows where there was one"
    assert figure.narrow == figure.narrow


def test_labels_of_classes_are_broken_where_they_would_overlap() -> None:
    with sketch(2.0) as drawing:
        panel = drawing.subplots()
        panel.set_xticks(range(6), [f"{size} depth" for size in ("low", "middle", "high") * 2])
    assert "middle depth" not in finish_figure(drawing, "classes", "Six classes.").narrow
