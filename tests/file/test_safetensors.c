/* Safetensors: what is written comes back; what is hostile is an error with a message, never a crash. */
#include "file/safetensors.h"
#include "file/support.h"

static unsigned char DATA[64];

static mhc__tensor tensor(const char *name, mhc__dtype dtype, int dims, int64_t first, int64_t second) {
    mhc__tensor t = {.name = name, .dtype = dtype, .dims = dims, .shape = {first, second}, .count = 1, .data = DATA};
    for (int d = 0; d < dims; d++)
        t.count *= t.shape[d];
    return t;
}

static void round_trip(void **state) {
    (void)state;
    for (int i = 0; i < 64; i++)
        DATA[i] = (unsigned char)(i * 37 + 5);
    mhc__tensor tensors[MHC__BOOL + 4];
    char names[MHC__BOOL + 1][16], *long_name = malloc(5001);
    int count = 0;
    for (int t = MHC__F32; t <= MHC__BOOL; t++) {
        snprintf(names[t], sizeof names[t], "t%d", t);
        tensors[count++] = tensor(names[t], (mhc__dtype)t, 2, 2, 3);
    }
    memset(long_name, 'n', 5000);
    long_name[5000] = '\0';
    tensors[count++] = tensor(long_name, MHC__U8, 0, 0, 0);
    tensors[count++] = tensor("empty", MHC__F64, 2, 0, 7);
    tensors[count++] = tensor("quote\"\\\n\xc3\xa9", MHC__U8, 1, 3, 0);
    mhc__metadata metadata = {"format", "mhc"};
    mhc_error error = {0};
    assert_int_equal(mhc__safetensors_write(scratch_path("f"), tensors, count, &metadata, 1, &error), MHC_OK);

    mhc__safetensors *file;
    if (mhc__safetensors_open(scratch_path("f"), &file, &error) != MHC_OK)
        fail_msg("%s", error.message);
    assert_int_equal(mhc__safetensors_count(file), count);
    assert_string_equal(mhc__safetensors_metadata(file, "format"), "mhc");
    assert_null(mhc__safetensors_metadata(file, "other"));
    assert_null(mhc__safetensors_find(file, "other"));
    assert_null(mhc__safetensors_at(file, count));
    assert_null(mhc__safetensors_at(file, -1));
    for (int i = 0; i < count; i++) {
        const mhc__tensor *t = mhc__safetensors_find(file, tensors[i].name);
        assert_non_null(t);
        assert_int_equal(t->dtype, tensors[i].dtype);
        assert_int_equal(t->dims, tensors[i].dims);
        assert_memory_equal(t->shape, tensors[i].shape, (size_t)t->dims * sizeof *t->shape);
        assert_int_equal(t->count, tensors[i].count);
        assert_memory_equal(t->data, DATA, (size_t)t->count * mhc__dtype_size(t->dtype));
    }
    mhc__safetensors_close(file);
    mhc__safetensors_close(NULL);
    free(long_name);
}

static void no_tensors(void **state) {
    (void)state;
    mhc__safetensors *file;
    assert_int_equal(mhc__safetensors_write(scratch_path("f"), NULL, 0, NULL, 0, NULL), MHC_OK);
    assert_int_equal(mhc__safetensors_open(scratch_path("f"), &file, NULL), MHC_OK);
    assert_int_equal(mhc__safetensors_count(file), 0);
    mhc__safetensors_close(file);
}

static void writer_refuses(void **state) {
    (void)state;
    mhc__tensor twice[] = {tensor("a", MHC__U8, 1, 2, 0), tensor("a", MHC__U8, 1, 2, 0)};
    mhc__tensor bytes = tensor("\xff\xfe", MHC__U8, 1, 2, 0), wrong = tensor("w", MHC__U8, 1, 2, 0);
    wrong.count = 3;
    mhc__metadata metadata = {"k", "\xff"};
    mhc_error error = {0};
    assert_int_equal(mhc__safetensors_write(scratch_path("f"), twice, 2, NULL, 0, &error), MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "tensor a"));
    assert_int_equal(mhc__safetensors_write(scratch_path("f"), &bytes, 1, NULL, 0, &error), MHC_INVALID_ARGUMENT);
    assert_int_equal(mhc__safetensors_write(scratch_path("f"), &wrong, 1, NULL, 0, &error), MHC_INVALID_ARGUMENT);
    assert_int_equal(mhc__safetensors_write(scratch_path("f"), twice, 1, &metadata, 1, &error), MHC_INVALID_ARGUMENT);
    /* 2^32 x 2^32 elements are 0 modulo 2^64; two negative dimensions have a positive product. */
    const int64_t hostile[][3] = {{INT64_C(1) << 32, INT64_C(1) << 32, 0}, {-1, -2, 2}};
    for (int i = 0; i < 2; i++) {
        mhc__tensor shape = {.name = "s", .dtype = MHC__U8, .dims = 2, .shape = {hostile[i][0], hostile[i][1]}};
        shape.count = hostile[i][2];
        shape.data = DATA;
        assert_int_equal(mhc__safetensors_write(scratch_path("f"), &shape, 1, NULL, 0, &error), MHC_INVALID_ARGUMENT);
        assert_non_null(strstr(error.message, "tensor s: its shape"));
    }
    assert_int_equal(entries_of(scratch_folder), 0);
}

