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
#: Columns of the matrix of KF-RTRL that lie together; the last panel is 0 beyond N.
PANEL = 16
#: The rows of a matrix that is carried on are a multiple of this many, 0 beyond N.
ROWS = 4
#: Vectors that `add_uoro` and `add_kronecker` need as scratch.
N_VECTORS = 6
_sum_row = make_row_sum(1, WIDTH)
_sum_rows = make_row_sum(ROWS, PANEL)


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
    n, n_presynaptic = len(slope), len(z)
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
def _add_product(theta, keep, add, signs, z, squares):
    """Set theta~ to keep theta~ + add signs z^T, and return the square of its norm."""
    n_rows, n_columns = theta.shape
    squares[:] = 0
    for i in range(0, n_rows, ROWS):
        r0, r1, r2, r3 = theta[i], theta[i + 1], theta[i + 2], theta[i + 3]
        f0, f1, f2, f3 = add * signs[i], add * signs[i + 1], add * signs[i + 2], add * signs[i + 3]
        for c in range(n_columns):
            activity = z[c]
            t0, t1 = keep * r0[c] + f0 * activity, keep * r1[c] + f1 * activity
            t2, t3 = keep * r2[c] + f2 * activity, keep * r3[c] + f3 * activity
            r0[c], r1[c], r2[c], r3[c] = t0, t1, t2, t3
            squares[c] += (t0 * t0 + t1 * t1) + (t2 * t2 + t3 * t3)
    return _sum(squares, n_columns)


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
    theta : array (N_rows, K)
        Scratch; N_rows is N, rounded up to ROWS.
    vectors : array (N_VECTORS, >= max(N_padded, K))
        Scratch, and 0 at first.
    active : int array (N,)
        Scratch.
    """
    n_samples, _, n_presynaptic = activity.shape
    n, n_groups = slopes.shape[2], (n_samples + GROUP - 1) // GROUP
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
                square_theta = _add_product(theta, keep, add, signs, z, squares)
                if error != 0:
                    for i in range(n):
                        row, sums = theta[i], total[i]
                        for c in range(n_presynaptic):
                            sums[c] += error * row[c]


@kernel
def _multiply(weights, slope, leak, factor, panels, active, squares):
    """Set A to D A times a factor, and return the square of its norm."""
    last = len(panels) - 1
    scaled = panels[last]
    gain, keep = (scaled.dtype.type(1) - leak) * factor, leak * factor
    n_active = _count_active(slope, active)
    n_rows = panels.shape[1]
    squares[:] = 0
    for p in range(last):
        panel = panels[p]
        for k in range(n_active):
            m = active[k]
            weight, source, target = gain * slope[m], panel[m], scaled[m]
            for c in range(PANEL):
                target[c] = weight * source[c]
        for i in range(0, n_rows, ROWS):
            _sum_rows(panel, i, 0, keep, scaled, active, weights, active, i, n_active)
            r0, r1, r2, r3 = panel[i], panel[i + 1], panel[i + 2], panel[i + 3]
            for c in range(PANEL):
                squares[c] += (r0[c] * r0[c] + r1[c] * r1[c]) + (r2[c] * r2[c] + r3[c] * r3[c])
    return _sum(squares, PANEL)


@kernel
def _advance_kronecker(weights, slope, z, leak, key, factor, panels, vectors, active):
    """Take one step of the row u and the matrix A, and return a factor that A is to be given.

    The panels hold A but for a factor, the one before this step as an argument: A passes through
    the cache once.
    """
    row = vectors[0]
    n, n_presynaptic = len(slope), len(z)
    one = row.dtype.type(1)
    square_row, square_matrix = _dot(row, row, n_presynaptic), row.dtype.type(0)
    if square_row != 0:  # or nothing is carried on
        square_matrix = _multiply(weights, slope, leak, factor, panels, active, vectors[5])
    gain, square_z = one - leak, _dot(z, z, n_presynaptic)
    square_one = gain * gain * row.dtype.type(n)  # of (1 - a) I
    word = derive_key(key, 0)
    sign = one if word & np.uint64(1) else -one
    other = one if word & np.uint64(2) else -one
    keep = sign * _balance(square_row, square_matrix)
    carry = sign * _balance(square_matrix, square_row)
    add = other * _balance(square_one, square_z)
    grow = other * gain * _balance(square_z, square_one)
    if keep == 0:
        panels[:] = 0
        keep = one
    else:
        grow *= carry  # 1 / keep
    for i in range(n):
        panels[i // PANEL, i, i % PANEL] += grow
    for c in range(n_presynaptic):
        row[c] = carry * row[c] + add * z[c]
    return keep


@kernel
def _send_back(signal, factor, panels, back):
    """Write A^T s, in columns that are a multiple of PANEL, and return whether s is not 0."""
    any_error = False
    for i in range(len(signal)):
        any_error |= signal[i] != 0
    if any_error:
        back[:] = 0
        for p in range(len(panels) - 1):
            panel, part = panels[p], back[p * PANEL : (p + 1) * PANEL]
            for i in range(len(signal)):
                if signal[i] != 0:
                    weight, source = factor * signal[i], panel[i]
                    for c in range(PANEL):
                        part[c] += weight * source[c]
    return any_error


@kernel
def add_kronecker(
    weights, slopes, activity, signals, leak, keys, first, stop, grads, panels, vectors, active
):
    """Compute some gradients by Kronecker factors, P ~ u x A with a row u (K) and A (N x N).

    Parameters
    ----------
    weights, slopes, activity, signals, leak, keys, first, stop, grads, active
        As for `add_uoro`.
    panels : array (N_panels + 1, N_rows, PANEL)
        Scratch: the columns of A, and one panel more; N_rows is N, rounded up to ROWS. What is
        beyond N in A must be 0, and stays so.
    vectors : array (N_VECTORS, >= max(N_padded, K))
        Scratch.
    """
    n_samples, _, n_presynaptic = activity.shape
    n, n_groups = slopes.shape[2], (n_samples + GROUP - 1) // GROUP
    row, back, one = vectors[0], vectors[1], grads.dtype.type(1)
    for p in range(first, stop):
        total = grads[p]
        total[:] = 0
        begin = p % n_groups * GROUP
        for b in range(begin, min(begin + GROUP, n_samples)):
            key = derive_key(keys[p // n_groups], b)
            row[:] = 0
            panels[:] = 0
            factor = one
            for t in range(_find_last(signals[b])):
                factor = _advance_kronecker(
                    weights, slopes[b, t], activity[b, t], leak, derive_key(key, t), factor,
                    panels, vectors, active,
                )  # fmt: skip
                if _send_back(signals[b, t], factor, panels, back):
                    for i in range(n):
                        sums, part = total[i], back[i]
                        for c in range(n_presynaptic):
                            sums[c] += part * row[c]
