"""`binnet theory`: the cavity/replica calculator on the command line.

Thin on purpose: parse, call the library, print, and write figures with the data behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from binnet._files import name_beside, write_json
from binnet._progress import progress_bar
from binnet._provenance import describe_run
from binnet._validation import check_real
from binnet.cli._common import clear_errors
from binnet.cli._figures import FIGURE_SUFFIXES, check_output, force_option, save_pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def _check_output(context: click.Context, parameter: click.Parameter, output: Path) -> Path:
    return check_output(output, FIGURE_SUFFIXES, (".json",))


_SELF_COUPLING = click.FloatRange(0.0)
_RTOL: dict[str, Any] = {
    "type": click.FloatRange(1e-13, 0.1),
    "default": 1e-5,
    "show_default": True,
    "help": "Relative accuracy of the local entropies.",
}
_SEED = click.IntRange(0)
_POINTS = click.IntRange(2, 10000)
_OUTPUT: dict[str, Any] = {
    "type": click.Path(dir_okay=False, path_type=Path),
    "callback": _check_output,
    "show_default": True,
    "help": "Figure; its data go beside it as JSON.",
}


def _plain(values: Any) -> list[float | None]:
    """Return numbers for JSON, which knows neither nan nor infinity."""
    return [float(v) if abs(v) < float("inf") else None for v in values]


def _save(
    draw: Callable[[], Figure], output: Path, record: dict[str, Any], seed: int = 0
) -> list[str]:
    """Write numbers and where they come from, and their figure; return lines that say where."""
    data = name_beside(output, ".json")
    write_json(data, {"run": describe_run(seed, threads=1), **record})
    written = save_pictures({output: draw}, dpi=200, bbox_inches="tight")
    return [*(f"figure: {path}" for path in written), f"data:   {data}"]


@click.group()
def theory() -> None:
    """Count fixed points and map their phases without simulating (theory of infinite networks)."""


@theory.command()
@click.option("--minimum", type=click.FloatRange(0.0, min_open=True), default=0.002,
              show_default=True, help="Smallest self-coupling, above 0.")  # fmt: skip
@click.option("--maximum", type=click.FloatRange(0.0, 20.0), default=2.0, show_default=True,
              help="Largest self-coupling.")  # fmt: skip
@click.option("--points", type=_POINTS, default=40, show_default=True,
              help="Number of self-couplings, evenly in the log.")  # fmt: skip
@click.option("--rtol", **_RTOL)
@click.option("--dynamics/--no-dynamics", default=True, show_default=True,
              help="Also estimate where the dynamics freezes.")  # fmt: skip
@click.option("--seed", type=_SEED, default=0, show_default=True,
              help="Seed of the dynamical estimate.")  # fmt: skip
@click.option("--output", default="phase.png", **_OUTPUT)
@force_option
def phase(
    minimum: float,
    maximum: float,
    points: int,
    rtol: float,
    dynamics: bool,
    seed: int,
    output: Path,
) -> None:
    """Draw the phase diagram: complexity, isolation, overlap gap and thresholds over J_D."""
    if not minimum < maximum:
        raise click.UsageError(
            f"--minimum must be below --maximum, got {minimum:g} and {maximum:g}"
        )
    import numpy as np

    import binnet.theory as calculator

    with clear_errors():
        grid = np.geomspace(minimum, maximum, points)
        table = calculator.phase_diagram(
            grid, rtol=rtol, progress=lambda rows: progress_bar(rows, unit="J_D")
        )
        critical = calculator.critical_self_coupling()
        monotone = calculator.monotone_self_coupling()
        thresholds = {"critical": critical.self_coupling, "monotone": monotone.self_coupling}
        errors = {"critical": critical.error, "monotone": monotone.error}
        orders = {"freezing, synchronous": 1.0, "freezing, half updated": 0.5} if dynamics else {}
        for name, fraction in progress_bar(orders.items(), unit="order", disable=not orders):
            freezing = calculator.freezing_self_coupling(update_fraction=fraction, seed=seed)
            thresholds[name], errors[name] = freezing.self_coupling, freezing.error
        record = {
            "thresholds": thresholds,
            "threshold_errors": errors,
            "gap_closes_at": critical.distance,
            "rtol": rtol,
            "table": {name: _plain(column) for name, column in table.items()},
        }
        closing = (critical.self_coupling, critical.distance)
        files = _save(lambda: _draw_phase(table, thresholds, closing), output, record, seed)
    click.echo(f"critical self-coupling  {critical.self_coupling:.6f} +- {critical.error:.1g}"
               f"  (gap closes at distance {critical.distance:.5f})")  # fmt: skip
    click.echo(f"entropy monotone from   {monotone.self_coupling:.6f} +- {monotone.error:.1g}")
    for name in orders:
        click.echo(f"{name:<23} {thresholds[name]:.3f} +- {errors[name]:.3f}")
    for line in files:
        click.echo(line)


def _draw_phase(
    table: Mapping[str, Any], thresholds: Mapping[str, float], closing: tuple[float, float]
) -> Figure:
    from binnet.plotting import make_panels
    from binnet.plotting.theory import plot_complexity, plot_gap

    figure, (top, bottom) = make_panels(1, 2, size=(8.5, 6.0), sharex=True)
    plot_complexity(table["self_coupling"], table["complexity"], top, thresholds=thresholds)
    plot_gap(table, bottom, closing=closing)
    for value in thresholds.values():
        bottom.axvline(value, color="0.7", lw=0.8, zorder=0)
    bottom.set_xscale("log")
    bottom.set_xlabel(r"self-coupling $J_D$")
    return figure


@theory.command("local-entropy")
@click.option("--self-coupling", "first", multiple=True, type=_SELF_COUPLING, required=True,
              help="One or more self-couplings, e.g. --self-coupling 0.04 0.07 0.2.")  # fmt: skip
@click.argument("more", nargs=-1, type=_SELF_COUPLING)
@click.option("--points", type=_POINTS, default=60, show_default=True,
              help="Number of distances per curve.")  # fmt: skip
@click.option("--rtol", **_RTOL)
@click.option("--output", default="local_entropy.png", **_OUTPUT)
@force_option
def local_entropy(
    first: tuple[float, ...], more: tuple[float, ...], points: int, rtol: float, output: Path
) -> None:
    """Draw the local entropy of the densest clusters over distance, with the overlap gap shaded."""
    import numpy as np

    import binnet.theory as calculator

    with clear_errors():
        values = [check_real("--self-coupling", j, 0.0) for j in sorted({*first, *more})]
        distance = np.geomspace(2e-4, 0.5, points)
        curves, gaps, notes, record = {}, {}, {}, []
        for j in progress_bar(values, unit="J_D"):
            curve = calculator.local_entropy(j, distance, rtol=rtol)
            gap = calculator.overlap_gap(j, rtol=rtol)
            curves[j], gaps[j] = (distance, curve.value), (gap.lower, gap.upper)
            notes[j] = "no gap"
            if gap.lower == gap.lower:  # not nan
                ends = f"{gap.lower:.5f} to {gap.upper:.5f} (+- {gap.error:.0e})"
                notes[j] = f"no clusters at distances {ends}"
            record.append({
                "self_coupling": j, "gap": _plain(gaps[j]), "gap_error": _plain([gap.error])[0],
                "distance": _plain(distance), "entropy": _plain(curve.value),
                "error": _plain(curve.error), "replicas": _plain(curve.replicas),
            })  # fmt: skip
        files = _save(
            lambda: _draw_local_entropy(curves, gaps), output, {"rtol": rtol, "curves": record}
        )
    for j, note in notes.items():
        click.echo(f"J_D = {j:g}: {note}")
    for line in files:
        click.echo(line)


def _draw_local_entropy(
    curves: Mapping[float, tuple[Any, Any]], gaps: Mapping[float, tuple[float, float]]
) -> Figure:
    from binnet.plotting import make_panels
    from binnet.plotting.theory import plot_local_entropy

    figure, (left, right) = make_panels(2, size=(9.5, 4.0))
    plot_local_entropy(curves, left)
    plot_local_entropy(curves, right, gaps=gaps)
    floor = min(-0.012, *(1.15 * float(min(entropy)) for _, entropy in curves.values()))
    right.set(xscale="log", xlim=(2e-4, 0.5), ylim=(floor, 0.03))
    right.set_title("around zero; gap shaded")
    return figure


@theory.command()
@click.option("--neurons", required=True, type=click.IntRange(2), help="Number of neurons N.")
@click.option("--self-coupling", required=True, type=_SELF_COUPLING, help="Self-coupling J_D >= 0.")
@click.option("--margin", type=float, default=0.0, show_default=True,
              help="Stability that every neuron must exceed.")  # fmt: skip
@click.option("--field", type=click.FloatRange(0.0), default=0.0, show_default=True,
              help="Standard deviation of Gaussian external fields.")  # fmt: skip
@click.option("--symmetry", type=click.FloatRange(-1.0, 1.0), default=0.0, show_default=True,
              help="eta, correlation of J_ij and J_ji.")  # fmt: skip
@click.option("--enumerate", "draws", type=click.IntRange(0, 10**6), default=0, show_default=True,
              help="Also count exactly, in this many random networks (N up to 30).")  # fmt: skip
@click.option("--seed", type=_SEED, default=0, show_default=True,
              help="Seed of the random networks.")  # fmt: skip
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
            f"got {neurons}; without it the expected number is printed"
        )
    import numpy as np

    import binnet.theory as calculator
    from binnet import RandomNetwork, fixed_points

    with clear_errors():
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
        if not 2 <= neurons <= 30:
            raise ValueError(
                f"--enumerate needs --neurons between 2 and 30, got {neurons}; binnet count knows "
                "how long more would take"
            )
        exact = []
        for draw in progress_bar(range(draws), unit="network", disable=None):
            network = RandomNetwork.draw(
                neurons, self_coupling, symmetry=symmetry, field_std=field, dtype="float64",
                seed=seed + draw,
            )  # fmt: skip
            exact.append(fixed_points.enumerate(network, margin=margin).count)
        spread = f" +- {np.std(exact, ddof=1) / np.sqrt(draws):.2g}" if draws > 1 else ""
        click.echo(f"exact count     {np.mean(exact):.6g}{spread}  ({draws} networks, seed {seed})")
