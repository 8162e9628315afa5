"""Check a chip's memory images with nothing but the folder: python memh_checker.py FOLDER.

Verifies every SHA-256, then replays the golden vectors from the words of the memories, bit by bit.
"""

import hashlib
import json
import sys
from pathlib import Path


def read_words(folder: Path, entry: dict) -> list[list[int]]:
    data = (folder / entry["file"]).read_bytes()
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        sys.exit(f"{entry['file']}: SHA-256 differs from the manifest's")
    bits, lanes = entry["bits"], range(entry["lanes"])
    words = [int(line, 16) for line in data.decode("ascii").split()]
    if len(words) != entry["words"]:
        sys.exit(f"{entry['file']}: {len(words)} words, the manifest says {entry['words']}")
    codes = [[word >> (bits * k) & ((1 << bits) - 1) for k in lanes] for word in words]
    if bits == 1:
        return [[2 * code - 1 for code in row] for row in codes]
    sign = bits - 1 if entry.get("signed", True) else bits
    return [[code - (code >> sign << bits) for code in row] for row in codes]


def dot(words: list[list[int]], spins: list[int], lane: int) -> int:
    return sum(word[lane] * spin for word, spin in zip(words, spins, strict=True))


def main(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    net, golden = manifest["network"], manifest["golden_vectors"]
    blocks, vectors = (
        {name: read_words(folder, entry) for name, entry in entries.items()}
        for entries in (manifest["blocks"], golden["files"])
    )
    shift = {name: manifest["blocks"][name]["shift"] for name in ("couplings", "input_weights")}
    sweeps, neurons = golden["sweeps"], range(net["n_hidden"])
    for v in range(golden["vectors"]):
        x, s = vectors["inputs"][v], vectors["initial_states"][v]
        external = [dot(blocks["input_weights"], x, i) << shift["input_weights"] for i in neurons]
        for t in range(sweeps):
            h = external
            if t > 0 or vectors["silent"][v] != [1]:
                J = [dot(blocks["couplings"], s, i) << shift["couplings"] for i in neurons]
                h = [external[i] + J[i] + net["self_coupling_constant"] * s[i] for i in neurons]
            s = [1 if field >= net["threshold"] else -1 for field in h]
            if s != vectors["states"][v * sweeps + t]:
                sys.exit(f"vector {v}: the state after sweep {t + 1} differs")
        f = [dot(blocks["readout"], s, c) for c in range(net["n_outputs"])]
        if [s, f, [f.index(max(f))]] != [
            vectors[name][v] for name in ("final_states", "readout_fields", "labels")
        ]:
            sys.exit(f"vector {v}: the final state, readout fields or label differ")
    print(f"{golden['vectors']} golden vectors of {sweeps} sweeps replayed: all bits agree")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
