"""Freeze-thaw without a storage: what its space, its scores and its model say, and whole searches on known curves."""

import math
import statistics
from typing import Any

import numpy as np
import pytest

from winnow.objectives.space import Choice, Range, Space, only_active
from winnow.search.study.encoding import Encoding
from winnow.search.study.freeze_thaw.curve_model import CurveModel, Observations
from winnow.search.study.freeze_thaw.history import History
from winnow.search.study.freeze_thaw.scheduler import FreezeThaw
from winnow.search.study.freeze_thaw.scores import scores
from winnow.search.study.schedulers import ANY, Begin, Direction, GoOn, Outline, Standing

SPACE: Space = {
    "lr": Range(1e-4, 1.0, log=True),
    "optimizer": Choice(("sgd", "adam")),
    "momentum": Range(0.0, 0.99, when={"optimizer": ("sgd",)}),
    "batch_size": Range(16, 256, log=True, whole=True),
    "widths": Choice(([64], [128, 64])),
}
EPOCHS = 27


def test_a_point_is_the_parameters_of_a_trial_and_back():
    encoding, random = Encoding(SPACE), np.random.default_rng(0)
    for point in encoding.draw(200, random):
        parameters = encoding.parameters(point)
        assert parameters == only_active(SPACE, {"momentum": 0.5, **parameters})
        assert ("momentum" in parameters) == (parameters["optimizer"] == "sgd")
        assert isinstance(parameters["batch_size"], int)
        assert parameters["widths"] in ("[64]", "[128, 64]")
        assert encoding.parameters(encoding.point(parameters)) == pytest.approx(parameters)


def test_what_is_not_drawn_makes_no_difference():
    encoding = Encoding(SPACE)
    points = np.tile(encoding.draw(1, np.random.default_rng(0)), (4, 1))
    points[:, encoding.names.index("optimizer")] = [0.1, 0.1, 0.9, 0.9]
    points[:, encoding.names.index("momentum")] = [0.2, 0.8, 0.2, 0.8]
    features = encoding.features(points)
    assert not np.array_equal(features[0], features[1])
    assert np.array_equal(features[2], features[3])
    assert not np.array_equal(features[0], features[2])


def test_alternatives_of_one_hyperparameter_are_told_apart():
    space: Space = {
        "optimizer": Choice(("sgd", "adam")),
        "lr@optimizer=sgd": Range(1e-2, 1.0, log=True, when={"optimizer": ("sgd",)}),
        "lr": Range(1e-5, 1e-2, log=True),
    }
    encoding = Encoding(space)
    for point in encoding.draw(50, np.random.default_rng(0)):
        parameters = encoding.parameters(point)
        assert set(parameters) == {"optimizer", "lr@optimizer=sgd" if parameters["optimizer"] == "sgd" else "lr"}
        moved = np.where([name.startswith("lr") and name not in parameters for name in encoding.names], 0.123, point)
        assert np.array_equal(encoding.features(point[None]), encoding.features(moved[None]))


@pytest.mark.parametrize("scale", [lambda x: x, lambda x: 10 ** (9 * x), lambda x: 1 - 1e-7 * (1 - x)])
def test_scores_keep_the_order_and_are_bounded_on_every_scale(scale):
    values = np.random.default_rng(0).random(300)
    found = scores(scale(values))
    assert np.array_equal(np.argsort(found), np.argsort(values))
    assert np.abs(found).max() < 6
    assert found.std() == pytest.approx(1, abs=0.2)


def test_one_outlier_does_not_lead():
    found = scores(np.array([*np.linspace(0.1, 0.10001, 200), 0.9]))
    assert 2 < found[-1] < 6
    assert np.all(np.isfinite(scores(np.array([1.0, 1.0, 1.0]))))


def test_late_losses_are_told_apart_where_early_ones_are_larger_by_orders_of_magnitude():
    """Most of what a model is shown is early, and to that all late ones are equally near 0."""
    early, late = 10 ** np.linspace(1.5, 3, 60), 10 ** np.linspace(-3, -1, 10)
    found = scores(-np.concatenate([early, late]))[60:]
    assert np.diff(found)[:3].max() < -0.1


