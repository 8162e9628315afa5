"""Thresholds, their limit for large networks and data collapse, where the answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from matplotlib.axes import Axes
from scipy.stats import binom, kstest

from binnet.plotting import make_panels
from binnet.plotting.scaling import draw_scaling, plot_collapse
from binnet.sweeps import scaling

SIZES = np.array([100, 200, 400, 800, 1600])
LIMIT, AMPLITUDE, EXPONENT = 0.8, -5.0, 0.5


def draw_lines(seed: int, centres: Any = None, networks: int = 40) -> xr.Dataset:
    """A variable that rises through 0 at a place that each network draws around its size's."""
    rng = np.random.default_rng(seed)
    if centres is None:
        centres = LIMIT + AMPLITUDE * SIZES**-EXPONENT
    x = np.linspace(-0.5, 2.0, 6)
    places = np.asarray(centres)[:, None] + 0.02 * rng.standard_normal((len(centres), networks))
    axes = {"n_neurons": SIZES[: len(centres)], "x": x, "seed": range(networks)}
    return xr.Dataset({"y": (tuple(axes), x[:, None] - places[:, None, :])}, axes)


def draw_fractions(seed: int, exponent: float = EXPONENT, networks: int = 20) -> xr.Dataset:
    """Fractions of 10 runs, logistic in (x - LIMIT) N^a; each size has values of x of its own."""
    rng = np.random.default_rng(seed)
    parts = []
    for n in (100, 400, 1600):
        x = LIMIT + np.linspace(-6.0, 0.5, 14) * n**-exponent
        place = LIMIT + (-3.0 + 0.5 * rng.standard_normal(networks)) * n**-exponent
        p = 1 / (1 + np.exp(-(x[:, None] - place) * n**exponent / 0.6))
        axes = {"n_neurons": [n], "x": x, "seed": range(networks)}
        parts.append(xr.Dataset({"y": (tuple(axes), rng.binomial(10, p)[None] / 10)}, axes))
    return xr.concat(parts, "n_neurons", join="outer")


def find_labels(ax: Axes) -> list[str]:
    """Entries of the legend, in the order in which it shows them."""
    return [text.get_text() for text in ax.get_legend().get_texts()]


def find_lines(data: xr.Dataset, **options: Any) -> xr.Dataset:
    return scaling.thresholds(data, "y", parameter="x", level=0.0, curve="linear", **options)


@pytest.mark.parametrize("sign", [1, -1], ids=["rises", "falls"])
@pytest.mark.parametrize("level", [0.5, 0.8])
def test_a_logistic_curve_is_crossed_where_it_is(sign: int, level: float) -> None:
    x = np.linspace(0.2, 0.9, 15)
    y = 1 / (1 + np.exp(-sign * (x - 0.47) / 0.06))
    data = xr.Dataset({"y": (("x", "seed"), np.tile(y[:, None], 3))}, {"x": x, "seed": range(3)})
    data["y"][4, 1] = data["y"][7] = np.nan  # a cell, and a value of x
    found = scaling.thresholds(data.sortby("x", ascending=False), "y", parameter="x", level=level)
    expected = 0.47 + sign * 0.06 * np.log(level / (1 - level))
    assert found["threshold"].item() == pytest.approx(expected, abs=1e-6)
    assert found["width"].item() == pytest.approx(0.06, abs=1e-6)
    assert found["threshold_error"].item() < 1e-5
    assert found.attrs["level"] == level
    assert found.attrs["binnet"]


def test_straight_lines_are_crossed_in_the_middle_of_their_crossings() -> None:
    x, y = [0.0, 1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 1.0, 3.0, 4.0]
    data = xr.Dataset({"y": (("x", "seed"), np.transpose([y]))}, {"x": x, "seed": [0]})
    found = scaling.thresholds(data, "y", parameter="x", level=2.0, curve="linear")
    assert found["threshold"] == 1.5  # of 0.5, 1.5 and 2.5
    assert np.isnan(found["threshold_error"])  # a single network
    none = scaling.thresholds(data, "y", parameter="x", level=0.5, curve="linear")
    assert np.isnan(none["threshold"])


def test_a_step_between_two_values_is_not_known_better_than_that() -> None:
    x = np.array([0.1, 0.2, 0.5, 0.6])
    y = np.tile((x > 0.3).astype(float)[:, None], 4)
    data = xr.Dataset({"y": (("x", "seed"), y)}, {"x": x, "seed": range(4)})
    found = scaling.thresholds(data, "y", parameter="x", resamples=400)
    assert 0.2 < found["threshold"] < 0.5
    assert found["threshold_error"].item() == pytest.approx(0.3 / np.sqrt(12), rel=0.1)


