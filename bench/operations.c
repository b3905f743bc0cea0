#include "operations.h"

static mhc_streams streams(const mhc__subject *s, void *data) {
    return mhc_streams_of(data, s->spec.streams, s->spec.channels);
}
static mhc_rows rows(const mhc__subject *s, void *data) {
    return mhc_rows_of(data, s->spec.channels);
}
static int is_shifted(const mhc__subject *s) {
    return s->spec.schedule == MHC_SCHEDULE_SHIFTED;
}

/* --------------------------------------------------------------------------------------------------------- the calls
 */

static mhc_status pre(const mhc_context *context, const mhc__subject *s, mhc_error *error) {
    return mhc_pre_forward(context, &s->spec, &s->params, s->tokens, streams(s, s->x),
                           is_shifted(s) ? s->carried : NULL, s->coefficients, s->saved, rows(s, s->u), s->workspace,
                           s->workspace_size, error);
}

static mhc_status merge(const mhc_context *context, const mhc__subject *s, mhc_error *error) {
    return mhc_merge_forward(context, &s->spec, s->tokens, streams(s, s->x), rows(s, s->z), s->coefficients,
                             streams(s, s->merged), error);
}

static mhc_status site(const mhc_context *context, const mhc__subject *s, mhc_error *error) {
    mhc_status status = pre(context, s, error);
    return status == MHC_OK ? merge(context, s, error) : status;
}

/* dX is left to pre_back: the streams' gradient is read twice and written once. */
static mhc_status merge_back(const mhc_context *context, const mhc__subject *s, mhc_error *error) {
    return mhc_merge_backward(context, &s->spec, s->tokens, streams(s, s->x), rows(s, s->z), s->coefficients,
                              streams(s, s->d_merged), (mhc_streams){0}, rows(s, s->d_z), s->d_coefficients,
                              s->workspace, s->workspace_size, error);
}

static mhc_status pre_back(const mhc_context *context, const mhc__subject *s, mhc_error *error) {
    int shifted = is_shifted(s);
    return mhc_pre_backward(context, &s->spec, &s->params, s->tokens, streams(s, s->x), shifted ? s->carried : NULL,
                            s->coefficients, s->saved, rows(s, s->d_u), s->d_coefficients,
                            shifted ? s->d_carried : NULL, streams(s, s->d_merged), streams(s, s->d_x), &s->gradients,
                            s->workspace, s->workspace_size, error);
}

static mhc_status site_back(const mhc_context *context, const mhc__subject *s, mhc_error *error) {
    mhc_status status = merge_back(context, s, error);
    return status == MHC_OK ? pre_back(context, s, error) : status;
}

static mhc_status seam(const mhc_context *context, const mhc__subject *s, mhc_error *error) {
    return mhc_seam_forward(context, &s->spec, s->tokens, streams(s, s->x), rows(s, s->z), s->coefficients,
                            streams(s, s->merged), &s->params, s->next_coefficients, s->next_saved, rows(s, s->u),
                            s->workspace, s->workspace_size, error);
}

static mhc_status seam_norm(const mhc_context *context, const mhc__subject *s, mhc_error *error) {
    const mhc_rmsnorm norm = {s->norm_weight, 1e-6f};
    return mhc_seam_rmsnorm_forward(context, &s->spec, s->tokens, streams(s, s->x), rows(s, s->z), s->coefficients,
                                    streams(s, s->merged), &s->params, s->next_coefficients, s->next_saved, &norm,
                                    rows(s, s->u), s->workspace, s->workspace_size, error);
}

static mhc_status seam_back(const mhc_context *context, const mhc__subject *s, mhc_error *error) {
    mhc_seam_next next = {.params = &s->params,
                          .x = streams(s, s->merged),
                          .coefficients = s->next_coefficients,
                          .saved = s->next_saved,
                          .du = rows(s, s->d_u),
                          .d_coefficients = s->d_next_coefficients,
                          .dout = streams(s, s->d_merged),
                          .gradients = &s->gradients};
    return mhc_seam_backward(context, &s->spec, s->tokens, &next, streams(s, s->d_x), streams(s, s->x), rows(s, s->z),
                             s->coefficients, rows(s, s->d_z), s->d_coefficients, s->workspace, s->workspace_size,
                             error);
}

