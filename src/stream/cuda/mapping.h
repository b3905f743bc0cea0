/* The steps that pre, the contraction and their ways back are made of, on the device: each is one kernel, or two. */
#ifndef MHC_STREAM_CUDA_MAPPING_H
#define MHC_STREAM_CUDA_MAPPING_H

#include "stream/cuda/device.h"
#include "stream/cuda/operations.h"
#include "stream/mapping/projection.h"

/* What a token's row of `saved` holds. */
static inline mhc__mixes mhc__cuda_mixes(const mhc__shape *s, float *saved) {
    mhc__mixes mixes = {saved, saved + s->logits, saved + s->logits + s->groups, s->saved};
    return mixes;
}

static inline mhc__projection mhc__cuda_projection(const mhc_spec *spec, const mhc__shape *s) {
    mhc__projection p = {s->n, s->groups, s->width, s->channels, s->type, spec->norm_eps_place, spec->norm_eps, NULL};
    return p;
}

/* The weights of a site's collapse: its own pre or, under the shifted schedule, the carried one. NULL: stream 0. */
static inline const float *mhc__cuda_pre_weights(const mhc__shape *s, const float *coefficients, const float *carried) {
    return s->plain ? NULL : s->shifted ? carried : coefficients;
}

/* Floats between the coefficients of two tokens. */
static inline int64_t mhc__cuda_stride(const mhc__shape *s) {
    return s->dynamic ? s->coefficients : 0;
}

/* mix, r and g of all tokens. */
mhc_status mhc__cuda_project(const mhc__cuda_call *call, const mhc__projection *p, mhc_streams x, const float *fn,
                             mhc__mixes out);

/* Coefficients from mix. Static: mix and scale are not looked at, and all tokens share one row. */
typedef struct mhc__cuda_gates {
    mhc__mixes saved;
    const float *scale, *base;
    float *coefficients;
} mhc__cuda_gates;

/* Their way back. Dynamic: leaves e [T, logits] = r d_mix, s [T, groups] = r slope, and what base and scale are given,
 * token by token: sums [logits + 3, T]. Static: adds to d_base. */
typedef struct mhc__cuda_gates_back {
    mhc__mixes saved;
    const float *scale, *base, *d_coefficients;
    float *e, *s;
    double *sums;
    float *d_base;
    bool without_pre; /* dynamic: the gradients of pre are not known yet; e and sums of its logits have no meaning, s is
                         without them */
} mhc__cuda_gates_back;

mhc_status mhc__cuda_coefficients(const mhc__cuda_call *call, const mhc__cuda_gates *gates);
mhc_status mhc__cuda_coefficients_back(const mhc__cuda_call *call, const mhc__cuda_gates_back *gates);
/* The same with room for 4, 8 or 16 streams. */
#define MHC__CUDA_GATES(most)                                                                                          \
    mhc_status mhc__cuda_coefficients_##most(const mhc__cuda_call *call, const mhc__cuda_gates *gates);                \
    mhc_status mhc__cuda_coefficients_back_##most(const mhc__cuda_call *call, const mhc__cuda_gates_back *gates);
MHC__CUDA_GATES(4)
MHC__CUDA_GATES(8)
MHC__CUDA_GATES(16)
#undef MHC__CUDA_GATES

/* Rows of values [rows, T], summed over the tokens; where they go: the first `split` rows to a, the others to b. */
typedef struct mhc__cuda_sums {
    const double *values;
    int64_t rows, split;
    float *a, *b;
    bool add; /* or they are written */
} mhc__cuda_sums;
mhc_status mhc__cuda_add_sums(const mhc__cuda_call *call, const mhc__cuda_sums *sums);

/* <du_t, x_tj> to d_weights + t * stride; or, where all tokens share the weights, to sums [n, T]. */
typedef struct mhc__cuda_weights_back {
    mhc_streams x;
    mhc_rows du;
    float *d_weights;
    int64_t stride;
    double *sums; /* NULL: to d_weights */
} mhc__cuda_weights_back;
mhc_status mhc__cuda_collapse_dots(const mhc__cuda_call *call, const mhc__cuda_weights_back *back);

/* What the projection's way back reads: e [T, groups * width], s [T, groups], r of the tokens. */
typedef struct mhc__cuda_products_back {
    mhc_streams x;
    const float *fn, *e, *s;
    mhc__mixes saved;
} mhc__cuda_products_back;

/* Floats of the parts that d_fn is made of, one for each range (stream/ranges.h) where there are several. */
int64_t mhc__cuda_fn_floats(const mhc__projection *p, int64_t tokens);
/* d_fn += sum_t e_t x_t */
mhc_status mhc__cuda_fn_back(const mhc__cuda_call *call, const mhc__projection *p, const mhc__cuda_products_back *back,
                             float *d_fn, float *parts);

/* dx_tj = sum_i res_tij dout_ti + pre_tj du_t + share_tj
 * dx_tj = dx_tj + pre_tj du_t + share_tj                       dout without data, add
 * dx_tj = pre_tj du_t + share_tj                               neither
 *
 * share = sum_k e_k fn_k - s r x, of the projection, unless products.e is NULL. dx may be dout. */
typedef struct mhc__cuda_spread {
    const float *res, *pre; /* of token t at + t * stride; NULL: res is 1, pre is 1 for stream 0 and 0 for the others */
    int64_t res_stride, pre_stride;
    mhc_streams dout, dx;
    mhc_rows du;
    bool add;
    mhc__cuda_products_back products;
} mhc__cuda_spread;
mhc_status mhc__cuda_spread_run(const mhc__cuda_call *call, const mhc__projection *p, const mhc__cuda_spread *spread);

/* Cuts a workspace into pieces whose beginnings are multiples of 16 bytes. */
typedef struct mhc__cuda_pieces {
    char *at;
    size_t used;
} mhc__cuda_pieces;

static inline void *mhc__cuda_piece(mhc__cuda_pieces *pieces, int64_t count, size_t size) {
    void *piece = pieces->at ? pieces->at + pieces->used : NULL;
    pieces->used += ((size_t)count * size + 15) / 16 * 16;
    return piece;
}

#endif
