"""Excitation between two modules, beside its controls (docs/results/excitation.md).

    python bench/excitation.py [--folder FOLDER] [--hidden H] [--epochs N] [--samples N]
                               [--rates constant|linear] [--seeds N] [--workers N]

All networks are those of the preset "source-modules" but for what `CONTROLS` says. Resumable;
six minutes on one core with the default sizes.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from binnet import load_entangled_mnist, sweeps
from binnet._threads import ThreadChoice
from binnet.dynamics import Relaxation, relax
from binnet.learning import Configuration, preset
from binnet.learning.run import Run
from binnet.networks import BinaryNetwork
from binnet.plotting import finish, make_panels, plot_bars, save_figure
from binnet.plotting._style import curve_style
from binnet.studies.representations import overlap_matrix

STRENGTHS = (0.0, 1.0, 3.0, 5.0)
INPUTS = (2.0, 5.0)  # lambda_in
FIXED = {"rate_couplings": 0.0, "rate_input": 0.0}
ALIKE = "the same W_in in both"
#: What differs from the preset. The strength is J_D where the name begins so, else lambda.
CONTROLS: dict[str, dict[str, Any]] = {
    "excitation": {},
    "only the first is read": {"readout_strength": (2.0**0.5, 0.0)},
    "J and W_in fixed": FIXED,
    "feedback not annealed": {"annealing": "none"},
    ALIKE: {},
    "J_D": {},
    "J_D, J and W_in fixed": FIXED,
    "J_D, one module of 2H": {"n_modules": 1},
}
COMPARED = 2000  # test samples whose states are compared
STD = "standard deviation over seeds"


def configure(control: str, strength: float, n_hidden: int, **settings: Any) -> Configuration:
    """Return what is trained."""
    changes = dict(CONTROLS[control])
    n_modules = changes.pop("n_modules", 2)
    held = "self_coupling" if control.startswith("J_D") else "excitation"
    return preset("source-modules", n_modules).replace(
        **{"self_coupling": 0.0, "excitation": 0.0, held: strength},
        **changes, **settings, n_hidden=2 * n_hidden // n_modules,
    )  # fmt: skip


def measure(control: str, samples: int, **parameters: Any) -> Mapping[str, Any]:
    """Train one network; return how it learned in its last epoch, and what inference does."""
    data = load_entangled_mnist()
    configuration = configure(control, **parameters)
    run = Run.start(configuration, samples)
    start = run.network()
    if control == ALIKE:
        first, second = start.modules
        start.input_weights[second] = start.input_weights[first]
        run.synapses.weights = replace(start)  # type: ignore[attr-defined]
    counted: dict[str, float] = {}
    for _ in range(configuration.training.epochs):
        counted = learn_epoch(run, data.X_train[:samples], data.y_train[:samples])
    end = run.network()
    before = infer(start, configuration, data.X_test[:COMPARED])
    return {
        **counted,
        **compare_states(end, configuration, data.X_test, data.y_test),
        "overlap_before": overlap_modules(before.states, configuration),
        "change": float(np.linalg.norm(end.couplings - start.couplings)
                        / np.linalg.norm(start.couplings)),
    }  # fmt: skip


def learn_epoch(run: Run, X: NDArray[Any], y: NDArray[Any]) -> dict[str, float]:
    """Learn one epoch; return what was counted in it."""
    choice = ThreadChoice(1)
    while not run.epoch_is_complete:
        run.learn_by_clock(X, y, choice)
    _, fixed, hidden, _ = (int(total) for total in run.totals)
    run.next_epoch()
    return {
        "training_convergence": fixed / run.n_samples,
        "unstable": hidden / (run.n_samples * run.configuration.network.n_neurons),
    }


def infer(
    network: BinaryNetwork, configuration: Configuration, X: NDArray[Any], other: int = 0
) -> Relaxation:
    """Relax as accuracies are measured; `other` numbers draw other random updates."""
    options = configuration.training.inference_options()
    options["seed"] += other
    return relax(network, X, stop_at_cycle=False, threads=1, **options)


def compare_states(
    network: BinaryNetwork, configuration: Configuration, X: NDArray[Any], y: NDArray[Any]
) -> dict[str, float]:
    """Return accuracy and convergence, and overlaps of the states that inference reaches."""
    found = infer(network, configuration, X)
    accuracy = float((found.readout_fields.argmax(axis=1) == y).mean())
    X, y, states = X[:COMPARED], y[:COMPARED], found.states[:COMPARED]
    options = configuration.training.inference_options()
    del options["max_sweeps"]  # the schedule has its own
    learned = relax(network, X, y, schedule=configuration.schedule, threads=1, **options)
    pairs = overlap_matrix(states)
    return {
        "accuracy": accuracy,
        "inference_convergence": float(found.converged.mean()),
        "overlap": overlap_modules(states, configuration),
        "repeat": mean_overlap(states, infer(network, configuration, X, 1000).states),
        "recall": mean_overlap(states, learned.states),
        "alike": float((pairs.sum() - len(pairs)) / (pairs.size - len(pairs))),
    }


def mean_overlap(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Return the mean overlap of the states of each sample."""
    return float((a.astype(np.int64) * b).mean())


