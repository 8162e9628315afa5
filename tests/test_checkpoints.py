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

from binnet import UncheckedFileWarning, load_checkpoint, train
from binnet._tensors import write_tensors
from binnet.learning import Run, save_checkpoint
from binnet.learning.rules._float import FloatSynapses
from binnet.rate import RateConfiguration
from binnet.rate import train as train_rates
from library_cases import TINY, make_task

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
    form = info.pop("format").removesuffix("-2")
    write_tensors(path, form, tensors, {k: v for k, v in info.items() if k != "sha256"})


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
        (lambda t, i: i.update(format="binnet-rate-2"), r"not a training checkpoint of this"),
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


def test_a_flipped_bit_is_refused(path: Path) -> None:
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for bit in rng.choice(8 * len(content), 300, replace=False):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"run\.safetensors"):
            load_checkpoint(path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        *(
            (lambda t, i, name=name: i.pop(name), rf"x: its header lacks {name}")
            for name in ("configuration", "n_samples", "fingerprint", "epoch", "batch", "history")
        ),
        (
            lambda t, i: i.update(epoch=-1),
            r"x: epoch in its header must be an integer >= 0, got -1",
        ),
        (lambda t, i: i.update(epoch=2**70), r"x: epoch in its header must be .* below 2"),
        (lambda t, i: i.update(batch=14), r"x: batch in its header must be .* in 0\.\.13, got 14"),
        (lambda t, i: i.update(seconds="a"), r"x: seconds in its header must be a finite number"),
        (lambda t, i: i.update(n_samples=True), r"x: n_samples in its header must be an integer"),
        (lambda t, i: i.update(history={}), r"x: history in its header must be a list of tables"),
        (lambda t, i: i.update(history=[3]), r"x: history in its header must be a table, got 3"),
        (lambda t, i: i.update(history=[{}]), r"x: its header lacks accuracy"),
        (lambda t, i: i.update(configuration=[]), r"x: configuration .* must be a table"),
        (lambda t, i: t["scales"].fill(0), r"x is damaged .*scales must be a finite number > 0"),
        (lambda t, i: t["scales"].fill(np.inf), r"x is damaged .*scales must be a finite number"),
    ],
)
def test_fields_that_nobody_writes(path: Path, edit: Edit, message: str) -> None:
    rewrite(path, edit)
    with pytest.raises(ValueError, match=message.replace("x", r"run\.safetensors", 1)):
        load_checkpoint(path)


def test_files_without_a_digest_are_noted(path: Path, run: Run) -> None:
    tensors = load_file(path)
    with safe_open(path, "np") as file:
        info = json.loads(file.metadata()["binnet"])
    del info["sha256"]
    save_file(tensors, path, {"binnet": json.dumps(info)})
    with pytest.raises(ValueError, match="damaged or was edited: its digest is not that of its"):
        load_checkpoint(path)
    info["format"] = "binnet-training-1"
    save_file(tensors, path, {"binnet": json.dumps(info)})
    with pytest.warns(UncheckedFileWarning, match="older version of binnet and has no digest"):
        assert load_checkpoint(path).epoch == run.epoch


@pytest.mark.parametrize("name", [".", "notes.txt"])
def test_checkpoints_that_cannot_be_written(name: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OSError, match=r"it is a folder|notes\.txt exists and has no mark"):
        train(*make_task(20), TINY, checkpoint=tmp_path / name)
    with pytest.raises(OSError, match=r"it is a folder|notes\.txt exists and has no mark"):
        train_rates(RateConfiguration(iterations=1), checkpoint=tmp_path / name)
    assert (tmp_path / "notes.txt").read_text() == "mine"
