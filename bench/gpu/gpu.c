/* Every operation of the library on a GPU, against the rate at which the GPU copies: time between two events of the
 * stream, with whatever the caches held overwritten before each sample. Leaves with 77 where there is no device. */
#include <cuda_runtime_api.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "operations.h"

enum { MOST = 16, ROUNDS_MOST = 101, WARM_UP = 2, SITES = 4 };

typedef struct list {
    int64_t values[MOST];
    int count;
} list;

typedef struct bench {
    cudaStream_t stream;
    cudaEvent_t before, after;
    void *flush; /* overwritten before each sample */
    size_t flush_bytes;
    double copy_rate; /* bytes read and written per second */
    list channels, tokens;
    const char *preset;
    int rounds;
    bool csv, probe; /* probe: only says whether there is a device */
} bench;

/* Ends the program where CUDA fails: there is nothing to go on with. */
static void need(cudaError_t result, const char *what) {
    if (result == cudaSuccess)
        return;
    fprintf(stderr, "bench_gpu: %s: %s\n", what, cudaGetErrorString(result));
    exit(1);
}

/* ------------------------------------------------------------------------------------------------------------ memory
 */

static mhc_status device_allocate(void **out, int64_t count, size_t size, const char *what, mhc_error *error) {
    cudaError_t result = cudaMalloc(out, (size_t)count * size + 16);
    if (result == cudaSuccess)
        return MHC_OK;
    *out = NULL;
    return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: %s", what, cudaGetErrorString(result));
}

static void device_copy(void *to, const void *from, size_t bytes) {
    need(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice), "copy to the device");
}

static void device_release(void *memory) {
    cudaFree(memory);
}

static const mhc__subject_memory DEVICE_MEMORY = {MHC_DEVICE_CUDA, device_allocate, device_copy, device_release};

/* ------------------------------------------------------------------------------------------------------------- times
 */

