"""Memory images: a stranger with the folder alone can check a chip, and sees every wrong bit."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import hardware_cases as cases
from binnet._records import seal
from binnet.hardware import _check_images
from binnet.hardware.golden_vectors import record_golden_vectors
from binnet.hardware.hex_words import from_hex_words, to_hex_words
from binnet.hardware.memory_images import read_memory_images, write_memory_images
from library_cases import draw_spins

ALL_BITS = (1, 2, 4, 8, 16)
CHECKER = Path(_check_images.__file__)


def write(folder: Path, bits: int = 4) -> Path:
    network = cases.make_quantized(bits)
    write_memory_images(folder, network, cases.make_vectors(network), {"seed": 0})
    return folder


def run_checker(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the checker as a stranger would: isolated from binnet and from this folder."""
    return subprocess.run(
        [sys.executable, "-I", str(CHECKER), str(folder)], capture_output=True, text=True
    )


def flip_bit(folder: Path, name: str, line: int, bit: int, *, hide: bool) -> None:
    """Flip a bit of a word; with `hide` the manifest is given the new hash."""
    path = folder / f"{name}.hex"
    lines = path.read_text().splitlines()
    lines[line] = f"{int(lines[line], 16) ^ (1 << bit):0{len(lines[line])}x}"
    path.write_text("\n".join(lines) + "\n")
    if hide:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()

        def change(manifest: dict) -> None:
            entries = {**manifest["blocks"], **manifest["golden_vectors"]["files"]}
            entries[name]["sha256"] = digest

        edit_manifest(folder, change)


def edit_manifest(folder: Path, change: Callable[[dict], object]) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(seal(manifest)))


def test_layout_of_words() -> None:
    # Lane 0 is at the right end; two's complement; odd widths are padded to whole digits.
    assert to_hex_words(np.array([[1, -1, 7], [-8, 0, 2]]), 4) == "7f1\n208\n"
    assert to_hex_words(np.array([[1, -1, 1, -1, 1]]), 1) == "15\n"
    assert to_hex_words(np.array([[-1, 0, 1]]), 2) == "13\n"
    assert to_hex_words(np.array([[-2, 3]]), 16) == "0003fffe\n"


@pytest.mark.parametrize("bits", [*ALL_BITS, 32])
@pytest.mark.parametrize("lanes", [1, 3, 17])
def test_words_come_back(bits: int, lanes: int) -> None:
    low, high = (-1, 1) if bits <= 2 else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    integers = np.random.default_rng(0).integers(low, high, (5, lanes), endpoint=True)
    integers[0], integers[1] = low, high
    if bits == 1:
        integers = np.where(integers > 0, 1, -1)
    text = to_hex_words(integers, bits)
    assert np.array_equal(from_hex_words("x.hex", text, (5, lanes), bits), integers)


@pytest.mark.parametrize("text", ["7f1\n", "7f1\n20\n", "7f1\n2g8\n", "7f1\n208\n111\n"])
def test_wrong_words_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"x\.hex must have"):
        from_hex_words("x.hex", text, (2, 3), 4)


@pytest.mark.parametrize("bits", ALL_BITS)
def test_round_trip(bits: int, tmp_path: Path) -> None:
    network = cases.make_quantized(bits)
    vectors = cases.make_vectors(network)
    write_memory_images(tmp_path / "images", network, vectors)
    images = read_memory_images(tmp_path / "images")
    assert cases.same_network(images.network, network)
    for name in ("inputs", "initial_states", "states", "readout_fields"):
        assert np.array_equal(getattr(images.vectors, name), getattr(vectors, name))
    assert cases.same_network(
        read_memory_images(tmp_path / "images" / "manifest.json").network, network
    )


@pytest.mark.parametrize("bits", ALL_BITS)
def test_a_stranger_replays_the_vectors(bits: int, tmp_path: Path) -> None:
    result = run_checker(write(tmp_path / "images", bits))
    assert result.returncode == 0, result.stderr
    assert result.stdout == "6 golden vectors of 6 sweeps replayed: all bits agree\n"


def test_the_vectors_are_worth_replaying(tmp_path: Path) -> None:
    vectors = read_memory_images(write(tmp_path / "images")).vectors
    moving = (vectors.states[:, 1:] != vectors.states[:, :-1]).any(axis=2)
    assert moving.any(axis=1).mean() > 0.5  # most pass through several states
    assert not moving[:, -1].all()  # and some settle
    assert vectors.silent.tolist() == [True] * 3 + [False] * 3
    assert len(set(vectors.labels.tolist())) > 1


