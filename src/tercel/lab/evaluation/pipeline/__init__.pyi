from tercel.lab.evaluation.pipeline.candidates import ALL as ALL
from tercel.lab.evaluation.pipeline.candidates import Candidate as Candidate
from tercel.lab.evaluation.pipeline.candidates import baselines_of as baselines_of
from tercel.lab.evaluation.pipeline.candidates import policies_of as policies_of
from tercel.lab.evaluation.pipeline.evaluation_result import MarketCell as MarketCell
from tercel.lab.evaluation.pipeline.families import Participants as Participants
from tercel.lab.evaluation.pipeline.families import field_of as field_of
from tercel.lab.evaluation.pipeline.families import members_of as members_of
from tercel.lab.evaluation.pipeline.jobs import Results as Results
from tercel.lab.evaluation.pipeline.jobs import run_jobs as run_jobs
from tercel.lab.evaluation.pipeline.leaks import calibrated_on as calibrated_on
from tercel.lab.evaluation.pipeline.leaks import judged_days as judged_days
from tercel.lab.evaluation.pipeline.leaks import refuse_leaks as refuse_leaks
from tercel.lab.evaluation.pipeline.notes import POOLED as POOLED
from tercel.lab.evaluation.pipeline.notes import claimed as claimed
from tercel.lab.evaluation.pipeline.notes import figure_name as figure_name
from tercel.lab.evaluation.pipeline.notes import gain as gain
from tercel.lab.evaluation.pipeline.notes import gains_figure as gains_figure
from tercel.lab.evaluation.pipeline.notes import label as label
from tercel.lab.evaluation.pipeline.notes import ranked as ranked
from tercel.lab.evaluation.pipeline.results import Evaluation as Evaluation
from tercel.lab.evaluation.pipeline.results import overflowing as overflowing
from tercel.lab.evaluation.pipeline.results import without_overflow as without_overflow
from tercel.lab.evaluation.pipeline.results import without_overflowed as without_overflowed
from tercel.lab.evaluation.pipeline.scenarios import PLAIN as PLAIN
from tercel.lab.evaluation.pipeline.scenarios import BuiltScenario as BuiltScenario
from tercel.lab.evaluation.pipeline.scenarios import Scenario as Scenario
from tercel.lab.evaluation.pipeline.scenarios import build_scenario as build_scenario

__all__ = [
    "ALL",
    "PLAIN",
    "POOLED",
    "BuiltScenario",
    "Candidate",
    "Evaluation",
    "MarketCell",
    "Participants",
    "Results",
    "Scenario",
    "baselines_of",
    "build_scenario",
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
