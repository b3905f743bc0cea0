/* Metrics of mixing matrices and of their products, against answers that are known. */
#include "random_matrices.h"

#include "probe/cycles.h"
#include "probe/matrix.h"
#include "probe/mixing.h"
#include "probe/spectrum.h"

static double metric_of(const double *h, int n, mhc__matrix_metric metric) {
    double values[MHC__MATRIX_METRICS];
    mhc__matrix_measure(h, n, values);
    return values[metric];
}

/* ---- one matrix ---- */

static void by_hand(void **state) {
    (void)state;
    const double h[4] = {3, -1, -5, 1};
    double v[MHC__MATRIX_METRICS];
    mhc__matrix_measure(h, 2, v);
    assert_true(v[MHC__FORWARD_MAX] == 4 && v[MHC__FORWARD_MIN] == 2);
    assert_true(v[MHC__BACKWARD_MAX] == 2 && v[MHC__BACKWARD_MIN] == 0);
    assert_true(v[MHC__FORWARD_ABS_MAX] == 6 && v[MHC__FORWARD_ABS_MIN] == 4);
    assert_true(v[MHC__BACKWARD_ABS_MAX] == 8 && v[MHC__BACKWARD_ABS_MIN] == 2);
    assert_true(v[MHC__RESIDUAL_ROWS] == 5 && v[MHC__RESIDUAL_COLUMNS] == 3);
    assert_true(v[MHC__ENTRY_MIN] == -5 && v[MHC__ENTRY_MAX] == 5);
    assert_near(v[MHC__LOG_VOLUME], -log(2), 1e-15); /* det = -2 */
    assert_true(v[MHC__OFF_DIAGONAL] == -1);
    assert_near(v[MHC__DIFFERENCE_MAX], 5, 1e-14); /* (1, -1) h (1, -1)' / 2 */
    assert_true(v[MHC__DIFFERENCE_MIN] == v[MHC__DIFFERENCE_MAX]);
    double a = (36 + sqrt(36 * 36 - 16)) / 2, b = 4 / a; /* squares of the singular values: sum 36, product det^2 = 4 */
    double p = sqrt(a) / (sqrt(a) + sqrt(b)), q = 1 - p;
    assert_near(v[MHC__EFFECTIVE_RANK], exp(-p * log(p) - q * log(q)), 1e-13);
    assert_near(v[MHC__FROM_IDENTITY], sqrt(4 + 1 + 25), 1e-15);
    assert_near(v[MHC__FROM_UNIFORM], sqrt(6.25 + 2.25 + 30.25 + 0.25), 1e-14);
    assert_near(v[MHC__FROM_PERMUTATION], sqrt(4 + 1 + 25), 1e-15); /* 3 + 1 beats -1 - 5 */
    assert_true(isnan(v[MHC__ENTROPY]));
    assert_true(isnan(v[MHC__CYCLES]));
    for (int m = 0; m < MHC__MATRIX_METRICS; m++)
        assert_non_null(mhc__matrix_metric_name((mhc__matrix_metric)m));
}

/* Every permutation is isometric on differences, and at distance sqrt(2 moved) from I, sqrt(n - 1) from uniform. */
static void permutations(void **state) {
    (void)state;
    double p[MATRIX], v[MHC__MATRIX_METRICS];
    for (int n = 2; n <= MHC_MAX_STREAMS; n++) {
        permutation_matrix(n, 1, 1, p);
        mhc__matrix_measure(p, n, v);
        assert_true(v[MHC__FORWARD_MAX] == 1 && v[MHC__BACKWARD_MIN] == 1 && v[MHC__FORWARD_ABS_MIN] == 1);
        assert_true(v[MHC__RESIDUAL_ROWS] == 0 && v[MHC__RESIDUAL_COLUMNS] == 0 && v[MHC__LOG_VOLUME] == 0);
        assert_near(v[MHC__DIFFERENCE_MAX], 1, 1e-14);
        assert_near(v[MHC__DIFFERENCE_MIN], 1, 1e-13);
        assert_near(v[MHC__EFFECTIVE_RANK], n, 1e-12);
        assert_near(v[MHC__FROM_IDENTITY], sqrt(2.0 * n), 1e-13);
        assert_near(v[MHC__FROM_UNIFORM], sqrt(n - 1.0), 1e-13);
        assert_true(v[MHC__FROM_PERMUTATION] == 0 && v[MHC__ENTROPY] == 0 && v[MHC__CYCLES] == 0);
        assert_true(v[MHC__OFF_DIAGONAL] == 1);
    }
}

