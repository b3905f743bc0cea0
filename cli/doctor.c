#include <curl/curl.h>
#include <cyaml/cyaml.h>
#include <jansson.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>

#ifdef MHC_HAVE_CUDA
#include <cuda_runtime_api.h>
#endif

#include "base/clock.h"
#include "base/memory.h"
#include "base/threads.h"
#include "command.h"
#include "gemm/gemm.h"
#include "mhc/version.h"
#include "report/plot.h"
#include "simd/isa.h"

/* Three arrays of this many floats: 192 MiB, beyond any cache of a desktop machine. */
enum { BANDWIDTH_FLOATS = 1 << 24 };

/* a = b + s c over all threads, as STREAM's triad counts it: two reads and a write. The best of five. 0 when there is
 * no memory to measure with. */
static double triad_gigabytes_per_second(int threads) {
    float *a = NULL, *b = NULL, *c = NULL;
    double best = 0.0;
    bool ready = MHC__ALLOCATE(a, BANDWIDTH_FLOATS, "a", NULL) == MHC_OK &&
                 MHC__ALLOCATE(b, BANDWIDTH_FLOATS, "b", NULL) == MHC_OK &&
                 MHC__ALLOCATE(c, BANDWIDTH_FLOATS, "c", NULL) == MHC_OK;
    for (int pass = 0; ready && pass < 6; pass++) {
        double start = mhc__clock_seconds();
#pragma omp parallel for num_threads(threads) schedule(static)
        for (int64_t i = 0; i < BANDWIDTH_FLOATS; i++) {
            if (pass == 0) /* touches the pages; not timed */
                b[i] = c[i] = 1.0f;
            a[i] = b[i] + 3.0f * c[i];
        }
        double rate = 3.0 * sizeof(float) * BANDWIDTH_FLOATS / (mhc__clock_seconds() - start) * 1e-9;
        if (pass > 0 && rate > best)
            best = rate;
    }
    mhc__release(a);
    mhc__release(b);
    mhc__release(c);
    return best;
}

static void line(const char *what, const char *found) {
    printf("%-20s %s\n", what, found);
}

static void print_libraries(void) {
    printf("%-20s %s\n", "libcyaml", cyaml_version_str);
    printf("%-20s %s\n", "Jansson", jansson_version_str());
    printf("%-20s %s\n", "libcurl", curl_version());
    printf("%-20s %s\n", "zlib", zlibVersion());
    printf("%-20s %s\n", "liblzma", lzma_version_string());
    mhc_error error = {0};
    if (mhc__plot_available(&error) == MHC_OK)
        line("gnuplot", "found: studies draw their pictures");
    else
        printf("%-20s not found: studies write data and scripts, but no pictures (%s)\n", "gnuplot", error.message);
}

#ifdef MHC_HAVE_CUDA
static void print_gpu(void) {
    const int runtime = CUDART_VERSION;
    int count = 0;
    cudaError_t found = cudaGetDeviceCount(&count);
    printf("%-20s built with CUDA %d.%d", "GPU", runtime / 1000, runtime % 1000 / 10);
    if (found != cudaSuccess || count == 0)
        printf(", no device here (%s)", found == cudaSuccess ? "none found" : cudaGetErrorString(found));
    for (int device = 0; device < count && found == cudaSuccess; device++) {
        struct cudaDeviceProp its;
        if (cudaGetDeviceProperties(&its, device) == cudaSuccess)
            printf("; device %d: %s, %.0f GiB, compute capability %d.%d", device, its.name,
                   (double)its.totalGlobalMem / (1 << 30), its.major, its.minor);
    }
    printf("\n");
}
#else
static void print_gpu(void) {
    line("GPU", "not used: built without CUDA (MHC_CUDA=OFF, or nvcc was not found)");
}
#endif

int mhc__command_doctor(const mhc__arguments *arguments) {
    (void)arguments;
    int threads = mhc__default_threads();
    const char *omp = getenv("OMP_NUM_THREADS");
    printf("%-20s %s\n", "mhc", mhc_version());
    printf("%-20s %s, chosen of", "instruction set", mhc__isa_name(mhc__isa_chosen()));
    for (int isa = 0; isa < MHC__ISA_COUNT; isa++)
        if (mhc__isa_available((mhc__isa)isa))
            printf(" %s", mhc__isa_name((mhc__isa)isa));
    printf(" (MHC_ISA overrides)\n");
    printf("%-20s %d of %ld processors%s%s\n", "threads", threads, sysconf(_SC_NPROCESSORS_ONLN),
           omp ? ", by OMP_NUM_THREADS=" : "", omp ? omp : "");
    printf("%-20s %.1f GB/s (a = b + s c over 192 MiB, %d threads)\n", "memory bandwidth",
           triad_gigabytes_per_second(threads), threads);
    line("matrix products", mhc__gemm_provider());
    line("  in bf16", mhc__gemm_bf16());
    const char *warning = mhc__gemm_warning();
    if (warning)
        line("  warning", warning);
    print_libraries();
    print_gpu();
    return MHC__EXIT_FINE;
}
