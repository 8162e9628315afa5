"""Build the embedded data set from the four original MNIST files.

Run as ``python -m binnet.datasets.build --data-dir FOLDER``; users never need it. The result is
the same, byte for byte, on every run and every machine.
"""

from __future__ import annotations

from pathlib import Path

import click

from .._files import overwriting
from ._embedded import N_FEATURES, NAME, SEED, write_embedded
from .entangled import entangle
from .mnist import load_mnist

DEFAULT_OUT = Path(__file__).parent / "data" / f"{NAME}.npz"


def build_embedded(data_dir: Path | None = None, out: Path = DEFAULT_OUT) -> Path:
    """Build the embedded data set.

    Parameters
    ----------
    data_dir : Path, optional
        Folder of the four IDX files. Default: as for `load_mnist`.
    out : Path
        The .npz file to write; a .json file with its origin goes beside it. Default: the file
        inside the package.

    Returns
    -------
    Path
        The file written.
    """
    write_embedded(out, entangle(load_mnist(data_dir), N_FEATURES, SEED))
    return out


@click.command()
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Folder of the four IDX files, plain or .gz.  [default: $BINNET_MNIST_DIR, the cache]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT_OUT,
    help="The .npz file to write.  [default: the one inside the package]",
)
@click.option("--force", is_flag=True, help="Also replace files that binnet did not write.")
def main(data_dir: Path | None, out: Path, force: bool) -> None:  # numpydoc ignore=PR01
    """Build the embedded data set, byte for byte the same on every run, from the MNIST files."""
    try:
        with overwriting(force or out == DEFAULT_OUT):  # the latter is ours, without a mark
            build_embedded(data_dir, out)
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"wrote {out} ({out.stat().st_size} bytes) and {out.with_suffix('.json').name}")


if __name__ == "__main__":
    main()
