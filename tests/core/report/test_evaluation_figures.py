"""Pictures and tables of an evaluation colour what is called after the correction, not what an interval says alone."""

import pytest

from tercel.core.report import evaluation_figures, figures, svg
from tercel.core.report.svg import Figure
from tercel.core.report.tables import JudgedTable, verdict_sentence
from tercel.core.stats import Estimate, PairedGain
from tercel.lab.evaluation.claims import called

UNCALLED = PairedGain(1.0, 0.1, 1.9, 0.2)
BETTER = PairedGain(1.0, 0.5, 1.5, 0.001)
WORSE = PairedGain(-1.0, -1.5, -0.5, 0.001)


def drawings(cell: PairedGain) -> list[Figure]:
    return [
        figures.paired_differences({"against pov": cell}, "the opponent", called=called),
        evaluation_figures.gain_map({"pov": {"thin": cell}}, "mine", called),
        evaluation_figures.gains_by_place({"csco": {"pov": cell}}, "mine", "gains", called),
    ]


@pytest.mark.parametrize(
    ("cell", "colours"), [(UNCALLED, set()), (BETTER, {svg.GOOD.css}), (WORSE, {svg.BAD.css})]
)
def test_a_figure_colours_what_is_called(cell: PairedGain, colours: set[str]) -> None:
    for figure in drawings(cell):
        assert {colour for colour in (svg.GOOD.css, svg.BAD.css) if colour in figure.svg} == colours
        assert "no significant difference, after the correction" in figure.caption


def test_the_judged_table_colours_and_says_what_is_called() -> None:
    costs = {name: {"is_bps": Estimate(mean, 0.0, 9.0)} for name, mean in (("ppo", 1), ("pov", 2))}
    table = JudgedTable(costs, "pov", {"ppo": UNCALLED}, episodes=64, clusters=64, called=called)
    assert 'class="open"' in table.html()
    assert 'class="better"' not in table.html()
    assert "ppo: no significant difference to pov" in table.html()
    assert "ppo: cheaper than pov (gain +1.00" in verdict_sentence("ppo", {"pov": UNCALLED})
    assert verdict_sentence("ppo", {"pov": BETTER}, called=called) == verdict_sentence(
        "ppo", {"pov": BETTER}
    )
