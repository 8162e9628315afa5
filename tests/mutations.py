"""Files as damage, editors and enemies leave them, and what reading each of them ends in.

    python tests/mutations.py FORMAT N SEED

reads N mutations of a file of the format and prints, as JSON, how often each thing happened:
"refused" (one line that names the file), "same" (as the undamaged file), "changed" (another
content, without a word), and, which is never right, "unclear" and "crashed", with examples. It runs
with a limit on its memory; tests/test_mutations.py starts it and says which outcomes are right.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

_MEMORY = 2**30  # bytes that reading may ask for
_SECONDS = 60  # that reading one file may take
_NUMBER = re.compile(rb"-?\d+(\.\d+)?([eE][-+]?\d+)?")
_KEY = re.compile(rb'"[a-z_A-Z0-9.]+"\s*:|^\w+\s*=', re.MULTILINE)
_STRANGE = (
    b"-1", b"0", b"1e400", b"-0.0", b"NaN", b"9" * 18, b"9" * 40, b"9" * 400, b"9" * 5000,
    b"18446744073709551616", b"4294967296", b"2147483648", b"1e308", b"true", b"null", b'"x"',
    b"[]",
)  # fmt: skip


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Return damaged or edited data: one of the mutations below, or several in a row."""
    for _ in range(1 + int(rng.integers(4) == 0) * int(rng.integers(1, 4))):
        data = _MUTATIONS[rng.integers(len(_MUTATIONS))](data, rng)
    return data


