/* The inner loops of the library (src/stream/kernel/), as tables: those over logits, one for each instruction set
 * (logit.isa.c), and those over streams and rows, one for each instruction set and type of elements
 * (stream.type.isa.c); and the choice. Every function works on the calling thread, on few enough tokens to stay in the
 * cache; who calls them cuts the work into blocks that do not depend on the thread count. Views and pointers to
 * elements are of the table's type. */
#ifndef MHC_STREAM_KERNELS_H
#define MHC_STREAM_KERNELS_H

#include "mhc/rmsnorm.h"
#include "mhc/spec.h"
#include "simd/isa.h"
#include "stream/ranges.h"
#include "stream/shape.h"

/* Tokens whose products are computed together, at most. */
#define MHC__PRODUCT_ROWS MHC__LANES

/* Rows of elements that are read soon, number v at `at` + v * stride bytes; `at` is 0 where there are none. */
typedef struct mhc__ahead {
    uintptr_t at;
    int64_t stride;
} mhc__ahead;

/* Rows of the projection: row v starts at x + v * row_stride and has `segments` stretches of `count` values, step
 * apart. fn [width, segments * count]. packed: NULL, or all chunks of fn by pack_fn. */
typedef struct mhc__products {
    const void *x; /* elements */
    int64_t row_stride, step, count;
    int segments, width;
    const float *fn, *packed;
    /* Rows that are asked for meanwhile, by default those after these; beside each of them a row of one stretch. And
     * where these are written on the way, past the caches (NULL: nowhere): fp32 without gaps between stretches, which
     * are whole lanes, and aligned to lines. */
    mhc__ahead soon, beside;
    int64_t soon_step;
    void *out;
    int64_t out_row_stride;
} mhc__products;

/* Columns of a chunk of packed fn, with the zeros that fill up each stretch to whole lanes. */
#define MHC__FN_CHUNK 1024
/* Rows of fn in a packed tile: a divisor of this. */
#define MHC__FN_TILE 6

static inline int64_t mhc__fn_chunks(int segments, int64_t count) {
    return mhc__blocks(segments * mhc__blocks(count, MHC__LANES) * MHC__LANES, MHC__FN_CHUNK);
}
/* Floats of packed fn: rows to whole tiles. */
static inline int64_t mhc__packed_floats(int width, int segments, int64_t count) {
    return mhc__blocks(width, MHC__FN_TILE) * MHC__FN_TILE * segments * mhc__blocks(count, MHC__LANES) * MHC__LANES;
}

/* Columns that the way back works on at a time, a slab, and their floats: MHC__CHUNK rows, and a line more, so that the
 * slabs of a stretch do not lie a power of two apart. */
#define MHC__BACK_SLAB        64
#define MHC__BACK_SLAB_FLOATS (MHC__CHUNK * MHC__BACK_SLAB + MHC__LINE_FLOATS)

static inline int64_t mhc__slab_count(int64_t channels) {
    return mhc__blocks(channels, MHC__BACK_SLAB);
}

/* Column c of a row of slabs, counted from the row's first float. */
static inline int64_t mhc__slab_column(int64_t c) {
    uint64_t at = (uint64_t)c;
    return (int64_t)(at / MHC__BACK_SLAB * MHC__BACK_SLAB_FLOATS + at % MHC__BACK_SLAB);
}

/* The streams of a chunk of tokens as fp32, and then their share of dx: row v of slab s of stream j, from
 * (j * mhc__slab_count + s) * MHC__BACK_SLAB_FLOATS + v * MHC__BACK_SLAB on. at: NULL, or aligned to lines. */
typedef struct mhc__slabs {
    int n;
    int64_t channels;
    float *at;
} mhc__slabs;

static inline int64_t mhc__slab_floats(int n, int64_t channels) {
    return n * mhc__slab_count(channels) * MHC__BACK_SLAB_FLOATS;
}

/* Floats of fn in slabs: `width` rows of `segments` stretches of `count` columns. */
static inline int64_t mhc__fn_slab_floats(int width, int segments, int64_t count) {
    return segments * mhc__slab_count(count) * width * MHC__BACK_SLAB;
}

/* The way back through the products, for `rows` tokens, at most MHC__CHUNK, whose streams are in the slabs. Of group g
 * (all of a token, or one stream): e = r d_mix at e + g * width, row v at v * e_stride; r and s = r slope (r^2 could
 * overflow) at g * MHC__CHUNK + v.
 *
 *     d_fn_kc += sum_rows e_k x_c
 *     share_c  = sum_k e_k fn_kc - s r x_c        of dx, in place of x
 *
 * fn, d_fn: row k at k * row; of the flat norm slab s of stream j begins at j * stream + s * slab, else at s * slab.
 * whole: the last slab of a stream has all its columns too. begins: d_fn is written, not added to.
 *
 * soon: streams of as many tokens that are read after this; meanwhile their columns of a slab are asked for with the
 * slab. Those without data are not. */
enum { MHC__SOON = 3 };

typedef struct mhc__products_back {
    mhc__slabs x;
    mhc_streams soon[MHC__SOON];
    const float *e, *r, *s, *fn;
    float *d_fn;
    int64_t e_stride, row, stream, slab;
    int groups, rows, width;
    bool whole, begins;
} mhc__products_back;

/* Floats of a row of coefficients without its pre: post and res. */
#define MHC__MERGE_SUMS(n) ((n) * ((n) + 1))