static void uniform(void **state) {
    (void)state;
    double j[MATRIX], v[MHC__MATRIX_METRICS];
    for (int n = 2; n <= MHC_MAX_STREAMS; n++) {
        for (int k = 0; k < n * n; k++)
            j[k] = 1.0 / n;
        mhc__matrix_measure(j, n, v);
        assert_true(v[MHC__DIFFERENCE_MAX] == 0 && v[MHC__DIFFERENCE_MIN] == 0 && v[MHC__LOG_VOLUME] == INFINITY);
        assert_near(v[MHC__EFFECTIVE_RANK], 1, 1e-12);
        assert_near(v[MHC__ENTROPY], log(n), 1e-13);
        assert_true(v[MHC__FROM_UNIFORM] == 0 && v[MHC__CYCLES] == 0);
        assert_near(v[MHC__FROM_PERMUTATION], sqrt(n - 1.0), 1e-13);
    }
}

/* Diagonal e^g, elsewhere 1, rows normalised: every difference shrinks by (e^g - 1) / (e^g + n - 1). */
static void gap_mixer(int n, double gap, double *h) {
    for (int k = 0; k < n * n; k++)
        h[k] = (k / n == k % n ? exp(gap) : 1.0) / (exp(gap) + n - 1);
}

static void uniform_gap(void **state) {
    (void)state;
    double h[MATRIX], v[MHC__MATRIX_METRICS];
    gap_mixer(4, 6, h);
    mhc__matrix_measure(h, 4, v);
    assert_near(v[MHC__DIFFERENCE_MAX], 0.990158, 1e-6);
    assert_near(v[MHC__DIFFERENCE_MIN], v[MHC__DIFFERENCE_MAX], 1e-14);
    assert_near(v[MHC__LOG_VOLUME], -3 * log(v[MHC__DIFFERENCE_MAX]), 1e-14);
    assert_near(v[MHC__OFF_DIAGONAL], 1 - 0.99262, 1e-5);
}

/* arXiv 2512.24880, figure 8, as printed: the largest, middle and smallest on differences of H1, H30, H60. */
static void figure_8(void **state) {
    (void)state;
    const double printed[3][16] = {{.67, .09, .03, .22, .26, .48, .26, .00, .03, .24, .00, .73, .03, .20, .69, .09},
                                   {.96, .01, .00, .04, .00, .97, .03, .00, .00, .00, 1.0, .00, .00, .04, .01, .95},
                                   {.92, .06, .01, .01, .05, .81, .01, .13, .00, .01, .97, .02, .03, .13, .00, .84}};
    const double largest[3] = {.715, .990, .964}, smallest[3] = {.314, .930, .691};
    for (int m = 0; m < 3; m++) {
        assert_near(metric_of(printed[m], 4, MHC__DIFFERENCE_MAX), largest[m], 6e-4);
        assert_near(metric_of(printed[m], 4, MHC__DIFFERENCE_MIN), smallest[m], 6e-4);
    }
    double composite[16] = {.24, .26, .23, .27, .23, .25, .26, .27, .21, .25, .27, .28, .21, .27, .24, .29};
    assert_near(metric_of(composite, 4, MHC__BACKWARD_MAX), 1.11, 1e-12);
    assert_near(metric_of(composite, 4, MHC__BACKWARD_MIN), 0.89, 1e-12);
}

static void bad_matrices(void **state) {
    (void)state;
    double h[9] = {1, 0, 0, 0, NAN, 0, 0, 0, 1}, v[MHC__MATRIX_METRICS];
    mhc__matrix_measure(h, 3, v);
    for (int m = 0; m < MHC__MATRIX_METRICS; m++)
        assert_true(isnan(v[m]));
    h[4] = INFINITY;
    mhc__matrix_measure(h, 3, v);
    assert_true(v[MHC__FORWARD_MAX] == INFINITY && v[MHC__ENTRY_MAX] == INFINITY);
    assert_true(v[MHC__FORWARD_MIN] == 1 && isnan(v[MHC__LOG_VOLUME]) && isnan(v[MHC__DIFFERENCE_MAX]));
    const double one[1] = {1};
    mhc__matrix_measure(one, 1, v);
    assert_true(isnan(v[MHC__DIFFERENCE_MAX]) && v[MHC__LOG_VOLUME] == 0 && v[MHC__EFFECTIVE_RANK] == 1);
}

