"""Stochastic rules: an influence matrix of rank one, or one Kronecker product, without a bias.

The influence P (N x N K) of real-time recurrent learning is a random product whose expectation over
the signs drawn is P: of two vectors (UORO, Tallec & Ollivier 2018), or of a row and a matrix
(KF-RTRL, Mujika et al. 2018). The numbers of docs/model/rate.md, section 2: D_t = a I + (1 - a) W_h
diag f'(h_t), z_t = [r_t x_t].

A sign is a function of (key, trial, step, neuron) and of nothing else. The trials of a batch are
taken in groups of `GROUP`, each a piece of work with a gradient of its own: their sum does not
depend on who computes which. No factor depends on the signs of its step, or the expectation would
be another.
"""

from __future__ import annotations

import math

import numpy as np

from binnet_kernels._jit import kernel
from binnet_kernels.lowlevel.rng import derive_key
from binnet_kernels.lowlevel.tiles import make_row_sum
from binnet_kernels.rate.steps import WIDTH

#: Trials whose gradients are added up one after the other.
GROUP = 4
#: The matrix of KF-RTRL has a multiple of this many columns, 0 beyond N.
PANEL = 32
#: Vectors that `add_uoro` and `add_kronecker` need as scratch.
N_VECTORS = 6
_ROWS = 4
_sum_row = make_row_sum(1, WIDTH)
_sum_rows = make_row_sum(_ROWS, PANEL)


@kernel
def _dot(a, b, n):
    """Return sum_k a_k b_k over k < n, in four sums at a time."""
    zero = a.dtype.type(0)
    s0, s1, s2, s3 = zero, zero, zero, zero
    n_full = n - n % 4
    for k in range(0, n_full, 4):
        s0 += a[k] * b[k]
        s1 += a[k + 1] * b[k + 1]
        s2 += a[k + 2] * b[k + 2]
        s3 += a[k + 3] * b[k + 3]
    for k in range(n_full, n):
        s0 += a[k] * b[k]
    return (s0 + s1) + (s2 + s3)


@kernel
def _sum(a, n):
    """Return sum_k a_k over k < n, in four sums at a time."""
    zero = a.dtype.type(0)
    s0, s1, s2, s3 = zero, zero, zero, zero
    n_full = n - n % 4
    for k in range(0, n_full, 4):
        s0 += a[k]
        s1 += a[k + 1]
        s2 += a[k + 2]
        s3 += a[k + 3]
    for k in range(n_full, n):
        s0 += a[k]
    return (s0 + s1) + (s2 + s3)


