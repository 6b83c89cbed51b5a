"""What a report is made of: chapters of sentences, questions answered, tables and pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from winnow.search.analysis.answers import Answer

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class Picture:
    """A figure with its heading and what it shows, in words."""

    name: str
    """What a file of it is called, without an ending; no other picture of a report has it."""
    title: str
    caption: str
    figure: "Figure"

    def titled(self) -> "Figure":
        """Return the figure with its heading in it, for where none stands above."""
        return self.figure.update_layout(title={"text": self.title}, margin={"t": 72})


@dataclass(frozen=True)
class Table:
    """Rows of texts; a row's first is its heading."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    values: bool = False
    """Whether what stands beside the first column are values, words among them, and not sentences."""


@dataclass(frozen=True)
class Chapter:
    """One heading of a report and what stands under it, in this order; pictures with nothing to draw are left out."""

    title: str
    sentences: Sequence[str] = ()
    commands: Sequence[str] = ()
    """What to type for what the sentences say."""
    answers: Sequence[Answer] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "pictures", [picture for picture in self.pictures if picture.figure.data])
