"""Studies of what networks store and of how chains learn.

Associations are what they are said to be; capacities are read off recall curves where they can be,
and said to be beyond the loads where not; more associations are recalled at a lower load; studies
resume, refuse bad parameters before work, and leave figure, data and table. The symmetry of J is
right for matrices whose symmetry is known, and J starts without any.
"""

import json

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from binnet.cli import main
from binnet.datasets import draw_associations
from binnet.studies.capacity import (
    configure_depth,
    find_capacity,
    recall_associations,
    run_capacity,
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
    found = find_capacity(result).squeeze()
    np.testing.assert_allclose(
        found["capacity"], [2 * np.sqrt(2), np.nan, np.nan, np.sqrt(2)], rtol=1e-12
    )
    assert found["where"].values.tolist() == [0, -1, 1, 0]
    (record,) = summarise_capacity(result)
    assert record["mean"] is None
    assert record["capacity"][1:3] == [None, None]
    (record,) = summarise_capacity(result.isel(seed=[0, 3]))
    assert record["mean"] == pytest.approx(1.5 * np.sqrt(2))


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
    options = {"n_modules": (1,), "n_hidden": (10,), "loads": (2.0, 1.0), "seeds": 1, "epochs": 2}
    first = run_capacity(tmp_path / "c.nc", progress=False, **options)
    assert first["load"].values.tolist() == [1.0, 2.0]
    again = run_capacity(tmp_path / "c.nc", progress=False, **options)
    xr.testing.assert_identical(first, again)
    for bad, message in (
        ({"loads": (-1.0,)}, "load must be"),
        ({"loads": (2000.0,)}, "P = load"),
        ({"attachments": ("none",)}, "attachment must be"),
        ({"seeds": 0}, "seeds must be"),
    ):
        with pytest.raises(ValueError, match=message):
            run_capacity(tmp_path / "d.nc", progress=False, **{**options, **bad})
    assert not list(tmp_path.glob("d.nc*"))


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
        ("capacity --modules 1,2 --hidden 10 --loads 1,2 --epochs 1", [".nc"], "P/H at 95 %"),
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