@kernel
def draw_signs(key, n, signs):
    """Fill the first n of `signs` with -1 or 1: one word of random bits for 64 of them."""
    one = signs.dtype.type(1)
    word = np.uint64(0)
    for i in range(n):
        if i % 64 == 0:
            word = derive_key(key, i // 64)
        signs[i] = one if word & np.uint64(1) else -one
        word >>= np.uint64(1)


@kernel
def _find_last(signals):
    """Return the number of steps up to the last one with an error."""
    for t in range(signals.shape[0] - 1, -1, -1):
        for i in range(signals.shape[1]):
            if signals[t, i] != 0:
                return t + 1
    return 0


@kernel
def _count_active(slope, active):
    """List the neurons that are not silent, and return how many they are."""
    n_active = 0
    for m in range(len(slope)):
        active[n_active] = m
        n_active += slope[m] != 0
    return n_active


@kernel
def _balance(square, other):
    """Return sqrt(|x| / |y|) from the squares of both norms, without an overflow.

    0 where one of them is 0: their product is 0, and with it all that it would carry on.
    """
    if square == 0:
        return square
    if other == 0:
        return other
    return math.sqrt(math.sqrt(square)) / math.sqrt(math.sqrt(other))


@kernel
def _advance_uoro(weights, slope, z, leak, key, theta, vectors, active, square_theta):
    """Take one step of h~ and theta~ but for the additions to theta~, and return what those need.

    That is what theta~ is multiplied by, and what the outer product of signs and z is.
    """
    n, n_presynaptic = theta.shape
    one = theta.dtype.type(1)
    gain = one - leak
    tangent, after, signs, field, scaled = (
        vectors[0], vectors[1], vectors[2], vectors[3:4], vectors[4:5].T
    )  # fmt: skip
    n_active = _count_active(slope, active)
    for k in range(n_active):
        m = active[k]
        scaled[m, 0] = slope[m] * tangent[m]
    field[0] = 0
    for start in range(0, weights.shape[1], WIDTH):
        _sum_row(field, 0, start, one, weights, active, scaled, active, 0, n_active)
    for i in range(n):
        after[i] = leak * tangent[i] + gain * field[0, i]
    draw_signs(key, n, signs)
    square_after, size = _dot(after, after, n), theta.dtype.type(n)
    square_z = gain * gain * size * _dot(z, z, n_presynaptic)
    carry, add = _balance(square_theta, square_after), _balance(square_z, size)
    for i in range(n):
        tangent[i] = carry * after[i] + add * signs[i]
    return _balance(square_after, square_theta), gain * _balance(size, square_z)


@kernel
def add_uoro(
    weights, slopes, activity, signals, leak, keys, first, stop, grads, theta, vectors, active
):
    """Compute some gradients by unbiased online recurrent optimisation, P ~ h~ theta~^T.

    Parameters
    ----------
    weights : array (N, N_padded)
        ``weights[j, i]`` = W_h[i, j]; N_padded is a multiple of WIDTH.
    slopes : array (B, T, N)
        f'(h_0), ..., f'(h_{T-1}).
    activity : array (B, T, K)
        z = [r x] of the same times.
    signals : array (B, T, N)
        dloss/dh_1, ..., dloss/dh_T through the output alone.
    leak : float
        a, in the arrays' precision.
    keys : uint64 array (S,)
        One for each seed.
    first, stop : int
        Piece p of work is group p % n of the trials with key p // n, n the number of groups.
    grads : array (S n, N, K)
        Written for pieces first..stop-1: the sum over the trials of the group.
    theta : array (N, K)
        Scratch.
    vectors : array (N_VECTORS, >= max(N_padded, K))
        Scratch.
    active : int array (N,)
        Scratch.
    """
    n_samples, _, n_presynaptic = activity.shape
    n, n_groups = theta.shape[0], (n_samples + GROUP - 1) // GROUP
    tangent, signs, squares = vectors[0], vectors[2], vectors[5]
    zero = theta.dtype.type(0)
    for p in range(first, stop):
        total = grads[p]
        total[:] = 0
        begin = p % n_groups * GROUP
        for b in range(begin, min(begin + GROUP, n_samples)):
            key, square_theta = derive_key(keys[p // n_groups], b), zero
            tangent[:] = 0
            theta[:] = 0
            for t in range(_find_last(signals[b])):
                z = activity[b, t]
                keep, add = _advance_uoro(
                    weights, slopes[b, t], z, leak, derive_key(key, t), theta, vectors, active,
                    square_theta,
                )  # fmt: skip
                error = _dot(signals[b, t], tangent, n)
                squares[:] = 0
                for i in range(n):
                    row, sums, factor = theta[i], total[i], add * signs[i]
                    for c in range(n_presynaptic):
                        value = keep * row[c] + factor * z[c]
                        row[c] = value
                        squares[c] += value * value
                    if error != 0:
                        for c in range(n_presynaptic):
                            sums[c] += error * row[c]
                square_theta = _sum(squares, n_presynaptic)


@kernel
def _multiply(weights, slope, leak, matrices, active, squares):
    """Set A to D A, and return the square of its norm."""
    matrix, scaled = matrices[0], matrices[1]
    n, n_columns = len(slope), matrix.shape[1]
    gain = matrix.dtype.type(1) - leak
    n_active = _count_active(slope, active)
    for k in range(n_active):
        m = active[k]
        factor, source, target = gain * slope[m], matrix[m], scaled[m]
        for c in range(n_columns):
            target[c] = factor * source[c]
    for start in range(0, n_columns, PANEL):
        for i in range(0, n, _ROWS):
            _sum_rows(matrix, i, start, leak, scaled, active, weights, active, i, n_active)
    squares[:] = 0
    for i in range(n):
        row = matrix[i]
        for c in range(n_columns):
            squares[c] += row[c] * row[c]
    return _sum(squares, n)


@kernel
def _advance_kronecker(weights, slope, z, leak, key, matrices, vectors, active):
    """Take one step of the row u and the matrix A."""
    matrix, row = matrices[0], vectors[0]
    n, n_presynaptic = len(slope), len(z)
    one = matrix.dtype.type(1)
    square_row, square_matrix = _dot(row, row, n_presynaptic), matrix.dtype.type(0)
    if square_row != 0:  # or nothing is carried on
        square_matrix = _multiply(weights, slope, leak, matrices, active, vectors[5])
    gain, square_z = one - leak, _dot(z, z, n_presynaptic)
    square_one = gain * gain * matrix.dtype.type(n)
    word = derive_key(key, 0)
    sign = one if word & np.uint64(1) else -one
    other = one if word & np.uint64(2) else -one
    keep, carry = _balance(square_row, square_matrix), _balance(square_matrix, square_row)
    keep, carry = sign * keep, sign * carry
    grow, add = _balance(square_z, square_one), other * _balance(square_one, square_z)
    grow = other * gain * grow
    for i in range(n):
        target = matrix[i]
        for c in range(matrix.shape[1]):
            target[c] *= keep
        target[i] += grow
    for c in range(n_presynaptic):
        row[c] = carry * row[c] + add * z[c]


@kernel
def add_kronecker(
    weights, slopes, activity, signals, leak, keys, first, stop, grads, matrices, vectors, active
):
    """Compute some gradients by Kronecker factors, P ~ u x A with a row u (K) and A (N x N).

    Parameters
    ----------
    weights, slopes, activity, signals, leak, keys, first, stop, grads, active
        As for `add_uoro`.
    matrices : array (2, >= N, N_padded)
        Scratch, of whose rows and columns there are a multiple of 4 and of PANEL; what is beyond N
        must be 0, and stays so.
    vectors : array (N_VECTORS, >= max(N_padded, K))
        Scratch.
    """
    n_samples, _, n_presynaptic = activity.shape
    n, n_groups = slopes.shape[2], (n_samples + GROUP - 1) // GROUP
    matrix, row, back = matrices[0], vectors[0], vectors[1]
    for p in range(first, stop):
        total = grads[p]
        total[:] = 0
        begin = p % n_groups * GROUP
        for b in range(begin, min(begin + GROUP, n_samples)):
            key = derive_key(keys[p // n_groups], b)
            row[:] = 0
            matrix[:] = 0
            for t in range(_find_last(signals[b])):
                _advance_kronecker(
                    weights, slopes[b, t], activity[b, t], leak, derive_key(key, t), matrices,
                    vectors, active,
                )  # fmt: skip
                back[:] = 0  # A^T s
                any_error = False
                for i in range(n):
                    signal, source = signals[b, t, i], matrix[i]
                    if signal != 0:
                        any_error = True
                        for c in range(n):
                            back[c] += signal * source[c]
                if any_error:
                    for i in range(n):
                        sums, factor = total[i], back[i]
                        for c in range(n_presynaptic):
                            sums[c] += factor * row[c]
