/* bf16 products by oneDNN's matmul primitive, whose C interface changed between 2 and 3. */
#ifdef MHC_GEMM_ONEDNN

#include <math.h>
#include <pthread.h>
#include <string.h>

#include <oneapi/dnnl/dnnl.h>

#include "gemm/provider.h"
#include "mhc/type.h"

/* Everything that one product creates; destroyed where it is not NULL. */
typedef struct handles {
    dnnl_primitive_attr_t attributes;
    dnnl_post_ops_t sum;
    dnnl_primitive_desc_t description;
    dnnl_primitive_t primitive;
    dnnl_stream_t stream;
    dnnl_memory_t memory[3]; /* A, B, C */
    dnnl_memory_desc_t shape[3];
} handles;

static dnnl_engine_t engine; /* lives as long as the process */

static bool describe(handles *h, int index, int64_t rows, int64_t columns, bool transposed, int64_t stride,
                     dnnl_data_type_t type) {
    dnnl_dims_t sizes = {rows, columns}, strides = {transposed ? 1 : stride, transposed ? stride : 1};
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_memory_desc_create_with_strides(&h->shape[index], 2, sizes, type, strides) == dnnl_success;
#else
    return dnnl_memory_desc_init_by_strides(&h->shape[index], 2, sizes, type, strides) == dnnl_success;
#endif
}

/* C = A B + beta C */
static bool attach_beta(handles *h, float beta) {
    if (dnnl_primitive_attr_create(&h->attributes) != dnnl_success)
        return false;
    if (beta == 0.0f)
        return true;
    if (dnnl_post_ops_create(&h->sum) != dnnl_success)
        return false;
#if DNNL_VERSION_MAJOR >= 3
    dnnl_status_t status = dnnl_post_ops_append_sum(h->sum, beta, 0, dnnl_data_type_undef);
#else
    dnnl_status_t status = dnnl_post_ops_append_sum(h->sum, beta);
#endif
    return status == dnnl_success && dnnl_primitive_attr_set_post_ops(h->attributes, h->sum) == dnnl_success;
}

static bool make_primitive(handles *h) {
#if DNNL_VERSION_MAJOR >= 3
    dnnl_status_t status = dnnl_matmul_primitive_desc_create(&h->description, engine, h->shape[0], h->shape[1], NULL,
                                                             h->shape[2], h->attributes);
#else
    dnnl_matmul_desc_t what;
    dnnl_status_t status = dnnl_matmul_desc_init(&what, &h->shape[0], &h->shape[1], NULL, &h->shape[2]);
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(&h->description, &what, h->attributes, engine, NULL);
#endif
    return status == dnnl_success && dnnl_primitive_create(&h->primitive, h->description) == dnnl_success;
}

static bool attach_memory(handles *h, int index, void *data) {
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_memory_create(&h->memory[index], h->shape[index], engine, data) == dnnl_success;
#else
    return dnnl_memory_create(&h->memory[index], &h->shape[index], engine, data) == dnnl_success;
#endif
}

static bool execute(handles *h) {
    dnnl_exec_arg_t arguments[3] = {
        {DNNL_ARG_SRC, h->memory[0]}, {DNNL_ARG_WEIGHTS, h->memory[1]}, {DNNL_ARG_DST, h->memory[2]}};
    return dnnl_stream_create(&h->stream, engine, dnnl_stream_default_flags) == dnnl_success &&
           dnnl_primitive_execute(h->primitive, h->stream, 3, arguments) == dnnl_success &&
           dnnl_stream_wait(h->stream) == dnnl_success;
}

static void destroy(handles *h) {
    for (int i = 0; i < 3; i++) {
        if (h->memory[i])
            dnnl_memory_destroy(h->memory[i]);
#if DNNL_VERSION_MAJOR >= 3
        if (h->shape[i])
            dnnl_memory_desc_destroy(h->shape[i]);
#endif
    }
    if (h->stream)
        dnnl_stream_destroy(h->stream);
    if (h->primitive)
        dnnl_primitive_destroy(h->primitive);
    if (h->description)
        dnnl_primitive_desc_destroy(h->description);
    if (h->sum)
        dnnl_post_ops_destroy(h->sum);
    if (h->attributes)
        dnnl_primitive_attr_destroy(h->attributes);
}

