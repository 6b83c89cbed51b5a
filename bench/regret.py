"""What replayed searches come to: mean regrets, their ratios with intervals, and a picture of regret against epochs."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from winnow.search.report.figures.files import write
from winnow.search.study.encoding import Floats


def interval(ours: Floats, theirs: Floats) -> tuple[float, float, float]:
    """Ratio of mean regrets with 95 % of a bootstrap over tasks, and over seeds within each; (tasks, seeds) both.

    It is infinite where theirs is 0. A resample where both are 0 may be any ratio: 0 at the lower end, infinite at the
    upper one.
    """
    random, count = np.random.default_rng(0), 2000
    tasks = random.integers(0, ours.shape[0], (count, ours.shape[0], 1))
    seeds = random.integers(0, ours.shape[1], (count, *ours.shape))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = ours.mean() / theirs.mean()
        ratios = ours[tasks, seeds].mean((1, 2)) / theirs[tasks, seeds].mean((1, 2))
    low = np.quantile(np.where(np.isnan(ratios), 0, ratios), 0.025, method="lower")
    high = np.quantile(np.where(np.isnan(ratios), np.inf, ratios), 0.975, method="higher")
    return float(ratio), float(low), float(high)


def said(ratio: float) -> str:
    """Return a ratio for people: "any" where nothing bounds it."""
    return f"{ratio:.2f}" if math.isfinite(ratio) else "any"


def families(names: Sequence[str]) -> dict[str, list[int]]:
    """Return the places of the tasks of each family."""
    found: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        found.setdefault(name.split("-")[0], []).append(place)
    return found


def table(regrets: Mapping[str, Floats], looks: Sequence[int]) -> str:
    """Return a line a method: mean regrets, and of all but the first their ratios to the first method's."""
    first, lines = next(iter(regrets.values())), []
    for method, of in regrets.items():
        means = " ".join(f"{of[:, :, look - 1].mean():.3f}" for look in looks)
        ratios = [interval(of[:, :, look - 1], first[:, :, look - 1]) for look in looks if of is not first]
        lines.append(f"{method:18} {means}   " + " ".join("{} [{} {}]".format(*map(said, three)) for three in ratios))
    return "\n".join(lines)


def picture(regrets: Mapping[str, Floats], names: Sequence[str], title: str, path: Path) -> None:
    """Draw the mean regret of each method against the epochs, in whole trainings: a panel for each family of tasks."""
    from plotly.colors import qualitative
    from plotly.subplots import make_subplots

    panels = families(names)
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = make_subplots(
        rows, columns, subplot_titles=list(panels), x_title="epochs of all workers, in whole trainings"
    )
    for at, places in enumerate(panels.values()):
        for method, colour in zip(regrets, qualitative.D3, strict=False):
            mean = regrets[method][places].mean((0, 1))
            line = {"x": list(range(1, len(mean) + 1)), "y": mean.tolist(), "name": method, "line_color": colour}
            figure.add_scatter(**line, row=at // columns + 1, col=at % columns + 1, showlegend=at == 0)
    figure.update_yaxes(type="log", tickvals=[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2])
    figure.update_layout(title=title, height=120 + 260 * rows, template="simple_white", yaxis_title="mean regret")
    write({path: figure})
