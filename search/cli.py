"""The command line. Commands parse, call one function of the service, and print; nothing else happens here.

Every option has an environment twin: WINNOW_RUN_WORKERS for `winnow run --workers`, OPTUNA_STORAGE for --storage.
Modules are imported where they are used, so that `winnow --help` answers at once.
"""

import dataclasses
import logging
import os
import signal
import sys
from collections.abc import Callable
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from rich.console import Console

    from search.history import History
    from search.study import WinnowStudy
    from storage import Storage

DEFAULT_STORAGE = "sqlite:///winnow.db"
FLEET_PATIENCE = 600.0

storage_option = click.option(
    "--storage",
    "url",
    default=DEFAULT_STORAGE,
    envvar="OPTUNA_STORAGE",
    show_envvar=True,
    show_default=True,
    help="SQLAlchemy URL of the storage that all workers share.",
)
json_option = click.option("--json", is_flag=True, help="Print JSON for a script.")
workers_option = click.option(
    "--workers", type=click.IntRange(1, 256), help="Worker processes.  [default: one a GPU, or one a CPU core]"
)
lease_option = click.option(
    "--lease-seconds",
    type=click.FloatRange(1),
    default=30.0,
    show_default=True,
    help="A trial whose worker gives no sign for so long goes to another.",
)
study_argument = click.argument("study")
spec_argument = click.argument("spec", type=click.Path(path_type=Path))


class _Group(click.Group):
    """Prints what Winnow refuses as one sentence and leaves by its status; a traceback only with --debug."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            click.echo(f"winnow: {_sentence(error)}", err=True)
            ctx.exit(getattr(error, "status", 2 if hasattr(error, "remedy") else 1))


def _sentence(error: Exception) -> str:
    if hasattr(error, "remedy"):
        return str(error)
    return f"{type(error).__name__}: {error} (this is a fault of Winnow's; --debug shows where)"


@click.group(cls=_Group, context_settings={"auto_envvar_prefix": "WINNOW", "help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show tracebacks, and what happens inside.")
@click.version_option(package_name="winnow-hpo")
def cli(debug: bool) -> None:
    """Hyperparameter search for image models in PyTorch, on Optuna."""
    logging.basicConfig(format="winnow: %(message)s", level=logging.DEBUG if debug else logging.WARNING)
    for name in ("matplotlib", "PIL", "alembic", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)


@cli.command()
@spec_argument
@storage_option
@workers_option
@click.option("--trials", type=click.IntRange(1), help="Budget of trials, in place of the spec's.")
@click.option("--report", type=click.Path(path_type=Path), help="Where to write the report.")
@json_option
def run(spec: Path, url: str, workers: int | None, trials: int | None, report: Path | None, json: bool) -> None:
    """Search what SPEC says, on this machine; the same command goes on where it stopped."""
    study = _create(spec, url, trials)
    _work_here(study, workers)
    _print_result(study, report or _report_path(study.name), json)


@cli.command()
@spec_argument
@storage_option
@click.option("--trials", type=click.IntRange(1), help="Budget of trials, in place of the spec's.")
def create(spec: Path, url: str, trials: int | None) -> None:
    """Make the study of SPEC, or give one its new budget, and train nothing."""
    study = _create(spec, url, trials)
    click.echo(f"The study {study.name} is ready in {study.storage.place}.")
    click.echo(f"Next: winnow work {study.name}")


@cli.command()
@study_argument
@storage_option
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, mps.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="CPU threads of the trainer.")
@lease_option
@click.option(
    "--progress-minutes",
    type=click.FloatRange(0, min_open=True),
    default=30.0,
    show_default=True,
    help="A trainer that reports nothing for so long is taken to hang and is killed.",
)
def work(study: str, url: str, device: str, threads: int, lease_seconds: float, progress_minutes: float) -> None:
    """Be one worker of STUDY until nothing is left to do."""
    from search import study as studies
    from search.fleet import FLEET
    from search.processes import die_with_parent
    from search.trainer_process import WorkerOptions
    from search.worker import Worker

    if os.environ.get(FLEET):
        die_with_parent(signal.SIGTERM)
    # In a fleet it may be started during an outage of the database, to replace one that died.
    storage = _open(url, patience=FLEET_PATIENCE if os.environ.get(FLEET) else 0.0)
    Worker(studies.load(storage, study), WorkerOptions(device, threads, lease_seconds, progress_minutes)).run()


@cli.command()
@storage_option
@lease_option
@click.option("--every", type=click.FloatRange(1), help="Look again every so many seconds, without end.")
def reap(url: str, lease_seconds: float, every: float | None) -> None:
    """Bring back the trials of workers that are gone, when no worker is left to do it."""
    from search import reaper

    for numbers in reaper.reap(_open(url), lease_seconds, every):
        click.echo(f"{len(numbers)} trials go on: {', '.join(map(str, numbers))}" if numbers else "No trial was lost.")


@cli.command()
@spec_argument
@json_option
def check(spec: Path, json: bool) -> None:
    """Say whether SPEC can be run, and what it would search."""
    from search import checking

    checked = checking.read(spec)
    if json:
        click.echo(dumps(checked.model_dump(mode="json"), indent=2))
        return
    searched = ", ".join(checked.search) or "what its objective suggests"
    budget = checked.storage_budget
    click.echo(f"{spec} is good: {checked.name} searches {searched}")
    click.echo(f"by {checked.sampler.name} with pruner {checked.pruner.name}, {_budget_words(budget)}.")


@cli.command()
@study_argument
@storage_option
@json_option
def status(study: str, url: str, json: bool) -> None:
    """Where STUDY stands: its trials, best value, workers and failures."""
    from search import status as statuses

    now = statuses.read(_load(study, url))
    if json:
        click.echo(dumps(now.as_dict(), indent=2, default=str))
    else:
        from search import screens

        _console().print(screens.status(now))


@cli.command()
@study_argument
@storage_option
@click.option("--output", type=click.Path(path_type=Path), help="The file.  [default: reports/STUDY.html]")
def report(study: str, url: str, output: Path | None) -> None:
    """Write the report of STUDY: one HTML file that needs no network."""
    path = output or _report_path(study)
    _write_report(_open(url), study, path)
    click.echo(f"Report: {path}")


@cli.command()
@study_argument
@storage_option
@click.option("--pruned", is_flag=True, help="Take pruned trials in, at the last value that they reported.")
@json_option
def importance(study: str, url: str, pruned: bool, json: bool) -> None:
    """Which hyperparameters STUDY's results hang on: PED-ANOVA, fANOVA and MDI, with intervals."""
    from search import importance as importances
    from search import importance_tables

    found = importances.compare(_read_history(_open(url), study), pruned=pruned)
    if json:
        click.echo(dumps([dataclasses.asdict(each) for each in found], indent=2))
    else:
        _console().print(importance_tables.tables(found))


