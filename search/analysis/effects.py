"""What a method does to a result, as numbers: what an ablation measures and the pictures show."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from winnow.search.analysis.json_numbers import finite

Verdict = Literal["helps", "hurts", "inconclusive"]


@dataclass(frozen=True)
class Effect:
    """By how much a method betters the metric (negative: worsens it), with its 95 % interval."""

    method: str
    """Its name; `A and B` for what two methods do together beyond the sum of both alone."""
    effect: float
    low: float
    high: float
    runs: int
    """Trainings behind it, on both sides together."""
    answered: bool = True
    """Whether the table of which it is a line may say more than its interval, all its lines being right together."""
    idle: bool = False
    """Whether every training gave the very same with and without it."""

    @property
    def verdict(self) -> Verdict:
        """What may be said, all verdicts of its table being right together."""
        if not self.answered:
            return "inconclusive"
        if self.low > 0:
            return "helps"
        return "hurts" if self.high < 0 else "inconclusive"

    def as_dict(self) -> dict[str, Any]:
        """Return the effect as JSON has it; what is unknown is None."""
        told = {name: value for name, value in asdict(self).items() if name not in ("answered", "idle")}
        return {**told, "low": finite(self.low), "high": finite(self.high), "verdict": self.verdict}


@dataclass(frozen=True)
class OrderedEffect:
    """How a method's effect hangs on what was there before it."""

    shapley: Effect
    """The mean over all orders of adding the methods (Shapley, 1953)."""
    first: float
    """Its effect when it is added to the baseline."""
    last: float
    """Its effect when all others are there already."""
