/* The product is cut into blocks of C whose size depends on the shape alone; each block is one call of the provider on
 * one thread. A provider's own threading picks other kernels and other splits of k for another thread count, and the
 * last bits follow; this way they don't. */
#include "gemm/gemm.h"

#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "gemm/provider.h"
#include "mhc/type.h"

/* Below this many multiplications a team costs more than it saves. */
#define TEAM_WORTH (INT64_C(1) << 18)
/* Blocks that many threads can share, as long as each stays large enough for the provider's packing to pay. */
#define BLOCKS_WANTED 8
#define ROWS_MIN      256
#define COLUMNS_MIN   128

/* Rows that lie a multiple of 512 bytes apart fall into few cache sets, and a kernel that reads down the columns of
 * such a matrix drops to half its speed or less (37 instead of 91 GFLOP/s for a weight gradient of 1024 x 256 on Zen 3,
 * oneDNN 2.6). Such an operand is copied, DEPTH rows at a time, to rows one cache line longer. */
#define BAD_STRIDE 128
#define PADDING    16
#define DEPTH      512

typedef struct operand {
    const void *x;
    int64_t stride;        /* elements */
    bool transposed, half; /* half: bf16, else fp32 */
} operand;

static operand from_element(operand x, int64_t element) {
    x.x = (const char *)x.x + element * (int64_t)(x.half ? sizeof(uint16_t) : sizeof(float));
    return x;
}

/* One block: on one thread. */
static bool block_product(operand a, operand b, int64_t m, int64_t n, int64_t k, float alpha, float beta, float *c,
                          int64_t ldc) {
    return a.half ? mhc__provider_product_bf16(a.transposed, b.transposed, m, n, k, a.x, a.stride, b.x, b.stride, beta,
                                               c, ldc)
                  : mhc__provider_product(a.transposed, b.transposed, m, n, k, alpha, a.x, a.stride, b.x, b.stride,
                                          beta, c, ldc);
}

static int64_t block_size(int64_t size, int64_t parts, int64_t smallest) {
    int64_t block = mhc__max(mhc__blocks(size, parts), smallest);
    return mhc__min((block + 15) / 16 * 16, size);
}

static mhc_status check(int64_t m, int64_t n, int64_t k, int64_t a_columns, int64_t lda, int64_t b_columns, int64_t ldb,
                        int64_t ldc, mhc_error *error) {
    if (m < 0 || n < 0 || k < 0 || m > INT32_MAX || n > INT32_MAX || k > INT32_MAX)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "matrix product: sizes %lld, %lld, %lld are not in 0..2^31-1",
                         (long long)m, (long long)n, (long long)k);
    if (lda > INT32_MAX || ldb > INT32_MAX || ldc > INT32_MAX)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "matrix product: row strides %lld, %lld, %lld are not below 2^31",
                         (long long)lda, (long long)ldb, (long long)ldc);
    if (lda < a_columns || ldb < b_columns || ldc < n)
        return mhc__fail(error, MHC_INVALID_ARGUMENT,
                         "matrix product: row strides %lld, %lld, %lld are shorter than the rows %lld, %lld, %lld",
                         (long long)lda, (long long)ldb, (long long)ldc, (long long)a_columns, (long long)b_columns,
                         (long long)n);
    return MHC_OK;
}

static void scale(int64_t m, int64_t n, float beta, float *c, int64_t ldc) {
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++)
            c[i * ldc + j] = beta == 0.0f ? 0.0f : beta * c[i * ldc + j];
}

/* One pass of the provider over all blocks of C. */
static bool product(int threads, operand a, operand b, int64_t m, int64_t n, int64_t k, float alpha, float beta,
                    float *c, int64_t ldc) {
    int64_t rows = block_size(m, BLOCKS_WANTED, ROWS_MIN);
    int64_t columns = block_size(n, mhc__blocks(BLOCKS_WANTED, mhc__blocks(m, rows)), COLUMNS_MIN);
    int64_t across = mhc__blocks(n, columns), blocks = mhc__blocks(m, rows) * across;
    int team = m * n < TEAM_WORTH / mhc__min(k, TEAM_WORTH) ? 1 : (int)mhc__max(mhc__min(threads, blocks), 1);
    bool failed = false;
    int before = mhc__provider_one_thread();
#pragma omp parallel for num_threads(team) schedule(dynamic) reduction(|| : failed)
    for (int64_t block = 0; block < blocks; block++) {
        int64_t i = block / across * rows, j = block % across * columns;
        operand left = from_element(a, a.transposed ? i : i * a.stride);
        operand right = from_element(b, b.transposed ? j * b.stride : j);
        bool done = block_product(left, right, mhc__min(rows, m - i), mhc__min(columns, n - j), k, alpha, beta,
                                  c + i * ldc + j, ldc);
        failed = failed || !done;
    }
    mhc__provider_restore(before);
    return !failed;
}

static void copy_rows(int threads, int64_t rows, int64_t columns, const operand *from, float *to, int64_t stride) {
#pragma omp parallel for num_threads(threads > 0 ? threads : 1) schedule(static)
    for (int64_t i = 0; i < rows; i++)
        memcpy(to + i * stride, from_element(*from, i * from->stride).x, (size_t)columns * sizeof *to);
}

/* Rows of an operand run along k in memory, are many, badly apart, and used often enough to pay for a copy. */
static bool wants_padding(const operand *x, bool rows_along_k, int64_t uses, int64_t k) {
    return rows_along_k && x->stride % BAD_STRIDE == 0 && uses >= 64 && k >= 64;
}

