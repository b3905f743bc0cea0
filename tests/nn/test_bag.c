#include "check.h"

#include "nn/cross_entropy.h"
#include "nn/embedding_bag.h"
#include "nn/relu.h"

static void relu(void **state) {
    (void)state;
    float x[5] = {-1, 0, 2, NAN, -INFINITY}, y[5], dx[5], dy[5] = {1, 2, 3, 4, 5};
    mhc__relu_forward(2, 5, x, y);
    assert_true(y[0] == 0 && y[1] == 0 && y[2] == 2 && isnan(y[3]) && y[4] == 0);
    mhc__relu_backward(2, 5, y, dy, dx);
    assert_true(dx[0] == 0 && dx[1] == 0 && dx[2] == 3 && dx[3] == 0 && dx[4] == 0);
    mhc__relu_forward(2, 0, NULL, NULL);
}

/* Ids that come again, and widths beside the pieces of backward. */
static void embedding_bag(void **state) {
    (void)state;
    enum { ROWS = 5, S = 7, V = 6 };
    const int64_t widths[] = {1, 31, 32, 70};
    int32_t ids[ROWS * S];
    for (int i = 0; i < ROWS * S; i++)
        ids[i] = i * i % 11 % V;
    for (int w = 0; w < 4; w++) {
        int64_t channels = widths[w];
        float *token = floats(V * channels, 1, 1), *y = filled(ROWS * channels, NAN),
              *dy = floats(ROWS * channels, 2, 1);
        float *dtoken = filled(V * channels, 0.5f), *again = filled(V * channels, 0.5f);
        mhc__embedding_bag_forward(2, ROWS, S, channels, ids, token, y);
        mhc__embedding_bag_backward(1, ROWS, S, channels, ids, dy, dtoken);
        mhc__embedding_bag_backward(3, ROWS, S, channels, ids, dy, again);
        assert_same_bits("dtoken", V * channels, dtoken, again);
        double *want = doubles(ROWS * channels), *dwant = doubles(V * channels);
        for (int64_t i = 0; i < V * channels; i++)
            dwant[i] = 0.5;
        for (int b = 0; b < ROWS; b++)
            for (int s = 0; s < S; s++)
                for (int64_t c = 0; c < channels; c++) {
                    want[b * channels + c] += (double)token[ids[b * S + s] * channels + c] / S;
                    dwant[ids[b * S + s] * channels + c] += (double)dy[b * channels + c] / S;
                }
        assert_close("y", ROWS * channels, y, want, 1e-6);
        assert_close("dtoken", V * channels, dtoken, dwant, 1e-6);
        RELEASE(token, y, dy, dtoken, again, want, dwant);
    }
}

static void cross_entropy(void **state) {
    (void)state;
    float logits[3 * 2] = {0, 0, 1e14f, 3, 1, 2}, d[6];
    const int32_t targets[3] = {1, 0, -1}, wrong[3] = {1, 1, -1}, none[3] = {-1, -1, -1};
    assert_true(fabs(mhc__cross_entropy(3, 2, logits, targets, 4, d) - log(2) / 2) < 1e-12);
    assert_true(d[0] == 1 && d[1] == -1 && d[2] == 0 && d[3] == 0 && d[4] == 0 && d[5] == 0);
    assert_true(fabs(mhc__cross_entropy(3, 2, logits, wrong, 1, NULL) / 5e13 - 1) < 1e-6);
    assert_true(mhc__cross_entropy(3, 2, logits, none, 1, d) == 0 && d[0] == 0 && d[3] == 0);
    logits[0] = NAN;
    assert_true(isnan(mhc__cross_entropy(3, 2, logits, targets, 1, d)) && isnan(d[0]));
    float same[4] = {0.5f, -1, 2, 0.25f}, apart[4];
    mhc__cross_entropy(2, 2, same, targets, 1, apart);
    mhc__cross_entropy(2, 2, same, targets, 1, same);
    assert_same_bits("in place", 4, apart, same);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(relu), cmocka_unit_test(embedding_bag),
                                       cmocka_unit_test(cross_entropy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
