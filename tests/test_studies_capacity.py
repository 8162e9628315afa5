"""Studies of what networks store and of how chains learn.

Associations are what they are said to be; the bisection finds the last success wherever it lies,
also where learning is not monotone; a capacity is a load that is learned, and the next one is not;
more associations are recalled at a lower load; studies resume, refuse bad parameters before work,
and leave figure, data and table. The symmetry of J is right for matrices whose symmetry is known,
and J starts without any.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from binnet import UncheckedFileWarning, sweeps, theory
from binnet.cli import main
from binnet.datasets import draw_associations
from binnet.studies._bisection import MISSES, find_last_success, geometric_grid
from binnet.studies.capacity import (
    bound_capacity,
    configure_depth,
    find_capacity,
    measure_capacity,
    recall_associations,
    run_capacity,
    run_recall,
    summarise_capacity,
)
from binnet.studies.chains import run_chains, train_chain, train_single
from binnet.studies.symmetry import (
    measure_symmetry,
    measure_symmetry_index,
    train_and_measure,
)


def test_associations_are_balanced_and_repeatable():
    a = draw_associations(4000, n_inputs=30, n_classes=5, seed=3)
    assert a.X.shape == (4000, 30)
    assert a.X.dtype == np.int8
    assert set(np.unique(a.X)) == {-1, 1}
    assert abs(a.X.mean()) < 5 / np.sqrt(a.X.size)  # five standard errors
    counts = np.bincount(a.y, minlength=5)
    assert np.abs(counts - 800).max() < 5 * np.sqrt(4000 * 0.2 * 0.8)
    again = draw_associations(4000, n_inputs=30, n_classes=5, seed=3)
    np.testing.assert_array_equal(a.X, again.X)
    assert (draw_associations(4000, 30, 5, seed=4).X != a.X).any()


def test_a_larger_draw_begins_with_the_smaller_one():
    small, large = (draw_associations(n, 17, 3, seed=1) for n in (21, 50))
    np.testing.assert_array_equal(large.X[:21], small.X)
    np.testing.assert_array_equal(large.y[:21], small.y)


@pytest.mark.parametrize("bad", [{"n_associations": 0}, {"n_classes": 1}, {"seed": -1}])
def test_bad_associations_are_refused(bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))} must be"):
        draw_associations(**{"n_associations": 5, **bad})


def test_loads_double_after_a_whole_number_of_steps():
    loads, steps = geometric_grid(0.25, 8.0, 0.05)
    assert steps == 15
    assert (loads[0], loads[-1]) == pytest.approx((0.25, 8.0))
    np.testing.assert_allclose(loads[steps:], 2 * loads[:-steps])
    assert 1.04 < loads[1] / loads[0] <= 1.05


@pytest.mark.parametrize("first", [0, 7, 29])
@pytest.mark.parametrize("steps", [1, 5, 100])
def test_the_last_success_is_found_wherever_it_is(first, steps):
    for last in range(-1, 30):
        asked = []

        def succeeds(k, last=last, asked=asked):
            asked.append(k)
            return k <= last

        assert find_last_success(succeeds, 30, first, steps) == last
        assert len(asked) == len(set(asked))
        assert {last, min(last + 1, 29)} - {-1} <= set(asked)  # the bracket was tried


def test_bisection_asks_few_and_sees_successes_behind_a_failure():
    asked = []

    def learns(k):
        asked.append(k)
        return k <= 40 or k in (42, 44)  # behind 44 two in a row fail: 50 is not looked at

    assert find_last_success(lambda k: learns(k) or k == 50, 160, 64, 16) == 44
    assert len(asked) < 14

    # A network that fails by chance at the first load, or at its double.
    for by_chance in (64, 80):
        found = find_last_success(lambda k, bad=by_chance: k <= 100 and k != bad, 160, 64, 16)
        assert found == 100
    assert {45, 46} <= set(asked)
    assert MISSES == 2


def test_a_capacity_is_learned_and_the_next_load_is_not():
    shared = {"n_modules": 1, "n_hidden": 20, "seed": 1, "epochs": 20, "level": 0.8}
    found = measure_capacity(accuracy=0.2, **shared)
    assert found["where"] == 0
    assert 0.5 < found["capacity"] < found["upper"] < 1.3 * found["capacity"]
    here, beyond = (recall_associations(load=found[k], **shared) for k in ("capacity", "upper"))
    assert here["reached"]
    assert here["n_epochs"] == found["n_epochs"] <= 20
    assert here["recalled"] >= 0.8
    assert not beyond["reached"]
    assert np.isnan(beyond["n_epochs"])
    assert beyond["recalled"] < 0.8
    # The log has both, and as many trainings as are said.
    loads, _ = geometric_grid(1 / 16, 64.0, 0.2)
    log, needed = found["recalled"][1], found["epochs_needed"][1]
    n_associations = np.maximum(np.round(20 * loads), 1)
    at = {float(n): float(r) for n, r in zip(n_associations, log, strict=True) if not np.isnan(r)}
    assert len(at) == found["n_trainings"]
    assert at[20 * found["capacity"]] == here["recalled"]
    assert at[20 * found["upper"]] == beyond["recalled"]
    assert np.isnan(needed[np.isnan(log)]).all()
    most = 20 * np.array(list(at)).sum()  # every training would use all its epochs
    assert 20 * 20 * found["capacity"] < found["n_presentations"] < most


def test_all_are_harder_to_recall_than_most():
    shared = {"n_modules": 1, "n_hidden": 20, "seed": 0, "epochs": 20}
    most, everything = (measure_capacity(level=p, accuracy=0.2, **shared) for p in (0.8, 1.0))
    assert everything["capacity"] < most["capacity"]


def test_what_cannot_be_stored_is_below_the_loads():
    nothing = {"rate_readout": 0.0, "rate_couplings": 0.0, "rate_input": 0.0}
    found = measure_capacity(1, 16, 1, 1, 1.0, accuracy=1.0, n_classes=100, changes=nothing)
    assert found["where"] == -1
    assert np.isnan([found["capacity"], found["upper"], found["row_norm"]]).all()


def test_changes_reach_the_network():
    shared = {"n_modules": 2, "n_hidden": 10, "seed": 0, "epochs": 1, "load": 1.0}
    wide = {"input_strength": [9.0, 0.0]}  # a list, as sweeps keep it
    usual, changed = (recall_associations(changes=c, **shared)["recalled"] for c in (None, wide))
    assert usual != changed
    with pytest.raises(TypeError, match="unknown parameter 'no'"):
        recall_associations(changes={"no": 1}, **shared)


@pytest.mark.parametrize(
    ("n_modules", "attachment", "read", "inputs"),
    [(1, "first", 1, 99 + 50), (2, "first", 1, 100), (3, "all", 3, 99 + 50 + 100)],
)
def test_bounds_are_those_of_the_rows(n_modules, attachment, read, inputs):
    network = configure_depth(n_modules, attachment, n_hidden=100, n_inputs=50, n_outputs=3)
    bounds = bound_capacity(network)
    assert bounds["sign"] == pytest.approx(2.0 * read)
    assert bounds["argmax"] == pytest.approx(2.4 * read)
    assert bounds["argmax_95"] == theory.argmax_capacity(3, 0.05).load * read
    assert bounds["hidden"] == pytest.approx(2.0 * inputs / 100)


@pytest.mark.long
def test_given_states_stay_below_their_bound_and_learned_ones_exceed_it():
    given = {"rate_couplings": 0.0, "rate_input": 0.0, "feedback_strength": 0.0}
    given["readout_margin"] = 0.5
    options = {"n_hidden": 50, "epochs": 150, "level": 1.0, "attachment": "first"}
    options |= {"n_modules": 1, "accuracy": 0.2, "n_classes": 2}
    bound = bound_capacity(configure_depth(1, "first", n_hidden=50, n_outputs=2))["argmax"]
    found = [measure_capacity(seed=seed, changes=given, **options)["upper"] for seed in range(2)]
    assert 0.6 * bound < np.mean(found) < 1.1 * bound
    assert measure_capacity(seed=0, **options)["capacity"] > 1.3 * bound


def _recall_curves(curves, loads=(1.0, 2.0, 4.0)):
    table = np.array(curves)[:, None, None, None, :]
    coordinates = {
        "seed": range(len(curves)),
        "attachment": ["last"],
        "n_hidden": [10],
        "n_modules": [1],
        "load": list(loads),
    }
    return xr.Dataset({"recalled": (tuple(coordinates), table)}, coordinates)


def test_capacity_is_interpolated_or_said_to_be_beyond_the_loads():
    # Halfway between 2 and 4 on a logarithmic scale; at no load; at every load; first crossing.
    result = _recall_curves([[1, 1, 0.9], [0.9, 0.8, 0.7], [1, 1, 0.99], [1, 0.9, 1]])
    with pytest.warns(DeprecationWarning, match="bisection"):
        found = find_capacity(result).squeeze()
    np.testing.assert_allclose(
        found["capacity"], [2 * np.sqrt(2), np.nan, np.nan, np.sqrt(2)], rtol=1e-12
    )
    assert found["where"].values.tolist() == [0, -1, 1, 0]


def test_studies_of_fixed_loads_stay_readable():
    file = Path(__file__).parents[1] / "docs" / "results" / "capacity_first.nc"
    with pytest.warns(UncheckedFileWarning):
        result = sweeps.load(file)
    with pytest.warns(DeprecationWarning, match="bisection"):
        found = find_capacity(result)["capacity"].mean("seed").squeeze()
    np.testing.assert_allclose(found, [5.17, 9.69, 6.65, 5.49], atol=0.006)


def test_capacities_are_summarised_with_their_brackets():
    coordinates = {"seed": [0, 1], "attachment": ["last"], "n_hidden": [10], "n_modules": [2]}
    coordinates["level"] = [0.95, 1.0]
    dims, shape = tuple(coordinates), (2, 1, 1, 1, 2)
    table = {
        "capacity": [2.0, 1.0, 3.0, np.nan],
        "upper": [2.42, 1.1, 3.63, np.nan],
        "where": [0, 0, 0, -1],
        "n_epochs": [5.0, 6.0, 7.0, np.nan],
    }
    columns = {name: (dims, np.reshape(values, shape)) for name, values in table.items()}
    first, second = summarise_capacity(xr.Dataset(columns, coordinates))
    assert (first["n_modules"], first["level"]) == (2, 0.95)
    assert first["capacity"] == [2.0, 3.0]
    assert first["mean"] == pytest.approx(2.75)  # of 2.2 and 3.3
    within = (0.42**2 + 0.63**2) / 2 / 12
    assert first["error"] == pytest.approx(np.sqrt(0.55**2 + within / 2))
    assert second["capacity"] == [1.0, None]
    assert second["where"] == [0, -1]
    assert second["mean"] is None


@pytest.mark.parametrize(
    ("attachment", "inputs", "readouts", "feedbacks"),
    [
        ("last", (1.0, 1.0), (0.0, 1.0), (1.5, 1.5)),
        ("all", (1.0, 1.0), (1.0, 1.0), (1.5, 1.5)),
        ("ends", (1.0, 0.0), (0.0, 1.0), (0.0, 1.5)),
    ],
)
def test_what_attaches_where(attachment, inputs, readouts, feedbacks):
    network = configure_depth(2, attachment).network
    assert network.each("input_strength") == inputs
    assert network.each("readout_strength") == readouts
    assert network.each("feedback_strength") == feedbacks
    assert network.each("neighbour_strength") == (1.0, 1.0)
    assert configure_depth(1, attachment).network == configure_depth(1).network


def test_deeper_modules_learn_from_the_first_alone():
    network = configure_depth(3, "first").network
    assert network.each("input_strength") == (5.0, 0.0, 0.0)
    assert network.each("readout_strength") == (0.0, 0.0, 1.0)
    assert network.each("feedback_strength") == (3.0, 2.0, 1.0)
    fixed = {"load": 2.0, "n_hidden": 40, "n_modules": 2, "seed": 0, "epochs": 20}
    first, ends = (
        recall_associations(attachment=attachment, **fixed)["recalled"]
        for attachment in ("first", "ends")
    )
    assert first >= 0.9
    assert ends < first - 0.2


def test_few_associations_are_recalled_and_too_many_are_not():
    fixed = {"n_hidden": 40, "n_modules": 2, "seed": 0, "epochs": 20, "attachment": "all"}
    few, many = (recall_associations(load=load, **fixed)["recalled"] for load in (0.5, 20.0))
    assert few >= 0.95
    assert many < 0.8


def test_capacity_study_resumes_and_refuses_before_work(tmp_path):
    options = {"n_modules": (1,), "n_hidden": (10,), "seeds": 1, "epochs": 2}
    search = {**options, "accuracy": 0.5, "attachments": ("first",)}
    first = run_capacity(tmp_path / "c.nc", progress=False, **search)
    assert first["level"].values.tolist() == [0.95, 1.0]
    assert first["load"].values[[0, -1]].tolist() == [1 / 16, 64.0]
    xr.testing.assert_identical(first, run_capacity(tmp_path / "c.nc", progress=False, **search))
    for bad, message in (
        ({"levels": (1.5,)}, "level must be"),
        ({"accuracy": 0.0}, "accuracy must be"),
        ({"attachments": ("none",)}, "attachment must be"),
        ({"seeds": 0}, "seeds must be"),
    ):
        with pytest.raises(ValueError, match=message):
            run_capacity(tmp_path / "d.nc", progress=False, **{**search, **bad})
    for loads, message in (((-1.0,), "load must be"), ((2e5,), "P = load")):
        with pytest.raises(ValueError, match=message):
            run_recall(tmp_path / "d.nc", loads, progress=False, **options)
    assert not list(tmp_path.glob("d.nc*"))
    recall = run_recall(tmp_path / "e.nc", (2.0, 1.0), progress=False, **options)
    assert recall["load"].values.tolist() == [1.0, 2.0]
    run_capacity(tmp_path / "f.nc", loads=(2.0, 1.0), progress=False, **search)
    beside = run_recall(tmp_path / "f.loads.nc", (1.0, 2.0), progress=False,
                        **{**options, "attachments": ("first",)})  # fmt: skip
    assert beside["reached"].sizes["attachment"] == 1


def test_symmetry_of_known_matrices():
    rng = np.random.default_rng(0)
    J = rng.standard_normal((200, 200))
    assert measure_symmetry(J + J.T) == pytest.approx(1.0)
    assert measure_symmetry(J - J.T) == pytest.approx(-1.0)
    assert abs(measure_symmetry(J)) < 5 / 200
    k = 0.5  # J + k J^T has eta = 2k / (1 + k^2)
    assert measure_symmetry(J + k * J.T) == pytest.approx(0.8, abs=0.02)
    by_hand = sum(J[i, j] * J[j, i] for i in range(5) for j in range(5) if i != j)
    norm = sum(J[i, j] ** 2 for i in range(5) for j in range(5) if i != j)
    assert measure_symmetry(J[:5, :5]) == pytest.approx(by_hand / norm)
    assert np.isnan(measure_symmetry(np.eye(3)))


def test_the_index_of_the_source():
    rng = np.random.default_rng(1)
    J = rng.standard_normal((30, 30))
    np.fill_diagonal(J, 0.0)
    for k in (-1.0, -0.3, 0.0, 0.4, 1.0):
        mixed = J + k * J.T
        index = measure_symmetry_index(mixed)
        parts = [np.sqrt(((mixed + sign * mixed.T) ** 2).sum()) / 2 for sign in (1, -1)]
        assert index == pytest.approx((parts[0] - parts[1]) / (parts[0] + parts[1]), abs=1e-12)
        assert measure_symmetry(mixed) == pytest.approx(2 * index / (1 + index**2))
    assert measure_symmetry_index(J + J.T, 5.0) == pytest.approx(1.0)
    # A diagonal d adds H d^2 to the squared norm of the symmetric part, and nothing to the other.
    total = np.vdot(J, J)
    of_all = (measure_symmetry(J) * total + 30 * 4.0) / (total + 30 * 4.0)
    index = measure_symmetry_index(J, 2.0)
    assert 2 * index / (1 + index**2) == pytest.approx(of_all)
    assert np.isnan(measure_symmetry_index(np.zeros((3, 3))))


def test_symmetry_is_followed_from_the_draw_on():
    measured = train_and_measure(
        500,
        preset_name="default",
        self_coupling=0.7,
        input_strength=5.0,
        symmetry=0.0,
        annealing="step",
        n_hidden=60,
        epochs=2,
        seed=1,
    )
    symmetry, learned = measured["eta"][1], measured["learned_eta"][1]
    assert symmetry.shape == (3,)
    assert abs(symmetry[0]) < 5 / 60
    assert np.isnan(learned[0])
    assert np.isfinite(learned[1:]).all()
    change = measured["change"][1]
    assert change[0] == 0
    assert 0 < change[1] < change[2]
    # J(0) has about H elements of variance 1/H in each row, and 0.49 on the diagonal.
    index = measured["index"][1]
    assert 2 * index[0] / (1 + index[0] ** 2) == pytest.approx(0.49 / 1.49, abs=0.1)
    assert (index > symmetry).all()


def test_excitation_lets_a_chain_without_self_coupling_settle():
    options = {"n_hidden": 60, "epochs": 1, "seed": 0, "samples": 500}
    without, with_ = (train_chain(3, excitation, **options) for excitation in (0.0, 0.5))
    assert with_["fixed_points"][1][-1] > max(without["fixed_points"][1][-1], 0.99)
    assert train_single(0.7, "sync", **options)["fixed_points"][1][-1] > 0.99


def test_chains_refuse_bad_excitations_before_work(tmp_path):
    with pytest.raises(ValueError, match="excitation must be"):
        run_chains(tmp_path / "c.png", excitations=(0.1, -0.1), progress=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("command", "data", "line"),
    [
        (
            "capacity --modules 1,2 --hidden 10 --loads 1,2 --epochs 1 --accuracy 0.5",
            [".nc", ".loads.nc"],
            "level   P/H",
        ),
        ("study symmetry --hidden 10 --epochs 1 --samples 50", [".nc"], "eta learned"),
        (
            "study chain --hidden 10 --epochs 1 --samples 50 --modules 2 --excitation 0,0.5",
            [".chains.nc", ".singles.nc"],
            "chain of 2, lambda = 0.5",
        ),
    ],
)
def test_commands_leave_table_figure_and_data(tmp_path, command, data, line):
    output = tmp_path / "figure.png"
    words = [*command.split(), "--seeds", "2", "--output", str(output)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert line in result.output
    assert output.read_bytes().startswith(b"\x89PNG")
    assert json.loads(output.with_suffix(".json").read_text())["run"]["binnet"]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"figure.png", "figure.json", *(f"figure{suffix}" for suffix in data)}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["capacity", "--loads", "0,1"], "--loads must be"),
        (["capacity", "--level", "0"], "--level must be"),
        (["capacity", "--modules", "1,x"], "not an integer, or several with commas"),
        (["capacity", "--output", "c.pdf"], "must end in .png"),
        (["study", "chain", "--excitation", "-1"], "--excitation must be"),
        (["study", "chain", "--samples", "60001"], "--samples"),
    ],
)
def test_commands_refuse_in_one_line(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, words)
    assert result.exit_code != 0
    assert message in result.output
    assert "Traceback" not in result.output
    assert not list(tmp_path.iterdir())
