"""An ablation and a confirmation as plain data, for the tests of what is said and drawn of them."""

from winnow.search.analysis.ablation import Ablation
from winnow.search.analysis.confirm import Confirmation
from winnow.search.analysis.effects import Effect, OrderedEffect
from winnow.search.analysis.statistics import Sample

LEARNING_RATE = Effect("learning rate", 0.12, 0.10, 0.14, 10)
AUGMENTATION = Effect("augmentation", 0.004, -0.006, 0.014, 20)
DROPOUT = Effect("dropout", -0.012, -0.018, -0.006, 20)
SYNERGY = Effect("augmentation and dropout", 0.03, 0.01, 0.05, 20)


def ablated(
    *, alone: tuple[Effect, ...] = (LEARNING_RATE, AUGMENTATION, DROPOUT), pair: Effect = SYNERGY, name: str = "example"
) -> Ablation:
    """Three methods of which one helps, one harms, and two work together."""
    return Ablation(
        study=name,
        name=f"{name}-ablation-0-7",
        metric="validation accuracy",
        direction="maximize",
        start_number=0,
        goal_number=7,
        methods={
            "learning rate": {"lr": (0.001, 0.01)},
            "augmentation": {"crop": (False, True), "crop_padding": (4, 2)},
            "dropout": {"dropout": (0.0, 0.4)},
        },
        start=Sample((0.80, 0.81, 0.79)),
        goal=Sample((0.93, 0.94, 0.92)),
        whole=Effect("all together", 0.13, 0.11, 0.15, 6),
        alone=list(alone),
        removed=[Effect("learning rate", 0.11, 0.09, 0.13, 10), AUGMENTATION, DROPOUT],
        path=[LEARNING_RATE, AUGMENTATION, DROPOUT],
        order=[OrderedEffect(effect, effect.effect + 0.01, effect.effect - 0.01) for effect in alone],
        together=[
            Effect("learning rate and augmentation", 0.001, -0.01, 0.012, 20),
            Effect("learning rate and dropout", 0.0, -0.01, 0.01, 20),
            pair,
        ],
        exact_order=True,
        trainings=48,
        failed=0,
        diverged=1,
        repeated=0,
        breaks={},
        complete=True,
    )


def confirmed() -> Confirmation:
    """Trial 7 won on fresh seeds, trial 3 cannot be told apart, and both beat the baseline."""
    return Confirmation(
        study="example",
        metric="validation accuracy",
        maximise=True,
        best_number=3,
        searched_value=0.962,
        repeated_best=Sample((0.941, 0.939, 0.943)),
        compared={
            7: Sample((0.945, 0.941, 0.944)),
            3: Sample((0.941, 0.939, 0.943)),
            0: Sample((0.80, 0.81, 0.79)),
        },
        group=(7, 3),
        dropped={5: "2 of its 3 repetitions did not complete"},
        seeds=(11, 12, 13),
        winner_number=7,
        winner=Sample((0.944, 0.942, 0.940)),
        winner_on_test=Sample((0.931, 0.934, 0.929)),
        baseline_number=0,
        baseline=Sample((0.80, 0.79, 0.805)),
        baseline_on_test=Sample((0.781, 0.779, 0.79)),
        read_before=0,
    )
