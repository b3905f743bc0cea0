/* Centred kernel alignment against its definition by covariances, and what it must not see. */
#include "model/support.h"

#include "probe/similarity.h"
#include "random_matrices.h"

enum { T = 9, C = 5 };

static void random_rows(uint64_t number, double *x) {
    float entries[T * C];
    mhc__normal_fill(23, number, 1.0f, entries, T * C);
    for (int k = 0; k < T * C; k++)
        x[k] = (double)entries[k] + 3;
}

/* ||X'Y||_F^2 of centred columns. */
static double covariance(int64_t tokens, int64_t channels, const double *x, const double *y) {
    double sum = 0;
    for (int64_t a = 0; a < channels; a++)
        for (int64_t b = 0; b < channels; b++) {
            double mx = 0, my = 0, dot = 0;
            for (int64_t t = 0; t < tokens; t++) {
                mx += x[t * channels + a] / (double)tokens;
                my += y[t * channels + b] / (double)tokens;
            }
            for (int64_t t = 0; t < tokens; t++)
                dot += (x[t * channels + a] - mx) * (y[t * channels + b] - my);
            sum += dot * dot;
        }
    return sum;
}

static double defined(int64_t tokens, int64_t channels, const double *x, const double *y) {
    return covariance(tokens, channels, x, y) /
           sqrt(covariance(tokens, channels, x, x) * covariance(tokens, channels, y, y));
}

static double aligned(const double *x, const double *y) {
    double copies[2][T * C], grams[2][T * T];
    memcpy(copies[0], x, sizeof copies[0]);
    memcpy(copies[1], y, sizeof copies[1]);
    mhc__centred_gram(2, T, C, copies[0], grams[0]);
    mhc__centred_gram(1, T, C, copies[1], grams[1]);
    return mhc__alignment(T, grams[0], grams[1]);
}

static void by_definition(void **state) {
    (void)state;
    double x[T * C], y[T * C], q[MATRIX];
    random_rows(0, x);
    random_rows(1, y);
    assert_near(aligned(x, y), defined(T, C, x, y), 1e-14);
    assert_true(aligned(x, y) > 0 && aligned(x, y) < 0.9);
    assert_near(aligned(x, x), 1, 1e-14);
    random_rotation(3, C, q); /* turned, scaled and shifted: the same */
    for (int t = 0; t < T; t++)
        for (int c = 0; c < C; c++) {
            y[t * C + c] = 7.0 + c;
            for (int k = 0; k < C; k++)
                y[t * C + c] += 2.5 * x[t * C + k] * q[k * C + c];
        }
    assert_near(aligned(x, y), 1, 1e-13);
    for (int k = 0; k < T * C; k++)
        y[k] = 4; /* the same for all tokens: nothing to compare */
    assert_true(isnan(aligned(x, y)));
}

static int32_t tokens[BATCH * (SEQUENCE + 1)];

static void of_a_model(void **state) {
    (void)state;
    const int n = 3, channels = 12, rows = BATCH * SEQUENCE;
    for (int recompute = 0; recompute < 2; recompute++) {
        mhc__model_config config = small("paper");
        fill_tokens(tokens, BATCH * (SEQUENCE + 1));
        mhc__model *model = make(&config, 1);
        shake(model);
        mhc__pass pass = training(tokens);
        pass.recompute = recompute ? MHC__RECOMPUTE_BEST : 0;
        gradients_of(model, &pass, 2);
        mhc__mixing_options options = {2, 0, true};
        mhc__similarity similarity;
        assert_int_equal(mhc__similarity_measure(model, &options, &similarity, NULL), MHC_OK);
        assert_int_equal(similarity.points, 5);
        assert_int_equal(similarity.tokens, rows);
        double streams[3][12 * 12], mean[2][12 * 12];
        for (int point = 0; point < 5; point++) {
            const float *x = mhc__model_streams(model, point).data;
            double sum = 0;
            memset(mean[point % 2], 0, sizeof mean[0]);
            for (int i = 0; i < n; i++)
                for (int t = 0; t < rows; t++)
                    for (int c = 0; c < channels; c++) {
                        streams[i][t * channels + c] = (double)x[(t * n + i) * channels + c];
                        mean[point % 2][t * channels + c] += (double)x[(t * n + i) * channels + c] / n;
                    }
            for (int i = 0; i < n; i++)
                for (int j = 0; j < i; j++)
                    sum += defined(rows, channels, streams[i], streams[j]) / 3;
            assert_near(similarity.of_streams[point], sum, 1e-9);
            if (point)
                assert_near(similarity.from_before[point], defined(rows, channels, mean[0], mean[1]), 1e-9);
            else
                assert_true(isnan(similarity.from_before[0]) && fabs(sum - 1) < 1e-12); /* copies */
        }
        assert_true(similarity.of_streams[4] < 0.999 && similarity.from_before[3] < 0.999999);
        mhc__similarity_free(&similarity);
        mhc__model_destroy(model);
    }
    mhc__model_config config = small("residual");
    mhc__model *model = make(&config, 1);
    mhc__mixing_options options = {1, 4, true};
    mhc__similarity similarity;
    assert_int_equal(mhc__similarity_measure(model, &options, &similarity, NULL), MHC_INVALID_ARGUMENT);
    mhc__pass pass = training(tokens);
    gradients_of(model, &pass, 2);
    assert_int_equal(mhc__similarity_measure(model, &options, &similarity, NULL), MHC_OK);
    assert_true(similarity.tokens == 4 && isnan(similarity.of_streams[2]) && similarity.from_before[2] > 0);
    mhc__similarity_free(&similarity);
    mhc__model_destroy(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_definition), cmocka_unit_test(of_a_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
