"""Conformance kit of the limit port: inherit :class:`LimitConformance`, say how to make a check, run pytest.

    class TestNoThirteen(LimitConformance):
        def check(self):
            return no_thirteen

A check is a function of `tercel.desk.limits.LimitQuery` that gives a `Denial` or None; it joins a gate by
``LimitGate(..., more=[no_thirteen])`` and is asked after all others.
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
        more = around or (self.check(),)
        return StressTest(seed, count().__next__, make=partial(LimitGate, more=more))

    def test_gives_a_denial_or_nothing(self) -> None:
        check, given = self.check(), []

        def kept(asked: LimitQuery) -> Denial | None:
            given.append(check(asked))
            return given[-1]

        for seed in self.seeds:
            self.stress(seed, kept).run(self.actions)
        assert given, "the stress test asked nothing of it"
        for denial in given:
            assert denial is None or isinstance(denial, Denial)
            assert denial is None or (
                denial.code and denial.code == denial.code.upper() and denial.text
            )

    def test_changes_nothing_by_asking(self) -> None:
        check = self.check()

        def twice(asked: LimitQuery) -> Denial | None:
            before = (
                asked.command,
                asked.now_ns,
                asked.lots,
                asked.price,
                asked.extra,
                asked.side,
                asked.worst_price,
            )
            usage = (
                asked.gate.desk.gross,
                asked.holding.position,
                asked.holding.exposure,
                asked.parent.used,
            )
            first = check(asked)
            assert check(asked) == first, "asked twice, it answers twice"
            assert before == (
                *(
                    asked.command,
                    asked.now_ns,
                    asked.lots,
                    asked.price,
                    asked.extra,
                    asked.side,
                    asked.worst_price,
                ),
            )
            assert usage == (
                *(
                    asked.gate.desk.gross,
                    asked.holding.position,
                    asked.holding.exposure,
                    asked.parent.used,
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
        agent, name = AGENTS[0], LISTINGS[0].instrument
        for command in (
            CancelOrder("c1", "o1", name, 1, agent, 0),
            StatusRequest("s1", agent, 0),
            MassCancel("m1", "", "", 0),
        ):
            assert stress.gate.check(command, stress.now) is None