static void coefficient_of_dobrushin(void **state) {
    (void)state;
    const double h[9] = {.5, .5, 0, .2, .3, .5, 0, 0, 1};
    assert_near(metric_of(h, 3, MHC__DOBRUSHIN), 1, 1e-15); /* rows 0 and 2 have nothing in common */
    const double g[4] = {.7, .3, .4, .6};
    assert_near(metric_of(g, 2, MHC__DOBRUSHIN), .3, 1e-15);
    double mixer[MATRIX], product[MATRIX], next[MATRIX], bound = 1;
    for (int k = 0; k < 16; k++)
        product[k] = k / 4 == k % 4;
    assert_true(metric_of(product, 4, MHC__DOBRUSHIN) == 1);
    /* Of a product at most the product of all, and a bound of what is left of differences. */
    for (int s = 0; s < 12; s++) {
        random_mixer(300 + (uint64_t)s, 4, 1, 1.0f, mixer);
        multiply(4, mixer, product, next);
        memcpy(product, next, 16 * sizeof *next);
        bound *= metric_of(mixer, 4, MHC__DOBRUSHIN);
        assert_true(metric_of(product, 4, MHC__DOBRUSHIN) <= bound * (1 + 1e-12));
        assert_true(metric_of(product, 4, MHC__DIFFERENCE_MAX) <= sqrt(4) * bound * (1 + 1e-12));
    }
    for (int k = 0; k < 16; k++)
        product[k] = 0.25;
    assert_true(metric_of(product, 4, MHC__DOBRUSHIN) == 0);
    const double one[1] = {1};
    assert_true(isnan(metric_of(one, 1, MHC__DOBRUSHIN)));
}

/* q diag(turn by angles[0], turn by angles[1], …, 1) q' */
static void turned(int n, const double *angles, double *h) {
    double q[MATRIX], t[MATRIX], block[MATRIX] = {0}, half[MATRIX];
    for (int k = 0; k + 1 < n; k += 2) {
        block[k * n + k] = block[(k + 1) * n + k + 1] = cos(angles[k / 2]);
        block[(k + 1) * n + k] = sin(angles[k / 2]);
        block[k * n + k + 1] = -sin(angles[k / 2]);
    }
    if (n % 2)
        block[n * n - 1] = 1;
    random_rotation(7, n, q);
    transpose(n, q, t);
    multiply(n, q, block, half);
    multiply(n, half, t, h);
}

static void angles_of_rotations(void **state) {
    (void)state;
    const double pi = acos(-1.0);
    const struct {
        int n;
        double angles[3], largest, smallest;
    } known[] = {{2, {0.3}, 0.3, 0.3},
                 {2, {-0.3}, 0.3, 0.3},
                 {3, {2.5}, 2.5, 2.5},
                 {4, {0.4, 1.7}, 1.7, 0.4},
                 {4, {3.1, 0.0}, 3.1, 0},
                 {4, {1e-7, 2e-7}, 2e-7, 1e-7},
                 {4, {pi, pi - 1e-7}, pi, pi - 1e-7},
                 {6, {0.1, 0.9, 2.2}, 2.2, 0.1},
                 {5, {0.5, 0.5}, 0.5, 0.5}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        double h[MATRIX];
        turned(known[i].n, known[i].angles, h);
        assert_near(metric_of(h, known[i].n, MHC__ROTATION_MAX), known[i].largest, 2e-14);
        assert_near(metric_of(h, known[i].n, MHC__ROTATION_MIN), known[i].smallest, 2e-14);
    }
    double p[MATRIX];
    permutation_matrix(4, 1, 1, p); /* a cycle of four: 1, i, -1, -i, one of each pair and both ends */
    assert_near(metric_of(p, 4, MHC__ROTATION_MAX), pi, 1e-14);
    assert_near(metric_of(p, 4, MHC__ROTATION_MIN), 0, 1e-14);
    gap_mixer(4, 6, p);
    assert_true(isnan(metric_of(p, 4, MHC__ROTATION_MAX)) && isnan(metric_of(p, 4, MHC__ROTATION_MIN)));
}

