"""Where update orders stop converging, N = 400, 1600 and 6400 (docs/results/convergence.md).

    python bench/convergence_thresholds.py [--folder FOLDER] [--workers N]

Each size has self-couplings of its own around its thresholds. Resumable; about half an
hour on one core.
"""

from pathlib import Path
from typing import Any

import click
import numpy as np
import xarray as xr

from binnet import sweeps
from binnet.plotting import save_figure
from binnet.plotting.sweeps import draw_convergence
from binnet.studies import RELAXATION, convergence_thresholds

RANGES = {400: (0.400, 0.700), 1600: (0.500, 0.775), 6400: (0.600, 0.850)}
STEP = 0.025
FIXED = {"replicas": 10, "max_sweeps": 1000}


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path("convergence"))
@click.option("--seeds", default=5, show_default=True, help="networks of each size")
@click.option("--workers", default=1, show_default=True)
def main(folder: Path, seeds: int, workers: int) -> None:
    """Sweep, print the thresholds, and draw them."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for n, (low, high) in RANGES.items():
        couplings = np.round(np.arange(low, high + STEP / 2, STEP), 3)
        grid: dict[str, Any] = {
            "n_neurons": [n],
            "update_order": ["sync", "async"],
            "self_coupling": couplings,
            "seed": range(seeds),
        }
        path = folder / f"convergence_{n}.nc"
        parts.append(sweeps.run(grid, RELAXATION, fixed=FIXED, path=path, workers=workers))
    result = xr.concat(parts, "n_neurons", join="outer", data_vars="all", coords="minimal")
    thresholds = convergence_thresholds(result)
    for order in ("sync", "async"):
        part = result.sel(update_order=order)
        click.echo(f"\n{order}: runs of {10 * seeds} that converge")
        converged = part["n_converged"].sum("seed", min_count=1).to_pandas()
        click.echo(converged.to_string(float_format="%.0f", na_rep="-"))
        cycles = int(part["n_cycles"].sum())
        click.echo(f"runs that ended in a cycle: {cycles}")
    click.echo(thresholds.to_dataframe().round(4).reset_index().to_string(index=False))
    save_figure(
        draw_convergence(result, thresholds, "Convergence within 1000 sweeps"),
        folder / "convergence.png",
    )


if __name__ == "__main__":
    main()
