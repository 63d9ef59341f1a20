"""Conformance kit of the limit port: inherit :class:`LimitConformance`, say how to make a check, run pytest.

    class TestNoThirteen(LimitConformance):
        def check(self):
            return no_thirteen

A check is a function of `tercel.desk.limits.LimitQuery` that gives a `Denial` or None; it joins a gate by
``LimitGate(..., extra_checks=[no_thirteen])`` and is asked after all others.
"""

from functools import partial
from itertools import count

from certify.limits.stress import AGENTS, LISTINGS, StressTest
from tercel.core import CancelOrder, MassCancel, StatusRequest
from tercel.desk.limits import Check, Denial, LimitGate, LimitQuery


class LimitConformance:
    """What every check must do, whatever it refuses."""

    seeds = range(3)
    actions = 3000

    def check(self) -> Check:
        """The check under test."""
        raise NotImplementedError

    def stress(self, seed: int, *around: Check) -> StressTest:
        """A stress test of a gate that has the check."""
        checks = around or (self.check(),)
        return StressTest(seed, count().__next__, make=partial(LimitGate, extra_checks=checks))

    def test_gives_a_denial_or_nothing(self) -> None:
        check = self.check()
        answers = []

        def record_answer(query: LimitQuery) -> Denial | None:
            answers.append(check(query))
            return answers[-1]

        for seed in self.seeds:
            self.stress(seed, record_answer).run(self.actions)
        assert answers, "the stress test asked nothing of it"
        for denial in answers:
            assert denial is None or isinstance(denial, Denial)
            assert denial is None or (
                denial.code and denial.code == denial.code.upper() and denial.text
            )

    def test_changes_nothing_by_asking(self) -> None:
        check = self.check()

        def twice(query: LimitQuery) -> Denial | None:
            before = (
                query.command,
                query.now_ns,
                query.lots,
                query.price,
                query.extra,
                query.side,
                query.worst_price,
            )
            usage = (
                query.gate.desk.gross,
                query.holding.position,
                query.holding.exposure,
                query.parent.used,
            )
            first = check(query)
            assert check(query) == first, "asked twice, it answers twice"
            assert before == (
                *(
                    query.command,
                    query.now_ns,
                    query.lots,
                    query.price,
                    query.extra,
                    query.side,
                    query.worst_price,
                ),
            )
            assert usage == (
                *(
                    query.gate.desk.gross,
                    query.holding.position,
                    query.holding.exposure,
                    query.parent.used,
                ),
            )
            return first

        for seed in self.seeds:
            tally = self.stress(seed, twice).run(self.actions)
            assert not tally.denials["CHECK_FAILED"], "it fails or changes what it is asked about"

    def test_never_fails(self) -> None:
        for seed in self.seeds:
            assert not self.stress(seed).run(self.actions).denials["CHECK_FAILED"]

    def test_breaks_no_other_limit(self) -> None:
        for seed in self.seeds:
            stress = self.stress(seed)
            assert not stress.run(self.actions).breaches
            assert not stress.gate.fault

    def test_never_holds_a_cancel(self) -> None:
        stress = self.stress(0)
        stress.run(500)
        agent = AGENTS[0]
        name = LISTINGS[0].instrument
        for command in (
            CancelOrder("c1", "o1", name, 1, agent, 0),
            StatusRequest("s1", agent, 0),
            MassCancel("m1", "", "", 0),
        ):
            assert stress.gate.check(command, stress.now) is None