/* Cycles that Sinkhorn really needs from 20 on, counted, against the prediction. */
static int count_cycles(double *h, int n, int from, double *error) {
    for (int cycle = 0;; cycle++) {
        *error = 0;
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int i = 0; i < n; i++)
                sum += h[i * n + j];
            *error = fmax(*error, fabs(sum - 1));
        }
        if (cycle == from || (from < 0 && *error <= MHC__CYCLES_TOLERANCE))
            return cycle;
        for (int axis = 0; axis < 2; axis++) /* columns, then rows */
            for (int i = 0; i < n; i++) {
                int along = axis ? 1 : n, across = axis ? n : 1;
                double sum = 0;
                for (int j = 0; j < n; j++)
                    sum += h[i * across + j * along];
                for (int j = 0; j < n; j++)
                    h[i * across + j * along] /= sum;
            }
    }
}

/* Two streams have one difference, and one rate: the prediction is exact near the limit. With more, what is left of the
 * error need not lie in the slowest direction, and fewer may do. */
static void predicted_cycles(void **state) {
    (void)state;
    const double gaps[] = {0, 2, 4, 6};
    for (int g = 0; g < 4; g++)
        for (uint64_t number = 0; number < 40; number++) {
            int n = number % 2 ? 2 : 4;
            double h[16], error;
            random_matrix(3000 + number, n, 1.0f, h);
            for (int k = 0; k < n * n; k++)
                h[k] = exp(h[k] + (k / n == k % n ? gaps[g] : 0));
            count_cycles(h, n, 20, &error);
            double predicted = metric_of(h, n, MHC__CYCLES);
            int needed = count_cycles(h, n, -1, &error);
            assert_true(predicted >= 0.97 * needed - 2);
            assert_true(predicted <= needed * (n == 2 ? 1.08 : 1.6) + 2);
        }
}

/* ---- products ---- */

static void logs_of_power(const double *h, int n, int times, double *logs) {
    mhc__spectrum spectrum;
    mhc__spectrum_start(&spectrum, n);
    for (int i = 0; i < times; i++)
        mhc__spectrum_push(&spectrum, h);
    mhc__spectrum_logs(&spectrum, logs);
}

static void isometries_stay(void **state) {
    (void)state;
    for (int n = 2; n <= 32; n = n < 8 ? n + 1 : n * 2) {
        mhc__spectrum rotations, shuffles;
        double q[MATRIX], d[MATRIX], logs[MHC_MAX_STREAMS];
        mhc__spectrum_start(&rotations, n);
        mhc__spectrum_start(&shuffles, n - 1);
        for (uint64_t i = 0; i < 500; i++) {
            random_rotation(i, n, q);
            mhc__spectrum_push(&rotations, q);
            permutation_matrix(n, 1, (int)(i % (uint64_t)n), q);
            mhc__difference_block(q, n, d);
            mhc__spectrum_push(&shuffles, d);
        }
        mhc__spectrum_logs(&rotations, logs);
        assert_near(logs[0], 0, 1e-11);
        assert_near(logs[n - 1], 0, 1e-11);
        mhc__spectrum_logs(&shuffles, logs);
        assert_near(logs[0], 0, 1e-11);
        assert_near(logs[n - 2], 0, 1e-11);
    }
}

/* exp(-3454) and exp(-346): a plain product has underflowed long before. In any order on the diagonal, and as
 * triangles, whose invariant directions don't sort themselves. */
static void no_underflow(void **state) {
    (void)state;
    const double values[3] = {0.5, 1e-3, 0.9};
    double diagonal[9] = {0}, q[9], t[9], turned[9], logs[3];
    for (int k = 0; k < 3; k++)
        diagonal[k * 4] = values[k];
    logs_of_power(diagonal, 3, 500, logs);
    assert_near(logs[0], 500 * log(0.9), 1e-9);
    assert_near(logs[1], 500 * log(0.5), 1e-9);
    assert_near(logs[2], 500 * log(1e-3), 1e-9);
    random_rotation(7, 3, q);
    transpose(3, q, t);
    multiply(3, q, diagonal, turned);
    multiply(3, turned, t, diagonal);
    logs_of_power(diagonal, 3, 500, logs);
    assert_near(logs[0], 500 * log(0.9), 1e-8);
    assert_near(logs[1], 500 * log(0.5), 1e-8);
    assert_near(logs[2], 500 * log(1e-3), 1e-8);
    const double upper[4] = {0.1, 0.1, 0, 0.9}, lower[4] = {0.1, 0, 0.1, 0.9};
    logs_of_power(upper, 2, 500, logs);
    /* rows (0.1^500, s), (0, 0.9^500) with s = 0.1 (0.9^500 - 0.1^500) / 0.8 */
    double largest = 500 * log(0.9) + 0.5 * log(1 + 1.0 / 64);
    assert_near(logs[0], largest, 1e-10);
    assert_near(logs[0] + logs[1], 500 * log(0.09), 1e-9);
    logs_of_power(lower, 2, 500, logs);
    assert_near(logs[0], largest, 1e-10);
    assert_near(logs[0] + logs[1], 500 * log(0.09), 1e-9);
}

