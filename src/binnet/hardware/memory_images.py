"""Memory images: a network and its golden vectors as files that a chip's test bench reads.

A folder of images holds one hexadecimal file per block of weights in the layout of ``$readmemh``,
one per golden vector field, and ``manifest.json``, which says everything else: formats, shapes, the
order of words and lanes, shifts, constants, and the SHA-256 of each file. Nothing but the folder is
needed to check a chip against the simulator.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from binnet._files import atomic_path, check_folder, remove_leftovers, write_json
from binnet._provenance import get_version
from binnet._records import Record, check_sealed, reading, seal
from binnet.hardware.golden_vectors import GoldenVectors
from binnet.hardware.hex_words import from_hex_words, to_hex_words
from binnet.networks import BLOCKS, NetworkFormats, QFormat, QuantizedNetwork
from binnet.networks.formats import FRACTION_BITS
from binnet.networks.inputs import read_input_format

FORMAT = "binnet-memory-images-1"
MANIFEST = "manifest.json"
_READOUT_FIELD_BITS = 32

# Whether a block lies in memory by presynaptic neuron already, or is transposed: a word holds all
# the weights *from* one neuron, because that is what its spin multiplies.
_LAYOUT = {
    "couplings": ("hidden neuron j", "hidden neuron i", "J_ij, from j to i"),
    "input_weights": ("input n", "hidden neuron i", "W_in[i, n], from n to i"),
    "readout": ("hidden neuron i", "class c", "W_out[c, i], from i to c"),
    "feedback": ("class c", "hidden neuron i", "W_back[i, c], from c to i; training only"),
}
_CONVENTIONS = {
    "file": "one word a line, hexadecimal, first line is address 0; read it with $readmemh",
    "lanes": "lane k of b bits lies at bits k*b .. k*b+b-1 of the word: lane 0 is rightmost",
    "weights": "two's complement; of one bit, 1 is +1 and 0 is -1; "
    "value = integer * 2**-fraction_bits",
    "spins": "1 is +1, 0 is -1; lane k is neuron (or input) k",
    "hidden field": "h_i = (sum_j J_ij s_j << shift) + self_coupling_constant * s_i "
    "+ (sum_n W_in[i,n] x_n << shift)",
    "update": "synchronous: all fields from the old state, then s_i = +1 where "
    "h_i >= threshold, else -1",
    "silent": "where 1, the first sweep has the input's field alone (no J, no self-coupling)",
    "readout field": "f_c = sum_i W_out[c,i] s_i of the final state; the label is the class with "
    "the largest, the lowest such class in a tie",
}
_GRADED = {
    "inputs": "integers n, in two's complement where signed: x = n * 2**-fraction_bits, and the "
    "hidden field takes n in the place of x",
}


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
    """

    network: QuantizedNetwork
    vectors: GoldenVectors
    manifest: dict[str, Any]


