"""`winnow augmentations`: a picture of what a spec's augmentation does."""

from pathlib import Path

import click

from winnow.errors import SpecError
from winnow.objectives.augmentation import gallery
from winnow.search.cli.options import spec_argument
from winnow.search.study import validation


@click.command()
@spec_argument
@click.option("--output", type=click.Path(path_type=Path), help="The PNG.  [default: reports/NAME-augmentations.png]")
def augmentations(spec: Path, output: Path | None) -> None:
    """Draw what each augmentation does to sixteen images of SPEC's data, at the strongest that SPEC allows."""
    checked = validation.read(spec)
    if not checked.built_in:
        raise SpecError(str(spec), "objective", "a custom objective does its own augmentation", "draw it there")
    path = output or Path("reports") / f"{checked.name}-augmentations.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    gallery.write(checked.data_spec, path, gallery.strongest(checked.space, checked.fixed))
    click.echo(f"Picture: {path}")