def test_an_excerpt_keeps_the_far_and_the_good_and_some_of_all_others():
    """A model that is shown only what was good takes what it is not shown for promising."""
    score = np.random.default_rng(0).permutation(np.arange(500.0)) / 100
    known = Observations(np.zeros((500, 1)), np.repeat([0.8, 0.0], [490, 10]), np.arange(500), score)
    kept = known.excerpt(100)
    assert len(kept) == 100
    assert kept.score.max() == score.max()
    assert kept.score.min() == score[:490].min()
    assert np.sum(kept.score < np.median(score)) > 25
    assert known.excerpt(500) is known


def test_the_model_goes_on_with_curves_and_learns_noise_and_lengths():
    random = np.random.default_rng(0)
    features = random.random((60, 2))
    end = -((features[:, 0] - 0.7) ** 2) * 8
    known = Observations(
        np.vstack([features, features[:15]]),
        np.concatenate([np.full(60, 0.8), np.zeros(15)]),
        np.concatenate([np.arange(60), np.arange(15)]),
        np.concatenate([end - 1, end[:15]]) + 0.1 * random.standard_normal(75),
    )
    model = CurveModel(np.arange(2))
    model.learn(known)
    model.condition(known)
    mean, deviation = model.predict(features, np.arange(60))
    assert np.corrcoef(mean[15:], end[15:])[0, 1] > 0.95
    assert np.abs(mean - end).mean() < 0.3
    assert deviation[:15].mean() < deviation[15:].mean()
    assert model.theta[0] < model.theta[1]  # the second feature matters not, and its length is the longer


def test_the_models_gradient_is_that_of_its_loss():
    random = np.random.default_rng(1)
    trial = random.integers(0, 10, 20)
    known = Observations(random.random((20, 3)), random.random(20), trial, random.standard_normal(20))
    model = CurveModel(np.array([0, 1, 1]))
    same = (trial[:, None] == trial).astype(float)
    theta = model.theta + 0.3 * random.standard_normal(len(model.theta))
    _, gradient = model._loss(theta, known, same)
    steps = 1e-5 * np.eye(len(theta))
    numeric = [
        (model._loss(theta + step, known, same)[0] - model._loss(theta - step, known, same)[0]) / 2e-5 for step in steps
    ]
    assert gradient == pytest.approx(numeric, rel=1e-3, abs=1e-4)


# --- whole searches


def curve(parameters, epoch):
    """Good near one rate with adam; rates above it diverge; no curve crosses another."""
    off = math.log10(parameters["lr"]) + 2
    if off > 1.5:
        return math.nan
    loss = off**2 + 0.5 * (parameters["optimizer"] == "sgd") + abs(parameters["batch_size"] - 64) / 256
    return 10 ** (loss + 3 * math.exp(-epoch / 8) - 2)


def search(scheduler, budget, workers=1, seed=0, most=10**6, sign=1.0, curve=curve):
    """Run so many epochs; every worker trains one in turn. Returns the trials."""
    trials: list[Outline] = []
    under_way: list[int] = []
    random, spent = np.random.default_rng(seed), 0
    while spent < budget:
        while len(under_way) < workers:
            match scheduler.next(trials, random, may_begin=len(trials) < most):
                case Begin(until, parameters):
                    assert parameters is not None
                    under_way.append(len(trials))
                    trials.append(Outline(len(trials), Standing.RUNNING, parameters, [], until))
                case GoOn(number, until):
                    paused = trials[number]
                    assert paused.standing is Standing.PAUSED
                    assert until is None or until > paused.epoch
                    under_way.append(number)
                    trials[number] = Outline(number, Standing.RUNNING, paused.parameters, paused.curve, until)
                case None:
                    break
        if not under_way:
            break
        number = under_way.pop(0)
        trial, spent = trials[number], spent + 1
        value = sign * curve(trial.parameters, trial.epoch + 1)
        if math.isnan(value):
            trials[number] = Outline(number, Standing.PRUNED, trial.parameters, trial.curve, trial.until)
            continue
        reached = [*trial.curve, (trial.epoch + 1, value)]
        standing = Standing.RUNNING
        if len(reached) == EPOCHS:
            standing = Standing.COMPLETE
        elif len(reached) == trial.until:
            standing = Standing.PAUSED
        else:
            under_way.append(number)
        trials[number] = Outline(number, standing, trial.parameters, reached, trial.until)
    return trials


