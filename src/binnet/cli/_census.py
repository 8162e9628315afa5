"""What `binnet count --census` says: attractors by length, their basins, and transients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from binnet.fixed_points import Census

_LARGE = 26  # neurons: a census takes a second, and may take more memory than there is
_MOST_LINES = 12  # of the table of lengths; files have all of it
_NUMBERS = ("mean_transient", "longest_transient", "without_predecessor", "undecided")
# Options of `binnet count` that have no meaning for a census.
_OTHERS = {"margin": "--margin", "method": "--method", "max_neurons": "--max-neurons"}


def check_options(context: click.Context, draws: int, one_network: bool) -> None:
    """Refuse what a census cannot be asked for."""
    for name, option in _OTHERS.items():
        source = context.get_parameter_source(name)
        if source is not click.core.ParameterSource.DEFAULT:
            raise click.UsageError(f"{option} is for fixed points: drop it, or --census")
    if one_network and draws > 1:
        raise click.UsageError(
            "NetCDF and figures show the attractors of one network: drop --draws, or write .json"
        )


def tell_cost(n_neurons: int, update_order: str, threads: int) -> None:
    """Say beforehand what a large census takes."""
    from binnet.fixed_points.attractors import MOST_NEURONS, describe_cost

    if _LARGE <= n_neurons <= MOST_NEURONS[update_order]:
        click.echo(
            f"2**{n_neurons} states: {describe_cost(n_neurons, update_order, threads)}", err=True
        )


def describe(found: Census, seed: int) -> dict[str, Any]:
    """Return the numbers of one network."""
    import numpy as np

    n_states = 2.0**found.network.n_neurons
    lengths, index = np.unique(found.lengths, return_inverse=True)
    basins = np.bincount(index, weights=found.basins, minlength=len(lengths))
    described = {
        "seed": seed,
        "lengths": lengths.tolist(),
        "attractors": np.bincount(index, minlength=len(lengths)).tolist(),
        "fractions": (basins / n_states).tolist(),
    }
    if found.transients is None:
        return described | {"undecided": found.n_undecided / n_states}
    steps = np.arange(len(found.transients))
    return described | {
        "mean_transient": float(found.transients @ steps / n_states),
        "longest_transient": len(steps) - 1.0,
        "without_predecessor": (found.n_without_predecessor or 0) / n_states,
    }


def summarise(
    found: list[dict[str, Any]], parameters: dict[str, Any], update_order: str
) -> dict[str, Any]:
    """Return the means over networks, beside the numbers of each."""
    import numpy as np

    lengths = sorted({length for one in found for length in one["lengths"]})
    place = {length: k for k, length in enumerate(lengths)}
    attractors, fractions = np.zeros((2, len(found), len(lengths)))
    for row, one in enumerate(found):
        columns = [place[length] for length in one["lengths"]]
        attractors[row, columns], fractions[row, columns] = one["attractors"], one["fractions"]
    error = None
    if len(found) > 1:
        error = (attractors.std(axis=0, ddof=1) / np.sqrt(len(found))).tolist()
    others = {name: [one[name] for one in found] for name in _NUMBERS if name in found[0]}
    return {
        "network": parameters,
        "update_order": update_order,
        "lengths": lengths,
        "attractors": attractors.mean(axis=0).tolist(),
        "standard_error": error,
        "fractions": fractions.mean(axis=0).tolist(),
        **{name: float(np.mean(numbers)) for name, numbers in others.items()},
        "networks": found,
    }


def find_closed_forms(
    parameters: dict[str, Any], update_order: str, mean: float | None
) -> dict[str, float]:
    """Return the exact means by length, as far as there are formulas; `mean` of fixed points."""
    import numpy as np

    from binnet import theory

    forms = {} if mean is None else {"1": mean}
    plain = {"symmetry": 0.0, "distribution": "gaussian", "density": 1.0, "field_std": 0.0}
    n = parameters["n_neurons"]
    if n > 1 and update_order == "sync" and all(parameters[k] == v for k, v in plain.items()):
        by_overlap = theory.log_expected_cycles(n, parameters["self_coupling"])
        forms["2"] = float(np.exp(by_overlap)[1:].sum())
    return forms


def print_record(record: dict[str, Any], seconds: float, draws: int) -> None:
    """Print the means."""
    network, n_networks = record["network"], len(record["networks"])
    click.echo(
        f"N = {network['n_neurons']}, J_D = {network['self_coupling']:g}: all states of "
        f"{n_networks} of {draws} networks in {seconds:.2f} s ({record['update_order']})"
    )
    sync, per_network = record["update_order"] == "sync", " in a network" * (n_networks > 1)
    click.echo(f"{'cycles of length' if sync else 'absorbing sets of size':<24}"
               f"{'number':<20}states that end there")  # fmt: skip
    rows = list(zip(record["lengths"], record["attractors"], record["fractions"], strict=True))
    for k, (length, number, fraction) in enumerate(rows[:_MOST_LINES]):
        text = f"{number:.6g}"
        if record["standard_error"] is not None:
            text += f" +- {record['standard_error'][k]:.2g}"
        click.echo(f"{length:<24}{text:<20}{fraction:.4g}")
    if rows[_MOST_LINES:]:
        _, numbers, fractions = zip(*rows[_MOST_LINES:], strict=True)
        click.echo(f"{f'longer, up to {rows[-1][0]}':<24}"
                   f"{f'{sum(numbers):.6g}':<20}{sum(fractions):.4g}")  # fmt: skip
    if sync:
        click.echo(
            f"{'transients':<24}{record['mean_transient']:.4g} sweeps on average, "
            f"{record['longest_transient']:.6g} at most{per_network}\n"
            f"{'without predecessor':<24}{record['without_predecessor']:.4g} of the states "
            "(Garden of Eden)"
        )
    else:
        click.echo(f"{'undecided':<24}{record['undecided']:.4g} of the states: "
                   "they can end in several sets")  # fmt: skip
    names = {"1": "fixed points", "2": "2-cycles"}
    means = [f"{mean:.6g} {names[k]}" for k, mean in record["closed_forms"].items()]
    if means:
        click.echo(f"{'closed form':<24}{', '.join(means)}; means over networks")


def draw(found: Census) -> Figure:
    """Draw the attractors of one network."""
    from binnet.plotting import make_panels
    from binnet.plotting.fixed_points import plot_attractors

    figure, (ax,) = make_panels(size=(6.5, 4.2))
    plot_attractors(found.lengths, found.basins, ax)
    network = found.network
    ax.set_title(f"$N$ = {network.n_neurons}, {found.count} attractors ({found.update_order})")
    return figure
