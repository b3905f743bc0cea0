/* Tokenizers: published token sequences, round trips of any bytes, what isn't UTF-8, files that are damaged. */
#include "data/support.h"

#include <jansson.h>

#include "base/clock.h"
#include "base/philox.h"
#include "data/tokenizer.h"
#include "data/tokenizer_internal.h"
#include "data/utf8.h"

/* GPT-2's tokenizer from the reference data, or a skipped test. */
static mhc__tokenizer *gpt2(void) {
    mhc__text encoder = shared_text("gpt2-bpe/encoder.json"), merges = shared_text("gpt2-bpe/vocab.bpe");
    mhc__tokenizer *tokenizer = NULL;
    mhc_error error = {0};
    write_text(scratch_path("encoder.json"), encoder.data, encoder.length);
    write_text(scratch_path("vocab.bpe"), merges.data, merges.length);
    if (mhc__tokenizer_gpt2(scratch_path("encoder.json"), scratch_path("vocab.bpe"), &tokenizer, &error) != MHC_OK)
        fail_msg("%s", error.message);
    mhc__text_free(&encoder);
    mhc__text_free(&merges);
    return tokenizer;
}

static int32_t *encode(const mhc__tokenizer *tokenizer, const char *text, size_t size, int64_t *count) {
    int32_t *ids = NULL;
    mhc_error error = {0};
    if (mhc__tokenizer_encode(tokenizer, text, size, false, &ids, count, &error) != MHC_OK)
        fail_msg("%s", error.message);
    return ids;
}

static void check_round_trip(const mhc__tokenizer *tokenizer, const char *text, size_t size) {
    int64_t count = 0;
    int32_t *ids = encode(tokenizer, text, size, &count);
    mhc__text back = {0};
    assert_int_equal(mhc__tokenizer_decode(tokenizer, ids, count, &back, NULL), MHC_OK);
    assert_int_equal(back.length, size);
    if (size)
        assert_memory_equal(back.data, text, size);
    mhc__text_free(&back);
    free(ids);
}

static int check_cases(const mhc__tokenizer *tokenizer, const json_t *cases) {
    size_t index;
    json_t *item;
    json_array_foreach((json_t *)cases, index, item) {
        const char *text = json_string_value(json_object_get(item, "text"));
        const json_t *tokens = json_object_get(item, "tokens");
        int64_t count = 0;
        int32_t *ids = encode(tokenizer, text, strlen(text), &count);
        assert_int_equal(count, json_array_size(tokens));
        for (int64_t i = 0; i < count; i++)
            assert_int_equal(ids[i], json_integer_value(json_array_get(tokens, (size_t)i)));
        free(ids);
        check_round_trip(tokenizer, text, strlen(text));
    }
    return (int)index;
}

static void gpt2_published(void **state) {
    (void)state;
    mhc__tokenizer *tokenizer = gpt2();
    mhc__text text = shared_text("gpt2-bpe/gpt2_goldens.json");
    json_t *root = json_loadb(text.data, text.length, 0, NULL);
    assert_int_equal(mhc__tokenizer_vocabulary(tokenizer), 50257);
    assert_int_equal(check_cases(tokenizer, json_object_get(json_object_get(root, "published"), "cases")), 18);
    assert_int_equal(check_cases(tokenizer, json_object_get(json_object_get(root, "computed_here"), "cases")), 11);
    json_decref(root);
    mhc__text_free(&text);
    mhc__tokenizer_destroy(tokenizer);
}

static void gpt2_shakespeare(void **state) {
    (void)state;
    mhc__tokenizer *tokenizer = gpt2();
    mhc__text text = shared_text("tinyshakespeare/input.txt");
    size_t cut = text.length * 9 / 10;
    int64_t train = 0, held_out = 0;
    double start = mhc__clock_seconds();
    free(encode(tokenizer, text.data, cut, &train));
    free(encode(tokenizer, text.data + cut, text.length - cut, &held_out));
    print_message("tinyshakespeare: %.3f s\n", mhc__clock_seconds() - start);
    assert_int_equal(train, 301966); /* nanoGPT data/shakespeare */
    assert_int_equal(held_out, 36059);
    check_round_trip(tokenizer, text.data, text.length);
    mhc__text_free(&text);
    mhc__tokenizer_destroy(tokenizer);
}

/* A megabyte of one letter, of spaces, of invalid bytes, of noise: comes back, and in time. */
static void gpt2_hostile(void **state) {
    (void)state;
    mhc__tokenizer *tokenizer = gpt2();
    size_t size = 1 << 20;
    char *text = malloc(size);
    double start = mhc__clock_seconds();
    const char fills[] = {'a', ' ', '\xFF', '\0', '1'};
    for (size_t f = 0; f < sizeof fills; f++) {
        memset(text, fills[f], size);
        check_round_trip(tokenizer, text, size);
    }
    for (size_t i = 0; i < size; i++)
        text[i] = (char)mhc__philox_at(7, i, 0).v[0];
    check_round_trip(tokenizer, text, size);
    double took = mhc__clock_seconds() - start;
    print_message("6 hostile megabytes: %.3f s\n", took);
    assert_true(took < 60.0);
    free(text);
    mhc__tokenizer_destroy(tokenizer);
}

