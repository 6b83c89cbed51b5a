"""The report: one HTML file that opens without a network, and never asks for one."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from winnow.search.analysis import curve_reading, formatting, summary
from winnow.search.analysis import functional_anova as functional_anova
from winnow.search.analysis.commands import confirm_command, known_commands, quoted
from winnow.search.analysis.conclusions import Conclusions
from winnow.search.analysis.study_record import StudyRecord, TrialRecord
from winnow.search.report import conclusions, method, pictures, questions
from winnow.search.report.chapters import Chapter
from winnow.storage.files import write_whole

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def write(record: StudyRecord, path: Path, found: Conclusions | None = None, first: Sequence[Chapter] = ()) -> None:
    """Write the report on `record` to `path`, replacing what was there; raises OSError where it cannot."""
    write_whole(path, render(record, found, first).encode())


def render(record: StudyRecord, found: Conclusions | None = None, first: Sequence[Chapter] = ()) -> str:
    """Return the report as one HTML document, plotly's library and all figures inside.

    `found` is what was measured after the search. The chapters `first` stand before all others.
    """
    environment = html("winnow.search.report")
    environment.filters.update(drawn=summary.drawn, curve=curve)
    content = contents(record, found or Conclusions(), first)
    return str(environment.get_template("report.html.jinja").render(content, plotly=plotly_library()))


def html(*packages: str) -> Any:
    """Return what reads the templates of HTML that these packages have, with the words of all pages as filters."""
    import jinja2

    # Names, reasons and attributes come from users: everything is escaped unless the template says `safe`.
    environment = jinja2.Environment(autoescape=True, **settings(*packages))
    environment.filters.update(
        number=formatting.number,
        score=formatting.score,
        state=formatting.state_word,
        figure_json=figure_json,
    )
    return environment


@cache
def plotly_library() -> str:
    """Return Plotly's script for traces on flat axes, all that is drawn here: a third of the whole one."""
    return (files("winnow.search.report") / "page" / "plotly.min.js").read_text(encoding="utf-8")


def settings(*packages: str) -> dict[str, Any]:
    """Return how the templates of these packages are read, those of the first before all others."""
    import jinja2

    return {
        "loader": jinja2.ChoiceLoader([jinja2.PackageLoader(package, "page") for package in packages]),
        "undefined": jinja2.StrictUndefined,
        "trim_blocks": True,
        "lstrip_blocks": True,
    }


def contents(record: StudyRecord, found: Conclusions, first: Sequence[Chapter] = ()) -> dict[str, Any]:
    """Return all that a report says and shows, whatever its format."""
    anova = functional_anova.decompose_if_enough(record)
    return {
        "record": record,
        "sentences": summary.sentences(record, found),
        "comparison": summary.comparison(record),
        "chapters": [
            *first,
            *questions.chapters(record, found),
            *conclusions.chapters(record, found, anova),
            *pictures.chapters(record, anova),
        ],
        "names": summary.drawn_names(record),
        "rows": _by_rank(record),
        "method": method.sentences(record, found),
        "provenance": _provenance(record),
        "commands": _commands(record, found),
    }


def curve(trial: TrialRecord) -> str:
    """Return what the trial's learning curves show, in the words of a table's cell."""
    return curve_reading.read(trial).words or "—"


def figure_json(figure: "Figure") -> str:
    """Return the figure as JSON that cannot end the script element that it stands in."""
    return str(figure.to_json()).replace("<", "\\u003c")


def _by_rank(record: StudyRecord) -> Sequence[TrialRecord]:
    """Return the trials as the table opens: completed ones from the best down, then all others by number."""
    ranked = set(trial.number for trial in record.ranked)
    return [*record.ranked, *(trial for trial in record.trials if trial.number not in ranked)]


def _commands(record: StudyRecord, found: Conclusions) -> list[str]:
    """Return what repeats the winner and remakes this page.

    The stock command for a study that recorded no configuration.
    """
    study = quoted(record)
    if record.best is None:
        return [f"winnow report {study}"]
    if not record.best.config:
        return [f"optuna best-trial --study-name {study}"]
    confirmation = known_commands(confirm_command(record)) if found.confirmation else ()
    ablations = [f"winnow ablate {study} --from {a.start_number} --to {a.goal_number}" for a in found.ablations]
    return [f"winnow replay {study} {record.best.number}", *confirmation, *ablations, f"winnow report {study}"]


def _provenance(record: StudyRecord) -> dict[str, str]:
    """Return what the best trial (or the last) recorded of how it ran."""
    trial = record.best or (record.trials[-1] if record.trials else None)
    known = {**trial.training, **trial.run} if trial else {}
    return formatting.recorded({name: value for name, value in known.items() if value not in (None, "")})
