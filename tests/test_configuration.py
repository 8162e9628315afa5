"""The parameters of a run: presets, precedence, reading and writing, and what is refused."""

import json
import math

import numpy as np
import pytest

from binnet import Configuration, PerceptronPlasticity, TrainingParameters, preset
from binnet.learning import PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json(name: str) -> None:
    written = json.loads(json.dumps(preset(name).to_dict()))
    assert Configuration.from_dict(written) == preset(name)


def test_source_preset_is_the_specification() -> None:
    """Reference defaults of docs/model/network.md, section 3.4."""
    tables = preset("source").to_dict()
    values = {name: value for table in tables.values() for name, value in table.items()}
    reference = {
        "self_coupling": 0.5,
        "input_strength": 5.0,
        "feedback_strength": 0.9,
        "margin": 0.9,
        "readout_margin": 3.0,
        "rate_input": 0.03,
        "rate_couplings": 0.005,
        "rate_readout": 0.1,
        "decay_couplings": 0.005,
        "decay_readout": 0.005,
        "decay_input": 0.0,
        "batch_size": 16,
        "warmup": 1,
        "feedback": 5,
        "free": 5,
        "annealing": "step",
        "rate_schedule": "constant",
    }
    assert {name: values[name] for name in reference} == reference


def test_replace_reaches_every_part() -> None:
    changed = preset().replace(n_hidden=7, warmup=0, margin=0.1, seed=5)
    assert changed.network.n_hidden == 7
    assert changed.schedule.warmup == 0
    assert changed.plasticity.margin == 0.1
    assert changed.training.seed == 5
    assert changed.replace() == changed
    with pytest.raises(TypeError, match=r"unknown parameter 'hidden'; known are annealing, .*warm"):
        preset().replace(hidden=7)


def test_numpy_numbers_become_plain_values() -> None:
    changed = preset().replace(
        n_hidden=np.int64(9),
        margin=np.float32(0.5),
        warmup=np.int8(1),
        epochs=np.int64(2),
        update_probability=np.float32(0.25),
        margin_excludes_self_coupling=np.bool_(False),
    )
    assert Configuration.from_dict(json.loads(json.dumps(changed.to_dict()))) == changed


def test_from_dict_fills_in_from_base() -> None:
    base = preset("default").replace(n_hidden=7)
    read = Configuration.from_dict({"training": {"epochs": 3}}, base)
    assert read == base.replace(epochs=3)
    assert Configuration.from_dict({}) == preset("source")


