/* The mapping and the collapse of a site on a few tokens at a time, so that pre and the seam do the same. */
#ifndef MHC_STREAM_PRE_H
#define MHC_STREAM_PRE_H

#include "stream/mapping/projection.h"

/* What a site collapses with: its own pre, or, under the shifted schedule, that of the site before; both as
 * mhc_pre_forward takes them. */
mhc__weights mhc__pre_weights(const mhc__shape *shape, const float *coefficients, const float *carried);

/* The arguments of pre, forward or backward. */
typedef struct mhc__pre {
    const mhc__logit_kernels *logits;
    const mhc__stream_kernels *streams;
    const mhc_spec *spec;
    const mhc__shape *shape;
    mhc__projection projection;
    const mhc_site_params *params;
    mhc_streams x;
    mhc__weights weights;
    const mhc_rmsnorm *norm; /* of u; NULL: u is written as it is */
    float *saved;            /* [T, shape.saved] */
    bool around;             /* u is written past the caches */
} mhc__pre;

/* carried: as mhc_pre_forward. Without a norm. */
mhc__pre mhc__pre_of(const mhc_spec *spec, const mhc__shape *shape, const mhc_site_params *params, mhc_streams x,
                     const float *coefficients, const float *carried, float *saved);
/* Of the calls that take a norm and have a u. */
mhc_status mhc__rmsnorm_check(const mhc_rmsnorm *norm, const char *call, mhc_error *error);
/* what: the name that the call has for params. */
mhc_status mhc__pre_check(const mhc__shape *shape, const mhc_site_params *params, int64_t tokens, mhc_streams x,
                          const float *carried, const float *coefficients, const char *call, const char *what,
                          mhc_error *error);

/* Floats of workspace that the forward needs. */
int64_t mhc__pre_forward_floats(const mhc__pre *pre, int64_t tokens);
/* Before the blocks: the coefficients that all tokens share, a place for what is saved unless the caller has one, fn
 * packed where that is worth it. The workspace is in use until the last block is done. */
mhc_status mhc__pre_begin(mhc__pre *pre, int threads, int64_t tokens, float *coefficients, void *workspace,
                          size_t workspace_size, const char *call, mhc_error *error);
/* Tokens of a block, and those of its tokens that are projected together. */
int64_t mhc__pre_block_tokens(const mhc__pre *pre);
int64_t mhc__pre_part_tokens(const mhc__pre *pre);
/* What the coefficients of tokens first..end are made of, where each has its own. */
void mhc__pre_project(const mhc__pre *pre, int64_t first, int64_t end, const mhc__block *part);
/* The coefficients of a block, tokens first..end, and their u unless its data is NULL. x: from its first token on. */
void mhc__pre_block(const mhc__pre *pre, int64_t first, int64_t end, mhc_streams x, float *coefficients, mhc_rows u);

/* The gradients that pre's backward is given and writes, as mhc_pre_backward. */
typedef struct mhc__pre_gradients {
    mhc_rows du;
    float *d_coefficients, *d_carried;
    const mhc__merging *merging; /* this site's; NULL: dx is added to */
    mhc_streams dout, dx;
    const mhc_site_params *params;
    mhc_streams beside; /* read after each chunk, of the same tokens; may have no data */
} mhc__pre_gradients;

/* Scratch of one range. */
typedef struct mhc__pre_scratch {
    double *merged;   /* [n (n + 1)]: the seam's sums of post and res, where all tokens share them */
    double *sums;     /* [logits + 3]: of base and scale, or of the static d_coefficients */
    float *d_mix;     /* [MHC__CHUNK, logits] */
    mhc__slabs slabs; /* of the thread that asks, not of the range */
    mhc__fn_back fn;
} mhc__pre_scratch;

/* Floats of scratch for all ranges: 0 for none. No more threads than ranges may share them. */
int64_t mhc__pre_scratch_floats(const mhc__shape *shape, int ranges);
/* thread: of the team that works on the ranges; its slabs. 0 where nobody works any more. */
mhc__pre_scratch mhc__pre_scratch_of(const mhc__shape *shape, float *scratch, int ranges, int range, int thread);

/* Before all ranges, by all threads. */
void mhc__pre_back_begin(const mhc__pre *pre, int threads, int ranges, float *scratch);
/* One range of tokens: prepares its scratch, then walks over its chunks. The only range adds to the gradient of fn
 * itself, not to a part of its own. */
void mhc__pre_back_range(const mhc__pre *pre, const mhc__pre_gradients *g, int ranges, mhc__pre_scratch *scratch);
/* At most MHC__CHUNK tokens. */
void mhc__pre_back_chunk(const mhc__pre *pre, const mhc__pre_gradients *g, int64_t first, int64_t end,
                         mhc__pre_scratch *scratch);
/* After all ranges: the sums go to the gradients of the parameters. */
void mhc__pre_back_end(const mhc__pre *pre, const mhc__pre_gradients *g, int threads, int ranges, float *scratch);

#endif