/* A file with this header and this many bytes of data. malloc'd. */
static unsigned char *file_of(const char *header, size_t header_size, size_t data, size_t *size) {
    *size = 8 + header_size + data;
    unsigned char *bytes = calloc(*size, 1);
    assert_non_null(bytes);
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)header_size >> 8 * i);
    memcpy(bytes + 8, header, header_size);
    return bytes;
}

static void hostile_headers(void **state) {
    (void)state;
#define T(dtype, shape, offsets) "{\"a\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"
#define U8(name, begin, end, n)  "\"" name "\":{\"dtype\":\"U8\",\"shape\":[" n "],\"data_offsets\":[" begin "," end "]}"
    static const struct {
        const char *header;
        size_t data;
        const char *says; /* NULL: a valid file */
    } table[] = {
        {"{}", 0, NULL},
        {"{}  ", 0, NULL},
        {T("\"U8\"", "[4]", "[0,4]"), 4, NULL},
        {T("\"U8\"", "[]", "[0,1]"), 1, NULL},
        {"{" U8("b", "1", "3", "2") "," U8("a", "0", "1", "1") "}", 3, NULL},
        {"", 0, "JSON"},
        {"{", 0, "JSON"},
        {"[]", 0, "not a JSON object"},
        {"{}x", 0, "JSON"},
        {"{}", 1, "expected 0 bytes of data, found 1"},
        {"{\"a\":3}", 0, "dtype"},
        {"{\"a\":null}", 0, "dtype"},
        {"{\"a\\u0000b\":{}}", 0, "JSON"},
        {"{\"a\":{},\"a\":{}}", 0, "JSON"},
        {"{\"\xff\":{}}", 0, "JSON"},
        {"{\"__metadata__\":3}", 0, "__metadata__"},
        {"{\"__metadata__\":{\"k\":3}}", 0, "not a string"},
        {T("\"Q7\"", "[4]", "[0,4]"), 4, "unknown dtype Q7"},
        {T("7", "[4]", "[0,4]"), 4, "dtype"},
        {T("\"U8\"", "4", "[0,4]"), 4, "shape"},
        {T("\"U8\"", "[1,1,1,1,1,1,1,1,4]", "[0,4]"), 4, "at most 8"},
        {T("\"U8\"", "[-4]", "[0,4]"), 4, "dimension 0"},
        {T("\"U8\"", "[4.0]", "[0,4]"), 4, "dimension 0"},
        {T("\"U8\"", "[\"4\"]", "[0,4]"), 4, "dimension 0"},
        {T("\"U8\"", "[4294967296,4294967296]", "[0,0]"), 0, "overflows"},
        {T("\"F64\"", "[2305843009213693952]", "[0,0]"), 0, "overflows"},
        {T("\"U8\"", "[99999999999999999999999]", "[0,4]"), 4, "JSON"},
        {T("\"U8\"", "[4]", "[0,3]"), 4, "expected 4 bytes for its shape, found 3"},
        {T("\"F32\"", "[4]", "[0,4]"), 4, "expected 16 bytes"},
        {T("\"U8\"", "[4]", "[0,4]"), 3, "not inside"},
        {T("\"U8\"", "[4]", "[4,0]"), 4, "not inside"},
        {T("\"U8\"", "[4]", "[-4,0]"), 4, "not inside"},
        {T("\"U8\"", "[4]", "[9223372036854775807,9223372036854775807]"), 4, "not inside"},
        {T("\"U8\"", "[4]", "[0]"), 4, "two data_offsets"},
        {T("\"U8\"", "[4]", "[0,4,8]"), 4, "two data_offsets"},
        {T("\"U8\"", "[4]", "[0.0,4]"), 4, "two data_offsets"},
        {T("\"U8\"", "[4]", "null"), 4, "two data_offsets"},
        {"{" U8("a", "0", "2", "2") "," U8("b", "3", "4", "1") "}", 4, "expected its data at byte 2, found 3"},
        {"{" U8("a", "0", "2", "2") "," U8("b", "1", "3", "2") "}", 3, "expected its data at byte 2, found 1"},
        {"{" U8("a", "0", "2", "2") "," U8("b", "0", "2", "2") "}", 2, "expected its data at byte 2, found 0"},
        {"{" U8("a", "1", "2", "1") "}", 2, "expected its data at byte 0, found 1"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        size_t size;
        unsigned char *bytes = file_of(table[i].header, strlen(table[i].header), table[i].data, &size);
        mhc__safetensors *file;
        mhc_error error = {0};
        mhc_status status = mhc__safetensors_parse(bytes, size, "NAME", &file, &error);
        if (!table[i].says) {
            if (status != MHC_OK)
                fail_msg("%s: %s", table[i].header, error.message);
        } else if (status != MHC_CORRUPT || file || !strstr(error.message, table[i].says) ||
                   strncmp(error.message, "NAME", 4) != 0) {
            fail_msg("%s: expected \"%s\", found status %d, \"%s\"", table[i].header, table[i].says, status,
                     error.message);
        }
        mhc__safetensors_close(file);
        free(bytes);
    }
}

static void hostile_lengths(void **state) {
    (void)state;
    const uint64_t lengths[] = {3, 100000001, UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        unsigned char bytes[10] = {0};
        for (int b = 0; b < 8; b++)
            bytes[b] = (unsigned char)(lengths[i] >> 8 * b);
        mhc__safetensors *file;
        assert_int_equal(mhc__safetensors_parse(bytes, sizeof bytes, "x", &file, NULL), MHC_CORRUPT);
    }
    /* Deep nesting must not exhaust the stack. */
    size_t depth = 200000, size;
    char *deep = malloc(depth);
    memset(deep, '[', depth);
    unsigned char *bytes = file_of(deep, depth, 0, &size);
    mhc__safetensors *file;
    assert_int_equal(mhc__safetensors_parse(bytes, size, "x", &file, NULL), MHC_CORRUPT);
    free(bytes);
    free(deep);
}

static char *small_file(size_t *size) {
    mhc__tensor tensors[] = {tensor("w", MHC__F32, 2, 2, 3), tensor("b", MHC__F32, 1, 3, 0)};
    mhc__metadata metadata = {"format", "mhc"};
    assert_int_equal(mhc__safetensors_write(scratch_path("small"), tensors, 2, &metadata, 1, NULL), MHC_OK);
    return get(scratch_path("small"), size);
}

static void truncation_at_every_byte(void **state) {
    (void)state;
    size_t size;
    char *bytes = small_file(&size);
    for (size_t kept = 0; kept < size; kept++) {
        mhc__safetensors *file;
        mhc_error error = {0};
        char *exact = malloc(kept + 1); /* so that a sanitizer sees a read past the end */
        memcpy(exact, bytes, kept);
        assert_int_equal(mhc__safetensors_parse(exact, kept, "x", &file, &error), MHC_CORRUPT);
        assert_null(file);
        assert_true(strlen(error.message) > 10);
        if (kept % 16 == 0) {
            put(scratch_path("cut"), bytes, kept);
            assert_int_equal(mhc__safetensors_open(scratch_path("cut"), &file, &error), MHC_CORRUPT);
        }
        free(exact);
    }
    free(bytes);
}

/* A flip may leave a valid file (a name, a weight): then every tensor must still lie inside it. */
static void single_bit_flips(void **state) {
    (void)state;
    size_t size;
    char *bytes = small_file(&size);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        mhc__safetensors *file;
        if (mhc__safetensors_parse(bytes, size, "x", &file, NULL) == MHC_OK)
            for (int i = 0; i < mhc__safetensors_count(file); i++) {
                const mhc__tensor *t = mhc__safetensors_at(file, i);
                const char *data = t->data;
                assert_true(data >= bytes);
                assert_true(data + (size_t)t->count * mhc__dtype_size(t->dtype) <= bytes + size);
            }
        mhc__safetensors_close(file);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
    }
    free(bytes);
}

