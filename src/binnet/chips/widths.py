"""Operands made as wide as their operators, in a circuit's text for Yosys (RTLIL).

Amaranth leaves it to each operator to extend its operands, as Verilog does; a linter takes that for
an accident. Here every extension and every bit that is cut off is written out, results are as wide
as the bits of them that are used, and each case statement says what it does by default: nothing.
The circuit stays the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

# A bit of a circuit: a constant "0", "1" or "x", or a wire's name and the bit's place.
Bit = str | tuple[str, int]
Bits = list[Bit]  # the lowest first

# The lowest bits of their results depend on as many bits of the operands alone.
_MODULAR = {"$add", "$sub", "$mul", "$and", "$or", "$xor", "$xnor", "$neg", "$not", "$shl", "$mux"}
_COMPARISONS = {"$eq", "$ne", "$lt", "$le", "$gt", "$ge"}
_CELL = re.compile(r"(  cell (\$\w+) \S+\n)((?:    .*\n)*    connect \\Y .*\n)(  end\n)")
_WIRE = re.compile(r"(?m)^(  wire width )(\d+)( (?:.* )?)(\S+)\n")
_TRIGGER = r"\\\$auto\$verilog_backend\S+\s+"
_REPEATED = re.compile(r"(?<=[{ ])((?:\\\S+ |\w+)(?: ?\[\d+\])?), (?:\1, )+")
_ALIAS = re.compile(r"(?m)^connect (\S+)( .*)\n")
_PART = re.compile(r"\d+'(?P<digits>[01xz]*)|(?P<name>[\\$][^\s\[]\S*)(?: \[(?P<range>[\d:]+)\])?")
_PARAMETER = r"(    parameter \\{} )\S+"
_CONNECTION = r"(?m)^    connect \\{} (.*)$"


def make_widths_equal(text: str) -> str:
    """Return a circuit whose operators have operands and results of one width.

    Parameters
    ----------
    text : str
        RTLIL, as Amaranth writes it.

    Returns
    -------
    str
        RTLIL of the same circuit.
    """
    modules = re.split(r"(?m)^(?=module )", text)
    return modules[0] + "".join(_rewrite_module(module) for module in modules[1:])


def tidy_verilog(text: str) -> str:
    """Return Verilog in which each case statement has a default, and repeated bits are counted.

    Parameters
    ----------
    text : str
        Verilog, as Yosys writes it.

    Returns
    -------
    str
        The same, with defaults in which nothing happens.
    """
    text = "\n".join(_add_defaults(text.split("\n")))
    # Yosys has blocks wait for a register that is set before they wait, in some simulators. As the
    # reset changes, all look.
    text = re.sub(rf"(?m)^  reg {_TRIGGER} = .*\n", "", text)
    text = re.sub(rf"(?m)^    if \({_TRIGGER}\) begin end$", "    if (rst) begin end", text)
    return _REPEATED.sub(lambda m: f"{{{m[0].count(',')}{{{m[1]}}}}}, ", text)


def _rewrite_module(text: str) -> str:
    items = _drop_dead(text.rstrip("\n").split("\n"))
    text = "\n".join(items) + "\n"
    while True:  # a result of fewer bits needs less of what it is made of
        widths = {m[4]: int(m[2]) for m in _WIRE.finditer(text)}
        widths |= _count_used_bits(text, widths)
        rewritten = _rewrite(text, widths)
        if rewritten == text:
            return text + "\n"
        text = rewritten


def _rewrite(text: str, widths: dict[str, int]) -> str:
    """Return the text with these widths of its wires, and operators that are as wide."""
    text = _WIRE.sub(lambda m: f"{m[1]}{widths[m[4]]}{m[3]}{m[4]}\n", text)
    return _CELL.sub(lambda m: _rewrite_cell(m, widths), text)


def _drop_dead(lines: list[str]) -> list[str]:
    """Return the lines without wires, operators, processes and registers that lead nowhere."""
    items = list(_split_items(lines))
    driven: dict[str, list[int]] = {}  # wires, and the items that drive them
    needed: list[set[str]] = []
    alive = set()
    for number, item in enumerate(items):
        wire = _WIRE.match(item[-1] + "\n")
        outputs, inputs = _find_wires(item)
        if wire is not None and " output " in wire[3]:
            inputs = {wire[4]}
        needed.append(inputs)
        for name in outputs:
            driven.setdefault(name, []).append(number)
        # All else is there for its own sake: memories, what is written to them.
        if not outputs and (wire is None or inputs):
            alive.add(number)
    waiting = list(alive)
    while waiting:
        for name in needed[waiting.pop()]:
            new = set(driven.get(name, ())) - alive
            alive |= new
            waiting += new
    wires = {name for number in alive for name in needed[number]}
    wires |= {name for name, numbers in driven.items() if alive.intersection(numbers)}
    kept = []
    for number, item in enumerate(items):
        wire = _WIRE.match(item[-1] + "\n")
        if (wire[4] in wires or " input " in wire[3]) if wire is not None else number in alive:
            kept += item
    return kept


def _split_items(lines: list[str]) -> Iterator[list[str]]:
    """Yield attributes with what they belong to, and cells and processes as a whole."""
    item: list[str] = []
    for line in lines:
        item.append(line)
        is_open = item[0].startswith("  attribute") and line.startswith("  attribute")
        block = next((entry for entry in item if entry.startswith(("  cell ", "  process "))), None)
        if is_open or (block is not None and line != "  end"):
            continue
        yield item
        item = []
    if item:
        yield item


def _find_wires(item: list[str]) -> tuple[set[str], set[str]]:
    """Return the wires that an item drives, and those that it reads."""
    outputs: set[str] = set()
    inputs: set[str] = set()
    head = _get_head(item)
    ports = ("DATA",) if head.startswith("  cell $memrd") else ("Y", "Q")
    driving = tuple(f"    connect \\{port} " for port in ports)
    for line in item:
        if line == head and not line.startswith("connect "):
            continue
        if line.lstrip().startswith(("attribute", "parameter")):
            continue
        names = [part["name"] for part in _PART.finditer(line) if part["name"]]
        if line.startswith("    connect "):  # the port comes first
            (outputs if line.startswith(driving) else inputs).update(names[1:])
        elif line.lstrip().startswith(("assign ", "connect ")):
            outputs.add(names[0])
            inputs.update(names[1:])
        else:
            inputs.update(names)
    return outputs, inputs


def _get_head(item: list[str]) -> str:
    return next((line for line in item if not line.startswith("  attribute")), item[0])


def _count_used_bits(text: str, widths: dict[str, int]) -> dict[str, int]:
    """Return how many bits are used of each result that may be narrower."""
    used = {_get(m[3], "Y"): 0 for m in _CELL.finditer(text) if m[2] in _MODULAR}
    for line in text.split("\n"):
        if line.startswith(("  wire ", "    connect \\Y ")):
            continue
        for part in _PART.finditer(line):
            name = part["name"]
            if name in used:
                high = part["range"].split(":")[0] if part["range"] else widths[name] - 1
                used[name] = max(used[name], int(high) + 1)
    return {name: bits for name, bits in used.items() if name[0] == "$" and bits}


def _rewrite_cell(cell: re.Match[str], widths: dict[str, int]) -> str:
    head, kind, body, end = cell.groups()
    if kind in ("$shr", "$shift") and "parameter \\Y_WIDTH 1\n" in body:
        return _select(head, body, widths) + end
    if kind not in _MODULAR | _COMPARISONS:
        return cell[0]
    operands = {port: _read(_get(body, port), widths) for port in "AB" if f"\\{port} " in body}
    result = _read(_get(body, "Y"), widths)
    width = len(result)
    if kind in _COMPARISONS:
        width = max(1, *(len(bits) for bits in operands.values()))
    if kind == "$shl":
        del operands["B"]
    is_signed = kind != "$mux" and all(
        re.search(rf"parameter \\{port}_SIGNED 1", body) for port in operands
    )
    for port, bits in operands.items():
        body = _put(body, port, _write(_resize(bits, width, is_signed)))
        body = re.sub(_PARAMETER.format(f"{port}_WIDTH"), rf"\g<1>{width}", body)
        if kind in _MODULAR:  # with all extended, signs say nothing
            body = re.sub(_PARAMETER.format(f"{port}_SIGNED"), r"\g<1>0", body)
    body = re.sub(_PARAMETER.format("Y_WIDTH"), rf"\g<1>{len(result)}", body)
    return head + re.sub(_PARAMETER.format("WIDTH"), rf"\g<1>{width}", body) + end


def _select(head: str, body: str, widths: dict[str, int]) -> str:
    """Return a process in the place of a cell that shifts the bit it wants to the lowest place."""
    bits, places = (_read(_get(body, port), widths) for port in "AB")
    result = _write(_read(_get(body, "Y"), widths))
    lines = [f"  process {head.split()[2]}", f"    assign {result} 1'0"]
    lines.append(f"    switch {_write(places)}")
    for place, bit in enumerate(bits[: 1 << len(places)]):
        lines.append(f"      case {len(places)}'{place:0{len(places)}b}")
        lines.append(f"        assign {result} {_write([bit])}")
    return "\n".join([*lines, "    end", ""])


def _get(body: str, port: str) -> str:
    found = re.search(_CONNECTION.format(port), body)
    assert found is not None
    return found[1]


def _put(body: str, port: str, value: str) -> str:
    return re.sub(_CONNECTION.format(port), lambda _: f"    connect \\{port} {value}", body)


def _read(value: str, widths: dict[str, int]) -> Bits:
    """Return the bits of what is connected; in the text the highest part comes first."""
    bits: Bits = []
    for part in reversed(list(_PART.finditer(value))):
        name = part["name"]
        if name is None:
            bits += reversed(part["digits"])
            continue
        high, _, low = (part["range"] or f"{widths[name] - 1}:0").partition(":")
        bits += ((name, place) for place in range(int(low or high), int(high) + 1))
    return bits


def _resize(bits: Bits, width: int, is_signed: bool) -> Bits:
    sign = bits[-1] if is_signed and bits else "0"
    return [*bits[:width], *([sign] * (width - len(bits)))]


def _write(bits: Bits) -> str:
    parts = list(_join(bits))
    return parts[0] if len(parts) == 1 else "{ " + " ".join(reversed(parts)) + " }"


def _join(bits: Bits) -> Iterator[str]:
    """Yield parts, the lowest first: constants, and bits of one wire that follow on each other."""
    first = 0
    while first < len(bits):
        end = first + 1
        bit = bits[first]
        if isinstance(bit, str):
            while end < len(bits) and isinstance(bits[end], str):
                end += 1
            yield f"{end - first}'" + "".join(str(bit) for bit in reversed(bits[first:end]))
        else:
            name, low = bit
            while end < len(bits) and bits[end] == (name, low + end - first):
                end += 1
            high = low + end - first - 1
            yield f"{name} [{high}:{low}]" if high > low else f"{name} [{low}]"
        first = end


def _add_defaults(lines: Iterable[str]) -> Iterator[str]:
    has_default: list[bool] = []
    for line in lines:
        word = line.strip()
        if word.startswith(("case (", "casez (")):
            has_default.append(False)
        elif word.startswith("default:"):
            has_default[-1] = True
        elif word == "endcase" and not has_default.pop():
            yield line.replace("endcase", "  default: ;")
        yield line
