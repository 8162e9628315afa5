"""What a training sample costs: items are counts of a plain loop, energies sums by hand."""

import json
from typing import Any

import numpy as np
import pytest

import hardware_cases as cases
from binnet import FeedbackSchedule
from binnet.hardware import CostReport, LearningDesign, format_cost, report_cost
from binnet.hardware.cost_items import CostItem
from binnet.hardware.cost_learning import ITEMS
from binnet.hardware.published import PUBLISHED_CHIPS
from binnet.networks import QuantizedNetwork
from library_cases import draw_spins
from test_hardware_cost import TABLE

H, N, C = cases.N_HIDDEN, cases.N_INPUTS, cases.N_OUTPUTS
X = draw_spins(10, N, 5)
Y = np.arange(10) % C
SCHEDULE = FeedbackSchedule(1, 3, 3)
ROWS = {"couplings": (0, H, H - 1), "input_weights": (0, N, N), "readout": (1, H, H)}


def make_design(**options: Any) -> LearningDesign:
    return LearningDesign(X, Y, **({"schedule": SCHEDULE, "batch_size": 4} | options))


class Counter(dict):
    """Counts by (item, what): operations, words, and bits, draws and changes of blocks."""

    def add(self, item: str, what: str, n: float = 1.0) -> None:
        self[item, what] = self.get((item, what), 0.0) + n


def relax_sample(
    network: QuantizedNetwork,
    x: np.ndarray,
    label: int,
    amplitudes: np.ndarray,
    dense: bool,
    lanes: int,
    counter: Counter,
) -> tuple[np.ndarray, np.ndarray]:
    """Follow one relaxation and its tests; return which neurons and readouts learn."""
    formats = network.formats
    J, W = (w.astype(int) for w in (network.couplings, network.input_weights))
    groups = range(0, H, lanes)

    def send(item: str, senders: Any) -> None:
        for _ in senders:
            counter.add(item, "couplings", H - 1)
            for _ in groups:
                counter.add(item, "words")

    def steer() -> None:
        counter.add("feedback", "feedback", H)
        for _ in groups:
            counter.add("feedback", "words")

    for _ in range(N):
        counter.add("inputs", "input_weights", H)
        for _ in groups:
            counter.add("inputs", "words")
    s = np.zeros(H, int)
    sent = s  # states that an event-driven design has sent
    before, rests = 0.0, False
    for t, a in enumerate(amplitudes):
        if a != before:
            rests = False
            if not dense:
                steer()
        before = a
        if rests:
            continue
        if dense and a:
            steer()
        if dense:
            send("relaxation", range(H) if t > 0 else ())
        else:
            send("relaxation", np.flatnonzero(s != sent))
            sent = s
        h = (J @ s << formats.coupling_shift) + network.self_coupling * s
        h = h + (W @ x << formats.input_shift) + int(a) * network.feedback_fields[label]
        counter.add("comparisons", "plain", H)
        new = np.where(h >= 0, 1, -1)
        rests = np.array_equal(new, s)
        s = new
    if before and not dense:
        steer()
    send("stability", range(H) if dense else np.flatnonzero(s != sent))
    h = (J @ s << formats.coupling_shift) + network.self_coupling * s
    h = h + (W @ x << formats.input_shift)
    counter.add("comparisons", "plain", H + C)
    counter.add("readout", "readout", C * H)
    for _ in range(0, C, lanes):
        counter.add("readout", "words", H)
    y = np.where(np.arange(C) == label, 1, -1)
    wrong = y * (network.readout.astype(int) @ s) <= network.readout_margin
    return s * h <= network.margin, wrong


def is_struck(n: int, chance: float) -> float:
    """Return the probability that at least one of n events counts."""
    missed = 1.0
    for _ in range(n):
        missed *= 1.0 - chance
    return 1.0 - missed


def count_by_hand(
    network: QuantizedNetwork, design: LearningDesign, dense: bool, lanes: int
) -> tuple[Counter, Counter]:
    """Return the counts of all samples, and of decays; where events are drawn, their means."""
    counter, decays = Counter(), Counter()
    learned = [
        relax_sample(network, x, int(y), design.schedule.amplitudes, dense, lanes, counter)
        for x, y in zip(X, Y, strict=True)
    ]
    for number, first in enumerate(range(0, len(X), design.batch_size)):
        batch = learned[first : first + design.batch_size]
        for (name, (which, words, weights)), k, decay in zip(
            ROWS.items(), design.exponents, design.decays, strict=True
        ):
            if k is None:
                continue
            who = np.array([pair[which] for pair in batch]).astype(int)
            if dense:
                who[:] = 1
            whole = design.rounding == "per-event"
            chance = 0.5**k if whole and k > 0 and not dense else 1.0
            for i in range(who.shape[1]):
                n = int(who[:, i].sum())
                counter.add("events", name, n * chance * weights)
                counter.add("updates", name, is_struck(n, chance) * weights)
                if k > 0 and design.rounding == "per-weight":
                    counter.add("updates", "draws", is_struck(n, 1.0) * words)
                if k > 0 and whole:
                    counter.add("updates", "draws", n)
            for g in range(0, who.shape[1], lanes):
                struck = is_struck(int(who[:, g : g + lanes].sum()), chance)
                counter.add("updates", "words", 2 * words * struck)
            if decay and number == 0:
                decays.add("decay", name, who.shape[1] * weights)
                drawn = design.rounding != "nearest"
                decays.add("decay", "draws", who.shape[1] * words * drawn)
                decays.add("decay", "words", 2 * words * len(range(0, who.shape[1], lanes)))
    return counter, decays


