"""Checkpoints: the whole run comes back; damaged and foreign files are refused."""

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from binnet import load_checkpoint
from binnet.learning import Run, save_checkpoint
from binnet.learning.rules._float import FloatSynapses
from library_cases import TINY

Edit = Callable[[dict[str, Any], dict[str, Any]], object]


@pytest.fixture
def run() -> Run:
    run = Run.start(TINY, n_samples=100, fingerprint="abc")
    assert isinstance(run.synapses, FloatSynapses)
    run.synapses.scales[:] = 0.25, 0.5, 0.75
    run.changes[:] = np.arange(10)
    run.totals[:] = np.arange(4)
    run.epoch, run.batch, run.seconds = 1, 3, 2.5
    return run


@pytest.fixture
def path(tmp_path: Path, run: Run) -> Path:
    save_checkpoint(tmp_path / "run.safetensors", run)
    return tmp_path / "run.safetensors"


def rewrite(path: Path, edit: Edit) -> None:
    """Change the tensors and the metadata of a checkpoint."""
    tensors = load_file(path)
    with safe_open(path, "np") as file:
        info = json.loads(file.metadata()["binnet"])
    edit(tensors, info)
    save_file(tensors, path, {"binnet": json.dumps(info)})


def test_round_trip(path: Path, run: Run) -> None:
    read = load_checkpoint(path)
    for name in ("configuration", "n_samples", "fingerprint", "epoch", "batch", "seconds"):
        assert getattr(read, name) == getattr(run, name), name
    for name in ("changes", "totals"):
        assert np.array_equal(getattr(read, name), getattr(run, name)), name
    for name, block in run.synapses.tensors().items():
        assert np.array_equal(read.synapses.tensors()[name], block), name
    assert list(path.parent.iterdir()) == [path]
    network = read.network()  # with the scales multiplied in
    assert np.array_equal(network.couplings, run.synapses.tensors()["couplings"] * np.float32(0.25))


@pytest.mark.parametrize("n_bytes", [0, 5, 200, -1, -1000])
def test_truncated(path: Path, n_bytes: int) -> None:
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(ValueError, match=r"run.safetensors is damaged or not a .* copy it again"):
        load_checkpoint(path)


def test_nonsense(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_text("weights")
    with pytest.raises(ValueError, match=r"x.safetensors is damaged or not a safetensors file"):
        load_checkpoint(path)
    save_file({"couplings": np.zeros(3)}, path)
    with pytest.raises(ValueError, match=r"not a training checkpoint of this version of binnet"):
        load_checkpoint(path)
    save_file({"couplings": np.zeros(3)}, path, {"binnet": "null"})
    with pytest.raises(ValueError, match=r"not a training checkpoint of this version of binnet"):
        load_checkpoint(path)
    with pytest.raises(FileNotFoundError, match=r"there is no checkpoint"):
        load_checkpoint(tmp_path)  # a folder
    with pytest.raises(FileNotFoundError, match=r"there is no checkpoint"):
        load_checkpoint(tmp_path / "nothing.safetensors")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t, i: i["configuration"]["network"].update(n_hidden=41), r"another arch.*41, 41"),
        (lambda t, i: i["configuration"]["schedule"].update(free=6), r"changes is .*10.*11"),
        (lambda t, i: i["configuration"]["training"].update(dtype="float64"), r"float32.*float64"),
        (lambda t, i: i["configuration"]["training"].update(epochs=0), r"epochs must be"),
        (lambda t, i: i["configuration"].update(layers={}), r"unknown table \[layers\]"),
        (lambda t, i: t.pop("readout"), r"another architecture: readout is not there"),
        (lambda t, i: t.update(scales=np.ones(2)), r"another architecture: scales is .*2,"),
        (lambda t, i: t["couplings"].fill(np.nan), r"couplings must be finite, got nan"),
        (lambda t, i: i.update(format="binnet-training-0"), r"not a training checkpoint of this"),
    ],
)
def test_checkpoint_that_does_not_fit(path: Path, edit: Edit, message: str) -> None:
    rewrite(path, edit)
    with pytest.raises(ValueError, match=message):
        load_checkpoint(path)


def test_old_checkpoint_survives_a_failed_write(
    path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_the_disk(self: Path, data: bytes) -> int:
        self.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    run.epoch = 2
    monkeypatch.setattr(Path, "write_bytes", fill_the_disk)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(path, run)
    assert load_checkpoint(path).epoch == 1
    assert list(path.parent.iterdir()) == [path]


def test_missing_folder(run: Run, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist; create it first"):
        save_checkpoint(tmp_path / "nowhere" / "x.safetensors", run)
