"""What an ablation answers, in plain words: the biggest difference, what does not help, whether the order matters."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from winnow.search.analysis import tunability
from winnow.search.analysis.ablation import Ablation
from winnow.search.analysis.effects import Effect
from winnow.search.analysis.formatting import counted, listed
from winnow.search.analysis.functional_anova import FunctionalAnova


@dataclass(frozen=True)
class Answer:
    """A question that people ask of a search, and what the trainings say to it, in whole sentences."""

    question: str
    sentences: tuple[str, ...]
    headings: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    """A table, where there is one."""
    effects: tuple[Effect, ...] = ()
    """What is drawn with its interval."""
    commands: tuple[str, ...] = ()
    """What would answer it, or answer it better."""


QUESTIONS = (
    "Which method made the biggest difference?",
    "Which methods do not help?",
    "Which method is the easiest to tune?",
    "Does the order in which methods are added matter?",
)


def answers(found: Ablation, anova: FunctionalAnova | None = None) -> list[Answer]:
    """Return an answer to each of QUESTIONS, if only that the trainings so far are inconclusive."""
    said = (_biggest(found), _without_help(found), tunability.sentences(found, anova), _order(found))
    nothing = ("The trainings so far are inconclusive.",)
    return [Answer(question, tuple(each) or nothing) for question, each in zip(QUESTIONS, said, strict=True)]


def together(found: Ablation) -> str:
    """Return what all methods do together; there must be such an effect."""
    assert found.whole is not None
    return (
        f"Together, all {len(found.methods)} methods gain {measured(found.whole)} in {found.metric}: "
        f"{_VERDICTS[found.whole.verdict]}."
    )


def rests_on(found: Ablation) -> list[str]:
    """Return how many trainings there were, which of them count how, and whether more are needed."""
    said = []
    if found.diverged:
        said.append(f"{counted(found.diverged, 'training')} diverged, counted apart: in no mean.")
    for method, (broke, of, without, of_those) in found.breaks.items():
        said.append(f"Of {of} trainings with {method} {broke} broke down, of {of_those} without it {without}.")
    if found.failed:
        said.append(
            f"{counted(found.failed, 'training')} failed and counted nowhere; winnow status {found.name} says why."
        )
    if found.repeated:
        said.append(
            f"{counted(found.repeated, 'training')} gave the very same as another seed of the same methods: the "
            "objective seeds itself, so its repetitions are one and say nothing of noise. Let it take `seed` and use "
            "that."
        )
    rest = "" if found.complete else "; more are needed: the same command, with more --trainings, goes on"
    together = (
        "All verdicts of these tables together, at all looks, err in 5 reports of 100 at most; an interval holds for "
        "its line alone."
    )
    return [*said, together, f"This rests on {found.trainings} trainings{rest}."]


def measured(effect: Effect) -> str:
    """Return an effect with its interval."""
    return f"{effect.effect:+z.4f} ({interval(effect)})"


def interval(effect: Effect) -> str:
    """Return an effect's 95 % interval as people read it."""
    return f"{effect.low:+z.4f} to {effect.high:+z.4f}" if math.isfinite(effect.low) else "interval unknown"


_VERDICTS = {"helps": "they help", "hurts": "they hurt", "inconclusive": "whether they help is inconclusive"}


def _biggest(found: Ablation) -> list[str]:
    said = []
    if found.alone:
        biggest = max(found.alone, key=lambda effect: effect.effect)
        if biggest.verdict == "helps":
            said.append(f"Alone, {biggest.method} makes the biggest difference: {measured(biggest)}.")
            close = [effect.method for effect in found.alone if effect is not biggest and effect.high >= biggest.low]
            if close:
                said.append(f"{_listed(close)} may do as much, as the intervals overlap.")
        else:
            said.append("No method is shown to help on its own.")
    helpful = [effect for effect in found.removed if effect.verdict == "helps"]
    if helpful and len(found.methods) > 1:
        missed = max(helpful, key=lambda effect: effect.effect)
        said.append(f"With all other methods on, leaving out {missed.method} costs most: {measured(missed)}.")
    return said


def _without_help(found: Ablation) -> list[str]:
    said = [*_harmful(found.alone, "on its own"), *_harmful(found.removed, "with all other methods on")]
    idle = _idle(found)
    if idle:
        said.append(f"{_listed(idle)}: no effect here, every training is the same with and without it.")
    unclear = [effect.method for effect in found.alone if effect.verdict == "inconclusive"]
    open_ones = [method for method in unclear if method not in idle]
    if open_ones:
        own = "on its own" if len(open_ones) == 1 else "each on its own"
        said.append(f"{_listed(open_ones)}, {own}: inconclusive with these seeds.")
    if found.alone and not said:
        said.append("Each method is shown to help on its own.")
    return said


def _idle(found: Ablation) -> list[str]:
    """Return the methods with and without which all scores are the very same: no noise, and so no effect."""
    alone, removed = ({effect.method for effect in effects if effect.idle} for effects in (found.alone, found.removed))
    return sorted(alone & removed)


def _harmful(effects: Sequence[Effect], where: str) -> list[str]:
    names = [effect.method for effect in effects if effect.verdict == "hurts"]
    return [f"{_listed(names)} {'hurts' if len(names) == 1 else 'hurt'} {where}."] if names else []


def _order(found: Ablation) -> list[str]:
    pairs = [effect for effect in found.together if effect.verdict != "inconclusive"]
    if pairs:
        return [
            f"The order matters: {effect.method} together gain {abs(effect.effect):.4f} "
            f"{'more' if effect.effect > 0 else 'less'} than the sum of both alone ({interval(effect)})."
            for effect in pairs
        ]
    if found.together and len(found.together) == math.comb(len(found.methods), 2):
        return ["No interaction between two methods was found, so nothing shows that the order matters."]
    return []


def _listed(names: Sequence[str]) -> str:
    text = listed(names)
    return text[0].upper() + text[1:]