static void singular_products(void **state) {
    (void)state;
    const double zero[9] = {0};
    double logs[3], h[9] = {0.9, 0, 0, 0, 0.5, 0, 0, 0, 0};
    logs_of_power(zero, 3, 2, logs);
    assert_true(logs[0] == -INFINITY && logs[2] == -INFINITY);
    logs_of_power(h, 3, 500, logs);
    assert_near(logs[0], 500 * log(0.9), 1e-9);
    assert_near(logs[1], 500 * log(0.5), 1e-9);
    assert_true(logs[2] == -INFINITY);
    h[0] = NAN;
    logs_of_power(h, 3, 2, logs);
    assert_true(isnan(logs[0]) && isnan(logs[1]) && isnan(logs[2]));
}

/* The largest singular value of a product of m x m matrices in long double, as a logarithm: powers of P'P on a vector
 * that is scaled at each step. */
static double largest_by_powers(int m, int count, const double *factors) {
    long double x[MHC_MAX_STREAMS], y[MHC_MAX_STREAMS], log_length = 0, before = 1;
    for (int i = 0; i < m; i++)
        x[i] = 1.0L / (i + 1);
    for (int turn = 0; turn < 5000 && (turn < 9 || fabsl(log_length - before) > 1e-15L); turn++) {
        before = log_length;
        log_length = 0;
        for (int f = 0; f < 2 * count; f++) {
            const double *a = factors + (f < count ? f : 2 * count - 1 - f) * m * m;
            long double squares = 0;
            for (int i = 0; i < m; i++) {
                y[i] = 0;
                for (int j = 0; j < m; j++)
                    y[i] += (long double)(f < count ? a[i * m + j] : a[j * m + i]) * x[j];
                squares += y[i] * y[i];
            }
            long double length = sqrtl(squares);
            for (int i = 0; i < m; i++)
                x[i] = y[i] / length;
            log_length += logl(length);
        }
    }
    return (double)(log_length / 2);
}

/* The minors of order 2 of a 3 x 3 matrix: the largest singular value of their product is the product of the two
 * largest of the matrices' product. */
static void minors(const double *a, double *c) {
    static const int pairs[3][2] = {{0, 1}, {0, 2}, {1, 2}};
    for (int r = 0; r < 3; r++)
        for (int s = 0; s < 3; s++) {
            const int *i = pairs[r], *j = pairs[s];
            c[r * 3 + s] = a[i[0] * 3 + j[0]] * a[i[1] * 3 + j[1]] - a[i[0] * 3 + j[1]] * a[i[1] * 3 + j[0]];
        }
}

/* 500 random mixers of 4 streams: two of three values by powers in long double, the third by determinants. */
static void check_long_product(double gap, float deviation) {
    enum { SITES = 500 };
    static double blocks[SITES * 9], of_minors[SITES * 9];
    double h[16], logs[3], volume = 0, v[MHC__MATRIX_METRICS];
    mhc__spectrum spectrum;
    mhc__spectrum_start(&spectrum, 3);
    for (int s = 0; s < SITES; s++) {
        random_mixer(5000 + (uint64_t)s, 4, gap, deviation, h);
        mhc__difference_block(h, 4, blocks + s * 9);
        minors(blocks + s * 9, of_minors + s * 9);
        mhc__spectrum_push(&spectrum, blocks + s * 9);
        mhc__matrix_measure(h, 4, v);
        volume += v[MHC__LOG_VOLUME];
    }
    mhc__spectrum_logs(&spectrum, logs);
    double first = largest_by_powers(3, SITES, blocks), two = largest_by_powers(3, SITES, of_minors);
    assert_near(logs[0], first, 1e-9 * (1 + fabs(first)));
    assert_near(logs[0] + logs[1], two, 1e-9 * (1 + fabs(two)));
    assert_near(logs[0] + logs[1] + logs[2], -volume, 1e-9 * (1 + volume));
}

static void five_hundred_mixers(void **state) {
    (void)state;
    check_long_product(0, 1.0f); /* falls to exp(-1000) */
    check_long_product(6, 1.0f);
    check_long_product(8, 0.5f);
}

