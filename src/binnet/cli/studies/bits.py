"""`binnet study bits`: the figure of accuracy against weight bits, and its numbers."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

import click

from binnet.cli.studies._shared import (
    Findings,
    describe_training,
    output_option,
    run_study,
    training_options,
    workers_option,
)


@click.command()
@training_options(hidden=400, epochs=10)
@workers_option
@output_option("weight_bits.png", data=".float.nc, .integers.nc, .wide.nc and .json")
def bits(output: Path, **options: Any) -> None:
    """Train in float32 and in integers of 1 to 16 bits, and draw accuracy against weight bits.

    Integers are trained with random and with nearest rounding, and with latent weights, of more
    bits than the fields see; trained float32 networks are quantised. The same command takes up a
    study that was stopped.
    """
    from binnet.plotting.hardware import draw_weight_bits
    from binnet.studies.weight_bits import run_weight_bits, summarise_weight_bits

    def work() -> Findings:
        results = run_weight_bits(output, **options)
        summary = summarise_weight_bits(*results)
        figures = {output: lambda: draw_weight_bits(*results, describe_training(**options))}
        return Findings({"test_accuracy": summary}, figures, _tabulate(summary))

    run_study(output.with_suffix(".json"), options, work, {"n_hidden": "--hidden"})


def _tabulate(summary: dict[str, Any]) -> list[str]:
    from binnet.studies.weight_bits import LATENT_BITS

    lines = [
        f"float32: {fmean(summary['float']):.4f}",
        "bits   stochastic   nearest   latent weights  quantised after training",
    ]
    for width, quantized in summary["quantized"].items():
        stochastic, nearest = (
            f"{fmean(summary['trained'][rounding][width]):.4f}"
            for rounding in ("per-weight", "nearest")
        )
        values = summary["wide_synapses"].get(width)
        shown = f"{fmean(values):.4f} ({LATENT_BITS[int(width)]} bits)" if values else "-"
        lines.append(
            f"{width:>4}   {stochastic:>10}   {nearest:>7}   {shown:<16}  {fmean(quantized):>6.4f}"
        )
    return lines
