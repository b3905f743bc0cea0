/* Corpora: order of the batches, held-out part, packed files, the generated text, and input that is wrong. */
#include "data/support.h"

#include <lzma.h>
#include <unistd.h>

#include "base/clock.h"
#include "data/builtin.h"
#include "data/corpus.h"
#include "data/packed.h"
#include "data/permutation.h"

static mhc__data_config config_of(const char *path) {
    mhc__data_config config = mhc__data_config_default();
    snprintf(config.path, sizeof config.path, "%s", path);
    return config;
}

static mhc__corpus *open_corpus(const mhc__data_config *config, int sequence, uint64_t seed) {
    mhc__corpus *corpus = NULL;
    mhc_error error = {0};
    if (mhc__corpus_open(config, sequence, seed, NULL, &corpus, &error) != MHC_OK)
        fail_msg("%s", error.message);
    return corpus;
}

static void expect_failure(const mhc__data_config *config, int sequence, mhc_status status, const char *part) {
    mhc__corpus *corpus = NULL;
    mhc_error error = {0};
    assert_int_equal(mhc__corpus_open(config, sequence, 1, NULL, &corpus, &error), status);
    assert_null(corpus);
    if (!strstr(error.message, part))
        fail_msg("expected \"%s\" in: %s", part, error.message);
}

static void permutation_is_a_bijection(void **state) {
    (void)state;
    const uint64_t counts[] = {1, 2, 3, 5, 16, 17, 255, 256, 1000, 65537};
    unsigned char *seen = malloc(65537);
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        for (uint64_t epoch = 0; epoch < 2; epoch++) {
            memset(seen, 0, counts[c]);
            for (uint64_t i = 0; i < counts[c]; i++) {
                uint64_t at = mhc__permute(42, epoch, counts[c], i);
                assert_true(at < counts[c]);
                assert_int_equal(seen[at]++, 0);
            }
        }
    }
    free(seen);
    int moved = 0, other_key = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        moved += mhc__permute(1, 0, 1000, i) != mhc__permute(1, 1, 1000, i);
        other_key += mhc__permute(1, 0, 1000, i) != mhc__permute(2, 0, 1000, i);
    }
    assert_true(moved > 950 && other_key > 950);
}

/* A batch is a function of its number: rows of two small batches are those of a large one, in any order of asking. */
static void batches_depend_on_their_number(void **state) {
    (void)state;
    unsigned char bytes[5000];
    for (int i = 0; i < 5000; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 251);
    write_text(scratch_path("numbers"), bytes, sizeof bytes);
    for (int sampling = 0; sampling < 3; sampling++) {
        mhc__data_config config = config_of(scratch_path("numbers"));
        config.sampling = (mhc__sampling)sampling;
        config.eval_share = 0.1f;
        mhc__corpus *corpus = open_corpus(&config, 16, 9);
        assert_int_equal(mhc__corpus_train_tokens(corpus), 4500);
        assert_int_equal(mhc__corpus_eval_tokens(corpus), 500);
        mhc__source source = mhc__corpus_train(corpus);
        int32_t large[8 * 17], small[4 * 17];
        assert_int_equal(source.fill(source.self, 303, 8, 16, large, NULL), MHC_OK);
        for (int half = 1; half >= 0; half--) {
            assert_int_equal(source.fill(source.self, 606 + half, 4, 16, small, NULL), MHC_OK);
            assert_memory_equal(small, large + (size_t)half * 4 * 17, sizeof small);
        }
        if (sampling == MHC__SAMPLING_ROWS) /* torch_lm.py's batch() */
            for (int r = 0; r < 8; r++)
                for (int i = 0; i <= 16; i++)
                    assert_int_equal(large[r * 17 + i], bytes[(303 * 8 + r) * 16 % (4500 - 17) + i]);
        source = mhc__corpus_eval(corpus);
        assert_int_equal(source.fill(source.self, 0, 8, 16, large, NULL), MHC_OK);
        for (int r = 0; r < 8; r++)
            for (int i = 0; i <= 16; i++)
                assert_int_equal(large[r * 17 + i], bytes[4500 + r * 16 + i]);
        mhc__corpus_close(corpus);
    }
}

