"""`winnow augmentations`: a picture of what a spec's augmentation does."""

from pathlib import Path

import click

from winnow.errors import SpecError
from winnow.objectives.augmentation import gallery
from winnow.search.cli.options import spec_argument
from winnow.search.cli.places import writable
from winnow.search.study import validation


@click.command()
@spec_argument
@click.option("--output", type=click.Path(path_type=Path), help="The PNG.  [default: reports/NAME-augmentations.png]")
@click.option("--classes", is_flag=True, help="Draw sixteen images of each class instead, with how many there are.")
def augmentations(spec: Path, output: Path | None, classes: bool) -> None:
    """Draw what each augmentation does to sixteen images of SPEC's data, at the strongest that SPEC allows."""
    checked = validation.read(spec)
    if not checked.built_in:
        raise SpecError(str(spec), "objective", "a custom objective does its own augmentation", "draw it there")
    path = writable(output or Path("reports") / f"{checked.name}-{'classes' if classes else 'augmentations'}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    if classes:
        gallery.write_classes(checked.data_spec, path)
    else:
        gallery.write(checked.data_spec, path, gallery.strongest(checked.space, checked.fixed))
    click.echo(f"Picture: {path}")
