"""Which questions of one ablation are answered, so that all answers together are wrong at most 5 times of 100.

A table of thirty verdicts, each of which errs 5 times of 100, errs somewhere in most reports. Here the error of the
whole table is bounded: that any method is said to help or hurt in any way in which it does not, at any look. It is a
closed test in two steps (Marcus, Peritz and Gabriel, 1976; hierarchical as in Meinshausen, 2008). At each look every
method has an equal share of the look's error, and all methods together one more. A method's questions are opened only
where something is seen of it at all, at its share; then they are tested one after the other by Holm (1979), the
smallest p first, within the same share. So a method that does nothing errs by its share at most, and one that does
something by its share at most in whatever else is said of it.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from winnow.search.analysis.contrasts import Kind, pair_name
from winnow.search.analysis.statistics import error_of_look

Question = tuple[Kind, str]
"""Of an ablation: what kind, and of which method (or pair)."""
WHOLE: Question = ("whole", "all together")
_OPENS: Mapping[Kind, float] = {"order": 0.8, "alone": 0.1, "removed": 0.1}
"""How much of a method's share each of its questions has to open the others; the mean over all orders sees most."""


@dataclass
class Table:
    """The questions about some methods: which are open, and which are answered."""

    methods: Sequence[str]
    opened: set[str] = field(default_factory=set)
    """Methods of which something is seen."""
    answered: set[Question] = field(default_factory=set)

    def look(self, look: int, p: Mapping[Question, float]) -> None:
        """Test all questions of which look 1, 2, … has a p value; the looks in their order."""
        if p.get(WHOLE, 1.0) <= self.share(look):
            self.answered.add(WHOLE)
        share = self.share(look)
        for method in self.methods:
            if any(p.get((kind, method), 1.0) <= weight * share for kind, weight in _OPENS.items()):
                self.opened.add(method)
        for method in self.opened:
            waiting = self.waiting(method)
            for place, question in enumerate(sorted(waiting, key=lambda question: p.get(question, 1.0))):
                if p.get(question, 1.0) > share / (len(waiting) - place):
                    break
                self.answered.add(question)

    def share(self, look: int) -> float:
        """What each method may err at this look; the share of all together is the methods' once that is answered."""
        return error_of_look(look) / (len(self.methods) + (WHOLE not in self.answered))

    def level(self, question: Question, look: int) -> float:
        """At which p a question that is not answered yet would be at this look, or would open its method's others."""
        if question == WHOLE:
            return self.share(look)
        method = next(method for method in self.methods if question in self.questions(method))
        if method in self.opened:
            return self.share(look) / max(1, len(self.waiting(method)))
        return self.share(look) * _OPENS.get(question[0], 0.0)

    def waiting(self, method: str) -> list[Question]:
        """Return the method's questions that are not answered."""
        return [question for question in self.questions(method) if question not in self.answered]

    def questions(self, method: str) -> list[Question]:
        """All that is asked of a method. A pair is asked of one of its two, so that all have as many."""
        pairs: list[Question] = [
            ("together", pair_name(first, second))
            for (here, first), (there, second) in itertools.combinations(enumerate(self.methods), 2)
            if method == (first if (here + there) % 2 else second)
        ]
        return [("order", method), ("alone", method), ("removed", method), ("path", method), *pairs]