static mhc_status constraint(const mhc_context *context, const mhc__subject *s, mhc_error *error) {
    return mhc_constraint_forward(context, &s->spec, s->tokens, s->logits, s->res, error);
}

static mhc_status constraint_back(const mhc_context *context, const mhc__subject *s, mhc_error *error) {
    return mhc_constraint_backward(context, &s->spec, s->tokens, s->logits, s->d_res, s->d_logits, error);
}

static mhc_status expand(const mhc_context *context, const mhc__subject *s, mhc_error *error) {
    return mhc_expand_forward(context, &s->spec, s->tokens, rows(s, s->z), streams(s, s->merged), error);
}

static mhc_status expand_back(const mhc_context *context, const mhc__subject *s, mhc_error *error) {
    return mhc_expand_backward(context, &s->spec, s->tokens, streams(s, s->d_merged), rows(s, s->d_z), error);
}

static mhc_status contract(const mhc_context *context, const mhc__subject *s, mhc_error *error) {
    return mhc_contract_forward(context, &s->spec, &s->head, s->tokens, streams(s, s->x), s->carried, s->head_saved,
                                rows(s, s->u), s->workspace, s->workspace_size, error);
}

static mhc_status contract_back(const mhc_context *context, const mhc__subject *s, mhc_error *error) {
    return mhc_contract_backward(context, &s->spec, &s->head, s->tokens, streams(s, s->x), s->carried, s->head_saved,
                                 rows(s, s->d_u), s->d_carried, streams(s, s->d_x), &s->d_head, s->workspace,
                                 s->workspace_size, error);
}

mhc_status mhc__operations_prepare(const mhc_context *context, const mhc__subject *s, mhc_error *error) {
    mhc_status status = pre(context, s, error);
    if (status == MHC_OK)
        status = seam(context, s, error);
    return status == MHC_OK ? contract(context, s, error) : status;
}

/* --------------------------------------------------------------------------------------------------------- the costs
 * Derived in docs/performance.md. Traffic counts tensors of T rows of C elements and, once per call, the parameters;
 * the coefficients are 1/C of a row of floats and count too. */

static double elements_of(const mhc__subject *s) { /* of one row for each token */
    return (double)s->tokens * (double)s->spec.channels;
}
static double units(const mhc__subject *s) { /* bytes of those */
    return (double)mhc_type_size(s->spec.type) * elements_of(s);
}
static double coefficient_bytes(const mhc__subject *s) {
    return 4.0 * (double)s->sizes.coefficients;
}
static double fn_bytes(const mhc__subject *s) {
    return 4.0 * (double)(s->sizes.fn_rows * s->sizes.fn_columns);
}
/* Products of one token with fn: each entry once, or once per stream. */
static double projection_flops(const mhc__subject *s) {
    double entries = (double)(s->sizes.fn_rows * s->sizes.fn_columns);
    return 2 * entries * (s->spec.norm == MHC_NORM_PER_STREAM ? s->spec.streams : 1);
}
static double coefficient_sets(const mhc__subject *s) { /* constraints computed by a site */
    return s->spec.mapping == MHC_MAPPING_DYNAMIC ? (double)s->tokens : 1;
}

/* Of one matrix. Sinkhorn: 2 iterations half steps, each n^2 sums and n^2 products and n divisions; exponentials and
 * the other constraints count as one operation per logit. */
static double constraint_flops(const mhc__subject *s) {
    double n = s->spec.streams, logits = (double)mhc__subject_logits(s);
    return s->spec.constraint == MHC_CONSTRAINT_SINKHORN ? 2 * s->spec.sinkhorn.iterations * (2 * n * n + n) : logits;
}
/* The iterations again, and for each half step n^2 sums and n^2 fused products on the way back. */
static double constraint_back_flops(const mhc__subject *s) {
    double n = s->spec.streams;
    double back = s->spec.constraint == MHC_CONSTRAINT_SINKHORN ? 2 * s->spec.sinkhorn.iterations * 3 * n * n : 0;
    return constraint_flops(s) + back;
}

