"""Show what a folder of images holds: classes, images per class and part, sizes, and what was left aside and why."""

from collections import Counter

from rich.console import Group, RenderableType
from rich.text import Text

from winnow.objectives.data.overview import Overview
from winnow.search.report.terminal.screen import FittingTable

SHOWN = 20
"""So many classes are shown one by one."""


def classes(found: Overview) -> RenderableType:
    """Return the table of classes and a sentence on sizes and on what was left aside."""
    table = FittingTable("class", numbers=("train", "validation", "test"))
    for each in found.classes[:SHOWN]:
        table.add_row(each.name, f"{each.train:,}", f"{each.validation:,}", f"{each.test:,}")
    if len(found.classes) > SHOWN:
        table.add_row(Text(f"and {len(found.classes) - SHOWN} more", style="dim"))
    table.add_section()
    total = f"{len(found.classes)} classes"
    table.add_row(total, f"{found.train:,}", f"{found.validation:,}", f"{found.test:,}", style="bold")
    return Group(table, *(Text(sentence) for sentence in sentences(found)))


def sentences(found: Overview) -> list[str]:
    """Return what is to be said of sizes and skipped files."""
    said = []
    if found.smallest and found.largest:
        small, large = (f"{width} x {height}" for width, height in (found.smallest, found.largest))
        said.append(f"Images are {small} pixels" if small == large else f"Images are {small} to {large} pixels")
        said[-1] += ", of those looked at."
    if found.skips_broken:
        said.append("These are the files by their names: what turns out to be no image is left out, and named, later.")
    for why, count in Counter(why for _, why in found.skipped).most_common():
        example = next(path for path, reason in found.skipped if reason == why)
        said.append(f"Skipped {count:,}: {why}, such as {example}.")
    return said
