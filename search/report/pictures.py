"""The pictures of a search with their words, chapter by chapter: the report and the dashboard show these."""

import itertools
from collections.abc import Sequence

from optuna.distributions import CategoricalDistribution

from winnow.search.analysis import comparisons, curve_reading, importance, importance_trials
from winnow.search.analysis.axes import Axis
from winnow.search.analysis.formatting import duration
from winnow.search.analysis.functional_anova import FunctionalAnova
from winnow.search.analysis.importance import Importance
from winnow.search.analysis.pruning import savings
from winnow.search.analysis.study_record import StudyRecord, TrialRecord
from winnow.search.report import networks
from winnow.search.report.chapters import Chapter, Picture, Table
from winnow.search.report.figures import curves, effects, front, progress, space
from winnow.search.study.sections import Cost

_IMPORTANCE_CAVEAT = (
    "Lines are 95 % intervals; a pale bar's reaches the share of a random number. Importance says where good values "
    "lie, not how much a change would help: only retraining with and without it shows that."
)
_MOST_AXES = 8
_MOST_METRICS = 12
_FEWEST_IN_CONTOUR = 10
_MOST_NAMED = 12
_QUANTITIES = {
    "validation_accuracy": "accuracy",
    "validation_loss": "loss",
    "weight_norm": "norm of the weights",
    "lr": "learning rate",
}


def chapters(record: StudyRecord, anova: FunctionalAnova | None = None) -> list[Chapter]:
    """Return every picture of the search; with an `anova` slices show its means, and pairs are compared.

    Importance is that of the first method alone, which takes a second or two; `importance.compare` gives all.
    """
    shares, refusal = importance.assess_if_enough(record)
    found = [
        Chapter("The search", pictures=_search(record)),
        Chapter("The trainings", said_of_curves(record), tables=_shapes(record), pictures=_trainings(record)),
        networks.chapter(record),
        Chapter("The hyperparameters", _without(record, refusal), pictures=_hyperparameters(record, shares, anova)),
    ]
    return [chapter for chapter in found if chapter.pictures or chapter.sentences]


def _search(record: StudyRecord) -> list[Picture]:
    caption = (
        "Each point is a trial; the line is the best completed trial so far. A pruned trial stands at the last value "
        "that it reported."
    )
    drawn = [Picture("history", "Best so far", caption, progress.optimisation_history(record))]
    found = savings(record)
    if found.saved > 0:
        caption = (
            f"Pruning cut {found.trials} trials short. Had each run on to its planned end ({found.epochs:.0f} epochs "
            f"on the mean), the search would have cost {duration(found.saved)} of training time more: "
            f"{found.share:.0%} was saved."
        )
        drawn.append(Picture("pruning", "What pruning saved", caption, progress.pruning_savings(record)))
    if any(trial.worker for trial in record.finished):
        caption = "When each worker trained, from the first start on. In a gap a worker waited, was away or restarted."
        drawn.append(Picture("timeline", "Workers", caption, progress.timeline(record)))
    return drawn


def chosen(record: StudyRecord, trials: Sequence[int] = (), by: str = "") -> Chapter | None:
    """Return the curves of these trials, or of all by the values of a hyperparameter, in one picture a quantity.

    None where neither is asked for; raises StudyError for a trial or a hyperparameter that the study does not have.
    """
    members: dict[str, Sequence[TrialRecord]] = {f"trial {number}": [record.trial(number)] for number in trials}
    if by:
        Axis(record, by)
        members |= {f"{by} {group.name}": group.trials for group in comparisons.groups(record, [by])}
    if not members:
        return None
    caption = (
        "Validation, and training dotted; of several trainings, the mean, in which one that ended stays as it was."
    )
    title = f"By {by}" if by and not trials else "The trials that were asked for"
    return Chapter(
        title,
        pictures=[
            Picture(f"chosen-{quantity}", words.capitalize(), caption, curves.together(members, quantity, words))
            for quantity, words in _QUANTITIES.items()
        ],
    )


def said_of_curves(record: StudyRecord) -> list[str]:
    """Read the curves of the best trial and of the baseline aloud, and say what to try next."""
    said, best, baseline = [], record.best, record.baseline
    for trial, name in ((best, "best trial"), (baseline if baseline is not best else None, "baseline")):
        if trial is None or not trial.curve:
            continue
        found = curve_reading.read(trial)
        if found.shapes:
            said.append(f"The {name}, trial {trial.number}. {' '.join(found.sentences)}")
            said[-1] += f" {curve_reading.advice(trial, found)}" if trial is best else ""
        elif len(trial.curve) >= curve_reading.FEWEST:
            said.append(f"The {name}, trial {trial.number}, learned; its curves show none of the shapes to beware of.")
    return said


def _shapes(record: StudyRecord) -> list[Table]:
    """Return how many trainings have curves of each shape, where any has."""
    found = curve_reading.count(record)
    rows = [[shape, str(len(numbers)), _few(numbers)] for shape, numbers in found.items()]
    title = f"What the curves of {len(record.finished)} trainings show (docs/curves.md has the rules)"
    return [Table(title, ["curve", "trainings", "trials"], rows)] if rows else []


def _few(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:_MOST_NAMED]))
    return shown if len(numbers) <= _MOST_NAMED else f"{shown} and {len(numbers) - _MOST_NAMED} more"


