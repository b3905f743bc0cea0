/* Two or more builds of libmhc.so in one process, the same call of each in turns: so that a machine that changes its
 * speed changes it for all. Prints for each the least and the median time, and its ratio to the first of the same
 * round: median and quartiles. The builds must agree on the public structures. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/philox.h"
#include "mhc/mhc.h"

enum { MOST = 8, OPERATIONS = 6 };

typedef struct settings {
    const char *operation, *preset;
    int64_t channels, tokens;
    int streams, threads, rounds;
} settings;

/* What is called of one build, and the arrays that depend on its sizes. */
typedef struct version {
    const char *path;
    __typeof__(&mhc_spec_preset) preset;
    __typeof__(&mhc_site_sizes_query) query;
    __typeof__(&mhc_site_init) init;
    __typeof__(&mhc_pre_forward) pre;
    __typeof__(&mhc_merge_forward) merge;
    __typeof__(&mhc_seam_forward) seam;
    __typeof__(&mhc_merge_backward) merge_back;
    __typeof__(&mhc_pre_backward) pre_back;
    __typeof__(&mhc_seam_backward) seam_back;
    mhc_spec spec;
    mhc_site_sizes sizes;
    mhc_site_params params, gradients;
    float *coefficients, *d_coefficients, *next, *d_next, *saved;
    void *workspace;
    double *seconds;
} version;

/* Arrays that all builds work on: the same memory for each. */
typedef struct tensors {
    float *x, *merged, *dout, *dx, *z, *u, *du, *dz;
} tensors;

static int fail(const char *what, const char *why) {
    fprintf(stderr, "bench_versions: %s: %s\n", what, why);
    return 1;
}

static mhc_status numbers(float **out, int64_t count, uint32_t place, mhc_error *error) {
    MHC__TRY(MHC__ALLOCATE(*out, count, "the tensors of a benchmark", error));
    mhc__uniform_fill(7, mhc__philox_place(0x76657273u, place), 1.0f, *out, count);
    return MHC_OK;
}

static int load(version *v) {
    void *library = dlopen(v->path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return fail(v->path, dlerror());
    const struct {
        const char *name;
        void *place;
    } calls[] = {{"mhc_spec_preset", &v->preset},
                 {"mhc_site_sizes_query", &v->query},
                 {"mhc_site_init", &v->init},
                 {"mhc_pre_forward", &v->pre},
                 {"mhc_merge_forward", &v->merge},
                 {"mhc_seam_forward", &v->seam},
                 {"mhc_merge_backward", &v->merge_back},
                 {"mhc_pre_backward", &v->pre_back},
                 {"mhc_seam_backward", &v->seam_back}};
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        void *call = dlsym(library, calls[i].name);
        if (!call)
            return fail(v->path, dlerror());
        memcpy(calls[i].place, &call, sizeof call); /* a function's address, which C keeps apart from an object's */
    }
    return 0;
}

static mhc_status open_version(version *v, const settings *s, const mhc_context *context, const tensors *t,
                               mhc_error *error) {
    MHC__TRY(v->preset(&v->spec, s->preset, s->streams, s->channels, error));
    MHC__TRY(v->query(&v->spec, s->tokens, &v->sizes, error));
    const mhc_site_sizes *n = &v->sizes;
    int64_t fn = n->fn_rows * n->fn_columns;
    MHC__TRY(numbers(&v->params.fn, fn, 1, error));
    MHC__TRY(numbers(&v->params.base, n->base, 2, error));
    MHC__TRY(numbers(&v->params.scale, 3, 3, error));
    MHC__TRY(numbers(&v->gradients.fn, fn, 4, error));
    MHC__TRY(numbers(&v->gradients.base, n->base, 5, error));
    MHC__TRY(numbers(&v->gradients.scale, 3, 6, error));
    MHC__TRY(numbers(&v->coefficients, n->coefficients, 7, error));
    MHC__TRY(numbers(&v->d_coefficients, n->coefficients, 8, error));
    MHC__TRY(numbers(&v->next, n->coefficients, 9, error));
    MHC__TRY(numbers(&v->d_next, n->coefficients, 10, error));
    MHC__TRY(numbers(&v->saved, n->saved, 11, error));
    MHC__TRY(mhc__allocate(&v->workspace, (int64_t)n->workspace, 1, "workspace", error));
    MHC__TRY(MHC__ALLOCATE(v->seconds, s->rounds, "times", error));
    MHC__TRY(v->init(&v->spec, 1, 42, &v->params, error));
    MHC__TRY(v->pre(context, &v->spec, &v->params, s->tokens, mhc_streams_of(t->x, s->streams, s->channels), NULL,
                    v->coefficients, v->saved, mhc_rows_of(t->u, s->channels), v->workspace, n->workspace, error));
    memcpy(v->next, v->coefficients, (size_t)n->coefficients * sizeof *v->next);
    return MHC_OK;
}

