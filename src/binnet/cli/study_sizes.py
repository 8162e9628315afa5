"""`binnet study sizes`: accuracy against the number of hidden neurons, beside the source's."""

from __future__ import annotations

from pathlib import Path

import click

from binnet._files import write_json
from binnet._provenance import describe_run
from binnet.cli._common import clear_errors, prefer_waiting_threads
from binnet.cli._studies import (
    Numbers,
    describe_seeds,
    output_option,
    stopping_is_safe,
    workers_option,
)
from binnet.studies.sizes import MODELS, PEERS, SIZES

_ALL = (*MODELS, *PEERS)


@click.command()
@click.option(
    "--model", "models", type=click.Choice(_ALL), multiple=True, help="repeatable  [default: all]"
)
@click.option(
    "--hidden", "sizes", type=Numbers(int), default=",".join(map(str, SIZES)), show_default=True,
    help="H, with commas between them",
)  # fmt: skip
@click.option("--epochs", type=click.IntRange(1), default=20, show_default=True)
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True)
@click.option(
    "--samples", type=click.IntRange(1, 60000), default=60000, show_default=True, help="training"
)
@workers_option
@output_option("sizes.png", ".MODEL.nc, .linear.nc and .json")
def sizes(
    models: tuple[str, ...],
    sizes: tuple[int, ...],
    epochs: int,
    seeds: int,
    samples: int,
    workers: int,
    output: Path,
) -> None:
    """Train full models, controls and scikit-learn's peers on entangled MNIST, at every H.

    The peers need scikit-learn (extra sklearn). The same command takes up a study that was
    stopped; a model that is added later is the only one to be trained.
    """
    prefer_waiting_threads()
    with clear_errors({"n_hidden": "--hidden", "models": "--model"}), stopping_is_safe():
        from binnet.plotting import save_figure
        from binnet.plotting.sizes import draw_sizes
        from binnet.studies.sizes import SOURCE, run_sizes, summarise_sizes

        hidden, linear = run_sizes(
            output,
            models=models or _ALL,
            sizes=sizes,
            epochs=epochs,
            samples=samples,
            seeds=seeds,
            workers=workers,
        )
        records = summarise_sizes(hidden, linear)
        title = f"entangled MNIST, {samples} samples, {epochs} epochs, seeds: {seeds}"
        save_figure(draw_sizes(hidden, linear, title, source=SOURCE), output)
        parameters = {"sizes": sizes, "epochs": epochs, "seeds": seeds, "samples": samples}
        record = {"parameters": parameters, "table": records, "run": describe_run(0, 1)}
        write_json(output.with_suffix(".json"), record)
    click.echo("model                     H   test accuracy     train     seconds   source")
    for r in records:
        size = "-" if r["n_hidden"] is None else r["n_hidden"]
        source = "-" if r["source"] is None else f"{r['source']:.3f}"
        train = sum(r["train_accuracy"]) / len(r["train_accuracy"])
        click.echo(
            f"{r['model']:<20} {size:>6}   {describe_seeds(r['accuracy']):<15}   "
            f"{train:.4f}  {r['seconds']:>8.1f}   {source}"
        )
    click.echo(f"figure: {output}; data: {output.with_suffix('.json')} and a .nc file per model")
