from tercel.lab.evaluation.market import cached_market as cached_market
from tercel.lab.evaluation.pipeline.candidates import (
    ALL as ALL,
    Candidate as Candidate,
    Participants as Participants,
    baselines_of as baselines_of,
    field_of as field_of,
    members_of as members_of,
    policies_of as policies_of,
)
from tercel.lab.evaluation.pipeline.evaluation import (
    Evaluation as Evaluation,
    MarketCell as MarketCell,
    overflowing as overflowing,
    without_overflow as without_overflow,
    without_overflowed as without_overflowed,
)
from tercel.lab.evaluation.pipeline.jobs import Results as Results, run_jobs as run_jobs
from tercel.lab.evaluation.pipeline.leaks import (
    calibrated_on as calibrated_on,
    judged_days as judged_days,
    refuse_leaks as refuse_leaks,
)
from tercel.lab.evaluation.pipeline.views import (
    POOLED as POOLED,
    claimed as claimed,
    figure_name as figure_name,
    gain as gain,
    gains_figure as gains_figure,
    label as label,
    ranked as ranked,
)
from tercel.lab.evaluation.scenario import PLAIN as PLAIN

__all__ = [
    "ALL",
    "PLAIN",
    "POOLED",
    "Candidate",
    "Evaluation",
    "MarketCell",
    "Participants",
    "Results",
    "baselines_of",
    "cached_market",
    "calibrated_on",
    "claimed",
    "field_of",
    "figure_name",
    "gain",
    "gains_figure",
    "judged_days",
    "label",
    "members_of",
    "overflowing",
    "policies_of",
    "ranked",
    "refuse_leaks",
    "run_jobs",
    "without_overflow",
    "without_overflowed",
]
