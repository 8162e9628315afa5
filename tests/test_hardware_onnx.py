"""ONNX: runtimes find what the simulator finds, in every form; the rest is refused."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import hardware_cases as cases
from binnet import BinaryNetwork, NetworkParameters, predict, relax
from binnet._files import is_ours
from binnet.hardware import quantize
from library_cases import draw_spins

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from binnet.hardware.onnx_export import DTYPES, FORMS, to_onnx, write_onnx  # noqa: E402

TYPES = {
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
}
X = draw_spins(60, cases.N_INPUTS, 3)


def run_model(model: Any, inputs: np.ndarray) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    (source,) = session.get_inputs()
    results = session.run(names, {source.name: inputs.astype(TYPES[source.type])})
    return dict(zip(names, results, strict=True))


def compare(network: Any, model: Any, samples: np.ndarray, inputs: np.ndarray, sweeps: int) -> Any:
    """Compare all outputs with the simulator's; return its result."""
    found, result = run_model(model, inputs), relax(network, samples, max_sweeps=sweeps)
    assert np.array_equal(found["states"], result.states)
    assert np.array_equal(found["fixed_points"], result.status == 1)
    assert np.array_equal(found["labels"], predict(network, samples, max_sweeps=sweeps))
    unit = network.formats.readout.resolution
    assert np.array_equal(found["readout_fields"] * unit, result.readout_fields)
    return result


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_integers_are_run_exactly(bits: int, form: str, dtype: str) -> None:
    network = cases.make_quantized(bits)
    model = to_onnx(network, form=form, dtype=dtype)
    compare(network, model, X, X, 10)


@pytest.mark.parametrize("sweeps", [2, 3, 5])
@pytest.mark.parametrize("form", FORMS)
def test_unsettled_samples_end_where_the_sweeps_do(form: str, sweeps: int) -> None:
    """Strong couplings without self-coupling: some samples settle, others run in cycles."""
    sizes = NetworkParameters(cases.N_HIDDEN, cases.N_INPUTS, 3, self_coupling=0, input_strength=1)
    network, _ = quantize(BinaryNetwork.random(sizes, 5), 4)
    model = to_onnx(network, form=form, sweeps=sweeps)
    result = compare(network, model, X, X, sweeps)
    assert (result.status != 1).any()
    assert sweeps == 2 or (result.status == 1).any()


def test_a_field_of_zero_is_plus_one() -> None:
    network = cases.make_quantized(4)
    zeros = {name: np.zeros_like(getattr(network, name)) for name in ("couplings", "input_weights")}
    tied = dataclasses.replace(network, **zeros)
    assert (run_model(to_onnx(tied), X)["states"] == 1).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("format", ["unsigned", "signed"])
def test_graded_inputs_of_eight_bits_do_not_saturate(format: str, dtype: str) -> None:
    """With the largest weights and inputs, which sums in 16 bits would cut off."""
    network, _ = quantize(cases.make_float(), 8, input_bits=8, input_format=format)
    largest = np.full_like(network.input_weights, network.formats.input_weights.high)
    largest[::2] *= -1
    couplings = np.zeros_like(network.couplings)
    network = dataclasses.replace(network, input_weights=largest, couplings=couplings)
    inputs = network.formats.inputs
    integers = np.random.default_rng(1).integers(inputs.low, inputs.high + 1, (40, cases.N_INPUTS))
    integers[0], integers[1] = inputs.high, inputs.low
    compare(network, to_onnx(network, dtype=dtype), inputs.dequantize(integers), integers, 10)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_are_run_up_to_rounding(dtype: type, form: str) -> None:
    network = cases.make_float(dtype, self_coupling=0.7)
    found, result = run_model(to_onnx(network, form=form), X), relax(network, X, max_sweeps=10)
    assert np.array_equal(found["states"], result.states)
    assert found["readout_fields"].dtype == dtype
    assert np.allclose(found["readout_fields"], result.readout_fields, rtol=1e-5, atol=1e-5)


def test_the_reference_of_onnx_agrees() -> None:
    network = cases.make_quantized(4)
    evaluator = pytest.importorskip("onnx.reference").ReferenceEvaluator(to_onnx(network))
    states, *_ = evaluator.run(None, {"inputs": X})
    assert np.array_equal(states, relax(network, X, max_sweeps=10).states)


def test_only_standard_operators_and_int8_weights() -> None:
    model = to_onnx(cases.make_quantized(4))
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert {types[name] for name in ("J", "W_in", "W_out")} == {onnx.TensorProto.INT8}


def test_metadata_and_bytes(tmp_path: Path) -> None:
    network = cases.make_quantized(4)
    paths = [tmp_path / "a.onnx", tmp_path / "b.onnx"]
    for path in paths:
        write_onnx(path, network, sweeps=7, provenance={"seed": 3})
        write_onnx(path, network, sweeps=7, provenance={"seed": 3})  # ours, so it is replaced
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert is_ours(paths[0])
    model = onnx.load(paths[0])
    notes = {entry.key: entry.value for entry in model.metadata_props}
    assert (notes["format"], notes["sweeps"], notes["form"]) == ("binnet-onnx-1", "7", "loop")
    assert json.loads(notes["provenance"]) == {"seed": 3}
    assert json.loads(notes["formats"]) == dataclasses.asdict(network.formats)
    assert float(notes["field_scale"]) == 2.0**-network.formats.fraction_bits


def test_files_of_others_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.onnx"
    model = to_onnx(cases.make_quantized(4))
    model.producer_name, model.doc_string = "another", ""
    onnx.save(model, path)
    assert not is_ours(path)
    with pytest.raises(FileExistsError, match="has no mark of a file that binnet wrote"):
        write_onnx(path, cases.make_quantized(4))


def test_what_cannot_be_written_is_refused() -> None:
    network = cases.make_quantized(4)
    for options, message in (
        ({"form": "lif"}, "form must be"),
        ({"dtype": "int8"}, "dtype must be"),
        ({"sweeps": 1}, r"sweeps must be .*2.*got 1"),
    ):
        with pytest.raises(ValueError, match=message):
            to_onnx(network, **options)
    modules = BinaryNetwork.random(NetworkParameters(4, n_modules=2), 0)
    with pytest.raises(ValueError, match="an ONNX graph takes a network of one module, got 2"):
        to_onnx(modules)
    large = dataclasses.replace(network, self_coupling=2**24)
    with pytest.raises(ValueError, match=r"could reach 1677\d+, and float32 holds .* 'native'"):
        to_onnx(large, dtype="float32")
    assert (run_model(to_onnx(large), X)["states"] == relax(large, X, max_sweeps=10).states).all()


def test_without_onnx_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "binnet.hardware.onnx_export", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'binnet\[onnx\]'"):
        __import__("binnet.hardware.onnx_export")