@cli.command()
@study_argument
@click.argument("number", type=click.IntRange(0))
@storage_option
@click.option("--device", default="cpu", show_default=True)
@json_option
def replay(study: str, number: int, url: str, device: str, json: bool) -> None:
    """Train trial NUMBER of STUDY again from its record and compare the curves, to the bit."""
    from search import replay as replays
    from search import screens

    result = replays.replay(_load(study, url), number, device)
    if json:
        click.echo(dumps({**dataclasses.asdict(result), "identical": result.identical}, indent=2))
    else:
        _console().print(screens.replay(result))
    if not result.identical:
        sys.exit(1)


@cli.command()
@study_argument
@storage_option
@workers_option
@click.option("--top", type=click.IntRange(1, 50), default=5, show_default=True, help="How many of the best to repeat.")
@click.option("--seeds", type=click.IntRange(1, 100), default=5, show_default=True, help="Fresh seeds a trial.")
@click.option("--export", type=click.Path(path_type=Path), help="Folder for the winner and its model card.")
@json_option
def confirm(study: str, url: str, workers: int | None, top: int, seeds: int, export: Path | None, json: bool) -> None:
    """Train the best trials of STUDY and its baseline again with fresh seeds, then read test data once."""
    from search import confirm as confirmations
    from search import repetitions, screens, winner

    entrants = repetitions.enter(_load(study, url), top, seeds)
    _work_in_rounds(
        lambda: repetitions.wanted(entrants, repetitions.read(entrants)),
        lambda rows: repetitions.repeat(entrants, rows),
        workers,
    )
    confirmation = confirmations.conclude(entrants, repetitions.read(entrants))
    if export is not None:
        winner.write(entrants, confirmation, export)
    if json:
        click.echo(dumps(screens.confirmation_numbers(confirmation), indent=2))
        return
    _console().print(screens.confirmation(confirmation))
    if export is not None:
        click.echo(f"Model: {export}")