static void samples_stay_inside(void **state) {
    (void)state;
    for (int sampling = 0; sampling < 3; sampling++)
        for (int64_t count = 9; count < 60; count++)
            for (int64_t row = 0; row < 200; row++) {
                int64_t start = mhc__sample_start((mhc__sampling)sampling, 5, count, 8, row);
                assert_true(start >= 0 && start + 8 < count);
            }
    int seen[52] = {0};
    for (int64_t row = 0; row < 2 * 52; row++)
        seen[mhc__sample_start(MHC__SAMPLING_SHUFFLED, 5, 60, 8, row)]++;
    for (int i = 0; i < 52; i++)
        assert_int_equal(seen[i], 2);
    int first = 0;
    for (int64_t row = 0; row < 52000; row++)
        first += mhc__sample_start(MHC__SAMPLING_WINDOWS, 5, 60, 8, row) == 0;
    assert_in_range(first, 850, 1150); /* 1000 expected, deviation 31 */
}

static void increment(void **state) {
    (void)state;
    mhc__data_config config = config_of("increment");
    mhc__corpus *corpus = open_corpus(&config, 32, 1);
    mhc__source source = mhc__corpus_train(corpus);
    int32_t tokens[64 * 33];
    bool differ = false;
    assert_int_equal(mhc__corpus_vocabulary(corpus), 256);
    assert_int_equal(source.fill(source.self, 5, 64, 32, tokens, NULL), MHC_OK);
    for (int r = 0; r < 64; r++) {
        differ |= tokens[r * 33] != tokens[0];
        for (int i = 0; i <= 32; i++)
            assert_int_equal(tokens[r * 33 + i], (tokens[r * 33] + i) % 256);
    }
    assert_true(differ);
    mhc__corpus_close(corpus);
}

static void wrong_input(void **state) {
    (void)state;
    write_text(scratch_path("empty"), "", 0);
    write_text(scratch_path("short"), "seven b", 7);
    write_text(scratch_path("latin1"), "caf\xE9 au lait", 12);
    mhc__data_config config = config_of(scratch_path("absent"));
    expect_failure(&config, 4, MHC_IO, "absent: can't open");
    config = config_of(scratch_path("empty"));
    expect_failure(&config, 4, MHC_INVALID_ARGUMENT, "empty");
    config = config_of(scratch_path("short"));
    expect_failure(&config, 8, MHC_INVALID_ARGUMENT, "a row needs 9");
    config = config_of(scratch_path("latin1"));
    snprintf(config.tokenizer, sizeof config.tokenizer, "char");
    config.eval_share = 0.0f;
    expect_failure(&config, 4, MHC_INVALID_ARGUMENT, "byte 3 (0xE9) is not UTF-8");
    config.skip_invalid = true;
    mhc__corpus *corpus = open_corpus(&config, 4, 1);
    assert_int_equal(mhc__corpus_train_tokens(corpus), 11);
    assert_null(mhc__corpus_eval(corpus).fill);
    mhc__corpus_close(corpus);
    snprintf(config.tokenizer, sizeof config.tokenizer, "gpt2");
    expect_failure(&config, 4, MHC_INVALID_ARGUMENT, "data.tokenizer_dir");
    snprintf(config.tokenizer, sizeof config.tokenizer, "gpt3");
    expect_failure(&config, 4, MHC_INVALID_ARGUMENT, "data.tokenizer: gpt3");
    config = config_of("");
    expect_failure(&config, 4, MHC_INVALID_ARGUMENT, "data.path");
    config = config_of("builtin");
    config.eval_share = 0.6f;
    expect_failure(&config, 4, MHC_INVALID_ARGUMENT, "data.eval_share");
}

/* The whole text of a path, byte by byte. */
static void expect_text(const char *path, const char *text) {
    int32_t row[64];
    const int count = (int)strlen(text);
    mhc__data_config config = config_of(path);
    config.eval_share = 0.0f;
    config.sampling = MHC__SAMPLING_ROWS;
    mhc__corpus *corpus = open_corpus(&config, count - 1, 1);
    assert_int_equal(mhc__corpus_train_tokens(corpus), count);
    mhc__source source = mhc__corpus_train(corpus);
    assert_int_equal(source.fill(source.self, 0, 1, count - 1, row, NULL), MHC_OK);
    for (int i = 0; i < count; i++)
        assert_int_equal(row[i], text[i]);
    mhc__corpus_close(corpus);
}

static void folders(void **state) {
    (void)state;
    assert_int_equal(mhc__make_folders(scratch_path("texts/c"), NULL), MHC_OK);
    write_text(scratch_path("texts/b.txt"), "second", 6);
    write_text(scratch_path("texts/a.txt"), "first", 5);
    write_text(scratch_path("texts/c/d.txt"), "third", 5);
    write_text(scratch_path("texts/.hidden"), "no", 2);
    expect_text(scratch_path("texts"), "first\nsecond\nthird");
}