def _trainings(record: StudyRecord) -> list[Picture]:
    return [
        Picture(
            "curves",
            "Learning curves",
            f"The best trials, five at most{', and the baseline' if record.baseline else ''}, over the median and the "
            "middle half of all trials that reached the epoch: those that ended early, pruned or stopped, are not in "
            "the band of later ones.",
            curves.learning_curves(record),
        ),
        *(
            Picture(
                f"baseline-{quantity}",
                f"Baseline against best: {quantity}",
                f"The {quantity} on validation (solid) and on training data (dotted). A gap that grows is overfitting.",
                curves.baseline_against_best(record, quantity),
            )
            for quantity in ("accuracy", "loss")
        ),
        Picture(
            "gap",
            "Generalisation gap",
            "How much better each completed trial is on training than on validation data; large gaps are overfitting.",
            curves.generalisation_gap(record),
        ),
        Picture(
            "norms",
            "Weight norms",
            "The Frobenius norm of all weights, which weight decay and penalties keep small.",
            curves.quantity_curves(record, "weight_norm", "norm of the weights"),
        ),
        *(
            Picture(
                f"metric-{place}",
                f"Also measured: {name}",
                f"What the objective reported as {name}, of the best trials and the baseline.",
                curves.quantity_curves(record, name, name),
            )
            for place, name in enumerate(curves.extra_metrics(record.trials)[:_MOST_METRICS])
        ),
    ]


def _without(record: StudyRecord, refusal: str) -> list[str]:
    """Return why no importance is shown, where there is none; of a single hyperparameter nobody asks it."""
    return [f"No importance is shown: {refusal}"] if refusal and len(record.parameter_names) != 1 else []


def importance_of(record: StudyRecord, found: Importance) -> Picture:
    """Return the share of each hyperparameter, and what to make of it."""
    caption = [
        f"{found.method} asks {found.question}.",
        f"Of these, {found.pruned} were pruned, and so stand behind all that completed." if found.pruned else "",
        _IMPORTANCE_CAVEAT,
        importance.doubt([found], record),
    ]
    drawn = effects.importance_bars(found)
    return Picture("importance", "Hyperparameter importance", " ".join(filter(None, caption)), drawn)


def _hyperparameters(record: StudyRecord, shares: Importance | None, anova: FunctionalAnova | None) -> list[Picture]:
    drawn = [importance_of(record, shares)] if shares and len(record.parameter_names) > 1 else []
    if anova is not None and anova.interactions:
        drawn.append(_interactions(anova))
    drawn += front_of(record)
    return [*drawn, *_space(record, shares, anova)]


def _interactions(anova: FunctionalAnova) -> Picture:
    clear = [" and ".join(interaction.names) for interaction in anova.interactions if interaction.certain]
    says = f"Significant: {', '.join(clear)}." if clear else "None is significant in these trials."
    caption = (
        f"The share of the variance that two hyperparameters explain only together, in a random forest fitted to "
        f"{anova.trials} trials (functional ANOVA; Hutter et al., 2014), which understates it. Lines are 95 % "
        f"intervals; a pale bar's reaches what forests find where there is no interaction. {says}"
    )
    return Picture("interactions", "Hyperparameter interactions", caption, effects.interactions(anova.interactions))


def front_of(record: StudyRecord) -> list[Picture]:
    """Draw the value against what it costs, where trials differ in that."""
    costs: Sequence[tuple[Cost, str]] = (("parameters", "Value against size"), ("seconds", "Value against time"))
    caption = (
        "Each point is a completed trial with its one seed. No other trial is better and cheaper at once than one on "
        "the line, the Pareto front."
    )
    return [Picture(f"front-{cost}", title, caption, front.scatter(record, cost)) for cost, title in costs]


def _space(record: StudyRecord, shares: Importance | None, anova: FunctionalAnova | None) -> list[Picture]:
    names = [share.name for share in shares.shares] if shares else []
    names += [name for name in record.parameter_names if name not in names]
    ranked = names[:_MOST_AXES]
    drawn = []
    if len(ranked) > 1 and len(record.ranked) > 1:
        caption = "Each line is a completed trial, through its hyperparameters to its value."
        drawn.append(Picture("parallel", "Parallel coordinates", caption, space.parallel_coordinates(record, ranked)))
    pair = _numeric_pair(record, ranked, anova)
    if pair:
        whose = ", which the pruner chose" if importance_trials.survivors(record) else ""
        caption = f"Smoothed over the completed trials (the points){whose}; blank where too few of them bear on it."
        drawn.append(Picture("contour", " and ".join(pair), caption, space.contour(record, *pair)))
    crosses = "; a cross is a training that diverged" if any(trial.diverged for trial in record.trials) else ""
    for name in ranked:
        marginal = anova.marginal(name) if anova else None
        mean = ""
        if marginal and anova and anova.of_survivors:
            marginal, mean = None, " No mean is drawn over them: the pruner chose which ones completed."
        elif marginal:
            mean = " In green, the mean over all other hyperparameters with its 95 % interval, from a random forest."
        caption = f"Every finished trial over {name}{crosses}.{mean}"
        title = f"{record.metric} over {name}"
        drawn.append(Picture(f"slice-{len(drawn)}", title, caption, space.parameter_slice(record, name, marginal)))
    return drawn


def _numeric_pair(record: StudyRecord, names: Sequence[str], anova: FunctionalAnova | None) -> tuple[str, str] | None:
    """Return two numeric hyperparameters that enough completed trials searched together: those that interact most."""
    numeric = [
        name
        for name in names
        if not any(isinstance(trial.distributions.get(name), CategoricalDistribution) for trial in record.trials)
    ]
    interacting = [pair.names for pair in anova.interactions if {*pair.names} <= {*numeric}] if anova else []
    for x, y in [*interacting, *itertools.combinations(numeric, 2)]:
        together = sum(x in trial.parameters and y in trial.parameters for trial in record.ranked)
        if together >= _FEWEST_IN_CONTOUR:
            return x, y
    return None
