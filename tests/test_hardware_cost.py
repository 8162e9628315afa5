"""Costs are the counts of a plain loop, energies a calculation by hand; bad tables are refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import tomli_w

import hardware_cases as cases
from binnet import relax
from binnet.hardware import quantize
from binnet.hardware.cost import LearningEvents, report_cost
from binnet.hardware.cost_text import format_cost
from binnet.hardware.energy import TABLES, EnergyTable, find_table
from binnet.networks import QuantizedNetwork
from library_cases import draw_spins

H, N, C = cases.N_HIDDEN, cases.N_INPUTS, cases.N_OUTPUTS
X = draw_spins(40, N, 5)
# Round figures, one prime factor each, so that every product can be told from the others.
TABLE = EnergyTable(
    accumulate=2.0,
    accumulate_float=3.0,
    update_8_bits=5.0,
    update_32_bits=7.0,
    multiply=17.0,
    multiply_float=19.0,
    register_step=23.0,
    access_bits=1.0,
    memory_kib=(0.05, 1.0),  # 409.6 bits, 8192 bits
    access=(11.0, 13.0),
    source="primes",
    process_nm=1.0,
)


def count_by_hand(network: QuantizedNetwork, max_sweeps: int) -> dict[str, float]:
    """Follow each relaxation from silence, and count what each design does in the couplings."""
    formats = network.formats
    J, W = (w.astype(int) for w in (network.couplings, network.input_weights))
    dense = events = flips = sweeps = 0
    for x in X:
        s = np.zeros(H, int)
        sent = np.zeros(H, int)  # states that the event-driven design has sent so far
        kept = np.zeros(H, int)  # its fields
        for t in range(max_sweeps):
            for j in np.flatnonzero(s != sent):
                kept += J[:, j] * (s[j] - sent[j])
                events += H - 1
            sent = s
            if t > 0:
                dense += H * (H - 1)
            assert np.array_equal(kept, J @ s)
            h = (kept << formats.coupling_shift) + network.self_coupling * s
            new = np.where(h + ((W @ x) << formats.input_shift) >= 0, 1, -1)
            flips += int((new != s).sum()) if t > 0 else 0
            sweeps += 1
            settled = np.array_equal(new, s)
            s = new
            if settled:
                break
    n = len(X)
    return {"dense": dense / n, "events": events / n, "flips": flips / n, "sweeps": sweeps / n}


@pytest.mark.parametrize("max_sweeps", [1, 2, 10])
def test_operations_are_those_of_a_plain_loop(max_sweeps: int) -> None:
    network = cases.make_quantized(4)
    report = report_cost(network, X, max_sweeps=max_sweeps)
    expected = count_by_hand(network, max_sweeps)
    assert report.sweeps == pytest.approx(expected["sweeps"])
    assert report.flips == pytest.approx(expected["flips"])
    assert report.dense.couplings == pytest.approx(expected["dense"])
    assert report.event_driven.couplings == pytest.approx(expected["events"])
    for design in (report.dense, report.event_driven):
        assert design.input_weights == H * N
        assert design.readout == C * H
        assert design.total == design.couplings + H * N + C * H
        assert design.per_update == pytest.approx(design.total / (H * report.sweeps + C))
    assert max_sweeps < 3 or report.event_driven.couplings < report.dense.couplings


def test_a_float_network_is_counted_as_it_relaxes() -> None:
    network = cases.make_float(np.float64)
    report = report_cost(network, X)
    result = relax(network, X, stop_at_cycle=False)
    assert report.sweeps == pytest.approx(result.sweeps.mean())
    assert report.dense.couplings == pytest.approx((result.sweeps.mean() - 1) * H * (H - 1))
    assert {block.bits for block in report.blocks.values()} == {32}


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_memory(bits: int) -> None:
    report = report_cost(cases.make_quantized(bits), X)
    memory = {name: block.memory_bits for name, block in report.blocks.items()}
    assert memory == {
        "couplings": H * H * bits, "input_weights": H * N * bits,
        "readout": C * H * bits, "feedback": H * C * bits,
    }  # fmt: skip
    assert report.memory_bits == bits * H * (H + N + C)
    assert report.blocks["couplings"].weights == H * (H - 1)


def test_latent_weights_are_stored_whole_and_read_in_part() -> None:
    events = LearningEvents(samples=10, hidden=5, readout=5)
    network = cases.make_quantized(4)
    report = report_cost(network, X, table=TABLE, learning=events, latent_bits=8)
    narrow = report_cost(network, X, table=TABLE, learning=events)
    assert report.memory_bits == narrow.memory_bits == narrow.learning_memory_bits
    assert report.learning_memory_bits == 2 * report.memory_bits == 8 * H * (H + N + C)
    assert report.blocks["feedback"].learning_memory_bits == H * C * 4
    assert report.blocks["couplings"].bits == 4
    assert report.dense == narrow.dense  # a chip that infers holds what fields read
    # Twice the memory: W_in (768 bits) now lies in the larger one, too; W_out (288) does not.
    access = {"couplings": 13, "input_weights": 13, "readout": 11}
    assert report.learning is not None
    written = sum(report.blocks[name].weights * (5 + 2 * 8 * access[name]) for name in access)
    assert report.learning.dense_energy == pytest.approx(written)
    lines = [line.split() for line in format_cost(report).splitlines()]
    assert ["couplings", "12", "x", "12", "4", "of", "8", "72.0", "B", "-", "5.0"] in lines
    assert ["to", "infer", "138.0", "B"] in lines
    assert ["to", "learn", "276.0", "B"] in lines


def test_latent_bits_of_each_block() -> None:
    network, bits = cases.make_quantized(4), {"couplings": 4, "input_weights": 8, "readout": 16}
    report = report_cost(network, X, latent_bits=bits)
    stored = {name: block.latent_bits for name, block in report.blocks.items()}
    assert stored == {**bits, "feedback": 4}
    assert report.learning_memory_bits == H * (4 * H + 8 * N + 16 * C)


@pytest.mark.parametrize("elements", [1, 5, H])
def test_words_are_those_of_a_walk(elements: int) -> None:
    report = report_cost(cases.make_quantized(4), X, elements=elements)
    groups, readouts = range(0, H, elements), range(0, C, elements)
    for ops in (report.dense, report.event_driven):
        sent = ops.couplings / (H - 1)  # by neurons, each to all others
        words = sum(sent + N for _ in groups) + sum(H for _ in readouts)
        assert ops.words == pytest.approx(words)
        assert ops.bits_read == pytest.approx(4 * ops.total)
        assert ops.energy_per_operation == pytest.approx(ops.energy / ops.total)
    text = format_cost(report, frequency=50.0)
    assert f"{report.dense.words:,.0f} cycles, {report.dense.words / 50:,.1f} us" in text
    assert "cycles" not in format_cost(report_cost(cases.make_quantized(4), X))


def test_a_file_without_a_record_of_saturation_says_so() -> None:
    network, quantization = quantize(cases.make_float(), 4)
    saturated = {name: block.saturated for name, block in quantization.blocks.items()}
    reason = "a network file does not say what its rounding or training cut"
    assert reason in format_cost(report_cost(network, X))
    assert reason not in format_cost(report_cost(network, X, saturation_events=saturated))
    assert reason not in format_cost(report_cost(cases.make_float(), X))


def test_energy_by_hand() -> None:
    report = report_cost(cases.make_quantized(4), X, table=TABLE)
    updates = H * report.sweeps + C
    # 4 bits a weight; J (576 bits) lies in the larger memory, W_in (384) and W_out in the smaller.
    for design in (report.dense, report.event_driven):
        expected = (
            updates * 2
            + design.couplings * (2 + 4 * 13)
            + H * N * (2 + 4 * 11)
            + C * H * (2 + 4 * 11)
        )
        assert design.energy == pytest.approx(expected)
    report = report_cost(cases.make_float(), X, table=TABLE)
    updates = H * report.sweeps + C
    assert report.dense.energy == pytest.approx(updates * 3 + report.dense.total * (3 + 32 * 13))


@pytest.mark.parametrize(("bits", "change"), [(4, 5.0), (16, 7.0)])
def test_learning_by_hand(bits: int, change: float) -> None:
    events = LearningEvents(samples=200, hidden=50, readout=20)
    report = report_cost(cases.make_quantized(bits), X, table=TABLE, learning=events)
    updates = {name: block.updates_per_synapse for name, block in report.blocks.items()}
    assert updates == {"couplings": 50, "input_weights": 50, "readout": 20, "feedback": 0}
    cost = report.learning
    assert cost is not None
    hidden, readout = H * (H - 1) + H * N, C * H
    assert cost.dense_updates == hidden + readout
    assert cost.event_driven_updates == pytest.approx(hidden / 4 + readout / 10)
    access = {
        name: TABLE.access_per_bit(block.memory_bits) for name, block in report.blocks.items()
    }
    energies = {
        name: report.blocks[name].weights * (change + 2 * bits * access[name])
        for name in ("couplings", "input_weights", "readout")
    }
    assert cost.dense_energy == pytest.approx(sum(energies.values()))
    assert cost.event_driven_energy == pytest.approx(
        (energies["couplings"] + energies["input_weights"]) / 4 + energies["readout"] / 10
    )


def test_saturation_events_are_shown() -> None:
    network, quantization = quantize(cases.make_float(), 2)
    saturated = {name: block.saturated for name, block in quantization.blocks.items()}
    assert saturated["couplings"] > 0
    report = report_cost(network, X, saturation_events=saturated)
    assert {name: block.saturation_events for name, block in report.blocks.items()} == saturated


def test_the_default_energies_are_the_published_ones() -> None:
    table = EnergyTable()
    assert (table.accumulate, table.accumulate_float, table.process_nm) == (0.1, 0.9, 45)
    # 64 bits from 8 KB: 10 pJ; 32 KB: 20 pJ; 1 MB and more: 100 pJ.
    kib = 8 * 1024
    for size, energy in ((1, 10), (8, 10), (9, 20), (32, 20), (33, 100), (1024, 100), (5000, 100)):
        assert 64 * table.access_per_bit(size * kib) == pytest.approx(energy)


def test_json_and_text() -> None:
    events = LearningEvents(samples=200, hidden=50, readout=20)
    report = report_cost(cases.make_quantized(4), X, table=TABLE, learning=events)
    record = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert record["blocks"]["couplings"]["memory_bits"] == 576
    assert record["dense"]["total"] == report.dense.total
    assert record["memory_bits"] == report.memory_bits
    assert EnergyTable(**record["table"]) == TABLE
    text = format_cost(report)
    assert "couplings          12 x 12       4      72.0 B          -      50.0" in text
    assert f"{report.event_driven.energy / 1000:,.2f} nJ" in text
    assert "primes, 1 nm" in text
    assert "updates of the weights alone, without the relaxation" in text
    assert f"{report.dense.energy_per_operation:.2f}" in text
    assert "learning" not in format_cost(report_cost(cases.make_quantized(4), X))


def test_the_text_says_what_is_not_counted() -> None:
    text = format_cost(report_cost(cases.make_quantized(4), X))
    assert "not counted: clock, wires, control, leakage, input and output of the chip" in text
    assert "docs/results/published_chips.md" in text


def test_the_built_in_tables() -> None:
    """Jouppi et al., ISCA 2021, Table 2, and Horowitz's."""
    assert find_table("45nm") == EnergyTable() == TABLES["45nm"]
    newer = find_table("7nm")
    assert (newer.update_8_bits, newer.accumulate, newer.accumulate_float) == (0.007, 0.03, 0.38)
    assert (newer.multiply, newer.multiply_float, newer.process_nm) == (1.48, 1.31, 7)
    for size, energy in ((8, 7.5), (32, 8.5), (1024, 14)):
        assert 64 * newer.access_per_bit(size * 8 * 1024) == pytest.approx(energy)
    for table in TABLES.values():  # a step of a register lies on the line from 8 to 32 bits
        line = table.update_8_bits + (table.update_32_bits - table.update_8_bits) * 8 / 24
        assert table.register_step == pytest.approx(line, abs=0.0005)
        assert table.draw("lfsr") == table.register_step
        assert table.draw("counter") == 8 * table.multiply
    with pytest.raises(FileNotFoundError, match="no energy table 5nm; name 45nm or 7nm, or a TOML"):
        find_table("5nm")


