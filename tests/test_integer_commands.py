"""Training in integers by commands, from arguments to files and figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from binnet import load_checkpoint, predict
from binnet.cli import main
from binnet.hardware import load_quantized
from binnet.networks import BLOCKS


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    from binnet.cli import _runs

    load = _runs.load_samples

    def load_few(n_inputs: int, validation: int) -> Any:
        (X, y), sets = load(n_inputs, validation)
        return (X[:400], y[:400]), {name: (A[:300], b[:300]) for name, (A, b) in sets.items()}

    monkeypatch.setattr(_runs, "load_samples", load_few)


ARITHMETICS = {
    "latent": ("--arithmetic", "int8", "--latent-bits", "16", "--rounding", "per-event"),
    "blocks": (
        *("--arithmetic", "int8", "--block-bits", "1", "16", "2", "4"),
        *("--block-latent-bits", "4", "0", "8", "--batch-size", "64"),
    ),
}
# Types of J, W_in and W_out, and of the latent weights that there are.
KINDS = {
    "latent": (["int8"] * 3, {"couplings": "int16", "input_weights": "int16", "readout": "int16"}),
    "blocks": (["int8", "int16", "int8"], {"couplings": "int8", "readout": "int8"}),
}


@pytest.mark.usefixtures("few_samples")
@pytest.mark.parametrize(
    "name",
    ["latent", pytest.param("blocks", marks=pytest.mark.long)],  # types of its own: compiled
)
def test_commands_train_evaluate_and_resume_integers(name: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    small = ("--hidden", "30", "--epochs", "2", "--threads", "1", "--out", str(run))
    output = invoke("train", *ARITHMETICS[name], *small)
    trained = load_checkpoint(run / "checkpoint.safetensors")
    synapses: Any = trained.synapses
    kinds = [getattr(synapses.weights, block).dtype for block in BLOCKS[:3]]
    assert (kinds, {key: block.dtype for key, block in synapses.latent.items()}) == KINDS[name]
    shown = f"test {trained.history[-1].accuracy['test']:.4f}"
    assert shown in output
    assert shown.split()[1] in invoke("evaluate", str(run), "--threads", "1")
    invoke("train", "--resume", str(run), "--threads", "1")  # config.toml reads back
    again = CliRunner().invoke(main, ["quantize", str(run)])
    assert again.exit_code == 1
    assert "was trained in integers (int8)" in again.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("4", "3", "8", "8"), "--block-bits must be one of 1, 2, 4, 8, 16, got 3"),
        (
            ("4", "8", "8", "8", "--block-latent-bits", "2", "0", "0"),
            "--block-latent-bits must be 0 or 4 or 8 or 16 for weights of 4 bits, got 2",
        ),
        (
            ("1", "1", "8", "8", "--input", "0"),
            "use 2 bits or more for its block in block_bits",
        ),
    ],
)
def test_bits_of_blocks_are_refused_by_their_options(
    arguments: tuple[str, ...], message: str
) -> None:
    result = CliRunner().invoke(main, ["train", "--arithmetic", "int8", "--block-bits", *arguments])
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())


@pytest.mark.usefixtures("few_samples")
def test_quantize_reports_the_accuracy_lost(tmp_path: Path) -> None:
    run = tmp_path / "run"
    invoke(
        "train", "--hidden", "30", "--epochs", "1", "--threads", "1", "--out", str(run)
    )  # fmt: skip
    output = invoke("quantize", str(run), "--bits", "4", "--threads", "1")
    record = json.loads((run / "int4.json").read_text())
    network = load_quantized(run / "int4.safetensors")
    from binnet.cli import _runs

    _, sets = _runs.load_samples(100, 0)
    A, b = sets["test"]
    assert record["accuracy"]["integers"] == pytest.approx((predict(network, A) == b).mean())
    assert f"{record['accuracy']['lost']:+.4f} lost" in output
    assert record["quantization"]["blocks"]["couplings"]["bits"] == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--bits", "5"), "--bits must be one of 1, 2, 4, 8, 16, got 5"),
        (("--bits", "16", "--fraction-bits", "30", "0", "8", "8"), "could reach"),
        (("--out", "nowhere/net.safetensors"), "the folder nowhere does not exist"),
    ],
)
@pytest.mark.usefixtures("few_samples")
def test_quantize_refuses(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    run = tmp_path / "run"
    invoke(
        "train", "--hidden", "20", "--epochs", "1", "--threads", "1", "--out", str(run)
    )  # fmt: skip
    result = CliRunner().invoke(main, ["quantize", str(run), *arguments])
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output


@pytest.mark.long
def test_the_figure_of_bits_is_taken_up_again(tmp_path: Path) -> None:
    output = tmp_path / "bits.png"
    small = ("--hidden", "20", "--epochs", "1", "--seeds", "1", "--samples", "64")
    printed = invoke("hardware", "bits", *small, "--output", str(output))
    record = json.loads(output.with_suffix(".json").read_text())
    accuracy = record["test_accuracy"]
    assert output.stat().st_size > 10000
    assert set(accuracy["trained"]["nearest"]) == {"1", "2", "4", "8", "16"}
    assert set(accuracy["wide_synapses"]) == {"1", "2", "4", "8"}
    assert f"float32: {accuracy['float'][0]:.4f}" in printed
    begun = output.with_suffix(".integers.nc").stat().st_mtime_ns
    again = invoke("hardware", "bits", *small, "--output", str(output))
    # What follows the progress bars, which end with a line of their own.
    assert again.split("float32:")[1].strip() == printed.split("float32:")[1].strip()
    assert output.with_suffix(".integers.nc").stat().st_mtime_ns == begun
