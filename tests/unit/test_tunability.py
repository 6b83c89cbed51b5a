"""Which method is easy to tune is said of methods that help, and only as sharply as the trials allow."""

from dataclasses import replace

import numpy as np

from example_conclusions import AUGMENTATION, DROPOUT, LEARNING_RATE, ablated
from winnow.search.analysis import tunability
from winnow.search.analysis.ablation import Ablation
from winnow.search.analysis.effects import Effect
from winnow.search.analysis.functional_anova import FunctionalAnova, Marginal

ALSO_HELPFUL = Effect("dropout", 0.02, 0.01, 0.03, 10)


def both_help() -> Ablation:
    return ablated(alone=(LEARNING_RATE, AUGMENTATION, ALSO_HELPFUL))


def marginal(name: str, means: list[float], spread: float = 0.0) -> Marginal:
    curve = np.array(means)
    samples = np.array([curve + spread * np.linspace(-side, side, len(curve)) for side in (-1, 0, 1)])
    return Marginal(name, np.linspace(0, 1, len(curve)), curve, samples)


def anova(*marginals: Marginal) -> FunctionalAnova:
    return FunctionalAnova(40, marginals, ())


def test_a_wide_optimum_is_easier_than_a_narrow_one() -> None:
    found = anova(marginal("lr", [0.5, 0.6, 0.93, 0.7]), marginal("dropout", [0.93, 0.93, 0.928, 0.9]))
    easiest, hardest = tunability.tunabilities(both_help(), found)
    assert (easiest.method, easiest.name, easiest.share) == ("dropout", "dropout", 0.75)
    assert (hardest.method, hardest.share) == ("learning rate", 0.25)
    said = " ".join(tunability.sentences(both_help(), found))
    assert "Of those that help, dropout: 75% (75% to 75%) of the searched range of dropout lies within one" in said
    assert "The hardest is learning rate: 25%" in said


def test_where_intervals_overlap_none_is_called_the_hardest() -> None:
    found = anova(marginal("lr", [0.9, 0.92, 0.93, 0.7], 0.1), marginal("dropout", [0.93, 0.93, 0.92, 0.9], 0.1))
    assert "No other is clearly harder: learning rate" in " ".join(tunability.sentences(both_help(), found))


def test_less_is_better_where_the_metric_is_a_loss() -> None:
    found = replace(both_help(), direction="minimize")
    assert tunability.tunabilities(found, anova(marginal("lr", [1.0, 0.2, 1.0, 1.0])))[0].share == 0.25


def test_what_cannot_be_said_is_not_said() -> None:
    nothing_helps = " ".join(tunability.sentences(ablated(alone=(AUGMENTATION, DROPOUT)), None))
    assert "too few trials" in nothing_helps  # its learning rate helps in company
    assert tunability.sentences(both_help(), anova(marginal("momentum", [0.5, 0.6])))[0].startswith(
        "Unknown: no trial varied"
    )


def test_what_a_pruner_let_complete_says_nothing_of_the_rest_of_a_range() -> None:
    survived = replace(anova(marginal("lr", [1.0, 0.2, 1.0, 1.0])), of_survivors=True)
    (said,) = tunability.sentences(both_help(), survived)
    assert said.startswith("Unknown: the pruner chose")
