/* The product is cut into blocks of C whose size depends on the shape alone; each block is one call of the provider on
 * one thread. A provider's own threading picks other kernels and other splits of k for another thread count, and the
 * last bits follow; this way they don't. */
#include "gemm/gemm.h"

#include "base/threads.h"
#include "gemm/provider.h"

/* Below this many multiplications a team costs more than it saves. */
#define TEAM_WORTH (INT64_C(1) << 18)
/* Blocks that many threads can share, as long as each stays large enough for the provider's packing to pay. */
#define BLOCKS_WANTED 8
#define ROWS_MIN      256
#define COLUMNS_MIN   128

static int64_t block_size(int64_t size, int64_t parts, int64_t smallest) {
    int64_t block = mhc__max(mhc__blocks(size, parts), smallest);
    return mhc__min((block + 15) / 16 * 16, size);
}

static mhc_status check(int64_t m, int64_t n, int64_t k, int64_t a_columns, int64_t lda, int64_t b_columns, int64_t ldb,
                        int64_t ldc, mhc_error *error) {
    if (m < 0 || n < 0 || k < 0 || m > INT32_MAX || n > INT32_MAX || k > INT32_MAX)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "matrix product: sizes %lld, %lld, %lld are not in 0..2^31-1",
                         (long long)m, (long long)n, (long long)k);
    if (lda < a_columns || ldb < b_columns || ldc < n || lda > INT32_MAX || ldb > INT32_MAX || ldc > INT32_MAX)
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

mhc_status mhc__gemm(int threads, bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha,
                     const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc,
                     mhc_error *error) {
    if (m == 0 || n == 0)
        return MHC_OK;
    MHC__TRY(check(m, n, k, transpose_a ? m : k, lda, transpose_b ? k : n, ldb, ldc, error));
    if (k == 0 || alpha == 0.0f) {
        scale(m, n, beta, c, ldc);
        return MHC_OK;
    }
    int64_t rows = block_size(m, BLOCKS_WANTED, ROWS_MIN);
    int64_t columns = block_size(n, mhc__blocks(BLOCKS_WANTED, mhc__blocks(m, rows)), COLUMNS_MIN);
    int64_t across = mhc__blocks(n, columns), blocks = mhc__blocks(m, rows) * across;
    int team = m * n < TEAM_WORTH / mhc__min(k, TEAM_WORTH) ? 1 : (int)mhc__min(threads, blocks);
    bool failed = false;
    int before = mhc__provider_one_thread();
#pragma omp parallel for num_threads(team > 0 ? team : 1) schedule(dynamic) reduction(|| : failed)
    for (int64_t block = 0; block < blocks; block++) {
        int64_t i = block / across * rows, j = block % across * columns;
        bool done = mhc__provider_product(transpose_a, transpose_b, mhc__min(rows, m - i), mhc__min(columns, n - j), k,
                                          alpha, a + (transpose_a ? i : i * lda), lda, b + (transpose_b ? j * ldb : j),
                                          ldb, beta, c + i * ldc + j, ldc);
        failed = failed || !done;
    }
    mhc__provider_restore(before);
    if (failed)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "matrix product %lld x %lld x %lld: %s could not run it",
                         (long long)m, (long long)n, (long long)k, mhc__gemm_provider());
    return MHC_OK;
}