static void write_xz(const char *path, const char *text) {
    uint8_t bytes[256];
    size_t size = 0;
    assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, (const uint8_t *)text, strlen(text), bytes,
                                             &size, sizeof bytes),
                     LZMA_OK);
    write_text(path, bytes, size);
}

/* A model would learn the bytes of an archive without a word: packed texts are unpacked, the rest is refused. */
static void packed_texts(void **state) {
    (void)state;
    write_xz(scratch_path("first.xz"), "the first text");
    expect_text(scratch_path("first.xz"), "the first text");
    assert_int_equal(mhc__make_folders(scratch_path("mixed"), NULL), MHC_OK);
    write_text(scratch_path("mixed/a"), "plain", 5);
    write_xz(scratch_path("mixed/b"), "packed");
    expect_text(scratch_path("mixed"), "plain\npacked");
    write_text(scratch_path("BZ"), "BZh is a text", 13);
    expect_text(scratch_path("BZ"), "BZh is a text");
    write_xz(scratch_path("empty.xz"), "");
    mhc__data_config config = config_of(scratch_path("empty.xz"));
    expect_failure(&config, 4, MHC_INVALID_ARGUMENT, "the text is empty");

    const struct {
        const char *name, *bytes, *message;
        size_t size;
        mhc_status status;
    } refused[] = {
        {"x.zip", "PK\3\4 and so on", "zip archive: unpack it first", 14, MHC_UNSUPPORTED},
        {"x.bz2", "BZh91AY&SY", "bzip2 file: unpack it first", 10, MHC_UNSUPPORTED},
        {"x.zst", "\x28\xB5\x2F\xFD....", "zstd file: unpack it first", 8, MHC_UNSUPPORTED},
        {"x.7z", "7z\xBC\xAF\x27\x1C....", "7z file: unpack it first", 10, MHC_UNSUPPORTED},
        {"x.gz", "\x1F\x8B\x08....", "gzip file is damaged", 7, MHC_CORRUPT},
        {"x.xz", "\xFD\x37zXZ\0....", "xz file is damaged", 10, MHC_CORRUPT},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        write_text(scratch_path(refused[i].name), refused[i].bytes, refused[i].size);
        config = config_of(scratch_path(refused[i].name));
        expect_failure(&config, 4, refused[i].status, refused[i].message);
    }
}

static void own_held_out_text(void **state) {
    (void)state;
    write_text(scratch_path("train"), "abcabcabcabc", 12);
    write_text(scratch_path("held"), "cbacba", 6);
    write_text(scratch_path("other"), "cbaxyz", 6);
    mhc__data_config config = config_of(scratch_path("train"));
    snprintf(config.tokenizer, sizeof config.tokenizer, "char");
    snprintf(config.eval_path, sizeof config.eval_path, "%s", scratch_path("held"));
    mhc__corpus *corpus = open_corpus(&config, 4, 1);
    assert_int_equal(mhc__corpus_train_tokens(corpus), 12);
    assert_int_equal(mhc__corpus_eval_tokens(corpus), 6);
    mhc__corpus_close(corpus);
    snprintf(config.eval_path, sizeof config.eval_path, "%s", scratch_path("other"));
    expect_failure(&config, 4, MHC_INVALID_ARGUMENT, "U+0078 is not in the vocabulary");
}

