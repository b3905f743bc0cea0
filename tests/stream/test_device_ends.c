/* Operations whose sums have the CPU's order on every device, against the CPU, bit by bit and with all that lies
 * around their outputs: expand, collapse, merge, the gradients of streams and rows, and the constraint. Sums over
 * channels and tokens have an order of their own: those are compared with sums in double. */
#include "stream/constraints.h"
#include "stream/twins.h"

enum { SHAPES = 10 };
static const struct {
    int streams;
    int64_t channels, tokens;
} SHAPE[SHAPES] = {{1, 40, 3},   {2, 131, 5}, {3, 16, 17}, {4, 1, 2},  {4, 264, 1},
                   {4, 2312, 3}, {4, 72, 35}, {5, 24, 9},  {8, 33, 4}, {16, 40, 3}};

static mhc_context context_of(bool device) {
    return device ? device_context(2) : mhc_context_cpu(1);
}

static mhc_spec spec_of(const char *preset, int shape, mhc_type type) {
    mhc_spec spec;
    OK(mhc_spec_preset(&spec, preset, SHAPE[shape].streams, SHAPE[shape].channels, error));
    spec.type = type;
    return spec;
}

static const char *where_of(int shape, int layout) {
    static char where[96];
    snprintf(where, sizeof where, "n = %d, C = %lld, T = %lld, layout %d", SHAPE[shape].streams,
             (long long)SHAPE[shape].channels, (long long)SHAPE[shape].tokens, layout);
    return where;
}

static twin open_streams(mhc_type type, int shape, int layout, uint64_t key) {
    return twin_open(type, layout, SHAPE[shape].tokens, SHAPE[shape].streams, SHAPE[shape].channels, key);
}

static twin open_rows(mhc_type type, int shape, int layout, uint64_t key) {
    return twin_open(type, layout, SHAPE[shape].tokens, 1, SHAPE[shape].channels, key);
}

#define FOR_SHAPES(shape, layout)                                                                                      \
    for (int shape = 0; shape < SHAPES; shape++)                                                                       \
        for (int layout = 0; layout < LAYOUTS; layout++)

static void expand_case(mhc_type type) {
    FOR_SHAPES(k, layout) {
        mhc_spec spec = spec_of("hc", k, type);
        twin x = open_rows(type, k, layout, 1), out = open_streams(type, k, layout, 2);
        twin dout = open_streams(type, k, layout, 3), dx = open_rows(type, k, layout, 4);
        twin_set(&x, 0, NAN), twin_set(&dout, 0, -0.0f), twin_set(&dout, SHAPE[k].channels - 1, INFINITY);
        for (int device = 0; device < 2; device++) {
            mhc_context context = context_of(device);
            OK(mhc_expand_forward(&context, &spec, SHAPE[k].tokens, twin_rows(&x, device), twin_streams(&out, device),
                                  error));
            OK(mhc_expand_backward(&context, &spec, SHAPE[k].tokens, twin_streams(&dout, device),
                                   twin_rows(&dx, device), error));
            OK(mhc_expand_forward(&context, &spec, 0, (mhc_rows){NULL, 0}, (mhc_streams){NULL, 0, 0}, error));
        }
        twin_same(&out, where_of(k, layout), "out");
        twin_same(&dx, where_of(k, layout), "dx");
        twin_close(&x), twin_close(&out), twin_close(&dout), twin_close(&dx);
    }
}

/* Two steps: u by the first coefficients, X after them, u again. */
static void recompute_once(const char *preset, mhc_type type, int k, int layout, bool carries) {
    mhc_spec spec = spec_of(preset, k, type);
    int64_t rows = spec.mapping == MHC_MAPPING_DYNAMIC ? SHAPE[k].tokens : 1, n = spec.streams;
    twin x = open_streams(type, k, layout, 1), z = open_rows(type, k, layout, 2), u = open_rows(type, k, layout, 3);
    twin out = open_streams(type, k, layout, 4), last = open_rows(type, k, layout, 5);
    twin coefficients = twin_floats(rows * n * (n + 2), 6), carried = twin_floats(rows * n * (n + 2), 7);
    twin_set(&x, (SHAPE[k].tokens - 1) * x.token_stride, NAN);
    twin_set(&z, SHAPE[k].channels - 1, INFINITY);
    for (int device = 0; device < 2; device++) {
        mhc_context context = context_of(device);
        mhc_streams none = {NULL, 0, 0};
        const float *own = n == 1 ? NULL : twin_data(&coefficients, device);
        mhc_recompute_step steps[2] = {
            {own, twin_rows(&z, device), twin_rows(&u, device), twin_streams(&out, device)},
            {own, {NULL, 0}, twin_rows(&last, device), none},
        };
        OK(mhc_recompute(&context, &spec, SHAPE[k].tokens, twin_streams(&x, device),
                         carries ? twin_data(&carried, device) : NULL, steps, 2, error));
    }
    twin_same(&u, where_of(k, layout), preset);
    twin_same(&out, where_of(k, layout), preset);
    twin_same(&last, where_of(k, layout), preset);
    twin_close(&x), twin_close(&z), twin_close(&u), twin_close(&out), twin_close(&last);
    twin_close(&coefficients), twin_close(&carried);
}

