/* The product of the normalised streams with fn, and its gradient.
 *
 *     s = mean over the row of x^2;   r = 1 / sqrt(s + eps)  or  1 / (sqrt(s) + eps);   mix_k = r sum_c fn_kc x_c
 *
 * A row is a token (all nC values) or, with the per-stream norm, one stream of a token (C values). Gradient, with
 * x^ = r x and the row's K values:
 *
 *     d_fn_kc += d_mix_k x^_c
 *     dx_c    += r (sum_k d_mix_k fn_kc - x^_c slope),   slope = g / K sum_k d_mix_k mix_k */
#ifndef MHC_STREAM_MAPPING_PROJECTION_H
#define MHC_STREAM_MAPPING_PROJECTION_H

#include "stream/kernels.h"
#include "stream/ranges.h"

typedef struct mhc__projection {
    int n;            /* streams of a token */
    int groups;       /* rows of one token: 1 or n */
    int width;        /* rows of fn */
    int64_t channels; /* of one stream */
    mhc_type type;    /* of the elements of x */
    mhc_eps_place eps_place;
    float eps;
    const float *packed; /* fn by mhc__projection_pack, or NULL */
} mhc__projection;

/* Where the values of a few tokens are: token t's mix [groups * width], r [groups] and g [groups] at + t * stride. g =
 * (sqrt(s) + eps) / sqrt(s) with eps outside the root, else 1. r = 0 below MHC__SMALLEST_RMS. */
typedef struct mhc__mixes {
    float *mix, *r, *g;
    int64_t stride;
} mhc__mixes;

/* Columns of fn. */
static inline int64_t mhc__projection_columns(const mhc__projection *p) {
    return (p->groups == 1 ? p->n : 1) * p->channels;
}

/* Tokens of x that one thread projects, and reads again while they are in its cache. */
static inline int64_t mhc__projection_block(const mhc__projection *p) {
    return mhc__lanes_of(p->n);
}

/* Those of them that are projected together. fn comes once for them from where it lies: where that is no further than
 * the second cache, as few as a tile has, so that the cache is left to their streams. */
#define MHC__NEAR_BYTES  ((int64_t)512 << 10)
#define MHC__PART_TOKENS 4
static inline int64_t mhc__projection_part(const mhc__projection *p) {
    const int64_t block = mhc__projection_block(p);
    const bool near = p->width * mhc__projection_columns(p) <= MHC__NEAR_BYTES / (int64_t)sizeof(float);
    return near ? mhc__min(block, MHC__PART_TOKENS) : block;
}

/* Whether fn is packed for so many tokens: it costs about as much as the products of four, and saves nothing where they
 * are projected one by one. */
#define MHC__PACK_TOKENS 64
static inline bool mhc__projection_packs(const mhc__projection *p, int64_t tokens) {
    return tokens >= MHC__PACK_TOKENS && mhc__projection_block(p) > 1;
}
/* Floats of packed fn, in the order in which the tiles of the products read it. */
static inline int64_t mhc__projection_packed_floats(const mhc__projection *p) {
    return mhc__packed_floats(p->width, p->groups == 1 ? p->n : 1, p->channels);
}
/* Packs fn, by all threads, and leaves it in p. */
void mhc__projection_pack(const mhc__stream_kernels *kernels, int threads, mhc__projection *p, const float *fn,
                          float *packed);

/* The streams of a few tokens, from the first on. passed: where they are written on the way, as mhc__products has it;
 * soon, and beside it: what is read after them, to be asked for. These may have no data. */
typedef struct mhc__block {
    mhc_streams x, passed, soon;
    mhc_rows beside;
} mhc__block;

/* What out points to begins at the first of these tokens. */
void mhc__projection_forward(const mhc__stream_kernels *kernels, const mhc__projection *p, int64_t tokens,
                             const mhc__block *block, const float *fn, mhc__mixes out);

/* fn on the way back, and its gradient. In slabs, where many tokens pass over them: their columns follow each other in
 * the order in which the way back needs them (mhc__products_back). Else both as the caller has them. */
typedef struct mhc__fn_back {
    const float *fn;
    float *d_fn;
    bool slabs, begins; /* begins: d_fn is written, not added to */
} mhc__fn_back;

/* fn to slabs (mhc__fn_slab_floats), by all threads. */
void mhc__projection_slabs(int threads, const mhc__projection *p, const float *fn, float *out);

/* The way back of at most MHC__CHUNK tokens, whose streams are in the slabs, and then their shares of dx. d_mix: token
 * t's at + t * d_stride; overwritten with r d_mix. soon: as mhc__products_back has it. */
void mhc__projection_backward(const mhc__stream_kernels *kernels, const mhc__projection *p, int64_t tokens,
                              mhc__slabs x, const mhc_streams soon[MHC__SOON], mhc__mixes saved, float *d_mix,
                              int64_t d_stride, const mhc__fn_back *fn);

/* d_fn += the parts of all ranges (stream/ranges.h), in order; part r, in slabs, at parts + r * stride. */
void mhc__projection_add_parts(int threads, const mhc__projection *p, int ranges, const float *parts, int64_t stride,
                               float *d_fn);

#endif
