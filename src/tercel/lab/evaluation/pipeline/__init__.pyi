from tercel.lab.evaluation.market import cached_market as cached_market
from tercel.lab.evaluation.pipeline.candidates import ALL as ALL
from tercel.lab.evaluation.pipeline.candidates import Candidate as Candidate
from tercel.lab.evaluation.pipeline.participants import Participants as Participants
from tercel.lab.evaluation.pipeline.candidates import baselines_of as baselines_of
from tercel.lab.evaluation.pipeline.participants import select_participants as select_participants
from tercel.lab.evaluation.pipeline.participants import members_of as members_of
from tercel.lab.evaluation.pipeline.candidates import policies_of as policies_of
from tercel.lab.evaluation.pipeline.cost_store import CostStore as CostStore
from tercel.lab.evaluation.comparisons import ScenarioCell as ScenarioCell
from tercel.lab.evaluation.pipeline.overflow import overflowing_rules as overflowing_rules
from tercel.lab.evaluation.pipeline.overflow import without_overflow as without_overflow
from tercel.lab.evaluation.pipeline.overflow import (
    without_overflowed_episodes as without_overflowed_episodes,
)
from tercel.lab.evaluation.pipeline.scenario_costs import ScenarioCosts as ScenarioCosts
from tercel.lab.evaluation.pipeline.scenario_costs import run_jobs as run_jobs
from tercel.lab.evaluation.pipeline.leaks import calibrated_on as calibrated_on
from tercel.lab.evaluation.pipeline.leaks import judged_days as judged_days
from tercel.lab.evaluation.pipeline.leaks import refuse_leaks as refuse_leaks
from tercel.lab.evaluation.pipeline.claim_text import POOLED as POOLED
from tercel.lab.evaluation.pipeline.sentences import claim_lines as claim_lines
from tercel.lab.evaluation.pipeline.claim_text import figure_name as figure_name
from tercel.lab.evaluation.pipeline.claim_text import format_gain as format_gain
from tercel.lab.evaluation.pipeline.claim_text import gains_figure as gains_figure
from tercel.lab.evaluation.pipeline.claim_text import row_label as row_label
from tercel.lab.evaluation.pipeline.claim_text import rank_opponents as rank_opponents
from tercel.lab.evaluation.scenario import PLAIN as PLAIN

__all__ = [
    "ALL",
    "PLAIN",
    "POOLED",
    "Candidate",
    "CostStore",
    "Participants",
    "ScenarioCell",
    "ScenarioCosts",
    "baselines_of",
    "cached_market",
    "calibrated_on",
    "claim_lines",
    "figure_name",
    "format_gain",
    "gains_figure",
    "judged_days",
    "members_of",
    "overflowing_rules",
    "policies_of",
    "rank_opponents",
    "refuse_leaks",
    "row_label",
    "run_jobs",
    "select_participants",
    "without_overflow",
    "without_overflowed_episodes",
]
