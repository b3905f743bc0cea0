#include "stream/mapping/projection.h"

#include "base/threads.h"
#include "stream/mapping/norm.h"

enum { ADD_BLOCK = 4096 };

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

void mhc__projection_backward(const mhc__stream_kernels *kernels, const mhc__projection *p, int64_t tokens,
                              mhc_streams x, const float *fn, mhc__mixes saved, float *d_mix, int64_t d_stride,
                              float *shares, float *d_fn, const mhc_streams *ahead) {
    float r[MHC__CHUNK], s[MHC__CHUNK];
    int64_t columns = mhc__projection_columns(p);
    for (int stream = 0; stream < p->n; stream++) {
        int group = p->groups == 1 ? 0 : stream;
        float *e = d_mix + group * p->width;
        for (int64_t t = 0; t < tokens && stream < p->groups; t++) {
            float *row = e + t * d_stride;
            float slope = mhc__slope(p->width, columns, row, saved.mix + t * saved.stride + group * p->width,
                                     saved.g[t * saved.stride + group]);
            r[t] = saved.r[t * saved.stride + group];
            s[t] = slope * r[t];
            for (int k = 0; k < p->width; k++)
                row[k] *= r[t];
        }
        int64_t offset = p->groups == 1 ? stream * p->channels : 0;
        mhc__products_back job = {.x = mhc__streams_from(x, p->type, 0, stream).data,
                                  .e = e,
                                  .r = r,
                                  .s = s,
                                  .fn = fn + offset,
                                  .d_fn = d_fn + offset,
                                  .slabs = shares + stream * mhc__slab_floats(p->channels),
                                  .x_stride = x.token_stride,
                                  .e_stride = d_stride,
                                  .columns = columns,
                                  .count = p->channels,
                                  .rows = (int)tokens,
                                  .width = p->width};
        for (int i = 0; i < MHC__BACK_AHEAD && ahead; i++)
            if (ahead[i].data)
                job.ahead[i] = (mhc__ahead){(uintptr_t)mhc__streams_from(ahead[i], p->type, 0, stream).data,
                                            ahead[i].token_stride * mhc_type_size(p->type)};
        kernels->products_back(&job);
    }
}

void mhc__projection_add_parts(int threads, const mhc__projection *p, int ranges, const float *parts, int64_t stride,
                               float *d_fn) {
    int64_t count = p->width * mhc__projection_columns(p), blocks = mhc__blocks(count, ADD_BLOCK);
#pragma omp parallel for num_threads(threads) schedule(static) if (blocks > 1)
    for (int64_t block = 0; block < blocks; block++) {
        int64_t end = mhc__min(count, (block + 1) * ADD_BLOCK);
        for (int range = 0; range < ranges; range++)
            for (int64_t k = block * ADD_BLOCK; k < end; k++)
                d_fn[k] += parts[range * stride + k];
    }
}
