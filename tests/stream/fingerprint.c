/* Prints one line per preset, type of elements and shape, and per constraint, finish and shape: a checksum of
 * everything that forward and backward of a site and of the two ends wrote. Run with each MHC_ISA, with other thread
 * counts and on other processors, the lines are the same (tests/isa/equal.sh). Inputs come from Philox alone, no
 * library's mathematics. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/philox.h"
#include "mhc/mhc.h"
#include "simd/isa.h"

enum { PLACE = 7 };

static uint64_t checksum(uint64_t hash, const void *data, size_t bytes) {
    const unsigned char *at = data;
    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ at[i]) * 0x100000001B3u; /* FNV-1a */
    return hash;
}

static void *reserve(size_t bytes) {
    void *memory = calloc(1, bytes + 64);
    if (!memory) {
        fprintf(stderr, "no memory\n");
        exit(1);
    }
    return memory;
}

static float *drawn(uint32_t index, int64_t count, float bound) {
    float *values = reserve((size_t)count * sizeof *values);
    mhc__uniform_fill(11, mhc__philox_place(PLACE, index), bound, values, count);
    return values;
}

/* The same as elements of streams or rows. */
static void *drawn_as(mhc_type type, uint32_t index, int64_t count, float bound) {
    float *values = drawn(index, count, bound);
    if (type == MHC_FP32)
        return values;
    uint16_t *elements = reserve((size_t)count * sizeof *elements);
    for (int64_t i = 0; i < count; i++)
        elements[i] = type == MHC_FP16 ? mhc_fp16_of(values[i]) : mhc_bf16_of(values[i]);
    free(values);
    return elements;
}

static void need(mhc_status status, const mhc_error *error) {
    if (status == MHC_OK)
        return;
    fprintf(stderr, "%s\n", error->message);
    exit(1);
}

static uint64_t site(const mhc_context *context, const mhc_spec *spec, int64_t tokens) {
    mhc_error error;
    mhc_site_sizes sizes;
    need(mhc_site_sizes_query(spec, tokens, &sizes, &error), &error);
    int n = spec->streams;
    mhc_type type = spec->type;
    int64_t c = spec->channels, fn = sizes.fn_rows * sizes.fn_columns, streams = tokens * n * c;
    size_t row_bytes = (size_t)(tokens * c * mhc_type_size(type)), stream_bytes = (size_t)n * row_bytes;
    void *x = drawn_as(type, 1, streams, 2.0f), *z = drawn_as(type, 2, tokens * c, 2.0f);
    void *d = drawn_as(type, 3, streams, 1.0f), *du = drawn_as(type, 4, tokens * c, 1.0f);
    void *u = reserve(row_bytes), *out = reserve(stream_bytes), *dz = reserve(row_bytes);
    float *k = reserve((size_t)sizes.coefficients * sizeof *k), *dk = drawn(5, sizes.coefficients, 1.0f);
    float *saved = reserve((size_t)sizes.saved * sizeof *saved), *workspace = reserve(sizes.workspace);
    mhc_site_params params = {drawn(6, fn, 0.3f), drawn(7, sizes.base, 2.0f), drawn(8, sizes.scale, 1.0f)};
    mhc_site_params gradients = {reserve((size_t)fn * 4), reserve((size_t)sizes.base * 4),
                                 reserve((size_t)sizes.scale * 4)};
    mhc_streams in = mhc_streams_of(x, n, c), back = mhc_streams_of(d, n, c), to = mhc_streams_of(out, n, c);
    need(mhc_pre_forward(context, spec, &params, tokens, in, NULL, k, saved, mhc_rows_of(u, c), workspace,
                         sizes.workspace, &error),
         &error);
    need(mhc_merge_forward(context, spec, tokens, in, mhc_rows_of(z, c), k, to, &error), &error);
    uint64_t hash = checksum(0xCBF29CE484222325u, k, (size_t)sizes.coefficients * 4);
    hash = checksum(hash, u, row_bytes);
    hash = checksum(hash, out, stream_bytes);
    float *weight = drawn(9, c, 1.0f);
    const mhc_rmsnorm norm = {weight, 1e-6f};
    need(mhc_pre_rmsnorm_forward(context, spec, &params, tokens, in, NULL, k, saved, &norm, mhc_rows_of(u, c),
                                 workspace, sizes.workspace, &error),
         &error);
    hash = checksum(hash, u, row_bytes);
    need(mhc_merge_backward(context, spec, tokens, in, mhc_rows_of(z, c), k, back, (mhc_streams){0}, mhc_rows_of(dz, c),
                            dk, workspace, sizes.workspace, &error),
         &error);
    need(mhc_pre_backward(context, spec, &params, tokens, in, NULL, k, saved, mhc_rows_of(du, c), dk, NULL, back, back,
                          &gradients, workspace, sizes.workspace, &error),
         &error);
    hash = checksum(hash, d, stream_bytes);
    hash = checksum(hash, dz, row_bytes);
    hash = checksum(hash, gradients.fn, (size_t)fn * 4);
    hash = checksum(hash, gradients.base, (size_t)sizes.base * 4);
    hash = checksum(hash, gradients.scale, (size_t)sizes.scale * 4);
    void *all[] = {x,
                   z,
                   d,
                   du,
                   u,
                   out,
                   dz,
                   k,
                   dk,
                   saved,
                   workspace,
                   params.fn,
                   params.base,
                   params.scale,
                   weight,
                   gradients.fn,
                   gradients.base,
                   gradients.scale};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
    return hash;
}

