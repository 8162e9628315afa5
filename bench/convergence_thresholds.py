"""Where update orders stop converging, N = 400 to 25 600, and what the sizes tend to.

    python bench/convergence_thresholds.py [--folder FOLDER] [--workers N]

For docs/results/convergence.md. Each size has networks and self-couplings of its own, close to its
thresholds. Resumable; about forty minutes on one core.
"""

from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

from binnet import sweeps
from binnet.studies import RELAXATION


class Size(NamedTuple):
    """What is measured of networks of one size."""

    seeds: int
    low: float
    high: float
    step: float
    dtype: str


# Networks of 6400 neurons are drawn again faster than they are drawn once and stored.
SIZES = {
    400: Size(40, 0.35, 0.775, 0.025, "int16"),
    800: Size(40, 0.475, 0.775, 0.025, "int16"),
    1600: Size(40, 0.55, 0.775, 0.0125, "int16"),
    3200: Size(16, 0.6375, 0.7875, 0.0125, "int16"),
    6400: Size(14, 0.7, 0.8, 0.0125, "implicit"),
    12800: Size(10, 0.73, 0.81, 0.01, "implicit"),
    25600: Size(8, 0.76, 0.82, 0.01, "implicit"),
}
FIXED = {"replicas": 10, "max_sweeps": 1000}


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path("convergence"))
@click.option("--workers", default=1, show_default=True)
def main(folder: Path, workers: int) -> None:
    """Sweep, fit and draw."""
    folder.mkdir(parents=True, exist_ok=True)
    for n, size in SIZES.items():
        couplings = np.round(np.arange(size.low, size.high + size.step / 2, size.step), 4)
        grid: dict[str, Any] = {
            "n_neurons": [n],
            "update_order": ["sync", "async"],
            "self_coupling": couplings,
            "seed": range(size.seeds),
        }
        fixed = {**FIXED, "dtype": size.dtype}
        path = folder / f"convergence_{n}.nc"
        sweeps.run(grid, RELAXATION, fixed=fixed, path=path, workers=workers)


if __name__ == "__main__":
    main()
