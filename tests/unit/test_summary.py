"""What a study found, in words that claim no more than it shows."""

from dataclasses import replace

import optuna

from example_conclusions import ablated, confirmed
from example_search import search, searched
from example_spec import SPEC
from winnow.search.analysis import formatting, study_reader, study_record, summary
from winnow.search.analysis.commands import confirm_command
from winnow.search.analysis.conclusions import Conclusions
from winnow.search.report.confirmation import proposal
from winnow.search.study.validation import parse


def said_of(read: study_record.StudyRecord) -> str:
    return " ".join(summary.sentences(read))


def test_a_winner_is_named_with_its_gain_its_doubt_and_its_cost() -> None:
    read = searched(40)
    best, baseline = read.best, read.baseline
    assert best is not None
    assert baseline is not None
    said = said_of(read)
    gain = formatting.score(read.gain(best, baseline))
    assert f"Trial {best.number} won with a validation accuracy of {best.value:.4f}, {gain} better" in said
    assert f"the baseline's {baseline.value:.4f}" in said
    assert "Do not rely on this value yet" in said
    assert f"ran 40 trials ({len(read.ranked)} completed, {read.count('PRUNED')} pruned, 0 failed) by 2 workers" in said
    assert confirm_command(read) == "winnow confirm example"


def test_what_is_drawn_under_conditions_is_one_hyperparameter() -> None:
    study = optuna.create_study(direction="maximize")
    for optimizer, name in (("adam", "lr"), ("sgd", "lr@optimizer=sgd")):
        study.enqueue_trial({"optimizer": optimizer, name: 0.1})
    study.optimize(
        lambda trial: trial.suggest_float(
            "lr" if trial.suggest_categorical("optimizer", ["adam", "sgd"]) == "adam" else "lr@optimizer=sgd", 0, 1
        ),
        n_trials=2,
    )
    read = study_reader.read(study, {})
    assert summary.drawn_names(read) == ["optimizer", "lr"]
    assert [summary.drawn(trial, "lr") for trial in read.trials] == [0.1, 0.1]
    assert [row.name for row in summary.comparison(read)] == ["optimizer", "lr"]


def test_a_baseline_that_nothing_beat_is_said_to_be_the_best() -> None:
    read = searched(1)
    assert "Nothing beat the baseline: its validation accuracy" in said_of(read)
    assert "is the best of 1 completed trial. The search ran 1 trial (" in said_of(read)
    assert summary.comparison(read) == [], "it is not set beside itself"
    assert proposal(read) is None, "nothing else completed that it could be compared with"


def test_a_winner_that_is_the_baseline_with_another_seed_is_no_gain() -> None:
    read = searched(1)
    again = replace(read.trials[0], number=1, baseline=False, value=0.99, config={**read.trials[0].config, "seed": 7})
    read = replace(read, trials=(*read.trials, again))
    assert "It has the baseline's own configuration: the difference is another seed's, and no gain." in said_of(read)
    assert summary.comparison(read) == [], "they differ in nothing"


def test_a_study_without_baseline_or_without_results_says_so() -> None:
    study = optuna.create_study()
    assert "No trial has finished yet" in said_of(study_reader.read(study, {}))
    trial = study.ask()
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    assert "No trial has completed" in said_of(study_reader.read(study, {}))
    study.optimize(lambda trial: 1.0, n_trials=1)
    assert "has no baseline" in said_of(study_reader.read(study, {}))


def test_the_comparison_shows_what_was_trained_and_leaves_out_what_played_no_part() -> None:
    study, rows = search(40)
    read = study_reader.read(study, rows)
    rows_by_name = {row.name: row for row in summary.comparison(read)}
    assert list(rows_by_name) == list(read.parameter_names)
    assert rows_by_name["weight_decay"].baseline == 0.0
    assert rows_by_name["momentum"].baseline is None


def test_the_comparison_shows_what_held_where_a_hyperparameter_was_drawn_for_other_networks_only() -> None:
    study = optuna.create_study(direction="maximize")
    for widths, activation in ((128, "relu"), (124, "leaky_relu"), (64, "relu")):
        drawn = {"widths": widths} | ({"activation": activation} if activation != "relu" else {})
        config = {"model": "mlp", "widths": [widths], "activation": activation}
        study.enqueue_trial(drawn, user_attrs={"winnow:baseline": widths == 128, "winnow:config": config})

    def reach(trial: optuna.Trial) -> float:
        if trial.suggest_categorical("widths", [128, 124, 64]) == 124:
            trial.suggest_categorical("activation", ["leaky_relu"])
        return float(trial.number)

    study.optimize(reach, n_trials=3)
    compared = {row.name: row for row in summary.comparison(study_reader.read(study, {}))}
    assert compared["activation"] == summary.Compared("activation", True, "relu", "relu")


def test_the_comparison_adds_unsearched_hyperparameters_that_differ() -> None:
    study = optuna.create_study(direction="maximize")
    for number, width in enumerate((64, 128)):
        study.enqueue_trial(
            {}, user_attrs={"winnow:baseline": number == 0, "winnow:config": {"width": width, "seed": 1}}
        )
    study.optimize(lambda trial: float(trial.number), n_trials=2)
    assert summary.comparison(study_reader.read(study, {})) == [summary.Compared("width", False, 64, 128)]


def test_a_confirmation_takes_the_place_of_the_doubt() -> None:
    found = Conclusions(confirmed(), (ablated(),), {"confirmation": 200.0, "ablation": 3000.0})
    said = " ".join(summary.sentences(searched(40), found))
    assert "Do not rely on this value yet" not in said
    assert (
        "Trained again with 3 fresh seeds, trial 7 comes out ahead and reaches a test accuracy of 0.9313 ± 0.0025"
        in said
    )
    assert "the winner is better than the baseline: +0.1480, 95 % interval +0.1187 to +0.1711 on these" in said
    assert "trial 7 is not significantly better than trial 3" in said
    assert "Trial 25 became the search's best afterwards and is not confirmed." in said
    assert "Alone, learning rate makes the biggest difference" in said
    assert "Training time since: 3 min 20 s for the confirmation and 50 min 0 s for the ablation." in said


def test_an_audit_is_advised_where_a_pruner_is_asked() -> None:
    cut = replace(searched(1).trials[0], state="PRUNED", baseline=False, number=1)
    read = replace(searched(1), trials=(*searched(1).trials, cut))
    assert cut.cut_short
    for sampler, advised in (("tpe", True), ("freeze_thaw", False)):
        spec = parse(f"{SPEC}[sampler]\nname = '{sampler}'\n", "SPEC")
        said = " ".join(summary.sentences(read, Conclusions(spec=spec)))
        assert ("audit = 0.1" in said) is advised, sampler
