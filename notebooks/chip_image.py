# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From a trained network to a chip image
#
# A network that was trained in floating point is turned into integers of a few bits: what does
# that lose, what does it save, and how does a chip designer check that a circuit does the same?
# This notebook goes all the way: train, quantise, cost, memory images with golden vectors, learning
# that goes on in a chip, and, if the optional packages are installed, a circuit and a file for
# other neuromorphic tools.

# %%
# %matplotlib inline
import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from binnet import load_entangled_mnist, predict, preset, train
from binnet.chips.contents import fill_memories
from binnet.chips.design import design_core
from binnet.chips.learning_images import make_learning_image, take_images
from binnet.chips.learning_vectors import play_vectors, record_learning_vectors
from binnet.hardware import (
    format_cost,
    quantize,
    read_memory_images,
    record_golden_vectors,
    report_cost,
    write_memory_images,
)
from binnet.plotting import COLOURS

data = load_entangled_mnist()
settings = preset().replace(n_hidden=200, epochs=3)
trained = train(data.X_train, data.y_train, settings).network


def accuracy(network):
    return (predict(network, data.X_test) == data.y_test).mean()


print(f"test accuracy in float32: {accuracy(trained):.4f}")

# %% [markdown]
# ## Fewer bits
# `quantize` gives each block of weights its own power-of-two scale, the one with the least error.
# The report says how many weights were cut at the ends of the format, the signal-to-noise ratio,
# and how close the largest possible field comes to the end of a 32-bit accumulator.

# %%
bits = [16, 8, 4, 2, 1]
integers, reports = zip(*(quantize(trained, b) for b in bits), strict=True)
accuracies = [accuracy(network) for network in integers]  # relaxed in integers, bit by bit
for b, report, value in zip(bits, reports, accuracies, strict=True):
    snr = ", ".join(f"{name} {block.snr_db:.0f}" for name, block in report.blocks.items())
    room = report.worst_field / report.accumulator_limit
    print(f"{b:2} bits: accuracy {value:.4f}; SNR in dB: {snr}; accumulator {room:.1e} full")

# %% [markdown]
# ## What it costs
# Synaptic operations and flips are counted on data; energies are those of a published table for
# 45 nm, which `EnergyTable` lets you replace. In a dense design every sweep repeats all operations;
# in an event-driven one only a neuron that has flipped sends its weights. Most of the traffic is
# there in both: from silence, all neurons wake at once. The step above 4 bits is the table's: the
# blocks no longer fit into 32 KB, and the next memory, of 1 MB, takes five times the energy.

# %%
four_bits = integers[bits.index(4)]
X = data.X_test[:2000]
costs = {32: report_cost(trained, X)} | {
    b: report_cost(network, X) for b, network in zip(bits, integers, strict=True)
}
saturated = {name: block.saturated for name, block in reports[bits.index(4)].blocks.items()}
print(format_cost(report_cost(four_bits, X, saturation_events=saturated)))

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
left.semilogx(bits, accuracies, "o-", base=2, color=COLOURS[0], label="integers")
left.axhline(accuracy(trained), color="black", linestyle=":", label="float32")
left.set(xlabel="bits of a weight", ylabel="test accuracy", title="quantised after training")
left.set_xticks(bits, [str(b) for b in bits])
left.legend()
for k, (design, style) in enumerate({"dense": "o-", "event_driven": "s--"}.items()):
    energies = [getattr(cost, design).energy / 1000 for cost in costs.values()]
    label = design.replace("_", "-")
    right.loglog(list(costs), energies, style, base=2, color=COLOURS[k], label=label)
right.set_yscale("log", base=10)
right.set(xlabel="bits of a weight (32: float32)", ylabel="energy of an inference (nJ)")
right.set(title="energy, 45 nm")
right.set_xticks(list(costs), [str(b) for b in costs])
right.legend()

# %% [markdown]
# ## The chip image
# One hexadecimal file per block, in the layout of `$readmemh`; golden vectors, half of them from
# silence as in inference and half from random states; and a manifest that says all the rest. A
# folder whose files do not match the manifest's SHA-256 is refused.

# %%
rng = np.random.default_rng(0)
start = rng.choice(np.array([-1, 1], np.int8), (8, four_bits.n_neurons))
start[:4] = 0
vectors = record_golden_vectors(four_bits, data.X_test[:8], start, sweeps=10)
folder = Path(tempfile.mkdtemp()) / "image"
write_memory_images(folder, four_bits, vectors)
images = read_memory_images(folder)
for path in sorted(folder.iterdir()):
    print(f"{path.name:<22}{path.stat().st_size:>8} bytes")

