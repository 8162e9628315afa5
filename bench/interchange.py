"""Which tools run the graphs of `binnet export`, and whether they find what binnet finds.

    python bench/interchange.py RUN [TOOL ...]

RUN is a run in integers. Every TOOL that is installed here (default: all of TOOLS) is given every
form of the NIR or ONNX graph, as a file, and 1000 held-out samples; a row says how many of their
readout fields differ from binnet's, or why the tool refuses. docs/interchange.md has the rows.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet import relax
from binnet.cli._networks import load_inputs, load_source
from binnet.networks import QuantizedNetwork

SAMPLES, SWEEPS, TIME_STEP, SECONDS = 1000, 10, 1e-4, 120
Array = NDArray[Any]
# A graph's file, its inputs, whether it is unrolled -> readouts (sweeps or 1, samples, C).
Runner = Callable[[Path, Array, bool], Array]


def load(name: str) -> Any:
    """Import a tool by name: type checkers are to find the same with and without it."""
    return importlib.import_module(name)


def step_module(module: Any, bits: Array, unrolled: bool) -> Array:
    """Run a PyTorch module once for each sweep, with the state that it returns."""
    torch, state, outputs = load("torch"), None, []
    for _ in range(1 if unrolled else SWEEPS):
        result = module(torch.from_numpy(bits), state)
        output, state = result if isinstance(result, tuple) else (result, None)
        outputs.append(output.detach().numpy())
    return np.array(outputs)


def run_nirtorch(path: Path, bits: Array, unrolled: bool) -> Array:
    """NIRTorch itself, with a map of our own: its own one for Affine loses the biases."""
    torch, nir = load("torch"), load("nir")
    module: Any = torch.nn.Module

    def affine(node: Any) -> Any:
        layer = torch.nn.Linear(node.weight.shape[1], node.weight.shape[0])
        layer.weight.data = torch.tensor(node.weight).float()
        layer.bias.data = torch.tensor(node.bias).float()
        return layer

    class Threshold(module):  # type: ignore[misc]
        def __init__(self, threshold: Array) -> None:
            super().__init__()
            self.register_buffer("threshold", torch.tensor(threshold).float())

        def forward(self, x: Any) -> Any:
            return (x > self.threshold).float()

    nodes = {nir.Affine: affine, nir.Threshold: lambda node: Threshold(node.threshold)}
    nodes[nir.LIF] = lambda node: Threshold(node.v_threshold)  # with a memory of one time step
    return step_module(load("nirtorch").nir_to_torch(nir.read(path), nodes), bits, unrolled)


def run_norse(path: Path, bits: Array, unrolled: bool) -> Array:
    module = load("norse.torch").from_nir(load("nir").read(path), dt=TIME_STEP)
    return step_module(module, bits, unrolled)


def run_sinabs(path: Path, bits: Array, unrolled: bool) -> Array:
    load_graph = load("sinabs.nir").from_nir
    module = load_graph(load("nir").read(path), batch_size=len(bits))
    for layer in module.modules():
        if hasattr(layer, "spike_fn"):  # by default a neuron may fire several times a step
            layer.spike_fn = load("sinabs.activation").SingleSpike
    return step_module(module, bits, unrolled)


def run_snntorch(path: Path, bits: Array, unrolled: bool) -> Array:
    module = load("snntorch.import_nir").import_from_nir(load("nir").read(path))
    return step_module(module, bits, unrolled)


def run_spikingjelly(path: Path, bits: Array, unrolled: bool) -> Array:
    # It wants a time constant above the time step: a little less than in the file.
    convert = load("spikingjelly.activation_based.nir_exchange").import_from_nir
    return step_module(convert(str(path), dt=TIME_STEP * (1 - 2.0**-20)), bits, unrolled)


def run_spyx(path: Path, bits: Array, unrolled: bool) -> Array:
    """Spyx emits spikes one step after the fields: one step more, and the first one dropped."""
    steps = np.repeat(bits[None], (1 if unrolled else SWEEPS) + 1, axis=0)
    _, outputs = load("spyx.nir").from_nir(load("nir").read(path), steps, dt=TIME_STEP)
    return np.asarray(outputs)[1:]


def run_rockpool(path: Path, bits: Array, unrolled: bool) -> Array:
    module = load("rockpool.nn.modules.torch.nir").from_nir(load("nir").read(path))
    return step_module(module, bits, unrolled)


def run_onnxruntime(path: Path, spins: Array, unrolled: bool) -> Array:
    session = load("onnxruntime").InferenceSession(path, providers=["CPUExecutionProvider"])
    (fields,) = session.run(["readout_fields"], {"inputs": spins})
    return np.array([fields])


def run_onnx(path: Path, spins: Array, unrolled: bool) -> Array:
    evaluator = load("onnx.reference").ReferenceEvaluator(str(path))
    return np.array([evaluator.run(["readout_fields"], {"inputs": spins})[0]])


def run_qonnx(path: Path, spins: Array, unrolled: bool) -> Array:
    """QONNX wants a batch of fixed size, and the shape of each tensor."""
    batch = load("qonnx.transformation.change_batchsize").ChangeBatchSize(len(spins))
    shapes = load("qonnx.transformation.infer_shapes").InferShapes()
    model = load("qonnx.core.modelwrapper").ModelWrapper(str(path))
    model = model.transform(batch).transform(shapes)
    outputs = load("qonnx.core.onnx_exec").execute_onnx(model, {"inputs": spins})
    return np.array([outputs["readout_fields"]])


def run_openvino(path: Path, spins: Array, unrolled: bool) -> Array:
    model = load("openvino").compile_model(path, "CPU")
    return np.array([model({"inputs": spins})["readout_fields"]])


def run_onnx2torch(path: Path, spins: Array, unrolled: bool) -> Array:
    outputs = load("onnx2torch").convert(str(path))(load("torch").from_numpy(spins))
    return np.array([outputs[1].numpy()])


# Runner, packages whose versions matter.
NIR_TOOLS: dict[str, tuple[Runner, tuple[str, ...]]] = {
    "nirtorch": (run_nirtorch, ("nirtorch", "nir", "torch")),
    "norse": (run_norse, ("norse", "nirtorch", "nir")),
    "rockpool": (run_rockpool, ("rockpool", "nirtorch", "nir")),
    "sinabs": (run_sinabs, ("sinabs", "nirtorch", "nir")),
    "snntorch": (run_snntorch, ("snntorch", "nirtorch", "nir")),
    "spikingjelly": (run_spikingjelly, ("spikingjelly", "nirtorch", "nir")),
    "spyx": (run_spyx, ("spyx", "nir")),
}
ONNX_TOOLS: dict[str, tuple[Runner, tuple[str, ...]]] = {
    "onnxruntime": (run_onnxruntime, ("onnxruntime",)),
    "onnx": (run_onnx, ("onnx",)),
    "qonnx": (run_qonnx, ("qonnx", "onnx", "onnxruntime")),
    "openvino": (run_openvino, ("openvino",)),
    "onnx2torch": (run_onnx2torch, ("onnx2torch", "torch")),
}
TOOLS = NIR_TOOLS | ONNX_TOOLS


def compare(run: Callable[[], Array], expected: Array) -> str:
    """Return how a tool's readouts differ from binnet's, or its error, in one line."""

    def give_up(signum: int, frame: object) -> None:
        raise TimeoutError(f"no answer within {SECONDS} s")

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(SECONDS)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            found = run()
    except Exception as error:  # whatever a tool raises is the finding
        line = (str(error).splitlines() or [""])[0]
        return f"{type(error).__name__}: {line}"
    finally:
        signal.alarm(0)
    wanted = expected[-len(found) :]
    if found.shape != wanted.shape:
        return f"readouts of shape {found.shape[1:]}, not {wanted.shape[1:]}"
    wrong = int((found != wanted).any(axis=(0, 2)).sum())
    return "equal" if wrong == 0 else f"{wrong} of {SAMPLES} samples differ"


def compare_nir(name: str, network: QuantizedNetwork, X: Array, fields: Array) -> Iterator[str]:
    """Yield a line for each form of the NIR graph."""
    from binnet.hardware.nir_export import write_nir

    bits = ((X + 1) / 2).astype(np.float32)
    constant = np.hstack([bits, np.ones((len(X), 1), np.float32)])
    with tempfile.TemporaryDirectory() as folder:
        for form, dtype in (
            ("threshold", "native"), ("threshold", "float32"), ("lif", "native"),
            ("unrolled", "native"),
        ):  # fmt: skip
            path = Path(folder) / f"{form}-{dtype}.nir"
            write_nir(path, network, form=form, dtype=dtype, sweeps=SWEEPS)
            inputs = bits if form == "threshold" else constant
            unrolled = form == "unrolled"
            outcome = compare(partial(TOOLS[name][0], path, inputs, unrolled), fields / 2)
            yield f"{form}, {dtype} | {outcome}"


def compare_onnx(name: str, network: QuantizedNetwork, X: Array, fields: Array) -> Iterator[str]:
    """Yield a line for each form of the ONNX graph."""
    from binnet.hardware.onnx_export import DTYPES, FORMS, write_onnx

    with tempfile.TemporaryDirectory() as folder:
        for form in FORMS:
            for dtype in DTYPES:
                path = Path(folder) / f"{form}-{dtype}.onnx"
                write_onnx(path, network, form=form, dtype=dtype, sweeps=SWEEPS)
                spins = X.astype(np.int8 if dtype == "native" else np.float32)
                outcome = compare(partial(TOOLS[name][0], path, spins, False), fields)
                yield f"{form}, {dtype} | {outcome}"


def main(run: str, *names: str) -> None:
    """Print a row for each tool and form."""
    warnings.simplefilter("ignore")
    source = load_source(Path(run), None)
    network = source.network
    if not isinstance(network, QuantizedNetwork) or network.formats.inputs.bits > 1:
        raise SystemExit(f"{run} must be a run in integers on spins: --arithmetic int8")
    X = load_inputs(Path(run), source, SAMPLES)
    sweeps = [relax(network, X, max_sweeps=t).readout_fields for t in range(1, SWEEPS + 1)]
    fields = np.array(sweeps) / network.formats.readout.resolution
    for name in names or TOOLS:
        try:
            versions = ", ".join(f"{package} {version(package)}" for package in TOOLS[name][1])
        except PackageNotFoundError as error:
            print(f"{name} | not installed: {error.name}")
            continue
        lines = (compare_nir if name in NIR_TOOLS else compare_onnx)(name, network, X, fields)
        for line in lines:
            print(f"{versions} | {line}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