static bool product(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const uint16_t *a, int64_t lda,
                    const uint16_t *b, int64_t ldb, float beta, float *c, int64_t ldc) {
    handles h;
    memset(&h, 0, sizeof h);
    /* oneDNN takes all memory as writable, and does not write to A and B. */
    bool done = describe(&h, 0, m, k, transpose_a, lda, dnnl_bf16) &&
                describe(&h, 1, k, n, transpose_b, ldb, dnnl_bf16) && describe(&h, 2, m, n, false, ldc, dnnl_f32) &&
                attach_beta(&h, beta) && make_primitive(&h) && attach_memory(&h, 0, (void *)(uintptr_t)a) &&
                attach_memory(&h, 1, (void *)(uintptr_t)b) && attach_memory(&h, 2, c) && execute(&h);
    destroy(&h);
    return done;
}

/* A product small enough to do by hand: all of it within what the order of its sums can change. */
enum { TRIED_M = 20, TRIED_N = 36, TRIED_K = 48 };

static float tried_value(int row, int column) {
    return mhc_bf16_value(mhc_bf16_of((float)((row * 7 + column * 13) % 29 - 14) / 8.0f));
}

static bool try_product(bool transpose_a, bool transpose_b, float beta) {
    uint16_t a[TRIED_M * TRIED_K], b[TRIED_K * TRIED_N];
    float c[TRIED_M * TRIED_N];
    for (int i = 0; i < TRIED_M; i++)
        for (int p = 0; p < TRIED_K; p++)
            a[transpose_a ? p * TRIED_M + i : i * TRIED_K + p] = mhc_bf16_of(tried_value(i, p));
    for (int p = 0; p < TRIED_K; p++)
        for (int j = 0; j < TRIED_N; j++)
            b[transpose_b ? j * TRIED_K + p : p * TRIED_N + j] = mhc_bf16_of(tried_value(p, j + 5));
    for (int e = 0; e < TRIED_M * TRIED_N; e++)
        c[e] = beta == 0.0f ? NAN : (float)e;
    if (!product(transpose_a, transpose_b, TRIED_M, TRIED_N, TRIED_K, a, transpose_a ? TRIED_M : TRIED_K, b,
                 transpose_b ? TRIED_K : TRIED_N, beta, c, TRIED_N))
        return false;
    for (int i = 0; i < TRIED_M; i++)
        for (int j = 0; j < TRIED_N; j++) {
            double sum = beta == 0.0f ? 0.0 : (double)beta * (i * TRIED_N + j), size = fabs(sum);
            for (int p = 0; p < TRIED_K; p++) {
                double term = (double)tried_value(i, p) * (double)tried_value(p, j + 5);
                sum += term;
                size += fabs(term);
            }
            if (!(fabs((double)c[i * TRIED_N + j] - sum) <= 1e-5 * size + 1e-6))
                return false;
        }
    return true;
}

static bool found;

static void try_products(void) {
    if (dnnl_engine_create(&engine, dnnl_cpu, 0) != dnnl_success)
        return;
    found = true;
    for (int k = 0; k < 8 && found; k++)
        found = try_product(k & 1, k & 2, k & 4 ? 0.5f : 0.0f);
}

bool mhc__provider_has_bf16(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, try_products);
    return found;
}

bool mhc__provider_product_bf16(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const uint16_t *a,
                                int64_t lda, const uint16_t *b, int64_t ldb, float beta, float *c, int64_t ldc) {
    return product(transpose_a, transpose_b, m, n, k, a, lda, b, ldb, beta, c, ldc);
}

#else
typedef int mhc__onednn_bf16_is_not_built;
#endif
