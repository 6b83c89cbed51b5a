"""The questions that people ask of an ablation, answered by name and with no more certainty than it has."""

from dataclasses import replace

from example_conclusions import AUGMENTATION, DROPOUT, LEARNING_RATE, ablated
from winnow.search.analysis import answers
from winnow.search.analysis.effects import Effect


def said(question: str, **changed: object) -> str:
    found = {each.question: " ".join(each.sentences) for each in answers.answers(ablated(**changed))}  # type: ignore[arg-type]
    return found[question]


def test_the_biggest_difference_is_named_alone_and_in_company() -> None:
    biggest = said(answers.QUESTIONS[0])
    assert "Alone, learning rate makes the biggest difference: +0.1200 (+0.1000 to +0.1400)." in biggest
    assert "With all other methods on, leaving out learning rate costs most: +0.1100" in biggest


def test_a_rival_whose_interval_overlaps_is_named_beside_it() -> None:
    rival = Effect("dropout", 0.1, 0.05, 0.15, 10)
    assert "Dropout may do as much" in said(answers.QUESTIONS[0], alone=(LEARNING_RATE, AUGMENTATION, rival))


def test_what_harms_and_what_cannot_be_told_are_kept_apart() -> None:
    useless = said(answers.QUESTIONS[1])
    assert "Dropout hurts on its own. Dropout hurts with all other methods on." in useless
    assert "Augmentation, on its own: inconclusive with these seeds." in useless


def test_the_order_matters_where_a_pair_is_shown_to() -> None:
    assert "The order matters: augmentation and dropout together gain 0.0300 more" in said(answers.QUESTIONS[3])
    pair = Effect("augmentation and dropout", 0.0, -0.01, 0.01, 20)
    assert "nothing shows that the order matters" in said(answers.QUESTIONS[3], pair=pair)


def test_what_was_not_trained_yet_is_not_answered() -> None:
    half = replace(ablated(), alone=[], removed=[], together=[], complete=False)
    assert {each.sentences for each in answers.answers(half)} == {("The trainings so far are inconclusive.",)}
    assert answers.rests_on(half)[-1] == (
        "This rests on 48 trainings; more are needed: the same command, with more --trainings, goes on."
    )


def test_where_nothing_helps_nothing_is_said_to() -> None:
    assert said(answers.QUESTIONS[0], alone=(AUGMENTATION, DROPOUT)).startswith(
        "No method is shown to help on its own."
    )


def test_a_method_without_any_effect_is_not_called_uncertain() -> None:
    nothing = Effect("dropout", 0.0, -0.001, 0.001, 20, answered=False, idle=True)
    found = replace(ablated(alone=(LEARNING_RATE, nothing)), removed=[LEARNING_RATE, nothing])
    useless = " ".join(answers.answers(found)[1].sentences)
    assert "Dropout: no effect here, every training is the same with and without it." in useless
    assert "inconclusive" not in useless


def test_several_inconclusive_methods_are_said_to_be_so_one_by_one() -> None:
    other = replace(AUGMENTATION, method="dropout")
    assert "Augmentation and dropout, each on its own: inconclusive" in said(
        answers.QUESTIONS[1], alone=(LEARNING_RATE, AUGMENTATION, other)
    )


def test_a_loss_that_rounds_to_nothing_has_no_minus() -> None:
    assert answers.measured(Effect("dropout", -1e-6, -2e-5, 1e-5, 10)) == "+0.0000 (+0.0000 to +0.0000)"
