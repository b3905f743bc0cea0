#include "check.h"

#include "nn/embedding.h"

static void check(int64_t tokens, int64_t sequence, int64_t channels, int64_t vocabulary, bool with_position) {
    float *token = floats(vocabulary * channels, 1, 1), *position = floats(sequence * channels, 2, 1);
    float *dy = floats(tokens * channels, 3, 1), *y = filled(tokens * channels, NAN);
    int32_t *ids = calloc((size_t)tokens + 1, sizeof *ids);
    int64_t *scratch = malloc((size_t)mhc__embedding_scratch(tokens, vocabulary) * sizeof *scratch);
    double *want = doubles(tokens * channels), *want_token = doubles(vocabulary * channels);
    double *want_position = doubles(sequence * channels);
    for (int64_t i = 0; i < vocabulary * channels; i++)
        want_token[i] = 1;
    for (int64_t i = 0; i < sequence * channels; i++)
        want_position[i] = 2;
    for (int64_t t = 0; t < tokens; t++) {
        ids[t] = (int32_t)(mhc__philox_at(1, (uint64_t)t, 0).v[0] % (uint64_t)vocabulary);
        for (int64_t c = 0; c < channels; c++) {
            want[t * channels + c] =
                (double)token[ids[t] * channels + c] + (with_position ? position[t % sequence * channels + c] : 0);
            want_token[ids[t] * channels + c] += dy[t * channels + c];
            want_position[t % sequence * channels + c] += dy[t * channels + c];
        }
    }
    mhc__embedding_forward(2, tokens, sequence, channels, ids, token, with_position ? position : NULL, y);
    assert_close("y", tokens * channels, y, want, 1e-6);
    float *first = NULL;
    for (int threads = 1; threads <= 3; threads++) {
        float *dtoken = filled(vocabulary * channels, 1), *dposition = filled(sequence * channels, 2);
        mhc__embedding_backward(threads, tokens, sequence, channels, vocabulary, ids, dy, dtoken,
                                with_position ? dposition : NULL, scratch);
        assert_close("dtoken", vocabulary * channels, dtoken, want_token, 1e-5);
        if (with_position)
            assert_close("dposition", sequence * channels, dposition, want_position, 1e-5);
        if (first)
            assert_same_bits("dtoken", vocabulary * channels, first, dtoken);
        free(first);
        first = dtoken;
        free(dposition);
    }
    RELEASE(token, position, dy, y, ids, scratch, want, want_token, want_position, first);
}

static void rows_and_their_gradients(void **state) {
    (void)state;
    check(0, 4, 3, 5, true);
    check(1, 1, 1, 1, true);
    check(12, 4, 7, 5, true);
    check(200, 50, 33, 9, false);
    check(130, 65, 16, 1, true);
    check(64, 64, 5, 1000, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_and_their_gradients)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
