"""Numbers as people read them: in reports, on the terminal, on model cards."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from winnow.search.analysis.statistics import Sample


def number(value: Any) -> str:
    """Return a value as people read it: four significant digits, a dash for what is not there."""
    if value is None:
        return "—"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:.4g}" if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(number, value)) or "none"
    return str(value) or "—"


def score(value: float | None) -> str:
    """Return a result beside others: four decimals, so that all stand on one scale; a dash for what is not there.

    What is too large for it, or too small, has four significant digits.
    """
    if value is None or not math.isfinite(value) or abs(value) >= 1000 or 0 < abs(value) < 0.001:
        return number(value)
    return f"{value:.4f}"


def count_or_score(value: float | None) -> str:
    """Return the value of an objective that may count something: a count without decimals."""
    counts = value is not None and 100 <= abs(value) < 1e15 and value.is_integer()
    return f"{value:,.0f}" if counts else score(value)


def recorded(values: Mapping[str, Any]) -> dict[str, str]:
    """Return what a trial recorded, under names that say their units, as people read it: `wall time`, `4.0 s`."""
    return {
        name.replace("_seconds", " time").replace("_bytes", "").replace("_", " "): _quantity(value, name)
        for name, value in values.items()
    }


def _quantity(value: Any, name: str) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {number(item)}" for key, item in value.items())
    if isinstance(value, int | float) and not isinstance(value, bool):
        if name.endswith("_seconds"):
            return duration(value)
        if name.endswith("_bytes"):
            return f"{value / 2**30:.2f} GiB" if value >= 2**29 else f"{value / 2**20:.0f} MiB"
        if name == "parameters":
            return f"{value:,}"
    return number(value)


def state_word(state: str) -> str:
    """Return one of Optuna's states in the word of all pages: `completed`, `failed`, `pruned`."""
    return {"COMPLETE": "completed", "FAIL": "failed"}.get(state, state.lower())


def duration(seconds: float) -> str:
    """Return seconds as people say them: `40 ms`, `4.2 s`, `3 min 20 s`, `5 h 12 min`."""
    if 0.0005 <= seconds < 0.0995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def counted(count: int, noun: str) -> str:
    """Return `1 training`, `2 trainings`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def listed(names: Sequence[str], before_last: str = "and") -> str:
    """Return `a, b and c`; without a name nothing."""
    *others, last = names or [""]
    return f"{', '.join(others)} {before_last} {last}" if others else last


def with_article(noun: str) -> str:
    """Return `a validation accuracy`, `an objective value`."""
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


def spread(sample: Sample) -> str:
    """Return the mean ± standard deviation; the mean alone of a single score."""
    return f"{sample.mean:.4f} ± {sample.deviation:.4f}" if len(sample.scores) > 1 else f"{sample.mean:.4f}"


def interval(sample: Sample, sign: str = "") -> str:
    """Return the 95 % interval of the mean; with "+" as the sign, of a difference."""
    return span(sample.interval, sign)


def span(bounds: tuple[float, float], sign: str = "") -> str:
    """Return two bounds as people read them: `0.9000 to 0.9200`."""
    low, high = bounds
    return f"{low:{sign}z.4f} to {high:{sign}z.4f}" if math.isfinite(low) else "unknown"
