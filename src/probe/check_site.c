/* Single sites: the library in fp32 and the oracle in fp64, against a dump of x, z, fn, base, scale, the upstream
 * gradients d_merged and d_u, and everything that follows from them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mhc/oracle.h"
#include "mhc/site.h"
#include "probe/check_internal.h"

static const double TOLERANCE_FP32 = 3e-6, TOLERANCE_FP64 = 1e-12;

/* The arrays of one site, all of them in both precisions. The first IN come from the dump. */
enum { X, Z, FN, BASE, SCALE, D_MERGED, D_U, IN, PRE = IN, POST, RES, U, MERGED, D_X, D_Z, D_FN, D_BASE, D_SCALE, ALL };
static const char *const names[ALL] = {"x",   "z", "fn",     "base", "scale", "d_merged", "d_u",    "pre",    "post",
                                       "res", "u", "merged", "d_x",  "d_z",   "d_fn",     "d_base", "d_scale"};

typedef struct site {
    const mhc__check *check;
    char prefix[80]; /* "paper.calm" */
    mhc_spec spec;
    int64_t tokens;
    mhc_site_sizes sizes;
    const mhc__tensor *tensors[ALL]; /* NULL for parameters that the convention doesn't have */
    double *f64[ALL], *coefficients64;
    float *f32[ALL], *coefficients32, *d_coefficients, *saved;
    void *workspace;
} site;

/* The preset whose name, followed by a dot, starts this one; the longest, because names hold dots themselves. */
static const char *convention_of(const char *name) {
    const char *best = NULL;
    for (int i = 0; mhc_spec_preset_name(i); i++) {
        const char *preset = mhc_spec_preset_name(i);
        size_t length = strlen(preset);
        if (strncmp(name, preset, length) == 0 && name[length] == '.' && (!best || length > strlen(best)))
            best = preset;
    }
    return best;
}

static mhc_status find(site *s, int which, int dims, int64_t a, int64_t b, int64_t c) {
    char name[112];
    int64_t shape[3] = {a, b, c};
    snprintf(name, sizeof name, "%s.%s", s->prefix, names[which]);
    return mhc__check_tensor(s->check, name, dims, shape, &s->tensors[which]);
}

static mhc_status find_tensors(site *s) {
    int64_t t = s->tokens, n = s->spec.streams, c = s->spec.channels;
    int64_t rows = s->spec.mapping == MHC_MAPPING_DYNAMIC ? t : 1;
    for (int grad = 0; grad < 2; grad++) {
        MHC__TRY(find(s, grad ? D_X : X, 3, t, n, c));
        MHC__TRY(find(s, grad ? D_Z : Z, 2, t, c, 0));
        if (s->sizes.fn_rows)
            MHC__TRY(find(s, grad ? D_FN : FN, 2, s->sizes.fn_rows, s->sizes.fn_columns, 0));
        if (s->sizes.base)
            MHC__TRY(find(s, grad ? D_BASE : BASE, 1, s->sizes.base, 0, 0));
        if (s->sizes.scale)
            MHC__TRY(find(s, grad ? D_SCALE : SCALE, 1, s->sizes.scale, 0, 0));
    }
    MHC__TRY(find(s, D_MERGED, 3, t, n, c));
    MHC__TRY(find(s, D_U, 2, t, c, 0));
    MHC__TRY(find(s, PRE, 2, rows, n, 0));
    MHC__TRY(find(s, POST, 2, rows, n, 0));
    MHC__TRY(find(s, RES, 3, rows, n, n));
    MHC__TRY(find(s, U, 2, t, c, 0));
    return find(s, MERGED, 3, t, n, c);
}

