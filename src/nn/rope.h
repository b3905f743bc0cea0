/* Rotary position embedding, in place: pairs (i, i + d/2) of each head turn by position * theta^(-2i/d)  (arXiv
 * 2104.09864). x points at the first head of the first token: rows of `stride` floats, `heads` heads of width d (even)
 * side by side. Position of row t is t mod sequence. inverse turns back: the backward. */
#ifndef MHC_NN_ROPE_H
#define MHC_NN_ROPE_H

#include <stdbool.h>
#include <stdint.h>

void mhc__rope(int threads, int64_t tokens, int64_t sequence, int heads, int width, float theta, bool inverse, float *x,
               int64_t stride);

#endif