@pytest.mark.parametrize(
    ("tables", "error", "message"),
    [
        ({"net": {}}, ValueError, r"unknown table \[net\]; known are network, schedule, pl"),
        ({"network": {"H": 3}}, ValueError, r"unknown parameter 'H' in \[network\]; known are n_h"),
        ({"network": 3}, TypeError, r"\[network\] must be a table of parameters, got 3"),
        ({"network": {"n_hidden": "9"}}, TypeError, r"n_hidden must be an integer >= 1, got '9'"),
    ],
)
def test_from_dict_errors(tables: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Configuration.from_dict(tables)


def test_linear_rate_schedule() -> None:
    plasticity = PerceptronPlasticity(rate_schedule="linear")
    np.testing.assert_allclose(plasticity.rate_factors(0, 4, 8), [1, 0.875, 0.75, 0.625])
    np.testing.assert_allclose(plasticity.rate_factors(6, 2, 8), [0.25, 0.125])
    assert (PerceptronPlasticity().rate_factors(3, 5, 8) == 1).all()


def test_scaled_rates_and_losses() -> None:
    """The prefactors of docs/model/network.md, eqs. (3.3) to (3.5)."""
    configuration = preset("source")
    p, plasticity = configuration.network, configuration.plasticity
    rates = [0.005 / math.sqrt(400), 0.03 * 5 / math.sqrt(100), 0.1 / math.sqrt(400)]
    np.testing.assert_allclose(plasticity.scaled_rates(p), rates)
    np.testing.assert_allclose(plasticity.losses(p), [rates[0] * 0.005, 0, rates[2] * 0.005])


@pytest.mark.parametrize("n_hidden", [25, 400, 1600])
def test_rates_that_move_fields_by_as_much_at_every_size(n_hidden: int) -> None:
    """H synapses that change by the rate move a field by H of it: at 400 the source's 20 eta_J."""
    configuration = preset("source").replace(n_hidden=n_hidden, rate_scaling="fields")
    p, plasticity = configuration.network, configuration.plasticity
    as_source = preset("source").replace(n_hidden=n_hidden).plasticity.scaled_rates(p)
    np.testing.assert_allclose(plasticity.scaled_rates(p)[0] * n_hidden, 20 * 0.005)
    np.testing.assert_allclose(plasticity.scaled_rates(p)[1:], as_source[1:])
    assert (plasticity.gains(p) == 1).all()


def test_gains_of_modules_move_fields_by_as_much_in_each() -> None:
    shape = {"n_modules": 3, "n_hidden": (100, 50, 200), "density": (1.0, 0.5, 0.25)}
    configuration = preset("source").replace(**shape, rate_scaling="fields")
    p, plasticity = configuration.network, configuration.plasticity
    rates = plasticity.scaled_rates(p)[0] * plasticity.gains(p)[0]
    present = np.repeat([100, 25, 50], [100, 50, 200])  # couplings of a neuron in its module
    np.testing.assert_allclose(rates * present, 20 * 0.005)
    np.testing.assert_array_equal(plasticity.gains(p)[1:], p.rate_gains[1:])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"rate_couplings": -1}, ValueError, r"rate_couplings must be a finite number >= 0, got -"),
        ({"rate_input": math.nan}, ValueError, r"rate_input .* got nan"),
        ({"decay_readout": 1.5}, ValueError, r"decay_readout .* >= 0 and <= 1, got 1.5"),
        ({"margin": math.inf}, ValueError, r"margin must be a finite number, got inf"),
        ({"readout_margin": "3"}, TypeError, r"readout_margin must be a finite number, got '3'"),
        ({"margin_excludes_self_coupling": 1}, TypeError, r"must be True or False, got 1"),
        ({"rate_schedule": "cosine"}, ValueError, r"one of constant, linear, got 'cosine'"),
        ({"rate_scaling": "size"}, ValueError, r"one of weights, fields, got 'size'"),
        ({"epochs": 0}, ValueError, r"epochs must be an integer >= 1, got 0"),
        ({"epochs": 1.0}, TypeError, r"epochs must be an integer >= 1, got 1.0"),
        ({"batch_size": 0}, ValueError, r"batch_size must be an integer >= 1, got 0"),
        ({"batch_size": True}, TypeError, r"batch_size must be an integer >= 1, got True"),
        ({"inference_sweeps": 0}, ValueError, r"inference_sweeps must be an integer >= 1"),
        (
            {"update_order": "serial"},
            ValueError,
            r"update_order must be one of sync, .* got 'serial'",
        ),
        ({"update_probability": 0}, ValueError, r"update_probability .* > 0 and <= 1, got 0"),
        ({"dtype": "float16"}, ValueError, r"dtype must be one of float32, float64, got 'float16'"),
        ({"seed": -1}, ValueError, r"seed must be an integer >= 0, got -1"),
        ({"seed": 0.5}, TypeError, r"seed must be an integer >= 0, got 0.5"),
        (
            {"rate_readout": 30.0, "decay_readout": 1.0},
            ValueError,
            r"rate_readout .* times decay_readout must be < 1, .* got 1.5; lower one of them",
        ),
    ],
)
def test_errors(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        preset("source").replace(**arguments)


def test_unknown_preset() -> None:
    with pytest.raises(ValueError, match=r"preset must be one of .*source.*, got 'best'"):
        preset("best")


def test_frozen() -> None:
    with pytest.raises(AttributeError):
        TrainingParameters().epochs = 3  # type: ignore[misc]
