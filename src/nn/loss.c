#include "nn/loss.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/threads.h"
#include "gemm/gemm.h"
#include "nn/softmax.h"
#include "simd/vector.h"

#define CHUNK_FLOATS (INT64_C(1) << 21) /* logits alive at a time, as long as that gives 256 to 1024 rows */
#define ROWS_MOST    1024
#define ROWS_LEAST   64

static int64_t chunk_rows(int64_t tokens, int64_t vocabulary) {
    int64_t rows = CHUNK_FLOATS / mhc__max(vocabulary, 1) / ROWS_LEAST * ROWS_LEAST;
    return mhc__min(mhc__max(mhc__min(rows, ROWS_MOST), ROWS_LEAST), tokens);
}

int64_t mhc__head_loss_scratch(int64_t tokens, int64_t vocabulary) {
    return chunk_rows(tokens, vocabulary) * vocabulary;
}

MHC__INLINE float largest_of(int64_t count, const float *x) {
    float largest = x[0];
    int64_t i = 0;
    if (count >= 8) {
        mhc__v8 v = mhc__v8_load(x);
        for (i = 8; i + 8 <= count; i += 8)
            v = mhc__v8_max(v, mhc__v8_load(x + i));
        largest = mhc__v8_largest(v);
    }
    for (; i < count; i++)
        largest = x[i] > largest ? x[i] : largest;
    return largest;
}

/* x = e^(x - largest); returns their sum. */
MHC__INLINE float exponentials(int64_t count, float largest, float *x) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++)
        x[i] = mhc__softmax_term(x[i] - largest);
    mhc__v8 low = {0}, high = {0};
    float rest = 0;
    int64_t i = 0;
    for (; i + 16 <= count; i += 16) {
        low += mhc__v8_load(x + i);
        high += mhc__v8_load(x + i + 8);
    }
    for (; i < count; i++)
        rest += x[i];
    return mhc__v8_sum(low, high) + rest;
}

/* One row: logits become factor * (softmax - onehot(target)), or are left as exponentials without gradients. A row that
 * doesn't count (target < 0) gets zeros. Returns its loss. */
MHC__CLONES static double row_loss(int64_t vocabulary, int32_t target, bool gradients, float factor, float *logits) {
    if (target < 0) {
        for (int64_t v = 0; v < vocabulary; v++)
            logits[v] = 0.0f;
        return 0.0;
    }
    float largest = largest_of(vocabulary, logits), at_target = logits[target];
    float sum = exponentials(vocabulary, largest, logits);
    if (gradients) {
        float scale = factor / sum;
#pragma omp simd
        for (int64_t v = 0; v < vocabulary; v++)
            logits[v] *= scale;
        logits[target] -= factor;
    }
    return log((double)sum) + ((double)largest - (double)at_target);
}

static mhc_status count_targets(int64_t tokens, int64_t vocabulary, const int32_t *targets, int64_t *counted,
                                mhc_error *error) {
    *counted = 0;
    for (int64_t t = 0; t < tokens; t++) {
        if (targets[t] >= vocabulary)
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "target %d of token %lld is not below the vocabulary %lld",
                             (int)targets[t], (long long)t, (long long)vocabulary);
        *counted += targets[t] >= 0;
    }
    return MHC_OK;
}

mhc_status mhc__head_loss(mhc__gemm_how how, int64_t tokens, int64_t channels, int64_t vocabulary, const float *h,
                          const float *weight, const int32_t *targets, float scale, double *loss, float *dh,
                          float *dweight, float *scratch, mhc_error *error) {
    int64_t counted, chunk = chunk_rows(tokens, vocabulary);
    MHC__TRY(count_targets(tokens, vocabulary, targets, &counted, error));
    *loss = 0.0;
    const bool gradients = dh || dweight;
    float factor = (float)((double)scale / (double)mhc__max(counted, 1));
    for (int64_t first = 0; first < tokens; first += chunk) {
        int64_t rows = mhc__min(chunk, tokens - first);
        const float *hidden = h + first * channels;
        double losses[ROWS_MOST];
        MHC__TRY(mhc__gemm(how, false, true, rows, vocabulary, channels, 1.0f, hidden, channels, weight, channels, 0.0f,
                           scratch, vocabulary, error));
#pragma omp parallel for num_threads(how.threads) schedule(static)
        for (int64_t t = 0; t < rows; t++)
            losses[t] = row_loss(vocabulary, targets[first + t], gradients, factor, scratch + t * vocabulary);
        for (int64_t t = 0; t < rows; t++)
            *loss += losses[t];
        if (dh)
            MHC__TRY(mhc__gemm(how, false, false, rows, channels, vocabulary, 1.0f, scratch, vocabulary, weight,
                               channels, 0.0f, dh + first * channels, channels, error));
        if (dweight)
            MHC__TRY(mhc__gemm(how, true, false, vocabulary, channels, rows, 1.0f, scratch, vocabulary, hidden,
                               channels, 1.0f, dweight, channels, error));
    }
    *loss /= (double)mhc__max(counted, 1);
    return MHC_OK;
}
