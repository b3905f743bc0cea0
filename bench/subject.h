/* What operations work on. */
#ifndef MHC_BENCH_SUBJECT_H
#define MHC_BENCH_SUBJECT_H

#include "mhc/mhc.h"

/* Where the tensors lie. copy: from an array of the host's. */
typedef struct mhc__subject_memory {
    mhc_device device;
    mhc_status (*allocate)(void **out, int64_t count, size_t size, const char *what, mhc_error *error);
    void (*copy)(void *to, const void *from, size_t bytes);
    void (*release)(void *memory);
} mhc__subject_memory;

extern const mhc__subject_memory MHC__HOST_MEMORY;

/* A site and the two ends with all their tensors: filled with normal numbers, gradients with zeros. Those of streams
 * and rows have elements of spec.type. */
typedef struct mhc__subject {
    const mhc__subject_memory *memory;
    mhc_spec spec;
    int64_t tokens;
    mhc_site_sizes sizes;
    mhc_contract_sizes ends;
    void *x, *merged, *d_merged, *d_x; /* [T, n, C] */
    void *z, *u, *d_z, *d_u;           /* [T, C] */
    float *coefficients, *d_coefficients, *carried, *d_carried, *saved;
    float *next_coefficients, *d_next_coefficients, *next_saved; /* of the site after, which has the same params */
    mhc_site_params params, gradients;
    mhc_head_params head, d_head;
    float *head_saved;
    float *norm_weight;                     /* of the layer behind the seam: [C] */
    float *logits, *res, *d_res, *d_logits; /* of the constraint alone: [T, mhc_constraint_logits] and [T, n, n] */
    void *workspace;
    size_t workspace_size;
} mhc__subject;

/* constraint: a name, or NULL for the preset's own. Errors: as mhc_spec_preset; out of memory. Close it either way. */
mhc_status mhc__subject_open(mhc__subject *subject, const mhc__subject_memory *memory, const char *preset,
                             const char *constraint, mhc_type type, int streams, int64_t channels, int64_t tokens,
                             mhc_error *error);
void mhc__subject_close(mhc__subject *subject);

/* "fp32", "bf16", "fp16". */
const char *mhc__type_name(mhc_type type);

/* Logits of res for one token. */
int64_t mhc__subject_logits(const mhc__subject *subject);

#endif
