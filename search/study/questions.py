"""What a person asks of a study: `[[question]]` of the spec, which the report answers."""

from typing import Literal, Self

from pydantic import Field, model_validator

from winnow.search.study.sections import Cost, Section


class Question(Section):
    """What the report is to answer; which keys a kind takes says docs/questions.md."""

    asks: str = Field(min_length=1)
    kind: Literal["methods", "steps", "along", "compare", "depth", "smallest", "search", "threshold"]
    of: str = ""
    """The searched hyperparameter that it is about."""
    across: tuple[str, ...] = ()
    """Others by whose values the answers are told apart."""
    per: Cost | None = None
    """At which cost values are compared."""
    solved: float | None = None
    """Which value is good enough."""
    beside: tuple[str, ...] = ()
    """Other studies of the same storage that it compares."""

    @model_validator(mode="after")
    def _keys_of_its_kind(self) -> Self:
        needed, allowed = QUESTION_KEYS[self.kind]
        given = {key for key in ("of", "across", "per", "solved", "beside") if getattr(self, key) not in ("", (), None)}
        for key in needed - given:
            raise ValueError(f"kind = {self.kind!r} needs `{key}`|docs/questions.md has the keys of each kind")
        for key in given - needed - allowed:
            raise ValueError(f"kind = {self.kind!r} takes no `{key}`|docs/questions.md has the keys of each kind")
        return self


QUESTION_KEYS: dict[str, tuple[set[str], set[str]]] = {
    "methods": (set(), set()),
    "steps": (set(), {"beside"}),
    "along": ({"of"}, set()),
    "compare": ({"of"}, {"across", "per"}),
    "depth": ({"of"}, {"across"}),
    "smallest": ({"of", "solved"}, {"across"}),
    "search": ({"beside"}, set()),
    "threshold": (set(), set()),
}
"""The keys that each kind of question needs, and those that it may have beside."""
