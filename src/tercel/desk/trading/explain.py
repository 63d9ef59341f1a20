"""Explanation of one journaled decision: what the strategy saw and wanted, what was sent, what the venue reported."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any, Final

from tercel.core.fixed_point import ONE, Unit, format_decimal as decimals
from tercel.core.messages import Style
from tercel.core.orders import CancelReject, Command, ExecType, NewOrder, ReplaceOrder, Report
from tercel.core.ports import Entry, Journal
from tercel.core.report.formatting import format_percent
from tercel.core.vocabulary import NO_ASK, NO_BID, SIDE_NAMES
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.agent_bodies import AlphaEntry, DecisionEntry
from tercel.desk.trading.journal.blobs import unpack
from tercel.desk.trading.journal.bodies import (
    AlertEntry,
    DeniedEntry,
    OrderOutEntry,
    ParentEntry,
    SessionEntry,
)
from tercel.desk.trading.journal.codec import command_of, message_of
from tercel.execution import columns as c, intent as intent_columns
from tercel.execution.features import FEATURES

_BPS: Final = ("alpha", "alpha_sd")
_MILLIONTHS: Final = ("urgency", "max_participation", "size_multiplier")
DAY_MIN: Final = 1440
_HALF_TICKS: Final = ("mid2", "arrival_mid2")
_COLUMN_TITLES: Final = {
    "qty0": "lots of the parent",
    "left": "lots left",
    "decision": "decision, from 0",
    "decisions": "decisions in the horizon",
    "live": "own lots at work",
    "outside_lots": "own lots off the ladder",
    "inflight": "own lots on their way",
    "touch": "best price, own side",
    "far": "best price, far side",
    "v_seen": "lots traded since arrival",
    "v_same": "lots taken on its side",
    "v_against": "lots taken against it",
    "ofi": "order flow imbalance",
    "rv": "squared half ticks",
    "rv_long": "squared half ticks, usually",
    "events": "events",
    "drift": "half ticks moved its way",
    "long_same": "lots taken on its side since the warm-up",
    "long_against": "lots taken against it since the warm-up",
    "long_ofi": "order flow imbalance since the warm-up",
    "seen_against": "lots taken against it since arrival",
    "long_drift": "half ticks moved its way since the warm-up",
}


def explain(journal: Journal, seq: int) -> Mapping[str, Any] | None:
    """The decision at a sequence number: {"title", "sentences", "tables": {name: {what: value}}}; None if that entry is none.

    The sentences name the guidance that the strategy had, what it wanted and what became of it; the tables hold what it
    saw.
    """
    entry = next((entry for number, entry in journal.read(seq - 1) if number == seq), None)
    if entry is None or entry.kind != kinds.DECISION:
        return None
    body = DecisionEntry.of(entry)
    listing = None
    for session in _entries_until(journal, seq, kinds.SESSION):
        listing = SessionEntry.of(session).listings.get(entry.instrument)
    sentences = [
        *_target_sentences(journal, seq, entry),
        *_market_sentences(entry, listing),
        *_guidance_sentences(journal, seq, entry, body),
        _intent_sentence(entry, body.intent, listing),
        *_outcome_sentences(journal, seq, entry, set(body.commands), listing),
        _version_sentence(journal, seq, entry),
    ]
    title = f"Decision {body.n} of {entry.agent} on {entry.instrument}, parent {entry.parent}"
    if body.strategy:
        title += f", by {body.strategy}"
    return {"title": title, "sentences": sentences, "tables": _observation_tables(entry)}


def _entries_until(journal: Journal, seq: int, *entry_kinds: str) -> Iterator[Entry]:
    """Entries of some kinds from the journal's first up to a sequence number, which is included."""
    return (
        entry
        for _, entry in takewhile(lambda numbered: numbered[0] <= seq, journal.read(0, entry_kinds))
    )


