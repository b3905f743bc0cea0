/* The engine of `mhc check FILE`: compares this program with what another one dumped, tensor by tensor. Two kinds of
 * file, both safetensors (docs/tensors.md):
 *   model   initial weights, batches, gradients of step 0, losses and gradient norms of every step
 *   site    inputs, coefficients, outputs and gradients of single sites, for named conventions
 * A gradient agrees when its L2 error is at most 1e-4 of its own norm, or 1e-6 of the norm of all gradients together
 * (one that vanishes by symmetry is pure rounding, on either side). Losses agree within 1e-4, gradient norms within
 * 1e-3 of themselves; beyond that, within twice what rounding alone does to this program's own run, which is then
 * measured (the row says "own spread"). */
#ifndef MHC_PROBE_CHECK_H
#define MHC_PROBE_CHECK_H

#include <stdbool.h>

#include "base/error.h"
#include "mhc/context.h"

typedef struct mhc__check_row {
    char name[112]; /* the tensor: "blocks.0.attn.qkv.weight", "losses", "paper.calm.d_x" */
    const char
        *what; /* "gradient", "zero gradient", "loss", "gradient norm", "fp32", "fp64 oracle", … Static storage */
    double relative;  /* ||found - expected||_2 / ||expected||_2; of a zero gradient: / norm of all gradients */
    double absolute;  /* max |found - expected| */
    double tolerance; /* of the measure that decides */
    bool by_absolute; /* which one decides */
    bool ok;          /* false also for anything that isn't finite */
} mhc__check_row;

typedef struct mhc__check_report {
    const char *kind;  /* "model" or "site" */
    char summary[256]; /* what was compared: "paper, 2 blocks, 32 channels, 4 streams; 12 steps" */
    mhc__check_row *rows;
    int count, capacity;
    int failed; /* rows that aren't ok */
} mhc__check_report;

/* MHC_OK when everything could be compared, whatever came out: see report->failed. The report is the caller's to free,
 * after a failure as well. Errors: MHC_IO and MHC_CORRUPT for the file; MHC_INVALID_ARGUMENT and MHC_MISMATCH for
 * metadata and tensors that aren't those of a model that this program has (named). */
mhc_status mhc__check_file(const char *path, const mhc_context *context, mhc__check_report *report, mhc_error *error);
void mhc__check_report_free(mhc__check_report *report);

#endif
