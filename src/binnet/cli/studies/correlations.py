"""`binnet study correlations`: what the accuracy of maps follows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from binnet.cli._common import clear_errors
from binnet.cli.studies._shared import Findings, output_option, run_study, whole_option


@click.command()
@click.argument(
    "files",
    metavar="MAP.nc...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
)
@click.option(
    "--predictor",
    "predictors",
    multiple=True,
    help="variable of the maps; repeatable  [default: all of convergence, instability, flips, "
    "margins and local entropy that every map has]",
)
@whole_option("--resamples", 2000, "of each bootstrap", 100, 10**6)
@click.option(
    "--confidence",
    type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True),
    default=0.95,
    show_default=True,
    help="of the intervals",
)
@whole_option("--seed", 0, "of the bootstraps", 0)
@output_option("correlations.png", data=".json")
def correlations(files: tuple[Path, ...], output: Path, **options: Any) -> None:
    """Correlate the accuracy of maps, from `binnet study map`, with what else was measured.

    Spearman's rho over the cells of each map, and over the ranks within all of them together; with
    intervals from a bootstrap over cells and, as cells of a grid are no independent sample, over
    whole rows of the map; and partial, with the effects of the map's axes taken off. The answer is
    the predictor with the largest modulus of rho, of either sign, and those from which it is not
    told apart. A local entropy is a predictor at each distance; inputs around which there are no
    fixed points count as 0.
    """
    from binnet import sweeps
    from binnet.plotting.correlations import draw_correlations
    from binnet.studies.correlations import correlate_maps, summarise_correlations

    with clear_errors():
        stems = [path.stem for path in files]
        names = stems if len(set(stems)) == len(stems) else [str(path) for path in files]
        maps = {name: sweeps.load(path) for name, path in zip(names, files, strict=True)}
    chosen = options.pop("predictors") or None

    def work() -> Findings:
        result = correlate_maps(maps, chosen, **options)
        records = summarise_correlations(result)
        figures = {output: lambda: draw_correlations(maps, result)}
        return Findings({"correlations": records}, figures, _tabulate(records))

    parameters = {"maps": [str(path) for path in files], "predictors": chosen, **options}
    run_study(output.with_suffix(".json"), parameters, work, beside="")


def _tabulate(records: list[dict[str, Any]]) -> list[str]:
    lines = []
    for record in records:
        lines += [
            f"{record['map']}: {record['n_cells']} cells{_tell_left_out(record['n_left_out'])}",
            f"  {'':<22} {'rho':>6} {'over cells':>16} {'over rows':>16} {'partial':>8} "
            f"{'over rows':>16}",
        ]
        for name, found in record["predictors"].items():
            rho, partial = (_write(found[key], "+.2f") for key in ("rho", "partial"))
            ends = (_write_interval(found, key) for key in ("rho", "rho_blocks", "partial_blocks"))
            over_cells, over_rows, partial_over_rows = ends
            lines.append(
                f"  {name:<22} {rho:>6} {over_cells:>16} {over_rows:>16} {partial:>8} "
                f"{partial_over_rows:>16}"
            )
        if record["best"] is None:
            lines.append("  there is no best: the accuracy varies with none, or not at all")
            continue
        undecided = record["undecided"]
        told = f"not told apart from {', '.join(undecided)}" if undecided else "ahead of all others"
        rho = record["predictors"][record["best"]]["rho"]
        lines.append(f"  the best is {record['best']} (rho = {rho:+.2f}), {told}")
    return lines


def _tell_left_out(number: int) -> str:
    return f", without {number} that lack a measurement" if number else ""


def _write(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"


def _write_interval(found: dict[str, Any], key: str) -> str:
    low, high = found[f"{key}_low"], found[f"{key}_high"]
    return "-" if low is None else f"[{low:+.2f}, {high:+.2f}]"
