/* What constraints promise about their matrices, over many random logits: MHC_DRAWS of them for each constraint and
 * size (default 2000; docs/measurements has the table of a million), of standard deviations 0.3, 1, 3 and 10, an eighth
 * of them nearly the identity. MHC_TABLE=1 prints what was found. And birkhoff beside sinkhorn. */
#include "stream/constraints.h"

#include "base/threads.h"

enum { BLOCK = 1000 };

/* The largest deviations found. */
typedef struct findings {
    double rows, columns, least, largest, isometry;
} findings;

/* How far D, the part of res on differences, is from an isometry, and its norm by power iteration from below, on the
 * differences of streams: |D| <= 1 shows in every vector. */
static void look_at_differences(const float *res, int n, bool whole, findings *f) {
    double product[64] = {0.0}; /* n >= 1, which the compiler cannot see */
    for (int j = 0; j < n; j++)
        for (int k = 0; k < n; k++) {
            product[j * n + k] = 0.0;
            for (int i = 0; i < n; i++)
                product[j * n + k] += (double)res[i * n + j] * (double)res[i * n + k];
        }
    for (int e = 0; e < n * n && whole; e++) /* H'H = I */
        f->isometry = fmax(f->isometry, fabs(product[e] - (e / n == e % n)));
    double x[8], y[8], norm = 0.0;
    for (int i = 0; i < n; i++)
        x[i] = i - (n - 1) / 2.0 + (i == 0 ? 0.3 : 0.0);
    for (int step = 0; step < 6; step++) {
        double mean = 0.0, length = 0.0, next = 0.0;
        for (int i = 0; i < n; i++)
            mean += x[i] / n;
        for (int i = 0; i < n; i++) {
            x[i] -= whole ? 0.0 : mean;
            length += x[i] * x[i];
        }
        for (int i = 0; i < n; i++) {
            y[i] = 0.0;
            for (int j = 0; j < n; j++)
                y[i] += product[i * n + j] * x[j];
            next += y[i] * x[i];
        }
        if (length < 1e-20)
            break;
        norm = fmax(norm, sqrt(fmax(next, 0.0) / length));
        for (int i = 0; i < n; i++)
            x[i] = y[i] / sqrt(length);
    }
    f->largest = fmax(f->largest, norm);
}

static void look(const mhc_spec *spec, unsigned properties, const float *res, findings *f) {
    int n = spec->streams;
    double entry = 1.0; /* sums are as good as their largest term, where terms exceed one */
    for (int e = 0; e < n * n; e++)
        entry = fmax(entry, fabs((double)res[e]));
    for (int i = 0; i < n; i++) {
        double row = 0.0, column = 0.0;
        for (int j = 0; j < n; j++) {
            row += (double)res[i * n + j];
            column += (double)res[j * n + i];
            f->least = fmin(f->least, (double)res[i * n + j]);
        }
        f->rows = fmax(f->rows, fabs(row - 1.0) / entry);
        f->columns = fmax(f->columns, fabs(column - 1.0) / entry);
    }
    if (properties & (MHC_NONEXPANSIVE | MHC_ISOMETRY))
        look_at_differences(res, n, (properties & MHC_ISOMETRY) != 0, f);
}

static void draw(const mhc_spec *spec, int block, float *logits) {
    const float deviations[] = {0.3f, 1.0f, 3.0f, 10.0f};
    int count = count_of(spec), n = spec->streams;
    mhc__normal_fill((uint64_t)spec->constraint + 100 * (uint64_t)n, (uint64_t)block, 1.0f, logits, BLOCK * count);
    for (int row = 0; row < BLOCK; row++) {
        float deviation = deviations[row % 4];
        for (int k = 0; k < count; k++)
            logits[row * count + k] *= deviation;
        if (row % 8 == 5 && count == n * n)
            for (int i = 0; i < n; i++)
                logits[row * count + i * (n + 1)] += (float)(2 + row % 11);
    }
}

static long draws(void) {
    const char *wanted = getenv("MHC_DRAWS");
    return wanted ? strtol(wanted, NULL, 10) : 2000;
}

static findings search(const mhc_spec *spec, unsigned properties) {
    int n = spec->streams, count = count_of(spec);
    mhc_context context = mhc_context_cpu(0);
    findings f = {0.0, 0.0, 1.0, 0.0, 0.0};
    float *logits = some((int64_t)BLOCK * count, sizeof *logits), *res = some((int64_t)BLOCK * n * n, sizeof *res);
    long blocks = (draws() + BLOCK - 1) / BLOCK;
    for (int block = 0; block < blocks; block++) {
        draw(spec, block, logits);
        OK(mhc_constraint_forward(&context, spec, BLOCK, logits, res, error));
        for (int row = 0; row < BLOCK; row++)
            look(spec, properties, res + row * n * n, &f);
    }
    free(logits);
    free(res);
    return f;
}

