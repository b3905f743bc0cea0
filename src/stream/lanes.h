/* Fixed shapes of reduction. A dot product keeps MHC__LANES partial sums, element c in lane c % MHC__LANES, and adds
 * them by one tree: the result depends on neither the instruction set nor the thread count. */
#ifndef MHC_STREAM_LANES_H
#define MHC_STREAM_LANES_H

#include <stdint.h>

#include "base/compiler.h"
#include "simd/math.h" /* MHC__INLINE: MHC__CLONES functions compile what they inline for each instruction set */

/* In front of a loop whose iterations touch different elements even where arrays are the same: it may be vectorised
 * without looking for overlap. */
#if defined(__clang__)
#define MHC__INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define MHC__INDEPENDENT _Pragma("GCC ivdep")
#else
#define MHC__INDEPENDENT
#endif

MHC__INLINE float mhc__lanes_sum(const float *lane) {
    float s[MHC__LANES];
    for (int l = 0; l < MHC__LANES; l++)
        s[l] = lane[l];
    for (int width = MHC__LANES / 2; width > 0; width /= 2)
        for (int l = 0; l < width; l++)
            s[l] += s[l + width];
    return s[0];
}

/* lane += a * b over count elements, element c in lane c % 16. */
MHC__INLINE void mhc__lanes_dot(float *lane, const float *a, const float *b, int64_t count) {
    float s[MHC__LANES];
    for (int l = 0; l < MHC__LANES; l++)
        s[l] = lane[l];
    int64_t c = 0;
    for (; c + MHC__LANES <= count; c += MHC__LANES)
        for (int l = 0; l < MHC__LANES; l++)
            s[l] = __builtin_fmaf(a[c + l], b[c + l], s[l]);
    for (int l = 0; c + l < count; l++)
        s[l] = __builtin_fmaf(a[c + l], b[c + l], s[l]);
    for (int l = 0; l < MHC__LANES; l++)
        lane[l] = s[l];
}

#endif