@pytest.mark.long
def test_networks_are_drawn_anew_and_not_runs() -> None:
    """Where the 10 runs of a network end alike there are a tenth of as many independent ones."""
    rng = np.random.default_rng(3)
    x = np.linspace(0.2, 0.8, 13)
    p = np.broadcast_to(1 / (1 + np.exp(-(x - 0.5) / 0.1))[:, None], (13, 30))
    errors, places = [], []
    for _ in range(12):
        alike = (rng.random(p.shape) < p).astype(float)
        apart = rng.binomial(10, p) / 10
        y = xr.DataArray([alike, apart], {"runs": ["alike", "apart"], "x": x, "seed": range(30)},
                         ("runs", "x", "seed"))  # fmt: skip
        found = scaling.thresholds(y.to_dataset(name="y"), "y", parameter="x", resamples=60)
        errors.append(found["threshold_error"].values)
        places.append(found["threshold"].values)
    alike, apart = np.mean(errors, axis=0)
    assert alike / apart == pytest.approx(np.sqrt(10), rel=0.15)
    np.testing.assert_allclose(np.std(places, axis=0, ddof=1), [alike, apart], rtol=0.6)


def test_the_same_networks_are_drawn_for_all_curves_but_others_for_each_size() -> None:
    data = draw_lines(0)
    both = xr.concat([data, data + 0.01], xr.DataArray(["a", "b"], dims="kind"))
    samples = find_lines(both)["threshold_samples"]
    np.testing.assert_allclose(samples.sel(kind="a") - samples.sel(kind="b"), 0.01, atol=1e-12)
    between = np.corrcoef(samples.sel(kind="a").values)[np.triu_indices(5, 1)]
    assert abs(between).max() < 4 / np.sqrt(200)


def test_samples_keep_their_places_where_a_curve_lacks_their_networks() -> None:
    x, places = np.linspace(-1, 1, 5), np.array([0.1, 0.0, 0.0, 0.0])  # by the first one alone
    data = xr.Dataset({"y": (("x", "seed"), x[:, None] - places)}, {"x": x, "seed": range(4)})
    both = xr.concat([data, data.where(data.seed == 0)], xr.DataArray(["all", "one"], dims="kind"))
    samples = find_lines(both)["threshold_samples"]
    drawn = samples.sel(kind="all") > 1e-9
    assert 0.3 < drawn.mean() < 0.9
    np.testing.assert_array_equal(samples.sel(kind="one").notnull(), drawn)


@pytest.mark.long
def test_errors_of_the_limit_hold_the_limit_as_often_as_they_say() -> None:
    """68 % intervals over 100 draws of the whole sweep, within 99.9 % of the binomial law."""
    pulls, p_values = [], []
    for seed in range(100):
        fit = scaling.extrapolate(find_lines(draw_lines(seed), resamples=50, seed=seed))
        pulls.append([
            (fit["limit"] - LIMIT) / fit["limit_error"],
            (fit["exponent"] - EXPONENT) / fit["exponent_error"],
        ])  # fmt: skip
        p_values.append(fit["p_value"].item())
    low, high = binom(100, 0.6827).interval(0.999)
    for hits in (np.abs(pulls) < 1.0).sum(axis=0):
        assert low <= hits <= high
    assert kstest(p_values, "uniform").pvalue > 1e-3


def test_a_law_that_is_wrong_has_a_tiny_p_value() -> None:
    centres = LIMIT + AMPLITUDE * SIZES**-EXPONENT
    centres[2] += 0.03  # ten errors
    fit = scaling.extrapolate(find_lines(draw_lines(1, centres)))
    assert fit["p_value"] < 1e-6
    assert fit["dof"] == 2


def test_a_given_exponent_leaves_a_line() -> None:
    found = find_lines(draw_lines(2))
    fit = scaling.extrapolate(found, exponent=1.0)
    line = np.polynomial.Polynomial.fit(
        1 / SIZES, found["threshold"], 1, w=1 / found["threshold_error"]
    ).convert()
    np.testing.assert_allclose([fit["limit"], fit["amplitude"]], line.coef)
    assert fit["dof"] == 3
    assert fit["p_value"] < 1e-6  # it is 1/2
    assert fit["exponent_error"] == 0


def test_an_exponent_that_runs_away_is_no_number() -> None:
    """A logarithm has no limit; it is a power with an exponent of zero."""
    fit = scaling.extrapolate(find_lines(draw_lines(4, 0.2 * np.log(SIZES) - 0.3)))
    assert fit["at_bound"]
    assert np.isnan([fit["limit"], fit["exponent"], fit["amplitude"]]).all()


@pytest.mark.parametrize("exponent", [0.5, 0.7])
def test_a_collapse_finds_threshold_and_exponent(exponent: float) -> None:
    data = draw_fractions(0, exponent)
    found = scaling.collapse(data, "y", parameter="x", resamples=30)
    assert abs(found["exponent"] - exponent) < 4 * found["exponent_error"]
    assert abs(found["threshold"] - LIMIT) < 4 * found["threshold_error"]
    assert found["exponent_error"] < 0.1
    assert 0.3 < found["quality"] < 3
    expected = (data["x"] - found["threshold"]) * data["n_neurons"] ** found["exponent"]
    xr.testing.assert_allclose(
        found["rescaled"].drop_vars("rescaled").transpose("x", ...), expected
    )
    xr.testing.assert_allclose(found["mean"].drop_vars("rescaled"), data["y"].mean("seed"))
    wrong = scaling.collapse(data, "y", parameter="x", exponent=exponent + 0.2, resamples=2)
    assert wrong["quality"] > 3 * found["quality"]


