"""`binnet study chain`: excitation between modules in place of self-coupling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from binnet.cli.studies._shared import (
    Findings,
    describe_seeds,
    describe_training,
    numbers_option,
    output_option,
    run_study,
    training_options,
    workers_option,
)
from binnet.studies.chains import EXCITATIONS, SELF_COUPLINGS


@click.command()
@numbers_option("--modules", "n_modules", (2, 3), "lengths L", ">= 1")
@numbers_option("--excitation", "excitations", EXCITATIONS, "lambda of the chains", ">= 0")
@numbers_option(
    "--self-coupling", "self_couplings", SELF_COUPLINGS, "J_D of the single modules beside", ">= 0"
)
@training_options(hidden=100, epochs=5)
@workers_option
@output_option("chains.png", data=".chains.nc, .singles.nc and .json")
def chain(output: Path, **options: Any) -> None:
    """Train chains with J_D = 0 at each excitation lambda, beside single modules with J_D > 0.

    The same command takes up a study that was stopped.
    """
    from binnet.plotting.architectures import draw_chains
    from binnet.studies.chains import run_chains, summarise_chains

    def work() -> Findings:
        results = run_chains(output, **options)
        records = summarise_chains(*results)
        title = describe_training(**options | {"n_hidden": f"{options['n_hidden']} a module"})
        figures = {output: lambda: draw_chains(*results, title)}
        return Findings({"last_epoch": records}, figures, _tabulate(records))

    names = {
        "n_hidden": "--hidden",
        "n_modules": "--modules",
        "self_coupling": "--self-coupling",
        "excitation": "--excitation",
    }
    run_study(output.with_suffix(".json"), options, work, names)


def _tabulate(records: list[dict[str, Any]]) -> list[str]:
    lines = ["network                          test accuracy     fixed points"]
    for r in records:
        kind = (
            f"one module, J_D = {r['self_coupling']:g}, {r['update_order']}"
            if "update_order" in r
            else f"chain of {r['n_modules']}, lambda = {r['excitation']:g}"
        )
        accuracy, fixed = describe_seeds(r["accuracy"]), describe_seeds(r["fixed_points"])
        lines.append(f"{kind:<30} {accuracy:>15}  {fixed:>15}")
    return lines
