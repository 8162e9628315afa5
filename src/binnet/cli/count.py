"""`binnet count`: every fixed point, or every attractor, of random networks."""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from binnet._files import name_beside, write_json, write_netcdf
from binnet._progress import progress_bar
from binnet._provenance import describe_run
from binnet._threads import resolve_threads
from binnet.cli import _census
from binnet.cli._common import clear_errors
from binnet.cli._figures import FIGURE_SUFFIXES, check_output, force_option, save_pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from binnet.fixed_points import Census, FixedPoints


_OPTIONS = {
    "n_neurons": "--neurons", "max_neurons": "--max-neurons", "self_coupling": "--self-coupling",
    "field_std": "--field", "symmetry": "--symmetry", "density": "--density",
    "margin": "--margin", "threads": "--threads",
}  # fmt: skip


def _check(context: click.Context, parameter: click.Parameter, output: Path | None) -> Path | None:
    if output is None:
        return None
    beside = (".json",) if output.suffix in FIGURE_SUFFIXES else ()
    return check_output(output, (".json", ".nc", *FIGURE_SUFFIXES), beside)


@click.command()
@click.option("--neurons", required=True, type=int,
              help="N, number of neurons, up to about 30; for a census 28, or 16 where the order "
              "is drawn.")  # fmt: skip
@click.option("--self-coupling", required=True, type=float, help="J_D >= 0.")
@click.option("--census", is_flag=False, flag_value="sync",
              type=click.Choice(["sync", "async", "random-subset"]),
              help="Follow all 2**N states to every attractor, under this update order; sync "
              "if none is named.")  # fmt: skip
@click.option("--draws", default=1, show_default=True, type=click.IntRange(1, 10**6),
              help="Random networks.")  # fmt: skip
@click.option("--distribution", default="gaussian", show_default=True,
              type=click.Choice(["gaussian", "sign"]), help="Of the couplings.")  # fmt: skip
@click.option("--symmetry", default=0.0, show_default=True,
              help="eta, correlation of J_ij and J_ji, -1 to 1.")  # fmt: skip
@click.option("--density", default=1.0, show_default=True,
              help="rho, fraction of couplings that are there, above 0 to 1.")  # fmt: skip
@click.option("--field", default=0.0, show_default=True,
              help="Standard deviation of Gaussian external fields.")  # fmt: skip
@click.option("--dtype", default="float32", show_default=True,
              type=click.Choice(["float32", "float64", "int16"]),
              help="Of the couplings; a field of 0, common in int16, holds a spin +1.")  # fmt: skip
@click.option("--margin", default=0.0, show_default=True,
              help="kappa, stability that every neuron must have.")  # fmt: skip
@click.option("--method", default="auto", show_default=True,
              type=click.Choice(["auto", "gray", "bounded"]),
              help="Visit every state, or cut branches; auto takes the faster one.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0),
              help="Of the first network; the next ones have the seeds after it.")  # fmt: skip
@click.option("--threads", type=int, help="Threads of the search.  [default: all cores]")
@click.option("--max-neurons", default=30, show_default=True, type=click.IntRange(1, 62),
              help="Go on for as many neurons, however long it takes.")  # fmt: skip
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), callback=_check,
              help="Counts and pair overlaps as .json, or a figure (.png, .pdf, .svg) with its "
              "data beside it; the fixed points or attractors of one network as "
              "NetCDF (.nc).")  # fmt: skip
@force_option
def count(
    neurons: int,
    self_coupling: float,
    census: str | None,
    draws: int,
    field: float,
    margin: float,
    method: str,
    seed: int,
    threads: int | None,
    max_neurons: int,
    output: Path | None,
    **network: Any,
) -> None:
    """Count every fixed point of random networks, exactly, beside the closed form of the mean.

    With --census: every cycle of the dynamics, by length, with how many states lead there. Ctrl-C
    ends the draws and keeps what was counted.
    """
    from binnet import RandomNetwork, fixed_points

    parameters = {
        "n_neurons": neurons, "self_coupling": self_coupling, "field_std": field, **network,
    }  # fmt: skip
    wants_states = output is not None and output.suffix == ".nc"
    if census is not None:
        wants_one = output is not None and output.suffix != ".json"
        _census.check_options(click.get_current_context(), draws, wants_one)
    elif wants_states and draws > 1:
        raise click.UsageError("NetCDF holds the fixed points of one network: drop --draws")
    found: list[dict[str, Any]] = []
    begun = time.perf_counter()
    with clear_errors(_OPTIONS):
        n_threads = resolve_threads(threads)
        run = describe_run(seed, n_threads)
        if census is not None:
            _census.tell_cost(neurons, census, n_threads)
        try:
            for k in progress_bar(
                range(draws), unit="network", disable=None if draws > 1 else True
            ):
                drawn = RandomNetwork.draw(**parameters, seed=seed + k)
                result: FixedPoints | Census
                if census is not None:
                    result = fixed_points.census(
                        drawn, census, threads=threads, progress=draws == 1
                    )
                    found.append(_census.describe(result, seed + k))
                    continue
                result = fixed_points.enumerate(
                    drawn,
                    method=method,
                    margin=margin,
                    max_neurons=max_neurons,
                    threads=threads,
                    progress=draws == 1,
                )
                found.append(_describe(result, output is not None and not wants_states, n_threads))
        except KeyboardInterrupt:
            if not found:
                raise
        seconds = time.perf_counter() - begun
        record = _summarise(found, parameters, margin, census)
        files = []
        if output is not None and wants_states:
            files = [_save_states(output, result, run)]
        elif output is not None:
            completed = {"draws": draws, "completed": len(found) == draws}
            files = _save(output, {"run": run, **completed, **record}, result)
    (_print if census is None else _census.print_record)(record, seconds, draws)
    for line in files:
        click.echo(line)
    if len(found) < draws:
        sys.exit(130)