@cli.command()
@study_argument
@storage_option
@workers_option
@click.option(
    "--from", "start", envvar="WINNOW_ABLATE_FROM", type=click.IntRange(0), help="Trial.  [default: baseline]"
)
@click.option("--to", "goal", envvar="WINNOW_ABLATE_TO", type=click.IntRange(0), help="Trial.  [default: the best]")
@click.option(
    "--method",
    "methods",
    envvar="WINNOW_ABLATE_METHOD",
    multiple=True,
    metavar="NAME=HYPERPARAMETER,…",
    help="Switch these hyperparameters as one; may be given again.  [default: as docs/hyperparameters.md says]",
)
@click.option("--seeds", type=click.IntRange(2, 100), default=5, show_default=True, help="Seeds of each first answer.")
@click.option("--looks", type=click.IntRange(1, 6), default=3, show_default=True, help="Seeds double up to the last.")
@click.option("--trainings", type=click.IntRange(1), help="No more trainings than these.  [default: no limit]")
@click.option("--so-far", is_flag=True, help="Say what the trainings so far tell, and train nothing.")
@json_option
def ablate(
    study: str,
    url: str,
    workers: int | None,
    start: int | None,
    goal: int | None,
    methods: tuple[str, ...],
    seeds: int,
    looks: int,
    trainings: int | None,
    so_far: bool,
    json: bool,
) -> None:
    """Measure what each method between the baseline and the best of STUDY does, by training with and without it."""
    from search import ablation, ablation_tables

    groups = {
        name.strip(): members.replace(" ", "").split(",") for name, _, members in (m.partition("=") for m in methods)
    }
    sides = ablation.between(_load(study, url), start, goal, groups, seeds=seeds, looks=looks, trainings=trainings)
    if not so_far:
        _work_in_rounds(
            lambda: sides.race.wanted(ablation.read(sides)), lambda wanted: ablation.add(sides, wanted), workers
        )
    found = ablation.conclude(sides)
    if json:
        click.echo(dumps(ablation_tables.numbers(found), indent=2))
    else:
        _console().print(ablation_tables.tables(found))


@cli.command()
@study_argument
@storage_option
@click.option(
    "--against",
    type=click.Choice(["parameters", "seconds"]),
    default="parameters",
    show_default=True,
    help="What shall be small beside a good value.",
)
@json_option
def front(study: str, url: str, against: Literal["parameters", "seconds"], json: bool) -> None:
    """Show the trials of STUDY that no other beats in value and in cost at once: its Pareto front."""
    from search import history, pareto, screens
    from storage import epochs

    loaded = _load(study, url)
    record = history.read(loaded.optuna, epochs.read(loaded.storage.engine, loaded.study_id))
    points = pareto.front(record, against)
    if json:
        click.echo(dumps([dataclasses.asdict(point) for point in points], indent=2))
    else:
        _console().print(screens.front(points, record.metric, against))


@cli.command()
@study_argument
@storage_option
@click.option(
    "--format", type=click.Choice(["csv", "parquet", "json"]), default="csv", show_default=True, help="Of files."
)
@click.option("--output", type=click.Path(path_type=Path), help="The folder.  [default: exports/STUDY]")
def export(study: str, url: str, format: Literal["csv", "parquet", "json"], output: Path | None) -> None:
    """Write the trials, epochs and ablations of STUDY as tables for other programs."""
    from search import ablation, history
    from search import export as exports
    from storage import epochs

    loaded = _load(study, url)
    record = history.read(loaded.optuna, epochs.read(loaded.storage.engine, loaded.study_id))
    found = [ablation.conclude(sides) for sides in ablation.recorded(loaded)]
    for path in exports.write(record, found, output or Path("exports") / study, format):
        click.echo(path)


@cli.command()
@spec_argument
@click.option("--output", type=click.Path(path_type=Path), help="The PNG.  [default: reports/NAME-augmentations.png]")
def augmentations(spec: Path, output: Path | None) -> None:
    """Draw what each choice of augmentation does to sixteen images of SPEC's data."""
    from objectives import gallery
    from search import checking
    from search.errors import SpecError

    checked = checking.read(spec)
    if not checked.built_in:
        raise SpecError(str(spec), "objective", "one's own objective augments by itself", "draw it there")
    path = output or Path("reports") / f"{checked.name}-augmentations.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    gallery.write(checked.data_spec, path)
    click.echo(f"Picture: {path}")


