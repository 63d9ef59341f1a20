"""Tables of renamed public names and TOML keys, and look-up of a new name (`core.lazy`, `core.validation` refuse old ones)."""

from typing import Final

RENAMED: Final[dict[str, dict[str, str]]] = {
    "api": {
        "scored": "score_bounds",
    },
    "cli": {
        "listed_dates": "parse_dates",
        "listed_seeds": "parse_seeds",
        "reported": "report_errors",
        "stopped": "catch_interrupt",
    },
    "core": {
        "PATH": "PROOF_PATH",
        "ceiled": "ceil_units",
        "floored": "floor_units",
        "listed": "split_commas",
        "locked": "file_lock",
        "needed": "import_optional",
        "offer": "suggest_name",
        "proof": "simulation_proof",
        "refused": "refusal_report",
        "shown": "to_number",
        "stopping": "should_stop",
        "text": "format_decimal",
        "words_of": "expected_text",
    },
    "core.report": {
        "finished": "finish_figure",
        "fixed": "format_number",
        "render": "render_page",
        "spelt": "format_interval",
        "spelt_cell": "format_interval",
    },
    "desk.gate": {
        "beside_gate": "run_watchdog",
    },
    "desk.trading": {
        "accepted": "acceptance_entry",
    },
    "execution": {
        "checked": "wrap_strategy",
        "located": "import_object",
        "settle": "finish_intents",
        "standing": "standing_lots",
    },
    "execution.foresight": {
        "heard": "readable_forecaster",
    },
    "execution.policies": {
        "hearing": "with_forecaster",
    },
    "feeds": {
        "in_room": "run_with_room",
    },
    "fix": {
        "RAW": "RAW_DATA",
        "answered": "answer_simulation_query",
        "line": "one_line",
        "named": "check_name",
        "need": "require",
        "present": "drop_empty",
        "priced": "price_fields",
        "times": "time_fields",
        "whole": "parse_ns",
        "whose": "account_fields",
    },
    "lab.evaluation.pipeline": {
        "claimed": "claim_lines",
        "field_of": "select_participants",
        "gain": "format_gain",
        "label": "row_label",
        "overflowing": "overflowing_rules",
        "ranked": "rank_opponents",
        "without_overflowed": "without_overflowed_episodes",
    },
    "market": {
        "FIRST_MADE": "FIRST_SYNTHETIC_DATE",
        "by_day": "figure_by_day",
        "calibrated": "calibrate_preset",
        "clusters": "sums_by_cluster",
        "compiled": "load_compiled",
        "days_of": "read_preset_days",
        "estimates": "figure_estimates",
        "finite": "finite_or_none",
        "interleaved": "interleaved_differences",
        "keep": "with_scores",
        "of_one_market": "check_one_market",
        "over": "safe_ratio",
        "refuse_seen": "refuse_calibration_days",
        "rounded": "round_values",
        "seen_days": "overlapping_days",
        "seen_through": "limit_levels",
        "shares": "share_figures",
        "simulated": "simulate_stretch",
        "table": "sums_table",
        "values": "figure_values",
    },
    "market.impact": {
        "carrying": "with_pilot_law",
    },
    "market.regimes": {
        "chosen": "parse_regimes",
    },
    "market.simulator": {
        "synthetic": "synthetic_day",
        "theirs": "with_strict_bound",
    },
    "signals": {
        "checked": "check_facts",
        "checks": "translate_check_errors",
        "masked": "mask_numbers",
        "words": "split_words",
    },
    "signals.models": {
        "absent": "missing_library",
    },
    "signals.risk": {
        "asked": "posture_limits",
        "changed": "posture_changes",
    },
    "signals.runs": {
        "opened": "open_portfolio",
        "walked": "walk_families",
    },
}
"""Package below `tercel` -> former name -> name."""
KEYS: Final = {"loop.hedge": "loop.expert_weights"}
"""Former path of a key in a TOML file -> its path."""


def new_name(package: str, name: str) -> str:
    """What a former name of a package is called now; "" for any other name.

    >>> new_name("tercel.core", "shown"), new_name("tercel.core", "to_number")
    ('to_number', '')
    """
    return RENAMED.get(package.removeprefix("tercel."), {}).get(name, "")
