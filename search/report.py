"""The report: one HTML file that opens without a network, and never asks for one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search import importance, summary
from search.errors import StudyError
from search.history import History, TrialRecord
from search.plots import curves, effects, progress

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class Picture:
    """A figure with its heading and what it shows, in words; only the words where there is nothing to draw."""

    title: str
    caption: str
    figure: "Figure | None"

    @property
    def json(self) -> str:
        """The figure as JSON that cannot end the script element that it stands in."""
        return "" if self.figure is None else str(self.figure.to_json()).replace("<", "\\u003c")


def write(history: History, path: Path) -> None:
    """Write the report on `history` to `path`, replacing what was there; raises OSError where it cannot."""
    path.write_text(render(history), encoding="utf-8")


def render(history: History) -> str:
    """The report as one HTML document, plotly's library and all figures inside."""
    import jinja2
    import plotly

    # Names, reasons and attributes come from users: everything is escaped unless the template says `safe`.
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("search", "page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=summary.number, duration=summary.duration)
    return environment.get_template("report.html.jinja").render(
        history=history,
        sentences=summary.sentences(history),
        comparison=summary.comparison(history),
        pictures=pictures(history),
        rows=_by_rank(history),
        provenance=_provenance(history),
        confirm_command=summary.confirm_command(history),
        commands=_commands(history),
        plotly=plotly.offline.get_plotlyjs(),
    )


def pictures(history: History) -> list[Picture]:
    """Every picture of the report, in order."""
    return [
        Picture(
            "How the search went",
            "Each point is a trial; the line is the best completed trial so far. A pruned trial stands at the last "
            "value that it reported.",
            progress.optimisation_history(history),
        ),
        Picture(
            "Learning curves",
            "The five best trials and the baseline, over the median and the middle half of all trials that reached "
            "the epoch. Pruning ends the weak ones early, so the band of later epochs is made of the stronger.",
            curves.learning_curves(history),
        ),
        *_before_and_after(history),
        _importance(history),
    ]


def _before_and_after(history: History) -> list[Picture]:
    drawn = [
        Picture(
            f"Baseline against best: {quantity}",
            f"The {quantity} on validation (solid) and on training data (dotted). A gap that grows is overfitting.",
            curves.baseline_against_best(history, quantity),
        )
        for quantity in ("accuracy", "loss")
    ]
    return [picture for picture in drawn if picture.figure is not None]


def _importance(history: History) -> Picture:
    title = "What the results hang on"
    try:
        found = importance.assess(history)
    except StudyError as refusal:
        return Picture(title, f"{refusal}.", None)
    caption = (
        f"{found.method} asks {found.question}. It says where the good values lie, not how much a change would help: "
        "only retraining with and without it can tell."
    )
    return Picture(title, caption, effects.importance_bars(found))


def _by_rank(history: History) -> Sequence[TrialRecord]:
    """The trials as the table opens: completed ones from the best down, then all others by number."""
    ranked = set(trial.number for trial in history.ranked)
    return [*history.ranked, *(trial for trial in history.trials if trial.number not in ranked)]


def _commands(history: History) -> list[str]:
    """What repeats the winner and remakes this page; the stock command for a study that recorded no configuration."""
    study = summary.quoted(history)
    if history.best is None:
        return [f"winnow report {study}"]
    if not history.best.config:
        return [f"optuna best-trial --study-name {study}"]
    return [f"winnow replay {study} {history.best.number}", f"winnow report {study}"]


def _provenance(history: History) -> dict[str, Any]:
    """What the best trial (or the last) recorded of how it ran."""
    trial = history.best or (history.trials[-1] if history.trials else None)
    return {**trial.training, **trial.run} if trial else {}
