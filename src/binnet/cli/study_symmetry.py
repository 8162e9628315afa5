"""`binnet study symmetry`: how symmetric the couplings become while they learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from binnet._files import write_json
from binnet._provenance import describe_run
from binnet.cli._common import clear_errors, prefer_waiting_threads
from binnet.cli._studies import (
    describe_seeds,
    output_option,
    stopping_is_safe,
    training_options,
    workers_option,
)
from binnet.learning import PRESETS


@click.command()
@click.option(
    "--preset",
    "presets",
    type=click.Choice(PRESETS),
    multiple=True,
    default=("default", "source"),
    show_default=True,
    help="what is trained; repeatable",
)
@training_options(hidden=400, epochs=10)
@workers_option
@output_option("symmetry.png")
def symmetry(presets: tuple[str, ...], output: Path, **options: Any) -> None:
    """Measure the symmetry of J after every epoch: eta = sum J_ij J_ji / sum J_ij^2.

    The same command takes up a study that was stopped.
    """
    prefer_waiting_threads()
    from binnet.plotting import save_figure
    from binnet.plotting.architectures import draw_symmetry
    from binnet.studies.symmetry import run_symmetry, summarise_symmetry

    with clear_errors({"n_hidden": "--hidden"}), stopping_is_safe():
        result = run_symmetry(output.with_suffix(".nc"), presets=presets, **options)
        records = summarise_symmetry(result)
        title = f"entangled MNIST, H = {options['n_hidden']}, {options['samples']} samples"
        save_figure(draw_symmetry(result, title), output)
        parameters = {"presets": presets, **options}
        record = {"parameters": parameters, "last_epoch": records, "run": describe_run(0, 1)}
        write_json(output.with_suffix(".json"), record)
    click.echo(
        "preset             eta at first     eta at last      eta learned      test accuracy"
    )
    for r in records:
        columns = ("drawn_symmetry", "symmetry", "learned_symmetry", "accuracy")
        click.echo(f"{r['preset']:<16}" + "".join(f"  {describe_seeds(r[c]):>15}" for c in columns))
    click.echo(f"figure: {output}; data: {output.with_suffix('.nc')}, .json")
