"""binnet export, import and hardware report: what they write and print, and what they refuse."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tomli_w
from click.testing import CliRunner

import hardware_cases as cases
from binnet import load_checkpoint, preset, train
from binnet.cli import _runs, main
from binnet.hardware import _check_images, quantize, save_quantized
from binnet.hardware.energy import EnergyTable
from binnet.hardware.memory_images import read_memory_images
from binnet.hardware.network_files import load_network, save_network
from library_cases import draw_spins

N_HIDDEN = 20


def binnet(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    assert code == 0 or isinstance(result.exception, SystemExit), "a traceback instead of a line"
    return " ".join(result.output.split()) if code else result.output


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run folder of a small network, on ten prototypes with noise in the place of the data."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, 400)
    X = draw_spins(10, 100)[y] * np.where(rng.random((400, 100)) < 0.3, -1, 1).astype(np.int8)
    small = SimpleNamespace(X_train=X[:300], y_train=y[:300], X_test=X[300:], y_test=y[300:])
    folder = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("binnet.cli._runs.load_entangled_mnist", lambda n_features: small)
        patch.setattr("binnet.cli._runs.draw_pictures", lambda folder, result: None)
        binnet("train", "--hidden", N_HIDDEN, "--epochs", 2, "--threads", 1, "--out", folder)
        yield folder


@pytest.fixture
def network_file(tmp_path: Path) -> Path:
    path = tmp_path / "network.safetensors"
    save_quantized(path, cases.make_quantized(4))
    return path


def test_a_float_run_goes_through_nir(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("nir")
    output = binnet("export", run, "--format", "nir", "--output", tmp_path / "a.nir")
    assert output == f"NIR graph: {tmp_path / 'a.nir'}\n"
    output = binnet("import", tmp_path / "a.nir", "--output", tmp_path / "a.safetensors")
    assert output.startswith("floating-point network of 100 inputs, 20 hidden, 10 outputs: ")
    trained = load_checkpoint(run / "checkpoint.safetensors").network()
    assert cases.same_network(load_network(tmp_path / "a.safetensors"), trained)


@pytest.mark.parametrize("form", ["threshold", "lif", "unrolled"])
def test_every_form_of_nir_is_imported(form: str, network_file: Path, tmp_path: Path) -> None:
    pytest.importorskip("nir")
    options = ("--format", "nir", "--form", form, "--dtype", "float32", "--sweeps", 3)
    binnet("export", network_file, *options, "--output", tmp_path / "a.nir")
    binnet("import", tmp_path / "a.nir", "--output", tmp_path / "a.safetensors")
    assert cases.same_network(load_network(tmp_path / "a.safetensors"), load_network(network_file))


def test_a_run_becomes_an_onnx_graph(run: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    output = tmp_path / "a.onnx"
    options = ("--format", "onnx", "--form", "unrolled", "--sweeps", 4, "--output", output)
    assert binnet("export", run, "--bits", 8, *options) == f"ONNX graph: {output}\n"
    notes = {entry.key: entry.value for entry in onnx.load(output).metadata_props}
    assert (notes["form"], notes["sweeps"]) == ("unrolled", "4")
    provenance = json.loads(notes["provenance"])
    assert (provenance["seed"], provenance["epoch"]) == (0, 2)
    assert len(provenance["data_fingerprint"]) == 16


def test_a_quantised_run_goes_through_nir(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("nir")
    binnet("export", run, "--format", "nir", "--bits", 8, "--output", tmp_path / "a.nir")
    output = binnet("import", tmp_path / "a.nir", "--output", tmp_path / "a.safetensors")
    assert output.startswith("integer network of")
    state = load_checkpoint(run / "checkpoint.safetensors")
    rule = state.configuration.plasticity
    expected, _ = quantize(
        state.network(), 8, margin=rule.margin, readout_margin=rule.readout_margin
    )
    assert expected.margin > expected.self_coupling
    assert cases.same_network(load_network(tmp_path / "a.safetensors"), expected)


def test_report_of_a_file_says_what_is_missing(network_file: Path) -> None:
    arguments = ["hardware", "report", network_file, "--json"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("binnet.cli.hardware.load_inputs", lambda *_: draw_spins(9, cases.N_INPUTS))
        record = json.loads(binnet(*arguments))
    assert record["training"] is None
    assert "a file of a network does not say how it learned" in record["training_not_counted"]


def test_a_run_becomes_memory_images(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    options = ["--bits", 4, "--vectors", 5, "--sweeps", 7]
    output = binnet("export", run, "--format", "memh", *options, "--output", folder)
    assert output == f"memory images and 5 golden vectors: {folder / 'manifest.json'}\n"
    checked = subprocess.run(
        [sys.executable, "-I", _check_images.__file__, str(folder)], capture_output=True, text=True
    )
    assert checked.stdout == "5 golden vectors of 7 sweeps replayed: all bits agree\n"
    images = read_memory_images(folder)
    assert images.vectors.silent.tolist() == [True, True, True, False, False]
    assert {"binnet", "seed", "platform", "command"} <= images.manifest["provenance"].keys()
    # The inputs are samples that the run did not learn from.
    X_test = sys.modules["binnet.cli._runs"].load_entangled_mnist(100).X_test
    assert np.array_equal(images.vectors.inputs, X_test[:5])
    binnet("import", folder, "--output", tmp_path / "a.safetensors")
    assert cases.same_network(load_network(tmp_path / "a.safetensors"), images.network)


def test_random_vectors_follow_the_seed(network_file: Path, tmp_path: Path) -> None:
    def export(name: str, seed: int) -> dict[str, str]:
        folder = tmp_path / name
        options = ["--inputs", "random", "--seed", seed, "--output", folder]
        binnet("export", network_file, "--format", "memh", *options)
        files = read_memory_images(folder).manifest["golden_vectors"]["files"]
        return {key: entry["sha256"] for key, entry in files.items()}

    first = export("a", 3)
    assert export("b", 3) == first
    other = export("c", 4)
    assert other["inputs"] != first["inputs"]
    assert other["initial_states"] != first["initial_states"]


def test_report_as_text_and_json(run: Path, tmp_path: Path) -> None:
    text = binnet("hardware", "report", run, "--bits", 4, "--samples", 50)
    lines = text.splitlines()
    assert lines[0].split() == ["block", "shape", "bits", "memory", "saturated", "updates"]
    assert lines[1].split()[:5] == ["couplings", "20", "x", "20", "4"]
    assert "inference, mean of 50 samples" in text
    assert "event-driven" in text
    path = tmp_path / "report.json"
    options = ["--bits", 4, "--samples", 50, "--json", "--output", path]
    record = json.loads(binnet("hardware", "report", run, *options))
    assert json.loads(path.read_text()) == record
    history = json.loads((run / "metrics.json").read_text())
    events = sum(epoch["unstable"]["hidden"] for epoch in history) * 300
    assert record["blocks"]["couplings"]["updates_per_synapse"] == pytest.approx(events)
    assert record["blocks"]["couplings"]["memory_bits"] == 20 * 20 * 4
    assert record["samples"] == 50
    assert record["table"]["process_nm"] == 45
    assert "learning, mean of 50 training samples in batches of 16" in text
    assert record["training_not_counted"] is None
    # Rounded after training: as --arithmetic int4 would learn, whose random numbers are counted.
    assert record["training"]["event_driven"]["updates"]["draws"] > 0
    sweeps = record["training"]["sweeps"]
    assert record["training"]["dense"]["relaxation"]["operations"] == pytest.approx(
        (sweeps - 1) * 20 * 19
    )


def test_report_on_lanes_and_other_energies(run: Path) -> None:
    def report(*options: object) -> dict:
        return json.loads(binnet("hardware", "report", run, "--bits", 8, "--json", *options))

    old, new = report(), report("--energy", "7nm", "--elements", 7)
    assert new["table"]["process_nm"] == 7
    assert new["dense"]["energy"] < old["dense"]["energy"]
    assert new["training"]["dense"]["total"]["energy"] < old["training"]["dense"]["total"]["energy"]
    assert old["dense"]["words"] == 0
    sent = (new["sweeps"] - 1) * 20 + 100
    assert new["dense"]["words"] == pytest.approx(3 * sent + 2 * 20)
    options = ["--bits", 8, "--elements", 7, "--frequency", 50]
    text = binnet("hardware", "report", run, *options)
    assert f"{new['dense']['words']:,.0f} cycles, {new['dense']['words'] / 50:,.1f} us" in text
    message = binnet("hardware", "report", run, "--frequency", 50, code=1)
    assert "--frequency 50 needs --elements P" in message
    message = binnet("hardware", "report", run, "--elements", 21, code=1)
    assert "--elements must be an integer in 1..20, got 21" in message
    assert "got 21" in message
    message = binnet("hardware", "report", run, "--energy", "5nm", code=1)
    assert "there is no energy table 5nm; name 45nm or 7nm" in message


def test_report_of_one_bit(run: Path) -> None:
    record = json.loads(binnet("hardware", "report", run, "--bits", 1, "--json"))
    assert record["training"]["dense"]["decay"]["operations"] == 0


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        # It compiles the kernels of that rule.
        pytest.param({"rule": "soft"}, "the rule 'soft'", marks=pytest.mark.long),
        ({"update_order": "async"}, "the update order 'async'"),
        ({"readout_targets": "balanced"}, "readout targets 'balanced'"),
        ({"density": 0.5}, "where connections are missing"),
    ],
)
@pytest.mark.usefixtures("run")  # its data
def test_learning_that_is_not_counted(changes: dict, reason: str, tmp_path: Path) -> None:
    X, y = draw_spins(64, 100), np.arange(64) % 10
    settings = preset().replace(n_hidden=N_HIDDEN, epochs=1, **changes)
    folder = tmp_path / "run"
    folder.mkdir()
    train(X, y, settings, checkpoint=folder / _runs.CHECKPOINT, threads=1)
    _runs.write_configuration(folder, settings, 300 - 64)
    text = binnet("hardware", "report", folder, "--samples", 20)
    assert "the cost of a training sample is missing: learning" in text
    assert f"{reason} is not counted" in text
    assert "updates of the weights alone, without the relaxation" in text


def test_report_of_a_float_run(run: Path) -> None:
    record = json.loads(binnet("hardware", "report", run, "--json"))
    assert record["blocks"]["readout"]["bits"] == 32
    assert record["blocks"]["readout"]["saturation_events"] is None


@pytest.mark.usefixtures("run")  # its data
@pytest.mark.parametrize("latent_bits", [0, 8])
def test_a_run_in_integers(latent_bits: int, tmp_path: Path) -> None:
    """Reports what the training counted; exports the integers that it learned."""
    X, y = draw_spins(64, 100), np.arange(64) % 10
    integers = {"arithmetic": "int4", "latent_bits": latent_bits}
    settings = preset().replace(n_hidden=N_HIDDEN, epochs=1, **integers)
    folder = tmp_path / "run"
    folder.mkdir()
    train(X, y, settings, checkpoint=folder / _runs.CHECKPOINT, threads=1)
    _runs.write_configuration(folder, settings, 300 - 64)  # as if those were held out
    state = load_checkpoint(folder / _runs.CHECKPOINT)
    counts = state.synapses.count_updates()
    assert counts is not None
    record = json.loads(binnet("hardware", "report", folder, "--json", "--samples", 20))
    weights = {"couplings": 20 * 19, "input_weights": 20 * 100, "readout": 10 * 20}
    assert counts[:3, 0].all()
    for (name, count), (changes, saturated) in zip(weights.items(), counts[:3], strict=True):
        block = record["blocks"][name]
        assert block["updates_per_synapse"] == pytest.approx(changes / count)
        assert block["saturation_events"] == saturated
        assert (block["bits"], block["latent_bits"]) == (4, latent_bits or 4)
        assert block["memory_bits"] * (latent_bits or 4) == 4 * block["learning_memory_bits"]
    training, size = record["training"], 20 * (20 + 100 + 10)
    assert record["memory_bits"] == 4 * size
    assert record["learning_memory_bits"] == (latent_bits or 4) * size + training["feedback_bits"]
    read = training["dense"]["stability"]
    assert read["bits_read"] == read["operations"] * (latent_bits or 4)
    assert record["blocks"]["feedback"]["updates_per_synapse"] == 0
    options = ["--vectors", 2, "--output", tmp_path / "images"]
    binnet("export", folder, "--format", "memh", *options)
    images = read_memory_images(tmp_path / "images")
    assert cases.same_network(images.network, state.relaxable())
    assert "in integers already" in binnet("export", folder, "--bits", 4, "--format", "nir",
                                           "--output", tmp_path / "a.nir", code=1)  # fmt: skip


def test_report_with_another_table(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "energy.toml"
    entries = EnergyTable(source="ours", access=(0, 0, 0), accumulate_float=1.0).to_dict()
    path.write_text(tomli_w.dumps(entries))
    record = json.loads(binnet("hardware", "report", run, "--energy", path, "--json"))
    updates = 20 * record["sweeps"] + 10
    assert record["dense"]["energy"] == pytest.approx(record["dense"]["total"] + updates)
    del entries["accumulate"]
    path.write_text(tomli_w.dumps(entries))
    message = binnet("hardware", "report", run, "--energy", path, code=1)
    assert f"the energy table {path} lacks accumulate; it needs every one of" in message
    assert "or those of `binnet hardware report --energy 45nm --json`" in message
    path.write_text(tomli_w.dumps({**entries, "accumulate": -0.1}))
    message = binnet("hardware", "report", run, "--energy", path, code=1)
    assert "accumulate must be a finite number >= 0, got -0.1" in message


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ("--format memh", 1, "in floating point and memories hold integers; add --bits 1, 2, 4, 8"),
        ("--format memh --bits 3", 1, "bits must be one of 1, 2, 4, 8, 16, got 3"),
        ("--format memh --bits 4 --vectors 0", 2, "0 is not in the range x>=1"),
        ("--format memh --bits 4 --sweeps 0", 2, "0 is not in the range x>=1"),
        ("--format gif", 2, "'gif' is not one of 'nir', 'onnx', 'memh', 'verilog'"),
        ("--format onnx --form lif", 1, "--form lif is none of the format onnx; choose loop or un"),
        ("--format memh --form lif", 1, "--form lif is of a graph; choose --format nir or onnx"),
        ("--format memh --bits 4 --dtype float32", 1, "--dtype float32 is of a graph; choose"),
        ("--format onnx --sweeps 1", 1, "sweeps must be"),
        ("", 2, "Missing option '--format'"),
    ],
)
def test_exports_that_are_refused(
    options: str, code: int, message: str, run: Path, tmp_path: Path
) -> None:
    arguments = ["export", run, *options.split(), "--output", tmp_path / "out"]
    assert message in binnet(*arguments, code=code)
    assert not list(tmp_path.iterdir())


def test_other_things_that_are_refused(
    run: Path, network_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memh = ["--format", "memh", "--output"]
    assert "in integers already; leave out --bits" in binnet(
        "export", network_file, "--bits", 4, *memh, tmp_path / "a", code=1
    )
    assert "there is no nowhere; name a run folder" in binnet(
        "export", "nowhere", *memh, tmp_path / "a", code=1
    )
    assert "is not a run folder" in binnet("hardware", "report", tmp_path, code=1)
    assert "exists and is not an empty folder" in binnet(
        "export", network_file, *memh, tmp_path, "--inputs", "random", code=1
    )
    assert "b does not exist; create it first" in binnet(
        "export", network_file, *memh, tmp_path / "b" / "c", "--inputs", "random", code=1
    )
    (tmp_path / "damaged.safetensors").write_bytes(network_file.read_bytes()[:-9])
    assert "is damaged or not a safetensors file" in binnet(
        "hardware", "report", tmp_path / "damaged.safetensors", code=1
    )
    monkeypatch.setitem(sys.modules, "nir", None)
    for module in ("nir_export", "nir_import"):
        monkeypatch.delitem(sys.modules, f"binnet.hardware.{module}", raising=False)
    assert "pip install 'binnet[hardware]'" in binnet(
        "export", run, "--format", "nir", "--output", tmp_path / "a.nir", code=1
    )


def test_imports_that_are_refused(network_file: Path, tmp_path: Path) -> None:
    output = ["--output", tmp_path / "out.safetensors"]
    folder = tmp_path / "images"
    binnet("export", network_file, "--format", "memh", "--inputs", "random", "--output", folder)
    text = (folder / "readout.hex").read_text()
    (folder / "readout.hex").write_text(text.replace("0", "1", 1))
    message = binnet("import", folder, *output, code=1)
    described = (
        f"readout.hex is not the file that {folder / 'manifest.json'} describes: its SHA-256"
    )
    assert described in message
    assert message.count("export the images again") == 1
    pytest.importorskip("nir")
    for text in ("nothing", "# written by binnet 0.1.0\n"):  # as a run's config.toml begins
        (tmp_path / "a.nir").write_text(text)
        assert "a.nir is damaged or no NIR file" in binnet(
            "import", tmp_path / "a.nir", *output, code=1
        )
    assert "there is no NIR file" in binnet("import", tmp_path / "b.nir", *output, code=1)
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_network_files(dtype: type, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    network = cases.make_float(dtype, self_coupling=0.7)
    save_network(path, network)
    assert cases.same_network(load_network(path), network)
    integers = cases.make_quantized(2)
    save_network(path, integers)
    assert cases.same_network(load_network(path), integers)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load_network(tmp_path / "b.safetensors")
