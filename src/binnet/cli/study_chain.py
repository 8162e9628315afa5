"""`binnet study chain`: excitation between modules in place of self-coupling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from binnet._files import write_json
from binnet._provenance import describe_run
from binnet.cli._common import clear_errors, prefer_waiting_threads
from binnet.cli._numbers import Numbers
from binnet.cli._studies import (
    describe_seeds,
    output_option,
    stopping_is_safe,
    training_options,
    workers_option,
)


@click.command()
@click.option(
    "--modules", type=Numbers(int), default="2,3", show_default=True, help="lengths L  [>= 1]"
)
@click.option(
    "--excitation",
    type=Numbers(float),
    default="0,0.1,0.2,0.35,0.5,0.75,1,1.5",
    show_default=True,
    help="lambda of the chains  [>= 0]",
)
@click.option(
    "--self-coupling",
    type=Numbers(float),
    default="0,0.1,0.2,0.35,0.5,0.7,1,1.5",
    show_default=True,
    help="J_D of the single modules beside them  [>= 0]",
)
@training_options(hidden=100, epochs=5)
@workers_option
@output_option("chains.png", data=".chains.nc, .singles.nc and .json")
def chain(
    modules: tuple[int, ...],
    excitation: tuple[float, ...],
    self_coupling: tuple[float, ...],
    output: Path,
    **options: Any,
) -> None:
    """Train chains with J_D = 0 at each excitation lambda, beside single modules with J_D > 0.

    The same command takes up a study that was stopped.
    """
    prefer_waiting_threads()
    from binnet.plotting import save_figure
    from binnet.plotting.architectures import draw_chains
    from binnet.studies.chains import run_chains, summarise_chains

    names = {
        "n_hidden": "--hidden",
        "n_modules": "--modules",
        "self_coupling": "--self-coupling",
        "excitation": "--excitation",
    }
    axes: dict[str, Any] = {
        "n_modules": modules,
        "excitations": excitation,
        "self_couplings": self_coupling,
    }
    with clear_errors(names), stopping_is_safe():
        chains, singles = run_chains(output, **axes, **options)
        records = summarise_chains(chains, singles)
        title = (
            f"entangled MNIST, H = {options['n_hidden']} a module, {options['samples']} samples, "
            f"{options['epochs']} epochs"
        )
        save_figure(draw_chains(chains, singles, title), output)
        record = {"parameters": {**axes, **options}, "last_epoch": records}
        write_json(output.with_suffix(".json"), {**record, "run": describe_run(0, 1)})
    click.echo("network                          test accuracy     fixed points")
    for r in records:
        kind = (
            f"one module, J_D = {r['self_coupling']:g}, {r['dynamics']}"
            if "dynamics" in r
            else f"chain of {r['n_modules']}, lambda = {r['excitation']:g}"
        )
        accuracy, fixed = describe_seeds(r["accuracy"]), describe_seeds(r["fixed_points"])
        click.echo(f"{kind:<30} {accuracy:>15}  {fixed:>15}")
    click.echo(f"figure: {output}; data: {output.with_suffix('.json')} and .nc files beside it")
