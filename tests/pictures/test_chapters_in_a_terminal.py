"""`winnow confirm` and `winnow ablate` print the report's own chapters: the same words and numbers."""

import json
from dataclasses import replace
from io import StringIO

from rich.console import Console

from example_conclusions import ablated, confirmed
from example_search import searched
from winnow.search.analysis import answers
from winnow.search.api import notebook
from winnow.search.report import ablation, conclusions, confirmation
from winnow.search.report.chapters import Chapter
from winnow.search.report.terminal import results


def test_a_search_without_a_baseline_has_no_column_of_it() -> None:
    record = searched(20)
    alone = replace(record, trials=tuple(replace(trial, baseline=False) for trial in record.trials))
    for searched_for, is_there in ((record, True), (alone, False)):
        told, found = StringIO(), conclusions.outcome(searched_for)
        Console(file=told, width=110).print(results.chapter(found))
        assert ("baseline" in told.getvalue().splitlines()[0]) == is_there
        assert ("<th>baseline</th>" in notebook.document(found)) == is_there


def printed(chapter: Chapter, width: int = 110) -> str:
    console = Console(width=width, record=True, file=StringIO())
    console.print(results.chapter(chapter))
    return " ".join(console.export_text().split())


def test_a_confirmation_is_printed_with_its_tables_and_its_verdict() -> None:
    told = printed(confirmation.chapter(confirmed()))
    assert "trial 7 0.9433 ± 0.0021 0.9357 to 0.9490 yes" in told
    assert "baseline test 0.7833 ± 0.0059 0.7678 to 0.8054" in told
    assert "Trial 7 has the best mean, but not significantly better than trial 3" in told
    assert "On test data the winner is better than the baseline: +0.1480, 95 % interval +0.1187 to +0.1711" in told
    assert "Trial 5 is left out: 2 of its 3 repetitions did not complete." in told


def test_on_a_narrow_screen_no_number_of_a_table_is_cut() -> None:
    told = printed(confirmation.chapter(confirmed()), width=40)
    assert "trial 7 validation accuracy: 0.9433 ± 0.0021 95 % interval: 0.9357 to 0.9490 may be the best: yes" in told
    assert "baseline data: test" in told
    assert "…" not in told


def test_an_ablation_is_printed_kind_by_kind_with_its_answers() -> None:
    told = printed(ablation.chapter(searched(40), ablated()))
    assert "augmentation crop off → on, crop_padding 4 → 2" in told
    assert "learning rate +0.1200 +0.1000 to +0.1400 helps 10" in told
    assert "augmentation and dropout +0.0300 +0.0100 to +0.0500" in told
    assert all(question in told for question in answers.QUESTIONS)
    pairs = told[told.index("Interactions") :]
    assert "learning rate and dropout" not in pairs, "of pairs, those that are shown to work on each other"


def test_both_are_json_without_what_json_cannot_hold() -> None:
    told = json.loads(json.dumps([confirmed().as_dict(), ablated().as_dict()], allow_nan=False))
    assert told[0]["verdict"] == "better"
    assert told[0]["winner_on_test"]["scores"] == [0.931, 0.934, 0.929]
    assert told[0]["winner_at_threshold"] is None
    assert told[1]["alone"][0] == {
        "method": "learning rate",
        "effect": 0.12,
        "low": 0.10,
        "high": 0.14,
        "runs": 10,
        "verdict": "helps",
    }
    assert told[1]["order"][0]["first"] == 0.13
