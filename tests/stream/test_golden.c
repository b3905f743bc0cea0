/* Every convention of the reference file site.safetensors, written by a PyTorch implementation: fp32 within 3e-6, the
 * oracle within 1e-12. The reader below takes a file that is known to be whole; mhc's own is in src/file, above. */
#include "stream/fixture.h"

typedef struct file {
    char *bytes;
    const char *header, *data;
} file;

static bool file_open(file *f) {
    const char *shared = getenv("MHC_SHARED_DIR");
    char path[1024];
    snprintf(path, sizeof path, "%s/golden/site.safetensors", shared ? shared : "../shared");
    FILE *in = fopen(path, "rb");
    if (!in) {
        print_message("%s is not there: skipped (MHC_SHARED_DIR says where the reference data is)\n", path);
        return false;
    }
    fseek(in, 0, SEEK_END);
    long size = ftell(in);
    rewind(in);
    f->bytes = some(size, 1);
    assert_int_equal(fread(f->bytes, 1, (size_t)size, in), size);
    fclose(in);
    uint64_t length;
    memcpy(&length, f->bytes, 8);
    f->header = f->bytes + 8;
    f->data = f->bytes + 8 + length;
    return true;
}

static double number_after(const char *text, const char *key) {
    const char *at = strstr(text, key);
    assert_non_null(at);
    at += strlen(key);
    while (*at == ':' || *at == '"' || *at == ' ')
        at++;
    return strtod(at, NULL);
}

/* Reads a tensor of `count` numbers, fp32 or fp64. */
static double *tensor(const file *f, const char *prefix, const char *name, int64_t count) {
    char key[128];
    snprintf(key, sizeof key, "\"%s%s\":{", prefix, name);
    const char *at = strstr(f->header, key);
    if (!at)
        fail_msg("no tensor %s%s", prefix, name);
    bool wide = strncmp(strstr(at, "\"dtype\":") + 8, "\"F64\"", 5) == 0;
    long begin, end;
    assert_int_equal(sscanf(strstr(at, "\"data_offsets\":["), "\"data_offsets\":[%ld,%ld]", &begin, &end), 2);
    assert_int_equal(end - begin, count * (wide ? 8 : 4));
    double *values = some(count, sizeof *values);
    for (int64_t i = 0; i < count; i++) {
        float narrow;
        memcpy(wide ? (void *)&values[i] : (void *)&narrow, f->data + begin + i * (wide ? 8 : 4), wide ? 8 : 4);
        if (!wide)
            values[i] = (double)narrow;
    }
    return values;
}

static void load(const file *f, const char *prefix, const char *name, float *narrow, double *wide, int64_t count) {
    double *values = tensor(f, prefix, name, count);
    for (int64_t i = 0; i < count; i++)
        narrow[i] = (float)(wide[i] = values[i]);
    free(values);
}

static void compare(const file *f, const char *prefix, const char *name, const float *got, const double *got_64,
                    int64_t count) {
    double *want = tensor(f, prefix, name, count), error = 0.0, norm = 0.0;
    assert_close(prefix, name, got, want, count, 3e-6);
    for (int64_t i = 0; i < count; i++) {
        error += (got_64[i] - want[i]) * (got_64[i] - want[i]);
        norm += want[i] * want[i];
    }
    if (!(sqrt(error / norm) <= 1e-12))
        fail_msg("%s%s: the oracle is %.3g off, expected at most 1e-12", prefix, name, sqrt(error / norm));
    free(want);
}

/* Part `offset`.. of each row of coefficients. */
static void compare_part(const file *f, const char *prefix, const char *name, const site *s, int offset, int size) {
    int64_t width = s->spec.streams * (s->spec.streams + 2);
    float *part = some(s->tokens * size, sizeof *part);
    double *part_64 = some(s->tokens * size, sizeof *part_64);
    for (int64_t i = 0; i < s->tokens * size; i++) {
        part[i] = s->coefficients[i / size * width + offset + i % size];
        part_64[i] = s->coefficients_64[i / size * width + offset + i % size];
    }
    compare(f, prefix, name, part, part_64, s->tokens * size);
    free(part);
    free(part_64);
}

static void test_conventions(void **state) {
    (void)state;
    file f = {NULL, NULL, NULL};
    if (!file_open(&f))
        skip();
    const char *names[] = {"paper", "deepseek-v4", "megatron", "liger", "hc"}, *kinds[] = {"calm", "sharp"};
    int n = (int)number_after(f.header, "\"streams\""), tokens = (int)number_after(f.header, "\"tokens\"");
    for (int k = 0; k < 10; k++) {
        char prefix[64];
        snprintf(prefix, sizeof prefix, "%s.%s.", names[k / 2], kinds[k % 2]);
        mhc_spec spec;
        OK(mhc_spec_preset(&spec, names[k / 2], n, (int64_t)number_after(f.header, "\"channels\""), error));
        spec.sinkhorn.iterations = (int)number_after(f.header, "\"iterations\"");
        site s = site_open(&spec, tokens, 1, 1.0f);
#define LOAD(name) load(&f, prefix, #name, s.name, s.name##_64, s.name##_count)
        LOAD(x);
        LOAD(z);
        LOAD(fn);
        LOAD(base);
        LOAD(scale);
        LOAD(d_merged);
        LOAD(d_u);
#undef LOAD
        site_oracle(&s);
        site_forward(&s, 2);
        site_backward(&s, 2);
        compare_part(&f, prefix, "pre", &s, 0, n);
        compare_part(&f, prefix, "post", &s, n, n);
        compare_part(&f, prefix, "res", &s, 2 * n, n * n);
#define COMPARE(name) compare(&f, prefix, #name, s.name, s.name##_64, s.name##_count)
        COMPARE(u);
        COMPARE(merged);
        COMPARE(d_x);
        COMPARE(d_z);
        COMPARE(d_fn);
        COMPARE(d_base);
        COMPARE(d_scale);
#undef COMPARE
        site_close(&s);
    }
    free(f.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_conventions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
