"""Importance: Optuna's numbers, and a refusal where they would be noise."""

import logging
from dataclasses import replace

import optuna
import pytest

from example_search import searched
from winnow.errors import StudyError
from winnow.search.analysis import importance
from winnow.search.analysis.importance_evaluators import Method
from winnow.search.analysis.study_reader import read
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.study.schedulers import Direction


def plain(
    objective: optuna.study.study.ObjectiveFuncType, trials: int, direction: Direction = "minimize"
) -> StudyRecord:
    study = optuna.create_study(study_name="plain", sampler=optuna.samplers.RandomSampler(seed=1), direction=direction)
    study.optimize(objective, n_trials=trials)
    return replace(read(study, {}), sampler="random")


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_the_parameter_that_decides_has_the_largest_share(direction: Direction) -> None:
    sign = 1 if direction == "minimize" else -1

    def objective(trial: optuna.Trial) -> float:
        strong, weak = trial.suggest_float("strong", -1, 1), trial.suggest_float("weak", -1, 1)
        return sign * (strong**2 + 0.01 * weak)

    found = importance.assess(plain(objective, 60, direction))
    assert [share.name for share in found.shares] == ["strong", "weak"]
    assert sum(share.share for share in found.shares) == pytest.approx(1)
    assert found.shares[0].share > 0.8
    assert found.shares[0].certain
    assert not found.shares[1].certain
    assert all(0 <= share.low <= share.share <= share.high <= 1 for share in found.shares)
    assert found.question == "what sets the best 6 of 60 trials apart"


def test_too_few_trials_are_refused_with_the_number_that_is_missing() -> None:
    with pytest.raises(StudyError, match="study 'plain' has 4; let 6 more end"):
        importance.assess(plain(lambda trial: trial.suggest_float("x", 0, 1), 4))


def test_pruned_trials_need_completed_ones_beside_them() -> None:
    def objective(trial: optuna.Trial) -> float:
        x = trial.suggest_float("x", 0, 1)
        trial.report(x, 1)
        if trial.number > 2:
            raise optuna.TrialPruned
        return x

    with pytest.raises(StudyError, match="5 of them completed, and of study 'plain' 3 completed; let 2 more complete"):
        importance.assess(plain(objective, 12))


def test_all_trials_but_the_baseline_count_and_forests_take_pruned_ones_only_where_asked() -> None:
    history = searched(40)
    everything = importance.assess(history)
    assert (everything.trials, everything.pruned) == (39, history.count("PRUNED"))
    searches = {share.name: share.trials for share in everything.shares}
    assert 0 < searches["momentum"] < searches["lr"] == everything.trials
    with pytest.raises(StudyError, match="what the survivors vary with is not what trials vary with"):
        importance.assess(history, "fANOVA")
    asked = importance.assess(history, "fANOVA", pruned=True)
    assert (asked.trials, asked.pruned) == (39, history.count("PRUNED"))


def test_the_same_trials_give_the_same_intervals() -> None:
    history = plain(lambda trial: trial.suggest_float("x", 0, 1) + trial.suggest_float("y", 0, 1), 12)
    assert importance.assess(history) == importance.assess(history)


def test_forests_agree_on_what_decides_and_leave_conditional_parameters_out() -> None:
    def objective(trial: optuna.Trial) -> float:
        strong, weak = trial.suggest_float("strong", -1, 1), trial.suggest_float("weak", -1, 1)
        if trial.number % 2:
            trial.suggest_float("sometimes", 0, 1)
        return strong**2 + 0.01 * weak

    found = importance.compare(plain(objective, 14))
    assert [each.method for each in found] == ["PED-ANOVA", "fANOVA", "MDI"]
    assert [sorted(share.name for share in each.shares) for each in found[1:]] == [["strong", "weak"]] * 2
    assert [[share.certain for share in each.shares] for each in found[1:]] == [[True, False]] * 2
    assert {each.shares[0].name for each in found} == {"strong"}
    assert importance.disagreement(found, replace(searched(20), sampler="random")) == ""


