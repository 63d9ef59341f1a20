"""`python -m studies transfer`: what the market that an agent learned in does to it elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import tercel as tc
from tercel.report.figures import paired_differences
from tercel.report.page import Section, render
from tercel.report.tables import plain_table, spelt
from tercel.report.terminal import print_json, print_table, say

HEADINGS = ("learner", "trained in", "judged in", "IS", "best written", "its IS", "saves", "saves on one at home")
LEAVES = ("its IS", "best written", "saves on one at home")
REPORT = "transfer.html"
FRAMES: Final = {"ppo": 400_000, "dqn": 200_000}
QUICK_FRAMES: Final = 16_384
SEEDS, EPISODES = 3, 1_000
QUICK_SEEDS, QUICK_EPISODES = 2, 64


@dataclass(frozen=True)
class Transfer:
    """One line of the table: where a learner was trained, where it is judged, and what that makes of it.

    Parameters
    ----------
    learner, trained_in, judged_in : str
    is_bps : mapping
        Mean implementation shortfall over training seeds and episodes, with its interval.
    best_written : str
        The written strategy with the lowest mean on the same episodes.
    written_bps : float
        Its mean.
    gain_bps : mapping
        What the learned saves against it, paired; positive is better.
    against_home_bps : mapping or None
        What it saves against the same learner trained in the market judged in; None at home, or where none was trained.
    """

    learner: str
    trained_in: str
    judged_in: str
    is_bps: Mapping[str, float]
    best_written: str
    written_bps: float
    gain_bps: Mapping[str, float | None]
    against_home_bps: Mapping[str, float | None] | None


def transfer(
    *,
    train_in: Sequence[str],
    judge_in: Sequence[str],
    lake: Path | None,
    symbol: str | None,
    impact: str,
    quick: bool,
    seed: int,
    out: Path,
    as_json: bool,
) -> int:
    """Train where `train_in` says, judge every policy in every market; see the module."""
    places = {Path(name).stem: tc.load_market(name) for name in (*train_in, *judge_in)}
    homes = list(dict.fromkeys(Path(name).stem for name in train_in))
    if lake is not None and symbol is not None:
        places[f"{symbol} tape"] = tc.replay(lake, symbol, impact=impact)
    trained = {
        (learner, home): [
            _policy(places[home], learner, home, quick, 1000 * seed + number, out)
            for number in range(QUICK_SEEDS if quick else SEEDS)
        ]
        for home in homes
        for learner in FRAMES
    }
    lines = []
    for place, market in places.items():
        say(f"judge in {place}")
        folder, episodes = out / "judged" / place.replace(" ", "-"), QUICK_EPISODES if quick else EPISODES
        policies = [policy for row in trained.values() for policy in row]
        found = tc.evaluate([*policies, "all"], market, episodes=episodes, seed=seed, out=folder)
        lines += compare(place, list(trained), found)
    page = out / REPORT
    page.write_text(_page(lines, seed, quick), encoding="utf-8")
    if as_json:
        print_json({"seed": seed, "quick": quick, "impact": impact, "rows": [asdict(line) for line in lines]})
    else:
        title = "Agents in markets that they did not learn in, bps"
        cells = [_cells(line) for line in lines]
        print_table(title, HEADINGS, cells, leaves=LEAVES, left={"trained in", "judged in", "best written"})
        say(f"report  {page}")
    return 0


def _policy(market: tc.Market, learner: str, home: str, quick: bool, seed: int, out: Path) -> str:
    """The folder of a policy; a training that has come to its end is not begun again."""
    folder = out / "trained" / f"{learner}-{home}-{seed}"
    frames = QUICK_FRAMES if quick else FRAMES[learner]
    tc.train(
        market, algorithm=learner, frames=frames, seed=seed, name=name_of(learner, home), out=folder, progress=True
    )
    return str(folder / "policy")


def name_of(learner: str, home: str) -> str:
    """What the policies of a learner from a market are called."""
    return f"{learner}-of-{home}"


def compare(place: str, trained: Sequence[tuple[str, str]], found: tc.Result) -> list[Transfer]:
    """Lines of the table for one judged market."""
    rows, kinds = found.figures["strategies"], found.figures["kinds"]
    best = min(
        (name for name in rows if kinds[name] == "baseline"), key=lambda name: float(rows[name]["is_bps"]["mean"])
    )
    return [
        Transfer(
            learner,
            home,
            place,
            rows[name_of(learner, home)]["is_bps"],
            best,
            rows[best]["is_bps"]["mean"],
            _saved(found, name_of(learner, home), best),
            _saved(found, name_of(learner, home), name_of(learner, place))
            if home != place and (learner, place) in trained
            else None,
        )
        for learner, home in trained
    ]


def _saved(found: tc.Result, name: str, other: str) -> dict[str, float | None]:
    one = found.compare(name, other)
    return {"mean": one.difference_bps, "ci_low": one.ci_low, "ci_high": one.ci_high}


def _cells(line: Transfer) -> tuple[str, ...]:
    return (
        line.learner,
        line.trained_in,
        line.judged_in,
        spelt(line.is_bps),
        line.best_written,
        f"{line.written_bps:.2f}",
        spelt(line.gain_bps, "+"),
        "" if line.against_home_bps is None else spelt(line.against_home_bps, "+"),
    )


def _page(lines: Sequence[Transfer], seed: int, quick: bool) -> str:
    gains: dict[str, Any] = {
        f"{line.learner} of {line.trained_in} in {line.judged_in}": line.gain_bps for line in lines
    }
    lead = (
        "Each agent learned in one market and is judged in all of them, beside the best written strategy of the market "
        "it is judged in."
    )
    if quick:
        lead += " --quick: too few frames and episodes to judge an agent by."
    table = plain_table(HEADINGS, [_cells(line) for line in lines])
    figure = paired_differences(gains, "the best written strategy there")
    section = Section("What each saves", html=table, figures=(figure,))
    return render("Agents in markets that they did not learn in", lead, [section], {"seed": seed})