def _flip(data: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(data)
    for place in rng.integers(0, max(8 * len(data), 1), int(rng.choice([1, 1, 1, 2, 10]))):
        if changed:
            changed[place // 8] ^= 1 << (place % 8)
    return bytes(changed)


def _range(data: bytes, rng: np.random.Generator) -> tuple[int, int]:
    start = int(rng.integers(0, len(data) + 1))
    length = int(rng.choice([1, 4, 8, 100, max(1, len(data) // 4)]))
    return start, min(start + length, len(data))


def _truncate(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(0, len(data) + 1))]


def _remove(data: bytes, rng: np.random.Generator) -> bytes:
    start, stop = _range(data, rng)
    return data[:start] + data[stop:]


def _repeat(data: bytes, rng: np.random.Generator) -> bytes:
    start, stop = _range(data, rng)
    return data[:stop] + data[start:stop] + data[stop:]


def _overwrite(data: bytes, rng: np.random.Generator) -> bytes:
    start, stop = _range(data, rng)
    choices = (bytes(stop - start), b"\xff" * (stop - start), rng.bytes(stop - start))
    return data[:start] + choices[rng.integers(3)] + data[stop:]


def _replace_number(data: bytes, rng: np.random.Generator) -> bytes:
    found = list(_NUMBER.finditer(data))
    if not found:
        return _flip(data, rng)
    match = found[rng.integers(len(found))]
    new = _STRANGE[rng.integers(len(_STRANGE))]
    if rng.integers(2):  # of the same length, so that lengths in a header stay right
        new = new[: len(match[0])].ljust(len(match[0]))
    return data[: match.start()] + new + data[match.end() :]


def _swap_fields(data: bytes, rng: np.random.Generator) -> bytes:
    found = list(_KEY.finditer(data))
    if len(found) < 2:
        return _flip(data, rng)
    first, second = sorted(rng.choice(len(found), 2, replace=False))
    a, b = found[first], found[second]
    return data[: a.start()] + b[0] + data[a.end() : b.start()] + a[0] + data[b.end() :]


_MUTATIONS: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (
    _flip, _flip, _truncate, _remove, _repeat, _overwrite, _replace_number, _replace_number,
    _swap_fields,
)  # fmt: skip


def edit(value: Any, rng: np.random.Generator) -> Any:
    """Return plain values with one of them, somewhere, removed, replaced or renamed."""
    if not isinstance(value, dict | list) or not value or rng.integers(6) == 0:
        strange = (None, True, -1, 0, 2**31, 2**64, 10**400, 1e308, -0.5, float("nan"), "", "x", [],
                   {}, [[]], {"a": {}}, "9" * 100, [1, 2, 3], ["a"])  # fmt: skip
        return strange[rng.integers(len(strange))]
    changed = dict(value) if isinstance(value, dict) else list(value)
    keys = list(changed) if isinstance(changed, dict) else list(range(len(changed)))
    key = keys[rng.integers(len(keys))]
    if rng.integers(5) == 0:
        del changed[key]
    elif isinstance(changed, dict) and rng.integers(8) == 0:
        changed[keys[rng.integers(len(keys))]] = changed.pop(key)
    else:
        changed[key] = edit(changed[key], rng)
    return changed


@dataclass(frozen=True)
class Format:
    """A format of files.

    `write` makes a file in a folder and returns what is read; `read` returns what can be compared;
    `damage` changes the file. Where `is_checked`, no other content may be read without a word;
    where `is_mended`, what is damaged is made again, and nothing refused.
    """

    write: Callable[[Path], Path]
    read: Callable[[Path], Any]
    is_checked: bool
    damage: Callable[[Path, np.random.Generator], None] | None = None
    is_mended: bool = False
    few: int = 40  # mutations that take a second or two


def _plain(value: Any) -> Any:
    """Return a value in which arrays can be compared."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _write_checkpoint(folder: Path, **changes: Any) -> Path:
    from binnet.learning import EpochMetrics, Run, save_checkpoint
    from library_cases import TINY

    run = Run.start(TINY.replace(**changes), n_samples=100, fingerprint="abc")
    quantiles = {"hidden": [0.5] * 7, "readout": [1.5] * 7}
    accuracies = {"train": 0.5, "test": 0.25}
    run.end_epoch(
        EpochMetrics(
            1, accuracies, accuracies, 3.0, 0.5, [0.5] * 10, 0.1, quantiles, 1.0, 2.0, 50.0
        )
    )
    run.batch = 3
    save_checkpoint(folder / "run.safetensors", run, overwrite=True)
    return folder / "run.safetensors"


def _read_checkpoint(path: Path) -> Any:
    from binnet import load_checkpoint

    run = load_checkpoint(path)
    names = ("n_samples", "fingerprint", "epoch", "batch", "seconds", "changes", "totals")
    values = {name: getattr(run, name) for name in names}
    values |= {"tensors": run.synapses.tensors(), "described": run.synapses.describe()}
    values["history"] = [asdict(metrics) for metrics in run.history]
    return _plain(values | {"configuration": run.configuration.to_dict()})


def _write_network(folder: Path, bits: int = 0) -> Path:
    import hardware_cases as cases
    from binnet.hardware.network_files import save_network

    network = cases.make_quantized(bits) if bits else cases.make_float()
    save_network(folder / "network.safetensors", network, overwrite=True)
    return folder / "network.safetensors"


def _read_network(path: Path) -> Any:
    from binnet.hardware.network_files import load_network

    return _plain(vars(load_network(path)))


def _write_rates(folder: Path) -> Path:
    from binnet.rate import RateConfiguration, train

    path = folder / "rates.safetensors"
    configuration = RateConfiguration(n_hidden=6, iterations=3, batch_size=2, rule="eprop")
    train(configuration, checkpoint=path, overwrite=True)
    return path


def _read_rates(path: Path) -> Any:
    from binnet.rate import load_result
    from binnet.rate._state import State

    result, state = load_result(path), State.load(path)
    values = {"weights": result.network.weights(), "losses": result.losses}
    values |= {"memory": state.optimiser.state(), "configuration": result.configuration.to_dict()}
    return _plain(values)


def _write_nir(folder: Path) -> Path:
    import hardware_cases as cases
    from binnet.hardware.nir_export import write_nir

    write_nir(folder / "network.nir", cases.make_quantized(4), overwrite=True)
    return folder / "network.nir"


def _write_foreign_nir(folder: Path) -> Path:
    import h5py

    from binnet._files import MARK

    path = _write_nir(folder)
    with h5py.File(path, "r+") as file:
        file.attrs["binnet"] = "nothing to be seen"
    path.write_bytes(path.read_bytes().replace(MARK.encode(), bytes(len(MARK))))
    return path


def _read_nir(path: Path) -> Any:
    from binnet.hardware.nir_import import read_nir

    return _plain(vars(read_nir(path)))


def _write_images(folder: Path) -> Path:
    import hardware_cases as cases
    from binnet.hardware.memory_images import write_memory_images

    shutil.rmtree(folder / "images", ignore_errors=True)
    network = cases.make_quantized(4)
    write_memory_images(folder / "images", network, cases.make_vectors(network, n=2, sweeps=2))
    return folder / "images"


def _read_images(path: Path) -> Any:
    from binnet.hardware.memory_images import read_memory_images

    images = read_memory_images(path)
    return _plain([vars(images.network), vars(images.vectors)])


def _write_configuration(folder: Path) -> Path:
    from binnet import preset
    from binnet.cli import _runs

    _runs.write_configuration(folder, preset("chain"), 100)
    return folder / "config.toml"


def _read_configuration(path: Path) -> Any:
    from binnet.cli import _runs
    from binnet.learning import Configuration

    configuration, source, validation = _runs.read_parameters(path, Configuration())
    return _plain([configuration.to_dict(), source and source.to_table(), validation])


def _write_energies(folder: Path) -> Path:
    import tomli_w

    from binnet.hardware.energy import EnergyTable

    (folder / "energy.toml").write_text(tomli_w.dumps(EnergyTable().to_dict()))
    return folder / "energy.toml"


def _read_energies(path: Path) -> Any:
    from binnet.hardware.energy import EnergyTable

    return EnergyTable.from_toml(path).to_dict()


def _write_idx(folder: Path) -> Path:
    import gzip

    content = b"\0\0\x08\x03" + np.array([3, 5, 7], ">u4").tobytes() + bytes(range(105))
    (folder / "digits.gz").write_bytes(gzip.compress(content))
    return folder / "digits.gz"


def _write_plain_idx(folder: Path) -> Path:
    import gzip

    path = _write_idx(folder).with_suffix("")
    path.write_bytes(gzip.decompress(path.with_suffix(".gz").read_bytes()))
    return path


def _read_idx(path: Path) -> Any:
    from binnet.datasets import read_idx

    return _plain(read_idx(path))


def _write_result(folder: Path) -> Path:
    from binnet import sweeps
    from sweep_cases import GRID, measure

    sweeps.run(GRID, measure, path=folder / "result.nc", progress=False)
    return folder / "result.nc"


def _read_result(path: Path) -> Any:
    from binnet import sweeps

    found = sweeps.load(path)
    return _plain({name: found[name].values for name in found.variables}), found.attrs


_ON_DEMAND = {"x": [0, 1, 2, 3]}


def _write_journal(folder: Path) -> Path:
    from binnet import sweeps
    from sweep_cases import fail_on_demand

    os.environ["BINNET_TEST_FAIL"] = "1"
    with suppress(sweeps.SweepError):
        sweeps.run(_ON_DEMAND, fail_on_demand, path=folder / "result.nc", progress=False)
    del os.environ["BINNET_TEST_FAIL"]
    return folder / "result.nc.partial"


def _read_journal(path: Path) -> Any:
    """What the sweep ends in that goes on from the journal."""
    from binnet import sweeps
    from sweep_cases import fail_on_demand

    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(path, folder)
        to = Path(folder) / "result.nc"
        return _plain(sweeps.run(_ON_DEMAND, fail_on_demand, path=to, progress=False)["y"].values)


def _double(x: int) -> int:
    return 2 * x


def _call_kernel(folder: Path) -> Any:
    """What a kernel returns whose compiled code is in the folder, if it is."""
    from binnet_kernels import _jit

    _jit.CACHE_FOLDER = str(folder)
    return int(_jit.kernel(_double)(np.int64(21)))


def _write_kernel_cache(folder: Path) -> Path:
    (folder / "cache").mkdir()
    _call_kernel(folder / "cache")
    assert len(list(folder.rglob("*.nb[ci]"))) == 2
    return folder / "cache"


def _edit_header(path: Path, rng: np.random.Generator) -> None:
    """Edit the header of a file of arrays and put its digest right."""
    from safetensors import safe_open

    from binnet._tensors import write_tensors

    with safe_open(path, "np") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        info = json.loads(file.metadata()["binnet"])
    form = info.pop("format").rpartition("-")[0]
    names = list(tensors)
    name = names[rng.integers(len(names))]
    if rng.integers(6) == 0:
        changes = (tensors[name][..., :1], tensors[name].astype(np.float64), tensors[name] * 0)
        tensors[name] = np.ascontiguousarray(changes[rng.integers(3)])
    else:
        edited = edit({k: v for k, v in info.items() if k not in ("sha256", "binnet")}, rng)
        info = edited if isinstance(edited, dict) else {}
    write_tensors(path, form, tensors, {k: v for k, v in info.items() if k != "format"})


def _edit_manifest(path: Path, rng: np.random.Generator) -> None:
    """Edit a manifest and put its digest right."""
    from binnet._records import seal

    manifest = path / "manifest.json"
    edited = edit(json.loads(manifest.read_text()), rng)
    manifest.write_text(json.dumps(seal(edited) if isinstance(edited, dict) else edited))


# Another format is another row.
FORMATS = {
    "checkpoint": Format(_write_checkpoint, _read_checkpoint, True),
    "checkpoint-int8": Format(
        lambda folder: _write_checkpoint(
            folder, arithmetic="int4", latent_bits=8, decay_couplings=0.0, decay_readout=0.0
        ),
        _read_checkpoint,
        True,
    ),
    "checkpoint-edited": Format(_write_checkpoint, _read_checkpoint, False, _edit_header),
    "checkpoint-int8-edited": Format(
        lambda folder: _write_checkpoint(
            folder, arithmetic="int4", latent_bits=8, decay_couplings=0.0, decay_readout=0.0
        ),
        _read_checkpoint,
        False,
        _edit_header,
    ),
    "network": Format(_write_network, _read_network, True),
    "network-edited": Format(_write_network, _read_network, False, _edit_header),
    "network-int4": Format(lambda folder: _write_network(folder, 4), _read_network, True),
    "network-int4-edited": Format(
        lambda folder: _write_network(folder, 4), _read_network, False, _edit_header
    ),
    "rates": Format(_write_rates, _read_rates, True),
    "rates-edited": Format(_write_rates, _read_rates, False, _edit_header),
    "nir": Format(_write_nir, _read_nir, True),
    "nir-foreign": Format(_write_foreign_nir, _read_nir, False, few=5),
    "images": Format(_write_images, _read_images, True),
    "images-edited": Format(_write_images, _read_images, False, _edit_manifest),
    "configuration": Format(_write_configuration, _read_configuration, False),
    "energies": Format(_write_energies, _read_energies, False),
    "idx": Format(_write_plain_idx, _read_idx, False),
    "idx-gzip": Format(_write_idx, _read_idx, False),
    "netcdf": Format(_write_result, _read_result, True),
    "journal": Format(_write_journal, _read_journal, True),
    "kernel-cache": Format(_write_kernel_cache, _call_kernel, True, is_mended=True),
}


def damage_bytes(path: Path, rng: np.random.Generator) -> None:
    """Mutate a file, or one of a folder."""
    below = sorted(file for file in path.rglob("*") if file.is_file())
    files = [path] if path.is_file() else below
    file = files[rng.integers(len(files))]
    file.write_bytes(mutate(file.read_bytes(), rng))


def _classify(error: BaseException, path: Path) -> str:
    if not isinstance(error, OSError | TypeError | ValueError):
        return "crashed"
    text = str(error)
    return "refused" if path.name in text and "\n" not in text and len(text) < 2000 else "unclear"


def _stop(*_: Any) -> None:
    raise SystemExit(f"reading took more than {_SECONDS} s")


def run(name: str, n: int, seed: int) -> dict[str, Any]:
    """Read `n` mutations of a file and count what happened."""
    row = FORMATS[name]
    counts: Counter[str] = Counter()
    examples: dict[str, list[str]] = {}
    signal.signal(signal.SIGALRM, _stop)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as scratch:
        kept, folder = Path(scratch) / "kept", Path(scratch) / "work"
        kept.mkdir()
        path = row.write(kept)
        expected = row.read(path)
        limit_memory()
        for k in range(n):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(kept, folder)
            victim = folder / path.name
            (row.damage or damage_bytes)(victim, np.random.default_rng((seed, k)))
            signal.alarm(_SECONDS)
            try:
                outcome = "same" if row.read(victim) == expected else "changed"
            except Exception as error:
                outcome = _classify(error, victim)
                if outcome != "refused":
                    text = f"{k}: {type(error).__name__}: {str(error)[:300]}"
                    examples.setdefault(outcome, []).append(text)
            signal.alarm(0)
            if outcome == "changed" and row.is_checked:
                examples.setdefault(outcome, []).append(str(k))
            counts[outcome] += 1
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {**counts, "megabytes": megabytes, "examples": {k: v[:5] for k, v in examples.items()}}


def limit_memory() -> None:
    """Let this process ask for so much memory more than it has, and no more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + _MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