static void recompute_case(mhc_type type) {
    FOR_SHAPES(k, layout) {
        if (SHAPE[k].streams == 1) {
            recompute_once("residual", type, k, layout, false);
            continue;
        }
        recompute_once("hc", type, k, layout, false);
        recompute_once("hc-static", type, k, layout, false);
        recompute_once("deepseek-v4.1", type, k, layout, true);
        recompute_once("deepseek-v4.1", type, k, layout, false);
    }
}

/* The output may be the input. */
static void in_place_case(mhc_type type) {
    FOR_SHAPES(k, layout) {
        mhc_spec spec = spec_of("paper", k, type);
        int64_t n = spec.streams, tokens = SHAPE[k].tokens;
        twin x = open_streams(type, k, layout, 1), z = open_rows(type, k, layout, 2);
        twin coefficients = twin_floats(tokens * n * (n + 2), 3);
        for (int device = 0; device < 2; device++) {
            mhc_context context = context_of(device);
            OK(mhc_merge_forward(&context, &spec, tokens, twin_streams(&x, device), twin_rows(&z, device),
                                 twin_data(&coefficients, device), twin_streams(&x, device), error));
        }
        twin_same(&x, where_of(k, layout), "x");
        twin_close(&x), twin_close(&z), twin_close(&coefficients);
    }
}

FOR_EACH_TYPE(expand)
FOR_EACH_TYPE(recompute)
FOR_EACH_TYPE(in_place)

/* What becomes of dx. */
enum { DX_WRITTEN, DX_NONE, DX_IS_DOUT, DX_WAYS };

typedef struct back {
    mhc_spec spec;
    int64_t tokens, rows;
    twin x, z, dout, dx, dz, coefficients, d_coefficients;
    void *workspace;
    size_t workspace_size;
} back;

static back back_open(const mhc_spec *spec, int64_t tokens, int layout) {
    back b = {.spec = *spec, .tokens = tokens, .rows = spec->mapping == MHC_MAPPING_DYNAMIC ? tokens : 1};
    int n = spec->streams;
    b.x = twin_open(spec->type, layout, tokens, n, spec->channels, 1);
    b.z = twin_open(spec->type, layout, tokens, 1, spec->channels, 2);
    b.dout = twin_open(spec->type, layout, tokens, n, spec->channels, 3);
    b.dx = twin_open(spec->type, layout, tokens, n, spec->channels, 4);
    b.dz = twin_open(spec->type, layout, tokens, 1, spec->channels, 5);
    b.coefficients = twin_floats(b.rows * n * (n + 2), 6);
    b.d_coefficients = twin_floats(b.rows * n * (n + 2), 7);
    mhc_site_sizes sizes;
    OK(mhc_site_sizes_query(spec, tokens, &sizes, error));
    b.workspace_size = sizes.workspace > sizes.cuda_workspace ? sizes.workspace : sizes.cuda_workspace;
    b.workspace = some((int64_t)b.workspace_size, 1);
    memset(b.workspace, 0xff, b.workspace_size);
    return b;
}

static void back_close(back *b) {
    twin_close(&b->x), twin_close(&b->z), twin_close(&b->dout), twin_close(&b->dx), twin_close(&b->dz);
    twin_close(&b->coefficients), twin_close(&b->d_coefficients);
    device_free(b->workspace);
}

static void back_run(back *b, bool device, int way) {
    mhc_context context = context_of(device);
    mhc_streams dout = twin_streams(&b->dout, device);
    mhc_streams dx = way == DX_NONE      ? (mhc_streams){NULL, 0, 0}
                     : way == DX_IS_DOUT ? dout
                                         : twin_streams(&b->dx, device);
    OK(mhc_merge_backward(&context, &b->spec, b->tokens, twin_streams(&b->x, device), twin_rows(&b->z, device),
                          twin_data(&b->coefficients, device), dout, dx, twin_rows(&b->dz, device),
                          twin_data(&b->d_coefficients, device), b->workspace, b->workspace_size, error));
}

