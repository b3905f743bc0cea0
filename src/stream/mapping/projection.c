#include "stream/mapping/projection.h"

#include <string.h>

#include "base/threads.h"
#include "stream/mapping/norm.h"

static int segments_of(const mhc__projection *p) {
    return p->groups == 1 ? p->n : 1;
}

static mhc__products products_of(const mhc__projection *p, const mhc__block *block, int group, const float *fn) {
    mhc__products job = {.x = mhc__streams_from(block->x, p->type, 0, group).data,
                         .row_stride = block->x.token_stride,
                         .step = block->x.stream_stride,
                         .count = p->channels,
                         .segments = segments_of(p),
                         .width = p->width,
                         .fn = fn,
                         .packed = p->packed};
    if (block->soon.data) {
        job.soon = (mhc__ahead){(uintptr_t)mhc__streams_from(block->soon, p->type, 0, group).data,
                                block->soon.token_stride * mhc_type_size(p->type)};
        job.soon_step = block->soon.stream_stride;
        job.beside = (mhc__ahead){(uintptr_t)block->beside.data, block->beside.stride * mhc_type_size(p->type)};
    }
    if (block->passed.data) {
        job.out = mhc__streams_from(block->passed, p->type, 0, group).data;
        job.out_row_stride = block->passed.token_stride;
    }
    return job;
}

void mhc__projection_forward(const mhc__stream_kernels *kernels, const mhc__projection *p, int64_t tokens,
                             const mhc__block *block, const float *fn, mhc__mixes out) {
    float products[MHC__LOGIT_FLOATS], squares[MHC__PRODUCT_ROWS];
    for (int group = 0; group < p->groups; group++) {
        const mhc__products job = products_of(p, block, group, fn);
        kernels->products(&job, (int)tokens, products, squares);
        for (int64_t t = 0; t < tokens; t++) {
            float *r = out.r + t * out.stride + group, *mix = out.mix + t * out.stride + group * p->width;
            double sum = mhc__squares_in_range(squares[t]) ? (double)squares[t] : kernels->squares(&job, (int)t);
            mhc__norm(mhc__projection_columns(p), p->eps_place, p->eps, sum, r, out.g + t * out.stride + group);
            for (int k = 0; k < p->width; k++)
                mix[k] = products[t * p->width + k] * *r;
        }
    }
}

void mhc__projection_pack(const mhc__stream_kernels *kernels, int threads, mhc__projection *p, const float *fn,
                          float *packed) {
    const mhc__products job = {.count = p->channels, .segments = segments_of(p), .width = p->width, .fn = fn};
    int64_t chunks = mhc__fn_chunks(job.segments, job.count);
#pragma omp parallel for num_threads(threads) schedule(static) if (chunks > 1)
    for (int64_t chunk = 0; chunk < chunks; chunk++)
        kernels->pack_fn(&job, chunk, packed);
    p->packed = packed;
}

void mhc__projection_slabs(int threads, const mhc__projection *p, const float *fn, float *out) {
    const int64_t slabs = mhc__slab_count(p->channels), columns = mhc__projection_columns(p);
    const int64_t count = segments_of(p) * slabs;
#pragma omp parallel for num_threads(threads) schedule(static) if (count > 1)
    for (int64_t slab = 0; slab < count; slab++) {
        const int64_t c = slab % slabs * MHC__BACK_SLAB, here = mhc__min(MHC__BACK_SLAB, p->channels - c);
        const float *from = fn + slab / slabs * p->channels + c;
        float *to = out + slab * p->width * MHC__BACK_SLAB;
        for (int k = 0; k < p->width; k++, from += columns, to += MHC__BACK_SLAB) {
            memcpy(to, from, (size_t)here * sizeof *to);
            memset(to + here, 0, (size_t)(MHC__BACK_SLAB - here) * sizeof *to);
        }
    }
}

void mhc__projection_backward(const mhc__stream_kernels *kernels, const mhc__projection *p, int64_t tokens,
                              mhc__slabs x, const mhc_streams soon[MHC__SOON], mhc__mixes saved, float *d_mix,
                              int64_t d_stride, const mhc__fn_back *fn) {
    float r[MHC_MAX_STREAMS * MHC__CHUNK], s[MHC_MAX_STREAMS * MHC__CHUNK];
    int64_t columns = mhc__projection_columns(p);
    for (int group = 0; group < p->groups; group++)
        for (int64_t t = 0; t < tokens; t++) {
            float *row = d_mix + group * p->width + t * d_stride;
            float slope = mhc__slope(p->width, columns, row, saved.mix + t * saved.stride + group * p->width,
                                     saved.g[t * saved.stride + group]);
            int64_t at = group * MHC__CHUNK + t;
            r[at] = saved.r[t * saved.stride + group];
            s[at] = slope * r[at];
            for (int k = 0; k < p->width; k++)
                row[k] *= r[at];
        }
    const int64_t slab = fn->slabs ? p->width * MHC__BACK_SLAB : MHC__BACK_SLAB;
    mhc__products_back job = {.x = x,
                              .e = d_mix,
                              .r = r,
                              .s = s,
                              .fn = fn->fn,
                              .d_fn = fn->d_fn,
                              .e_stride = d_stride,
                              .row = fn->slabs ? MHC__BACK_SLAB : columns,
                              .stream = fn->slabs ? mhc__slab_count(p->channels) * slab : p->channels,
                              .slab = slab,
                              .groups = p->groups,
                              .rows = (int)tokens,
                              .width = p->width,
                              .whole = fn->slabs,
                              .begins = fn->begins};
    memcpy(job.soon, soon, sizeof job.soon);
    kernels->products_back(&job);
}

/* One slab of fn's gradient, from its parts. */
static void add_slab(const mhc__projection *p, int64_t slab, int ranges, const float *parts, int64_t stride,
                     float *d_fn) {
    const int64_t slabs = mhc__slab_count(p->channels), columns = mhc__projection_columns(p);
    const int64_t at = slab % slabs * MHC__BACK_SLAB, here = mhc__min(MHC__BACK_SLAB, p->channels - at);
    float *to = d_fn + slab / slabs * p->channels + at;
    parts += slab * p->width * MHC__BACK_SLAB;
    for (int k = 0; k < p->width; k++, to += columns, parts += MHC__BACK_SLAB)
        for (int range = 0; range < ranges; range++)
            for (int64_t c = 0; c < here; c++)
                to[c] += parts[range * stride + c];
}

void mhc__projection_add_parts(int threads, const mhc__projection *p, int ranges, const float *parts, int64_t stride,
                               float *d_fn) {
    const int64_t count = segments_of(p) * mhc__slab_count(p->channels);
#pragma omp parallel for num_threads(threads) schedule(static) if (count > 1)
    for (int64_t slab = 0; slab < count; slab++)
        add_slab(p, slab, ranges, parts, stride, d_fn);
}