# %% [markdown]
# A stranger needs nothing but these files. With the words of the memories as Python integers, a
# check of the last vector is a few lines; `check.py`, in the folder, checks everything:

# %%
manifest = json.loads((folder / "manifest.json").read_text())
net, blocks = manifest["network"], manifest["blocks"]


def words(name, bits, lanes):
    """Integers of a file, one row a word; two's complement, or -1 and +1 for one bit."""
    lines = [int(line, 16) for line in (folder / f"{name}.hex").read_text().split()]
    codes = np.array([[w >> (bits * k) & (2**bits - 1) for k in range(lanes)] for w in lines])
    return 2 * codes - 1 if bits == 1 else codes - ((codes >> (bits - 1)) << bits)


H, N = net["n_hidden"], net["n_inputs"]
J, W = words("couplings", 4, H), words("input_weights", 4, H)  # row: presynaptic neuron
state, n_sweeps = words("initial_states", 1, H)[-1], manifest["golden_vectors"]["sweeps"]
golden = words("states", 1, H)[-n_sweeps:]
external = (words("inputs", 1, N)[-1] @ W) << blocks["input_weights"]["shift"]
for sweep in range(n_sweeps):
    field = external + ((state @ J) << blocks["couplings"]["shift"])
    field += net["self_coupling_constant"] * state
    state = np.where(field >= net["threshold"], 1, -1)  # +1 at 0
    assert np.array_equal(state, golden[sweep])
print(f"{n_sweeps} sweeps of {H} neurons: every bit agrees")


def run_checker(folder):
    checked = subprocess.run([sys.executable, folder / "check.py"], capture_output=True, text=True)
    print(checked.stdout, checked.stderr, sep="", end="")


run_checker(folder)

# %% [markdown]
# ## A chip that learns
# A run in integers, with a shift register in each neuron for its random numbers, can go on in a
# chip. Its images keep its latent weights, and golden vectors of its next samples say
# what each update must make of every one of them. The model of a core learns them here word by
# word, as a circuit does, and is compared with the simulator.

# %%
chip_settings = settings.replace(
    n_hidden=16, epochs=1, batch_size=8, arithmetic="int4", latent_bits=8, generator="lfsr",
    averaging=0.0,
)  # fmt: skip
X_few, y_few = data.X_train[:2000], data.y_train[:2000]
run = train(X_few, y_few, chip_settings).run
learned = record_learning_vectors(run, X_few, y_few, 24)
changed = [
    [(now != before).mean() for before, now in pairwise(blocks)]
    for blocks in learned.weights.values()
]
for name, fractions in zip(learned.weights, changed, strict=True):
    print(f"{name}: {np.mean(fractions):.2%} of the latent weights change in an update")
print(f"unstable neurons in a sample: {learned.unstable.sum(axis=1).mean():.1f} of 16")

# %%
folder = Path(tempfile.mkdtemp()) / "learning"
network = run.relaxable()
write_memory_images(
    folder, network, record_golden_vectors(network, data.X_test[:4]),
    learning=make_learning_image(run, learned), learning_files=learned.to_files(),
)  # fmt: skip
run_checker(folder)

# %% [markdown]
# ## A circuit (optional: `pip install 'binnet[hdl]'`)
# `Core` computes P neurons at once, and this one learns. Amaranth's simulator plays words into it
# that let it learn four samples; what comes out is compared with the model's answers, weights after
# the update included. `binnet export --format verilog --learning 24` writes the same as Verilog,
# beside the image.

# %%
_, learning, latent, registers = take_images(read_memory_images(folder))
design = design_core(network, 8, learning=learning)
contents = fill_memories(design, network, latent, registers)
short = record_learning_vectors(run, X_few, y_few, 4)
stimulus = play_vectors(design, short)
print(f"{len(stimulus)} words in; {design.accumulator_bits}-bit sums")
if find_spec("amaranth"):
    from binnet.chips.equivalence import compare_core

    n_words, cycles = compare_core(design, contents, stimulus)
    print(f"{n_words} words out of the circuit, as from the model; {cycles} clock cycles")
else:
    print("Amaranth is not installed: skipped")

# %% [markdown]
# ## A file for other tools (optional: `pip install 'binnet[hardware]'`)
# NIR, the Neuromorphic Intermediate Representation, takes the network as a recurrent graph.

# %%
if find_spec("nir"):
    from binnet.hardware.nir_export import write_nir
    from binnet.hardware.nir_import import read_nir

    graph = write_nir(folder / "network.nir", four_bits)
    back = read_nir(folder / "network.nir")
    assert np.array_equal(back.couplings, four_bits.couplings)
    print("edges:", ", ".join(f"{a} -> {b}" for a, b in graph.edges))
else:
    print("nir is not installed: skipped")