def _target_sentences(journal: Journal, seq: int, entry: Entry) -> list[str]:
    """Sentence, as a list, on the target that made the parent; [] for an order at random or by a person."""
    target = made_by = ""
    for earlier in _entries_until(journal, seq, kinds.SESSION, kinds.ALERT, kinds.PARENT):
        if earlier.kind == kinds.SESSION:
            target = ""
        elif earlier.kind == kinds.ALERT and earlier.instrument == entry.instrument:
            alert = AlertEntry.of(earlier)
            target = alert.text if alert.code == kinds.TARGET else target
        elif earlier.kind == kinds.PARENT and earlier.parent == entry.parent:
            body = ParentEntry.of(earlier)
            if body.event == "accepted":
                made_by = "" if body.operator is not None else target
    return [f"The file of targets requested it, {made_by}."] if made_by else []


def _version_sentence(journal: Journal, seq: int, entry: Entry) -> str:
    """Sentence on the code version and model weights of a decision."""
    code = model = ""
    for earlier in _entries_until(journal, seq, kinds.SESSION, kinds.PARENT):
        if earlier.kind == kinds.SESSION:
            code = SessionEntry.of(earlier).code
        elif earlier.parent == entry.parent:
            model = ParentEntry.of(earlier).model or model
    return f"Decided by code {code or 'not known'}" + (f", with weights {model}." if model else ".")


def decision_at(journal: Journal, parent: str | None, ns: int | None) -> int | None:
    """Sequence number of the last decision (None: of any parent) at or before a venue time (None: at any time); None if none."""
    last_seq = None
    for seq, entry in journal.read(0, (kinds.DECISION,)):
        if (parent is None or entry.parent == parent) and (ns is None or entry.ns <= ns):
            last_seq = seq
    return last_seq


def _observation_tables(entry: Entry) -> dict[str, dict[str, Any]]:
    """Tables {title: {name: value}} of what a decision saw: own orders, market, forecasts, scaled observation, as journaled."""
    arrays = unpack(entry.blob)
    tables: dict[str, dict[str, Any]] = {}
    for title, key, names in (
        ("its own orders", "x", c.X_NAMES[: c.UNDERCUT]),
        ("the market", "m", c.M_NAMES),
    ):
        if key in arrays:
            rows = zip(names, arrays[key].ravel().tolist(), strict=True)
            tables[title] = dict(_format_column(name, value) for name, value in rows)
    if "outlook" in arrays:
        # The forecasts of a decision as people read them.
        outlook = arrays["outlook"].ravel().tolist()
        table: dict[str, Any] = {
            "usual spread, ticks": outlook[c.USUAL_SPREAD] / 1000,
            "taking is charged more than resting": outlook[c.FEES] / 1000,
            "waiting costs, half spreads": outlook[c.WAITING] / 1e6
            if outlook[c.WAITING]
            else "not known",
        }
        table |= {
            f"next {ahead} s, against it": f"{outlook[mean] / 1000:+.2f}, sd {outlook[sd] / 1000:.2f}"
            if outlook[sd]
            else "none: it went on without"
            for ahead, mean, sd in (
                (10, c.FORECAST_10, c.FORECAST_10_SD),
                (30, c.FORECAST_30, c.FORECAST_30_SD),
            )
        }
        tables["what the forecaster said, bps"] = table
    if "obs" in arrays and arrays["obs"].size == len(FEATURES):
        values = zip(FEATURES, arrays["obs"].ravel().tolist(), strict=True)
        tables["what drift is computed from (scaled)"] = {
            name: round(value, 4) for name, value in values
        }
    return tables