def test_where_a_sampler_draws_near_the_best_the_order_of_all_trials_is_asked_first() -> None:
    def objective(trial: optuna.Trial) -> float:
        strong, weak = trial.suggest_float("strong", -1, 1), trial.suggest_float("weak", -1, 1)
        trial.report(strong**2, 1)
        if strong**2 > 0.3:
            raise optuna.TrialPruned
        return strong**2 + 0.01 * weak

    anywhere = plain(objective, 40)
    assert importance.methods_for(anywhere) == ("MDI", "PED-ANOVA", "fANOVA")
    assert importance.doubt([importance.assess(anywhere)], anywhere) == ""
    near = replace(anywhere, sampler="tpe")
    (asked,) = importance.compare(near)
    assert (asked.method, asked.trials, asked.pruned) == ("MDI", 40, near.count("PRUNED"))
    assert asked.question == "what the order of 40 trials varies with"
    assert [share.name for share in asked.shares] == ["strong", "weak"]
    assert importance.assess_if_enough(near) == (asked, "")
    left_out = importance.left_out(near)
    assert left_out.startswith("PED-ANOVA is left out: the sampler drew near the best trials")
    assert "its sampler, which nobody recorded, may have drawn" in importance.left_out(replace(near, sampler=""))
    assert "fANOVA is left out: the pruner chose" in left_out
    assert "do not rely on the order" in importance.doubt([asked], near)
    some = [[trial for trial in near.trials if trial.state == state] for state in ("COMPLETE", "PRUNED")]
    few = replace(near, trials=(*some[0][:5], *some[1][:6]))
    assert "needs 12 trials" in importance.assess_if_enough(few)[1], "six for each"
    assert importance.assess_if_enough(replace(few, sampler="random"))[0] is not None
    assert importance.methods_for(replace(near, sampler=""))[0] == "MDI", "stock Optuna draws by TPE"


def test_hyperparameters_that_some_trials_search_are_named_where_only_a_forest_is_asked() -> None:
    history = replace(searched(40), sampler="tpe")
    found = importance.compare(history)
    assert [each.method for each in found] == ["MDI", "PED-ANOVA"]
    assert "PED-ANOVA may then rank wrongly" in importance.doubt(found, history)
    alone, _ = importance.assess_if_enough(history)
    assert alone == found[0]
    assert "Of momentum, which some trials alone searched, this tells nothing." in importance.doubt([alone], history)
    trials = tuple(replace(t, parameters={f"x{t.number % 2}": 0.5}) for t in history.trials)
    assert importance.methods_for(replace(history, trials=trials))[0] == "PED-ANOVA", "no forest knows any of them"


@pytest.mark.parametrize("method", ["MDI", "fANOVA"])
def test_a_range_that_moves_from_trial_to_trial_is_one_hyperparameter(method: Method) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda t: t.suggest_float("x", 0, 1 + t.number % 3) + 0.01 * t.suggest_int("n", 1, 9), n_trials=30)
    first = importance.assess(read(study, {}), method).shares[0]
    assert (first.name, first.share > 0.8) == ("x", True)


def test_a_few_trainings_that_broke_down_are_not_all_that_a_forest_sees() -> None:
    def objective(trial: optuna.Trial) -> float:
        strong, _ = trial.suggest_float("strong", -1, 1), trial.suggest_float("useless", -1, 1)
        return strong if trial.number % 30 else 1000.0

    strong, useless = importance.assess(plain(objective, 60), "MDI").shares
    assert strong.name == "strong"
    assert strong.share > 0.75
    assert not useless.certain


def test_methods_that_disagree_are_said_to() -> None:
    def of(method: Method, first: str, share: float = 1.0) -> importance.Importance:
        return importance.Importance(method, "", 20, 0, (importance.Share(first, share, 0.5, 1.0, 20, True),))

    anywhere, near = (replace(searched(20), sampler=sampler) for sampler in ("random", "tpe"))
    said = importance.disagreement([of("PED-ANOVA", "lr"), of("fANOVA", "dropout")], anywhere)
    assert "PED-ANOVA names lr, fANOVA names dropout" in said
    assert importance.disagreement([of("PED-ANOVA", "lr", 0.0), of("fANOVA", "dropout")], anywhere) == ""
    assert importance.disagreement([of("MDI", "dropout"), of("PED-ANOVA", "lr")], near) == "", "it is doubted anyway"
    assert "MDI names lr, fANOVA" in importance.disagreement([of("MDI", "lr"), of("fANOVA", "dropout")], near)


def test_equal_values_give_no_parameter_a_share() -> None:
    def objective(trial: optuna.Trial) -> float:
        return 0.0 * trial.suggest_float("x", 0, 1)

    (share,) = importance.assess(plain(objective, 12)).shares
    assert share.share == 0


def test_optuna_announces_no_study_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    history = plain(lambda trial: trial.suggest_float("x", 0, 1), 12)
    caplog.clear()
    with caplog.at_level(logging.INFO):
        importance.assess(history)
    assert not caplog.records