static mhc_status set_up(site *s, const mhc__tensor *d_merged) {
    const mhc__check *check = s->check;
    const char *name = convention_of(d_merged->name);
    if (!name)
        return mhc__fail(check->error, MHC_INVALID_ARGUMENT, "%s: %s: expected a name that starts with a convention",
                         check->path, d_merged->name);
    if (d_merged->dims != 3 || d_merged->shape[1] < 1 || d_merged->shape[1] > MHC_MAX_STREAMS)
        return mhc__fail(check->error, MHC_MISMATCH, "%s: %s: expected shape [tokens, 1..%d streams, channels]",
                         check->path, d_merged->name, MHC_MAX_STREAMS);
    snprintf(s->prefix, sizeof s->prefix, "%.*s", (int)(strrchr(d_merged->name, '.') - d_merged->name), d_merged->name);
    s->tokens = d_merged->shape[0];
    mhc_status status = mhc_spec_preset(&s->spec, name, (int)d_merged->shape[1], d_merged->shape[2], check->error);
    if (status != MHC_OK)
        return mhc__fail_in(check->error, status, "%s: %s", check->path, s->prefix);
    if (s->spec.schedule == MHC_SCHEDULE_SHIFTED)
        return mhc__fail(check->error, MHC_UNSUPPORTED,
                         "%s: %s: a site of the shifted schedule can't be compared by itself", check->path, s->prefix);
    const char *iterations = mhc__safetensors_metadata(check->file, "iterations");
    if (iterations && s->spec.constraint == MHC_CONSTRAINT_SINKHORN)
        s->spec.sinkhorn.iterations = atoi(iterations);
    MHC__TRY(mhc_site_sizes_query(&s->spec, s->tokens, &s->sizes, check->error));
    return find_tensors(s);
}

static void *zeros(int64_t count, size_t size) {
    return calloc((size_t)count + 1, size);
}

static mhc_status allocate(site *s) {
    bool ok = true;
    for (int i = 0; i < ALL; i++) {
        const mhc__tensor *tensor = s->tensors[i];
        if (!tensor)
            continue;
        MHC__TRY(mhc__check_doubles(s->check, tensor, &s->f64[i]));
        ok = ok && (s->f32[i] = zeros(tensor->count, sizeof(float)));
        for (int64_t k = 0; ok && i < IN && k < tensor->count; k++)
            s->f32[i][k] = (float)s->f64[i][k];
        if (i >= IN)
            memset(s->f64[i], 0, (size_t)tensor->count * sizeof(double));
    }
    ok = ok && (s->coefficients64 = zeros(s->sizes.coefficients, sizeof(double)));
    ok = ok && (s->coefficients32 = zeros(s->sizes.coefficients, sizeof(float)));
    ok = ok && (s->d_coefficients = zeros(s->sizes.coefficients, sizeof(float)));
    ok = ok && (s->saved = zeros(s->sizes.saved, sizeof(float)));
    ok = ok && (s->workspace = aligned_alloc(64, (s->sizes.workspace + 64) / 64 * 64));
    return ok ? MHC_OK : mhc__fail(s->check->error, MHC_OUT_OF_MEMORY, "%s: no memory", s->prefix);
}

static mhc_status run_fp32(site *s) {
    int n = s->spec.streams;
    int64_t c = s->spec.channels;
    const mhc_context *context = s->check->context;
    mhc_error *error = s->check->error;
    float **a = s->f32;
    mhc_site_params params = {a[FN], a[BASE], a[SCALE]}, gradients = {a[D_FN], a[D_BASE], a[D_SCALE]};
    mhc_streams x = mhc_streams_of(a[X], n, c), d_x = mhc_streams_of(a[D_X], n, c);
    MHC__TRY(mhc_pre_forward(context, &s->spec, &params, s->tokens, x, NULL, s->coefficients32, s->saved,
                             mhc_rows_of(a[U], c), s->workspace, s->sizes.workspace, error));
    MHC__TRY(mhc_merge_forward(context, &s->spec, s->tokens, x, mhc_rows_of(a[Z], c), s->coefficients32,
                               mhc_streams_of(a[MERGED], n, c), error));
    MHC__TRY(mhc_merge_backward(context, &s->spec, s->tokens, x, mhc_rows_of(a[Z], c), s->coefficients32,
                                mhc_streams_of(a[D_MERGED], n, c), d_x, mhc_rows_of(a[D_Z], c), s->d_coefficients,
                                s->workspace, s->sizes.workspace, error));
    return mhc_pre_backward(context, &s->spec, &params, s->tokens, x, NULL, s->coefficients32, s->saved,
                            mhc_rows_of(a[D_U], c), s->d_coefficients, NULL, (mhc_streams){0}, d_x, &gradients,
                            s->workspace, s->sizes.workspace, error);
}

