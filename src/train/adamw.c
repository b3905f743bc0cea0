#include "train/adamw.h"

#include <math.h>

#include "base/compiler.h"
#include "base/threads.h"

#define BLOCK    16384 /* floats of one piece of work: four arrays of it stay in cache */
#define PARTIALS 256

typedef struct constants {
    float keep, one_minus_beta1, beta2, one_minus_beta2, step_size, root2, eps, scale;
} constants;

MHC__CLONES
static void update_block(const constants *k, int64_t count, const float *restrict gradient, float *restrict weight,
                         float *restrict first, float *restrict second) {
    for (int64_t i = 0; i < count; i++) {
        float g = k->scale * gradient[i];
        float m = __builtin_fmaf(k->one_minus_beta1, g - first[i], first[i]);
        float v = __builtin_fmaf(k->one_minus_beta2 * g, g, k->beta2 * second[i]);
        float denominator = sqrtf(v) / k->root2 + k->eps;
        weight[i] = weight[i] * k->keep - k->step_size * (m / denominator);
        first[i] = m;
        second[i] = v;
    }
}

int64_t mhc__adamw_cut(int64_t at, int64_t count, bool decays, mhc__adamw_piece *pieces) {
    int64_t blocks = mhc__blocks(count, BLOCK);
    for (int64_t b = 0; pieces && b < blocks; b++)
        pieces[b] = (mhc__adamw_piece){at + b * BLOCK, mhc__min(BLOCK, count - b * BLOCK), decays};
    return blocks;
}

void mhc__adamw_update(int threads, const mhc__adamw *adamw, int64_t count, const mhc__adamw_piece *pieces,
                       const float *gradient, float *weight, float *first, float *second) {
    constants decaying = {
        .keep = (float)(1.0 - adamw->lr * adamw->decay),
        .one_minus_beta1 = (float)(1.0 - adamw->beta1),
        .beta2 = (float)adamw->beta2,
        .one_minus_beta2 = (float)(1.0 - adamw->beta2),
        .step_size = (float)(adamw->lr / (1.0 - pow(adamw->beta1, (double)adamw->step))),
        .root2 = (float)sqrt(1.0 - pow(adamw->beta2, (double)adamw->step)),
        .eps = (float)adamw->eps,
        .scale = (float)adamw->scale,
    };
    constants keeping = decaying;
    keeping.keep = 1.0f;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t p = 0; p < count; p++) {
        int64_t at = pieces[p].at;
        update_block(pieces[p].decays ? &decaying : &keeping, pieces[p].count, gradient + at, weight + at, first + at,
                     second + at);
    }
}

/* Eight double lanes in a fixed order. */
MHC__CLONES
static double sum_of_squares(int64_t count, const float *restrict x) {
    double lane[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (int l = 0; l < 8; l++)
            lane[l] += (double)x[i + l] * (double)x[i + l];
    for (; i < count; i++)
        lane[i % 8] += (double)x[i] * (double)x[i];
    return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

double mhc__norm_of(int threads, int64_t count, const float *x) {
    double total = 0.0;
    for (int64_t start = 0; start < count; start += (int64_t)BLOCK * PARTIALS) {
        double partial[PARTIALS];
        int64_t here = mhc__min(count - start, (int64_t)BLOCK * PARTIALS), blocks = mhc__blocks(here, BLOCK);
#pragma omp parallel for num_threads(threads) schedule(static)
        for (int64_t b = 0; b < blocks; b++)
            partial[b] = sum_of_squares(mhc__min(BLOCK, here - b * BLOCK), x + start + b * BLOCK);
        for (int64_t b = 0; b < blocks; b++)
            total += partial[b];
    }
    return sqrt(total);
}
