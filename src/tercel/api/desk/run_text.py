"""Sentences and table rows on a desk's run: costs by agent, forecasts, silent markets, actions of risk."""

from collections.abc import Iterable, Sequence

from tercel.core.fixed_point import sum_numbers
from tercel.core.grouping import group_values
from tercel.core.report.formatting import (
    format_count,
    format_half_width,
    format_money,
    format_percent,
)
from tercel.core.vocabulary import BUY
from tercel.desk.engine.configured_agents import bare_name
from tercel.desk.engine.forecast_results import ForecastOutcome
from tercel.desk.engine.outcome import DeskOutcome, SavingOnPaper


def forecast_sentences(forecasts: ForecastOutcome, most: int = 4) -> list[str]:
    """Sentences on the results of a desk's forecasts and of at most `most` of its targets; empty without forecasts."""
    names = {forecast["name"] for forecast in forecasts.names}
    sentences = [
        f"Model {forecasts.model} forecast {len(names)} names, as known by {forecasts.at}."
    ] * bool(names)
    if forecasts.ci_low is not None and forecasts.ci_high is not None:
        low = 100 * forecasts.ci_low
        high = 100 * forecasts.ci_high
        rate = f"Direction correct in {forecasts.hits} of {forecasts.scored} forecasts ({low:.0f} to {high:.0f} %)"
        sentences.append(f"{rate}, each at its horizon.")
    if forecasts.not_due:
        sentences.append(
            f"{forecasts.not_due} of {len(forecasts.names)} forecasts are not yet due: they are not scored."
        )
    more_text = [f"{len(forecasts.targets) - most} more targets: the report has them."] * (
        len(forecasts.targets) > most
    )
    without_forecast = (
        f"Traded without a forecast: {reason}" if "expected " in reason else f"{reason}."
        for reason in forecasts.without
    )
    return [*sentences, *without_forecast, *forecasts.targets[:most], *more_text]


def silence_sentences(outcome: DeskOutcome) -> list[str]:
    """A sentence if parents were worked while their market showed no event; else none."""
    silent = [row for row in outcome.parents if row.silent_s]
    if not silent:
        return []
    instruments = sorted({row.instrument for row in silent})
    longest = max(row.silent_s or 0.0 for row in silent)
    parents_text = f"{format_count(len(silent), 'parent order')} of {len(outcome.parents)}"
    warning = (
        f"Do not rely on these costs: {', '.join(instruments)} showed no event for {longest:,.0f} s"
    )
    return [
        f"{warning} while {parents_text} worked there; nothing could move against them, and they have no bounds."
    ]


def answer_sentences(outcome: DeskOutcome) -> list[str]:
    """Sentences on traded lots by agent, their cost against benchmarks, and actions of risk and limits."""
    agents = outcome.agents
    currency = outcome.currency
    parents = outcome.parents
    traded = sum_lots(
        (f"{'bought' if row.side == BUY else 'sold'} {{:,}} lots of {row.instrument}", row.filled)
        for row in parents
    )
    unfilled = sum_lots(
        (f"{{:,}} lots of {row.instrument} ({row.agent}, {row.status})", row.unfilled)
        for row in parents
        if row.unfilled
    )
    worked = f"{', '.join(agents)} worked {format_count(len(parents), 'parent order')}"
    value = format_run_amount(sum(row.notional or 0.0 for row in parents), currency)
    sentences = [
        f"{worked}: they {traded or 'traded nothing'}, worth {value} at arrival{unfilled and f'; not filled: {unfilled}'}."
    ]
    sentences += [
        saving_sentence(name, agent.on_paper, currency)
        for name, agent in agents.items()
        if agent.on_paper
    ]
    if (mean := outcome.parents_bps.mean) is not None:
        savings = [
            f"{name} cost {format_half_width(agent.saves_bps, agent.saves_half_bps)} bps less"
            for name, agent in agents.items()
            if agent.saves_half_bps is not None and (agent.saves_bps or 0.0) > agent.saves_half_bps
        ]
        savings_text = f"{' and '.join(savings) or 'no agent cost significantly less'} than the others in the same rounds"
        cost = f"{format_half_width(mean, outcome.parents_bps.half)} bps or {format_run_amount(outcome.cost, currency)}"
        waited = f"{round(outcome.cost_bps - mean, 1) + 0.0:+.1f}".replace("-", "saved ").replace(
            "+", "cost "
        )
        sentences.append(
            f"The {format_count(len(parents), 'parent order')} cost {cost} from the mid at their arrival "
            f"({outcome.cost_bps:.1f} bps from the arrival of the incoming orders: waiting {waited}); {savings_text}."
        )
    denied = ", ".join(f"{code} {number:,}" for code, number in outcome.denials.items())
    refused = (
        f"{format_count(sum(outcome.denials.values()), 'order')} ({denied})"
        if denied
        else "no order"
    )
    risk = f"The risk state changed {format_count(outcome.posture_changes, 'time')}; limits refused {refused}"
    shifted = ", ".join(name for name, agent in agents.items() if agent.drifting)
    shift_text = f"inputs of {shifted} are outside the training distribution"
    return [*sentences, f"{risk}; {shift_text}." if shifted else f"{risk}."]