static mhc__cost pre_cost(const mhc__subject *s) {
    double row = units(s), n = s->spec.streams, elements = elements_of(s);
    int dynamic = s->spec.mapping == MHC_MAPPING_DYNAMIC;
    mhc__cost cost = {.read = n * row + fn_bytes(s), .written = row + coefficient_bytes(s)};
    cost.split = (n + 1) * row + coefficient_bytes(s), cost.shared = fn_bytes(s);
    cost.flops = 2 * n * elements + coefficient_sets(s) * constraint_flops(s);
    if (dynamic) /* products and squares */
        cost.flops += (double)s->tokens * projection_flops(s) + 2 * n * elements;
    return cost;
}

static mhc__cost merge_cost(const mhc__subject *s) {
    double row = units(s), n = s->spec.streams;
    mhc__cost cost = {.read = (n + 1) * row + coefficient_bytes(s), .written = n * row};
    cost.split = (2 * n + 1) * row + coefficient_bytes(s);
    cost.flops = 2 * n * (n + 1) * elements_of(s);
    return cost;
}

static mhc__cost sum(mhc__cost a, mhc__cost b) {
    mhc__cost cost = {a.read + b.read, a.written + b.written, a.split + b.split, a.shared + b.shared,
                      a.flops + b.flops};
    return cost;
}

static mhc__cost site_cost(const mhc__subject *s) {
    mhc__cost cost = sum(pre_cost(s), merge_cost(s));
    cost.split -= s->spec.streams * units(s) + coefficient_bytes(s); /* X and the coefficients are in both */
    return cost;
}

/* dX', X, z -> dz; post and res of d_coefficients. */
static mhc__cost merge_back_cost(const mhc__subject *s) {
    double row = units(s), n = s->spec.streams;
    mhc__cost cost = {.read = (2 * n + 1) * row + coefficient_bytes(s), .written = row + coefficient_bytes(s)};
    cost.split = cost.read + cost.written;
    cost.flops = 2 * n * (n + 2) * elements_of(s);
    return cost;
}

/* dX', X, du, coefficients and their gradient, fn -> dX; adds to d_fn. */
static mhc__cost pre_back_cost(const mhc__subject *s) {
    double row = units(s), n = s->spec.streams, elements = elements_of(s);
    int dynamic = s->spec.mapping == MHC_MAPPING_DYNAMIC;
    mhc__cost cost = {.read = (2 * n + 1) * row + 2 * coefficient_bytes(s) + 2 * fn_bytes(s)};
    cost.written = n * row + fn_bytes(s);
    cost.split = (3 * n + 1) * row + 2 * coefficient_bytes(s), cost.shared = 2 * fn_bytes(s);
    cost.flops = 2 * n * (n + 2) * elements + coefficient_sets(s) * constraint_back_flops(s);
    if (dynamic) /* products for dX and for d_fn, and the norm's share of dX */
        cost.flops += 2 * (double)s->tokens * projection_flops(s) + 2 * n * elements;
    return cost;
}

static mhc__cost site_back_cost(const mhc__subject *s) {
    double row = units(s), n = s->spec.streams;
    mhc__cost cost = sum(merge_back_cost(s), pre_back_cost(s));
    cost.split -= 2 * n * row + 2 * coefficient_bytes(s); /* dX', X and the coefficients are in both */
    return cost;
}

/* Two operations of which the second finds the streams between them at hand. */
static mhc__cost handed_on(const mhc__subject *s, mhc__cost first, mhc__cost second) {
    double between = s->spec.streams * units(s);
    mhc__cost cost = sum(first, second);
    cost.read -= between;
    cost.split -= between;
    return cost;
}

static mhc__cost seam_cost(const mhc__subject *s) {
    return handed_on(s, merge_cost(s), pre_cost(s));
}

static mhc__cost seam_norm_cost(const mhc__subject *s) {
    double weight = 4 * (double)s->spec.channels;
    mhc__cost cost = seam_cost(s);
    cost.read += weight, cost.shared += weight, cost.flops += 4 * elements_of(s);
    return cost;
}

static mhc__cost seam_back_cost(const mhc__subject *s) {
    return handed_on(s, pre_back_cost(s), merge_back_cost(s));
}

static mhc__cost constraint_cost(const mhc__subject *s) {
    double n = s->spec.streams, t = (double)s->tokens;
    mhc__cost cost = {.read = 4 * t * (double)mhc__subject_logits(s), .written = 4 * t * n * n};
    cost.split = cost.read + cost.written, cost.flops = t * constraint_flops(s);
    return cost;
}

