/* Numbers derived from a spec, and the argument checks that the operations share. */
#ifndef MHC_STREAM_SHAPE_H
#define MHC_STREAM_SHAPE_H

#include "base/compiler.h"
#include "base/error.h"
#include "base/threads.h"
#include "mhc/site.h"

/* Logits of MHC__LANES tokens at n <= 8, of one token at n <= 32 with matrix gates: 3 x 1024 either way. */
#if !defined(MHC__LOGIT_FLOATS)
#define MHC__LOGIT_FLOATS 3072
#endif

/* Tokens of one block of a parallel loop. */
#define MHC__TOKEN_BLOCK 16

/* A row whose norm (eps included) is below this counts as zeros: r = 0, no gradient through it. Only a convention
 * without eps gets there; without the bound r, and with it the gradient, would overflow. */
#define MHC__SMALLEST_RMS 0x1p-100

typedef struct mhc__shape {
    int n;
    int64_t channels;
    mhc_type type;         /* of the elements of streams and rows */
    bool plain;            /* the residual: all coefficients are 1 and nobody keeps them */
    int pre, post, res;    /* logits of each part; all 0 for residual, and where all is fixed */
    int logits;            /* their sum = floats of base */
    int coefficients;      /* n (n + 2): floats of one row of coefficients */
    bool dynamic, shifted; /* per token; collapse by the carried pre */
    bool per_stream;       /* norm: one fn product per stream instead of one per token */
    int groups;            /* fn products per token: n or 1 */
    int width;             /* outputs of one fn product = rows of fn */
    int saved;             /* floats per token that pre_forward saves: mix [groups][width] | r [groups] | g [groups] */
} mhc__shape;

/* Where logit number `logit` stands in a token's mix. Flat norm: the same place. Per-stream norm: stream j's product
 * gives pre_j, post_j, and the n entries of res whose source is j. */
MHC__SHARED_CODE static inline int mhc__mix_place(const mhc__shape *shape, bool transposed, int logit) {
    if (!shape->per_stream)
        return logit;
    int n = shape->n, pre = shape->pre > 0, gates = pre + (shape->post > 0), of_post = logit - shape->pre;
    if (of_post < 0)
        return logit * shape->width;
    if (of_post < shape->post)
        return of_post * shape->width + pre;
    int row = (of_post - shape->post) / n, column = (of_post - shape->post) % n;
    int source = transposed ? row : column, destination = transposed ? column : row;
    return source * shape->width + gates + destination;
}

#ifdef __cplusplus
extern "C" {
#endif
/* spec must have passed mhc_spec_check. */
mhc__shape mhc__shape_of(const mhc_spec *spec);

/* A device that this build has, threads >= 1 on the CPU, spec valid, T >= 0; fills shape. */
mhc_status mhc__site_enter(const mhc_context *context, const mhc_spec *spec, int64_t tokens, mhc__shape *shape,
                           mhc_error *error);
/* Fails when pointer is NULL. */
mhc_status mhc__need(const void *pointer, const char *call, const char *name, mhc_error *error);
/* params as the mapping needs them; with_fn_base_scale by shape. */
mhc_status mhc__need_params(const mhc__shape *shape, const mhc_site_params *params, const char *call, const char *what,
                            mhc_error *error);
mhc_status mhc__need_workspace(const void *workspace, size_t size, size_t needed, const char *call, mhc_error *error);
#ifdef __cplusplus
}
#endif

/* Matrices computed side by side: MHC__LANES while they are small, one when a state alone fills the cache. Lanes never
 * meet, so the number changes no result. */
static inline int mhc__lanes_of(int n) {
    return n <= 8 ? MHC__LANES : 1;
}

/* Floats to whole lines of the cache, and the first line of an array, which may begin anywhere: 16 floats more than
 * are used of it are enough. */
#define MHC__LINE_FLOATS 16
static inline int64_t mhc__whole_lines(int64_t floats) {
    return mhc__blocks(floats, MHC__LINE_FLOATS) * MHC__LINE_FLOATS;
}
static inline float *mhc__first_line(void *array) {
    const uintptr_t line = MHC__LINE_FLOATS * sizeof(float);
    return (float *)(void *)((char *)array + (line - (uintptr_t)array % line) % line);
}

/* Element number `index` of an array. */
static inline void *mhc__element(void *data, mhc_type type, int64_t index) {
    return (char *)data + index * mhc_type_size(type);
}

/* From a token and a stream on. */
static inline mhc_streams mhc__streams_from(mhc_streams view, mhc_type type, int64_t token, int stream) {
    view.data = mhc__element(view.data, type, token * view.token_stride + stream * view.stream_stride);
    return view;
}

static inline mhc_rows mhc__rows_from(mhc_rows view, mhc_type type, int64_t token) {
    view.data = mhc__element(view.data, type, token * view.stride);
    return view;
}

/* An fp32 result of this many bytes will have left the caches when the next operation comes to its beginning. Written
 * around them, it needs not be read first. (Stores of half a register, as of 16-bit types, have no way around.) */
#define MHC__LARGE_BYTES ((int64_t)16 << 20)
static inline bool mhc__is_large(const mhc__shape *s, int64_t tokens) {
    return s->type == MHC_FP32 && tokens >= MHC__LARGE_BYTES / (int64_t)sizeof(float) / s->n / s->channels;
}
static inline bool mhc__goes_around(const mhc__shape *s, int64_t tokens, mhc_streams in, mhc_streams out) {
    return out.data != in.data && mhc__is_large(s, tokens);
}

/* A row made of streams, as u: it has left the caches when as much of the streams has come in after its beginning. */
static inline bool mhc__row_goes_around(const mhc__shape *s, int64_t tokens) {
    return s->type == MHC_FP32 && tokens >= 2 * MHC__LARGE_BYTES / (int64_t)sizeof(float) / s->n / s->channels;
}

/* n! for n <= 5. */
int mhc__factorial(int n);

#endif
