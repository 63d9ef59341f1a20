"""Page of the steps of a book: a table, cost paid, holdings against targets, parameters tried."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from tercel.core.report import palette
from tercel.core.report.formatting import format_number
from tercel.core.report.page import Section, render_page
from tercel.core.report.svg import PAGE, Figure, finish_figure, name_rows, sketch, small_panels
from tercel.core.report.tables import plain_table
from tercel.signals.portfolio.today import BookStep, parameter_reason

Steps = Sequence[BookStep]
LAST_STEPS: Final = 10
"""Steps that are drawn name by name."""
MOST_NAMES: Final = 16
"""Names drawn of one step, those with the largest targets."""


def steps_page(steps: Steps) -> str:
    """HTML page of the steps of a book, in order (:func:`tercel.signals.portfolio.today.write_steps`)."""
    last = steps[-1]
    steps_with_positions = [book_step for book_step in steps if book_step.missed is not None]
    sections = [
        Section(
            "Step by step",
            "A row begins with what the desk's last session made of the step before.",
            plain_table(*table_of(steps)),
            [paid_figure(steps)] if any(book_step.learned for book_step in steps) else [],
        ),
        Section(
            "Targets and holdings",
            "Positions at their last marks, over the capital of the desk's file.",
            figures=[holdings_figure(steps_with_positions[-LAST_STEPS:])]
            if steps_with_positions
            else [],
        ),
        *(
            [
                Section(
                    "Why this parameter", parameter_reason(last), figures=[parameters_figure(steps)]
                )
            ]
            if last.tried
            else []
        ),
    ]
    facts = {
        "rule": last.rule,
        "steps": len(steps),
        "cost the file says": f"{last.cost_said:.3g}",
        "cost believed": f"{last.cost_believed:.3g}",
    }
    text = last.sentences
    return render_page(
        f"{last.name}: {len(steps)} steps",
        text[0],
        sections,
        facts,
        "printed by: tercel portfolio run",
    )


def table_of(steps: Steps) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and rows, a step each."""
    heads = (
        "forecast of",
        "parents",
        "paid, bps",
        "cost believed before",
        "after",
        "missed",
        "parameter",
        "past Sharpe net",
        "turnover",
    )
    rows = list[tuple[str, ...]]()
    for book_step in steps:
        session = book_step.learned[-1] if book_step.learned else None
        missed = "" if book_step.missed is None else format_number(book_step.missed, 3)
        cells = (
            ("", "", f"{book_step.cost_said:.3g}")
            if session is None
            else (str(session.parents), str(session), f"{session.before:.3g}")
        )
        best = next(
            (row.sharpe_net for row in book_step.tried if row.parameter == book_step.parameter),
            None,
        )
        rows.append(
            (
                book_step.day,
                *cells,
                f"{book_step.cost_believed:.3g}",
                missed,
                f"{book_step.parameter:g}",
                format_number(best),
                format_number(book_step.turnover, 3),
            )
        )
    return heads, rows


def _days(panel: Any, steps: Steps) -> None:
    """Label a panel's x axis with the days of the steps."""
    panel.set_xticks(range(len(steps)), [book_step.at[5:10] for book_step in steps])
    panel.margins(x=0.04)


def paid_figure(steps: Steps) -> Figure:
    """Cost paid in the last session before each step, with its interval, and the cost believed."""
    sessions = [
        (n, book_step.learned[-1]) for n, book_step in enumerate(steps) if book_step.learned
    ]
    with sketch(3.0, PAGE) as drawing:
        left, middle, right = drawing.subplots(1, 3)
        left.axhline(0.0, color=palette.SOFT.token, linewidth=0.9)
        means = [session.bps or 0.0 for _, session in sessions]
        halves = [session.half_bps or 0.0 for _, session in sessions]
        left.errorbar(
            [n for n, _ in sessions],
            means,
            halves,
            fmt="o",
            color=palette.SERIES[1].token,
            markersize=4,
        )
        left.set(title="paid by the session before, bps", xlim=(-0.5, len(steps) - 0.5))
        middle.plot(
            [book_step.cost_believed for book_step in steps],
            "o-",
            color=palette.SERIES[2].token,
            markersize=4,
        )
        middle.set(title="cost believed", ylim=(0, None))
        right.step(
            range(len(steps)),
            [book_step.parameter for book_step in steps],
            where="mid",
            color=palette.SERIES[3].token,
        )
        right.set(title=f"parameter of {steps[-1].rule}", ylim=(0, None))
        for panel in (left, middle, right):
            _days(panel, steps)
    spelt = "; ".join(f"{steps[n].day} {session!s} bps" for n, session in sessions)
    return finish_figure(
        drawing, "paid", f"Paid: {spelt}.", "Bars are 95 % intervals over a session's parents."
    )


def holdings_figure(steps: Steps) -> Figure:
    """Targets of the step before, and weights that the desk held at the next."""
    with sketch(2.9 * -(-len(steps) // 5), PAGE) as drawing:
        panels = small_panels(drawing, len(steps), min(5, len(steps)))
        for panel, book_step in zip(panels, steps, strict=True):
            rows = sorted(book_step.trades, key=lambda row: -max(abs(row.asked), abs(row.held)))[
                :MOST_NAMES
            ]
            rows.sort(key=lambda row: -row.asked)
            positions = np.arange(len(rows))
            name_rows(panel, [row.name for row in rows])
            panel.barh(
                positions, [100 * row.held for row in rows], 0.6, color=palette.SERIES[1].token
            )
            panel.plot(
                [100 * row.asked for row in rows],
                positions,
                "|",
                color=palette.SERIES[0].token,
                markersize=10,
                markeredgewidth=2,
            )
            panel.set_title(f"before {book_step.day}", fontsize=9)
            panel.set_xlabel("% of capital")
    missed = "; ".join(f"{book_step.day} {book_step.missed:.3f}" for book_step in steps)
    return finish_figure(
        drawing,
        "held",
        f"One-way turnover away from the targets: {missed}.",
        "Bars: holdings. Strokes: targets.",
    )


def parameters_figure(steps: Steps) -> Figure:
    """Past net Sharpe ratio of each parameter at the cost believed, one line per step; the one that was taken is marked."""
    steps_with_choice = [book_step for book_step in steps if book_step.tried][-LAST_STEPS:]
    with sketch(3.2, PAGE) as drawing:
        panel = drawing.subplots()
        for book_step, shade in zip(
            steps_with_choice, np.linspace(0.35, 1.0, len(steps_with_choice)), strict=True
        ):
            x = [row.parameter for row in book_step.tried]
            y = [np.nan if row.sharpe_net is None else row.sharpe_net for row in book_step.tried]
            colour = palette.SERIES[1].token
            panel.plot(range(len(x)), y, color=colour, alpha=shade)
            chosen_index = x.index(book_step.parameter)
            panel.plot(chosen_index, y[chosen_index], "o", color=colour, alpha=shade)
            panel.set_xticks(range(len(x)), [f"{value:g}" for value in x])
            panel.annotate(
                book_step.at[5:10],
                (chosen_index, y[chosen_index]),
                (3, 3),
                textcoords="offset points",
                fontsize=7,
            )
        panel.set(xlabel=f"parameter of {steps[-1].rule}", ylabel="past Sharpe ratio, net")
    taken = "; ".join(f"{book_step.day} {book_step.parameter:g}" for book_step in steps_with_choice)
    return finish_figure(
        drawing,
        "tried",
        f"Taken: {taken}.",
        "Later steps are darker; the year's past is the same for all.",
    )