@cli.command()
@storage_option
@json_option
def doctor(url: str, json: bool) -> None:
    """Look at devices, storage and versions, and say what is wrong."""
    from search import doctor as doctors

    findings = doctors.examine(url)
    if json:
        click.echo(dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            click.echo(f"{'ok ' if finding.good else 'NO '} {finding.what:18} {finding.says}")
    if not all(finding.good for finding in findings):
        sys.exit(1)


# --- what several commands need


def _open(url: str, *, create: bool = False, patience: float = 0.0) -> "Storage":
    import optuna

    import storage

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return storage.open(url, create=create, patience=patience)


def _load(name: str, url: str) -> "WinnowStudy":
    from search import study as studies

    return studies.load(_open(url), name)


def _create(path: Path, url: str, trials: int | None) -> "WinnowStudy":
    from search import checking
    from search import study as studies

    spec = checking.read(path)
    if trials is not None:
        content = spec.model_dump(mode="json")
        spec = checking.check({**content, "budget": {**content["budget"], "trials": trials}}, str(path))
    return studies.create(_open(url, create=True), spec)


def _work_here(study: "WinnowStudy", workers: int | None) -> None:
    """Run a study on this machine's devices with progress on stderr; leaves with 130 when it was interrupted."""
    from search import devices, status
    from search.fleet import Fleet
    from search.progress import Progress

    now = status.read(study)
    if now.is_done:
        return
    console = _console(stderr=True)
    local = devices.local()
    fleet = Fleet(study, devices.assign(local, workers or len(local)))
    console.print(f"{study.name}: {_budget_words(now.spent.budget)} on {len(fleet.slots)} workers", highlight=False)
    with Progress(console, now) as progress:
        end = fleet.run(progress.show)
    if fleet.stopping:
        done = f"{end.finished} trials are finished, {end.active} wait to go on"
        console.print(f"Stopped: {done}. The same command goes on.", highlight=False)
        sys.exit(130)


def _work_in_rounds(
    wanted: Callable[[], list[Any]], add: Callable[[list[Any]], "WinnowStudy"], workers: int | None
) -> None:
    """Train what an analysis wants next, and again, until it wants nothing more."""
    from search import status
    from search.errors import StudyError

    while rows := wanted():
        study = add(rows)
        if status.read(study).is_done:
            raise StudyError(
                f"{len(rows)} trainings of {study.name!r} ended without leaving a result",
                f"winnow status {study.name} says why; optuna delete-study begins anew",
            )
        _work_here(study, workers)


def _print_result(study: "WinnowStudy", report_path: Path, as_json: bool) -> None:
    from search import screens, status, summary

    record = _write_report(study.storage, study.name, report_path)
    now = status.read(study)
    if as_json:
        click.echo(dumps({**now.as_dict(), "report": str(report_path)}, indent=2, default=str))
        return
    console = _console()
    console.print(screens.result(record))
    if now.stopped:
        console.print(f"The search {screens.stop_words(now)}.")
    console.print(f"Report: {report_path}", highlight=False, soft_wrap=True)
    if study.spec.built_in and record.best is not None:
        console.print(f"Next: {summary.confirm_command(record)}", highlight=False, soft_wrap=True)


def _write_report(storage: "Storage", name: str, path: Path) -> "History":
    from search import report

    record = _read_history(storage, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    report.write(record, path)
    return record


def _read_history(storage: "Storage", name: str) -> "History":
    """Any study, those of stock Optuna included."""
    import optuna

    from search import history
    from search.errors import StudyError
    from storage import epochs

    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        raise StudyError(f"there is no study {name!r} in {storage.place}", "see optuna studies") from None
    return history.read(study, epochs.read(storage.engine, storage.get_study_id_from_name(name)))


def _report_path(name: str) -> Path:
    return Path("reports") / f"{name}.html"


def _budget_words(budget: Any) -> str:
    parts = [
        f"{budget.trials} trials" if budget.trials is not None else "",
        f"{budget.hours:g} hours" if budget.hours is not None else "",
        f"{budget.device_hours:g} device-hours" if budget.device_hours is not None else "",
    ]
    return " or ".join(part for part in parts if part) + (" at most" if sum(map(bool, parts)) > 1 else "")


def _console(stderr: bool = False) -> "Console":
    from rich.console import Console

    return Console(stderr=stderr)


main: Callable[[], None] = cli