/* src/stream/constraint/README.md states these bounds. */
static double bound_of(const mhc_spec *spec, unsigned property) {
    if (spec->constraint == MHC_CONSTRAINT_PERMUTATIONS && spec->finish == MHC_FINISH_NONE && spec->streams == 5)
        return 5e-6; /* 120 shares, summed in fp32 */
    if (property == MHC_ISOMETRY)
        return 2e-6;
    return 1e-6;
}

static void keep(const mhc_spec *spec, unsigned property, const char *what, double off) {
    if (!(off <= bound_of(spec, property)))
        fail_msg("%s: %s is %.3g off, expected at most %.1g", name_of(spec), what, off, bound_of(spec, property));
}

static void print_row(const mhc_spec *spec, unsigned properties, const findings *f) {
    const char *const finishes[] = {"", "rounding", "affine"};
    printf("| %s | %s | %d | %.1e | %.1e | %.1e |", mhc_constraint_name((int)spec->constraint), finishes[spec->finish],
           spec->streams, f->rows, f->columns, f->least);
    if (properties & MHC_NONEXPANSIVE)
        printf(" %.7f |", f->largest);
    else
        printf(" |");
    if (properties & MHC_ISOMETRY)
        printf(" %.1e |\n", f->isometry);
    else
        printf(" |\n");
    fflush(stdout);
}

static void check(const mhc_spec *spec) {
    unsigned p = properties_of(spec);
    findings f = search(spec, p);
    if (getenv("MHC_TABLE"))
        print_row(spec, p, &f);
    if (p & MHC_ROW_SUMS)
        keep(spec, MHC_ROW_SUMS, "a row sum", f.rows);
    if (p & MHC_COLUMN_SUMS)
        keep(spec, MHC_COLUMN_SUMS, "a column sum", f.columns);
    if (p & MHC_NONNEGATIVE)
        keep(spec, MHC_NONNEGATIVE, "an entry below zero", fmax(0.0, -f.least) * 1e30);
    if (p & MHC_NONEXPANSIVE)
        keep(spec, MHC_NONEXPANSIVE, "the norm on differences", f.largest - 1.0);
    if (p & MHC_ISOMETRY)
        keep(spec, MHC_ISOMETRY, "H'H", f.isometry);
}

static void test_promises(void **state) {
    (void)state;
    if (getenv("MHC_TABLE"))
        printf("%ld draws each\n| constraint | finish | n | rows | columns | least entry | norm of D | H'H - I |\n"
               "|---|---|---|---|---|---|---|---|\n",
               draws());
    FOR_CONSTRAINTS(kind)
    for (int finish = 0; finish < 3; finish++)
        for (int n = 2; n <= 8; n++) {
            mhc_spec spec;
            /* exp overflows at these logits; a finish changes nothing where both sums are exact */
            if (kind == MHC_CONSTRAINT_EXP || !constrained(&spec, kind, n, MHC_FINISH_NONE, 0.0f, false))
                continue;
            unsigned both = MHC_ROW_SUMS | MHC_COLUMN_SUMS;
            if (finish && (properties_of(&spec) & both) == both)
                continue;
            spec.finish = (mhc_finish)finish;
            if (mhc_spec_check(&spec, NULL) == MHC_OK && !(kind == MHC_CONSTRAINT_NONE && !finish))
                check(&spec);
        }
}

/* ---- birkhoff ---- */

/* n = 2: p = sigmoid((x11 + x22 - x12 - x21) / 2). */
static void test_closed_form(void **state) {
    (void)state;
    enum { ROWS = 999 };
    float x[ROWS * 4], res[ROWS * 4], g[ROWS * 4], d[ROWS * 4];
    mhc_context context = mhc_context_cpu(1);
    mhc_spec spec;
    assert_true(constrained(&spec, MHC_CONSTRAINT_BIRKHOFF, 2, MHC_FINISH_NONE, 0.0f, false));
    mhc__normal_fill(1, 0, 3.0f, x, ROWS * 4);
    mhc__normal_fill(2, 0, 1.0f, g, ROWS * 4);
    OK(mhc_constraint_forward(&context, &spec, ROWS, x, res, error));
    OK(mhc_constraint_backward(&context, &spec, ROWS, x, g, d, error));
    for (int row = 0; row < ROWS; row++) {
        const float *a = x + 4 * row, *h = g + 4 * row;
        double p = 1.0 / (1.0 + exp(-((double)a[0] + (double)a[3] - (double)a[1] - (double)a[2]) / 2.0));
        double back = 0.5 * p * (1.0 - p) * ((double)h[0] + (double)h[3] - (double)h[1] - (double)h[2]);
        for (int e = 0; e < 4; e++) {
            bool same = e == 0 || e == 3;
            assert_true(fabs((double)res[4 * row + e] - (same ? p : 1.0 - p)) < 1e-6);
            assert_true(fabs((double)d[4 * row + e] - (same ? back : -back)) < 2e-6);
        }
    }
}

