"""`binnet study self-coupling`: learning, dynamics and theory over one axis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from binnet._files import write_json
from binnet._provenance import describe_run
from binnet.cli._common import clear_errors, prefer_waiting_threads
from binnet.cli._studies import (
    Numbers,
    describe_seeds,
    output_option,
    stopping_is_safe,
    training_options,
    workers_option,
)
from binnet.learning import PRESETS

_QUICK = {"n_hidden": 100, "epochs": 2, "seeds": 1, "networks": 3, "max_sweeps": 300}
_QUICK_COUPLINGS = (0.0, 0.1, 0.3, 0.5, 0.7, 1.0)


@click.command("self-coupling")
@click.option(
    "--self-coupling",
    type=Numbers(float),
    default="0,0.05,0.1,0.15,0.2,0.3,0.4,0.5,0.6,0.7,0.8,1,1.2",
    show_default=True,
    help="J_D  [>= 0, two or more]",
)
@click.option(
    "--preset",
    "presets",
    type=click.Choice(PRESETS),
    multiple=True,
    default=("source", "default"),
    show_default=True,
    help="what is trained; repeatable",
)
@click.option(
    "--networks",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="random networks whose dynamics is followed, at each J_D",
)
@click.option(
    "--quick", is_flag=True, help="H = 100, few self-couplings, seeds and epochs: a minute"
)
@training_options(hidden=400, epochs=5)
@workers_option
@output_option("self_coupling.png", data=".training.nc, .convergence.nc, .entropies.nc and .json")
def self_coupling(
    self_coupling: tuple[float, ...],
    presets: tuple[str, ...],
    quick: bool,
    output: Path,
    **options: Any,
) -> None:
    """Draw test accuracy, convergence of the dynamics and the theory's entropies against J_D.

    The same command takes up a study that was stopped.
    """
    prefer_waiting_threads()
    from binnet.plotting import save_figure
    from binnet.plotting.self_coupling import draw_self_coupling
    from binnet.studies.self_coupling import run_self_coupling, summarise_self_coupling

    if quick:
        options |= _QUICK
        self_coupling = _QUICK_COUPLINGS
    axes: dict[str, Any] = {"self_couplings": self_coupling, "presets": presets}
    names = {"n_hidden": "--hidden", "self_couplings": "--self-coupling"}
    with clear_errors(names), stopping_is_safe():
        study = run_self_coupling(output, **axes, **options)
        records = summarise_self_coupling(study)
        title = (
            f"entangled MNIST, H = {options['n_hidden']}, {options['samples']} samples, "
            f"{options['epochs']} epochs; random networks of the same size"
        )
        save_figure(draw_self_coupling(*study, title), output)
        record = {
            "parameters": {**axes, **options},
            "thresholds": study.thresholds,
            "self_couplings": records,
            "run": describe_run(0, 1),
        }
        write_json(output.with_suffix(".json"), record)
    click.echo(
        "J_D    " + "".join(f"{name:>18}" for name in presets) + "    converges: sync  async"
    )
    for r in records:
        accuracies = "".join(f"{describe_seeds(r['accuracy'][name]):>18}" for name in presets)
        converged = r["converged"]
        click.echo(
            f"{r['self_coupling']:<7g}{accuracies}{converged['sync']:>19.2f}"
            f"{converged['async']:>7.2f}"
        )
    for name, J_D in study.thresholds.items():
        click.echo(f"{name}: J_D = {J_D:.4f}")
    click.echo(f"figure: {output}; data: {output.with_suffix('.json')} and .nc files beside it")