def test_the_checker_is_a_stranger(tmp_path: Path) -> None:
    """It is the package's own file, in every folder, and imports the standard library alone."""
    text = (write(tmp_path / "images") / "check.py").read_text()
    assert text == CHECKER.read_text()
    imports = {line.split()[1] for line in text.splitlines() if line.startswith(("import", "from"))}
    assert imports == {"__future__", "hashlib", "json", "pathlib", "sys", "typing"}


def test_a_weight_on_the_diagonal_is_found(tmp_path: Path) -> None:
    folder = write(tmp_path / "images")
    flip_bit(folder, "couplings", 2, 8, hide=True)
    result = run_checker(folder)
    assert result.stderr == "couplings: word 2 differs from 0 in lane 2, which is no weight\n"


@pytest.mark.parametrize(
    ("name", "line", "bit", "message"),
    [
        ("couplings", 2, 3, "the state after sweep"),  # the sign of J_02
        ("input_weights", 0, 3, "the state after sweep"),
        ("readout", 1, 0, "the final state, readout fields or label differ"),
        ("inputs", 4, 0, "the state after sweep 1 differs"),
        ("initial_states", 4, 0, "the state after sweep"),
        ("states", 7, 5, "vector 1: the state after sweep 2 differs"),
        ("final_states", 5, 2, "vector 5: the final state, readout fields or label differ"),
        ("readout_fields", 0, 0, "vector 0: the final state, readout fields or label differ"),
        ("labels", 0, 0, "vector 0: the final state, readout fields or label differ"),
    ],
)
def test_one_wrong_bit_is_found(
    name: str, line: int, bit: int, message: str, tmp_path: Path
) -> None:
    """By the hash; and by the replay alone, if the manifest has the hash of the wrong file."""
    folder = write(tmp_path / "images")
    flip_bit(folder, name, line, bit, hide=False)
    result = run_checker(folder)
    assert result.returncode == 1
    assert result.stderr == f"{name}.hex: SHA-256 differs from the manifest's\n"
    with pytest.raises(ValueError, match=rf"{name}\.hex is not the file that .* describes"):
        read_memory_images(folder)
    flip_bit(folder, name, line, bit, hide=False)
    assert run_checker(folder).returncode == 0
    flip_bit(folder, name, line, bit, hide=True)
    result = run_checker(folder)
    assert result.returncode == 1
    assert message in result.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(format="else"), "not a manifest of memory images"),
        (lambda m: m.pop("network"), "manifest.json: its header lacks network"),
        (lambda m: m["blocks"].pop("readout"), "lacks readout"),
        (lambda m: m["blocks"]["readout"].update(bits=3), "bits must be one of 1, 2, 4, 8, 16"),
        (lambda m: m["blocks"]["readout"].update(sha256="00"), "the manifest says 00"),
        (lambda m: m["blocks"]["readout"].update(file="../a.hex"), "not a file beside it"),
        (
            lambda m: m["network"].update(self_coupling=-1),
            "self_coupling in its header must be",
        ),
        (lambda m: m["network"].update(n_outputs=4), "words of 4 hexadecimal digits"),
        (lambda m: m["golden_vectors"].update(sweeps=5), "must have 30 lines"),
    ],
)
def test_damaged_manifests_are_refused(
    change: Callable[[dict], object], message: str, tmp_path: Path
) -> None:
    folder = write(tmp_path / "images")
    edit_manifest(folder, change)
    with pytest.raises(ValueError, match=message):
        read_memory_images(folder)


def test_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="binnet export --format memh"):
        read_memory_images(tmp_path)
    folder = write(tmp_path / "images")
    (folder / "readout.hex").unlink()
    with pytest.raises(FileNotFoundError, match=r"names readout\.hex"):
        read_memory_images(folder)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(ValueError, match="is not JSON"):
        read_memory_images(folder)
    with pytest.raises(FileExistsError, match="not an empty folder"):
        write(folder)


def test_bad_vectors_are_refused() -> None:
    network = cases.make_quantized(4)
    X, start = draw_spins(2, cases.N_INPUTS), draw_spins(2, cases.N_HIDDEN)
    with pytest.raises(ValueError, match="inputs must have shape"):
        record_golden_vectors(network, X[:, :-1])
    with pytest.raises(ValueError, match="at least one vector"):
        record_golden_vectors(network, X[:0])
    with pytest.raises(ValueError, match="sweeps must be an integer >= 1"):
        record_golden_vectors(network, X, sweeps=0)
    with pytest.raises(ValueError, match="one row for each of the 2 inputs"):
        record_golden_vectors(network, X, start[:1])
    start[1, 3] = 0
    with pytest.raises(ValueError, match=r"silent as a whole or not at all, got 11 of 12 .* row 1"):
        record_golden_vectors(network, X, start)