def price(
    name: str, counter: Counter, network: QuantizedNetwork, design: LearningDesign, stored: int
) -> CostItem:
    """Turn the counts of an item into bits and picojoules, with the figures of the table."""
    largest = int(abs(network.feedback_fields).max())
    width = next(b for b in range(2, 33) if largest < 2 ** (b - 1))
    sizes = {"couplings": H * H, "input_weights": H * N, "readout": C * H}
    bits = dict.fromkeys(sizes, stored) | {"feedback": width}
    memories = {block: size * stored for block, size in sizes.items()} | {"feedback": C * H * width}
    total: dict[str, float] = dict.fromkeys(("ops", "read", "written", "energy"), 0.0)
    for (item, what), n in counter.items():
        if item != name or what in ("words", "draws"):
            continue
        total["ops"] += n
        if name == "events":
            total["energy"] += n * 5
            continue
        rewritten = name in ("updates", "decay")
        total["energy"] += n * ((5 if stored <= 8 else 7) if rewritten else 2)
        if what != "plain":
            access = 11 if memories[what] <= 409.6 else 13
            total["read"] += n * bits[what]
            total["written"] += n * bits[what] * rewritten
            total["energy"] += n * bits[what] * access * (2 if rewritten else 1)
    draws = counter.get((name, "draws"), 0.0)
    total["energy"] += draws * (23 if design.generator == "lfsr" else 8 * 17)
    words = counter.get((name, "words"), 0.0)
    return CostItem(total["ops"], total["read"], total["written"], draws, words, total["energy"])


DESIGNS = {
    "rounded by weight": {"rounding": "per-weight", "generator": "lfsr", "exponents": (2, 1, 0)},
    "counter, latent": {"rounding": "per-weight", "generator": "counter", "exponents": (1, -1, 3)},
    "rounded by event": {"rounding": "per-event", "generator": "lfsr", "exponents": (2, 0, 1)},
    "nearest, frozen": {"rounding": "nearest", "generator": "lfsr", "exponents": (2, None, 1)},
    "single": {"rounding": "per-weight", "generator": "lfsr", "exponents": (1, 1, 1),
               "batch_size": 1},
    "cut short": {"schedule": FeedbackSchedule(1, 2, 0)},  # neurons still flip, under feedback
}  # fmt: skip


def make_report(network: QuantizedNetwork, design: LearningDesign, **options: Any) -> CostReport:
    return report_cost(network, X, table=TABLE, design=design, **options)


