"""The report: one page that holds all it needs and trusts nobody's names."""

import html
import re
from dataclasses import replace
from pathlib import Path

import optuna
import pytest

from example_conclusions import ablated, confirmed
from example_search import searched
from winnow.errors import StudyError
from winnow.search.analysis import answers, curve_reading, study_reader
from winnow.search.analysis.conclusions import Conclusions
from winnow.search.report import pictures, report

HOSTILE = '</script><script>alert("x")</script><img src=http://example.com/x onerror=alert(1)>'


@pytest.fixture(scope="module")
def page() -> str:
    return report.render(searched(40))


def body(page: str) -> str:
    """The page without plotly's library."""
    return re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)


def test_the_first_paragraph_and_the_next_command_stand_in_the_page(page: str) -> None:
    assert "won with a validation accuracy of" in page
    assert "<code>winnow confirm example</code>" in page
    assert "winnow replay example" in page


def test_what_was_not_measured_is_asked_for_by_its_command(page: str) -> None:
    assert "<code>winnow ablate example</code>" in page
    for question in answers.QUESTIONS:
        assert question in page


def test_a_confirmation_and_an_ablation_stand_in_the_page() -> None:
    page = report.render(searched(40), Conclusions(confirmed(), (ablated(),)))
    assert "<code>winnow confirm example</code>" not in page
    assert "winnow ablate example --from 0 --to 7" in page
    for question in answers.QUESTIONS:
        assert f"<dt>{question}</dt>" in page
    assert "was 0.0210 too optimistic" in page
    assert "crop off → on, crop_padding 4 → 2" in page
    for name in ("confirmation", "alone-0-7", "removed-0-7", "path-0-7", "order-0-7", "together-0-7"):
        assert f'<h3 id="{name}">' in page
    assert len(set(re.findall(r' id="([^"]*)"', page))) == len(re.findall(r' id="([^"]*)"', page))


def test_every_trial_has_a_row_with_its_reason(page: str) -> None:
    table = page[page.index('class="sortable"') :]
    assert len(re.findall(r"<tr[ >]", table.split("</table>")[0])) == 1 + 40
    assert "below the median after epoch" in table


def test_curves_are_read_aloud_and_counted(page: str) -> None:
    record = searched(40)
    shapes = curve_reading.count(record)
    assert shapes
    for shape, numbers in shapes.items():
        assert f'<th scope="row">{shape}</th><td>{len(numbers)}</td>' in page
    table = page[page.index('class="sortable"') :].split("</table>")[0]
    for trial in record.trials:
        assert f"<td>{report.curve(trial)}</td>" in table


def test_the_page_loads_nothing(page: str) -> None:
    assert "default-src 'none'" in page
    assert not re.search(r"<(?:script|img|link|iframe)[^>]*(?:src|href)=", body(page))


def test_whatever_users_write_is_shown_as_text() -> None:
    study = optuna.create_study(study_name=HOSTILE, sampler=optuna.samplers.RandomSampler(seed=0))

    def objective(trial: optuna.Trial) -> float:
        trial.set_user_attr("winnow:reason", HOSTILE)
        trial.set_user_attr("winnow:run", {HOSTILE: HOSTILE, "worker": HOSTILE})
        value = trial.suggest_float(HOSTILE, 0, 1)
        trial.report(value, 1)
        trial.suggest_categorical("choice", [HOSTILE])
        if trial.number % 2:
            raise optuna.TrialPruned(HOSTILE)
        return value

    study.optimize(objective, n_trials=24)
    page = report.render(study_reader.read(study, {}))
    assert HOSTILE not in page
    assert html.escape(HOSTILE, quote=False).replace('"', "&#34;") in page


@pytest.mark.parametrize("finished", [0, 1])
def test_a_study_with_next_to_nothing_has_a_report(finished: int) -> None:
    study = optuna.create_study()
    study.ask()
    if finished:
        study.optimize(lambda trial: 1.0, n_trials=finished)
    page = report.render(study_reader.read(study, {}))
    assert ("No trial has finished yet" in page) == (finished == 0)
    assert "Importance needs 10 completed or pruned trials" in page


def test_importance_takes_in_pruned_trials_where_too_few_completed() -> None:
    few = replace(searched(14), sampler="random")
    assert len(few.ranked) < 10
    assert "of 13 trials apart. Of these, 5 were pruned" in report.render(few)
    assert "it has 13; let 17 more end" in report.render(replace(few, sampler="tpe"))


def test_a_stock_study_is_told_optunas_own_command() -> None:
    study = optuna.create_study(study_name="my study")
    study.optimize(lambda trial: 1.0, n_trials=1)
    assert "optuna best-trial --study-name &#39;my study&#39;" in report.render(study_reader.read(study, {}))


def test_writing_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    report.write(searched(3), path)
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_thousand_trials_stay_below_three_megabytes(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    report.write(searched(1000), path)
    assert path.stat().st_size < 3e6


def test_no_cell_is_empty_and_results_stand_on_one_scale(page: str) -> None:
    table = page[page.index('class="sortable"') :].split("</table>")[0]
    assert "<td></td>" not in table
    assert '<td class="reason"></td>' not in table
    results = re.findall(r'<td class="(?:complete|pruned)">[a-z]+</td><td>([^<]+)</td>', table)
    assert len(results) == 40
    assert all(re.fullmatch(r"\d\.\d{4}", result) for result in results)


def test_the_curves_of_chosen_trials_and_of_groups_stand_first() -> None:
    record = searched(40)
    chapter = pictures.chosen(record, [3, 7], "optimizer")
    assert chapter is not None
    page = report.render(record, first=[chapter])
    assert page.index("The trials that were asked for") < page.index("What each method does")
    accuracy = chapter.pictures[0].figure
    assert accuracy is not None
    named = [trace.name for trace in accuracy.data if trace.showlegend]
    assert named == ["trial 3", "trial 7", "optimizer adam", "optimizer sgd"]
    assert accuracy.layout.xaxis.dtick == 1, "eight epochs have no halves"
    assert pictures.chosen(record) is None
    with pytest.raises(StudyError, match="no trial 99"):
        pictures.chosen(record, [99])
    with pytest.raises(StudyError, match="searched no 'colour'"):
        pictures.chosen(record, by="colour")
