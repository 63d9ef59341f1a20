"""Pictures and tables of an evaluation colour what is called after the correction, not what an interval says alone."""

import pytest

from tercel.core.report import figures, gain_figures, palette
from tercel.core.report.interval_text import verdict_sentence
from tercel.core.report.judged_table import JudgedTable
from tercel.core.report.svg import Figure
from tercel.core.stats import Estimate, PairedGain
from tercel.lab.evaluation.claims import verdict_of

UNCALLED = PairedGain(1.0, 0.1, 1.9, 0.2)
BETTER = PairedGain(1.0, 0.5, 1.5, 0.001)
WORSE = PairedGain(-1.0, -1.5, -0.5, 0.001)


def drawings(cell: PairedGain) -> list[Figure]:
    return [
        figures.paired_differences({"against pov": cell}, "the opponent", judge=verdict_of),
        gain_figures.gain_map({"pov": {"thin": cell}}, "mine", verdict_of),
        gain_figures.gains_by_place({"csco": {"pov": cell}}, "mine", "gains", verdict_of),
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