/* The heap's result is that of the definition: join all places of the lowest-ranked pair, again and again. */
static void merges_follow_the_definition(void **state) {
    (void)state;
    mhc__text encoder = {0};
    mhc__text_append(&encoder, "{", 1);
    for (int b = 0, next = 0x100; b < 256; b++) {
        bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
        mhc__text_format(&encoder, "\"\\u%04x\":%d,", printable ? b : next, b);
        next += !printable;
    }
    mhc__text_format(&encoder, "\"ab\":256,\"aa\":257,\"aab\":258,\"ba\":259,\"abab\":260}");
    const char merges[] = "#version: 0.2\na b\na a\na ab\nb a\nab ab\n";
    mhc__bpe *bpe = NULL;
    mhc_error error = {0};
    if (mhc__bpe_parse(encoder.data, encoder.length, merges, strlen(merges), "small", &bpe, &error) != MHC_OK)
        fail_msg("%s", error.message);
    const struct {
        const char *text;
        int32_t ids[4];
        int count;
    } cases[] = {{"ab", {256}, 1},        {"aab", {258}, 1},     {"aaa", {257, 'a'}, 2}, {"aaaa", {257, 257}, 2},
                 {"abab", {260}, 1},      {"ba", {259}, 1},      {"bab", {'b', 256}, 2}, {"ababab", {260, 256}, 2},
                 {"aaab", {257, 256}, 2}, {"bba", {'b', 259}, 2}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        int32_t *ids = NULL;
        int64_t count = 0;
        assert_int_equal(mhc__bpe_encode(bpe, cases[c].text, strlen(cases[c].text), &ids, &count, NULL), MHC_OK);
        assert_int_equal(count, cases[c].count);
        assert_memory_equal(ids, cases[c].ids, (size_t)count * sizeof *ids);
        free(ids);
    }
    mhc__bpe_destroy(bpe);
    const char *const wrong[] = {"a\n", "a  \n", "x y\n", "a b\na b\n", "a \xFF\n", " \n"};
    for (size_t w = 0; w < sizeof wrong / sizeof wrong[0]; w++)
        assert_int_equal(
            mhc__bpe_parse(encoder.data, encoder.length, wrong[w], strlen(wrong[w]), "wrong", &bpe, &error),
            MHC_CORRUPT);
    mhc__text_free(&encoder);
}

static void utf8_is_strict(void **state) {
    (void)state;
    const struct {
        const char *bytes;
        int32_t code;
        int length; /* for what is invalid: bytes that Python's errors="ignore" skips at once */
    } cases[] = {{"A", 'A', 1},
                 {"\xC3\xA9", 0xE9, 2},
                 {"\xE2\x82\xAC", 0x20AC, 3},
                 {"\xF0\x9F\x98\x80", 0x1F600, 4},
                 {"\xF4\x8F\xBF\xBF", 0x10FFFF, 4},
                 {"\x80", -1, 1},             /* continuation alone */
                 {"\xC0\x80", -1, 1},         /* overlong */
                 {"\xC1\xBF", -1, 1},         /* overlong */
                 {"\xE0\x9F\xBF", -1, 1},     /* overlong */
                 {"\xF0\x8F\xBF\xBF", -1, 1}, /* overlong */
                 {"\xED\xA0\x80", -1, 1},     /* surrogate */
                 {"\xF4\x90\x80\x80", -1, 1}, /* above U+10FFFF */
                 {"\xF5\x80", -1, 1},
                 {"\xFF", -1, 1},
                 {"\xE2\x82", -1, 2}, /* cut short */
                 {"\xF0\x9F\x98", -1, 3},
                 {"\xE2\x82"
                  "A",
                  -1, 2}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        int length = 0;
        assert_int_equal(mhc__utf8_decode((const unsigned char *)cases[c].bytes, strlen(cases[c].bytes), &length),
                         cases[c].code);
        assert_int_equal(length, cases[c].length);
    }
    for (int32_t code = 0; code < 0x110000; code++) {
        char bytes[4];
        int length = 0, written = mhc__utf8_encode(code, bytes);
        bool surrogate = code >= 0xD800 && code <= 0xDFFF;
        assert_int_equal(mhc__utf8_decode((const unsigned char *)bytes, (size_t)written, &length),
                         surrogate ? -1 : code);
    }
}

