"""`binnet theory map`: planes of the self-coupling and a margin, or the strength of fields."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from binnet._progress import progress_bar
from binnet._validation import check_real
from binnet.cli._common import clear_errors
from binnet.cli._figures import force_option
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

_MAXIMUM = {"margin": 1.5, "field": 5.0}
_ROWS = 81  # self-couplings of a plane


@click.command("map")
@click.option("--over", type=click.Choice(["margin", "field"]), required=True,
              help="What self-couplings are mapped against.")  # fmt: skip
@click.option("--minimum", type=click.FloatRange(0.0), default=0.0, show_default=True,
              help="Smallest margin or field strength.")  # fmt: skip
@click.option("--maximum", type=click.FloatRange(0.0), show_default="margin 1.5, field 5",
              help="Largest margin or field strength.")  # fmt: skip
@click.option("--points", type=POINTS, default=7, show_default=True,
              help="Number of margins or field strengths.")  # fmt: skip
@click.option("--largest", type=click.FloatRange(0.0, 20.0, min_open=True), default=2.0,
              show_default=True, help="Largest self-coupling J_D.")  # fmt: skip
@click.option("--margin", **MARGIN)
@click.option("--field", **FIELD)
@click.option("--rtol", **(RTOL | {"default": 1e-8}))
@click.option("--dynamics/--no-dynamics", **DYNAMICS)
@click.option("--seed", **SEED)
@click.option("--output", default="map.png", **OUTPUT)
@force_option
def map_plane(
    over: str,
    minimum: float,
    maximum: float | None,
    points: int,
    largest: float,
    margin: float,
    field: float,
    rtol: float,
    dynamics: bool,
    seed: int,
    output: Path,
) -> None:
    """Map self-couplings against margins or fields: complexity, overlap gap, freezing.

    A field strength takes some 8 s of a core, 30 s at 5 and beyond, or 1 s with --no-dynamics: the
    default field plane two minutes.  Margins, however many, take as long as one field strength.
    Ctrl-C keeps the field strengths that are finished.
    """
    maximum = _MAXIMUM[over] if maximum is None else maximum
    if not minimum < maximum:
        raise click.UsageError(
            f"--minimum must be below --maximum, got {minimum:g} and {maximum:g}"
        )
    if {"margin": margin, "field": field}[over]:
        raise click.UsageError(
            f"--over {over} maps every {over} from --minimum to --maximum; leave out --{over}"
        )
    import numpy as np

    import binnet.theory as calculator

    with clear_errors(OPTIONS):
        ends = check_real("--minimum", minimum), check_real("--maximum", maximum)
        rows = np.linspace(0.0, check_real("--largest", largest), _ROWS)
        fixed = check_real("margin", margin), check_real("field_std", field)
        line = np.linspace(*ends, points)
        margins, fields = (line, fixed[1:]) if over == "margin" else (fixed[:1], line)
        parts: list[dict[str, Any]] = []
        try:
            for strength in progress_bar(fields, unit="field strength"):
                part = calculator.phase_map(
                    rows,
                    margin=margins,
                    field_std=strength,
                    dynamics=dynamics,
                    rtol=rtol,
                    seed=seed,
                )
                parts.append(part)
        except KeyboardInterrupt:
            if len(parts) < 2:  # no plane
                raise
        plane = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        plane["self_coupling"] = rows
        completed = len(parts) == len(fields)
        record = {"over": over, "points": points, "completed": completed, "rtol": rtol}
        record |= {name: to_plain(values) for name, values in plane.items()}
        files = save(lambda: _draw_plane(plane, over), output, record, seed)
    for line_of_text in (*_describe(plane, over, dynamics), *files):
        click.echo(line_of_text)
    if not completed:
        click.echo(f"interrupted: {len(parts)} of {len(fields)} field strengths")
        sys.exit(130)


def _describe(plane: Mapping[str, Any], over: str, dynamics: bool) -> list[str]:
    """Return a table of the two lines and what is to be said of them, as text."""
    key = {"margin": "margin", "field": "field_std"}[over]
    lines = [f"{over:>8}  {'gap closes at':<22}" + "  freezing" * dynamics]
    for k, x in enumerate(plane[key]):
        critical = f"{plane['critical'][k]:.6f} +- {plane['critical_error'][k]:.1g}"
        freezing = f"  {plane['freezing'][k]:.3f} +- {plane['freezing_error'][k]:.3f}" * dynamics
        lines.append(f"{x:8.4g}  {critical:<22}{freezing}")
    if plane["field_std"].max() > 0.0:
        lines.append("with fields the gap closes there at the earliest")
    if plane["margin"].min() >= plane["self_coupling"].max():
        lines.append("there are no fixed points: every margin is above every self-coupling")
    return lines


def _draw_plane(plane: Mapping[str, Any], over: str) -> Figure:
    from binnet.plotting import make_panels
    from binnet.plotting.theory import plot_phase_map, plot_thresholds

    axis = {"margin": "margin", "field": "field_std"}[over]
    figure, (left, right) = make_panels(2, size=(11.0, 5.6))
    plot_phase_map(plane, axis, left)
    plot_thresholds(plane, axis, right)
    return figure
