from tercel.lab.evaluation.pipeline.candidates import Candidate as Candidate
from tercel.lab.evaluation.pipeline.candidates import baselines_of as baselines_of
from tercel.lab.evaluation.pipeline.evaluation_result import MarketCell as MarketCell
from tercel.lab.evaluation.pipeline.families import Participants as Participants
from tercel.lab.evaluation.pipeline.families import field_of as field_of
from tercel.lab.evaluation.pipeline.jobs import Results as Results
from tercel.lab.evaluation.pipeline.leaks import refuse_leaks as refuse_leaks
from tercel.lab.evaluation.pipeline.overflow import without_overflow as without_overflow
from tercel.lab.evaluation.pipeline.results import Evaluation as Evaluation
from tercel.lab.evaluation.pipeline.run import run_jobs as run_jobs
from tercel.lab.evaluation.pipeline.scenarios import PLAIN as PLAIN
from tercel.lab.evaluation.pipeline.scenarios import Scenario as Scenario

__all__ = [
    "PLAIN",
    "Candidate",
    "Evaluation",
    "MarketCell",
    "Participants",
    "Results",
    "Scenario",
    "baselines_of",
    "field_of",
    "refuse_leaks",
    "run_jobs",
    "without_overflow",
]