static const char *const NAMES[OPERATIONS] = {"pre", "merge", "seam", "merge-back", "pre-back", "seam-back"};

static mhc_status call(version *v, const settings *s, int operation, const mhc_context *c, const tensors *t,
                       mhc_error *error) {
#define STREAMS(name) mhc_streams_of(t->name, s->streams, s->channels)
#define ROWS(name)    mhc_rows_of(t->name, s->channels)
    const int64_t T = s->tokens;
    const size_t size = v->sizes.workspace;
    mhc_seam_next next = {&v->params, STREAMS(merged), v->next,       v->saved,
                          ROWS(du),   v->d_next,       STREAMS(dout), &v->gradients};
    switch (operation) {
    case 0:
        return v->pre(c, &v->spec, &v->params, T, STREAMS(x), NULL, v->coefficients, v->saved, ROWS(u), v->workspace,
                      size, error);
    case 1:
        return v->merge(c, &v->spec, T, STREAMS(x), ROWS(z), v->coefficients, STREAMS(merged), error);
    case 2:
        return v->seam(c, &v->spec, T, STREAMS(x), ROWS(z), v->coefficients, STREAMS(merged), &v->params, v->next,
                       v->saved, ROWS(u), v->workspace, size, error);
    case 3:
        return v->merge_back(c, &v->spec, T, STREAMS(x), ROWS(z), v->coefficients, STREAMS(dout), (mhc_streams){0},
                             ROWS(dz), v->d_coefficients, v->workspace, size, error);
    case 4:
        return v->pre_back(c, &v->spec, &v->params, T, STREAMS(x), NULL, v->coefficients, v->saved, ROWS(du),
                           v->d_coefficients, NULL, STREAMS(dout), STREAMS(dx), &v->gradients, v->workspace, size,
                           error);
    default:
        return v->seam_back(c, &v->spec, T, &next, STREAMS(dx), STREAMS(x), ROWS(z), v->coefficients, ROWS(dz),
                            v->d_coefficients, v->workspace, size, error);
    }
#undef STREAMS
#undef ROWS
}

