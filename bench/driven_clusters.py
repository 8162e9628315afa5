"""The line J_D^c(kappa, sigma_b) of closing gaps (docs/results/driven_clusters.md).

    python bench/driven_clusters.py [--folder FOLDER]

Nothing is random; about a minute on one core.  Writes driven_clusters.json and .png.
"""

import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from binnet import theory
from binnet._files import write_json
from binnet._progress import progress_bar
from binnet._provenance import describe_run
from binnet.plotting import make_panels, save_figure
from binnet.plotting._style import curve_style, finish
from binnet.theory._quadrature import Neuron
from binnet.theory.transition import unrelated_distance

STDS = (0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 4, 5, 7, 10, 14, 20, 50, 100)
MONOTONE = (0, 1, 5, 20)
MARGINS = (0.0, 0.3, 0.9, 1.5)
CURVES = (0.0, 1.0, 5.0, 20.0)
SCALED = 0.04  # J_D of the curves, in standard deviations of a neuron's field


def find_line() -> list[dict[str, Any]]:
    """Return threshold, closing distance, complexity there and distance of unrelated points."""
    rows = []
    for std in progress_bar(STDS, unit="sigma_b"):
        start = time.process_time()
        point = theory.critical_self_coupling(field_std=std)
        seconds = time.process_time() - start
        rows.append({
            "field_std": std,
            **point._asdict(),
            "replicas": float(
                theory.local_entropy(point.self_coupling, point.distance, field_std=std).replicas
            ),
            "complexity": float(theory.complexity(point.self_coupling, 0.0, std)),
            "unrelated_distance": unrelated_distance(Neuron(point.self_coupling, std), 1.0),
            "cpu_seconds": seconds,
        })  # fmt: skip
    return rows


def find_curves() -> list[dict[str, Any]]:
    """Return S_loc over the distance at the same J_D in standard deviations of the field."""
    curves = []
    for std in progress_bar(CURVES, unit="curve"):
        unit = float(np.hypot(1.0, std))
        j = SCALED / unit
        last = min(0.95 * unrelated_distance(Neuron(j, std), 1.0), 0.45)
        distance = np.geomspace(3e-4 / unit**2, last, 40)
        entropy = theory.local_entropy(j, distance, field_std=std)
        curves.append({
            "field_std": std,
            "self_coupling": j,
            "distance": distance.tolist(),
            "entropy": entropy.value.tolist(),
            "largest_error": float(entropy.error.max()),
        })  # fmt: skip
    return curves


def draw(rows: list[dict[str, Any]], curves: list[dict[str, Any]]) -> Any:
    """Threshold, distances, and the curves in units in which fields drop out."""
    title = "Numerical errors are smaller than the marks and lines (below 1e-7)"
    figure, (left, middle, right) = make_panels(3, 1, title=title, size=(15.0, 4.8))
    std = np.array([row["field_std"] for row in rows])
    unit = np.hypot(1.0, std)
    line = [row["self_coupling"] for row in rows]
    left.plot(unit, line, **curve_style(0), label="overlap gap closes")
    left.plot(unit, 0.0601 / unit, color="0.5", lw=1, label=r"$0.0601/\sqrt{1+\sigma_b^2}$")
    left.set_ylabel(r"$J_D^c - \kappa$ (with fields a lower bound)")
    middle.plot(unit, [row["distance"] for row in rows], **curve_style(0), label="gap closes")
    middle.plot(
        unit,
        [row["unrelated_distance"] for row in rows],
        **curve_style(1),
        label="unrelated fixed points",
    )
    middle.plot(unit, 0.01586 / unit**2, color="0.5", lw=1, label=r"$0.0159/(1+\sigma_b^2)$")
    middle.set_ylabel("distance $d$")
    for ax in (left, middle):
        ax.loglog()
        ax.set_xlabel(r"standard deviation of a neuron's field, $\sqrt{1+\sigma_b^2}$")
        finish(ax)
    for k, curve in enumerate(curves):
        variance = 1.0 + curve["field_std"] ** 2
        right.plot(
            variance * np.array(curve["distance"]),
            variance * np.array(curve["entropy"]),
            **curve_style(k) | {"marker": None},
            label=rf"$\sigma_b$ = {curve['field_std']:g}",
        )
    right.axhline(0.0, color="0.5", lw=1)
    right.set_xscale("log")
    right.set_xlim(3e-4, 0.3)
    right.set_ylim(-0.008, 0.02)
    right.set_xlabel(r"$(1+\sigma_b^2)\, d$")
    right.set_ylabel(r"$(1+\sigma_b^2)\, S_{loc}$ (nats per neuron)")
    right.set_title(rf"$J_D - \kappa = {SCALED}/\sqrt{{1+\sigma_b^2}}$", fontsize=10)
    finish(right)
    return figure


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path("docs/results"))
def main(folder: Path) -> None:
    """Compute the line, print it, and write data and figure."""
    rows, curves = find_line(), find_curves()
    for row in rows:
        unit = np.hypot(1.0, row["field_std"])
        click.echo(
            f"| {row['field_std']:g} | {row['self_coupling']:.10f} +- {row['error']:.0e} "
            f"| {row['self_coupling'] * unit:.5f} | {row['distance']:.4e} "
            f"+- {row['distance_error']:.0e} | {row['distance'] * unit**2:.5f} "
            f"| {row['replicas']:.3f} | {row['complexity']:.6f} "
            f"| {row['unrelated_distance']:.5f} | {row['cpu_seconds']:.1f} s |"
        )
    shifts = {
        (kappa, std): theory.critical_self_coupling(margin=kappa, field_std=std).self_coupling
        for kappa in MARGINS
        for std in (1.0, 5.0)
    }
    for (kappa, std), j in shifts.items():
        click.echo(
            f"kappa {kappa:g} sigma_b {std:g}: J_D^c = {j:.10f}, less kappa {j - kappa:.10f}"
        )
    monotone = [
        {"field_std": std, **theory.monotone_self_coupling(field_std=std)._asdict()}
        for std in progress_bar(MONOTONE, unit="sigma_b")
    ]
    for row in monotone:
        click.echo(
            f"sigma_b {row['field_std']:g}: monotone from {row['self_coupling']:.9f} "
            f"+- {row['error']:.0e} at d = {row['distance']:.4e} +- {row['distance_error']:.0e}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    record = {
        "run": describe_run(threads=1),
        "critical": rows,
        "margins": [
            {"margin": kappa, "field_std": std, "self_coupling": j}
            for (kappa, std), j in shifts.items()
        ],
        "monotone": monotone,
        "curves": curves,
    }
    write_json(folder / "driven_clusters.json", record, overwrite=True)
    save_figure(draw(rows, curves), folder / "driven_clusters.png", overwrite=True)


if __name__ == "__main__":
    main()