/* Weights of a collapse: token t's at data + t * stride. */
typedef struct mhc__weights {
    const float *data;
    int64_t stride;
} mhc__weights;

/* Merge of a block of tokens and its way back. stride: between the coefficients of two tokens, 0 when all share them.
 */
typedef struct mhc__merging {
    int n;
    int64_t channels;
    mhc_streams x;
    mhc_rows z;
    const float *coefficients;
    int64_t stride;
    bool around; /* out is too large to stay in a cache: write it past them. Not where out is x */
    bool near;   /* x and z are in the second cache: ask for them a token ahead */
} mhc__merging;

/* What dx is besides the share of the products. With merging, the ways back through merge and collapse in one, where dx
 * may be dout; else through the collapse alone:
 *
 *     dx_tj = sum_i res_tij dout_ti + w_tj du_t
 *     dx_tj = w_tj du_t,   or, with add,   dx_tj += w_tj du_t */
typedef struct mhc__spreading {
    int n;
    int64_t channels;
    const mhc__merging *merging;
    bool add;
    mhc__weights weights;
    mhc_streams dout;
    mhc_rows du;
    mhc_streams dx;
} mhc__spreading;

typedef struct mhc__logit_kernels {
    /* logits = scale * act(mix) + base; pre, post = gate(logits); res = constraint(logits): coefficients
     * [tokens, n (n + 2)] from mix [tokens, groups, width], row t at t * mix_stride. At most mhc__lanes_of(n) tokens.
     * Static: mix and scale are NULL and there is one token. */
    void (*coefficients)(const mhc_spec *spec, const mhc__shape *shape, int tokens, const float *mix,
                         int64_t mix_stride, const float *scale, const float *base, float *coefficients);
    /* d_mix (written; NULL when static) from d_coefficients. Adds the sums over these tokens to sums [logits + 3]: of
     * base, then of scale. */
    void (*coefficients_back)(const mhc_spec *spec, const mhc__shape *shape, int tokens, const float *mix,
                              int64_t mix_stride, const float *scale, const float *base, const float *d_coefficients,
                              float *d_mix, int64_t d_mix_stride, double *sums);
    /* Rows first.. (at most mhc__lanes_of(n)) of [rows, count] logits. */
    void (*constraint)(const mhc_spec *spec, int count, int64_t first, int64_t rows, const float *logits, float *res);
    void (*constraint_back)(const mhc_spec *spec, int count, int64_t first, int64_t rows, const float *logits,
                            const float *d_res, float *d_logits);
    /* weights = sigmoid(scale mix + base) + eps, n of each. */
    void (*head_weights)(int n, float scale, const float *mix, const float *base, float eps, float *weights);
} mhc__logit_kernels;

/* Of elements that are written each is rounded once. */
typedef struct mhc__stream_kernels {
    /* out [rows, width]: products without r; squares [rows]: sums of x^2. rows <= MHC__PRODUCT_ROWS. */
    void (*products)(const mhc__products *p, int rows, float *out, float *squares);
    /* Its share of packed fn. */
    void (*pack_fn)(const mhc__products *p, int64_t chunk, float *packed);
    /* The sum of squares of one row in double: for rows whose squares leave the range of fp32. */
    double (*squares)(const mhc__products *p, int row);
    void (*products_back)(const mhc__products_back *p);
    void (*merge)(const mhc__merging *m, int64_t first, int64_t end, mhc_streams out);
    /* Writes dz, dx unless its data is NULL, and post and res of d_coefficients: per token, or, with stride 0, their
     * sums over first..end into `sums` [n (n + 1)]: post, then res. */
    void (*merge_back)(const mhc__merging *m, int64_t first, int64_t end, mhc_streams dout, mhc_streams dx, mhc_rows dz,
                       float *d_coefficients, float *sums);
    /* u_t = sum_j w_tj x_tj; weights of token t at weights + t * stride. around: u is written past the caches. */
    void (*collapse)(int n, int64_t channels, bool around, int64_t first, int64_t end, mhc_streams x,
                     const float *weights, int64_t stride, mhc_rows u);
    /* The same, and y_t = the RMSNorm of u_t in its place. */
    void (*collapse_rmsnorm)(int n, int64_t channels, bool around, int64_t first, int64_t end, mhc_streams x,
                             const float *weights, int64_t stride, const mhc_rmsnorm *norm, mhc_rows y);
    /* <du_t, x_tj> to d_weights + t * d_stride; with d_stride 0 their sums over first..end to d_weights. */
    void (*collapse_dots)(int n, int64_t channels, int64_t first, int64_t end, mhc_streams x, mhc_rows du,
                          float *d_weights, int64_t d_stride);
    /* The same on the way of x to the slabs, token t to row t - first. d_weights may be NULL. */
    void (*gather)(mhc__slabs slabs, int64_t first, int64_t end, mhc_streams x, mhc_rows du, float *d_weights,
                   int64_t d_stride);
    /* The shares, of token t in row t - first, are added before dx is rounded; at NULL: there are none. */
    void (*spread)(const mhc__spreading *s, mhc__slabs shares, int64_t first, int64_t end);
    /* y_t = sum_i x_ti, in order. */
    void (*sum_streams)(int n, int64_t channels, int64_t first, int64_t end, mhc_streams x, mhc_rows y);
} mhc__stream_kernels;

/* The tables of mhc__isa_chosen(). */
const mhc__logit_kernels *mhc__logit_kernels_chosen(void);
const mhc__stream_kernels *mhc__stream_kernels_chosen(mhc_type type);

#endif
