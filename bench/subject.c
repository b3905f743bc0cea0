#include "subject.h"

#include <string.h>

#include "base/memory.h"
#include "base/philox.h"
#include "base/threads.h"

const char *mhc__type_name(mhc_type type) {
    static const char *const NAMES[] = {"fp32", "bf16", "fp16"};
    return NAMES[type];
}

static void copy_bytes(void *to, const void *from, size_t bytes) {
    memcpy(to, from, bytes);
}

const mhc__subject_memory MHC__HOST_MEMORY = {MHC_DEVICE_CPU, mhc__allocate, copy_bytes, mhc__release};

/* Normal numbers, a stretch of them again and again: gigabytes are filled at the speed of memory. */
static mhc_status normal(const mhc__subject_memory *memory, mhc_type type, void **out, int64_t count, float deviation,
                         uint64_t key, mhc_error *error) {
    enum { STRETCH = 100003 }; /* odd, so that rows differ */
    int64_t first = mhc__min(count, STRETCH), size = mhc_type_size(type);
    float *drawn;
    mhc_status status = memory->allocate(out, count, (size_t)size, "the tensors of a benchmark", error);
    if (status == MHC_OK)
        status = MHC__ALLOCATE(drawn, first, "the numbers of a benchmark", error);
    if (status != MHC_OK)
        return status;
    mhc__normal_fill(key, 0, deviation, drawn, first);
    for (int64_t i = 0; i < first && type != MHC_FP32; i++) { /* in place: the numbers before are used up */
        uint16_t bits = type == MHC_FP16 ? mhc_fp16_of(drawn[i]) : mhc_bf16_of(drawn[i]);
        memcpy((char *)drawn + 2 * i, &bits, 2);
    }
    for (int64_t at = 0; at < count; at += first)
        memory->copy((char *)*out + at * size, drawn, (size_t)(mhc__min(first, count - at) * size));
    mhc__release(drawn);
    return MHC_OK;
}

int64_t mhc__subject_logits(const mhc__subject *s) {
    int count = 0;
    mhc_constraint_logits(&s->spec, &count, NULL); /* the spec has been checked */
    return count;
}

static mhc_status open_tensors(mhc__subject *s, mhc_error *error) {
    int64_t n = s->spec.streams, c = s->spec.channels, t = s->tokens, fn = s->sizes.fn_rows * s->sizes.fn_columns;
    int head = s->spec.contraction == MHC_CONTRACT_HEAD;
    struct {
        void **out;
        int64_t count;
        float deviation;
    } elements[] = {
        {&s->x, t * n * c, 1}, {&s->merged, t * n * c, 0}, {&s->d_merged, t * n * c, 1}, {&s->d_x, t * n * c, 0},
        {&s->z, t * c, 1},     {&s->u, t * c, 0},          {&s->d_z, t * c, 0},          {&s->d_u, t * c, 1},
    };
    struct {
        float **out;
        int64_t count;
        float deviation;
    } floats[] = {
        {&s->coefficients, s->sizes.coefficients, 0.3f},
        {&s->d_coefficients, s->sizes.coefficients, 0.3f},
        {&s->carried, s->sizes.coefficients, 0.3f},
        {&s->d_carried, s->sizes.coefficients, 0},
        {&s->saved, s->sizes.saved, 0},
        {&s->next_coefficients, s->sizes.coefficients, 0.3f},
        {&s->d_next_coefficients, s->sizes.coefficients, 0.3f},
        {&s->next_saved, s->sizes.saved, 0},
        {&s->params.fn, fn, 0.02f},
        {&s->params.base, s->sizes.base, 0.5f},
        {&s->params.scale, s->sizes.scale, 0.5f},
        {&s->gradients.fn, fn, 0},
        {&s->gradients.base, s->sizes.base, 0},
        {&s->gradients.scale, s->sizes.scale, 0},
        {&s->head.fn, head ? n * n * c : 0, 0.02f},
        {&s->head.base, head ? n : 0, 0.5f},
        {&s->head.scale, head, 0.5f},
        {&s->d_head.fn, head ? n * n * c : 0, 0},
        {&s->d_head.base, head ? n : 0, 0},
        {&s->d_head.scale, head, 0},
        {&s->head_saved, s->ends.saved, 0},
        {&s->logits, t * mhc__subject_logits(s), 1},
        {&s->res, t * n * n, 0},
        {&s->d_res, t * n * n, 1},
        {&s->d_logits, t * mhc__subject_logits(s), 0},
        {&s->norm_weight, c, 1},
    };
    mhc_status status = MHC_OK;
    for (size_t i = 0; status == MHC_OK && i < sizeof elements / sizeof elements[0]; i++)
        status =
            normal(s->memory, s->spec.type, elements[i].out, elements[i].count, elements[i].deviation, i + 1, error);
    for (size_t i = 0; status == MHC_OK && i < sizeof floats / sizeof floats[0]; i++)
        status =
            normal(s->memory, MHC_FP32, (void **)floats[i].out, floats[i].count, floats[i].deviation, i + 101, error);
    return status;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

mhc_status mhc__subject_open(mhc__subject *s, const mhc__subject_memory *memory, const char *preset,
                             const char *constraint, mhc_type type, int streams, int64_t channels, int64_t tokens,
                             mhc_error *error) {
    memset(s, 0, sizeof *s);
    s->memory = memory;
    s->tokens = tokens;
    mhc_status status = mhc_spec_preset(&s->spec, preset, streams, channels, error);
    s->spec.type = type;
    if (status == MHC_OK && constraint)
        status = mhc_constraint_find(constraint, &s->spec.constraint, error);
    if (status == MHC_OK)
        status = mhc_site_sizes_query(&s->spec, tokens, &s->sizes, error);
    if (status == MHC_OK)
        status = mhc_contract_sizes_query(&s->spec, tokens, &s->ends, error);
    if (status == MHC_OK)
        status = open_tensors(s, error);
    s->workspace_size = memory->device == MHC_DEVICE_CPU ? larger(s->sizes.workspace, s->ends.workspace)
                                                         : larger(s->sizes.cuda_workspace, s->ends.cuda_workspace);
    if (status == MHC_OK)
        status = memory->allocate(&s->workspace, (int64_t)s->workspace_size, 1, "workspace", error);
    return status;
}

void mhc__subject_close(mhc__subject *s) {
    void *all[] = {s->x,
                   s->merged,
                   s->d_merged,
                   s->d_x,
                   s->z,
                   s->u,
                   s->d_z,
                   s->d_u,
                   s->saved,
                   s->coefficients,
                   s->carried,
                   s->d_carried,
                   s->params.fn,
                   s->params.base,
                   s->params.scale,
                   s->gradients.fn,
                   s->gradients.base,
                   s->gradients.scale,
                   s->head.fn,
                   s->head.base,
                   s->head.scale,
                   s->d_head.fn,
                   s->d_head.base,
                   s->d_head.scale,
                   s->head_saved,
                   s->logits,
                   s->res,
                   s->d_res,
                   s->d_logits,
                   s->norm_weight,
                   s->d_coefficients,
                   s->workspace,
                   s->next_coefficients,
                   s->d_next_coefficients,
                   s->next_saved};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        s->memory->release(all[i]);
    memset(s, 0, sizeof *s);
}
