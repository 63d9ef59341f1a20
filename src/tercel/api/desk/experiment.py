"""Experiments of a desk's folder: table, sentences and page, and how many orders a saving needs before one begins."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from statistics import stdev
from typing import Final

from tercel.core.errors import refuse_if
from tercel.core.report import palette
from tercel.core.report.formatting import format_number
from tercel.core.report.page import Section, render_page
from tercel.core.report.svg import Figure, finish_figure, sketch
from tercel.core.report.tables import plain_table
from tercel.desk.console.experiment_report import (
    HEADINGS,
    SAVING_BPS,
    arm_rows,
    interval_text,
    sentences_of,
)
from tercel.desk.trading.experiment import read_experiments, whole_bps
from tercel.desk.trading.experiment_analysis import (
    ArmSaving,
    ExperimentReport,
    analyse_experiment,
    orders_needed,
)
from tercel.desk.trading.journal import kinds
from tercel.desk.trading.journal.agent_bodies import CostEntry
from tercel.desk.trading.journal.reader import JournalReader
from tercel.desk.trading.journal.verification import verify

NEEDED_HEADINGS: Final = ("agent", "orders", "cost, bps", "sd, bps", "orders needed")
LEAST_COSTS: Final = 3
"""Orders below which their costs have no standard deviation worth a plan."""


@dataclass(frozen=True)
class NeededOrders:
    """Orders that an experiment needs to tell a saving from 0, by the costs of orders that were not in one.

    Parameters
    ----------
    agent : str
        Whose orders, or the symbol of recorded days.
    orders : int
    mean_bps, sd_bps : float
        Cost of one: its mean and standard deviation.
    needed : int
        In all, two arms of equal shares.
    """

    agent: str
    orders: int
    mean_bps: float
    sd_bps: float
    needed: int


@dataclass(frozen=True)
class DeskExperiments:
    """Experiments of a desk, analysed.

    Parameters
    ----------
    folder : Path
    reports : tuple of ExperimentReport
    needed : tuple of NeededOrders
        By agent; for a desk without an experiment.
    saving_bps : float
        That is to be told from 0.
    fault : str
        What is wrong with the journal; "" where nothing is.
    """

    folder: Path
    reports: tuple[ExperimentReport, ...]
    needed: tuple[NeededOrders, ...]
    saving_bps: float
    fault: str

    def to_json(self) -> Mapping[str, object]:
        """The experiments as plain values."""
        return {
            "desk": str(self.folder),
            "fault": self.fault,
            "experiments": [
                {**report.to_json(), "sentences": sentences_of(report, self.saving_bps)}
                for report in self.reports
            ],
            "saving_bps": self.saving_bps,
            "needed": [vars(row) for row in self.needed],
        }

    def page(self) -> str:
        """The page: a section for each experiment, with the sequence over time."""
        sections = [
            Section(
                f"{report.name}, on the orders of {report.agent}",
                sentences_of(report, self.saving_bps),
                plain_table(HEADINGS, arm_rows(report)) + _balance_table(report),
                [_path_figure(saving, number) for number, saving in enumerate(report.savings)],
            )
            for report in self.reports
        ]
        lead = (
            self.fault
            or "Orders were assigned at random; every interval holds however often one looks."
        )
        return render_page(f"Experiments of {self.folder.name}", lead, sections)


def analyse_desk(folder: Path, saving_bps: float = SAVING_BPS) -> DeskExperiments:
    """Analyse the experiments of a desk's folder, also while it runs.

    Parameters
    ----------
    folder : Path
    saving_bps : float
        Saving whose orders are counted, above 0.

    Raises
    ------
    JournalError
        No journal, or one of another version.
    """
    refuse_if(
        not 0.001 <= saving_bps <= 1e6,
        "a saving above 0 bps",
        f"{saving_bps:g}",
        "such as `saving=2`",
    )
    with closing(JournalReader(folder)) as reader:
        records = read_experiments(reader)
        costs: dict[str, list[float]] = {}
        for _, entry in reader.read(0, (kinds.FEEDBACK,)) if not records else ():
            if (bps := whole_bps(CostEntry.of(entry))) is not None:
                costs.setdefault(entry.agent, []).append(bps)
    fault = verify(folder).fault
    text = (
        f"The journal has a fault: {fault}. What it lost is not in these figures." if fault else ""
    )
    return DeskExperiments(
        folder,
        tuple(analyse_experiment(record) for record in records.values()),
        tuple(
            needed_orders(agent, bps, saving_bps)
            for agent, bps in costs.items()
            if len(bps) >= LEAST_COSTS
        ),
        saving_bps,
        text,
    )


def needed_orders(agent: str, costs: Sequence[float], saving_bps: float) -> NeededOrders:
    """Orders that a saving needs, by the costs of an agent's orders, bps.

    >>> needed_orders("ann", [0.0, 10.0, 20.0], 2.0)
    NeededOrders(agent='ann', orders=3, mean_bps=10.0, sd_bps=10.0, needed=922)
    """
    sd = stdev(costs)
    return NeededOrders(
        agent, len(costs), sum(costs) / len(costs), sd, orders_needed(sd, saving_bps)
    )


def _balance_table(report: ExperimentReport) -> str:
    """HTML of the covariates' balance; "" before it is known."""
    rows = [
        [
            row.arm,
            row.covariate,
            format_number(row.difference, signed=True),
            format_number(row.p, 3),
        ]
        for row in report.balance
    ]
    headings = ("arm", "covariate", "difference, sd", "p")
    return plain_table(headings, rows, "Balance against the baseline") if rows else ""


def _path_figure(saving: ArmSaving, number: int) -> Figure:
    """Saving with its confidence sequence over the number of orders."""
    with sketch(2.6) as drawing:
        panel = drawing.subplots()
        if saving.path:
            n, mean, low, high = zip(*saving.path, strict=True)
            colour = palette.series_colours([saving.arm])[saving.arm].token
            panel.fill_between(n, low, high, color=colour, alpha=0.2, linewidth=0)
            panel.plot(n, mean, color=colour)
        panel.axhline(0.0, color=palette.SOFT.token, linewidth=1)
        panel.set(xlabel="orders", ylabel="saved, bps")
    return finish_figure(
        drawing,
        f"sequence_{number}",
        f"Saving of {saving.arm} on {saving.baseline} by the number of orders, at last {interval_text(saving)} bps.",
        f"What {saving.arm} saves on {saving.baseline}; the band is a confidence sequence: it holds at all looks together.",
    )