def _format_column(name: str, value: int) -> tuple[str, int | float | str]:
    """A column's name and value as people read them."""
    if name in _BPS:
        return ("alpha against it, bps" if name == "alpha" else "its sd, bps"), value / 1000
    if name in _MILLIONTHS:
        return name.replace("_", " "), value / 1e6
    if name in _HALF_TICKS:
        return f"{name.removesuffix('2').replace('_', ' ')}, ticks", value / 2
    if name.endswith("_ns"):
        return f"{name.removesuffix('_ns').replace('_', ' ')}, s", round(value / 1e9, 3)
    if name == "side":
        return name, SIDE_NAMES[value]
    if name == "styles":
        return name, ", ".join(
            str(style.name).lower() for style in Style if value & style
        ) or "none"
    stem = name.rstrip("0123456789")
    number = name.lstrip("abcdefghijklmnopqrstuvwxyz_")
    if stem == "rest" and number:
        return f"own lots, rung {number}", value
    if stem == "ahead" and number:
        return f"lots ahead, rung {number}", "no order" if value < 0 else value
    if stem.startswith("past_") and number:
        column = {"same": "v_same", "against": "v_against"}.get(stem[5:], stem[5:])
        return f"{_COLUMN_TITLES[column]}, {number} back", value
    if stem in ("own", "far") and number:
        return f"lots, {stem} level {number}", value
    return _COLUMN_TITLES.get(name, name), value


def _market_sentences(entry: Entry, listing: Mapping[str, Any] | None) -> list[str]:
    """Sentences on a decision's order and market, in ticks without a `listing`; [] if neither was journaled."""
    arrays = unpack(entry.blob)
    if "x" not in arrays or "m" not in arrays:
        return []
    x = arrays["x"].ravel()
    m = arrays["m"].ravel()
    order = (
        f"It had {x[c.LEFT]:,} of {x[c.QTY0]:,} lots left to {SIDE_NAMES[x[c.SIDE]]}, and "
        f"{x[c.TIME_LEFT_NS] / 1e9:.0f} s of {x[c.HORIZON_NS] / 1e9:.0f} s."
    )
    bid, ask = sorted((int(m[c.TOUCH]), int(m[c.FAR])))
    moved = int(x[c.SIDE]) * (int(m[c.MID2]) - int(m[c.ARRIVAL_MID2])) / 2
    move = (
        f"{abs(moved):g} ticks {'against' if moved > 0 else 'for'} it" if moved else "where it was"
    )
    quotes = [price if NO_BID < price < NO_ASK else None for price in (bid, ask)]
    prices = " / ".join(
        "none" if price is None else _show_price(price * ONE, listing) for price in quotes
    )
    return [order, f"The market stood at {prices}; since arrival the mid is {move}."]


def _show_price(ticks: int, listing: Mapping[str, Any] | None) -> str:
    """A price of hundred-millionths of a tick in its listing's unit; in ticks, which it names, without a `listing`."""
    if listing is None:
        return f"{decimals(ticks)} ticks"
    return f"{Unit.of(listing).price(ticks):.10g}"


def _guidance_sentences(journal: Journal, seq: int, entry: Entry, body: DecisionEntry) -> list[str]:
    """Sentences on the forecast and the risk posture that a decision was given."""
    alpha = body.alpha
    posture = body.posture
    forecast = "No forecast was in force."
    if alpha is not None:
        minutes = alpha.horizon_ns / 60e9
        over = (
            f"over {minutes:g} min" if minutes < DAY_MIN else f"over {minutes / DAY_MIN:.3g} days"
        )
        sources = ", ".join(alpha.sources) or "nothing"
        forecast = f"Signals expected {alpha.expected_bps:+.1f} bps (sd {alpha.sd_bps:.1f}) {over}, from {sources}."
        forecast += _served_forecast(journal, seq, entry.instrument)
    risk = "No risk state was in force."
    if posture is not None:
        reasons = "; ".join(posture.reasons) or "nothing unusual"
        risk = (
            f"Risk allowed {format_percent(posture.max_participation)} of the volume at urgency "
            f"{posture.urgency:.2f} and size {posture.size_multiplier:.2f}: {reasons}."
        )
    return [forecast, risk]


def _served_forecast(journal: Journal, seq: int, instrument: str) -> str:
    """Sentence on the model of an instrument's last forecast up to `seq`, and the part of it within the round; "" if it was not
    served from files."""
    forecasts = [
        entry
        for entry in _entries_until(journal, seq, kinds.ALPHA)
        if entry.instrument == instrument
    ]
    body = AlphaEntry.of(forecasts[-1]) if forecasts else AlphaEntry()
    if not body.model:
        return ""
    ahead = f"{body.ahead_bps:+.2f} bps of it fall into the round"
    return f" Model {body.model} made it, known by {body.at}; {ahead}."


