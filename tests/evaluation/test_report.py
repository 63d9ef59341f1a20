"""The table and the page of a judged run."""

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from tests.evaluation.test_judge import GRID, QTY, field, make, run, twin

from tercel.evaluation.report import BookExample, distribution, lead, left_to_do, write_report


def printed(result, width=160):
    stream = io.StringIO()
    Console(file=stream, width=width).print(result.shown())
    return " ".join(stream.getvalue().split())


def example():
    time = np.arange(6.0)
    lots = np.tile([40, 30, 0, -20, -50], (6, 1))
    return BookExample(
        "ppo", 1, time, np.arange(98, 103), lots, np.full(6, 99.0), np.full(6, 101.0), [1.0], [99], [7], [True], 0.01
    )


@pytest.fixture(scope="module")
def judged():
    return run(field(60), twin(60))


@pytest.fixture(scope="module")
def page(judged, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    curves = {"ppo": [(np.arange(5.0) * 1000, np.linspace(9.0, 1.0, 5))] * 3}
    path = write_report(
        folder / "report.html",
        judged,
        {entry.name: entry.runs for entry in field(60)},
        twin_mid2_grid=twin(60),
        grid_s=np.arange(GRID) * 360.0,
        learning_curves=curves,
        book_examples=[example()],
        footer="made for a test",
    )
    assert [one.name for one in folder.iterdir()] == ["report.html"]
    return path.read_text(encoding="utf-8")


def test_the_page_opens_offline(page):
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", page)
    assert "<script" not in page


@pytest.mark.parametrize(
    "title",
    [
        "The judged table",
        "Against the baselines",
        "What it cost",
        "When it traded",
        "The book around the trades",
        "How it learned",
        "How to read it",
    ],
)
def test_the_page_has_its_sections(page, title):
    assert f"<h2>{title}</h2>" in page


def test_the_page_says_every_strategy_seed_and_key(page, judged):
    for word in (*judged.strategies, "ppo against ppo_untrained", "adaptability", "made for a test", "training seeds"):
        assert word in page
    assert page.count("<svg") >= 7


def test_a_short_run_on_tape_has_a_page_too(tmp_path):
    entries = field(12)[:2]
    result = run(entries, None, notes=["one day"], cluster="30-minute block of one day")
    path = write_report(
        tmp_path / "r.html", result, {entry.name: entry.runs for entry in entries}, grid_s=np.arange(GRID)
    )
    text = path.read_text(encoding="utf-8")
    assert "one day" in text
    assert "How it learned" not in text


def test_the_printed_table_says_plainly_where_the_learned_stand():
    entries = field(60)
    entries[0] = replace(entries[0], name="twap_passive")
    told = printed(run(entries, twin(60)))
    assert "ppo against twap_take: +" in told
    assert "ppo against twap_passive: +" in told
    assert "ppo is cheaper than ppo_untrained on 3 of 3 training seeds" in told
    assert "ppo is cheaper than random on 3 of 3 training seeds" in told


def test_with_one_training_seed_the_untrained_network_is_an_opponent_like_others():
    entries = [replace(entry, runs=entry.runs[:1]) for entry in field(60)]
    told = printed(replace(run(entries, twin(60)), seeds=[1]))
    assert "ppo against ppo_untrained: +" in told
    assert "training seeds, counting" not in told


def test_facts_are_told_in_words(page):
    assert "grid_points" not in page
    assert "a_ns" not in page


def test_nothing_is_said_twice():
    told = printed(run(field(12), None))
    assert told.lower().count("impact is not") == 1
    assert told.count("clusters, fewer than 20") == 1
    assert "under 20" not in told


def test_lead_names_the_best_baseline_and_the_verdict(judged):
    assert lead(judged).startswith("The cheapest written strategy is twap_take, at ")
    assert "ppo against twap_take: +" in lead(judged)


def test_left_to_do_falls_where_lots_were_filled():
    share = left_to_do(make(3, 0, forced=25))
    assert share[0].tolist() == [1.0, 1.0, 1.0, 0.25, 0.25]
    assert QTY == 100


def test_distribution_counts_wins_and_the_worst():
    cheap, dear = make(40, 0, seed=1), make(40, 60, seed=2)
    row = distribution("a", (dear,), (cheap,))
    assert row[0] == "a"
    assert row[1] <= row[2] <= row[3] <= row[4]
    assert row[5] == 0.0
    assert distribution("b", (cheap,), (dear,))[5] == 1.0
    same = (cheap,)
    assert distribution("c", same, same)[5] is None