/* fp32 finds the limit that double finds, up to logits of standard deviation 10. */
static void test_limit(void **state) {
    (void)state;
    enum { ROWS = 2000 };
    const float deviations[] = {1.0f, 3.0f, 10.0f};
    mhc_context context = mhc_context_cpu(2);
    for (int n = 3; n <= 8; n++)
        for (int k = 0; k < 3; k++) {
            mhc_spec spec;
            int size = n * n;
            assert_true(constrained(&spec, MHC_CONSTRAINT_BIRKHOFF, n, MHC_FINISH_NONE, 0.0f, false));
            float *x = some(ROWS * size, sizeof *x), *res = some(ROWS * size, sizeof *res);
            double worst = 0.0;
            mhc__normal_fill(21, (uint64_t)(8 * n + k), deviations[k], x, ROWS * size);
            OK(mhc_constraint_forward(&context, &spec, ROWS, x, res, error));
            for (int row = 0; row < ROWS; row++) {
                double x_64[64], limit[64];
                widen(x + row * size, x_64, size);
                OK(mhc_oracle_constraint_forward(&spec, x_64, limit, error));
                for (int e = 0; e < size; e++)
                    worst = fmax(worst, fabs((double)res[row * size + e] - limit[e]));
            }
            if (getenv("MHC_TABLE"))
                printf("n = %d, deviation %g: entries within %.2g of the limit\n", n, (double)deviations[k], worst);
            assert_true(worst < 2e-6);
            free(x);
            free(res);
        }
}

