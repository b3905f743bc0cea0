/* Dropout masks from a counter: a mask bit depends on (seed, step, place, element) alone, so forward, backward, resume
 * and any thread count see the same one, and nothing is stored. */
#ifndef MHC_NN_DROPOUT_H
#define MHC_NN_DROPOUT_H

#include <stdint.h>

typedef struct mhc__dropout {
    float rate;     /* probability of zero, [0, 1); 0 turns it off (evaluation) */
    uint64_t seed;  /* of the run */
    uint64_t step;  /* of training, micro-batches counted: unique per forward pass */
    uint32_t place; /* which dropout of the model: embedding, block 3's attention probabilities, … */
} mhc__dropout;

/* Element e is decided by 16 bits: half (e / 64) mod 2 of word (e / 16) mod 4 of Philox counter 16 (e / 128) + e mod
 * 16, so that sixteen counters make the masks of 128 consecutive elements without a shuffle. The rate is rounded to a
 * multiple of 2^-16, and so is the factor.
 * keep_i / (1 - rate), 0 or 1 / (1 - rate), of elements first.. into keep[0..count). rate > 0. */
void mhc__dropout_mask(const mhc__dropout *dropout, int64_t first, int64_t count, float *keep);

/* x_i = keep_i x_i / (1 - rate), in place. Its own backward: apply it to the gradient. Elements are numbered from
 * `first`. */
void mhc__dropout_apply(int threads, const mhc__dropout *dropout, int64_t first, int64_t count, float *x);

#endif
