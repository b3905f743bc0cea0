/* Singular values, QR, determinant, assignment: against matrices built from known answers, and brute force. */
#include "random_matrices.h"

#include "probe/assignment.h"
#include "probe/lu.h"
#include "probe/qr.h"
#include "probe/svd.h"

static const int SIZES[] = {1, 2, 3, 4, 5, 7, 8, 16, 31, 32};
enum { SIZE_COUNT = sizeof SIZES / sizeof SIZES[0] };

/* a = q diag(values) p' */
static void with_values(uint64_t number, int m, const double *values, double *a) {
    double q[MATRIX], p[MATRIX], t[MATRIX];
    random_rotation(number, m, q);
    random_rotation(number + 1, m, p);
    for (int k = 0; k < m * m; k++)
        q[k] *= values[k % m];
    transpose(m, p, t);
    multiply(m, q, t, a);
}

static void singular_values(void **state) {
    (void)state;
    for (int s = 0; s < SIZE_COUNT; s++) {
        int m = SIZES[s];
        double known[MHC_MAX_STREAMS], a[MATRIX], found[MHC_MAX_STREAMS];
        for (int k = 0; k < m; k++)
            known[k] = pow(0.5, k / 2); /* pairs of equal ones */
        with_values(100 + (uint64_t)s * 10, m, known, a);
        mhc__singular_values(m, a, found);
        for (int k = 0; k < m; k++)
            assert_near(found[k], known[k], 4e-15 * m);
    }
}