def best(trials):
    return min((trial.curve[-1][1] for trial in trials if trial.standing is Standing.COMPLETE), default=math.inf)


@pytest.mark.parametrize(("workers", "trainings"), [(1, 10), (8, 25)])  # of 8 workers the first end after 8 trainings
def test_a_search_comes_nearer_than_chance_and_keeps_its_shares(workers, trainings):
    ours, chance = [], []
    for seed in range(3):
        scheduler = FreezeThaw(SPACE, EPOCHS, "minimize")
        trials = search(scheduler, trainings * EPOCHS, workers, seed)
        ours.append(math.log10(best(trials)))
        drawn = Encoding(SPACE).draw(trainings, np.random.default_rng(100 + seed))
        ends = [curve(Encoding(SPACE).parameters(point), EPOCHS) for point in drawn]
        chance.append(math.log10(min(end for end in ends if not math.isnan(end))))
        looks = sum(min(trial.epoch, 2) for trial in trials)
        spent = sum(trial.epoch for trial in trials)
        assert looks / spent == pytest.approx(scheduler._look_share(spent), abs=0.1)
    optimum = math.log10(curve({"lr": 1e-2, "optimizer": "adam", "batch_size": 64}, EPOCHS))
    assert statistics.mean(ours) - optimum < 0.5 * (statistics.mean(chance) - optimum)


def at_once(parameters, epoch):
    """Two thirds of all rates diverge in the first epoch, and the others do not show it before."""
    diverges = math.log10(parameters["lr"]) > -8 / 3
    return math.nan if diverges else curve({**parameters, "lr": 10 * parameters["lr"]}, epoch)


def up_to_a_cliff(parameters, epoch):
    """The higher the rate the better, until it is so high that trainings diverge after their first look."""
    rate = math.log10(parameters["lr"]) + 8 / 3
    if rate > 0 and epoch > 3:
        return math.nan
    loss = abs(rate - 2 / 3) / 2 + 0.5 * (parameters["optimizer"] == "sgd") + abs(parameters["batch_size"] - 64) / 256
    return 10 ** (loss + 3 * math.exp(-epoch / 8) - 2)