static int compare(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* What a sample runs: an operation, or a graph of it. */
typedef struct sample {
    mhc_status (*run)(const mhc_context *context, const mhc__subject *subject, mhc_error *error);
    const mhc__subject *subject;
    cudaGraphExec_t graph;
} sample;

static mhc_status run_sample(const bench *b, const sample *s, mhc_error *error) {
    mhc_context context = mhc_context_cuda(b->stream);
    if (!s->graph)
        return s->run(&context, s->subject, error);
    need(cudaGraphLaunch(s->graph, b->stream), "launch of a graph");
    return MHC_OK;
}

/* Median and least milliseconds. While the device overwrites its caches the host enqueues what is measured. */
static mhc_status measure(const bench *b, const sample *s, float *median, float *least, mhc_error *error) {
    float times[ROUNDS_MOST];
    for (int round = -WARM_UP; round < b->rounds; round++) {
        need(cudaMemsetAsync(b->flush, round & 0xff, b->flush_bytes, b->stream), "memset");
        need(cudaEventRecord(b->before, b->stream), "event");
        MHC__TRY(run_sample(b, s, error));
        need(cudaEventRecord(b->after, b->stream), "event");
        need(cudaEventSynchronize(b->after), "a kernel");
        if (round >= 0)
            need(cudaEventElapsedTime(&times[round], b->before, b->after), "event");
    }
    qsort(times, (size_t)b->rounds, sizeof *times, compare);
    *median = times[b->rounds / 2];
    *least = times[0];
    return MHC_OK;
}

static mhc_status copy_run(const mhc_context *context, const mhc__subject *s, mhc_error *error) {
    size_t bytes = s->workspace_size / 2;
    cudaError_t result =
        cudaMemcpyAsync(s->workspace, (char *)s->workspace + bytes, bytes, cudaMemcpyDeviceToDevice, context->queue);
    return result == cudaSuccess ? MHC_OK : mhc__fail(error, MHC_DEVICE_FAILED, "%s", cudaGetErrorString(result));
}

/* Of a copy from half of a gigabyte to the other half; of less memory where there is less. */
static void measure_copy(bench *b) {
    size_t free_bytes = 0, total = 0;
    mhc_error error = {MHC_OK, ""};
    mhc__subject s = {.memory = &DEVICE_MEMORY};
    need(cudaMemGetInfo(&free_bytes, &total), "free memory");
    s.workspace_size = free_bytes / 4 < ((size_t)1 << 30) ? free_bytes / 4 / 32 * 32 : (size_t)1 << 30;
    need(cudaMalloc(&s.workspace, s.workspace_size), "memory for a copy");
    sample copy = {copy_run, &s, NULL};
    float median = 0.0f, least = 0.0f;
    if (measure(b, &copy, &median, &least, &error) != MHC_OK) {
        fprintf(stderr, "bench_gpu: %s\n", error.message);
        exit(1);
    }
    b->copy_rate = (double)s.workspace_size / ((double)median * 1e-3);
    cudaFree(s.workspace);
}

/* -------------------------------------------------------------------------------------------------------- operations
 */

/* X and u of four sites again, from the first X and the four z (here one): mhc_recompute. */
static mhc_status recompute(const mhc_context *context, const mhc__subject *s, mhc_error *error) {
    const mhc_spec *spec = &s->spec;
    void *streams[SITES] = {s->merged, s->d_x, s->d_merged, NULL}, *rows[SITES] = {s->u, s->d_z, s->d_u, s->u};
    mhc_recompute_step steps[SITES];
    for (int k = 0; k < SITES; k++)
        steps[k] = (mhc_recompute_step){s->coefficients, mhc_rows_of(s->z, spec->channels),
                                        mhc_rows_of(rows[k], spec->channels),
                                        mhc_streams_of(streams[k], spec->streams, spec->channels)};
    return mhc_recompute(context, spec, s->tokens, mhc_streams_of(s->x, spec->streams, spec->channels), NULL, steps,
                         SITES, error);
}

/* X once, z of all but the last site; X after those, and every u. */
static mhc__cost recompute_cost(const mhc__subject *s) {
    double row = (double)mhc_type_size(s->spec.type) * (double)s->tokens * (double)s->spec.channels;
    double n = s->spec.streams;
    mhc__cost cost = {.read = (n + SITES - 1) * row, .written = ((SITES - 1) * n + SITES) * row};
    return cost;
}

static const mhc__operation RECOMPUTE = {"recompute", "X and u of four sites again", 1, recompute, recompute_cost};

static void print_head(const bench *b) {
    if (b->csv)
        printf("operation,type,streams,channels,tokens,graph,median_us,least_us,bytes,gb_per_s,of_copy\n");
    else
        printf("%-16s %-5s %6s %6s %11s %11s %11s %9s %8s\n", "operation", "type", "C", "T", "median us", "least us",
               "MB", "GB/s", "of copy");
}

static void print_row(const bench *b, const mhc__operation *o, const mhc__subject *s, bool graph, float median,
                      float least) {
    const mhc__cost cost = o->cost(s);
    double bytes = cost.read + cost.written, rate = bytes / ((double)median * 1e-3);
    const char *type = mhc__type_name(s->spec.type);
    char name[40];
    snprintf(name, sizeof name, "%s%s", o->name, graph ? " graph" : "");
    if (b->csv)
        printf("%s,%s,%d,%lld,%lld,%d,%.3f,%.3f,%.0f,%.2f,%.4f\n", o->name, type, s->spec.streams,
               (long long)s->spec.channels, (long long)s->tokens, graph, (double)median * 1e3, (double)least * 1e3,
               bytes, rate * 1e-9, rate / b->copy_rate);
    else
        printf("%-16s %-5s %6lld %6lld %11.2f %11.2f %11.3f %9.1f %7.1f%%\n", name, type, (long long)s->spec.channels,
               (long long)s->tokens, (double)median * 1e3, (double)least * 1e3, bytes * 1e-6, rate * 1e-9,
               100.0 * rate / b->copy_rate);
    fflush(stdout);
}

/* The operation as a graph that was captured once; NULL where it could not be. */
static cudaGraphExec_t capture(const bench *b, const mhc__operation *o, const mhc__subject *s) {
    mhc_context context = mhc_context_cuda(b->stream);
    mhc_error error = {MHC_OK, ""};
    cudaGraph_t graph = NULL;
    cudaGraphExec_t runnable = NULL;
    need(cudaStreamBeginCapture(b->stream, cudaStreamCaptureModeThreadLocal), "capture");
    mhc_status status = o->run(&context, s, &error);
    cudaError_t result = cudaStreamEndCapture(b->stream, &graph);
    if (status == MHC_OK && result == cudaSuccess)
        need(cudaGraphInstantiate(&runnable, graph, 0), "graph");
    else
        fprintf(stderr, "bench_gpu: %s: no graph: %s\n", o->name,
                status == MHC_OK ? cudaGetErrorString(result) : error.message);
    if (graph)
        cudaGraphDestroy(graph);
    return runnable;
}

static void run_operation(const bench *b, const mhc__operation *o, const mhc__subject *s) {
    sample each = {o->run, s, NULL};
    mhc_error error = {MHC_OK, ""};
    float median = 0.0f, least = 0.0f;
    if (measure(b, &each, &median, &least, &error) != MHC_OK) {
        fprintf(stderr, "bench_gpu: %s: %s\n", o->name, error.message);
        return;
    }
    print_row(b, o, s, false, median, least);
    if (s->tokens > 1)
        return;
    each.graph = capture(b, o, s);
    if (!each.graph)
        return;
    if (measure(b, &each, &median, &least, &error) == MHC_OK)
        print_row(b, o, s, true, median, least);
    cudaGraphExecDestroy(each.graph);
}

static void run_shape(const bench *b, mhc_type type, int64_t channels, int64_t tokens) {
    mhc_context context = mhc_context_cuda(b->stream);
    mhc_error error = {MHC_OK, ""};
    mhc__subject s;
    mhc_status status = mhc__subject_open(&s, &DEVICE_MEMORY, b->preset, NULL, type, 4, channels, tokens, &error);
    if (status == MHC_OK)
        status = mhc__operations_prepare(&context, &s, &error);
    need(cudaStreamSynchronize(b->stream), "a kernel");
    if (status != MHC_OK)
        fprintf(stderr, "bench_gpu: C = %lld, T = %lld: %s\n", (long long)channels, (long long)tokens, error.message);
    for (const mhc__operation *o = MHC__OPERATIONS; o->name && status == MHC_OK; o++)
        run_operation(b, o, &s);
    if (status == MHC_OK && s.spec.schedule != MHC_SCHEDULE_SHIFTED)
        run_operation(b, &RECOMPUTE, &s);
    mhc__subject_close(&s);
}

/* --------------------------------------------------------------------------------------------------------- arguments
 */

static int usage(FILE *file, const char *found) {
    if (found)
        fprintf(file, "bench_gpu: did not expect '%s'\n", found);
    fprintf(file,
            "bench_gpu [--csv] [--channels C,...] [--tokens T,...] [--preset deepseek-v4] [--rounds 11]\n"
            "  times of every operation on a GPU, four streams, fp16, bf16 and fp32; T = 1 also as a CUDA graph.\n"
            "  MB: the bytes that have to be read and written at least; of copy: their rate, of a copy's\n");
    return found ? 2 : 0;
}

static bool read_list(const char *text, list *out) {
    out->count = 0;
    for (const char *at = text;; at++) {
        char *end;
        long long value = strtoll(at, &end, 10);
        if (end == at || value < 1 || out->count == MOST || (*end != ',' && *end != 0))
            return false;
        out->values[out->count++] = value;
        at = end;
        if (!*at)
            return true;
    }
}

/* The status to leave with, or -1 to go on. */
static int read_options(int argc, char **argv, bench *b) {
    static const struct option OPTIONS[] = {
        {"csv", no_argument, NULL, 'c'},          {"channels", required_argument, NULL, 'C'},
        {"tokens", required_argument, NULL, 'T'}, {"preset", required_argument, NULL, 'p'},
        {"rounds", required_argument, NULL, 'r'}, {"probe", no_argument, NULL, 'P'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        bool good = true;
        switch (option) {
        case 'c':
            b->csv = true;
            break;
        case 'C':
            good = read_list(optarg, &b->channels);
            break;
        case 'T':
            good = read_list(optarg, &b->tokens);
            break;
        case 'p':
            b->preset = optarg;
            break;
        case 'r':
            b->rounds = atoi(optarg);
            good = b->rounds >= 1 && b->rounds <= ROUNDS_MOST;
            break;
        case 'P':
            b->probe = true;
            break;
        case 'h':
            return usage(stdout, NULL);
        default:
            return 2;
        }
        if (!good)
            return usage(stderr, optarg);
    }
    return optind < argc ? usage(stderr, argv[optind]) : -1;
}

static void print_device(const bench *b) {
    struct cudaDeviceProp its;
    int driver = 0;
    need(cudaGetDeviceProperties(&its, 0), "properties of the device");
    need(cudaDriverGetVersion(&driver), "version of the driver");
    fprintf(b->csv ? stderr : stdout,
            "%s, %.0f GiB, compute capability %d.%d, driver for CUDA %d.%d, built with %d.%d\n"
            "a copy on the device reads and writes %.0f GB/s; preset %s, 4 streams; medians of %d, cold caches\n",
            its.name, (double)its.totalGlobalMem / (1 << 30), its.major, its.minor, driver / 1000, driver % 1000 / 10,
            CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10, b->copy_rate * 1e-9, b->preset, b->rounds);
}

int main(int argc, char **argv) {
    bench b = {.preset = "deepseek-v4",
               .rounds = 11,
               .channels = {{1280, 2560, 4096, 7168}, 4},
               .tokens = {{1, 128, 4096, 16384}, 4}};
    int status = read_options(argc, argv, &b), devices = 0, l2 = 0;
    if (status >= 0)
        return status;
    if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
        printf("no CUDA device here: skipped\n");
        return 77;
    }
    if (b.probe)
        return 0;
    need(cudaStreamCreate(&b.stream), "stream");
    need(cudaEventCreate(&b.before), "event");
    need(cudaEventCreate(&b.after), "event");
    need(cudaDeviceGetAttribute(&l2, cudaDevAttrL2CacheSize, 0), "size of the L2 cache");
    b.flush_bytes = 2 * (size_t)l2 + ((size_t)64 << 20);
    need(cudaMalloc(&b.flush, b.flush_bytes), "memory to overwrite the caches with");
    measure_copy(&b);
    print_device(&b);
    print_head(&b);
    for (int type = MHC_FP16; type >= MHC_FP32; type--)
        for (int c = 0; c < b.channels.count; c++)
            for (int t = 0; t < b.tokens.count; t++)
                run_shape(&b, (mhc_type)type, b.channels.values[c], b.tokens.values[t]);
    return 0;
}
