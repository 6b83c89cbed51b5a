"""The pictures of a search with their words, chapter by chapter: the report and the dashboard show these."""

import itertools
from collections.abc import Sequence

from optuna.distributions import CategoricalDistribution

from search import importance
from search.chapters import Chapter, Picture
from search.errors import StudyError
from search.history import History
from search.importance import Importance
from search.plots import curves, effects, progress, space
from search.savings import savings
from search.words import duration

_MOST_AXES = 8
_FEWEST_IN_CONTOUR = 10


def chapters(history: History, importances: Sequence[Importance] | None = None) -> list[Chapter]:
    """Every picture of the search.

    Without `importances` they are PED-ANOVA's alone, which takes a second; `importance.compare` gives all.
    """
    refusal = ""
    if importances is None:
        importances, refusal = _quick_importance(history)
    found = [
        Chapter("The search", pictures=_search(history)),
        Chapter("The trainings", pictures=_trainings(history)),
        Chapter("The hyperparameters", pictures=[_importance(importances, refusal), *_space(history, importances)]),
    ]
    return [chapter for chapter in found if chapter.pictures]


def _search(history: History) -> list[Picture]:
    drawn = [
        Picture(
            "history",
            "Best so far",
            "Each point is a trial; the line is the best completed trial so far. A pruned trial stands at the last "
            "value that it reported.",
            progress.optimisation_history(history),
        )
    ]
    found = savings(history)
    if found.saved > 0:
        caption = (
            f"Pruning cut {found.trials} trials short. Had each run on to the {found.epochs:.0f} epochs of a completed "
            f"one, the search would have cost {duration(found.saved)} of device time more: {found.share:.0%} "
            "was saved."
        )
        drawn.append(Picture("pruning", "What pruning saved", caption, progress.pruning_savings(history)))
    if any(trial.worker for trial in history.finished):
        caption = "Who worked when, since the first start. A gap is a worker that waited, was away or started anew."
        drawn.append(Picture("timeline", "Workers", caption, progress.timeline(history)))
    return drawn


def _trainings(history: History) -> list[Picture]:
    drawn = [
        Picture(
            "curves",
            "Learning curves",
            "The five best trials and the baseline, over the median and the middle half of all trials that reached "
            "the epoch. Pruning ends the weak ones early, so the band of later epochs is made of the stronger.",
            curves.learning_curves(history),
        )
    ]
    drawn += [
        Picture(
            f"baseline-{quantity}",
            f"Baseline against best: {quantity}",
            f"The {quantity} on validation (solid) and on training data (dotted). A gap that grows is overfitting.",
            curves.baseline_against_best(history, quantity),
        )
        for quantity in ("accuracy", "loss")
    ]
    drawn += [
        Picture(
            "gap",
            "Generalisation gap",
            "How much better each completed trial did on the data that it trained on. The lower, the less it overfits.",
            curves.generalisation_gap(history),
        ),
        Picture(
            "norms",
            "Weight norms",
            "The Frobenius norm of all weights: what weight decay and penalties hold down.",
            curves.weight_norms(history),
        ),
    ]
    return [picture for picture in drawn if picture.figure is not None and picture.figure.data]


def _quick_importance(history: History) -> tuple[list[Importance], str]:
    """PED-ANOVA over the completed trials, or over pruned ones too where those are too few; or why there is none."""
    refusal = ""
    for pruned in (False, True):
        try:
            return [importance.assess(history, pruned=pruned)], ""
        except StudyError as error:
            refusal = f"{error}."
    return [], refusal


def _importance(importances: Sequence[Importance], refusal: str) -> Picture:
    title = "What the results hang on"
    if not importances:
        return Picture("importance", title, refusal, None)
    asked = "; ".join(f"{found.method} asks {found.question}" for found in importances)
    pruned = max(found.pruned for found in importances)
    caption = [
        f"{asked}.",
        f"Of these, {pruned} were pruned and stand at the last value that they reported." if pruned else "",
        "A line is a 95 % interval; a pale bar's reaches what a random number would be given.",
        "Importance says where the good values lie, not how much a change would help: only retraining with and "
        "without it can tell.",
        importance.disagreement(importances),
    ]
    drawn = effects.importance_bars(importances)
    return Picture("importance", title, " ".join(filter(None, caption)), drawn)


def _space(history: History, importances: Sequence[Importance]) -> list[Picture]:
    names = [share.name for share in importances[0].shares] if importances else list(history.parameter_names)
    ranked = names[:_MOST_AXES]
    drawn = []
    if len(ranked) > 1 and len(history.ranked) > 1:
        caption = "Each line is a completed trial, through its hyperparameters to its value."
        drawn.append(Picture("parallel", "Parallel coordinates", caption, space.parallel_coordinates(history, ranked)))
    pair = _numeric_pair(history, ranked)
    if pair:
        caption = "Smoothed over the completed trials (the points); blank where too few of them bear on it."
        drawn.append(Picture("contour", " and ".join(pair), caption, space.contour(history, *pair)))
    crosses = "; a cross is a training that diverged" if any(trial.diverged for trial in history.trials) else ""
    for name in ranked:
        caption = f"Every finished trial over {name}{crosses}."
        title = f"{history.metric} over {name}"
        drawn.append(Picture(f"slice-{len(drawn)}", title, caption, space.parameter_slice(history, name)))
    return drawn


def _numeric_pair(history: History, names: Sequence[str]) -> tuple[str, str] | None:
    """The first two numeric hyperparameters that enough completed trials searched together."""
    numeric = [
        name
        for name in names
        if not any(isinstance(trial.distributions.get(name), CategoricalDistribution) for trial in history.trials)
    ]
    for x, y in itertools.combinations(numeric, 2):
        together = sum(x in trial.parameters and y in trial.parameters for trial in history.ranked)
        if together >= _FEWEST_IN_CONTOUR:
            return x, y
    return None
