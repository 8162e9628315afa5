"""`binnet hardware bits`: the figure of accuracy against weight bits, and its numbers."""

from __future__ import annotations

from pathlib import Path

import click

from binnet._files import check_folder, write_json
from binnet._provenance import describe_run
from binnet.cli._common import clear_errors, prefer_waiting_threads


@click.command()
@click.option("--hidden", type=click.IntRange(1), default=400, show_default=True, help="H")
@click.option("--epochs", type=click.IntRange(1), default=10, show_default=True)
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True)
@click.option(
    "--samples",
    type=click.IntRange(1, 60000),
    default=60000,
    show_default=True,
    help="training samples",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default="weight_bits.png",
    show_default=True,
    help="figure (.png); JSON and the study's three NetCDF files go beside it",
)
def bits(hidden: int, epochs: int, seeds: int, samples: int, output: Path) -> None:
    """Train in float32 and in integers of 1 to 16 bits, and draw accuracy against weight bits.

    Integers are trained with random and with nearest rounding, and with synapses of more bits than
    the fields see; trained float32 networks are quantised. The same command takes up a study that
    was stopped.
    """
    prefer_waiting_threads()
    with clear_errors():
        if output.suffix != ".png":
            raise ValueError(f"--output must end in .png, got {output}")
        check_folder(output)
        from binnet.plotting import save_figure
        from binnet.plotting.hardware import draw_weight_bits
        from binnet.studies.weight_bits import SYNAPSE_BITS, run_weight_bits, summarise_weight_bits

        floats, integers, wide = run_weight_bits(
            output, n_hidden=hidden, epochs=epochs, seeds=seeds, samples=samples
        )
        summary = summarise_weight_bits(floats, integers, wide)
        title = f"entangled MNIST, H = {hidden}, {epochs} epochs, seeds: {seeds}"
        save_figure(draw_weight_bits(floats, integers, wide, title), output)
        record = {
            "parameters": {
                "n_hidden": hidden,
                "epochs": epochs,
                "seeds": seeds,
                "samples": samples,
            },
            "test_accuracy": summary,
            "run": describe_run(0, threads=1),
        }
        write_json(output.with_suffix(".json"), record)
    click.echo(f"float32: {_mean(summary['float'])}")
    click.echo("bits   stochastic   nearest   wide synapses   quantised after training")
    for width, quantized in summary["quantized"].items():
        stochastic, nearest = (
            _mean(summary["trained"][rounding][width]) for rounding in ("per-weight", "nearest")
        )
        values = summary["wide_synapses"].get(width)
        shown = f"{_mean(values)} ({SYNAPSE_BITS[int(width)]} bits)" if values else "-"
        click.echo(
            f"{width:>4}   {stochastic:>10}   {nearest:>7}   {shown:<16}  {_mean(quantized):>6}"
        )
    click.echo(f"figure: {output}\ndata:   {output.with_suffix('.json')}")


def _mean(values: list[float]) -> str:
    return f"{sum(values) / len(values):.4f}"