static void unaligned_memory(void **state) {
    (void)state;
    size_t size;
    char *bytes = small_file(&size), *moved = malloc(size + 8);
    for (size_t shift = 0; shift < 8; shift++) {
        memcpy(moved + shift, bytes, size);
        mhc__safetensors *file;
        assert_int_equal(mhc__safetensors_parse(moved + shift, size, "x", &file, NULL), MHC_OK);
        float values[6];
        memcpy(values, mhc__safetensors_find(file, "w")->data, sizeof values);
        assert_memory_equal(values, DATA, sizeof values);
        mhc__safetensors_close(file);
    }
    free(moved);
    free(bytes);
}

static void not_a_file(void **state) {
    (void)state;
    mhc__safetensors *file;
    mhc_error error = {0};
    assert_int_equal(mhc__safetensors_open(scratch_path("absent"), &file, &error), MHC_IO);
    assert_non_null(strstr(error.message, "absent"));
    assert_int_equal(mhc__safetensors_open(scratch_folder, &file, &error), MHC_IO);
    put(scratch_path("empty"), "", 0);
    assert_int_equal(mhc__safetensors_open(scratch_path("empty"), &file, &error), MHC_CORRUPT);
    assert_non_null(strstr(error.message, "0 bytes"));
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(round_trip),
        IN_SCRATCH(no_tensors),
        IN_SCRATCH(writer_refuses),
        cmocka_unit_test(hostile_headers),
        cmocka_unit_test(hostile_lengths),
        IN_SCRATCH(truncation_at_every_byte),
        IN_SCRATCH(single_bit_flips),
        IN_SCRATCH(unaligned_memory),
        IN_SCRATCH(not_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