/* A packed file gives the same tokens as its text; each bit of it counts. */
static void packed_files(void **state) {
    (void)state;
    const char text[] = "the cat sat on the mat; na\xC3\xAFve cats sat too";
    write_text(scratch_path("text"), text, strlen(text));
    int64_t count = 0;
    int vocabulary = 0;
    mhc_error error = {0};
    assert_int_equal(mhc__data_pack(scratch_path("text"), "char", "", false, scratch_path("text.tokens"), &count,
                                    &vocabulary, &error),
                     MHC_OK);
    assert_int_equal(count, strlen(text) - 1);
    mhc__data_config config = config_of(scratch_path("text.tokens"));
    config.eval_share = 0.0f;
    mhc__corpus *packed = open_corpus(&config, 8, 3);
    snprintf(config.path, sizeof config.path, "%s", scratch_path("text"));
    snprintf(config.tokenizer, sizeof config.tokenizer, "char");
    mhc__corpus *plain = open_corpus(&config, 8, 3);
    int32_t a[9 * 4], b[9 * 4];
    mhc__source source = mhc__corpus_train(packed);
    assert_int_equal(source.fill(source.self, 2, 4, 8, a, NULL), MHC_OK);
    source = mhc__corpus_train(plain);
    assert_int_equal(source.fill(source.self, 2, 4, 8, b, NULL), MHC_OK);
    assert_memory_equal(a, b, sizeof a);
    assert_int_equal(mhc__corpus_vocabulary(packed), vocabulary);
    mhc__corpus_close(packed);
    mhc__corpus_close(plain);

    char *bytes = NULL;
    size_t size = 0;
    mhc__token_array tokens;
    assert_int_equal(mhc__read_file(scratch_path("text.tokens"), &bytes, &size, NULL), MHC_OK);
    for (size_t cut = 0; cut < size; cut++)
        assert_int_equal(mhc__packed_parse(bytes, cut, "cut", &tokens, &vocabulary, NULL), MHC_CORRUPT);
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        /* The vocabulary may be said larger than any token: the tokenizer beside the file tells. */
        bool at_vocabulary = bit / 8 >= 16 && bit / 8 < 20;
        mhc_status status = mhc__packed_parse(bytes, size, "flipped", &tokens, &vocabulary, NULL);
        assert_true(status == MHC_CORRUPT || at_vocabulary);
        if (status == MHC_OK) {
            write_text(scratch_path("text.tokens"), bytes, size);
            mhc__data_config flipped = config_of(scratch_path("text.tokens"));
            expect_failure(&flipped, 8, MHC_MISMATCH, "packed with a vocabulary");
        }
        bytes[bit / 8] ^= (char)(1 << bit % 8);
    }
    free(bytes);
}

/* Another tokenizer of as many characters would read other text. */
static void packed_with_another_tokenizer(void **state) {
    (void)state;
    const char text[] = "the cat sat on the mat; na\xC3\xAFve cats sat too";
    int64_t count = 0;
    int vocabulary = 0;
    mhc_error error = {0};
    write_text(scratch_path("text"), text, strlen(text));
    assert_int_equal(mhc__data_pack(scratch_path("text"), "char", "", false, scratch_path("text.tokens"), &count,
                                    &vocabulary, &error),
                     MHC_OK);
    mhc__tokenizer *own = NULL, *other = NULL;
    char *also = strdup(text);
    for (char *at = also; (at = strchr(at, 'c'));)
        *at = 'k';
    assert_int_equal(mhc__tokenizer_char(text, strlen(text), false, &own, NULL), MHC_OK);
    assert_int_equal(mhc__tokenizer_char(also, strlen(also), false, &other, NULL), MHC_OK);
    assert_int_equal(mhc__tokenizer_vocabulary(other), vocabulary);
    mhc__data_config config = config_of(scratch_path("text.tokens"));
    config.eval_share = 0.0f;
    mhc__corpus *mine = NULL;
    assert_int_equal(mhc__corpus_open(&config, 8, 3, own, &mine, &error), MHC_OK);
    mhc__corpus_close(mine);
    assert_int_equal(mhc__corpus_open(&config, 8, 3, other, &mine, &error), MHC_MISMATCH);
    assert_non_null(strstr(error.message, "packed with another tokenizer"));
    mhc__tokenizer_destroy(own);
    mhc__tokenizer_destroy(other);
    free(also);
}

/* The text is not overwritten, by whatever name. */
static void packing_keeps_the_text(void **state) {
    (void)state;
    const char text[] = "the cat sat on the mat; na\xC3\xAFve cats sat too";
    int64_t count = 0;
    int vocabulary = 0;
    mhc_error error = {0};
    write_text(scratch_path("text"), text, strlen(text));
    const char *outs[] = {scratch_path("text"), scratch_path("./text"), scratch_path("link")};
    assert_int_equal(symlink(scratch_path("text"), scratch_path("link")), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(mhc__data_pack(scratch_path("text"), "char", "", false, outs[i], &count, &vocabulary, &error),
                         MHC_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "would overwrite the text"));
    assert_int_equal(unlink(scratch_path("link")), 0);
}

