#include "nn/linear.h"

#include "base/compiler.h"
#include "base/threads.h"

#define ROWS 64

MHC__CLONES static void add(int64_t count, const float *x, float *sum) {
    for (int64_t i = 0; i < count; i++)
        sum[i] += x[i];
}

mhc_status mhc__linear_forward(mhc__gemm_how how, int64_t tokens, int64_t in, int64_t out, const float *x,
                               const float *weight, const float *bias, float *y, mhc_error *error) {
    MHC__TRY(mhc__gemm(how, false, true, tokens, out, in, 1.0f, x, in, weight, in, 0.0f, y, out, error));
    if (!bias)
        return MHC_OK;
#pragma omp parallel for num_threads(how.threads) schedule(static)
    for (int64_t block = 0; block < mhc__blocks(tokens, ROWS); block++)
        for (int64_t t = block * ROWS; t < mhc__min(tokens, (block + 1) * ROWS); t++)
            add(out, bias, y + t * out);
    return MHC_OK;
}

int64_t mhc__linear_backward_scratch(int64_t tokens, int64_t out) {
    return mhc__blocks(tokens, ROWS) * out;
}

static void bias_backward(int threads, int64_t tokens, int64_t out, const float *dy, float *dbias, float *partial) {
    int64_t blocks = mhc__blocks(tokens, ROWS);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < blocks; block++) {
        for (int64_t i = 0; i < out; i++)
            partial[block * out + i] = 0.0f;
        for (int64_t t = block * ROWS; t < mhc__min(tokens, (block + 1) * ROWS); t++)
            add(out, dy + t * out, partial + block * out);
    }
    for (int64_t block = 0; block < blocks; block++)
        add(out, partial + block * out, dbias);
}

mhc_status mhc__linear_backward(mhc__gemm_how how, int64_t tokens, int64_t in, int64_t out, const float *x,
                                const float *weight, const float *dy, float *dx, bool add_dx, float *dweight,
                                float *dbias, float *scratch, mhc_error *error) {
    if (dx)
        MHC__TRY(mhc__gemm(how, false, false, tokens, in, out, 1.0f, dy, out, weight, in, add_dx ? 1.0f : 0.0f, dx, in,
                           error));
    MHC__TRY(mhc__gemm(how, true, false, out, in, tokens, 1.0f, dy, out, x, in, 1.0f, dweight, in, error));
    if (dbias)
        bias_backward(how.threads, tokens, out, dy, dbias, scratch);
    return MHC_OK;
}
