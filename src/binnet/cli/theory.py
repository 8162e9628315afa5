"""`binnet theory`: the cavity/replica calculator on the command line.

Thin on purpose: parse, call the library, print, and write figures with the data behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from binnet._progress import progress_bar
from binnet._validation import check_real
from binnet.cli._common import clear_errors
from binnet.cli._figures import force_option
from binnet.cli._lazy import LazyGroup
from binnet.cli._theory import (
    DYNAMICS,
    FIELD,
    MARGIN,
    OPTIONS,
    OUTPUT,
    POINTS,
    RTOL,
    SEED,
    save,
    to_plain,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_SELF_COUPLING = click.FloatRange(0.0)


@click.group(cls=LazyGroup, where=lambda: {"map": "binnet.cli.theory_map:map_plane"})
def theory() -> None:
    """Count fixed points and map their phases without simulating (theory of infinite networks)."""


@theory.command()
@click.option("--minimum", type=click.FloatRange(0.0, min_open=True), default=0.002,
              show_default=True, help="Smallest J_D less the margin, above 0.")  # fmt: skip
@click.option("--maximum", type=click.FloatRange(0.0, 20.0), default=2.0, show_default=True,
              help="Largest J_D less the margin.")  # fmt: skip
@click.option("--margin", **MARGIN)
@click.option("--field", **FIELD)
@click.option("--points", type=POINTS, default=40, show_default=True,
              help="Number of self-couplings, evenly in the log.")  # fmt: skip
@click.option("--rtol", **RTOL)
@click.option("--dynamics/--no-dynamics", **DYNAMICS)
@click.option("--seed", **SEED)
@click.option("--output", default="phase.png", **OUTPUT)
@force_option
def phase(
    minimum: float,
    maximum: float,
    margin: float,
    field: float,
    points: int,
    rtol: float,
    dynamics: bool,
    seed: int,
    output: Path,
) -> None:
    """Draw the phase diagram: complexity, isolation, overlap gap and thresholds over J_D.

    With a margin all is drawn over J_D less the margin, which alone decides what fixed points there
    are; the dynamics knows no margin.  The isolation of typical fixed points is left out where
    there are fields.
    """
    if not minimum < maximum:
        raise click.UsageError(
            f"--minimum must be below --maximum, got {minimum:g} and {maximum:g}"
        )
    import numpy as np

    import binnet.theory as calculator

    with clear_errors(OPTIONS):
        grid = check_real("margin", margin) + np.geomspace(minimum, maximum, points)
        table = calculator.phase_diagram(
            grid, margin=margin, field_std=field, rtol=rtol,
            progress=lambda rows: progress_bar(rows, unit="J_D"),
        )  # fmt: skip
        found, notes = _find_thresholds(margin, field, dynamics, seed)
        record = {
            "margin": margin,
            "field_std": field,
            "thresholds": {name: point.self_coupling for name, point in found.items()},
            "threshold_errors": {name: point.error for name, point in found.items()},
            "gap_closes_at": found["critical"].distance if "critical" in found else None,
            "rtol": rtol,
            "table": {name: to_plain(column) for name, column in table.items()},
        }
        files = save(lambda: _draw_phase(table, found, margin), output, record, seed)
    if field:
        notes.append("isolation radius        left out: it is not calculated with fields")
    for line in (*notes, *files):
        click.echo(line)


def _find_thresholds(
    margin: float, field: float, dynamics: bool, seed: int
) -> tuple[dict[str, Any], list[str]]:
    """Return the thresholds that there are, and a line about each."""
    import binnet.theory as calculator

    parameters = {"margin": margin, "field_std": field}
    searches: dict[str, Callable[[], Any]] = {
        "critical": partial(calculator.critical_self_coupling, **parameters),
        "monotone": partial(calculator.monotone_self_coupling, **parameters),
    }
    if dynamics:  # of the synchronous dynamics: it is the same for every update order
        searches["freezing"] = partial(
            calculator.freezing_self_coupling, field_std=field, seed=seed
        )
    titles = {
        "critical": "critical self-coupling",
        "monotone": "entropy monotone from",
        "freezing": "dynamics freezes from",
    }
    found: dict[str, Any] = {}
    lines = []
    for name, search in progress_bar(searches.items(), unit="threshold"):
        title = f"{titles[name]:<23}"
        try:
            found[name] = point = search()
        except ValueError as error:
            lines.append(f"{title} left out: {error}")
            continue
        if name == "freezing":
            lines.append(f"{title} {point.self_coupling:.3f} +- {point.error:.3f}")
            if point.self_coupling <= margin:
                lines[-1] += "  (not drawn: no fixed point has this margin there)"
        else:
            lines.append(f"{title} {point.self_coupling:.6f} +- {point.error:.1g}")
        if name == "critical":
            bound = ", at this J_D at the earliest" if field else ""
            lines[-1] += f"  (gap closes at distance {point.distance:.5f}{bound})"
    return found, lines


def _draw_phase(table: Mapping[str, Any], found: Mapping[str, Any], margin: float) -> Figure:
    from binnet.plotting import make_panels
    from binnet.plotting.theory import plot_complexity, plot_gap

    figure, (top, bottom) = make_panels(1, 2, size=(8.5, 6.0), sharex=True)
    shifted = {**table, "self_coupling": table["self_coupling"] - margin}
    thresholds = {name: point.self_coupling - margin for name, point in found.items()}
    thresholds = {name: value for name, value in thresholds.items() if value > 0.0}
    closing = (thresholds["critical"], found["critical"].distance) if "critical" in found else None
    plot_complexity(shifted["self_coupling"], table["complexity"], top, thresholds=thresholds)
    plot_gap(shifted, bottom, closing=closing)
    for value in thresholds.values():
        bottom.axvline(value, color="0.7", lw=0.8, zorder=0)
    bottom.set_xscale("log")
    beyond = rf" beyond the margin, $J_D - {margin:g}$" if margin else " $J_D$"
    bottom.set_xlabel(f"self-coupling{beyond}")
    return figure


@theory.command("local-entropy")
@click.option("--self-coupling", "first", multiple=True, type=_SELF_COUPLING, required=True,
              help="One or more self-couplings, e.g. --self-coupling 0.04 0.07 0.2.")  # fmt: skip
@click.argument("more", nargs=-1, type=_SELF_COUPLING)
@click.option("--points", type=POINTS, default=60, show_default=True,
              help="Number of distances per curve.")  # fmt: skip
@click.option("--margin", **MARGIN)
@click.option("--field", **FIELD)
@click.option("--rtol", **RTOL)
@click.option("--output", default="local_entropy.png", **OUTPUT)
@force_option
def local_entropy(
    first: tuple[float, ...],
    more: tuple[float, ...],
    points: int,
    margin: float,
    field: float,
    rtol: float,
    output: Path,
) -> None:
    """Draw the local entropy of the densest clusters over distance, with the overlap gap shaded."""
    import numpy as np

    import binnet.theory as calculator

    with clear_errors(OPTIONS):
        values = [check_real("--self-coupling", j, 0.0) for j in sorted({*first, *more})]
        parameters = {"margin": check_real("margin", margin),
                      "field_std": check_real("field_std", field), "rtol": rtol}  # fmt: skip
        scale = 1.0 / (1.0 + field**2)  # of distances and entropies around the gap
        distance = np.geomspace(2e-4 * scale, 0.5, points)
        curves, gaps, notes, record = {}, {}, {}, []
        for j in progress_bar(values, unit="J_D"):
            curve = calculator.local_entropy(j, distance, **parameters)
            gap = calculator.overlap_gap(j, **parameters)
            curves[j], gaps[j] = (distance, curve.value), (gap.lower, gap.upper)
            notes[j] = "no gap"
            if gap.lower == gap.lower:  # not nan
                ends = f"{gap.lower:.5f} to {gap.upper:.5f} (+- {gap.error:.0e})"
                notes[j] = f"no clusters at distances {ends}"
            if j < margin:
                notes[j] = "no fixed points have this margin: it is above J_D"
            record.append({
                "self_coupling": j, "gap": to_plain(gaps[j]), "gap_error": to_plain([gap.error])[0],
                "distance": to_plain(distance), "entropy": to_plain(curve.value),
                "error": to_plain(curve.error), "replicas": to_plain(curve.replicas),
            })  # fmt: skip
        files = save(
            lambda: _draw_local_entropy(curves, gaps, scale),
            output,
            {**parameters, "curves": record},
        )
    for j, note in notes.items():
        click.echo(f"J_D = {j:g}: {note}")
    if field:
        click.echo("with fields entropies are upper bounds: gaps may be wider, and more of them")
    for line in files:
        click.echo(line)


def _draw_local_entropy(
    curves: Mapping[float, tuple[Any, Any]],
    gaps: Mapping[float, tuple[float, float]],
    scale: float,
) -> Figure:
    import numpy as np

    from binnet.plotting import make_panels
    from binnet.plotting.theory import plot_local_entropy

    figure, (left, right) = make_panels(2, size=(9.5, 4.0))
    plot_local_entropy(curves, left)
    plot_local_entropy(curves, right, gaps=gaps)
    lowest = min(float(np.nanmin(entropy)) for _, entropy in curves.values())
    floor = min(-0.012 * scale, 1.15 * lowest)
    right.set(xscale="log", xlim=(2e-4 * scale, 0.5), ylim=(floor, 0.03 * scale))
    right.set_title("around zero; gap shaded")
    return figure


@theory.command()
@click.option("--neurons", required=True, type=click.IntRange(2), help="Number of neurons N.")
@click.option("--self-coupling", required=True, type=_SELF_COUPLING, help="Self-coupling J_D >= 0.")
@click.option("--margin", **(MARGIN | {"type": float}))
@click.option("--field", **FIELD)
@click.option("--symmetry", type=click.FloatRange(-1.0, 1.0), default=0.0, show_default=True,
              help="eta, correlation of J_ij and J_ji.")  # fmt: skip
@click.option("--enumerate", "draws", type=click.IntRange(0, 10**6), default=0, show_default=True,
              help="Also count exactly, in this many random networks (N up to 30).")  # fmt: skip
@click.option("--seed", **(SEED | {"help": "Seed of the random networks."}))
def count(
    neurons: int,
    self_coupling: float,
    margin: float,
    field: float,
    symmetry: float,
    draws: int,
    seed: int,
) -> None:
    """Print the expected number of fixed points, and exact counts of random networks if asked.

    `binnet count` has more: other distributions, diluted networks, files.
    """
    if draws and neurons > 30:
        raise click.UsageError(
            "--enumerate visits all 2^N configurations, so it takes --neurons up to 30, "
            f"got {neurons}; without it the expected number is printed, and binnet count knows how "
            "long more would take"
        )
    import numpy as np

    import binnet.theory as calculator
    from binnet import RandomNetwork, fixed_points

    with clear_errors(OPTIONS):
        sigma, error = calculator.complexity(
            self_coupling, margin, field, symmetry, return_error=True
        )
        log_count, log_error = calculator.log_expected_count(
            neurons, self_coupling, margin, field, symmetry=symmetry, return_error=True
        )
        none = "; negative: large networks have no fixed points as stable" if sigma < 0 else ""
        click.echo(f"complexity      {sigma:.6f} +- {error:.0e} nats per neuron{none}")
        number = f"exp({log_count:.6g} +- {log_error:.0e})"
        if not 700 < abs(log_count) < np.inf:
            number = f"{np.exp(log_count):.6g} +- {np.exp(log_count) * log_error:.0e}"
        click.echo(f"expected count  {number}  (N = {neurons}, exact mean over networks)")
        if not draws:
            return
        exact = []
        for draw in progress_bar(range(draws), unit="network", disable=None):
            network = RandomNetwork.draw(
                neurons, self_coupling, symmetry=symmetry, field_std=field, dtype="float64",
                seed=seed + draw,
            )  # fmt: skip
            exact.append(fixed_points.enumerate(network, margin=margin).count)
        spread = f" +- {np.std(exact, ddof=1) / np.sqrt(draws):.2g}" if draws > 1 else ""
        click.echo(f"exact count     {np.mean(exact):.6g}{spread}  ({draws} networks, seed {seed})")
