"""Weights chosen by some symbols: the scores are the comparison of costs, the choice goes where all of them gain."""

from collections.abc import Sequence
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from studies.tape import choose, flow
from studies.tape.choose import ABSENT, GRID, Bench, Named, Rule, found_of
from tercel.core import ConfigError, Floats
from tercel.execution.cost_scores import CostDecoder
from tercel.execution.policies import MlpPolicy

pytestmark = pytest.mark.release

DAYS, ORDERS = 5, 20
CLUSTER = np.arange(ORDERS) % DAYS
WORST, DEARER = "strict, resting fills move no price", 4.0


def test_the_scores_are_the_comparison_of_costs() -> None:
    f, s, h, w, b, t = z = np.random.default_rng(1).uniform(-1, 1, (6, 50))
    rule = Rule(2, 0.4, 0.3, 0.7, 0.2)
    weight, bias = choose.layer(rule)
    expected = [f - h + w - 0.4 * s - 0.3 * t + 0.7 * b, -f - 0.2]
    np.testing.assert_allclose(z.T @ weight + bias, np.transpose(expected), atol=1e-6)
    assert not choose.layer(rule._replace(wait=None))[0][:, 1].any()
    told = choose.told(rule, "flow-2")
    assert isinstance(told.policy, MlpPolicy)
    assert told.action_parameters == {"flow": {"model": "flow-2"}, "slices": 2}


def test_what_ships_is_the_choice_that_the_page_shows() -> None:
    [(weight, bias)] = flow.policy_of("flow-2").policy.layers  # type: ignore[attr-defined]
    chosen, constant = choose.layer(Rule(3, 0.5, 0.6, 1.8, 0.0))
    np.testing.assert_allclose(weight, chosen)
    np.testing.assert_allclose(bias, constant)
    assert CostDecoder.slices == 3


def at(name: str, rule: Rule) -> int:
    """The place of a rule's number in its grid; one beyond it for what is left out and not in it."""
    return [*GRID[name], ABSENT[name]].index(getattr(rule, name))


class Known(Bench):
    """Costs that are known: a symbol loses by what its rule lacks of the one that is best there; where resting fills move
    no price, also by every step of `slices`."""

    def costs(self, what: Named, symbol: str, condition: str, but: Sequence[str]) -> Floats:
        assert symbol not in but
        rule = what if isinstance(what, Rule) else Rule() if isinstance(what, str) else what[1]
        self.known[what, symbol, tuple(but)] = np.zeros(0)
        lack = sum((at(name, rule) - at(name, BEST[symbol])) ** 2 for name in GRID)
        if condition == WORST and what != flow.BASE:
            lack += DEARER * (rule.slices - 1)
        noise = np.random.default_rng(len(symbol)).normal(0, 0.01, DAYS)[CLUSTER]
        return np.full(ORDERS, 10.0 + lack) + (noise if what != flow.BASE else 0.0)


BEST = {
    "AA": Rule(3, 0.3, 0.2, 0.6, 0.0),
    "BB": Rule(3, 0.3, 0.2, 1.8, 0.0),
    "CC": Rule(1, 0.0, 0.8, 0.6, None),
}


def bench(*conditions: str) -> Known:
    market = SimpleNamespace(plan=SimpleNamespace(cluster=CLUSTER))
    return Known(
        lambda *_: market, lambda *_: "", tuple(BEST), conditions or ("strict", "undercut")
    )  # type: ignore[arg-type]


def test_a_number_moves_where_all_gain_and_stays_where_one_loses() -> None:
    rule, tried = choose.chosen(bench(), ["AA", "BB"], ["CC"])
    assert rule == Rule(3, 0.3, 0.2, 0.6, 0.0)  # `behind` helps BB alone
    assert all(
        step["least"] >= 0 and step["saves"]["ci_low"] > 0 for step in tried if step["taken"]
    )
    assert choose.chosen(bench(), ["AA", "CC"])[0] == Rule()


def test_what_loses_under_the_worst_condition_is_not_chosen() -> None:
    assert choose.chosen(bench("strict"), ["AA"])[0].slices == 3
    assert choose.chosen(bench("strict", WORST), ["AA"])[0] == BEST["AA"]._replace(slices=1)


def test_one_symbol_finds_what_a_search_of_all_rules_finds() -> None:
    made = bench()
    rules = [Rule(*values) for values in product(*GRID.values())]
    cost = [made.costs(rule, "AA", "strict", ()).mean() for rule in rules]
    assert choose.chosen(made, ["AA"])[0] == rules[int(np.argmin(cost))] == BEST["AA"]


def test_who_is_left_out_is_neither_run_nor_learned_on() -> None:
    asked: set[str] = set()

    def refuse(what: str) -> str:
        asked.add(what)
        raise ConfigError("no run", what, "none")

    for run, but in (("AA", ("CC",)), ("AA", ("BB",)), ("BB", ())):
        made = Bench(
            lambda *_: SimpleNamespace(judged=0, task=0, plan=0),  # type: ignore[arg-type]
            lambda of: refuse("+".join(of)),
            tuple(BEST),
            ("strict",),
        )
        with pytest.raises(ConfigError):
            made.costs(Rule(), run, "strict", but)
    assert asked == {"BB", "CC", "AA+CC"}


def test_each_symbol_is_judged_by_the_choice_of_the_others() -> None:
    found = found_of(bench(), list(BEST), lambda: None)
    assert Rule(**found["choices"]["CC"]["rule"]) == choose.chosen(bench(), ["AA", "BB"])[0]
    saves = found["saves"]["strict"]
    assert set(saves) == {*BEST, "all"}
    assert saves["BB"]["chosen"]["mean"] == pytest.approx(0.0, abs=0.02)
    # what AA and BB choose is far from the best for CC, which is judged by it all the same
    assert saves["CC"]["chosen"]["mean"] < -5
    assert saves["AA"]["worth of slices"]["mean"] == 0.0  # BB and CC choose nothing: one slice
