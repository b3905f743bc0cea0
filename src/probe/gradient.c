#include "probe/gradient.h"

#include <math.h>

#include "base/memory.h"
#include "base/threads.h"
#include "mhc/context.h"
#include "probe/site_parameters.h"
#include "probe/stream_sums.h"

enum { PIECE = 1 << 16 }; /* floats of one partial sum */

/* Tensors one after the other, each in pieces that any number of threads take: partial sums are added in order. */
static double squares_of(const float *x, int64_t count, int threads, double *partial) {
    int64_t pieces = mhc__blocks(count, PIECE);
    double sum = 0.0;
#pragma omp parallel for num_threads(threads) schedule(static) if (pieces > 1)
    for (int64_t p = 0; p < pieces; p++)
        partial[p] = mhc__squares(x + p * PIECE, mhc__min(PIECE, count - p * PIECE));
    for (int64_t p = 0; p < pieces; p++)
        sum += partial[p];
    return sum;
}

static double root_mean(double squares, int64_t count) {
    return sqrt(squares / (double)count);
}

/* res over pre of the gradient of base, which is that of the logits summed over tokens. */
static double mixer_ratio(mhc__model *model, int site, bool *dead) {
    const mhc__parameter *base = mhc__site_base(model, site);
    int64_t pre, post;
    *dead = false;
    if (!base)
        return NAN;
    mhc__base_parts(model, &pre, &post);
    int64_t res = base->count - pre - post;
    if (res < 1)
        return NAN;
    const float *gradient = mhc__model_gradients(model) + base->offset;
    double of_res = root_mean(mhc__squares(gradient + pre + post, res), res);
    double of_pre = root_mean(mhc__squares(gradient, pre), pre);
    *dead = of_res == 0.0 || of_res < MHC__DEAD_MIXER * of_pre;
    return of_res / of_pre;
}

/* Adds up squares; of tensors of no site they are in `all` alone. */
static void add_tensors(mhc__model *model, int threads, double *partial, mhc__gradients *gradients) {
    int sites_of_block = gradients->sites / gradients->blocks;
    for (int i = 0; i < mhc__model_parameter_count(model); i++) {
        const mhc__parameter *p = mhc__model_parameter(model, i);
        double squares = squares_of(mhc__model_gradients(model) + p->offset, p->count, threads, partial);
        int site;
        mhc__tensor_role role = mhc__tensor_place(model, p, &site);
        gradients->all += squares;
        if (role == MHC__TENSOR_LAYER) {
            gradients->layer[site] += squares;
            gradients->block[site / sites_of_block] += squares;
        } else if (role == MHC__TENSOR_CONNECTION) {
            gradients->connection[site] += squares;
            gradients->connection_share += squares;
        }
    }
}

static void roots(double *values, int count) {
    for (int i = 0; i < count; i++)
        values[i] = sqrt(values[i]);
}

static void finish(mhc__model *model, mhc__gradients *gradients) {
    gradients->connection_share /= gradients->all;
    gradients->all = sqrt(gradients->all);
    roots(gradients->layer, gradients->sites);
    roots(gradients->connection, gradients->sites);
    roots(gradients->block, gradients->blocks);
    gradients->stratification = gradients->block[gradients->blocks - 1] / gradients->block[0];
    for (int site = 0; site < gradients->sites; site++) {
        bool dead;
        gradients->mixer_ratio[site] = mixer_ratio(model, site, &dead);
        gradients->dead_mixers += dead;
    }
}

mhc_status mhc__gradients_measure(mhc__model *model, int threads, mhc__gradients *gradients, mhc_error *error) {
    const char *what = "measurements of the gradients";
    int64_t largest = 0;
    for (int i = 0; i < mhc__model_parameter_count(model); i++)
        largest = mhc__max(largest, mhc__model_parameter(model, i)->count);
    *gradients = (mhc__gradients){.sites = mhc__model_sites(model), .blocks = mhc__model_configuration(model)->blocks};
    double *partial = NULL;
    mhc_status status = MHC__ALLOCATE(gradients->layer, gradients->sites, what, error);
    if (status == MHC_OK)
        status = MHC__ALLOCATE(gradients->connection, gradients->sites, what, error);
    if (status == MHC_OK)
        status = MHC__ALLOCATE(gradients->mixer_ratio, gradients->sites, what, error);
    if (status == MHC_OK)
        status = MHC__ALLOCATE(gradients->block, gradients->blocks, what, error);
    if (status == MHC_OK)
        status = MHC__ALLOCATE(partial, mhc__blocks(largest, PIECE), what, error);
    if (status == MHC_OK) {
        add_tensors(model, mhc_context_cpu(threads).threads, partial, gradients);
        finish(model, gradients);
    } else
        mhc__gradients_free(gradients);
    mhc__release(partial);
    return status;
}

void mhc__gradients_free(mhc__gradients *gradients) {
    mhc__release(gradients->layer);
    mhc__release(gradients->connection);
    mhc__release(gradients->mixer_ratio);
    mhc__release(gradients->block);
    *gradients = (mhc__gradients){0};
}
