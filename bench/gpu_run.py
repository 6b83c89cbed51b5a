"""One run of `bench/gpu.py`: what was measured so far, in a file that is whole after each figure, and the time left."""

import json
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from bench.gpu_figures import Rate, measure, measure_ours
from bench.loops import Epoch
from winnow.objectives.data.loading import Data
from winnow.objectives.hyperparameters import Config, change

Figures = dict[str, Any]


class Run:
    """What was measured so far, and how much time is left to a section."""

    def __init__(self, device: torch.device, quick: bool, seconds: float, out: Path) -> None:
        self.device, self.quick, self.out = device, quick, out
        self.images = 128 if quick else 51_200  # of whole batches: a shorter last one would be compiled by itself
        self.epoch_seconds = 0.2 if quick else 1.0
        self.end = time.monotonic() + seconds
        self.figures: Figures = json.loads(out.read_text()) if out.exists() else {"quick": quick}
        peak = self.figures.get("peak", {}).get("bf16")
        self.peak = peak if isinstance(peak, float) else 0.0

    def section(self, name: str, work: Callable[["Run", Figures], None]) -> None:
        """Measure one thing in this process, and write down whatever it raises."""
        began = time.monotonic()
        figures: Figures = self.figures.setdefault(name, {})
        figures.pop("error", None)
        try:
            work(self, figures)
        except Exception as error:
            figures["error"] = f"{type(error).__name__}: {error}"[:500]
            figures["traceback"] = traceback.format_exc()[-3000:]
        figures["section_seconds"] = round(time.monotonic() - began, 1)
        for problem in ("passed_over", "error"):
            if problem in figures:
                print(f"   {problem}: {figures[problem]}", flush=True)
        self.write()

    @property
    def hurries(self) -> bool:
        """Whether the section's time is up."""
        return time.monotonic() > self.end

    def ours(self, config: Config, data: Data, members: int = 1) -> Rate:
        """The rate of our training, or of so many trials of one shape as one stack."""
        return measure_ours([change(config, seed=member) for member in range(members)], data, self.epoch_seconds)

    def theirs(self, make: Callable[[], Epoch]) -> Rate:
        """The rate of the epochs that another's loop makes."""
        return measure(make(), self.device, self.epoch_seconds)

    def rate(self, group: Figures, label: str, name: str, work: Callable[[], Rate], flops: float = 0.0) -> None:
        """Measure a rate where there is time left, and write it down with the share of the card's peak that it is."""
        if self.hurries:
            group.setdefault("passed_over", []).append(name)
            return
        with guarded(group, name):
            rate = work()
            share = rate.images * flops / self.peak if self.peak else None
            group[name] = {**asdict(rate), "share_of_bf16_peak": share}
            shown = f"{100 * share:6.2f} % of peak" if share else ""
            print(f"   {label + ': ' + name:<66} {rate.images:>12,.0f}/s {shown}", flush=True)
        self.write()

    def write(self) -> None:
        """Leave what there is in the file, whole."""
        new = self.out.with_suffix(".new")
        new.write_text(json.dumps(self.figures, indent=1, default=str) + "\n")
        new.replace(self.out)


@contextmanager
def guarded(figures: Figures, name: str) -> Iterator[None]:
    """Let one figure fail alone."""
    try:
        yield
    except Exception as error:
        figures[name] = {"error": f"{type(error).__name__}: {error}"[:500]}
        print(f"   {name:<58} {type(error).__name__}: {str(error)[:90]}", flush=True)
