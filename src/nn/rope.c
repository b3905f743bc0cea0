#include "nn/rope.h"

#include <math.h>

#include "base/compiler.h"
#include "base/threads.h"

#define PAIRS 64 /* pairs whose angles are held at a time */

MHC__CLONES static void turn(int64_t pairs, const float *cosine, const float *sine, float *a, float *b) {
#pragma omp simd
    for (int64_t i = 0; i < pairs; i++) {
        float x = a[i], y = b[i];
        a[i] = __builtin_fmaf(x, cosine[i], -(y * sine[i]));
        b[i] = __builtin_fmaf(y, cosine[i], x * sine[i]);
    }
}

/* Angles depend on the position alone, so each is computed once and used by every sequence and head. */
void mhc__rope(int threads, int64_t tokens, int64_t sequence, int heads, int width, float theta, bool inverse, float *x,
               int64_t stride) {
    int half = width / 2;
    for (int first = 0; first < half; first += PAIRS) {
        int pairs = (int)mhc__min(PAIRS, half - first);
        double frequency[PAIRS];
        for (int i = 0; i < pairs; i++)
            frequency[i] = pow((double)theta, -2.0 * (first + i) / width);
#pragma omp parallel for num_threads(threads) schedule(static)
        for (int64_t position = 0; position < mhc__min(sequence, tokens); position++) {
            float cosine[PAIRS], sine[PAIRS];
            for (int i = 0; i < pairs; i++) {
                double angle = (double)position * frequency[i];
                cosine[i] = (float)cos(angle);
                sine[i] = (float)(inverse ? -sin(angle) : sin(angle));
            }
            for (int64_t t = position; t < tokens; t += sequence)
                for (int head = 0; head < heads; head++) {
                    float *a = x + t * stride + (int64_t)head * width + first;
                    turn(pairs, cosine, sine, a, a + half);
                }
        }
    }
}