static void singular_values_by_hand(void **state) {
    (void)state;
    double found[4];
    const double shear[4] = {1, 1, 0, 1}, golden = (1 + sqrt(5.0)) / 2;
    mhc__singular_values(2, shear, found);
    assert_near(found[0], golden, 1e-15);
    assert_near(found[1], 1 / golden, 1e-15);
    const double ones[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    mhc__singular_values(3, ones, found);
    assert_near(found[0], 3, 1e-15);
    assert_true(found[1] == 0 && found[2] == 0);
    const double zero[4] = {0};
    mhc__singular_values(2, zero, found);
    assert_true(found[0] == 0 && found[1] == 0);
    const double wide[4] = {1e200, 0, 0, 1e-200};
    mhc__singular_values(2, wide, found);
    assert_near(found[0], 1e200, 1e187); /* exp(log(x)) loses log(x) units of the last place */
    assert_near(found[1], 1e-200, 1e-213);
}

/* Columns of lengths exp(0), exp(-500), exp(-1000): no double holds the matrix. Its singular values are those of a
 * triangular matrix to first order: lengths of what Gram and Schmidt leave. */
static void singular_values_of_a_graded_matrix(void **state) {
    (void)state;
    double vectors[9] = {0.6, 0.8, 0, 0.8, 0.6, 0, 0, 0.6, 0.8}, scale[3] = {-1000, 0, -500}, logs[3];
    mhc__graded_log_values(3, vectors, scale, logs);
    /* falling: b = (.8 .6 0), then c = (0 .6 .8) less its part along b, then what is left of a: the determinant. */
    double along = 0.36, of_c = sqrt(1 - along * along);
    double volume = fabs(0.6 * (0.6 * 0.8 - 0) - 0.8 * (0.8 * 0.8 - 0)); /* |det| of the three vectors */
    assert_near(logs[0], 0, 1e-15);
    assert_near(logs[1], -500 + log(of_c), 1e-12);
    assert_near(logs[2], -1000 + log(volume / of_c), 1e-12);
}

static void bad_input_of_singular_values(void **state) {
    (void)state;
    const double bad[2] = {NAN, INFINITY};
    for (int b = 0; b < 2; b++) {
        double a[9] = {1, 2, 3, 4, bad[b], 6, 7, 8, 9}, found[3] = {0};
        mhc__singular_values(3, a, found);
        assert_true(isnan(found[0]) && isnan(found[1]) && isnan(found[2]));
        assert_true(isnan(mhc__log_determinant(3, a)));
    }
}

static void check_qr(int m, const double *a) {
    double r[MATRIX], q[MATRIX], t[MATRIX], product[MATRIX], most = 0;
    memcpy(r, a, sizeof r);
    mhc__qr(m, r, q);
    transpose(m, q, t);
    multiply(m, t, q, product);
    for (int k = 0; k < m * m; k++) {
        assert_near(product[k], k / m == k % m, 1e-14 * m);
        if (k / m > k % m)
            assert_true(r[k] == 0);
        most = fmax(most, fabs(a[k]));
    }
    multiply(m, q, r, product);
    for (int k = 0; k < m * m; k++)
        assert_near(product[k], a[k], 1e-14 * m * most);
}

static void qr(void **state) {
    (void)state;
    double a[MATRIX];
    for (int s = 0; s < SIZE_COUNT; s++) {
        int m = SIZES[s];
        random_matrix(300 + (uint64_t)s, m, 3.0f, a);
        check_qr(m, a);
        for (int k = 0; k < m * m; k++)
            a[k] = 1; /* rank 1 */
        check_qr(m, a);
        permutation_matrix(m, 1, 1, a);
        check_qr(m, a);
        memset(a, 0, sizeof a);
        check_qr(m, a);
        a[m * m - 1] = 1e-300; /* squares underflow */
        a[m == 1 ? 0 : m - 2] = -1e150;
        check_qr(m, a);
    }
}

static void log_determinant(void **state) {
    (void)state;
    double known[MHC_MAX_STREAMS], a[MATRIX];
    for (int s = 0; s < SIZE_COUNT; s++) {
        int m = SIZES[s];
        double sum = 0;
        for (int k = 0; k < m; k++) {
            known[k] = pow(10, -k); /* down to 1e-31 */
            sum += k < 6 ? log(known[k]) : 0;
            if (k >= 6)
                known[k] = 1;
        }
        with_values(500 + (uint64_t)s * 10, m, known, a);
        assert_near(mhc__log_determinant(m, a), sum, 1e-9);
        permutation_matrix(m, 1, m / 2, a);
        assert_true(mhc__log_determinant(m, a) == 0);
        for (int k = 0; k < m * m; k++)
            a[k] = 1.0 / m;
        if (m > 1)
            assert_true(mhc__log_determinant(m, a) == -INFINITY);
    }
    const double by_hand[9] = {0, 2, 0, 3, 1, 1, 1, 0, -2}; /* det = -2 (3 (-2) - 1) = 14 */
    assert_near(mhc__log_determinant(3, by_hand), log(14), 1e-15);
}

static void equations(void **state) {
    (void)state;
    double a[MATRIX], used[MATRIX], x[MHC_MAX_STREAMS], found[MHC_MAX_STREAMS];
    for (int s = 0; s < SIZE_COUNT; s++) {
        int m = SIZES[s];
        random_matrix(700 + (uint64_t)s, m, 1.0f, a);
        a[0] = 0; /* a pivot that needs an exchange, and for m = 1 one that has none */
        for (int i = 0; i < m; i++)
            x[i] = i - 3;
        for (int i = 0; i < m; i++) {
            found[i] = 0;
            for (int j = 0; j < m; j++)
                found[i] += a[i * m + j] * x[j];
        }
        memcpy(used, a, sizeof used);
        assert_true(mhc__solve(m, used, found) == (m > 1));
        for (int i = 0; i < m && m > 1; i++)
            assert_near(found[i], x[i], 1e-9);
    }
    double bad[4] = {1, 2, NAN, 4}, right[2] = {1, 1};
    assert_false(mhc__solve(2, bad, right));
}

/* The largest sum over all permutations, by trying them. */
static double brute_force(int m, const double *a, int row, unsigned used) {
    if (row == m)
        return 0;
    double best = -INFINITY;
    for (int j = 0; j < m; j++)
        if (!(used >> j & 1))
            best = fmax(best, a[row * m + j] + brute_force(m, a, row + 1, used | 1u << j));
    return best;
}

static double sum_of(int m, const double *a, const int *column_of) {
    unsigned used = 0;
    double sum = 0;
    for (int i = 0; i < m; i++) {
        assert_true(column_of[i] >= 0 && column_of[i] < m);
        used |= 1u << column_of[i];
        sum += a[i * m + column_of[i]];
    }
    assert_true(used == (m == 32 ? ~0u : (1u << m) - 1));
    return sum;
}

static void assignment_against_brute_force(void **state) {
    (void)state;
    double a[MATRIX];
    int column_of[MHC_MAX_STREAMS];
    for (int m = 1; m <= 7; m++)
        for (uint64_t number = 0; number < 60; number++) {
            random_matrix(1000 + number, m, 2.0f, a);
            if (number % 3 == 0) /* ties */
                for (int k = 0; k < m * m; k++)
                    a[k] = round(a[k]);
            mhc__assign(m, a, column_of);
            assert_near(sum_of(m, a, column_of), brute_force(m, a, 0, 0), 1e-12);
        }
}

/* A permutation hidden under smaller entries, for sizes that can't be tried out; and bad input. */
static void assignment_of_a_hidden_permutation(void **state) {
    (void)state;
    double a[MATRIX], p[MATRIX];
    int column_of[MHC_MAX_STREAMS];
    const int sizes[] = {8, 16, 31, 32};
    for (int s = 0; s < 4; s++) {
        int m = sizes[s];
        permutation_matrix(m, 3, 5, p);
        random_matrix(2000 + (uint64_t)s, m, 0.05f, a);
        for (int k = 0; k < m * m; k++)
            a[k] += p[k];
        mhc__assign(m, a, column_of);
        for (int i = 0; i < m; i++)
            assert_int_equal(column_of[i], (3 * i + 5) % m);
        a[m + 1] = NAN;
        mhc__assign(m, a, column_of);
        for (int i = 0; i < m; i++)
            assert_int_equal(column_of[i], i);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(singular_values),
        cmocka_unit_test(singular_values_by_hand),
        cmocka_unit_test(singular_values_of_a_graded_matrix),
        cmocka_unit_test(bad_input_of_singular_values),
        cmocka_unit_test(qr),
        cmocka_unit_test(log_determinant),
        cmocka_unit_test(equations),
        cmocka_unit_test(assignment_against_brute_force),
        cmocka_unit_test(assignment_of_a_hidden_permutation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