/* A call of few tokens is too short for the clock: as many as make about 4,096 of them. */
static mhc_status sample(version *v, const settings *s, int operation, const mhc_context *c, const tensors *t,
                         double *seconds, mhc_error *error) {
    int64_t calls = s->tokens >= 4096 ? 1 : 4096 / s->tokens;
    double start = mhc__clock_seconds();
    for (int64_t k = 0; k < calls; k++)
        MHC__TRY(call(v, s, operation, c, t, error));
    *seconds = (mhc__clock_seconds() - start) / (double)calls;
    return MHC_OK;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static mhc_status print_versions(version *versions, int count, const settings *s, mhc_error *error) {
    double *ratios;
    MHC__TRY(MHC__ALLOCATE(ratios, (int64_t)count * s->rounds, "ratios", error));
    for (int i = 0; i < count; i++)
        for (int r = 0; r < s->rounds; r++)
            ratios[i * s->rounds + r] = versions[i].seconds[r] / versions[0].seconds[r];
    printf("%s, %s, n = %d, C = %lld, T = %lld, %d threads, %d rounds\n%12s %12s %8s  %s\n", s->operation, s->preset,
           s->streams, (long long)s->channels, (long long)s->tokens, s->threads, s->rounds, "least us", "median us",
           "ratio", "quartiles of the ratio, library");
    for (int i = 0; i < count; i++) {
        double *times = versions[i].seconds, *own = ratios + i * s->rounds;
        qsort(times, (size_t)s->rounds, sizeof *times, ascending);
        qsort(own, (size_t)s->rounds, sizeof *own, ascending);
        printf("%12.1f %12.1f %8.3f  %.3f .. %.3f  %s\n", 1e6 * times[0], 1e6 * times[s->rounds / 2],
               own[s->rounds / 2], own[s->rounds / 4], own[s->rounds * 3 / 4], versions[i].path);
    }
    mhc__release(ratios);
    return MHC_OK;
}

static mhc_status measure(version *versions, int count, const settings *s, int operation, mhc_error *error) {
    const mhc_context context = {MHC_DEVICE_CPU, NULL, s->threads};
    const int64_t rows = s->tokens * s->channels;
    tensors t;
    float **streams[] = {&t.x, &t.merged, &t.dout, &t.dx}, **single[] = {&t.z, &t.u, &t.du, &t.dz};
    for (uint32_t k = 0; k < 4; k++) {
        MHC__TRY(numbers(streams[k], rows * s->streams, 20 + k, error));
        MHC__TRY(numbers(single[k], rows, 30 + k, error));
    }
    for (int i = 0; i < count; i++)
        MHC__TRY(open_version(&versions[i], s, &context, &t, error));
    for (int round = -2; round < s->rounds; round++) /* two to warm up */
        for (int k = 0; k < count; k++) {
            version *v = &versions[round % 2 == 0 ? k : count - 1 - k];
            double seconds;
            MHC__TRY(sample(v, s, operation, &context, &t, &seconds, error));
            if (round >= 0)
                v->seconds[round] = seconds;
        }
    return print_versions(versions, count, s, error);
}

static int usage(void) {
    fprintf(stderr, "bench_versions [--op pre] [--preset paper] [--streams 4] [--channels 1024] [--tokens 2048]\n"
                    "               [--threads 2] [--rounds 15] LIBRARY LIBRARY...\n"
                    "operations: pre merge seam merge-back pre-back seam-back\n");
    return 2;
}

/* Memory is the process's: it ends here. */
int main(int count, char **words) {
    static const struct option options[] = {
        {"op", 1, NULL, 'o'},     {"preset", 1, NULL, 'p'},  {"streams", 1, NULL, 'n'}, {"channels", 1, NULL, 'c'},
        {"tokens", 1, NULL, 't'}, {"threads", 1, NULL, 'j'}, {"rounds", 1, NULL, 'r'},  {NULL, 0, NULL, 0}};
    settings s = {"pre", "paper", 1024, 2048, 4, 2, 15};
    for (int o; (o = getopt_long(count, words, "", options, NULL)) != -1;)
        switch (o) {
        case 'o':
            s.operation = optarg;
            break;
        case 'p':
            s.preset = optarg;
            break;
        case 'n':
            s.streams = atoi(optarg);
            break;
        case 'c':
            s.channels = atoll(optarg);
            break;
        case 't':
            s.tokens = atoll(optarg);
            break;
        case 'j':
            s.threads = atoi(optarg);
            break;
        case 'r':
            s.rounds = atoi(optarg);
            break;
        default:
            return usage();
        }
    int operation = 0, versions = count - optind;
    while (operation < OPERATIONS && strcmp(s.operation, NAMES[operation]) != 0)
        operation++;
    if (operation == OPERATIONS || versions < 2 || versions > MOST || s.channels < 1 || s.tokens < 1 || s.rounds < 1)
        return usage();
    version all[MOST] = {{0}};
    for (int i = 0; i < versions; i++) {
        all[i].path = words[optind + i];
        if (load(&all[i]) != 0)
            return 1;
    }
    mhc_error error;
    if (measure(all, versions, &s, operation, &error) != MHC_OK)
        return fail(s.operation, error.message);
    return 0;
}