def sum_lots(rows: Iterable[tuple[str, float]]) -> str:
    """Sums of lots by their sentence, in which they stand at `{:,}`.

    >>> sum_lots([("bought {:,} lots of A", 800), ("bought {:,} lots of A", 400), ("sold {:,} lots of B", 7)])
    'bought 1,200 lots of A, sold 7 lots of B'
    """
    lots = group_values(rows).items()
    return ", ".join(sentence.format(sum_numbers(numbers)) for sentence, numbers in lots)


def saving_sentence(agent: str, savings: Sequence[SavingOnPaper], currency: str) -> str:
    """Sentence on what an agent's strategy saved on paper on each other strategy, and how sure that is.

    >>> saving_sentence("a", [SavingOnPaper("twap_take", 24, 1e6, 7.0, 2.0)], "USD")
    'On paper, in the same 24 orders worth 1,000,000 USD, a saved 700 USD on twap_take (sure: 500 to 900 USD).'
    """
    most = max(savings, key=lambda saving: saving.orders)
    texts = [
        f"{describe_saving(saving, currency)} ({how_sure(saving)}{format_saving_range(saving, currency, ': ')}"
        + f", over {format_count(saving.orders, 'order')}" * (saving.orders < most.orders)
        + ")"
        for saving in savings
    ]
    value = format_run_amount(most.value, currency)
    orders = format_count(most.orders, "order")
    return f"On paper, in the same {orders} worth {value}, {agent} {', '.join(texts)}."


def describe_saving(saving: SavingOnPaper, currency: str) -> str:
    """What was saved on another strategy, or cost more than it.

    >>> describe_saving(SavingOnPaper("twap_take", 24, 1e6, -7.0, 2.0), "USD")
    'cost 700 USD more than twap_take'
    """
    amount = format_run_amount(abs(saving.saved), currency)
    other = bare_name(saving.against)
    return (
        f"saved {amount} on {other}"
        if saving.saved_bps >= 0
        else f"cost {amount} more than {other}"
    )


def how_sure(saving: SavingOnPaper) -> str:
    """Whether a saving may be chance, in words, by its 95 % interval."""
    if saving.half_bps is None:
        return "too few orders to say"
    return "sure" if saving.is_sure else "may be chance"


def format_saving_range(saving: SavingOnPaper, currency: str = "", before: str = "") -> str:
    """The 95 % interval of a saving in money, after `before`; "" without one."""
    if saving.half is None:
        return ""
    low, high = saving.saved - saving.half, saving.saved + saving.half
    return f"{before}{format_money(low, digits=0)} to {format_money(high, currency, 0)}"


def format_run_amount(amount: float, currency: str) -> str:
    """A run's money, without decimals if it is not small; the unit of an unknown currency in words.

    >>> format_run_amount(992.4, "USD"), format_run_amount(-1200.0, "")
    ('992 USD', '-1,200 units of the quote currency')
    """
    return format_money(amount, currency or "units of the quote currency", 0)


def agent_rows(outcome: DeskOutcome) -> tuple[list[str], list[list[str]]]:
    """Headings and one row per agent: its cost, and its difference from the others."""
    headings = [
        "agent",
        "strategy",
        "cost, bps",
        f"cost, {outcome.currency or 'quote currency'}",
        "saves on the others, bps",
        "share of the flow",
        "input shift, sd",
        "challenger on paper",
    ]
    rows = [
        [
            name,
            bare_name(agent.strategy),
            format_half_width(agent.is_bps, agent.half_bps, missing="none"),
            format_money(agent.cost, digits=0),
            format_half_width(agent.saves_bps, agent.saves_half_bps, missing="none"),
            format_percent(agent.share),
            ""
            if agent.drift is None
            else f"{agent.drift:.2f}" + ", outside training" * agent.drifting,
            agent.challenger or "",
        ]
        for name, agent in outcome.agents.items()
    ]
    return headings, rows
