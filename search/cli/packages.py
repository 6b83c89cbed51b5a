"""The packages that Winnow itself needs, in the versions that it needs: another tool may have installed others."""

from importlib.metadata import requires, version

from packaging.requirements import Requirement

from winnow.errors import WinnowError


def misfit() -> WinnowError | None:
    """Return which needed package is there in a version that Winnow cannot use; None where none is."""
    for needed in map(Requirement, requires("winnow-hpo") or ()):
        if needed.marker is not None and not needed.marker.evaluate({"extra": ""}):
            continue
        found = version(needed.name)
        if found not in needed.specifier:
            problem = f"{needed.name} {found} is installed, and Winnow needs {needed.name}{needed.specifier}"
            remedy = f"pip install '{needed.name}{needed.specifier}', or give Winnow an environment of its own"
            return WinnowError(problem, remedy)
    return None