static void characters(void **state) {
    (void)state;
    const char text[] = "b\xC3\xA9"
                        "a\xFF"
                        "a\xE2\x82"
                        "b";
    mhc__tokenizer *tokenizer = NULL;
    mhc_error error = {0};
    assert_int_equal(mhc__tokenizer_char(text, strlen(text), false, &tokenizer, &error), MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "byte 4 (0xFF)"));
    assert_int_equal(mhc__tokenizer_char(text, strlen(text), true, &tokenizer, &error), MHC_OK);
    assert_int_equal(mhc__tokenizer_vocabulary(tokenizer), 3);
    int32_t *ids = NULL;
    int64_t count = 0;
    const int32_t expected[] = {1, 2, 0, 0, 1};
    assert_int_equal(mhc__tokenizer_encode(tokenizer, text, strlen(text), true, &ids, &count, &error), MHC_OK);
    assert_int_equal(count, 5);
    assert_memory_equal(ids, expected, sizeof expected);
    free(ids);
    assert_int_equal(mhc__tokenizer_encode(tokenizer, "bax", 3, false, &ids, &count, &error), MHC_INVALID_ARGUMENT);
    assert_null(ids);
    assert_non_null(strstr(error.message, "byte 2: U+0078"));
    const int32_t outside = 3;
    mhc__text back = {0};
    assert_int_equal(mhc__tokenizer_decode(tokenizer, &outside, 1, &back, &error), MHC_INVALID_ARGUMENT);
    mhc__text_free(&back);
    mhc__tokenizer_destroy(tokenizer);
    assert_int_equal(mhc__tokenizer_char("\xFF", 1, true, &tokenizer, &error), MHC_INVALID_ARGUMENT);
}

static void saved_and_loaded(void **state) {
    (void)state;
    const char text[] = "na\xC3\xAFve caf\xC3\xA9 \xF0\x9F\x98\x80";
    mhc__tokenizer *made[2], *loaded = NULL;
    assert_int_equal(mhc__tokenizer_byte(&made[0], NULL), MHC_OK);
    assert_int_equal(mhc__tokenizer_char(text, strlen(text), false, &made[1], NULL), MHC_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(mhc__tokenizer_save(made[i], scratch_path("tokenizer.json"), NULL), MHC_OK);
        assert_int_equal(mhc__tokenizer_load(scratch_path("tokenizer.json"), &loaded, NULL), MHC_OK);
        assert_int_equal(mhc__tokenizer_kind_of(loaded), mhc__tokenizer_kind_of(made[i]));
        assert_int_equal(mhc__tokenizer_vocabulary(loaded), mhc__tokenizer_vocabulary(made[i]));
        check_round_trip(loaded, text, strlen(text));
        mhc__tokenizer_destroy(loaded);
        mhc__tokenizer_destroy(made[i]);
    }
    const char *const wrong[] = {"",
                                 "{",
                                 "[]",
                                 "{}",
                                 "{\"format\":\"mhc-tokenizer\"}",
                                 "{\"format\":\"mhc-tokenizer\",\"kind\":\"char\"}",
                                 "{\"format\":\"mhc-tokenizer\",\"kind\":\"char\",\"code_points\":[2,1]}",
                                 "{\"format\":\"mhc-tokenizer\",\"kind\":\"char\",\"code_points\":[55296]}",
                                 "{\"format\":\"mhc-tokenizer\",\"kind\":\"gpt2\",\"encoder\":\"{}\",\"merges\":\"\"}"};
    for (size_t w = 0; w < sizeof wrong / sizeof wrong[0]; w++)
        assert_int_equal(mhc__tokenizer_parse(wrong[w], strlen(wrong[w]), "wrong", &loaded, NULL), MHC_CORRUPT);
    assert_int_equal(mhc__tokenizer_load(scratch_path("absent.json"), &loaded, NULL), MHC_IO);
}

static void saved_gpt2(void **state) {
    (void)state;
    mhc__tokenizer *tokenizer = gpt2(), *loaded = NULL;
    assert_int_equal(mhc__tokenizer_save(tokenizer, scratch_path("tokenizer.json"), NULL), MHC_OK);
    assert_int_equal(mhc__tokenizer_load(scratch_path("tokenizer.json"), &loaded, NULL), MHC_OK);
    int64_t count = 0;
    int32_t *ids = encode(loaded, "hello world", 11, &count);
    assert_int_equal(count, 2);
    assert_int_equal(ids[0], 31373);
    assert_int_equal(ids[1], 995);
    free(ids);
    mhc__tokenizer_destroy(loaded);
    mhc__tokenizer_destroy(tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpt2_published),   cmocka_unit_test(gpt2_shakespeare),
        cmocka_unit_test(gpt2_hostile),     cmocka_unit_test(merges_follow_the_definition),
        cmocka_unit_test(utf8_is_strict),   cmocka_unit_test(characters),
        cmocka_unit_test(saved_and_loaded), cmocka_unit_test(saved_gpt2)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