static mhc__cost constraint_back_cost(const mhc__subject *s) {
    double n = s->spec.streams, t = (double)s->tokens, logits = 4 * t * (double)mhc__subject_logits(s);
    mhc__cost cost = {.read = logits + 4 * t * n * n, .written = logits};
    cost.split = cost.read + cost.written, cost.flops = t * constraint_back_flops(s);
    return cost;
}

static mhc__cost expand_cost(const mhc__subject *s) {
    double row = units(s), n = s->spec.streams;
    mhc__cost cost = {.read = row, .written = n * row, .split = (n + 1) * row};
    return cost;
}

static mhc__cost expand_back_cost(const mhc__subject *s) {
    double row = units(s), n = s->spec.streams;
    mhc__cost cost = {.read = n * row, .written = row, .split = (n + 1) * row, .flops = n * elements_of(s)};
    return cost;
}

/* A learned head has n outputs for each token: X is needed for them and for the sum, once. */
static double head_flops(const mhc__subject *s) {
    double n = s->spec.streams;
    return s->spec.contraction == MHC_CONTRACT_HEAD ? 2 * n * (n + 1) * elements_of(s) : 0;
}
static double head_bytes(const mhc__subject *s) {
    double n = s->spec.streams;
    return s->spec.contraction == MHC_CONTRACT_HEAD ? 4 * n * n * (double)s->spec.channels : 0;
}

static mhc__cost contract_cost(const mhc__subject *s) {
    double row = units(s), n = s->spec.streams;
    mhc__cost cost = {.read = n * row + head_bytes(s), .written = row, .split = (n + 1) * row};
    cost.shared = head_bytes(s), cost.flops = 2 * n * elements_of(s) + head_flops(s);
    return cost;
}

static mhc__cost contract_back_cost(const mhc__subject *s) {
    double row = units(s), n = s->spec.streams;
    int weights_learn = s->spec.contraction == MHC_CONTRACT_HEAD || s->spec.contraction == MHC_CONTRACT_CARRIED;
    mhc__cost cost = {.read = (1 + (weights_learn ? n : 0)) * row + 2 * head_bytes(s)};
    cost.written = n * row + head_bytes(s);
    cost.split = (1 + n + (weights_learn ? n : 0)) * row, cost.shared = 2 * head_bytes(s);
    cost.flops = (weights_learn ? 4 : 1) * n * elements_of(s) + 2 * head_flops(s);
    return cost;
}

/* --------------------------------------------------------------------------------------------------------- the table
 */

const mhc__operation MHC__OPERATIONS[] = {
    {"pre", "X -> coefficients, u", 1, pre, pre_cost},
    {"merge", "X, z, coefficients -> X'", 1, merge, merge_cost},
    {"site", "pre, then merge", 1, site, site_cost},
    {"merge-back", "dX' -> dz, d_coefficients", 1, merge_back, merge_back_cost},
    {"pre-back", "dX', du, d_coefficients -> dX, d_fn, d_base, d_scale", 1, pre_back, pre_back_cost},
    {"site-back", "merge-back, then pre-back", 1, site_back, site_back_cost},
    {"seam", "merge and the next pre in one: X, z -> X', u", 1, seam, seam_cost},
    {"seam-norm", "seam with the RMSNorm of u", 1, seam_norm, seam_norm_cost},
    {"seam-back", "the next pre-back and merge-back in one", 1, seam_back, seam_back_cost},
    {"constraint", "logits -> res", 0, constraint, constraint_cost},
    {"constraint-back", "d_res -> d_logits", 0, constraint_back, constraint_back_cost},
    {"expand", "x -> X", 1, expand, expand_cost},
    {"expand-back", "dX -> dx", 1, expand_back, expand_back_cost},
    {"contract", "X -> y", 1, contract, contract_cost},
    {"contract-back", "dy -> dX", 1, contract_back, contract_back_cost},
    {NULL, NULL, 0, NULL, NULL},
};

void mhc__call_run(void *self) {
    mhc__call *call = self;
    if (call->status == MHC_OK)
        call->status = call->first->run(&call->context, call->subject, &call->error);
    if (call->status == MHC_OK && call->then)
        call->status = call->then->run(&call->context, call->subject, &call->error);
}
