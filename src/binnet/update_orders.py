"""The update orders: which neurons are updated in a sweep, and when. One table; all else follows.

What is said of them elsewhere (choices of options, checks, codes of the kernels, which may end in
cycles) is derived from `UPDATE_ORDERS`. docs/model/network.md defines them in sections 2.1 (under
an input) and 9.2 (without).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from binnet._validation import check_choice, check_integer, check_real

Use = Literal["driven", "free", "packed"]


@dataclass(frozen=True)
class UpdateOrder:
    """One way to go through the neurons in a sweep.

    Parameters
    ----------
    name : str
        Name, as users write it.
    code : int
        Its number in the kernels (``binnet_kernels.relaxation.orders``).
    is_random : bool
        Whether a sweep draws random numbers. Orders that draw none can end in a cycle.
    driven : bool
        Whether networks under an input know it (`relax_driven`, training).
    free : bool
        Whether networks without input know it (`relax_free`).
    packed : bool
        Whether networks in integers know it on packed states (`hardware.relax_packed`).
    meaning : str
        What a sweep does, in a few words.
    number : int, optional
        A number of its own, at least 1, that is written after its name and a colon; in the table
        its default. None: the order has none.
    """

    name: str
    code: int
    is_random: bool
    driven: bool
    free: bool
    packed: bool
    meaning: str
    number: int | None = None

    @property
    def text(self) -> str:
        """Name, and number if it has one, as `find_order` reads them."""
        return self.name if self.number is None else f"{self.name}:{self.number}"


# fmt: off
UPDATE_ORDERS = (
    #           name            code random driven free  packed
    UpdateOrder("sync",          0, False, True,  True,  True,  "all neurons at once"),
    UpdateOrder("async",         1, True,  True,  True,  True,
                "one neuron at a time, each once, in a fresh random order"),
    UpdateOrder("async-fixed",   2, False, False, True,  False,
                "one neuron at a time, each once, in the order of the indices"),
    UpdateOrder("greedy",        3, False, False, True,  False,
                "N times the unstable neuron with the largest |h_i|"),
    UpdateOrder("reluctant",     4, False, False, True,  False,
                "N times the unstable neuron with the smallest |h_i|"),
    UpdateOrder("random-subset", 5, True,  True,  True,  False,
                "each unstable neuron with the update probability, at once"),
    UpdateOrder("block-sequential", 6, False, True, True, False,
                "one of n consecutive blocks of neurons after the other, each all at once "
                "(block-sequential:n)", number=2),
)
# fmt: on


def list_orders(use: Use) -> tuple[str, ...]:
    """Return the names of the update orders for a use.

    Parameters
    ----------
    use : {"driven", "free", "packed"}
        Networks under an input, without input, or in integers on packed states.

    Returns
    -------
    tuple of str
        Names, in the order of the table.

    Examples
    --------
    >>> list_orders("packed")
    ('sync', 'async')
    """
    return tuple(order.name for order in UPDATE_ORDERS if getattr(order, use))


def find_order(text: str, use: Use) -> UpdateOrder:
    """Return the update order that a text names, if it is one for this use.

    Parameters
    ----------
    text : str
        Name of the order; one that has a number may have it after a colon.
    use : {"driven", "free", "packed"}
        What it is wanted for, see `list_orders`.

    Returns
    -------
    UpdateOrder
        The order.

    Raises
    ------
    ValueError
        If there is no such order, or not for this use, or its number is not at least 1.

    Examples
    --------
    >>> find_order("greedy", "free").is_random
    False
    """
    name, colon, number = str(text).partition(":")
    if name not in list_orders(use):
        check_choice("update_order", text, list_orders(use))
    order = next(order for order in UPDATE_ORDERS if order.name == name)
    if not colon:
        return order
    if order.number is None:
        raise ValueError(f"update_order {name} has no number of its own, got {text!r}")
    if not number.isdecimal():
        raise ValueError(
            f"update_order {name} takes an integer >= 1 after the colon, got {text!r}; "
            f"write {order.text}"
        )
    return replace(
        order, number=check_integer(f"the number of update_order {name}", int(number), 1)
    )


def check_probability(order: UpdateOrder, update_probability: float) -> float:
    """Return the probability with which a sweep updates a neuron: 1 but for random-subset.

    Parameters
    ----------
    order : UpdateOrder
        The order.
    update_probability : float
        What the user asked for, in (0, 1].

    Returns
    -------
    float
        The probability, or 1 for an order that leaves none out.

    Raises
    ------
    TypeError, ValueError
        If it is not in its range.
    """
    probability = check_real("update_probability", update_probability, 0.0, 1.0, above=True)
    return probability if order.name == "random-subset" else 1.0


def describe_orders(use: Use) -> str:
    """Return what a sweep of each order does, as one sentence for the help of an option.

    Parameters
    ----------
    use : {"driven", "free", "packed"}
        Whose orders, see `list_orders`.

    Returns
    -------
    str
        Names and meanings.
    """
    return "; ".join(f"{order.name}: {order.meaning}" for order in UPDATE_ORDERS
                     if getattr(order, use))  # fmt: skip