static bool padded_product(int threads, operand a, operand b, bool pad_a, bool pad_b, int64_t m, int64_t n, int64_t k,
                           float alpha, float beta, float *c, int64_t ldc) {
    int64_t depth = mhc__min(k, DEPTH), a_stride = (m + 15) / 16 * 16 + PADDING,
            b_stride = (n + 15) / 16 * 16 + PADDING;
    int64_t a_size = pad_a ? depth * a_stride : 0, b_size = pad_b ? depth * b_stride : 0;
    float *memory = aligned_alloc(64, (size_t)(a_size + b_size) * sizeof *memory);
    bool done = memory != NULL;
    for (int64_t p = 0; done && p < k; p += depth) {
        int64_t here = mhc__min(depth, k - p);
        operand a_now = from_element(a, a.transposed ? p * a.stride : p);
        operand b_now = from_element(b, b.transposed ? p : p * b.stride);
        if (pad_a) {
            copy_rows(threads, here, m, &a_now, memory, a_stride);
            a_now = (operand){memory, a_stride, true, false};
        }
        if (pad_b) {
            copy_rows(threads, here, n, &b_now, memory + a_size, b_stride);
            b_now = (operand){memory + a_size, b_stride, false, false};
        }
        done = product(threads, a_now, b_now, m, n, here, alpha, p == 0 ? beta : 1.0f, c, ldc);
    }
    free(memory);
    return done;
}

/* Rows of fp32 as bf16, or, where half is false, as the fp32 numbers that bf16 can hold. */
static void round_rows(int threads, int64_t rows, int64_t columns, const operand *from, const operand *to,
                       void *memory) {
#pragma omp parallel for num_threads(threads > 0 ? threads : 1) schedule(static)
    for (int64_t i = 0; i < rows; i++) {
        const float *x = from_element(*from, i * from->stride).x;
        uint16_t *narrow = (uint16_t *)memory + i * to->stride;
        float *wide = (float *)memory + i * to->stride;
        for (int64_t j = 0; j < columns && to->half; j++)
            narrow[j] = mhc_bf16_of(x[j]);
        for (int64_t j = 0; j < columns && !to->half; j++)
            wide[j] = mhc_bf16_value(mhc_bf16_of(x[j]));
    }
}

/* A rounded copy, rows a cache line longer than they need; *memory is the caller's to free. False without memory. */
static bool rounded(int threads, bool half, int64_t rows, int64_t columns, operand *x, void **memory) {
    operand copy = {NULL, (columns + 31) / 32 * 32 + 2 * PADDING, x->transposed, half};
    int64_t bytes;
    bool fits = !__builtin_mul_overflow(rows * (int64_t)(half ? sizeof(uint16_t) : sizeof(float)), copy.stride, &bytes);
    *memory = fits ? aligned_alloc(64, (size_t)(bytes + 63) / 64 * 64) : NULL;
    if (!*memory)
        return false;
    round_rows(threads, rows, columns, x, &copy, *memory);
    copy.x = *memory;
    *x = copy;
    return true;
}

static bool rounded_product(int threads, operand a, operand b, int64_t m, int64_t n, int64_t k, float alpha, float beta,
                            float *c, int64_t ldc) {
    void *a_memory = NULL, *b_memory = NULL;
    const bool half = alpha == 1.0f && mhc__provider_has_bf16();
    bool done = rounded(threads, half, a.transposed ? k : m, a.transposed ? m : k, &a, &a_memory) &&
                rounded(threads, half, b.transposed ? n : k, b.transposed ? k : n, &b, &b_memory) &&
                product(threads, a, b, m, n, k, alpha, beta, c, ldc);
    free(a_memory);
    free(b_memory);
    return done;
}

static bool exact_product(int threads, operand a, operand b, int64_t m, int64_t n, int64_t k, float alpha, float beta,
                          float *c, int64_t ldc) {
    bool pad_a = wants_padding(&a, a.transposed, n, k), pad_b = wants_padding(&b, !b.transposed, m, k);
    return pad_a || pad_b ? padded_product(threads, a, b, pad_a, pad_b, m, n, k, alpha, beta, c, ldc)
                          : product(threads, a, b, m, n, k, alpha, beta, c, ldc);
}

mhc_status mhc__gemm(mhc__gemm_how how, bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k,
                     float alpha, const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c,
                     int64_t ldc, mhc_error *error) {
    if (m == 0 || n == 0)
        return MHC_OK;
    MHC__TRY(check(m, n, k, transpose_a ? m : k, lda, transpose_b ? k : n, ldb, ldc, error));
    if (k == 0 || alpha == 0.0f) {
        scale(m, n, beta, c, ldc);
        return MHC_OK;
    }
    operand left = {a, lda, transpose_a, false}, right = {b, ldb, transpose_b, false};
    bool done = how.precision == MHC__PRECISION_BF16
                    ? rounded_product(how.threads, left, right, m, n, k, alpha, beta, c, ldc)
                    : exact_product(how.threads, left, right, m, n, k, alpha, beta, c, ldc);
    if (!done)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "matrix product %lld x %lld x %lld: %s could not run it",
                         (long long)m, (long long)n, (long long)k, mhc__gemm_provider());
    return MHC_OK;
}

const char *mhc__gemm_bf16(void) {
    return mhc__provider_has_bf16() ? "by the provider"
                                    : "rounded operands, multiplied in fp32: no faster than fp32 on this processor";
}
