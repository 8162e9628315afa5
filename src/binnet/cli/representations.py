"""`binnet representations`: how a trained network gathers the samples of a class."""

from __future__ import annotations

from pathlib import Path

import click

from binnet._files import name_beside, write_json, write_netcdf
from binnet._provenance import describe_run
from binnet._threads import resolve_threads
from binnet.cli import _runs
from binnet.cli._common import clear_errors
from binnet.cli._figures import check_output, force_option, save_pictures
from binnet.cli.studies._shared import tell_files
from binnet.learning import load_best


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--samples",
    type=click.IntRange(2),
    default=30,
    show_default=True,
    help="samples of each class, the first ones of the run's test or validation set",
)
@click.option("--sweeps", type=click.IntRange(1), help="T  [default: those of the run's inference]")
@click.option("--threads", type=int, help="threads of the kernels  [up to cores; default: all]")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="figure (.png); NetCDF and JSON of the same name go beside it  "
    "[default: RUN/representations.png]",
)
@force_option
def representations(
    run: Path, samples: int, sweeps: int | None, threads: int | None, output: Path | None
) -> None:
    """Measure overlaps within and between classes in the network of the folder RUN.

    They are measured in every module and after every sweep, and in the network as the run drew it.
    """
    from binnet.plotting.representations import draw_representations
    from binnet.studies.representations import (
        choose_samples,
        compare_with_start,
        summarise_representations,
    )

    with clear_errors():
        state = load_best(_runs.find_checkpoint(run))
        output = check_output(output or run / "representations.png", (".png",), (".nc", ".json"))
        configuration = state.configuration
        _, sets = _runs.load_samples_of(run, state)
        ((name, (X, y)),) = sets.items()
        X, y = choose_samples(X, y, samples)
        options = {"threads": threads} | ({"max_sweeps": sweeps} if sweeps else {})
        result = compare_with_start(state.relaxable(), configuration, X, y, **options)
        records = summarise_representations(result)
        sizes = ", ".join(map(str, configuration.network.sizes))
        title = f"H = {sizes}; {state.epoch} epochs, seed {configuration.training.seed}; {name} set"
        packed = {"similarity": {"zlib": True, "complevel": 4}}
        write_netcdf(name_beside(output, ".nc"), result, encoding=packed)
        write_json(
            name_beside(output, ".json"),
            {
                "set": name,
                "samples": len(y),
                "input_clustering": float(result["input_clustering"]),
                "overlaps": records,
                "configuration": configuration.to_dict(),
                "run": describe_run(configuration.training.seed, resolve_threads(threads)),
            },
        )
    click.echo("network   module   q within         q between        clustering")
    for r in records:
        click.echo(
            f"{r['network']:<9} {r['module']:>6}   {r['within']:6.3f} ± {r['within_std']:.3f}   "
            f"{r['between']:6.3f} ± {r['between_std']:.3f}   {r['clustering']:.3f}"
        )
    click.echo(f"clustering of the inputs: {float(result['input_clustering']):.3f}")
    pictures = save_pictures({output: lambda: draw_representations(result, title)})
    tell_files(pictures, name_beside(output, ".json"))