/* Eight streams and a signed matrix: what adds up and the largest. */
static void larger_products(void **state) {
    (void)state;
    enum { SITES = 300, N = 8 };
    static double factors[SITES * N * N];
    double logs[N], volume = 0, sum = 0, v[MHC__MATRIX_METRICS];
    mhc__spectrum spectrum;
    mhc__spectrum_start(&spectrum, N);
    for (int s = 0; s < SITES; s++) {
        double *h = factors + s * N * N;
        random_matrix(7000 + (uint64_t)s, N, 0.3f, h);
        for (int k = 0; k < N; k++)
            h[k * N + k] += 1;
        mhc__spectrum_push(&spectrum, h);
        mhc__matrix_measure(h, N, v);
        volume += v[MHC__LOG_VOLUME];
    }
    mhc__spectrum_logs(&spectrum, logs);
    for (int k = 0; k < N; k++)
        sum += logs[k];
    assert_near(sum, -volume, 1e-9 * fabs(volume));
    double first = largest_by_powers(N, SITES, factors);
    assert_near(logs[0], first, 1e-9 * fabs(first));
}

/* ---- all sites of a pass ---- */

enum { SITES = 500, ROWS = 5, N = 4, WIDTH = N * (N + 2) };

/* rows of coefficients for each site, from matrices in double. */
typedef struct pass {
    float values[SITES][ROWS * WIDTH];
    const float *at[SITES];
} pass;

static void set(pass *p, int site, int64_t row, const double *h) {
    p->at[site] = p->values[site];
    for (int k = 0; k < N * N; k++)
        p->values[site][row * WIDTH + 2 * N + k] = (float)h[k];
}

static mhc__mixing measured(const pass *p, int64_t rows, int threads, int64_t tokens, bool prefixes) {
    mhc__mixing_source source = {SITES, N, rows, p->at};
    mhc__mixing_options options = {threads, tokens, prefixes};
    mhc__mixing mixing;
    assert_int_equal(mhc__mixing_measure(&source, &options, &mixing, NULL), MHC_OK);
    return mixing;
}

static void known_products(void **state) {
    (void)state;
    static pass p;
    double h[16];
    gap_mixer(4, 6, h);
    for (int s = 0; s < SITES; s++)
        set(&p, s, 0, h);
    mhc__mixing mixing = measured(&p, 1, 2, 0, true);
    double shrink = log(0.9901577);
    assert_true(mixing.on_differences && mixing.directions == 3 && mixing.products == SITES && mixing.tokens == 1);
    for (int s = 0; s < SITES; s += 100)
        for (int k = 0; k < 3; k++)
            assert_near(mixing.spectrum[s * 3 + k].mean, (s + 1) * shrink, 1e-3 + s * 1e-6);
    assert_near(mhc__mixing_whole(&mixing, MHC__LOG_VOLUME)->mean, -1500 * shrink, 1e-2);
    assert_near(mhc__mixing_whole(&mixing, MHC__DIFFERENCE_MAX)->mean, exp(500 * shrink), 1e-4);
    assert_near(mhc__mixing_whole(&mixing, MHC__FORWARD_MAX)->mean, 1, 1e-4);
    assert_near(mhc__mixing_site(&mixing, 77, MHC__OFF_DIAGONAL)->mean, 0.00738, 1e-5);
    mhc__mixing_free(&mixing);
}

/* Two orders of averaging: tokens take I and a swap of two streams by turns. Each has gains of 1 and so has the mean; a
 * signed pair shows the difference. */
