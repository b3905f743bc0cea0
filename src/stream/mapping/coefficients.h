/* From mix to coefficients and back, for up to MHC__LANES tokens at once.
 *
 *     logits = scale * act(mix) + base;   pre, post = gate(logits);   res = constraint(logits) */
#ifndef MHC_STREAM_MAPPING_COEFFICIENTS_H
#define MHC_STREAM_MAPPING_COEFFICIENTS_H

#include "stream/shape.h"

/* Tokens first..end (at most mhc__lanes_of(n)) of mix [T, groups, width] into coefficients [T, n(n+2)]. Row t of mix
 * starts at mix + t * mix_stride. Static: mix and scale are NULL and there is one token. */
void mhc__coefficients_forward(const mhc_spec *spec, const mhc__shape *shape, int64_t first, int64_t end,
                               const float *mix, int64_t mix_stride, const float *scale, const float *base,
                               float *coefficients);

/* d_mix [T, groups, width] (row t at d_mix + t * d_mix_stride, written; NULL when static) from d_coefficients. Adds to
 * d_base [logits] and d_scale [3] (NULL when static) the sums over these tokens. */
void mhc__coefficients_backward(const mhc_spec *spec, const mhc__shape *shape, int64_t first, int64_t end,
                                const float *mix, int64_t mix_stride, const float *scale, const float *base,
                                const float *d_coefficients, float *d_mix, int64_t d_mix_stride, float *d_base,
                                float *d_scale);

#endif
