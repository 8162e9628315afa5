"""Pictures of how networks of several kinds learn: chains of modules, symmetry of the couplings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from binnet.plotting._curves import curve_style, plot_seeds

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_chains(chains: xr.Dataset, singles: xr.Dataset, ax: Axes) -> Axes:
    """Plot the test accuracy of chains against the excitation, the best single modules as lines.

    Parameters
    ----------
    chains, singles : xarray.Dataset
        From `binnet.studies.chains.run_chains`.
    ax : Axes
        Where to draw; bars reach from the lowest to the highest seed, lines are means.

    Returns
    -------
    Axes
        The same Axes.
    """
    excitations, last = chains["excitation"].values, chains["accuracy"].isel(epoch=-1)
    n_lengths = chains.sizes["n_modules"]
    for k, n_modules in enumerate(chains["n_modules"].values):
        label = f"chain of {n_modules}, $J_D$ = 0"
        plot_seeds(ax, excitations, last.sel(n_modules=n_modules), k, label)
    accuracy = singles["accuracy"].isel(epoch=-1).mean("seed")
    for k, (dynamics, dash) in enumerate((("sync", "-"), ("async", ":"))):
        values = accuracy.sel(dynamics=dynamics)
        best = values.isel(self_coupling=int(np.argmax(values.values)))
        ax.axhline(
            float(best),
            color=curve_style(n_lengths + k)["color"],
            linestyle=dash,
            linewidth=1.5,
            label=f"one module, $J_D$ = {float(best.self_coupling):g}, the best, {dynamics}",
        )
    ax.set(xlabel=r"excitation $\lambda$", ylabel="test accuracy")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8, frameon=False, loc="lower center")
    return ax


def plot_total_excitation(chains: xr.Dataset, singles: xr.Dataset, ax: Axes) -> Axes:
    """Plot the test accuracy of chains against what the neighbours give to the module that is read.

    That is lambda times its neighbours, one in a chain of two and two in a longer one; single
    modules are drawn at J_D, which stands in for it.

    Parameters
    ----------
    chains, singles : xarray.Dataset
        From `binnet.studies.chains.run_chains`.
    ax : Axes
        Where to draw; bars reach from the lowest to the highest seed.

    Returns
    -------
    Axes
        The same Axes.
    """
    excitations, last = chains["excitation"].values, chains["accuracy"].isel(epoch=-1)
    for k, n_modules in enumerate(chains["n_modules"].values):
        neighbours = min(int(n_modules) - 1, 2)
        label = f"chain of {n_modules}, $J_D$ = 0"
        plot_seeds(ax, neighbours * excitations, last.sel(n_modules=n_modules), k, label)
    accuracy = singles["accuracy"].isel(epoch=-1)
    for k, dynamics in enumerate(singles["dynamics"].values, start=chains.sizes["n_modules"]):
        values = accuracy.sel(dynamics=dynamics)
        plot_seeds(ax, singles["self_coupling"].values, values, k, f"one module, $J_D$, {dynamics}")
    ax.set(xlabel=r"$\lambda$ × neighbours, or $J_D$", ylabel="test accuracy")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8, frameon=False)
    return ax


def draw_chains(chains: xr.Dataset, singles: xr.Dataset, title: str = "") -> Figure:
    """Draw the accuracy of chains against lambda, and against lambda times the neighbours.

    Parameters
    ----------
    chains, singles : xarray.Dataset
        From `binnet.studies.chains.run_chains`.
    title : str, optional
        Title of the figure.

    Returns
    -------
    Figure
        The figure, for `save_figure`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    plot_chains(chains, singles, left)
    plot_total_excitation(chains, singles, right)
    right.set_ylabel("")
    figure.suptitle(title)
    return figure


def plot_symmetry(result: xr.Dataset, ax: Axes, *, learned: bool = False) -> Axes:
    """Plot the symmetry of the couplings against the epoch.

    Parameters
    ----------
    result : xarray.Dataset
        From `binnet.studies.symmetry.run_symmetry`.
    ax : Axes
        Where to draw; bars reach from the lowest to the highest seed.
    learned : bool, default False
        Of what was learned, J less its draw, and not of J.

    Returns
    -------
    Axes
        The same Axes.
    """
    values = result["learned_symmetry" if learned else "symmetry"]
    for k, name in enumerate(result["preset_name"].values):
        plot_seeds(ax, np.arange(values.sizes["epoch"]), values.sel(preset_name=name), k, str(name))
    ax.axhline(0.0, color="0.5", linewidth=0.8)
    what = r"$\Delta J = J - J(0)$" if learned else "$J$"
    ax.set(xlabel="epoch", ylabel=r"symmetry $\eta$", title=f"symmetry of {what}")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8, frameon=False)
    return ax


def plot_change(result: xr.Dataset, ax: Axes) -> Axes:
    """Plot how much of the couplings was learned against the epoch.

    Parameters
    ----------
    result : xarray.Dataset
        From `binnet.studies.symmetry.run_symmetry`.
    ax : Axes
        Where to draw; bars reach from the lowest to the highest seed.

    Returns
    -------
    Axes
        The same Axes.
    """
    epochs = np.arange(result.sizes["epoch"])
    for k, name in enumerate(result["preset_name"].values):
        plot_seeds(ax, epochs, result["change"].sel(preset_name=name), k, str(name))
    ax.set(xlabel="epoch", ylabel=r"$|J - J(0)| \,/\, |J(0)|$", title="how far $J$ has moved")
    ax.grid(alpha=0.3)
    ax.legend(fontsize=8, frameon=False)
    return ax


def draw_symmetry(result: xr.Dataset, title: str = "") -> Figure:
    """Draw the symmetry of J, that of what was learned, and how much was learned.

    Parameters
    ----------
    result : xarray.Dataset
        From `binnet.studies.symmetry.run_symmetry`.
    title : str, optional
        Title of the figure.

    Returns
    -------
    Figure
        The figure, for `save_figure`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.2), layout="constrained")
    whole, learned, change = figure.subplots(1, 3)
    plot_symmetry(result, whole)
    plot_symmetry(result, learned, learned=True)
    plot_change(result, change)
    figure.suptitle(title)
    return figure