/* One byte or one token of the training part changes its mark; the held-out part does not. */
static void marks(void **state) {
    (void)state;
    char text[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    mhc__data_mark marks[3];
    for (int i = 0; i < 3; i++) {
        text[35] = (char)('9' + (i == 1));
        text[0] = (char)('a' + (i == 2));
        write_text(scratch_path("marked"), text, strlen(text));
        mhc__data_config config = config_of(scratch_path("marked"));
        config.eval_share = 0.25f;
        mhc__corpus *corpus = open_corpus(&config, 4, 3);
        marks[i] = mhc__corpus_mark(corpus);
        assert_int_equal(marks[i].tokens, mhc__corpus_train_tokens(corpus));
        mhc__corpus_close(corpus);
    }
    assert_int_equal(marks[0].tokens, 27);
    assert_int_equal(marks[0].checksum, marks[1].checksum);
    assert_int_not_equal(marks[0].checksum, marks[2].checksum);
    mhc__data_config config = config_of("increment");
    mhc__corpus *corpus = open_corpus(&config, 4, 3);
    assert_int_equal(mhc__corpus_mark(corpus).tokens, 0);
    mhc__corpus_close(corpus);
}

/* What the generator chose, in bits, is below what xz needs, above a trivial bound, and steady over seeds. */
static void entropy_of_builtin(void **state) {
    (void)state;
    double rates[3];
    for (int s = 0; s < 3; s++) {
        mhc__text text = {0};
        double bits = 0.0, start = mhc__clock_seconds();
        assert_int_equal(mhc__builtin_text(MHC__BUILTIN_SEED + (uint64_t)s, MHC__BUILTIN_BYTES, &text, &bits, NULL),
                         MHC_OK);
        double took = mhc__clock_seconds() - start;
        assert_true(text.length >= MHC__BUILTIN_BYTES && text.length < MHC__BUILTIN_BYTES + 4096);
        rates[s] = bits / (double)text.length;
        size_t bound = lzma_stream_buffer_bound(text.length), packed = 0;
        unsigned char *out = malloc(bound);
        if (s == 0) {
            assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_NONE, NULL, (const uint8_t *)text.data, text.length,
                                                     out, &packed, bound),
                             LZMA_OK);
            double xz = 8.0 * (double)packed / (double)text.length;
            print_message("entropy %.4f bits per byte, xz %.4f, %.3f s\n", rates[0], xz, took);
            assert_true(rates[0] < xz && rates[0] > 0.3 * xz);
        }
        free(out);
        mhc__text_free(&text);
    }
    assert_true(rates[1] / rates[0] > 0.99 && rates[1] / rates[0] < 1.01);
    assert_true(rates[2] / rates[0] > 0.99 && rates[2] / rates[0] < 1.01);
}

/* Brackets nest three deep and close before the full stop, words come back, numbers follow each other. */
static void structure_of_builtin(void **state) {
    (void)state;
    mhc__text text = {0};
    assert_int_equal(mhc__builtin_text(1, 200000, &text, NULL, NULL), MHC_OK);
    int depth = 0, deepest = 0, copies = 0, counts = 0;
    for (size_t i = 0; i < text.length; i++) {
        depth += (text.data[i] == '(') - (text.data[i] == ')');
        deepest = depth > deepest ? depth : deepest;
        assert_true(depth >= 0 && (depth == 0 || text.data[i] != '.'));
    }
    assert_int_equal(depth, 0);
    assert_int_equal(deepest, 3);
    for (const char *at = text.data; (at = strstr(at, "The word is ")); at++, copies++)
        assert_memory_equal(at + 12, at + 12 + 5 + strlen(", say it again: "), 5);
    for (const char *at = text.data; (at = strstr(at, " counts ")); counts++) {
        char *end;
        at += strlen(" counts ");
        long value = strtol(at, &end, 10);
        for (at = end; *at == ' '; at = end)
            assert_int_equal(strtol(at, &end, 10), ++value);
        assert_int_equal(*at, '.');
    }
    assert_true(copies > 100 && counts > 100);
    mhc__text_free(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(permutation_is_a_bijection),
                                       cmocka_unit_test(batches_depend_on_their_number),
                                       cmocka_unit_test(samples_stay_inside),
                                       cmocka_unit_test(increment),
                                       cmocka_unit_test(wrong_input),
                                       cmocka_unit_test(folders),
                                       cmocka_unit_test(packed_texts),
                                       cmocka_unit_test(own_held_out_text),
                                       cmocka_unit_test(packed_files),
                                       cmocka_unit_test(packed_with_another_tokenizer),
                                       cmocka_unit_test(packing_keeps_the_text),
                                       cmocka_unit_test(marks),
                                       cmocka_unit_test(entropy_of_builtin),
                                       cmocka_unit_test(structure_of_builtin)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
