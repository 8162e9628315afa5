"""Golden vectors of learning: equal to the simulator, and replayed by a stranger, bit by bit."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from binnet._records import seal
from binnet.chips.contents import fill_memories
from binnet.chips.design import design_core
from binnet.chips.learning_images import keep_learning, make_learning_image, take_images
from binnet.chips.learning_vectors import plan_batches, record_learning_vectors
from binnet.chips.model import CoreModel
from binnet.chips.protocol import learn, set_register
from binnet.chips.runs import describe_learning, take_run
from binnet.hardware import load_learning, load_quantized, record_golden_vectors, save_quantized
from binnet.hardware._check_images import main as check
from binnet.hardware.learning_image import LEARNED, LearningImage
from binnet.hardware.memory_images import read_memory_images, write_memory_images
from binnet.learning import Run
from binnet.networks import QuantizedNetwork
from library_cases import TINY, draw_spins, make_task

N_SAMPLES = 50  # of an epoch: 12 batches of 4, and one of 2
X, Y = make_task(N_SAMPLES)
LFSR = {"generator": "lfsr", "n_hidden": 14, "batch_size": 4}
CASES: dict[str, dict[str, Any]] = {
    "int4": {"arithmetic": "int4"},
    "int8, latent of 16, rates that fall": {
        "arithmetic": "int8", "latent_bits": 16, "rate_schedule": "linear",
    },
    "int4, latent of 8, batches of 1, decay each time": {
        "arithmetic": "int4", "latent_bits": 8, "batch_size": 1, "rate_couplings": 0.5,
        "decay_couplings": 0.5,
    },
    "J of 2 bits and latent ones of 8, others of 8": {
        "arithmetic": "int8", "block_bits": (2, 8, 8, 8), "block_latent_bits": (8, 0, 0),
    },
    "J and W_out of 1 and 4 bits, latent ones of 8, W_in of 8": {
        "arithmetic": "int4", "block_bits": (1, 8, 4, 4), "latent_bits": 8,
    },
    "int2 by events": {
        "arithmetic": "int2", "rounding": "per-event", "rate_exponents": (2, 1, 1),
    },
    "int1": {
        "arithmetic": "int1", "decay_couplings": 0.0, "decay_readout": 0.0,
        "rate_exponents": (2, -1, 1),
    },
    "int1, latent of 4, input stays": {
        "arithmetic": "int1", "latent_bits": 4, "rate_input": 0.0, "rate_couplings": 0.5,
        "decay_couplings": 0.5,
    },
    "int8 without feedback": {"arithmetic": "int8", "warmup": 3, "feedback": 3, "free": 2},
}  # fmt: skip
COMPILES = "int8, latent of 16, rates that fall"  # kernels for weights of 16 bits
STRANGE = CASES["int4, latent of 8, batches of 1, decay each time"] | {"batch_size": 4}


def start(n_batches: int = 2, **changes: Any) -> Run:
    """A run in the middle of an epoch."""
    run = Run.start(TINY.replace(**{**LFSR, **changes}), len(X), "")
    run.learn(X, Y, n_batches, 1)
    return run


def write(folder: Path, run: Run, n_samples: int | None = None) -> Path:
    vectors = None if n_samples is None else record_learning_vectors(run, X, Y, n_samples)
    image, reason = keep_learning(run)
    if vectors is not None:
        image = make_learning_image(run, vectors)
    assert reason == "" or vectors is None
    network = run.relaxable()
    assert isinstance(network, QuantizedNetwork)
    initial = draw_spins(4, network.n_neurons, 5)
    initial[:2] = 0
    golden = record_golden_vectors(network, draw_spins(4, network.n_inputs), initial, sweeps=4)
    write_memory_images(
        folder, network, golden, {"seed": 0}, learning=image,
        learning_files=None if vectors is None else vectors.to_files(),
    )  # fmt: skip
    return folder


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name == COMPILES)) for name in CASES]
)
def test_a_stranger_replays_learning(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """To the end of the epoch, whose last batch is short, and into a short one of the next."""
    run = start(11, **CASES[name])
    n_samples = N_SAMPLES - run.samples_seen + 7
    check(write(tmp_path / "images", run, n_samples))
    size = run.configuration.training.batch_size
    n_updates = -(-(n_samples - 7) // size) + -(-7 // size)
    assert capsys.readouterr().out.splitlines() == [
        "4 golden vectors of 4 sweeps replayed: all bits agree",
        f"{n_samples} samples learned in {n_updates} updates: all bits agree",
    ]


def test_the_folder_checks_itself_without_binnet(tmp_path: Path) -> None:
    folder = write(tmp_path / "images", start(**STRANGE), 8)
    for command in (["check.py"], [str(folder / "check.py"), "."]):
        result = subprocess.run(
            [sys.executable, "-I", *command], cwd=folder, capture_output=True, text=True
        )
        assert (result.returncode, result.stderr) == (0, "")
        assert "8 samples learned in 2 updates: all bits agree" in result.stdout


def test_the_vectors_are_worth_replaying() -> None:
    vectors = record_learning_vectors(start(**STRANGE), X, Y, 24)
    assert 0 < vectors.unstable.mean() < 1
    assert 0 < vectors.wrong.mean() < 1
    assert len(set(vectors.sweeps.tolist())) > 2
    assert (vectors.sweeps < vectors.states.shape[1]).all()  # some sweeps are left out
    for name in LEARNED:
        assert (vectors.weights[name][1:] != vectors.weights[name][:-1]).any()
    assert (np.diff(vectors.registers.astype(int), axis=0) != 0).any(axis=0).all()


def test_the_run_stays_and_learns_the_same(tmp_path: Path) -> None:
    run = start(**STRANGE)
    before = copy.deepcopy(run.synapses.tensors())
    vectors = record_learning_vectors(run, X, Y, 12)
    for name, tensor in run.synapses.tensors().items():
        assert np.array_equal(tensor, before[name])
    assert run.batch == 2
    run.learn(X, Y, 3, 1)
    tensors = run.synapses.tensors()
    for name in LEARNED:
        assert np.array_equal(vectors.weights[name][-1], tensors[f"latent_{name}"])
    assert np.array_equal(vectors.registers[-1], tensors["registers"])
    assert np.array_equal(vectors.labels, Y[run._order()[8:20]])
    assert np.array_equal(vectors.inputs, X[run._order()[8:20]])


def test_batches_are_those_of_training() -> None:
    run = start(11, arithmetic="int8", rate_schedule="linear")
    learning = describe_learning(run)
    batches = plan_batches(run, learning, N_SAMPLES)
    assert [len(batch.samples) for batch in batches] == [4, 2, *[4] * 11]
    assert [batch.number for batch in batches] == list(range(11, 24))
    factors = 1 - np.arange(11, 24) / 39
    for block, k in enumerate(learning.exponents):
        assert k is not None
        raised = [k + round(-np.log2(factor)) for factor in factors]
        assert [batch.exponents[block] for batch in batches] == raised
    assert learning.decays[0] is not None
    assert batches[-1].decays == (learning.decays[0] + 1, None, batches[-1].decays[2])


def test_a_run_that_is_done_goes_on_at_its_last_rates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = start(13, arithmetic="int8", rate_schedule="linear", epochs=1)
    run.next_epoch()
    assert run.finished
    learning = describe_learning(run)
    (batch, other) = plan_batches(run, learning, 5)
    assert (batch.number, other.number) == (13, 14)
    assert learning.exponents[0] is not None
    last = learning.exponents[0] + round(np.log2(13))
    assert batch.exponents[0] == other.exponents[0] == last
    folder = write(tmp_path / "images", run, 5)
    check(folder)
    assert "5 samples learned in 2 updates" in capsys.readouterr().out
    manifest = json.loads((folder / "manifest.json").read_text())
    assert "from its end on in further epochs" in manifest["learning"]["vectors"]["order"]


def flip(path: Path, line: int, bit: int) -> None:
    lines = path.read_text().splitlines()
    lines[line] = f"{int(lines[line], 16) ^ (1 << bit):0{len(lines[line])}x}"
    path.write_text("\n".join(lines) + "\n")


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a manifest, and seal it again."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(seal(manifest)))


def renew_hashes(manifest: Any, folder: Path) -> None:
    for entry in manifest.values() if isinstance(manifest, dict) else ():
        if isinstance(entry, dict) and "words" in entry:
            content = (folder / entry["file"]).read_bytes()
            entry["sha256"] = hashlib.sha256(content).hexdigest()
        else:
            renew_hashes(entry, folder)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("vectors") / "images", start(**STRANGE), 10)


def test_every_file_matters(images: Path, tmp_path: Path) -> None:
    """A wrong bit is found by its hash, and by the replay where the manifest has the wrong hash."""
    names = sorted(path.name for path in images.glob("*.hex"))
    assert len(names) == 7 + 4 + 3 + 2 + 8 + 4
    for name in names:
        folder = tmp_path / name
        shutil.copytree(images, folder)
        # A single input or initial spin may make no difference to the states that follow.
        n_bits = 12 if name in ("inputs.hex", "initial_states.hex") else 1
        for bit in range(n_bits):
            flip(folder / name, -1, bit)
        with pytest.raises(SystemExit, match=f"{name}: SHA-256 differs from the manifest's"):
            check(folder)
        with pytest.raises(ValueError, match=f"{name} is not the file that .* describes"):
            read_memory_images(folder)
        edit(folder, partial(renew_hashes, folder=folder))
        with pytest.raises(SystemExit, match=r"differ|not those of|does not expose"):
            pytest.fail(f"{name}: {check(folder)}")


@pytest.mark.parametrize(
    ("name", "line", "bit", "message"),
    [
        ("latent_couplings", 3, 0, "update 0: couplings differ"),
        ("latent_couplings", 3, 7, "latent_couplings: word 3 does not expose the weights"),
        ("couplings", 3, 0, "does not expose the weights of couplings.hex|state after sweep"),
        ("feedback", 1, 0, "feedback_fields of label 0 are not those of feedback.hex"),
        ("registers", 0, 0, "update 0: .* differ"),
        ("learning_inputs", 0, 3, "update 0: input_weights differ|sample 0: .* differs?"),
        ("learning_states", 9, 3, "sample 0: the state after sweep 10 differs"),
        ("learning_sweeps", 9, 0, "sample 9: learning_sweeps differ"),
        ("learning_fields", 9, 0, "sample 9: learning_fields differ"),
        ("learning_unstable", 9, 0, "sample 9: learning_unstable differ"),
        ("learning_wrong", 9, 0, "sample 9: learning_wrong differ"),
        ("learning_couplings", 14, 4, "update 1: couplings differ"),
        ("learning_input_weights", 59, 4, "update 2: input_weights differ"),
        ("learning_readout", 41, 4, "update 2: readout differ"),
        ("learning_registers", 2, 17, "update 2: the registers differ"),
    ],
)
def test_wrong_bits_are_named(
    name: str, line: int, bit: int, message: str, images: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    shutil.copytree(images, folder)
    flip(folder / f"{name}.hex", line, bit)
    edit(folder, partial(renew_hashes, folder=folder))
    with pytest.raises(SystemExit, match=message):
        check(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": 1000}, {"readout_threshold": -1000}, {"warmup": 2}, {"feedback": 2},
        {"taps": 0xB401}, {"rounding": "per-event"},
        {"levels": {name: {"low": -128, "high": 0, "step": 1} for name in LEARNED}},
        {"levels": {name: {"low": -128, "high": 127, "step": 2} for name in LEARNED}},
        {"feedback_gains": {"label": 64, "other": -32, "shift": -4}},
    ],
    ids=str,
)  # fmt: skip
def test_constants_matter(change: dict[str, Any], images: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    shutil.copytree(images, folder)
    edit(folder, lambda manifest: manifest["learning"].update(change))
    with pytest.raises(SystemExit, match=r"differ|not those of"):
        check(folder)


def test_an_edited_manifest_is_found(images: Path, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    shutil.copytree(images, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["learning"]["batches"] = 5
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(SystemExit, match=r"manifest\.json: its SHA-256 is not that of its content"):
        check(folder)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name == COMPILES)) for name in CASES]
)
def test_learning_goes_on_from_the_images(name: str, tmp_path: Path) -> None:
    """By way of a network file, too: a core that is filled from it learns what the run does."""
    run = start(**CASES[name])
    images = read_memory_images(write(tmp_path / "images", run))
    network, learning, latent, _ = take_images(images)
    expected = take_run(run)
    assert learning == expected[1]
    assert set(latent) == set(expected[2])
    path = tmp_path / "network.safetensors"
    save_quantized(path, network, learning=images.learning)
    kept = load_learning(path)
    assert kept is not None
    assert images.learning is not None
    assert kept.constants == images.learning.constants
    design = design_core(load_quantized(path), 5, learning=learning)
    model = CoreModel(design, fill_memories(design, network, kept.latent, kept.registers))
    batch = plan_batches(run, learning, learning.batch_size)[0]
    assert images.manifest["learning"]["batches"] == batch.number == 2
    words = set_register(design, "BATCHES", batch.number)
    for sample in batch.samples:
        words += learn(design, X[sample], int(Y[sample]))
    model.run(words)
    run.learn(X, Y, 1, 1)
    tensors = run.synapses.tensors()
    for block, stored in enumerate(LEARNED):
        weights = tensors.get(f"latent_{stored}", tensors[stored])
        found = model.read_block(block)
        if block == 0:
            np.fill_diagonal(found, 0)
        assert np.array_equal(found, weights)


def test_what_no_core_does_keeps_its_latent_weights(tmp_path: Path) -> None:
    run = start(arithmetic="int4", latent_bits=8, generator="counter")
    image, reason = keep_learning(run)
    assert "generator must be another one for a core, got 'counter'" in reason
    assert image is not None
    assert image.registers is None
    images = read_memory_images(write(tmp_path / "images", run))
    check(tmp_path / "images")
    for name in LEARNED:
        assert np.array_equal(images.latent[name], run.synapses.tensors()[f"latent_{name}"])
        assert images.latent[name].dtype == np.int8
    assert images.registers is None
    with pytest.raises(ValueError, match="hold a network that infers; export a run of"):
        take_images(images)
    plain, _ = keep_learning(start(arithmetic="int4", generator="counter"))
    assert plain is None
    run = start(arithmetic="int4", latent_bits=8, averaging=1.0)
    assert "averaging must be another one for a core" in keep_learning(run)[1]
    run.learn(X, Y, 11, 1)  # to the end of the epoch, where the synapses begin to keep a mean
    image, reason = keep_learning(run)
    assert image is None
    assert reason.endswith("that its synapses keep of themselves; train with --averaging 0")


def test_bad_requests_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    run = start(arithmetic="int8")
    with pytest.raises(ValueError, match="n_samples must be an integer >= 1, got 0"):
        record_learning_vectors(run, X, Y, 0)
    with pytest.raises(ValueError, match="X must hold the 50 samples of the run, got 49"):
        record_learning_vectors(run, X[1:], Y[1:], 1)
    with pytest.raises(ValueError, match="generator must be another one for a core"):
        record_learning_vectors(start(arithmetic="int8", generator="counter"), X, Y, 1)
    monkeypatch.setattr("binnet._memory.find_memory", lambda: 2.0**21)
    with pytest.raises(MemoryError, match="--learning 100000: all states and the weights"):
        record_learning_vectors(run, X, Y, 100000)


@pytest.mark.parametrize("what", ["weights", "registers"])
def test_a_difference_from_the_simulator_is_no_vector(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, update = CoreModel.read_block, CoreModel._update

    def wrong_block(model: CoreModel, block: int) -> Any:
        weights = read(model, block)
        weights[0, 1] ^= 1
        return weights

    def wrong_registers(model: CoreModel) -> None:
        update(model)
        model.memories["readout_registers"][0, 0] = 7

    if what == "weights":
        monkeypatch.setattr(CoreModel, "read_block", wrong_block)
    else:
        monkeypatch.setattr(CoreModel, "_update", wrong_registers)
    with pytest.raises(RuntimeError, match=rf"internal error of binnet: .* batch 2 .*{what[:4]}|"
                       r"in the update of batch 2 the model of the core sets"):  # fmt: skip
        record_learning_vectors(start(arithmetic="int8"), X, Y, 4)


def test_latent_weights_must_be_those_of_the_network(tmp_path: Path) -> None:
    run = start(**STRANGE)
    image = make_learning_image(run)
    network = run.relaxable()
    assert isinstance(network, QuantizedNetwork)
    image.latent["readout"][1, 2] ^= 0x40
    with pytest.raises(ValueError, match=r"do not expose the weights: readout\[1, 2\] is"):
        save_quantized(tmp_path / "a.safetensors", network, learning=image)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m["latent"]["couplings"].update(bits=16), "words of 56 hexadecimal digits"),
        (lambda m: m["latent"]["couplings"].update(fraction_bits=0), "must have more bits than"),
        (lambda m: m["latent"].update(bias=m["latent"]["readout"]), "latent must be of couplings"),
        (lambda m: m["learning"]["files"].pop("registers"), "its header lacks registers"),
        (lambda m: m["learning"].pop("files"), "files in its header must be a table, got None"),
        (lambda m: m.pop("latent"), "its header lacks latent"),
        (lambda m: m["learning"]["files"]["learning_wrong"].update(sha256="0"), "says 0"),
    ],
)
def test_damaged_manifests_are_refused(
    change: Callable[[dict[str, Any]], object], message: str, images: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    shutil.copytree(images, folder)
    edit(folder, change)
    with pytest.raises(ValueError, match=message):
        read_memory_images(folder)


def test_registers_of_no_bit_are_refused(images: Path, tmp_path: Path) -> None:
    """They would stay 0, and never round up."""
    folder = tmp_path / "images"
    shutil.copytree(images, folder)
    digits = (folder / "registers.hex").read_text().strip()
    (folder / "registers.hex").write_text(f"{digits[:-4]}0000\n")
    edit(folder, partial(renew_hashes, folder=folder))
    with pytest.raises(
        ValueError, match=r"registers must be 18 integers of 1 to 65535, .* with 1 that are 0"
    ):
        read_memory_images(folder)


def test_what_is_not_of_the_network_is_refused(images: Path) -> None:
    found = read_memory_images(images)
    with pytest.raises(ValueError, match=r"registers must be 18 .* got shape \(0,\) with 0"):
        LearningImage(registers=np.ones(0, np.uint16)).check(found.network)
    beyond = {"couplings": np.full_like(found.latent["couplings"], 300, np.int16)}
    assert found.learning is not None
    with pytest.raises(ValueError, match=r"latent couplings .* -128 to 127, .* and 0 to 300"):
        LearningImage(beyond, found.learning.formats).check(found.network)