def overlap_modules(states: NDArray[Any], configuration: Configuration) -> float:
    """Return the mean overlap of two modules under the same input; nan for one module."""
    if configuration.network.n_modules == 1:
        return float("nan")
    return mean_overlap(*np.split(states, 2, axis=1))


def tabulate(result: xr.Dataset) -> list[str]:
    """Return means and standard deviations of each measurement as tables in Markdown."""
    lines = []
    for (name, values), strength in itertools.product(result.data_vars.items(), INPUTS):
        head = (f"{name}, lambda_in = {strength:g}", *(f"{s:g}" for s in STRENGTHS))
        lines += ["", "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
        for control in CONTROLS:
            row = values.sel(control=control, input_strength=strength)
            cells = zip(row.mean("seed").values, row.std("seed", ddof=1).values, strict=True)
            text = " | ".join(f"{mean:.3f} ± {std:.3f}" for mean, std in cells)
            lines.append(f"| {control} | {text} |")
    return lines


def plot(values: xr.DataArray, controls: Sequence[str], ax: Axes, label: str) -> None:
    """Plot one measurement against the strength."""
    for k, control in enumerate(controls):
        row = values.sel(control=control)
        mean, std = row.mean("seed"), row.std("seed", ddof=1)
        plot_bars(ax, STRENGTHS, mean, std, STD, label=control, **curve_style(k))
    ax.set(xlabel=r"excitation $\lambda$, or $J_D$", ylabel=label)


def draw(result: xr.Dataset, title: str) -> Figure:
    """Draw accuracies, and how alike the modules are, for each strength of the input."""
    excited = [name for name in CONTROLS if not name.startswith("J_D")]
    held = ["excitation", *(name for name in CONTROLS if name.startswith("J_D"))]
    states = ["excitation", "J and W_in fixed", ALIKE, "J_D"]
    figure, axes = make_panels(3, len(INPUTS), title=title, sharex=True, sharey="col")
    for k, strength in enumerate(INPUTS):
        here = result.sel(input_strength=strength)
        first, second, third = axes[3 * k : 3 * k + 3]
        plot(here["accuracy"], excited, first, "test accuracy")
        plot(here["accuracy"], held, second, "test accuracy")
        plot(here["overlap"], states, third, "overlap of the two modules in inference")
        for ax in (first, second, third):
            ax.set_title(rf"$\lambda_{{in}}$ = {strength:g}")
            finish(ax, legend=k == 0)
    return figure


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path("excitation"))
@click.option("--hidden", default=100, show_default=True, help="H, of each of two modules")
@click.option("--epochs", default=4, show_default=True)
@click.option("--samples", default=20000, show_default=True)
@click.option("--rates", type=click.Choice(["constant", "linear"]), default="constant")
@click.option("--seeds", default=3, show_default=True)
@click.option("--workers", default=1, show_default=True)
def main(folder: Path, hidden: int, rates: str, seeds: int, workers: int, **training: int) -> None:
    """Train all networks, print tables of what was measured, and draw them."""
    folder.mkdir(parents=True, exist_ok=True)
    result = sweeps.run(
        {
            "seed": range(seeds), "control": tuple(CONTROLS), "input_strength": INPUTS,
            "strength": STRENGTHS,
        },
        measure,
        fixed={"n_hidden": hidden, "rate_schedule": rates, **training},
        path=folder / "excitation.nc",
        workers=workers,
    )  # fmt: skip
    for line in tabulate(result):
        click.echo(line)
    title = (
        f"two modules of {hidden}, {training['epochs']} epochs of {training['samples']} samples, "
        f"{rates} rates, {seeds} seeds"
    )
    save_figure(draw(result, title), folder / "excitation.png", overwrite=True)


if __name__ == "__main__":
    main()
