"""How a study's numbers came about, and how far they carry: the report's chapter on method and caveats."""

from winnow.search.analysis.conclusions import Conclusions
from winnow.search.analysis.study_record import StudyRecord


def sentences(record: StudyRecord, found: Conclusions) -> list[str]:
    """Return what was done, and what must not be read into it; only what bears on this study."""
    return [*_search(record, found), *_confirmation(found), *_ablation(found)]


def _search(record: StudyRecord, found: Conclusions) -> list[str]:
    said = []
    if found.spec is not None:
        data = (found.spec.data or {}).get("name")
        trained = f" and trained on {data}" if data else ""
        pruner = found.spec.pruner.name
        stopped = "none was stopped early by a pruner" if pruner == "none" else f"stopped early by {pruner}"
        said.append(
            f"Configurations were chosen by {found.spec.sampler.name}{trained}; {stopped}. The whole spec lies in the "
            "storage."
        )
    said.append(
        f"A trial is one training with one seed. Its {record.metric} was measured on the data that the search chose "
        "by, so the best of many is optimistic."
    )
    if record.count("PRUNED"):
        said.append(
            "A pruned trial stands at the last value that it reported; what it would have reached is not known, and "
            "what is drawn over trials shows the stronger ones at full length only."
        )
    if record.baseline is not None and record.baseline.config:
        said.append(
            "The baseline is every hyperparameter at its default but for what the spec fixes; where a range cannot "
            "hold its value, the table of trials shows the nearest that it can."
        )
    return said


def _confirmation(found: Conclusions) -> list[str]:
    if found.confirmation is None:
        return []
    return [
        "A confirmation compares the best trials on seeds that no trial of the search had (paired by seed, Bonferroni) "
        "and measures the one with the best mean on other seeds. Deviations are over seeds, on one split of the "
        "data: they leave out how results vary between splits. Intervals for other examples count the test data as a "
        "draw too.",
        "Test data are read by winnow confirm alone, and the storage's ledger holds every reading.",
    ]


def _ablation(found: Conclusions) -> list[str]:
    if not found.ablations:
        return []
    return [
        "An ablation trains both sides of each comparison with the same seeds, and adds seeds where they may decide. "
        "Its verdicts are tested together (each method has an equal share of the error, which its questions hand on to "
        "each other: Bretz et al., 2009): in 95 of 100 reports none of them is false, at any look. An interval holds "
        "for its line alone, so one may leave out zero beside a verdict that is inconclusive. All is on validation "
        "data.",
        "What a method does depends on the configuration around it: these effects are those between the two "
        "configurations named, not of the method as such.",
    ]
