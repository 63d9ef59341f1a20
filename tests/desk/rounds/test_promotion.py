"""A person's promotion in the desk's loop: what was asked for is done, and nothing else."""

from pathlib import Path

from tests.desk.rounds.test_one_after_another import SMALL
from tests.desk.rounds.test_posture_overrides import Placed

from tercel.desk.trading.journal import kinds


def test_a_promotion_that_was_asked_for_twice_is_done_once(tmp_path: Path) -> None:
    placed = Placed(tmp_path, text=SMALL + 'challenger = "twap_passive"\n')
    slot = placed.desk.slots["peg"]
    names = champion, challenger = slot.shown, slot.challenger_shown
    asked = {"agent": "peg", "champion": champion, "challenger": challenger}
    (promoted, *_) = placed.say("promote", **asked)
    assert (promoted.kind, promoted.body["champion"], promoted.body["challenger"]) == (
        kinds.PROMOTED,
        *names,
    )
    said = placed.say.refused("promote", **asked)
    assert f"{challenger} over {champion} of peg; {champion} over {challenger} now" in said
    assert (slot.shown, slot.challenger_shown) == (challenger, champion)
    assert "over somebody" in placed.say.refused("promote", agent="peg", champion="somebody")
    placed.say("promote", agent="peg", champion=challenger, challenger=champion)
    placed.say("promote", agent="peg")
    assert (slot.shown, slot.challenger_shown) == (challenger, champion)
    assert len(placed.entries(kinds.PROMOTED)) == 3