/* <dout_i, y_j> of a token, y_n being z; bound: the sum of absolute values. */
static double product(const back *b, const twin *dout, int64_t t, int i, int j, double *bound) {
    double sum = 0.0;
    const twin *y = j == b->spec.streams ? &b->z : &b->x;
    for (int64_t c = 0; c < b->spec.channels; c++) {
        int64_t left = dout->offset + t * dout->token_stride + i * dout->stream_stride + c;
        int64_t right = y->offset + t * y->token_stride + (y == &b->x) * j * y->stream_stride + c;
        double term = (double)element(y->type, dout->cpu, left) * (double)element(y->type, y->cpu, right);
        sum += term;
        *bound += fabs(term);
    }
    return sum;
}

/* The device's d_coefficients against sums in double; dout: as it was before the call. */
static void back_check_products(const back *b, const twin *dout, const char *where) {
    const int n = b->spec.streams, width = n * (n + 2);
    const float *got = twin_data(&b->d_coefficients, true), *before = twin_data(&b->d_coefficients, false);
    for (int64_t row = 0; row < b->rows; row++)
        for (int e = 0; e < width; e++) {
            double want = 0.0, bound = 0.0;
            int i = e < 2 * n ? e - n : (e - 2 * n) / n, j = e < 2 * n ? n : (e - 2 * n) % n;
            for (int64_t t = row; t < (b->rows == b->tokens ? row + 1 : b->tokens) && e >= n; t++)
                want += product(b, dout, t, i, j, &bound);
            if (e < n)
                want = (double)before[row * width + e]; /* pre is left alone, on the CPU as well */
            if (!(fabs((double)got[row * width + e] - want) <= 1e-6 * bound))
                fail_msg("%s: d_coefficients[%lld][%d] is %.9g, expected %.9g", where, (long long)row, e,
                         (double)got[row * width + e], want);
        }
}

static void back_case_of(const char *preset, mhc_type type, int k, int64_t tokens, int layout, int way) {
    mhc_spec spec = spec_of(preset, k, type);
    back b = back_open(&spec, tokens, layout);
    twin dout = twin_open(type, layout, tokens, spec.streams, spec.channels, 3);
    back_run(&b, false, way);
    back_run(&b, true, way);
    twin_same(&b.dz, where_of(k, layout), "dz");
    twin_same(&b.dx, where_of(k, layout), "dx");
    twin_same(&b.dout, where_of(k, layout), "dout");
    if (spec.mapping == MHC_MAPPING_NONE)
        twin_same(&b.d_coefficients, where_of(k, layout), "d_coefficients");
    else
        back_check_products(&b, &dout, where_of(k, layout));
    twin_close(&dout);
    back_close(&b);
}

static void merge_back_case(mhc_type type) {
    FOR_SHAPES(k, layout)
    for (int way = 0; way < DX_WAYS; way++) {
        if (SHAPE[k].streams == 1)
            back_case_of("residual", type, k, SHAPE[k].tokens, layout, way);
        back_case_of("paper", type, k, SHAPE[k].tokens, layout, way);
        back_case_of("hc-static", type, k, SHAPE[k].tokens, layout, way);
    }
    back_case_of("paper", type, 3, 0, 0, DX_WRITTEN);
    back_case_of("hc-static", type, 3, 0, 0, DX_WRITTEN);
}

FOR_EACH_TYPE(merge_back)

/* More tokens than ranges, and ranges of more than one chunk. */
static void test_many_tokens(void **state) {
    (void)state;
    back_case_of("hc-static", MHC_FP32, 3, 1031, LAYOUT_DENSE, DX_WRITTEN);
    back_case_of("hc-static", MHC_FP32, 1, 600, LAYOUT_ODD, DX_NONE);
    if (device_is_cpu())
        back_case_of("hc-static", MHC_FP32, 3, 40000, LAYOUT_DENSE, DX_NONE);
}

/* The products of a token don't depend on how many there are, and a second run gives the same bits. */
static void test_token_by_token(void **state) {
    (void)state;
    for (int k = 0; k < SHAPES; k++) {
        mhc_spec spec = spec_of("paper", k, MHC_BF16);
        back all = back_open(&spec, SHAPE[k].tokens, LAYOUT_DENSE),
             one = back_open(&spec, SHAPE[k].tokens, LAYOUT_DENSE);
        int64_t t = SHAPE[k].tokens - 1, width = spec.streams * (spec.streams + 2);
        back_run(&all, true, DX_NONE);
        one.tokens = 1;
        one.x.offset += t * one.x.token_stride, one.z.offset += t * one.z.token_stride;
        one.dout.offset += t * one.dout.token_stride, one.dz.offset += t * one.dz.token_stride;
        one.coefficients.offset += t * width, one.d_coefficients.offset += t * width;
        back_run(&one, true, DX_NONE);
        assert_memory_equal((float *)twin_data(&one.d_coefficients, true) + spec.streams,
                            (float *)twin_data(&all.d_coefficients, true) + t * width + spec.streams,
                            (size_t)(width - spec.streams) * sizeof(float));
        back_close(&all), back_close(&one);
    }
}