def _describe(result: FixedPoints, with_pairs: bool, threads: int) -> dict[str, Any]:
    described: dict[str, Any] = {"count": result.count, "method": result.method}
    if with_pairs:
        described["pairs"] = result.overlap_histogram(threads=threads, progress=True)
    return described


def _expected(
    parameters: dict[str, Any], margin: float
) -> tuple[float | None, list[float] | None, str]:
    """Return the exact mean count, the exact mean pairs by distance, and why there is none."""
    import numpy as np

    from binnet import theory
    from binnet.theory.counts import find_no_formula
    from binnet.theory.pairs import log_expected_pairs

    n, j, std = (parameters[name] for name in ("n_neurons", "self_coupling", "field_std"))
    ensemble = {name: parameters[name] for name in ("symmetry", "distribution", "density")}
    reason = "one neuron" if n < 2 else find_no_formula(**ensemble)
    if reason is not None:
        return None, None, reason
    mean = float(theory.expected_count(n, j, margin, std, **ensemble))
    if std or margin or ensemble != {"symmetry": 0.0, "distribution": "gaussian", "density": 1.0}:
        return mean, None, ""
    return mean, [float(x) for x in np.exp(log_expected_pairs(n, j))], ""


def _summarise(
    found: list[dict[str, Any]], parameters: dict[str, Any], margin: float, census: str | None
) -> dict[str, Any]:
    import numpy as np

    mean, pairs, reason = _expected(parameters, margin)
    if census is not None:
        forms = _census.find_closed_forms(parameters, census, mean)
        described = _census.summarise(found, parameters, census)
        return {**described, "closed_forms": forms, "no_closed_form": reason}
    counts = np.array([one["count"] for one in found])
    several = len(found) > 1
    record: dict[str, Any] = {
        "network": parameters,
        "margin": margin,
        "methods": sorted({one["method"] for one in found}),
        "counts": [int(k) for k in counts],
        "mean": float(counts.mean()),
        "standard_error": float(counts.std(ddof=1) / np.sqrt(len(counts))) if several else None,
        "closed_form": mean,
        "no_closed_form": reason,
    }
    if "pairs" in found[0]:
        histograms = np.array([one["pairs"] for one in found], np.float64)
        record["pairs"] = {
            "distance": list(range(histograms.shape[1])),
            "mean": histograms.mean(axis=0).tolist(),
            "standard_error": (histograms.std(axis=0, ddof=1) / np.sqrt(len(found))).tolist()
            if several
            else None,
            "closed_form": pairs,
        }
    return record


def _print(record: dict[str, Any], seconds: float, draws: int) -> None:
    counts, network = record["counts"], record["network"]
    first = f"N = {network['n_neurons']}, J_D = {network['self_coupling']:g}"
    click.echo(f"{first}: {len(counts)} of {draws} networks in {seconds:.2f} s "
               f"({', '.join(record['methods'])})")  # fmt: skip
    if len(counts) == 1:
        click.echo(f"fixed points  {counts[0]}")
    else:
        spread = f"{record['mean']:.6g} +- {record['standard_error']:.2g}"
        click.echo(f"fixed points  {spread} per network, {min(counts)} to {max(counts)}")
    if record["closed_form"] is None:
        click.echo(f"closed form   none: {record['no_closed_form']}")
        return
    text = f"closed form   {record['closed_form']:.6g}, mean over networks"
    if record["standard_error"]:
        pull = (record["mean"] - record["closed_form"]) / record["standard_error"]
        text += f" ({pull:+.1f} standard errors)"
    click.echo(text)


def _save_states(output: Path, result: FixedPoints | Census, run: dict[str, Any]) -> str:
    """Write the states of one network, and return the line that says where."""
    from binnet.fixed_points import Census

    if isinstance(result, Census):
        dataset = result.to_dataset()
    else:
        dataset = result.to_dataset(threads=run["threads"])
    dataset.attrs["provenance"] = json.dumps(run)
    write_netcdf(output, dataset)
    return f"states: {output}"


def _save(output: Path, record: dict[str, Any], result: FixedPoints | Census) -> list[str]:
    """Write the numbers, and the figure if that is what was asked for; say where they are."""
    from binnet.fixed_points import Census

    data, figures = name_beside(output, ".json"), {}
    if output.suffix != ".json" and isinstance(result, Census):
        record |= {"length": result.lengths.tolist(), "basin": result.basins.tolist()}
        figures = {output: partial(_census.draw, result)}
    elif output.suffix != ".json":
        figures = {output: partial(_draw, record)}
    write_json(data, record)
    written = save_pictures(figures, dpi=200)
    return [*(f"figure: {path}" for path in written), f"data:   {data}"]


def _draw(record: dict[str, Any]) -> Figure:
    from binnet.plotting import make_panels
    from binnet.plotting.fixed_points import plot_pair_overlaps

    pairs, network = record["pairs"], record["network"]
    figure, (ax,) = make_panels(size=(6.5, 4.2))
    plot_pair_overlaps(
        pairs["mean"], ax, error=pairs["standard_error"], expected=pairs["closed_form"]
    )
    ax.set_title(
        f"$N$ = {network['n_neurons']}, $J_D$ = {network['self_coupling']:g}, "
        f"{len(record['counts'])} networks"
    )
    return figure