def _intent_sentence(entry: Entry, intent: Sequence[int], listing: Mapping[str, Any] | None) -> str:
    """Sentence on the orders that a decision wanted: style, prices, lots."""
    if not intent:
        return "It said nothing."
    arrays = unpack(entry.blob)
    side = int(arrays["x"].ravel()[c.SIDE]) if "x" in arrays else 0
    rest = [
        f"{lots:,} at {_show_price((intent[intent_columns.ANCHOR] - side * intent[intent_columns.STEP] * rung) * ONE, listing)}"
        if side
        else f"{lots:,} at rung {rung}"
        for rung, lots in enumerate(intent[intent_columns.REST0 :])
        if lots
    ]
    limit = intent[intent_columns.TAKE_LIMIT]
    worst = (
        "at any price"
        if abs(limit) >= intent_columns.MARKET_LIMIT
        else f"up to {_show_price(limit * ONE, listing)}"
    )
    take = (
        f"take {intent[intent_columns.TAKE]:,} lots {worst}"
        if intent[intent_columns.TAKE]
        else "take nothing"
    )
    return f"It wanted to {take} and to rest {', '.join(rest) if rest else 'nothing'}."


def _outcome_sentences(
    journal: Journal, seq: int, entry: Entry, names: set[str], listing: Mapping[str, Any] | None
) -> list[str]:
    """Sentences on the commands of a decision, and what the venue reported on each."""
    if not names:
        return ["Its orders already stood as it wanted them: no command was needed."]
    sentences = []
    for _, later in journal.read(seq, (kinds.ORDER_OUT, kinds.DENIED, kinds.REPORT_IN)):
        if later.order not in names or later.parent != entry.parent:
            continue
        if later.kind == kinds.ORDER_OUT:
            kind = OrderOutEntry.of(later).what
            sentences.append(
                f"Sent {later.order}: {_describe_command(kind, command_of(later.body), listing)}."
            )
        elif later.kind == kinds.DENIED:
            denied = DeniedEntry.of(later)
            sentences.append(f"Denied {later.order}: {denied.code} {denied.text}.")
        elif isinstance(message := message_of(later.body), Report):
            after_s = (later.ns - entry.ns) / 1e9
            sentences.append(
                f"The venue on {later.order}, {after_s:.3f} s later: {_describe_report(message, listing)}."
            )
        elif isinstance(message, CancelReject):
            sentences.append(
                f"The venue refused {later.order}: {message.text or 'no reason given'}."
            )
    return sentences


def _describe_command(kind: str, command: Command, listing: Mapping[str, Any] | None) -> str:
    """A command in a few words, for people."""
    if not isinstance(command, NewOrder | ReplaceOrder):
        return f"{kind} {command.orig}".strip()
    price = (
        "at any price"
        if command.price is None
        else f"at {_show_price(command.price * ONE, listing)}"
    )
    replaces = isinstance(command, ReplaceOrder)
    doing = f"replace {command.orig} by" if replaces else SIDE_NAMES[command.side]
    return f"{doing} {command.lots:,} lots {price}"


def _describe_report(report: Report, listing: Mapping[str, Any] | None) -> str:
    """A venue's report in a few words, for people."""
    terms = f"{decimals(report.last_qty)} lots", f"at {_show_price(report.last_px, listing)}"
    if report.exec_type is ExecType.TRADE:
        return f"{terms[0]} filled {terms[1]}, {'resting' if report.passive else 'taking'}"
    text = f" ({report.text})" if report.text else ""
    if report.exec_type is ExecType.CORRECTED:
        return f"execution {report.ref} was {' '.join(terms)}{text}"
    reference = f" of execution {report.ref}" if report.ref else ""
    return f"{report.exec_type}{reference}{text}"