def test_a_table_comes_back_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "energy.toml"
    path.write_text(tomli_w.dumps(TABLE.to_dict()))
    assert EnergyTable.from_toml(path) == TABLE
    assert find_table(path) == find_table(str(path)) == TABLE
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())  # a byte-order mark
    assert EnergyTable.from_toml(path) == TABLE


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"accumulate": None}, ValueError, "lacks accumulate; it needs every one of accumulate, "),
        ({"accumulate": -1.0}, ValueError, r"energy\.toml: accumulate must be .* >= 0, got -1"),
        ({"accumulate": "low"}, TypeError, "accumulate must be a finite number >= 0, got 'low'"),
        ({"process_nm": 0}, ValueError, "process_nm must be a finite number > 0, got 0"),
        ({"access": [1.0, -2.0]}, ValueError, r"access\[1\] must be .* >= 0, got -2"),
        ({"access": [1.0]}, ValueError, "one energy for each of the 2 memory_kib, got 1"),
        ({"access": 3.0}, TypeError, "access must be a list of numbers, got 3.0"),
        ({"memory_kib": []}, ValueError, "memory_kib must be ascending sizes, at least one"),
        ({"memory_kib": [8, 8]}, ValueError, "memory_kib must be ascending sizes"),
        ({"process_nm": 10**400}, ValueError, r"energy\.toml: process_nm must be a finite number"),
        (
            {"access": [1, 10**400]},
            ValueError,
            r"energy\.toml: access\[1\] must be a finite number",
        ),
        ({"source": 3}, TypeError, "source must be a string"),
        ({"divide": 0.2}, ValueError, "unknown entry 'divide'; known are accumulate"),
        (  # a file of before learning was counted
            {"multiply": None, "multiply_float": None, "register_step": None},
            ValueError,
            "lacks multiply, multiply_float, register_step; .* or those of `binnet hardware report",
        ),
    ],
)
def test_bad_tables_are_refused(
    change: dict, error: type[Exception], message: str, tmp_path: Path
) -> None:
    entries = {**TABLE.to_dict(), **change}
    path = tmp_path / "energy.toml"
    path.write_text(tomli_w.dumps({k: v for k, v in entries.items() if v is not None}))
    with pytest.raises(error, match=message):
        EnergyTable.from_toml(path)


def test_bad_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="there is no energy table"):
        EnergyTable.from_toml(tmp_path / "a.toml")
    (tmp_path / "a.toml").write_text("accumulate = ")
    with pytest.raises(ValueError, match="is not TOML"):
        EnergyTable.from_toml(tmp_path / "a.toml")


def test_bad_arguments_are_refused() -> None:
    network = cases.make_quantized(4)
    with pytest.raises(ValueError, match="at least one sample"):
        report_cost(network, X[:0])
    with pytest.raises(ValueError, match="max_sweeps must be an integer >= 1"):
        report_cost(network, X, max_sweeps=0)
    for elements in (0, H + 1):
        with pytest.raises(ValueError, match=f"elements must be .*{H}, got {elements}"):
            report_cost(network, X, elements=elements)
    with pytest.raises(ValueError, match="inputs must have shape"):
        report_cost(network, X[:, :-1])
    with pytest.raises(ValueError, match="samples must be a finite number > 0"):
        LearningEvents(0, 0, 0)
    with pytest.raises(ValueError, match=r"hidden must be .* <= 10, got 11"):
        LearningEvents(10, 11, 0)