@pytest.mark.parametrize("lanes", [1, 5])
@pytest.mark.parametrize("name", DESIGNS)
def test_items_are_those_of_a_plain_loop(name: str, lanes: int) -> None:
    network, stored = cases.make_quantized(4), 16 if "latent" in name else 4
    design = make_design(**DESIGNS[name], decays=(True, False, True), decay_period=8)
    report = make_report(network, design, elements=lanes, latent_bits=stored)
    assert report.training is not None
    assert (report.training.event_driven["stability"].operations > 0) == (name == "cut short")
    n_batches = -(-len(X) // design.batch_size)
    for kind in ("dense", "event_driven"):
        found = getattr(report.training, kind)
        assert tuple(found) == (*ITEMS, "total")
        counter, decays = count_by_hand(network, design, kind == "dense", lanes)
        sums = np.zeros(6)
        for item in ITEMS:
            counted, share = (counter, 1.0) if item != "decay" else (decays, n_batches / 8)
            expected = price(item, counted, network, design, stored)
            each = np.array(list(vars(expected).values())) * share / len(X)
            np.testing.assert_allclose(list(vars(found[item]).values()), each, err_msg=item)
            assert item in ("decay", "stability") or found[item].operations > 0
            sums += each
        np.testing.assert_allclose(list(vars(found["total"]).values()), sums)


def test_the_cases_tell_designs_apart() -> None:
    """Samples differ, rest and flip; some neurons learn and some do not."""
    report = make_report(cases.make_quantized(4), make_design(decays=(True,) * 3))
    training = report.training
    assert training is not None
    assert 0.05 < training.unstable < 0.95
    assert 0.05 < training.wrong < 0.95
    assert training.sweeps < SCHEDULE.n_sweeps
    assert training.flips > 0
    assert training.event_driven["relaxation"].energy < training.dense["relaxation"].energy
    assert training.event_driven["updates"].energy < training.dense["updates"].energy


def test_a_neuron_that_learns_twice_in_a_batch_is_written_once() -> None:
    network = cases.make_quantized(4)
    costs = {}
    for size in (1, 10):
        training = make_report(network, make_design(batch_size=size)).training
        assert training is not None
        costs[size] = training.event_driven
    assert costs[10]["events"].operations == costs[1]["events"].operations
    assert costs[10]["updates"].operations < costs[1]["updates"].operations
    assert costs[10]["relaxation"] == costs[1]["relaxation"]


def test_memory_of_a_chip_that_learns() -> None:
    network = cases.make_quantized(4)
    width = int(abs(network.feedback_fields).max()).bit_length() + 1
    weights = 8 * H * (H + N + C)
    for generator, registers in (("lfsr", 16 * (H + C)), ("counter", 0)):
        report = make_report(network, make_design(generator=generator), latent_bits=8)
        assert report.memory_bits == weights // 2
        assert report.learning_memory_bits == weights + C * H * width + registers
    text = format_cost(make_report(network, make_design(generator="lfsr"), latent_bits=8))
    assert "to learn: latent weights 276.0 B, fields of the feedback" in text
    assert "shift registers 30.0 B" in text


def test_a_network_in_floating_point_draws_nothing() -> None:
    network = cases.make_float()
    design = make_design(threshold=0.5, readout_threshold=1.0, decays=(True,) * 3)
    report = report_cost(network, X, table=TABLE, design=design)
    assert report.training is not None
    items = report.training.dense
    assert items["total"].draws == 0
    size = H * (H - 1) + H * N + C * H
    per_sample = 3 / len(X)  # batches
    assert items["updates"].operations == pytest.approx(size * per_sample)
    moved = 2 * 32 * 13  # all blocks lie in the larger memory
    assert items["updates"].energy == pytest.approx(size * per_sample * (3 + 19 + moved))
    assert items["decay"].energy == pytest.approx(size * per_sample * (19 + moved))
    assert report.training.feedback_bits == 32 * C * H


def test_text_and_json_show_each_item() -> None:
    report = make_report(cases.make_quantized(4), make_design(), elements=4)
    record = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    training = report.training
    assert training is not None
    assert record["training"]["dense"]["updates"] == vars(training.dense["updates"])
    assert record["training"]["event_driven"]["total"]["energy"] == pytest.approx(
        training.event_driven["total"].energy
    )
    lines = format_cost(report).splitlines()
    for kind in (training.dense, training.event_driven):
        for name, item in kind.items():
            counts = (item.operations, item.bits_read, item.bits_written, item.draws, item.words)
            row = [name, *(f"{count:,.0f}" for count in counts), f"{item.energy / 1000:,.2f}", "nJ"]
            assert any(line.split()[: len(row)] == row for line in lines), name
    words = training.event_driven["total"].words
    assert any(f"{words:,.0f} cycles" in line for line in lines)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be an integer >= 1, got 0"),
        ({"decay_period": 0}, "decay_period must be an integer >= 1, got 0"),
        ({"rounding": "up"}, "rounding must be .* got 'up'"),
        ({"generator": "dice"}, "generator must be .* got 'dice'"),
        ({"exponents": (1, 2)}, "exponents must have one entry for J, W_in and W_out each"),
    ],
)
def test_bad_designs_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_design(**options)


def test_samples_that_do_not_fit_are_refused() -> None:
    network = cases.make_quantized(4)
    for inputs, labels, message in (
        (X[:0], Y[:0], "learning must hold at least one sample"),
        (X, Y[:-1], "labels must"),
        (X, Y + C, "labels must"),
    ):
        with pytest.raises(ValueError, match=message):
            report_cost(network, X, design=LearningDesign(inputs, labels, SCHEDULE, 4))


def test_published_chips_are_told_apart_from_counts() -> None:
    chips = {chip.name: chip for chip in PUBLISHED_CHIPS}
    assert len(chips) == len(PUBLISHED_CHIPS)
    energies = {name: chip.picojoules_per_operation for name, chip in chips.items()}
    assert energies["ODIN"] == 12.7
    assert energies["ReckOn"] == 5.3
    assert energies["Loihi"] == 23.6
    assert not chips["Loihi"].measured
    assert chips["SPOON"].nanojoules_per_inference == 313
    assert all(chip.source and chip.verified for chip in PUBLISHED_CHIPS)
