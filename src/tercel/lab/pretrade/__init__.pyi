from tercel.lab.pretrade.closed_form import ScheduleCost as ScheduleCost
from tercel.lab.pretrade.closed_form import frontier as frontier
from tercel.lab.pretrade.closed_form import schedule_cost as schedule_cost
from tercel.lab.pretrade.like_orders import LikeCosts as LikeCosts
from tercel.lab.pretrade.like_orders import RecordedDays as RecordedDays
from tercel.lab.pretrade.like_orders import load_days as load_days
from tercel.lab.pretrade.like_orders import run_like_orders as run_like_orders
from tercel.lab.pretrade.next_day import Prediction as Prediction
from tercel.lab.pretrade.next_day import predict as predict

__all__ = [
    "LikeCosts",
    "Prediction",
    "RecordedDays",
    "ScheduleCost",
    "frontier",
    "load_days",
    "predict",
    "run_like_orders",
    "schedule_cost",
]