def test_errors_of_a_collapse_are_those_of_other_networks() -> None:
    exponents, errors = [], []
    for seed in range(12):
        found = scaling.collapse(
            draw_fractions(seed), "y", parameter="x", threshold=LIMIT, resamples=20, seed=seed
        )
        exponents.append(found["exponent"].item())
        errors.append(found["exponent_error"].item())
    assert abs(np.mean(exponents) - EXPONENT) < 4 * np.mean(errors) / np.sqrt(12)
    assert 0.5 < np.std(exponents, ddof=1) / np.mean(errors) < 2


def test_a_collapse_of_curves_that_do_not_depend_on_the_size_is_none() -> None:
    found = scaling.collapse(draw_lines(0, [0.5] * 5), "y", parameter="x", resamples=2)
    assert found["at_bound"]
    assert np.isnan([found["threshold"], found["exponent"]]).all()


def test_the_picture_shows_thresholds_their_limit_and_the_collapse() -> None:
    parts = [draw_fractions(k).rename(x="self_coupling", y="fraction") for k in range(2)]
    result = xr.concat(parts, xr.DataArray(["sync", "async"], dims="update_order"), join="outer")
    times = xr.ones_like(result["fraction"]).expand_dims(replica=10)
    result = result.assign(n_converged=10 * result["fraction"], relaxation_time=times)
    found = scaling.thresholds(result, "fraction", resamples=20)
    fit = scaling.extrapolate(found)
    collapsed = scaling.collapse(result, "fraction", exponent=EXPONENT, resamples=2)
    with pytest.raises(ValueError, match=r"choose one value of update_order by \.sel"):
        plot_collapse(collapsed, make_panels()[1][0])
    figure = draw_scaling(result, found, fit, collapsed, (0.81, 0.01, "theory"))
    assert len(figure.axes) == 6
    ax = figure.axes[1]
    labels = find_labels(ax)
    assert labels[0] == "theory"
    law = fit.sel(update_order="sync")
    assert f"{law['exponent']:.3f} ± {law['exponent_error']:.3f}" in labels[1]
    assert [text.partition(":")[0] for text in labels[2:]] == ["bars", "bands"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["∞", "100", "400", "1600"]
    measured, limit = ax.containers
    np.testing.assert_allclose(
        measured.lines[0].get_ydata(), found["threshold"].sel(update_order="sync")
    )
    assert limit.lines[0].get_ydata() == [law["limit"].item()]
    sizes = ["N = 100", "N = 400", "N = 1600", "bars: standard error over networks"]
    assert find_labels(figure.axes[2]) == sizes


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda d: scaling.thresholds(d, "z"), "the result has no variable 'z'; it has y"),
        (lambda d: scaling.thresholds(d, "y"), "y lacks the axis self_coupling; its axes are"),
        (lambda d: find_lines(d, networks="draw"), "y lacks the axis draw"),
        (lambda d: find_lines(d, size="x"), "must name three different axes, got x, seed and x"),
        (lambda d: find_lines(d, resamples=1), "resamples must be an integer >= 2, got 1"),
        (lambda d: find_lines(d.isel(x=[0])), "the axis x needs at least two values, got 1"),
        (lambda d: scaling.thresholds(d, "y", parameter="x"), "y must be a fraction in 0..1"),
        (lambda d: scaling.thresholds(d / 9, "y", parameter="x", level=1.0), "level must be"),
        (lambda d: find_lines(d.assign_coords(x=list("abcdef"))), "must hold real numbers"),
        (lambda d: scaling.extrapolate(d), "lack threshold, threshold_error"),
        (lambda d: scaling.extrapolate(find_lines(d), size="n"), "lack the axis n"),
        (
            lambda d: scaling.extrapolate(find_lines(d.isel(n_neurons=[0, 3]))),
            "need 3 sizes with a threshold and its error, got 2; .* or give the exponent",
        ),
        (
            lambda d: scaling.extrapolate(find_lines(d.where(d.x < 0.7))),
            r"got 4 sizes|got \d \(none at n_neurons = .*1600\); .* values of x on both sides",
        ),
        (lambda d: scaling.extrapolate(find_lines(d.isel(seed=[0]))), "more than one network"),
        (
            lambda d: scaling.extrapolate(
                find_lines(d.rename(n_neurons="n"), size="m"), size="n"
            ),
            "drawn anew for each value of m, not of n",
        ),
        (lambda d: scaling.collapse(d.isel(n_neurons=0), "y", parameter="x"), "lacks the axis n_"),
        (lambda d: scaling.collapse(d.isel(seed=[0]), "y", parameter="x"), "needs two sizes"),
        (lambda d: scaling.collapse(d * 0, "y", parameter="x"), "all networks give the same y"),
        (
            lambda d: scaling.collapse(d, "y", parameter="x", threshold=1.0, exponent=1.0),
            "nothing is left to be fitted",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_refused(call: Any, words: str) -> None:
    error = TypeError if "real numbers" in words else ValueError
    with pytest.raises(error, match=words):
        call(draw_lines(0, networks=4))