static void orders_of_averaging(void **state) {
    (void)state;
    static pass p;
    const double a[16] = {2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    const double b[16] = {-2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    const double identity[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    for (int s = 0; s < SITES; s++)
        for (int t = 0; t < 2; t++)
            set(&p, s, t, s == 3 ? (t ? a : b) : identity);
    mhc__mixing mixing = measured(&p, 2, 1, 0, false);
    assert_true(!mixing.on_differences && mixing.directions == 4 && mixing.products == 1);
    assert_true(mhc__mixing_site(&mixing, 3, MHC__FORWARD_MAX)->mean == 2);
    assert_true(mhc__mixing_whole(&mixing, MHC__BACKWARD_MAX)->mean == 2);
    assert_true(mixing.site_of_mean[3 * MHC__MATRIX_GAINS + MHC__FORWARD_MAX] == 1);
    assert_true(mixing.site_of_mean[3 * MHC__MATRIX_GAINS + MHC__FORWARD_MIN] == 0);
    assert_true(mixing.product_of_mean[MHC__BACKWARD_MAX] == 1 && mixing.product_of_mean[MHC__BACKWARD_MIN] == 0);
    assert_near(mixing.spectrum[0].mean, log(2), 1e-12);
    assert_near(mixing.spectrum[3].mean, 0, 1e-12);
    mhc__mixing_free(&mixing);
}

/* Each token by itself gives what all together give, with any number of threads; the last product is the whole. */
static void tokens_and_threads(void **state) {
    (void)state;
    static pass p, alone;
    double h[16], mean = 0;
    for (int s = 0; s < SITES; s++)
        for (int t = 0; t < ROWS; t++) {
            random_mixer((uint64_t)(s * ROWS + t), 4, 3, 1.0f, h);
            set(&p, s, t, h);
        }
    mhc__mixing all = measured(&p, ROWS, 1, 0, false), threads = measured(&p, ROWS, 3, 0, true);
    const mhc__statistics *whole = mhc__mixing_whole(&all, MHC__LOG_VOLUME);
    for (int m = 0; m < MHC__MATRIX_METRICS; m++) {
        const mhc__statistics *one = mhc__mixing_whole(&all, (mhc__matrix_metric)m);
        const mhc__statistics *other = mhc__mixing_whole(&threads, (mhc__matrix_metric)m);
        if (m == MHC__ROTATION_MAX || m == MHC__ROTATION_MIN) { /* of what turns nothing */
            assert_true(isnan(one->mean) && isnan(other->mean) && isnan(other->median));
            continue;
        }
        assert_true(one->mean == other->mean && one->low == other->low && one->high == other->high);
        assert_true(isnan(one->median) && other->median >= other->p5 && other->median <= other->p95);
    }
    for (int k = 0; k < 3; k++)
        assert_true(all.spectrum[k].mean == threads.spectrum[(SITES - 1) * 3 + k].mean);
    assert_true(all.survival[0].mean == threads.survival[SITES - 1].mean);
    assert_true(all.survival[0].mean < all.spectrum[0].mean && all.survival[0].mean > all.spectrum[2].mean);
    for (int t = 0; t < ROWS; t++) {
        for (int s = 0; s < SITES; s++) {
            memcpy(alone.values[s], p.values[s] + t * WIDTH, WIDTH * sizeof(float));
            alone.at[s] = alone.values[s];
        }
        mhc__mixing one = measured(&alone, 1, 1, 0, false);
        double volume = mhc__mixing_whole(&one, MHC__LOG_VOLUME)->mean, squares = 0;
        for (int k = 0; k < 3; k++)
            squares += exp(2 * one.spectrum[k].mean) / 3;
        assert_near(one.survival[0].mean, 0.5 * log(squares), 1e-12);
        assert_true(volume >= whole->low && volume <= whole->high);
        mean += volume / ROWS;
        mhc__mixing_free(&one);
    }
    assert_near(whole->mean, mean, 1e-9 * mean);
    mhc__mixing_free(&all);
    mhc__mixing_free(&threads);
}

/* Sites that all shrink differences by the same factor: half is left after ln 2 / -ln(factor) of them. */
static void half_lives(void **state) {
    (void)state;
    static pass p;
    double h[16], factor = 0.9;
    for (int k = 0; k < 16; k++)
        h[k] = 0.25 * (1 - factor) + (k / 4 == k % 4 ? factor : 0);
    for (int s = 0; s < SITES; s++)
        for (int t = 0; t < ROWS; t++)
            set(&p, s, t, h);
    mhc__mixing m = measured(&p, ROWS, 2, 0, true), light = measured(&p, ROWS, 1, 0, false);
    assert_near(mhc__mixing_half_life(&m), log(2) / -log(factor), 1e-5);
    assert_near(mhc__mixing_half_life(&light), log(2) / -log(factor), 1e-5);
    assert_null(light.half_life);
    for (int s = 0; s < SITES; s++)
        assert_true(m.half_life[s].mean == (SITES - s >= 7 ? 7 : INFINITY)); /* 0.9^6 = .53, 0.9^7 = .48 */
    mhc__mixing_free(&m);
    mhc__mixing_free(&light);
    for (int k = 0; k < 16; k++)
        h[k] = k / 4 == (k + 1) % 4;
    for (int s = 0; s < SITES; s++)
        for (int t = 0; t < ROWS; t++)
            set(&p, s, t, h);
    m = measured(&p, ROWS, 1, 0, true);
    assert_true(mhc__mixing_half_life(&m) == INFINITY && m.half_life[0].low == INFINITY);
    mhc__mixing_free(&m);
}

static void bad_sources(void **state) {
    (void)state;
    static pass p;
    const double identity[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
    for (int s = 0; s < SITES; s++)
        set(&p, s, 0, identity);
    p.values[250][2 * N + 1] = NAN;
    mhc__mixing mixing = measured(&p, 1, 2, 0, true);
    assert_true(isnan(mhc__mixing_whole(&mixing, MHC__FORWARD_MAX)->mean) &&
                isnan(mixing.spectrum[SITES * 4 - 1].mean));
    assert_true(mhc__mixing_site(&mixing, 249, MHC__FORWARD_MAX)->mean == 1);
    assert_true(mixing.of_product[249 * MHC__MATRIX_METRICS + MHC__LOG_VOLUME].mean == 0);
    mhc__mixing_free(&mixing);
    mhc__mixing_source none = {0, N, 1, p.at}, wide = {1, 33, 1, p.at};
    mhc__mixing_options options = {0};
    assert_int_equal(mhc__mixing_measure(&none, &options, &mixing, NULL), MHC_INVALID_ARGUMENT);
    assert_int_equal(mhc__mixing_measure(&wide, &options, &mixing, NULL), MHC_INVALID_ARGUMENT);
}

/* ---- what tokens come to ---- */

static void statistics(void **state) {
    (void)state;
    double values[21], one[1] = {5}, ends[2] = {INFINITY, 1};
    for (int i = 0; i < 21; i++)
        values[i] = (i * 8) % 21; /* 0..20 in another order */
    mhc__statistics s = mhc__statistics_of(values, 21, true);
    assert_near(s.mean, 10, 1e-14);
    assert_true(s.low == 0 && s.high == 20 && s.median == 10);
    assert_near(s.p5, 1, 1e-14);
    assert_near(s.p95, 19, 1e-14);
    s = mhc__statistics_of(one, 1, true);
    assert_true(s.mean == 5 && s.p5 == 5 && s.median == 5 && s.high == 5);
    s = mhc__statistics_of(ends, 2, true);
    assert_true(s.low == 1 && s.high == INFINITY && s.mean == INFINITY);
    values[7] = NAN;
    s = mhc__statistics_of(values, 21, true);
    assert_true(isnan(s.mean) && isnan(s.low) && isnan(s.median));
}

/* Distinct, in order, one in each stretch, and no place of a row of 128 tokens over and over. */
static void sample(void **state) {
    (void)state;
    const int64_t sizes[][2] = {{4096, 64}, {4096, 4095}, {5, 5}, {5, 9}, {7, 5}, {1, 1}, {1000000007, 256}};
    for (int s = 0; s < 7; s++) {
        int64_t tokens = sizes[s][0], count = sizes[s][1] < tokens ? sizes[s][1] : tokens, before = -1;
        for (int64_t k = 0; k < count; k++) {
            int64_t at = mhc__sample(tokens, sizes[s][1], k);
            assert_true(at > before && at < tokens);
            before = at;
        }
    }
    bool met[128] = {false};
    int places = 0;
    for (int64_t k = 0; k < 64; k++) {
        int64_t place = mhc__sample(4096, 64, k) % 128;
        places += !met[place];
        met[place] = true;
    }
    assert_true(places > 40);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test(permutations),
        cmocka_unit_test(uniform),
        cmocka_unit_test(uniform_gap),
        cmocka_unit_test(figure_8),
        cmocka_unit_test(bad_matrices),
        cmocka_unit_test(coefficient_of_dobrushin),
        cmocka_unit_test(angles_of_rotations),
        cmocka_unit_test(half_lives),
        cmocka_unit_test(predicted_cycles),
        cmocka_unit_test(isometries_stay),
        cmocka_unit_test(no_underflow),
        cmocka_unit_test(singular_products),
        cmocka_unit_test(five_hundred_mixers),
        cmocka_unit_test(larger_products),
        cmocka_unit_test(known_products),
        cmocka_unit_test(orders_of_averaging),
        cmocka_unit_test(tokens_and_threads),
        cmocka_unit_test(bad_sources),
        cmocka_unit_test(statistics),
        cmocka_unit_test(sample),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
