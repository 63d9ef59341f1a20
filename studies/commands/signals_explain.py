"""`tercel signals explain`: what the newest forecast is made of, and what each feature is worth out of sample."""

from typing import TYPE_CHECKING, Final

from tercel.cli import OfModel, check_folder, hand_over, print_rows, print_sentences, say

if TYPE_CHECKING:
    from studies.signals.explain import ForecastExplanation

SHOWN_ROWS: Final = 12
"""Groups of features that a terminal shows."""


def explain(request: OfModel) -> None:
    """What the newest forecast is made of, name by name, and what each feature is worth out of sample."""
    check_folder(request.out)
    from studies.signals.explain import explain_page, explained

    model, out = request.open_model()
    found = explained(model, request.seed)
    hand_over(
        {**found.to_json(), "out": out},
        request.as_json,
        lambda: _show_explained(found),
        out,
        "explain",
        lambda: explain_page(found),
    )


def _show_explained(found: "ForecastExplanation") -> None:
    from studies.signals.explain import by_group, parts_table, worth_table
    from tercel.signals.portfolio.backtest import head_and_tail

    title = f"rank IC lost where shuffled, {found.dates} dates out of sample in {found.folds} folds"
    more = f"; {SHOWN_ROWS} of {len(found.groups)} groups" if len(found.groups) > SHOWN_ROWS else ""
    print_rows(title + more, *worth_table(by_group(found, SHOWN_ROWS)))
    title = f"forecast of {found.at[:10]}; {found.common_bps:+.1f} bps is common to {len(found.names)} names"
    print_rows(title, *parts_table(head_and_tail(found.names), 3))
    print_sentences(found.sentences())
    for warning in found.warnings:
        say(f"note: {warning}")