/* The limit knows no offsets of rows and columns of the logits, and the gradient has no part along them. */
static void test_gauge(void **state) {
    (void)state;
    enum { ROWS = 200, N = 4, SIZE = N * N };
    float x[ROWS * SIZE], moved[ROWS * SIZE], res[ROWS * SIZE], again[ROWS * SIZE], g[ROWS * SIZE], d[ROWS * SIZE];
    float offsets[ROWS * 2 * N];
    mhc_context context = mhc_context_cpu(1);
    mhc_spec spec;
    assert_true(constrained(&spec, MHC_CONSTRAINT_BIRKHOFF, N, MHC_FINISH_NONE, 0.0f, false));
    mhc__normal_fill(1, 0, 2.0f, x, ROWS * SIZE);
    mhc__normal_fill(2, 0, 3.0f, offsets, ROWS * 2 * N);
    mhc__normal_fill(3, 0, 1.0f, g, ROWS * SIZE);
    for (int e = 0; e < ROWS * SIZE; e++) {
        const float *of = offsets + e / SIZE * 2 * N;
        moved[e] = x[e] + of[e % SIZE / N] + of[N + e % N];
    }
    OK(mhc_constraint_forward(&context, &spec, ROWS, x, res, error));
    OK(mhc_constraint_forward(&context, &spec, ROWS, moved, again, error));
    OK(mhc_constraint_backward(&context, &spec, ROWS, x, g, d, error));
    for (int e = 0; e < ROWS * SIZE; e++)
        assert_true(fabs((double)res[e] - (double)again[e]) < 5e-6);
    for (int row = 0; row < ROWS; row++)
        for (int i = 0; i < N; i++) {
            double along_row = 0.0, along_column = 0.0;
            for (int j = 0; j < N; j++) {
                along_row += (double)d[row * SIZE + i * N + j];
                along_column += (double)d[row * SIZE + j * N + i];
            }
            assert_true(fabs(along_row) < 2e-6 && fabs(along_column) < 2e-6);
        }
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median over draws of |d_sinkhorn - d_birkhoff| / |d_birkhoff|, at n = 4: logits gap on the diagonal + N(0,
 * deviation).
 */
static double difference_of_gradients(int iterations, float gap, float deviation) {
    enum { ROWS = 2000, SIZE = 16 };
    static float x[ROWS * SIZE], g[ROWS * SIZE], d[2][ROWS * SIZE];
    static double relative[ROWS];
    mhc_context context = mhc_context_cpu(2);
    mhc__normal_fill(1, 0, deviation, x, ROWS * SIZE);
    mhc__normal_fill(2, 0, 1.0f, g, ROWS * SIZE);
    for (int row = 0; row < ROWS; row++)
        for (int i = 0; i < 4; i++)
            x[row * SIZE + 5 * i] += gap;
    for (int k = 0; k < 2; k++) {
        mhc_spec spec;
        assert_true(
            constrained(&spec, k ? MHC_CONSTRAINT_BIRKHOFF : MHC_CONSTRAINT_SINKHORN, 4, MHC_FINISH_NONE, 0.0f, false));
        spec.sinkhorn.iterations = iterations;
        OK(mhc_constraint_backward(&context, &spec, ROWS, x, g, d[k], error));
    }
    for (int row = 0; row < ROWS; row++) {
        double off = 0.0, norm = 0.0;
        for (int e = row * SIZE; e < (row + 1) * SIZE; e++) {
            off += ((double)d[0][e] - (double)d[1][e]) * ((double)d[0][e] - (double)d[1][e]);
            norm += (double)d[1][e] * (double)d[1][e];
        }
        relative[row] = sqrt(off / norm);
    }
    qsort(relative, ROWS, sizeof relative[0], by_size);
    return relative[ROWS / 2];
}

/* Gradients of 20 iterations are those of the limit at mild logits, and others near the identity: medians of 5e-2,
 * 0.56, 1.4 and 1.75 at gaps 4, 6, 8 and 10 in fp64, another sample. Enough iterations close the difference. */
static void test_sinkhorn_is_not_birkhoff(void **state) {
    (void)state;
    const struct {
        int iterations;
        float gap, deviation;
        double least, most;
    } cases[] = {{20, 0.0f, 1.0f, 0.0, 1e-5}, {20, 4.0f, 1.0f, 0.03, 0.08}, {20, 6.0f, 1.0f, 0.45, 0.67},
                 {20, 8.0f, 1.0f, 1.2, 1.6},  {20, 10.0f, 1.0f, 1.5, 2.0},  {1000, 4.0f, 1.0f, 0.0, 1e-4}};
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        double found = difference_of_gradients(cases[k].iterations, cases[k].gap, cases[k].deviation);
        if (getenv("MHC_TABLE"))
            printf("%d iterations, gap %g: gradients %.3g apart\n", cases[k].iterations, (double)cases[k].gap, found);
        if (!(found >= cases[k].least && found <= cases[k].most))
            fail_msg("%d iterations, gap %g: expected gradients %g to %g apart, found %.3g", cases[k].iterations,
                     (double)cases[k].gap, cases[k].least, cases[k].most, found);
    }
}

/* 120 sites: what single matrices promise, their product keeps. */
static void test_composites(void **state) {
    (void)state;
    enum { SITES = 120, N = 4, SIZE = 16 };
    float logits[SITES * 24], res[SITES * SIZE];
    mhc_context context = mhc_context_cpu(1);
    FOR_CONSTRAINTS(kind) {
        mhc_spec spec;
        assert_true(constrained(&spec, kind, N, MHC_FINISH_NONE, 0.0f, false));
        unsigned p = properties_of(&spec);
        if (!(p & MHC_ROW_SUMS) && !(p & MHC_ISOMETRY))
            continue;
        mhc__normal_fill(7, (uint64_t)kind, 1.0f, logits, SITES * count_of(&spec));
        OK(mhc_constraint_forward(&context, &spec, SITES, logits, res, error));
        float product[SIZE] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
        for (int at = 0; at < SITES; at++) {
            float next[SIZE] = {0};
            for (int e = 0; e < SIZE; e++)
                for (int k = 0; k < N; k++)
                    next[e] += res[at * SIZE + e / N * N + k] * product[k * N + e % N];
            memcpy(product, next, sizeof next);
        }
        findings f = {0.0, 0.0, 1.0, 0.0, 0.0};
        look(&spec, p, product, &f);
        assert_true(!(p & MHC_ROW_SUMS) || f.rows < 1e-4);
        assert_true(!(p & MHC_COLUMN_SUMS) || f.columns < 1e-4);
        assert_true(!(p & MHC_ISOMETRY) || f.isometry < 1e-4);
        assert_true(!(p & MHC_NONEXPANSIVE) || f.largest < 1.0001);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_promises),
        cmocka_unit_test(test_closed_form),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_gauge),
        cmocka_unit_test(test_sinkhorn_is_not_birkhoff),
        cmocka_unit_test(test_composites),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