static mhc_status run_fp64(site *s) {
    double **a = s->f64;
    mhc_oracle_params params = {a[FN], a[BASE], a[SCALE]}, gradients = {a[D_FN], a[D_BASE], a[D_SCALE]};
    MHC__TRY(mhc_oracle_site_forward(&s->spec, &params, s->tokens, a[X], a[Z], NULL, s->coefficients64, a[U], a[MERGED],
                                     s->check->error));
    return mhc_oracle_site_backward(&s->spec, &params, s->tokens, a[X], a[Z], NULL, a[D_U], a[D_MERGED], NULL, a[D_X],
                                    a[D_Z], NULL, &gradients, s->check->error);
}

/* coefficients: rows of pre [n] | post [n] | res [n, n] -> the three arrays. */
static void split_coefficients(site *s) {
    int64_t n = s->spec.streams, width = n * (n + 2), rows = s->sizes.coefficients / width;
    const int64_t first[3] = {0, n, 2 * n}, count[3] = {n, n, n * n};
    for (int part = 0; part < 3; part++)
        for (int64_t t = 0; t < rows; t++)
            for (int64_t k = 0; k < count[part]; k++) {
                s->f32[PRE + part][t * count[part] + k] = s->coefficients32[t * width + first[part] + k];
                s->f64[PRE + part][t * count[part] + k] = s->coefficients64[t * width + first[part] + k];
            }
}

static mhc_status compare(const site *s) {
    for (int i = IN; i < ALL; i++) {
        if (!s->tensors[i])
            continue;
        for (int wide = 0; wide < 2; wide++) {
            mhc__difference d = wide ? mhc__difference_doubles(s->f64[i], s->tensors[i])
                                     : mhc__difference_floats(s->f32[i], s->tensors[i]);
            mhc__check_row row = {.what = wide ? "fp64 oracle" : "fp32",
                                  .relative = mhc__difference_relative(&d),
                                  .absolute = d.absolute,
                                  .tolerance = wide ? TOLERANCE_FP64 : TOLERANCE_FP32};
            snprintf(row.name, sizeof row.name, "%s.%s", s->prefix, names[i]);
            MHC__TRY(mhc__check_add(s->check, &row));
        }
    }
    return MHC_OK;
}

static mhc_status check_site(site *s, const mhc__tensor *d_merged) {
    MHC__TRY(set_up(s, d_merged));
    MHC__TRY(allocate(s));
    MHC__TRY(run_fp32(s));
    MHC__TRY(run_fp64(s));
    split_coefficients(s);
    return compare(s);
}

static void tear_down(site *s) {
    for (int i = 0; i < ALL; i++) {
        free(s->f64[i]);
        free(s->f32[i]);
    }
    free(s->coefficients64);
    free(s->coefficients32);
    free(s->d_coefficients);
    free(s->saved);
    free(s->workspace);
}

mhc_status mhc__check_sites(const mhc__check *check) {
    int sites = 0;
    for (int i = 0; i < mhc__safetensors_count(check->file); i++) {
        const mhc__tensor *tensor = mhc__safetensors_at(check->file, i);
        const char *dot = strrchr(tensor->name, '.');
        if (!dot || strcmp(dot, ".d_merged") != 0)
            continue;
        site s = {.check = check};
        mhc_status status = check_site(&s, tensor);
        tear_down(&s);
        if (status != MHC_OK)
            return status;
        sites++;
    }
    snprintf(check->report->summary, sizeof check->report->summary, "%d sites, fp32 and fp64 oracle", sites);
    return MHC_OK;
}
