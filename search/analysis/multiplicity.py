"""Which questions of one ablation are answered, so that all answers together are wrong at most 5 times of 100.

A table of thirty verdicts, each of which errs 5 times of 100, errs somewhere in most reports. Here the error of the
whole table is bounded: that any method is said to help or hurt in any way in which it does not, at any look. At each
look every method has an equal share of the look's error, and all methods together one more. A method's questions share
its share by a graphical procedure (Bretz, Maurer, Brannath and Posch, 2009): its mean over all orders, which sees most,
begins with nearly all of it, and a question that is answered hands on what it had to those that are not, in equal
parts. Such a procedure errs by the whole share at most, whichever of the questions have nothing to find.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from winnow.search.analysis.contrasts import Kind, pair_name
from winnow.search.analysis.statistics import error_of_look

Question = tuple[Kind, str]
"""Of an ablation: what kind, and of which method (or pair)."""
WHOLE: Question = ("whole", "all together")
_BEGINS: Mapping[Kind, float] = {"order": 0.8, "alone": 0.1, "removed": 0.1}
"""How much of its method's share a question has before any is answered."""


@dataclass
class Table:
    """The questions about some methods, and which of them are answered."""

    methods: Sequence[str]
    answered: set[Question] = field(default_factory=set)

    @property
    def anything(self) -> bool:
        """Whether anything is seen of any method."""
        return bool(self.answered - {WHOLE})

    def look(self, look: int, p: Mapping[Question, float]) -> None:
        """Test all questions of which look 1, 2, … has a p value; the looks in their order."""
        every = [WHOLE, *(question for method in self.methods for question in self.questions(method))]
        while True:
            seen = {each for each in every if each not in self.answered and p.get(each, 1.0) <= self.level(each, look)}
            if not seen:
                break
            self.answered |= seen

    def level(self, question: Question, look: int) -> float:
        """Return at which p a question that is not answered yet would be at this look."""
        share = error_of_look(look) / (len(self.methods) + (WHOLE not in self.answered))
        if question == WHOLE:
            return share
        asked = self.questions(next(method for method in self.methods if question in self.questions(method)))
        answered = [each for each in asked if each in self.answered]
        # Equal parts again and again: whoever had none begins with an equal part of what was handed on.
        handed_on = sum(_BEGINS.get(kind, 0.0) for kind, _ in answered)
        return share * (_BEGINS.get(question[0], 0.0) + handed_on / max(1, len(asked) - len(answered)))

    def questions(self, method: str) -> list[Question]:
        """Return all that is asked of a method. A pair is asked of one of its two, so that all have as many."""
        pairs: list[Question] = [
            ("together", pair_name(first, second))
            for (here, first), (there, second) in itertools.combinations(enumerate(self.methods), 2)
            if method == (first if (here + there) % 2 else second)
        ]
        return [("order", method), ("alone", method), ("removed", method), ("path", method), *pairs]
