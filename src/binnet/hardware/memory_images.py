"""Memory images: a network and its golden vectors as files that a chip's test bench reads.

A folder of images holds one hexadecimal file per block of weights in the layout of ``$readmemh``,
one per golden vector field, and ``manifest.json``, which says everything else: formats, shapes, the
order of words and lanes, shifts, constants, and the SHA-256 of each file. Nothing but the folder is
needed to check a chip against the simulator: ``python check.py`` in it replays everything.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet._files import atomic_path, check_folder, remove_leftovers, write_json
from binnet._provenance import get_version
from binnet._records import Record, check_sealed, reading, seal
from binnet.hardware import conventions as sentences
from binnet.hardware.golden_vectors import GoldenVectors
from binnet.hardware.learning_image import (
    TAPS,
    LearningImage,
    read_format,
)
from binnet.hardware.memory_files import WORD_BITS, Words, read_content, read_words, write_words
from binnet.networks import BLOCKS, NetworkFormats, QFormat, QuantizedNetwork
from binnet.networks.inputs import read_input_format
from binnet.networks.quantised import GAIN_FRACTION_BITS

FORMAT, FORMAT_LEARNING = "binnet-memory-images-1", "binnet-memory-images-2"
MANIFEST = "manifest.json"
CHECKER = "check.py"
_REGISTER_BITS = 16


@dataclass(frozen=True, eq=False)
class MemoryImages:
    """What a folder of images holds.

    Attributes
    ----------
    network : QuantizedNetwork
        The network.
    vectors : GoldenVectors
        What it does.
    manifest : dict
        The manifest as it was read.
    learning : LearningImage or None
        What learning goes on from, where the folder holds it.
    """

    network: QuantizedNetwork
    vectors: GoldenVectors
    manifest: dict[str, Any]
    learning: LearningImage | None = None

    @property
    def latent(self) -> Mapping[str, NDArray[Any]]:
        """Latent weights by the names of their blocks; empty where there are none."""
        return {} if self.learning is None else self.learning.latent

    @property
    def registers(self) -> NDArray[np.uint16] | None:
        """Shift registers of hidden neurons and readouts, shape (H + C,), where there are some."""
        return None if self.learning is None else self.learning.registers


def write_memory_images(
    folder: str | os.PathLike[str],
    network: QuantizedNetwork,
    vectors: GoldenVectors,
    provenance: Mapping[str, Any] | None = None,
    *,
    learning: LearningImage | None = None,
    learning_files: Mapping[str, Words] | None = None,
) -> Path:
    """Write a network and its golden vectors into a new folder, with a program that checks them.

    Parameters
    ----------
    folder : path-like
        A folder that does not exist, or is empty; its parent must exist.
    network : QuantizedNetwork
        The network.
    vectors : GoldenVectors
        From `record_golden_vectors`, of this network.
    provenance : mapping, optional
        Where the network comes from, repeated in the manifest.
    learning : LearningImage, optional
        What learning goes on from. Default: only inference is described.
    learning_files : mapping of str to Words, optional
        Golden vectors of learning, as `binnet.chips.learning_vectors` lays them out, by the stems
        of their files. Default: none.

    Returns
    -------
    Path
        The manifest, which is written last.

    Raises
    ------
    FileExistsError
        If the folder holds something already.
    OSError
        If it cannot be written.
    ValueError
        If the network has a structure that the files do not have, or is not that of `learning`.
    """
    network.refuse_structure("a folder of memory images")
    if learning is not None:
        learning.check(network)
    folder = Path(folder)
    check_new_folder(folder)
    folder.mkdir(exist_ok=True)
    formats = network.formats
    conventions = dict(sentences.INFERENCE)
    blocks = {}
    for name in BLOCKS:
        format, weights = getattr(formats, name), getattr(network, name)
        blocks[name] = _write_block(folder / f"{name}.hex", name, weights, format)
    blocks["couplings"]["shift"] = formats.coupling_shift
    blocks["input_weights"]["shift"] = formats.input_shift
    files = _write_files(folder, _as_words(vectors, formats.inputs.bits))
    if formats.inputs.bits > 1:
        files["inputs"] |= dataclasses.asdict(formats.inputs)
        conventions |= sentences.GRADED
    n_vectors, n_sweeps, _ = vectors.states.shape
    manifest = {
        "format": FORMAT if learning is None else FORMAT_LEARNING,
        "binnet": get_version(),
        "conventions": conventions,
        "network": {
            "n_hidden": network.n_neurons,
            "n_inputs": network.n_inputs,
            "n_outputs": network.n_outputs,
            "self_coupling": network.self_coupling,
            "self_coupling_constant": self_coupling_constant(network),
            "threshold": 0,
            "margin": network.margin,
            "readout_margin": network.readout_margin,
        },
        "accumulator": {"bits": 32, "fraction_bits": formats.fraction_bits},
        "blocks": blocks,
        "golden_vectors": {"vectors": n_vectors, "sweeps": n_sweeps, "files": files},
        "provenance": dict(provenance or {}),
    }
    if learning is not None:
        tables = _write_learning(folder, network, learning, learning_files or {})
        conventions |= tables.pop("conventions")
        manifest |= tables
    with atomic_path(folder / CHECKER) as temporary:
        checker = resources.files(__package__).joinpath("_check_images.py")
        temporary.write_bytes(checker.read_bytes())
    write_json(folder / MANIFEST, seal(manifest))
    return folder / MANIFEST


def _write_block(path: Path, name: str, weights: NDArray[Any], format: QFormat) -> dict[str, Any]:
    word, lane, meaning = sentences.LAYOUT[name]
    entry = write_words(path, Words(weights.T, format.bits))
    return {
        **entry,
        "word": word,
        "lane": lane,
        "meaning": meaning,
        "fraction_bits": format.fraction_bits,
    }


def _write_files(folder: Path, files: Mapping[str, Words]) -> dict[str, dict[str, Any]]:
    return {name: write_words(folder / f"{name}.hex", words) for name, words in files.items()}


def _write_learning(
    folder: Path,
    network: QuantizedNetwork,
    learning: LearningImage,
    learning_files: Mapping[str, Words],
) -> dict[str, Any]:
    """Write what learning goes on from; return the tables of the manifest that describe it."""
    tables: dict[str, Any] = {"conventions": dict(sentences.LATENT) if learning.latent else {}}
    tables["latent"] = {
        name: _write_block(folder / f"latent_{name}.hex", name, block, learning.formats[name])
        for name, block in learning.latent.items()
    }
    if learning.registers is None:
        return tables
    files = {
        "registers": Words(learning.registers[None], _REGISTER_BITS, signed=False),
        "feedback_fields": Words(network.feedback_fields, WORD_BITS),
        **learning_files,
    }
    formats = network.formats
    shift = formats.fraction_bits - formats.feedback.fraction_bits - GAIN_FRACTION_BITS
    label = round(math.ldexp(math.sqrt(network.n_outputs), GAIN_FRACTION_BITS - 1))
    gains = {"label": label, "other": -(1 << (GAIN_FRACTION_BITS - 1)), "shift": shift}
    tables["conventions"] |= sentences.LEARNING
    tables["learning"] = {
        **learning.constants,
        "taps": TAPS,
        "feedback_gains": gains,
        "files": _write_files(folder, files),
    }
    return tables


def check_new_folder(folder: Path) -> None:
    """Refuse a folder that holds something or cannot be made, before there is work to lose.

    Parameters
    ----------
    folder : Path
        The folder.

    Raises
    ------
    OSError
        If it is no empty folder, or its parent does not exist or cannot be written.
    """
    if folder.is_dir():
        remove_leftovers(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"{folder} exists and is not an empty folder; name another one")
    check_folder(folder)


def self_coupling_constant(network: QuantizedNetwork) -> int:
    """Return what a circuit adds to a field for s_i = +1, beside the words of the couplings.

    The couplings' diagonal is 0 and no weight. One bit has no 0: there the diagonal is stored as
    -1, which the constant makes good.

    Parameters
    ----------
    network : QuantizedNetwork
        The network.

    Returns
    -------
    int
        In units of the accumulator.
    """
    stored = -1 if network.formats.couplings.bits == 1 else 0
    return int(network.self_couplings[0]) - (stored << network.formats.coupling_shift)


def read_memory_images(folder: str | os.PathLike[str]) -> MemoryImages:
    """Read a folder of images, after the SHA-256 of every file was found right.

    Parameters
    ----------
    folder : path-like
        The folder, or its manifest.

    Returns
    -------
    MemoryImages
        Network, golden vectors, manifest, and what learning goes on from.

    Raises
    ------
    FileNotFoundError
        If the manifest or a file that it names is not there.
    ValueError
        If a file is not the one of the manifest, or the manifest is damaged.
    """
    path = Path(folder)
    path = path / MANIFEST if path.is_dir() else path
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"there is no {path}; name a folder that `binnet export --format memh` wrote"
        ) from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error}); export the images again") from None
    if not isinstance(manifest, dict) or manifest.get("format") not in (FORMAT, FORMAT_LEARNING):
        raise ValueError(
            f"{path} is not a manifest of memory images (format {FORMAT} or {FORMAT_LEARNING})"
        )
    check_sealed(path, manifest)
    with reading(path, "manifest of memory images", "export the images again"):
        record = Record(path, manifest)
        network, vectors = _read(path.parent, record)
        learning = None
        if manifest["format"] == FORMAT_LEARNING:
            learning = _read_learning(path.parent, record, network)
            learning.check(network)
        return MemoryImages(network, vectors, manifest, learning)


def _read(folder: Path, manifest: Record) -> tuple[QuantizedNetwork, GoldenVectors]:
    sizes, vectors, blocks = (manifest.table(k) for k in ("network", "golden_vectors", "blocks"))
    files = vectors.table("files")
    for table in (blocks, files):  # also those that are not read below
        for name in table.values:
            read_content(folder, table.table(name))
    n_hidden, n_inputs, n_outputs = (
        sizes.integer(k, 1) for k in ("n_hidden", "n_inputs", "n_outputs")
    )
    weights: dict[str, Any] = {}
    inputs_entry = files.table("inputs")
    is_graded = "fraction_bits" in inputs_entry.values
    formats: dict[str, Any] = {"inputs": read_input_format(inputs_entry)} if is_graded else {}
    for name, shape in _find_shapes(n_hidden, n_inputs, n_outputs).items():
        entry = blocks.table(name)
        formats[name] = read_format(entry)
        weights[name] = _to_block(read_words(folder, entry, shape), formats[name])
    np.fill_diagonal(weights["couplings"], 0)
    network = QuantizedNetwork(
        **weights,
        formats=NetworkFormats(**formats),
        self_coupling=sizes.integer("self_coupling"),
        margin=sizes.integer("margin", -(2**31)),
        readout_margin=sizes.integer("readout_margin", -(2**31)),
    )
    n_vectors, n_sweeps = (vectors.integer(key, 1) for key in ("vectors", "sweeps"))
    widths = {"inputs": n_inputs, "silent": 1, "initial_states": n_hidden, "states": n_hidden}
    read = {
        name: read_words(
            folder, files.table(name), (n_vectors * (n_sweeps if name == "states" else 1), lanes)
        )
        for name, lanes in (*widths.items(), ("readout_fields", n_outputs))
    }
    initial = np.where(read["silent"] > 0, 0, read["initial_states"]).astype(np.int8)
    states = read["states"].reshape(n_vectors, n_sweeps, n_hidden).astype(np.int8)
    inputs = read["inputs"].astype(np.int16 if is_graded else np.int8)
    return network, GoldenVectors(inputs, initial, states, read["readout_fields"])


def _read_learning(folder: Path, manifest: Record, network: QuantizedNetwork) -> LearningImage:
    H, N, C = network.n_neurons, network.n_inputs, network.n_outputs
    shapes, table = _find_shapes(H, N, C), manifest.table("latent")
    latent, formats = {}, {}
    for name in table.values:
        if name not in shapes:
            raise ValueError(f"latent must be of {', '.join(shapes)}, got {name!r}")
        entry = table.table(name)
        formats[name] = read_format(entry)
        latent[name] = _to_block(read_words(folder, entry, shapes[name]), formats[name])
    if "learning" not in manifest.values:
        return LearningImage(latent, formats)
    constants = dict(manifest.table("learning").values)
    files = Record(manifest.path, {"files": constants.pop("files", None)}).table("files")
    for name in files.values:  # also those that are not read here
        read_content(folder, files.table(name))
    for name in ("taps", "feedback_gains"):
        constants.pop(name, None)
    registers = read_words(folder, files.table("registers"), (1, H + C))[0].astype(np.uint16)
    return LearningImage(latent, formats, registers, constants)


def _find_shapes(n_hidden: int, n_inputs: int, n_outputs: int) -> dict[str, tuple[int, int]]:
    """Return words and lanes of each block."""
    return {
        "couplings": (n_hidden, n_hidden),
        "input_weights": (n_inputs, n_hidden),
        "readout": (n_hidden, n_outputs),
        "feedback": (n_outputs, n_hidden),
    }


def _to_block(words: NDArray[np.int64], format: QFormat) -> NDArray[Any]:
    return np.ascontiguousarray(words.T.astype(format.dtype))


def _as_words(vectors: GoldenVectors, input_bits: int) -> dict[str, Words]:
    """Return each file of the golden vectors."""
    n_hidden = vectors.states.shape[2]
    return {
        "inputs": Words(vectors.inputs, input_bits),
        "silent": Words(vectors.silent[:, None], 1),
        "initial_states": Words(vectors.initial_states, 1),
        "states": Words(vectors.states.reshape(-1, n_hidden), 1),
        "final_states": Words(vectors.final_states, 1),
        "readout_fields": Words(vectors.readout_fields, WORD_BITS),
        "labels": Words(vectors.labels[:, None], WORD_BITS),
    }
