"""Check a folder of binnet's memory images: python check.py [FOLDER], by default the one it is in.

Nothing but the folder and Python is needed. Every SHA-256 is verified; then the golden vectors are
replayed from the words of the memories in integers, one by one: inference, and learning where the
folder describes it. What the words mean is said in manifest.json, under "conventions".
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

Row = list[int]
BLOCKS = ("couplings", "input_weights", "readout")  # those that learn
NONE = -99


def read_words(folder: Path, entry: dict[str, Any]) -> list[Row]:
    """Return the integers of each word of a file."""
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


def weigh(words: list[Row], spins: Row, shift: int = 0) -> Row:
    """Return the sum over all words, each times its spin, lane by lane."""
    totals = [0] * len(words[0])
    for word, spin in zip(words, spins, strict=True):
        totals = [total + weight * spin for total, weight in zip(totals, word, strict=True)]
    return [total << shift for total in totals]


def find_label(fields: Row) -> int:
    """Return the class with the largest field, the lowest in a tie."""
    return fields.index(max(fields))


def shift_right(value: int, places: int) -> int:
    """Return value / 2**places, halves rounded up; of negative places value * 2**-places."""
    return (value + (1 << places >> 1)) >> places if places > 0 else value << -places


class Learner:
    """The network of a folder as it learns: weights, registers, and the rule."""

    def __init__(self, manifest: dict[str, Any], blocks: dict[str, list[Row]]) -> None:
        self.net, self.rule = manifest["network"], manifest["learning"]
        self.formats, self.latent = manifest["blocks"], manifest["latent"]
        self.blocks = {name: [list(word) for word in blocks[name]] for name in BLOCKS}
        self.registers: Row = []
        self.seen: dict[str, list[Row]] = {}

    def see(self, name: str) -> list[Row]:
        """Return the weights that the fields see; the diagonal of the couplings is none."""
        bits, words = self.formats[name]["bits"], self.blocks[name]
        if name in self.latent:
            unseen = self.latent[name]["bits"] - bits
            high = 1 if bits == 2 else (1 << (bits - 1)) - 1
            low = -high if bits == 2 else -high - 1
            words = [
                [(1 if v >= 0 else -1) if bits == 1 else min(max(v, low), high) for v in row]
                for row in ([shift_right(v, unseen * (bits > 1)) for v in row] for row in words)
            ]
        if name == "couplings":
            words = [[w * (i != j) for i, w in enumerate(row)] for j, row in enumerate(words)]
        return words

    def draw(self, register: int, k: int) -> int:
        """Return the top k bits of a register after a step."""
        old = self.registers[register]
        self.registers[register] = old >> 1 ^ self.rule["taps"] * (old & 1)
        return self.registers[register] >> (16 - k)

    def round_off(self, value: int, k: int, register: int) -> int:
        """Return value / 2**k in whole levels, rounded up in size by the next draw."""
        whole, rest = divmod(abs(value), 1 << k)
        size = whole + (self.draw(register, k) < rest)
        return size if value > 0 else -size

    def decay(self, name: str, k: int) -> None:
        """Let all weights of a block lose a share of 2**-k."""
        words, first = self.blocks[name], self.net["n_hidden"] * (name == "readout")
        for i in range(len(words[0])):
            for word in words:
                word[i] -= self.round_off(word[i], k, first + i)

    def update(self, name: str, k: int, sources: list[Row], targets: list[Row]) -> None:
        """Add the events of a batch: spins of the sources, and of the targets where they learn."""
        words, levels = self.blocks[name], self.rule["levels"][name]
        first = self.net["n_hidden"] * (name == "readout")
        by_event = self.rule["rounding"] == "per-event"
        for i in range(len(words[0])):
            events = [b for b, target in enumerate(targets) if target[i]]
            if by_event and k > 0:
                events = [b for b in events if self.draw(first + i, k) == 0]
            for j, word in enumerate(words if events else []):
                amount = sum(targets[b][i] * sources[b][j] for b in events)
                if not by_event and k > 0:
                    amount = self.round_off(amount, k, first + i)
                amount <<= max(-k, 0)
                if name != "couplings" or i != j:
                    w = word[i] + levels["step"] * amount
                    word[i] = min(max(w, levels["low"]), levels["high"])

    def relax(self, x: Row, feedback: Row) -> tuple[list[Row], int, Row, Row, Row]:
        """Return states, sweeps that were done, the last state, its hidden and readout fields."""
        J, W_in, W_out = (self.seen[name] for name in BLOCKS)
        external = weigh(W_in, x, self.formats["input_weights"]["shift"])
        shift, own = self.formats["couplings"]["shift"], self.net["self_coupling"]
        s: Row = [0] * self.net["n_hidden"]
        states, done, settled, before = [], 0, False, False
        for t in range(1, self.rule["sweeps"] + 1):
            a = self.rule["warmup"] < t <= self.rule["feedback"]
            settled, before = settled and a == before, a
            if not settled:
                total = zip(external, weigh(J, s, shift), s, feedback, strict=True)
                new = [1 if e + r + own * z + a * f >= 0 else -1 for e, r, z, f in total]
                settled, s, done = new == s, new, done + 1
            states.append(s)
        h = [e + r + own * z for e, r, z in zip(external, weigh(J, s, shift), s, strict=True)]
        return states, done, s, h, weigh(W_out, s)


def replay_inference(
    manifest: dict[str, Any], blocks: dict[str, list[Row]], vectors: dict[str, list[Row]]
) -> None:
    """Replay the golden vectors of inference."""
    net, golden = manifest["network"], manifest["golden_vectors"]
    shift = {name: manifest["blocks"][name]["shift"] for name in ("couplings", "input_weights")}
    for v in range(golden["vectors"]):
        s = vectors["initial_states"][v]
        if vectors["silent"][v] == [1] and max(s) > 0:
            sys.exit(f"vector {v}: it begins silent, and its initial_states differ from 0")
        external = weigh(blocks["input_weights"], vectors["inputs"][v], shift["input_weights"])
        for t in range(golden["sweeps"]):
            h = external
            if t > 0 or vectors["silent"][v] != [1]:
                J = weigh(blocks["couplings"], s, shift["couplings"])
                own = net["self_coupling_constant"]
                h = [e + r + own * z for e, r, z in zip(external, J, s, strict=True)]
            s = [1 if field >= net["threshold"] else -1 for field in h]
            if s != vectors["states"][v * golden["sweeps"] + t]:
                sys.exit(f"vector {v}: the state after sweep {t + 1} differs")
        f = weigh(blocks["readout"], s)
        if [s, f, [find_label(f)]] != [
            vectors[name][v] for name in ("final_states", "readout_fields", "labels")
        ]:
            sys.exit(f"vector {v}: the final state, readout fields or label differ")
    print(
        f"{golden['vectors']} golden vectors of {golden['sweeps']} sweeps replayed: all bits agree"
    )


def check_feedback(learner: Learner, feedback: list[Row], fields: list[Row]) -> None:
    """Compare the fields of the feedback with those that follow from its weights."""
    gains = learner.rule["feedback_gains"]
    for label, row in enumerate(fields):
        g = [gains["label" if c == label else "other"] for c in range(len(feedback))]
        if row != [shift_right(total, -gains["shift"]) for total in weigh(feedback, g)]:
            sys.exit(f"feedback_fields of label {label} are not those of feedback.hex")


def check_latent(learner: Learner, blocks: dict[str, list[Row]]) -> None:
    """Compare what latent weights expose with the weights."""
    for name in learner.latent:
        for j, (seen, row) in enumerate(zip(learner.see(name), blocks[name], strict=True)):
            expected = [w * (name != "couplings" or i != j) for i, w in enumerate(row)]
            if seen != expected:
                sys.exit(f"latent_{name}: word {j} does not expose the weights of {name}.hex")


def replay_learning(learner: Learner, files: dict[str, list[Row]]) -> None:
    """Replay the samples that were learned, and all updates."""
    rule, net, sample = learner.rule, learner.net, 0
    if sum(n for n, *_ in files["learning_updates"]) != len(files["learning_labels"]):
        sys.exit("learning_updates: their samples differ from those of learning_labels")
    if not all(0 <= label < net["n_outputs"] for (label,) in files["learning_labels"]):
        sys.exit("learning_labels differ from 0 .. classes - 1")
    for update, (n, number, *exponents) in enumerate(files["learning_updates"]):
        learner.seen = {name: learner.see(name) for name in BLOCKS}
        inputs: list[Row] = []
        spins: list[Row] = []
        unstable: list[Row] = []
        wrong: list[Row] = []
        for k in range(sample, sample + n):
            x, (label,) = files["learning_inputs"][k], files["learning_labels"][k]
            states, done, s, h, f = learner.relax(x, files["feedback_fields"][label])
            first = k * rule["sweeps"]
            for t, state in enumerate(states):
                if state != files["learning_states"][first + t]:
                    sys.exit(f"sample {k}: the state after sweep {t + 1} differs")
            learns = [2 * (z * g <= rule["threshold"]) - 1 for z, g in zip(s, h, strict=True)]
            y = [2 * (c == label) - 1 for c in range(net["n_outputs"])]
            errs = [2 * (z * g <= rule["readout_threshold"]) - 1 for z, g in zip(y, f, strict=True)]
            names = ("sweeps", "fields", "unstable", "wrong")
            for name, found in zip(names, ([done], f, learns, errs), strict=True):
                if found != files[f"learning_{name}"][k]:
                    sys.exit(f"sample {k}: learning_{name} differ")
            inputs.append(x)
            spins.append(s)
            unstable.append([z * (u > 0) for z, u in zip(s, learns, strict=True)])
            wrong.append([z * (u > 0) for z, u in zip(y, errs, strict=True)])
        sample += n
        for name, k in zip(BLOCKS, exponents[3:], strict=True):
            if k != NONE and number % rule["decay_period"] == 0:
                learner.decay(name, k)
        sources, targets = (spins, inputs, spins), (unstable, unstable, wrong)
        for name, k, pre, post in zip(BLOCKS, exponents[:3], sources, targets, strict=True):
            if k != NONE:
                learner.update(name, k, pre, post)
        for name in BLOCKS:
            words = learner.blocks[name]
            if words != files[f"learning_{name}"][update * len(words) : (update + 1) * len(words)]:
                sys.exit(f"update {update}: {name} differ")
        if learner.registers != files["learning_registers"][update]:
            sys.exit(f"update {update}: the registers differ")
    print(f"{sample} samples learned in {len(files['learning_updates'])} updates: all bits agree")


def main(folder: Path) -> None:
    """Check a folder, and end with an error at the first difference."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    sealed = {name: value for name, value in manifest.items() if name != "sha256"}
    digest = hashlib.sha256(json.dumps(sealed, sort_keys=True).encode()).hexdigest()
    if manifest.get("sha256") != digest:
        sys.exit("manifest.json: its SHA-256 is not that of its content")
    learning, latent_entries = manifest.get("learning", {}), manifest.get("latent", {})
    blocks, vectors, latent, files = (
        {name: read_words(folder, entry) for name, entry in entries.items()}
        for entries in (
            manifest["blocks"],
            manifest["golden_vectors"]["files"],
            latent_entries,
            learning.get("files", {}),
        )
    )
    own = -1 if manifest["blocks"]["couplings"]["bits"] == 1 else 0
    for i, word in enumerate(blocks["couplings"]):
        if word[i] != own:
            sys.exit(f"couplings: word {i} differs from {own} in lane {i}, which is no weight")
    replay_inference(manifest, blocks, vectors)
    learner = Learner({"learning": {}, "latent": {}} | manifest, blocks)
    learner.blocks |= latent
    check_latent(learner, blocks)
    if learning:
        check_feedback(learner, blocks["feedback"], files["feedback_fields"])
        learner.registers = list(files["registers"][0])
    if "learning_updates" in files:
        replay_learning(learner, files)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