static uint64_t ends(const mhc_context *context, const mhc_spec *spec, int64_t tokens) {
    mhc_error error;
    mhc_contract_sizes sizes;
    if (spec->contraction == MHC_CONTRACT_CARRIED)
        return 0;
    need(mhc_contract_sizes_query(spec, tokens, &sizes, &error), &error);
    int n = spec->streams;
    mhc_type type = spec->type;
    int64_t c = spec->channels, fn = n * n * c;
    size_t row_bytes = (size_t)(tokens * c * mhc_type_size(type)), stream_bytes = (size_t)n * row_bytes;
    void *x = drawn_as(type, 1, tokens * n * c, 2.0f), *dy = drawn_as(type, 2, tokens * c, 1.0f);
    void *y = reserve(row_bytes), *dx = reserve(stream_bytes), *workspace = reserve(sizes.workspace);
    float *saved = reserve((size_t)sizes.saved * 4);
    mhc_head_params params = {drawn(3, fn, 0.3f), drawn(4, n, 1.0f), drawn(5, 1, 1.0f)};
    mhc_head_params gradients = {reserve((size_t)fn * 4), reserve((size_t)n * 4), reserve(4)};
    need(mhc_contract_forward(context, spec, &params, tokens, mhc_streams_of(x, n, c), NULL, saved, mhc_rows_of(y, c),
                              workspace, sizes.workspace, &error),
         &error);
    need(mhc_contract_backward(context, spec, &params, tokens, mhc_streams_of(x, n, c), NULL, saved, mhc_rows_of(dy, c),
                               NULL, mhc_streams_of(dx, n, c), &gradients, workspace, sizes.workspace, &error),
         &error);
    uint64_t hash = checksum(0xCBF29CE484222325u, y, row_bytes);
    hash = checksum(hash, dx, stream_bytes);
    hash = checksum(hash, gradients.fn, (size_t)fn * 4);
    hash = checksum(hash, gradients.base, (size_t)n * 4);
    hash = checksum(hash, gradients.scale, 4);
    need(mhc_expand_backward(context, spec, tokens, mhc_streams_of(dx, n, c), mhc_rows_of(y, c), &error), &error);
    hash = checksum(hash, y, row_bytes);
    void *all[] = {x,         y,           dy,           dx,           saved,          workspace,
                   params.fn, params.base, params.scale, gradients.fn, gradients.base, gradients.scale};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        free(all[i]);
    return hash;
}

enum { SHAPES = 8 };
static const struct {
    int streams;
    int64_t channels, tokens;
} shapes[SHAPES] = {{1, 40, 5},   {2, 33, 17}, {3, 16, 70}, {4, 48, 150},
                    {4, 131, 33}, {5, 7, 20},  {8, 24, 9},  {9, 5, 4}};

static void presets(const mhc_context *context) {
    enum { TYPES = MHC_FP16 + 1 };
    static const char *const names[TYPES] = {"fp32", "bf16", "fp16"};
    const char *name;
    for (int p = 0; (name = mhc_spec_preset_name(p)) != NULL; p++)
        for (int k = 0; k < TYPES * SHAPES; k++) {
            mhc_spec spec;
            mhc_error error;
            int64_t tokens = shapes[k / TYPES].tokens;
            if (mhc_spec_preset(&spec, name, shapes[k / TYPES].streams, shapes[k / TYPES].channels, &error) != MHC_OK)
                continue; /* a preset of fewer streams */
            spec.type = (mhc_type)(k % TYPES);
            printf("%-16s %s n=%d C=%lld T=%lld  site %016llx  ends %016llx\n", name, names[spec.type], spec.streams,
                   (long long)spec.channels, (long long)tokens, (unsigned long long)site(context, &spec, tokens),
                   (unsigned long long)ends(context, &spec, tokens));
        }
}

/* Every constraint, with each finish, half of them with a leak. */
static void constraints(const mhc_context *context) {
    const char *name;
    for (int kind = 0; (name = mhc_constraint_name(kind)) != NULL; kind++)
        for (int k = 0; k < 3 * SHAPES; k++) {
            mhc_spec spec;
            mhc_error error;
            int64_t tokens = shapes[k / 3].tokens;
            need(mhc_spec_preset(&spec, "paper", shapes[k / 3].streams, shapes[k / 3].channels, &error), &error);
            spec.constraint = (mhc_constraint_kind)kind;
            spec.finish = (mhc_finish)(k % 3);
            spec.leak = k % 2 ? 0.25f : 0.0f;
            if (mhc_spec_check(&spec, NULL) == MHC_OK)
                printf("%-16s finish %d n=%d C=%lld T=%lld  site %016llx\n", name, (int)spec.finish, spec.streams,
                       (long long)spec.channels, (long long)tokens, (unsigned long long)site(context, &spec, tokens));
        }
}

/* fingerprint THREADS, or fingerprint --has: whether the instruction set that MHC_ISA names is there. */
int main(int count, char **words) {
    if (count > 1 && strcmp(words[1], "--has") == 0)
        return mhc__isa_complaint() != NULL;
    mhc_context context = mhc_context_cpu(count > 1 ? atoi(words[1]) : 1);
    presets(&context);
    constraints(&context);
    return 0;
}
