"""Operands made as wide as their operators, in a circuit's text for Yosys (RTLIL).

Amaranth leaves it to each operator to extend its operands, as Verilog does; a linter takes that for
an accident. Here every extension and every bit that is cut off is written out, results are as wide
as the bits of them that are used, and each case statement says that nothing else happens by default.
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
_PURE = _MODULAR | _COMPARISONS | {"$shr", "$sshr", "$logic_not"} | {
    f"$reduce_{name}" for name in ("and", "or", "xor", "bool")
}
_CELL = re.compile(r"(  cell (\$\w+) \S+\n)((?:    .*\n)*    connect \\Y .*\n)(  end\n)")
_WIRE = re.compile(r"(?m)^(  wire width )(\d+)( (?:.* )?)(\S+)\n")
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
    return _REPEATED.sub(lambda m: f"{{{m[0].count(',')}{{{m[1].strip()}}}}}, ", text)


def _rewrite_module(text: str) -> str:
    while True:  # a result of fewer bits needs less of what it is made of
        widths = {m[4]: int(m[2]) for m in _WIRE.finditer(text)}
        used = _count_used_bits(text, widths)
        is_dead = {name for name, bits in used.items() if not bits}
        widths |= {name: bits for name, bits in used.items() if bits and name[0] == "$"}
        rewritten = _WIRE.sub(
            lambda m: "" if m[4] in is_dead else f"{m[1]}{widths[m[4]]}{m[3]}{m[4]}\n", text
        )
        rewritten = _CELL.sub(
            lambda m: "" if _get(m[3], "Y") in is_dead else _rewrite_cell(m, widths), rewritten
        )
        rewritten = _ALIAS.sub(lambda m: "" if m[1] in is_dead else m[0], rewritten)
        if rewritten == text:
            return text
        text = rewritten


def _count_used_bits(text: str, widths: dict[str, int]) -> dict[str, int]:
    """Return how many bits are used of each result that may be narrower, or go, and each alias."""
    used = {m[1]: 0 for m in _ALIAS.finditer(text)}
    used |= {_get(m[3], "Y"): 0 for m in _CELL.finditer(text) if m[2] in _PURE}
    ports = {m[4] for m in _WIRE.finditer(text) if "put " in m[3]}
    whole = {_get(m[3], "Y") for m in _CELL.finditer(text) if m[2] not in _MODULAR} | ports
    for line in text.split("\n"):
        if line.startswith(("  wire ", "    connect \\Y ")):
            continue
        alias = _ALIAS.match(line + "\n")
        for part in _PART.finditer(line if alias is None else alias[2]):
            name = part["name"]
            if name in used:
                high = part["range"].split(":")[0] if part["range"] else widths[name] - 1
                used[name] = max(used[name], int(high) + 1)
    return {
        name: widths[name] if name in ports or (bits and name in whole) else bits
        for name, bits in used.items()
    }


def _rewrite_cell(cell: re.Match[str], widths: dict[str, int]) -> str:
    head, kind, body, end = cell.groups()
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
        if isinstance(bits[first], str):
            while end < len(bits) and isinstance(bits[end], str):
                end += 1
            yield f"{end - first}'" + "".join(str(bit) for bit in reversed(bits[first:end]))
        else:
            name, low = bits[first]
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
