"""What the ready studies of a storage found, as Markdown: studies/README.md is written by it."""

from collections.abc import Sequence

from winnow.search.analysis import questions, summary
from winnow.search.analysis.conclusions import Conclusions
from winnow.search.analysis.study_record import StudyRecord
from winnow.search.study import ready


def answers(found: Sequence[tuple[StudyRecord, Conclusions]]) -> str:
    """Return each study with its question, its cost, what was found, and the answers to its questions."""
    return "\n\n".join(_study(record, known) for record, known in found)


def _study(record: StudyRecord, found: Conclusions) -> str:
    spec = found.spec
    assert spec is not None
    lines = [f"### `{record.study}`", "", " ".join(spec.description.split()), "", f"Cost: {ready.cost(spec)}.", ""]
    lines += [" ".join(summary.sentences(record, found)), ""]
    for answer in questions.answer(record, found):
        lines += [f"**{answer.question}** {' '.join(answer.sentences)}"]
        lines[-1] += "".join(f" `{command}`" for command in answer.commands)
        lines += [""]
        if answer.rows:
            lines += [_row(answer.headings), _row(["---"] * len(answer.headings)), *map(_row, answer.rows), ""]
    return "\n".join(lines).rstrip()


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