@pytest.mark.parametrize(("curve", "most"), [(at_once, 0.15), (up_to_a_cliff, 0.3)])
def test_where_most_trainings_diverge_the_others_are_still_told_apart(curve, most):
    values = {"optimizer": "adam", "batch_size": 64}
    optimum = math.log10(min(curve({"lr": rate, **values}, EPOCHS) for rate in (1e-3, 10 ** (-8 / 3))))
    off, died = [], []
    for seed in range(3):
        trials = search(FreezeThaw(SPACE, EPOCHS, "minimize"), 8 * EPOCHS, seed=seed, curve=curve)
        off.append(math.log10(best(trials)) - optimum)
        died.append(statistics.mean(not trial.curve for trial in trials[len(trials) // 2 :]))
    assert statistics.mean(off) < most
    assert statistics.mean(died) < 0.4, "of all configurations two thirds do, and a fifth of the looks is random"


def slow_starter(parameters, epoch):
    """The higher the rate the faster a curve falls, and the best end is that of a rate well below the highest."""
    rate = math.log10(parameters["lr"]) + 1.2
    end = 0.15 * rate**2 + 0.1 * (parameters["optimizer"] == "sgd") + abs(parameters["batch_size"] - 64) / 1000
    return end + (2 - end) * math.exp(-4 * 10 ** (rate / 3) * epoch / EPOCHS)


def test_what_begins_slowly_and_ends_well_is_found():
    """A model that takes ends for told by beginnings sees those of what begins well alone, and is never put right."""
    values = {"optimizer": "adam", "batch_size": 64}
    optimum, highest = (
        min(slow_starter({"lr": rate, **values}, EPOCHS) for rate in rates) for rates in (np.logspace(-4, 0), [1])
    )
    found = [
        best(search(FreezeThaw(SPACE, EPOCHS, "minimize"), 30 * EPOCHS, 1, seed, curve=slow_starter))
        for seed in range(4)
    ]
    assert statistics.mean(found) - optimum < 0.4 * (highest - optimum)


def test_several_workers_look_before_they_train_on_and_one_does_not():
    """Only of many is the best worth a whole training, and one worker, who can wait for no end, keeps to the shares."""
    few, many = (
        [Outline(number, Standing.PAUSED, {"lr": 0.1}, [(1, 9.0), (2, number)], 2) for number in range(count)]
        for count in (8, 20)
    )
    looking = [Outline(number, Standing.RUNNING, {"lr": 0.1}, [(1, 9.0)], 2) for number in range(20, 27)]
    whole = [Outline(number, Standing.RUNNING, {"lr": 0.1}, [(2, 9.0), (7, 9.0)], None) for number in range(27, 31)]

    def decisions(trials):
        scheduler = FreezeThaw(SPACE, EPOCHS, "minimize", look_share=0.8, startup=4)
        return [scheduler.next(trials, np.random.default_rng(seed)) for seed in range(8)]

    assert all(isinstance(decision, Begin) for decision in decisions([*few, *looking]))
    assert decisions([*many, *looking]) == [GoOn(0, 7)] * 8
    assert any(isinstance(decision, GoOn) for decision in decisions(few))
    assert all(isinstance(decision, Begin) for decision in decisions([*many, *looking[4:], *whole]))


@pytest.mark.parametrize("seed", range(3))
def test_the_first_whole_training_of_eight_workers_is_the_best_of_many_and_ends_in_time(seed):
    last_stretches = []

    class Watched(FreezeThaw):
        def next(self, trials, random, may_begin=True, shape=ANY):
            decision = super().next(trials, random, may_begin, shape)
            if isinstance(decision, GoOn) and decision.until is None:
                last_stretches.append((decision.number, list(trials)))
            return decision

    ended = search(Watched(SPACE, EPOCHS, "minimize"), 10 * EPOCHS, 8, seed)
    assert any(trial.standing is Standing.COMPLETE for trial in ended)
    first, trials = last_stretches[0]
    for rung, looks in ((2, 16), (7, 3)):
        values = sorted(value for trial in trials if (value := trial.value_at(rung)) is not None)
        assert len(values) >= looks
        assert trials[first].value_at(rung) in values[: len(values) // 3]


def test_no_configuration_is_begun_again_and_again():
    """Beside a trial that was begun, another tells less than going on with it."""
    trials = search(FreezeThaw(SPACE, EPOCHS, "minimize"), 8 * EPOCHS)
    encoding = Encoding(SPACE)
    points = encoding.features(np.array([encoding.point(trial.parameters) for trial in trials]))
    away = np.sqrt(((points[:, None] - points) ** 2).sum(2)) + 9 * np.eye(len(trials))
    assert (away.min(1) < 0.01).mean() < 0.2


def test_maximising_is_minimising_the_negative():
    small = search(FreezeThaw(SPACE, EPOCHS, "minimize"), 5 * EPOCHS)
    large = search(FreezeThaw(SPACE, EPOCHS, "maximize"), 5 * EPOCHS, sign=-1.0)
    assert [trial.parameters for trial in small] == [trial.parameters for trial in large]


def test_the_same_draws_make_the_same_search():
    first, second = (search(FreezeThaw(SPACE, EPOCHS, "minimize"), 5 * EPOCHS, 4) for _ in range(2))
    assert first == second


def test_a_spent_budget_of_trials_only_goes_on_and_ends():
    trials = search(FreezeThaw(SPACE, EPOCHS, "minimize"), 10**6, most=12)
    assert len(trials) == 12
    assert all(trial.standing in (Standing.COMPLETE, Standing.PRUNED) for trial in trials)


def test_a_space_where_everything_fails_is_searched_on():
    space: Space = {**SPACE, "lr": Range(0.5, 1.0, log=True)}
    trials = search(FreezeThaw(space, EPOCHS, "minimize"), 40)
    assert len(trials) == 40
    assert {trial.standing for trial in trials} <= {Standing.PRUNED, Standing.RUNNING}


def test_curves_without_a_number_are_gone_on_with_where_nothing_may_begin():
    trials = [Outline(number, Standing.PAUSED, {"lr": 0.1}, [(1, math.nan), (2, math.nan)], 2) for number in range(2)]
    decision = FreezeThaw(SPACE, EPOCHS, "minimize").next(trials, np.random.default_rng(0), may_begin=False)
    assert isinstance(decision, GoOn)


@pytest.mark.parametrize("standing", [Standing.FAILED, Standing.COMPLETE, Standing.PRUNED])
def test_trials_that_show_nothing_lead_to_another(standing):
    trials = [Outline(number, standing, {"lr": 0.1, "optimizer": "adam"}) for number in range(20)]
    decision = FreezeThaw(SPACE, EPOCHS, "minimize").next(trials, np.random.default_rng(0))
    assert isinstance(decision, Begin)


def test_a_trial_is_placed_by_all_that_it_has_drawn_by_then():
    encoding = Encoding(SPACE)
    history = History(encoding, (2, 7), EPOCHS, "minimize")
    drawn: dict[str, Any] = {"lr": 1e-4, "optimizer": "adam", "batch_size": 16, "widths": "[64]"}
    some, more, every = (
        history.of([Outline(0, standing, parameters, curve)])["point"][0].tolist()
        for standing, parameters, curve in [
            (Standing.RUNNING, {}, []),
            (Standing.RUNNING, {"lr": 1e-4}, []),
            (Standing.PAUSED, drawn, [(1, 0.5)]),
        ]
    )
    assert some == [0.5] * len(encoding.names)
    assert more != some
    assert every == encoding.point(drawn).tolist()


def test_what_is_read_once_is_what_would_be_read_anew():
    """The history keeps what it read of a trial until the trial changes: by whatever changes it."""
    kept = History(Encoding(SPACE), (2, 7), EPOCHS, "minimize")

    class Watched(FreezeThaw):
        def next(self, trials, random, may_begin=True, shape=ANY):
            anew = History(Encoding(SPACE), (2, 7), EPOCHS, "minimize")
            left, right = kept.take(trials), anew.take(trials)
            assert left.rows.tobytes() == right.rows.tobytes()
            assert left.looked == sum(trial.epoch >= 2 for trial in trials)
            return super().next(trials, random, may_begin, shape)

    assert len(search(Watched(SPACE, EPOCHS, "minimize"), 8 * EPOCHS, 4)) > 20


def test_first_looks_are_half_of_the_epochs_at_first_and_fewer_later():
    scheduler = FreezeThaw(SPACE, EPOCHS, "minimize", look_share=0.6)
    shares = [scheduler._look_share(trainings * EPOCHS) for trainings in (0, 4, 10_000)]
    assert shares == pytest.approx([0.6, 0.42, 0.24], abs=1e-3)


def test_of_many_paused_trials_the_best_are_compared_and_some_of_all_others():
    trials = [Outline(number, Standing.PAUSED, {}, [(2, float(-number))], 2) for number in range(2000)]
    trials.append(Outline(2000, Standing.PAUSED, {}, [(2, math.nan)], 2))
    best: dict[Direction, range] = {"minimize": range(1750, 2000), "maximize": range(250)}
    for direction, best_of_all in best.items():
        compared = {each.number for each in FreezeThaw({}, 9, direction)._compared(trials, np.random.default_rng(0))}
        assert len(compared) == 500
        assert {*best_of_all} <= compared


def test_the_likest_is_found_among_all():
    model, random = CurveModel(np.arange(3)), np.random.default_rng(0)
    left, right = random.random((20, 3)), random.random((50, 3))
    model.theta = model.theta + 0.3
    away = np.sqrt(5 * ((left[:, None] - right) ** 2 / np.exp(2 * model.theta[:3])).sum(2))
    assert model.likeness(left, right) == pytest.approx(((1 + away + away**2 / 3) * np.exp(-away)).max(1))


def test_a_space_without_parameters_is_trained_again_and_again():
    scheduler, random = FreezeThaw({}, 9, "maximize"), np.random.default_rng(0)
    trials = [Outline(number, Standing.PAUSED, {}, [(1, 0.1), (2, number / 10)], 2) for number in range(10)]
    for _ in range(10):
        assert isinstance(scheduler.next(trials, random), Begin | GoOn)
