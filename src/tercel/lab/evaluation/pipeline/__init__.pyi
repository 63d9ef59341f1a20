from tercel.lab.evaluation.market import cached_market as cached_market
from tercel.lab.evaluation.pipeline.candidates import ALL as ALL
from tercel.lab.evaluation.pipeline.candidates import Candidate as Candidate
from tercel.lab.evaluation.pipeline.candidates import Participants as Participants
from tercel.lab.evaluation.pipeline.candidates import baselines_of as baselines_of
from tercel.lab.evaluation.pipeline.candidates import field_of as field_of
from tercel.lab.evaluation.pipeline.candidates import members_of as members_of
from tercel.lab.evaluation.pipeline.candidates import policies_of as policies_of
from tercel.lab.evaluation.pipeline.evaluation import Evaluation as Evaluation
from tercel.lab.evaluation.pipeline.evaluation import MarketCell as MarketCell
from tercel.lab.evaluation.pipeline.evaluation import overflowing as overflowing
from tercel.lab.evaluation.pipeline.evaluation import without_overflow as without_overflow
from tercel.lab.evaluation.pipeline.evaluation import without_overflowed as without_overflowed
from tercel.lab.evaluation.pipeline.jobs import Results as Results
from tercel.lab.evaluation.pipeline.jobs import run_jobs as run_jobs
from tercel.lab.evaluation.pipeline.leaks import calibrated_on as calibrated_on
from tercel.lab.evaluation.pipeline.leaks import judged_days as judged_days
from tercel.lab.evaluation.pipeline.leaks import refuse_leaks as refuse_leaks
from tercel.lab.evaluation.pipeline.views import POOLED as POOLED
from tercel.lab.evaluation.pipeline.views import claimed as claimed
from tercel.lab.evaluation.pipeline.views import figure_name as figure_name
from tercel.lab.evaluation.pipeline.views import gain as gain
from tercel.lab.evaluation.pipeline.views import gains_figure as gains_figure
from tercel.lab.evaluation.pipeline.views import label as label
from tercel.lab.evaluation.pipeline.views import ranked as ranked
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
