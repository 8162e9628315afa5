"""What words of memory images mean: sentences of their manifest, for a stranger with the files."""

from __future__ import annotations

# Whether a block lies in memory by presynaptic neuron already, or is transposed: a word holds all
# the weights *from* one neuron, because that is what its spin multiplies.
LAYOUT = {
    "couplings": ("hidden neuron j", "hidden neuron i", "J_ij, from j to i"),
    "input_weights": ("input n", "hidden neuron i", "W_in[i, n], from n to i"),
    "readout": ("hidden neuron i", "class c", "W_out[c, i], from i to c"),
    "feedback": ("class c", "hidden neuron i", "W_back[i, c], from c to i; training only"),
}
INFERENCE = {
    "file": "one word a line, hexadecimal, first line is address 0; read it with $readmemh",
    "lanes": "lane k of b bits lies at bits k*b .. k*b+b-1 of the word: lane 0 is rightmost",
    "weights": "two's complement; of one bit, 1 is +1 and 0 is -1; "
    "value = integer * 2**-fraction_bits",
    "spins": "1 is +1, 0 is -1; lane k is neuron (or input) k",
    "hidden field": "h_i = (sum_j J_ij s_j << shift) + self_coupling_constant * s_i "
    "+ (sum_n W_in[i,n] x_n << shift)",
    "update": "synchronous: all fields from the old state, then s_i = +1 where "
    "h_i >= threshold, else -1",
    "silent": "where 1, the first sweep has the input's field alone (no J, no self-coupling)",
    "readout field": "f_c = sum_i W_out[c,i] s_i of the final state; the label is the class with "
    "the largest, the lowest such class in a tie",
}
GRADED = {
    "inputs": "integers n, in two's complement where signed: x = n * 2**-fraction_bits, and the "
    "hidden field takes n in the place of x",
}
LATENT = {
    "latent weights": "plasticity changes them, fields see their top: with m = latent bits - bits, "
    "a weight is (v + 2**(m-1)) >> m, cut to the range of its bits; of one bit, +1 where v >= 0, "
    "else -1",
}
LEARNING = {
    "feedback field": "feedback_fields[label, i] = sum_c W_back[i,c] g_c, with g_c = "
    "feedback_gains.label for the label and feedback_gains.other for the rest, times 2**shift, "
    "halves rounded up",
    "training relaxation": "sweeps t = 1 .. sweeps from silence: the first has no J and no "
    "self-coupling; feedback_fields of the label are added where warmup < t <= feedback. After a "
    "sweep that changed nothing, sweeps are left out until the feedback sets in or ends; "
    "learning_states then repeat the state, learning_sweeps count those that were done. The "
    "diagonal of the couplings counts as 0 here, and self_coupling stands in the place of "
    "self_coupling_constant",
    "who learns": "after it, with h_i of the last state without feedback: hidden neuron i where "
    "s_i h_i <= learning.threshold (learning_unstable is 1), readout c where y_c f_c <= "
    "readout_threshold (learning_wrong is 1), y_c = +1 for the label, else -1",
    "weight update": "after each batch, of latent weights where there are some: decays of "
    "couplings, input_weights and readout, if the number of the batch is a multiple of "
    "decay_period; then updates of couplings, input_weights and readout. The target of a weight is "
    "the neuron or class of its lane, its source the word",
    "decay": "each target goes through all its weights in the order of the words, the diagonal "
    "too: its register steps, r = its top k bits, and |w| is lowered by |w| >> k, and by 1 more "
    "where r < |w| mod 2**k; k is the decay exponent of the batch",
    "update of a block": "a target that learns in no sample of the batch is left out, and its "
    "register does not step. n = the sum of (post * pre) over the samples of the batch in which it "
    "learns; pre: the source's spin or input, post: s_i, or y_c of the readout. Each weight, in "
    "the order of the words, becomes w + step * amount, cut to low .. high; the diagonal stays",
    "amount": "k is the exponent of the batch. k <= 0: n * 2**-k. per-weight, k > 0: the target's "
    "register steps for each weight, the diagonal too, r = its top k bits; the size of amount is "
    "|n| >> k, and 1 more where r < |n| mod 2**k. per-event, k > 0: before the block, the register "
    "steps once for each sample in which the target learns, in their order, and the sample counts "
    "where the top k bits are 0; amount = n of those",
    "registers": "16 bits each, of the hidden neurons, then of the readouts. A step: bit 0 leaves, "
    "the others move down by one place, and where it was 1, taps are XORed in",
    "rates": "exponents and decay_exponents are those at rate factor 1: all k of a batch rise by "
    "round(-log2(factor)), to 15 at most; the factor is 1, or with rate_schedule linear 1 - "
    "batch / batches_of_run, and after the last batch as in it; batches is the number of the next",
    "learning_updates": "a word for each batch: samples, number of the batch, exponents of "
    "couplings, input_weights, readout, their decay exponents; -99 stands for none",
}