def write_memory_images(
    folder: str | os.PathLike[str],
    network: QuantizedNetwork,
    vectors: GoldenVectors,
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Write a network and its golden vectors into a new folder.

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
    """
    network.refuse_structure("a folder of memory images")
    folder = Path(folder)
    check_new_folder(folder)
    folder.mkdir(exist_ok=True)
    formats = network.formats
    shifts = {"couplings": formats.coupling_shift, "input_weights": formats.input_shift}
    blocks = {}
    for name in BLOCKS:
        format, (word, lane, meaning) = getattr(formats, name), _LAYOUT[name]
        blocks[name] = {
            **_write_words(folder / f"{name}.hex", getattr(network, name).T, format.bits),
            "word": word,
            "lane": lane,
            "meaning": meaning,
            "fraction_bits": format.fraction_bits,
        }
        if name in shifts:
            blocks[name]["shift"] = shifts[name]
    files = {
        name: _write_words(folder / f"{name}.hex", integers, bits)
        for name, (integers, bits) in _as_words(vectors, formats.inputs.bits).items()
    }
    conventions = dict(_CONVENTIONS)
    if formats.inputs.bits > 1:
        files["inputs"] |= dataclasses.asdict(formats.inputs)
        conventions |= _GRADED
    n_vectors, n_sweeps, _ = vectors.states.shape
    manifest = {
        "format": FORMAT,
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
    write_json(folder / MANIFEST, seal(manifest))
    return folder / MANIFEST


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
        Network, golden vectors and manifest.

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
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ValueError(f"{path} is not a manifest of memory images (format {FORMAT})")
    check_sealed(path, manifest)
    with reading(path, "manifest of memory images", "export the images again"):
        return MemoryImages(*_read(path.parent, Record(path, manifest)), manifest)


def _read(folder: Path, manifest: Record) -> tuple[QuantizedNetwork, GoldenVectors]:
    sizes, vectors, blocks = (manifest.table(k) for k in ("network", "golden_vectors", "blocks"))
    files = vectors.table("files")
    for table in (blocks, files):  # also those that are not read below
        for name in table.values:
            _read_content(folder, table.table(name))
    n_hidden, n_inputs, n_outputs = (
        sizes.integer(k, 1) for k in ("n_hidden", "n_inputs", "n_outputs")
    )
    shapes = {
        "couplings": (n_hidden, n_hidden),
        "input_weights": (n_inputs, n_hidden),
        "readout": (n_hidden, n_outputs),
        "feedback": (n_outputs, n_hidden),
    }
    weights: dict[str, Any] = {}
    inputs_entry = files.table("inputs")
    is_graded = "fraction_bits" in inputs_entry.values
    formats: dict[str, Any] = {"inputs": read_input_format(inputs_entry)} if is_graded else {}
    for name in BLOCKS:
        entry = blocks.table(name)
        formats[name] = QFormat(
            entry.integer("bits", 1, 16), entry.integer("fraction_bits", *FRACTION_BITS)
        )
        integers = _read_words(folder, entry, shapes[name])
        weights[name] = np.ascontiguousarray(integers.T.astype(formats[name].dtype))
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
        name: _read_words(
            folder, files.table(name), (n_vectors * (n_sweeps if name == "states" else 1), lanes)
        )
        for name, lanes in (*widths.items(), ("readout_fields", n_outputs))
    }
    initial = np.where(read["silent"] > 0, 0, read["initial_states"]).astype(np.int8)
    states = read["states"].reshape(n_vectors, n_sweeps, n_hidden).astype(np.int8)
    inputs = read["inputs"].astype(np.int16 if is_graded else np.int8)
    return network, GoldenVectors(inputs, initial, states, read["readout_fields"])


def _as_words(vectors: GoldenVectors, input_bits: int) -> dict[str, tuple[NDArray[Any], int]]:
    """Return each file of the golden vectors: its words, and the bits of a lane."""
    n_hidden = vectors.states.shape[2]
    return {
        "inputs": (vectors.inputs, input_bits),
        "silent": (vectors.silent[:, None], 1),
        "initial_states": (vectors.initial_states, 1),
        "states": (vectors.states.reshape(-1, n_hidden), 1),
        "final_states": (vectors.final_states, 1),
        "readout_fields": (vectors.readout_fields, _READOUT_FIELD_BITS),
        "labels": (vectors.labels[:, None], _READOUT_FIELD_BITS),
    }


def _write_words(path: Path, words: NDArray[Any], bits: int) -> dict[str, Any]:
    """Write the words of a file, and return its entry in the manifest."""
    content = to_hex_words(words, bits).encode("ascii")
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return {
        "file": path.name,
        "words": words.shape[0],
        "lanes": words.shape[1],
        "bits": bits,
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _read_words(folder: Path, entry: Record, shape: tuple[int, int]) -> NDArray[np.int64]:
    name, content = entry.text("file"), _read_content(folder, entry)
    bits = entry.integer("bits", 1, _READOUT_FIELD_BITS)
    signed = entry.values.get("signed") is not False
    return from_hex_words(name, content.decode("ascii", "replace"), shape, bits, signed=signed)


def _read_content(folder: Path, entry: Record) -> bytes:
    """Return the bytes of a file, after their SHA-256 was found right."""
    name = entry.text("file")
    if Path(name).name != name:
        raise ValueError(f"the manifest names {name!r}, which is not a file beside it")
    path = folder / name
    if not path.is_file():
        raise FileNotFoundError(f"the manifest names {name}, but {folder} does not hold it")
    content, wanted = path.read_bytes(), entry.text("sha256")
    found = hashlib.sha256(content).hexdigest()
    if found != wanted:
        raise ValueError(
            f"{path} is not the file that {entry.path} describes: its SHA-256 is {found}, the "
            f"manifest says {wanted}; copy or export the images again"
        )
    return content