/* NaN in one token stays there. */
static void test_nan(void **state) {
    (void)state;
    for (int k = 0; k < SHAPES; k++) {
        mhc_spec spec = spec_of("paper", k, MHC_FP32);
        const int n = spec.streams, width = n * (n + 2);
        back b = back_open(&spec, SHAPE[k].tokens, LAYOUT_DENSE);
        twin_set(&b.dout, (n - 1) * b.dout.stream_stride, NAN); /* stream n - 1 of token 0 */
        back_run(&b, false, DX_WRITTEN);
        back_run(&b, true, DX_WRITTEN);
        twin_same(&b.dz, where_of(k, 0), "dz");
        twin_same(&b.dx, where_of(k, 0), "dx");
        const float *d = twin_data(&b.d_coefficients, true);
        for (int64_t e = 0; e < SHAPE[k].tokens * width; e++) {
            int64_t post = e - n, res = e - 2 * n;
            bool touched = e < width && (post == n - 1 || (res >= 0 && res / n == n - 1));
            assert_true(isnan(d[e]) == touched);
        }
        back_close(&b);
    }
}

/* Every constraint with every finish, leak and layout, on logits up to hostile ones. */
static void constraint_once(const mhc_spec *spec, int64_t rows) {
    const int n = spec->streams, count = count_of(spec);
    twin logits = twin_floats(rows * count, 1), res = twin_floats(rows * n * n, 2),
         d_res = twin_floats(rows * n * n, 3);
    twin d_logits = twin_floats(rows * count, 4);
    /* birkhoff: how far NaN has come in a matrix when it stops depends on those that are solved with it */
    bool finite = spec->constraint == MHC_CONSTRAINT_BIRKHOFF;
    const float hostile[] = {1e30f, -1e4f, NAN, INFINITY, -INFINITY};
    for (int64_t row = 0; row < rows && count > 0; row++) {
        for (int e = 0; e < count; e++)
            twin_set(&logits, row * count + e, 3.0f * ((float *)twin_data(&logits, false))[row * count + e]);
        if (row < (finite ? 2 : 5))
            twin_set(&logits, row * count + row % count, hostile[row]);
    }
    for (int device = 0; device < 2; device++) {
        mhc_context context = context_of(device);
        OK(mhc_constraint_forward(&context, spec, rows, twin_data(&logits, device), twin_data(&res, device), error));
        OK(mhc_constraint_backward(&context, spec, rows, twin_data(&logits, device), twin_data(&d_res, device),
                                   twin_data(&d_logits, device), error));
    }
    twin_same(&res, name_of(spec), "res");
    twin_same(&d_logits, name_of(spec), "d_logits");
    twin_close(&logits), twin_close(&res), twin_close(&d_res), twin_close(&d_logits);
}

static void test_constraint(void **state) {
    (void)state;
    const int sizes[] = {1, 2, 3, 4, 5, 8, 9, 16};
    FOR_CONSTRAINTS(kind)
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (int bits = 0; bits < 12; bits++) {
            mhc_spec spec;
            if (!constrained(&spec, kind, sizes[k], (mhc_finish)(bits % 3), bits / 3 % 2 ? 0.3f : 0.0f, bits / 6))
                continue;
            constraint_once(&spec, bits == 0 ? 71 : 7);
            constraint_once(&spec, 0);
        }
}

/* As many iterations as a spec may have: the way back has few states on the device, and replays them many times. */
static void test_most_iterations(void **state) {
    (void)state;
    const char *const presets[] = {"paper", "deepseek-v4"};
    const int sizes[] = {1, 4, 8, 16};
    for (int p = 0; p < 2; p++)
        for (int k = 0; k < 4; k++) {
            mhc_spec spec;
            OK(mhc_spec_preset(&spec, presets[p], sizes[k], 8, error));
            spec.sinkhorn.iterations = 1000;
            constraint_once(&spec, 7);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expand),          cmocka_unit_test(test_recompute),
        cmocka_unit_test(test_in_place),        cmocka_unit_test(test_merge_back),
        cmocka_unit_test(test_many_tokens),     cmocka_unit_test(test_nan),
        cmocka_unit_test(test_token_by_token),  cmocka_unit_test(test_constraint),
        cmocka_unit_test(test_most_iterations),
    };
    device_need();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
