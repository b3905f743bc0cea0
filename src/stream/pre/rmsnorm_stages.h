/* The RMSNorm of u in pre_pipeline.cu and pre_few.cu: where X has come in and the weights of u are known, u is made
 * twice, for its squares and then for what is written. Both add up in the order of this file: eight columns in order,
 * those sums of a slice in a tree, then the slices in order. */
#ifndef MHC_STREAM_PRE_RMSNORM_STAGES_H
#define MHC_STREAM_PRE_RMSNORM_STAGES_H

#include "stream/pre/pre_stages.h"

namespace {

/* u of a token in eight columns from c on, with weights w; and the sum of its squares over a slice, of which this
 * thread has eight: EIGHTHS threads side by side have the slice. All threads of a warp; has: whether there is a token
 * and a column. The same in all threads of a slice. */
template <typename E>
MHC__DEVICE float slice_squares(const site_call &p, bool has, int64_t t, int64_t c, const float *w) {
    float sum = 0.0f;
    if (has) {
        float u[8];
        collapse_again<E>(p, t, c, w, u);
        for (int k = 0; k < 8; k++)
            sum = fmaf(u[k], u[k], sum);
    }
    for (int mask = slice_of<E>::EIGHTHS / 2; mask > 0; mask /= 2)
        sum += mhc__shuffle_xor(sum, mask);
    return sum;
}

/* 1 / sqrt(mean u^2 + eps) of a token from the sum of its squares in fp32, which is taken again in double where it
 * leaves the range of fp32. By the whole block, of at least SQUARERS threads; part [SQUARERS]. For all threads. */
template <typename E>
MHC__DEVICE float rms_of(const site_call &p, int64_t t, const float *w, float plain, double *part) {
    double square = (double)plain;
    if (!mhc__squares_in_range(plain)) {
        double sum = 0.0;
        for (int64_t c = (int64_t)mhc__thread() * 8; mhc__thread() < SQUARERS && c < p.channels; c += SQUARERS * 8) {
            float u[8];
            collapse_again<E>(p, t, c, w, u);
            for (int k = 0; k < 8; k++)
                sum += (double)u[k] * (double)u[k];
        }
        if (mhc__thread() < SQUARERS)
            part[mhc__thread()] = sum;
        mhc__sync_block();
        square = 0.0;
        for (int k = 0; k < SQUARERS; k++)
            square += part[k];
        mhc__sync_block();
    }
    float r, g;
    mhc__norm(p.channels, MHC_EPS_INSIDE, p.pre.norm.eps, square, &r, &g);
    return r;
}

/* Eight columns of y. */
template <typename E> MHC__DEVICE void write_normed(const site_call &p, int64_t t, int64_t c, const float *w, float r) {
    float u[8], weight[8];
    collapse_again<E>(p, t, c, w, u);
    mhc__values(mhc__load_eight(p.pre.norm.weight + c), weight);
    for (int k = 0; k < 8; k++)
        u[k] = u[k] * r * weight[k];
    mhc__store8(mhc__at<E>(p.pre.u, t) + c, u);
}

} // namespace

#endif
