/* The error of the mapping's products in each precision, of mix against the oracle's in double; printed, and held to
 * what mhc/spec.h says. On a device that has no tensor cores every precision is fp32's. */
#include "stream/fixture.h"

/* rms of the differences of `count` numbers over the rms of what they should be, and the largest difference over it. */
static void errors(const float *got, const double *want, int64_t count, double *rms, double *largest) {
    double square = 0.0, norm = 0.0;
    *largest = 0.0;
    for (int64_t i = 0; i < count; i++) {
        double difference = fabs((double)got[i] - want[i]);
        square += difference * difference;
        norm += want[i] * want[i];
        *largest = fmax(*largest, difference);
    }
    *rms = sqrt(square / norm);
    *largest /= sqrt(norm / (double)count);
}

/* To the 10 bits behind the point that TF32 keeps: to nearest, ties away from zero, as cvt.rna.tf32.f32. */
static double tf32_of(double value) {
    int exponent;
    double fraction = frexp(value, &exponent);
    return ldexp(round(ldexp(fraction, 11)), exponent - 11);
}

/* mix of a token; tf32: of factors that are rounded so, in sums that are not. */
static void mix_of(const site *s, int64_t t, bool tf32, double *mix, int rows) {
    const int64_t columns = s->spec.streams * s->spec.channels;
    const double *x = s->x_64 + t * columns;
    double square = 0.0;
    for (int64_t c = 0; c < columns; c++)
        square += x[c] * x[c];
    for (int k = 0; k < rows; k++) {
        const double *fn = s->fn_64 + k * columns;
        mix[k] = 0.0;
        for (int64_t c = 0; c < columns; c++)
            mix[k] += tf32 ? tf32_of(x[c]) * tf32_of(fn[c]) : x[c] * fn[c];
        mix[k] /= sqrt(square / (double)columns + (double)s->spec.norm_eps);
    }
}

/* What TF32 would give, which is no precision of ours: worse than two parts of bf16. */
static void compare_tf32(const site *s, const double *want, double bf16x2) {
    enum { FN = 24 };
    float *mix = some(s->tokens * FN, sizeof(float));
    double row[FN], rms, largest;
    for (int64_t t = 0; t < s->tokens; t++) {
        mix_of(s, t, true, row, FN);
        for (int k = 0; k < FN; k++)
            mix[t * FN + k] = (float)row[k];
    }
    errors(mix, want, s->tokens * FN, &rms, &largest);
    printf("%s streams, tf32   products: rms %.1e, largest %.1e (computed here)\n", type_name(s->spec.type), rms,
           largest);
    assert_true(rms > 10.0 * bf16x2 && rms < 1e-3);
    device_free(mix);
}

static void precision_case(mhc_type type) {
    /* up to this, and, on tensor cores, from that on: the mode is in use */
    static const double most[] = {6e-7, 6e-6, 3e-3}, least[] = {0.0, 1e-6, 3e-4};
    const char *const names[] = {"fp32", "bf16x2", "bf16"};
    enum { TOKENS = 70, CHANNELS = 1024, FN = 24 };
    for (int mode = MHC_PRECISION_FP32; mode <= MHC_PRECISION_BF16; mode++) {
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, "paper", 4, CHANNELS, error));
        spec.precision = (mhc_precision)mode;
        spec.type = type;
        site s = site_open(&spec, TOKENS, 11, 1.0f);
        double *want = some(TOKENS * FN, sizeof(double));
        float *mix = some(TOKENS * FN, sizeof(float));
        for (int64_t t = 0; t < TOKENS; t++)
            mix_of(&s, t, false, want + t * FN, FN);
        if (mode == MHC_PRECISION_BF16X2)
            compare_tf32(&s, want, most[mode]);
        site_forward(&s, 2);
        for (int64_t t = 0; t < TOKENS; t++)
            memcpy(mix + t * FN, s.saved + t * (s.sizes.saved / TOKENS), FN * sizeof(float));
        double rms, largest;
        errors(mix, want, TOKENS * FN, &rms, &largest);
        printf("%s streams, %-6s products: rms %.1e, largest %.1e\n", type_name(type), names[mode], rms, largest);
        assert_true(rms <= (device_is_cpu() ? most[0] : most[mode]));
        assert_true(device_is_cpu() || rms >= least[mode]);
        device_free(want);
        device_free(mix);
        site_close(&s);
    }
}

FOR_EACH_TYPE(precision)

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_precision)};
    device_need();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
