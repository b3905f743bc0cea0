#include "data/questions.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "base/philox.h"
#include "base/text.h"
#include "data/permutation.h"
#include "file/atomic.h"

typedef struct part {
    const mhc__questions *owner;
    int64_t count, yes;
    int32_t *rows; /* [count, sequence + 1] */
} part;

struct mhc__questions {
    int sequence;
    uint64_t seed;
    char **words; /* sorted, each once */
    int64_t word_count;
    part parts[2];
};

/* One file as it was read: questions in lower case, and their answers. */
typedef struct reading {
    char **question;
    bool *answer;
    int64_t count, capacity;
} reading;

static void free_texts(char **texts, int64_t count) {
    for (int64_t i = 0; texts && i < count; i++)
        free(texts[i]);
    free(texts);
}

static void reading_free(reading *r) {
    free_texts(r->question, r->count);
    free(r->answer);
    *r = (reading){0};
}

static mhc_status append(reading *r, const char *question, bool answer, mhc_error *error) {
    if (r->count == r->capacity) {
        int64_t capacity = r->capacity ? 2 * r->capacity : 1024;
        char **texts = realloc(r->question, (size_t)capacity * sizeof *texts);
        r->question = texts ? texts : r->question;
        bool *answers = realloc(r->answer, (size_t)capacity * sizeof *answers);
        r->answer = answers ? answers : r->answer;
        if (!texts || !answers)
            return mhc__fail(error, MHC_OUT_OF_MEMORY, "questions: no memory for %" PRId64 " of them", capacity);
        r->capacity = capacity;
    }
    char *copy = strdup(question);
    if (!copy)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "questions: no memory");
    for (char *c = copy; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    r->question[r->count] = copy;
    r->answer[r->count++] = answer;
    return MHC_OK;
}

static mhc_status read_line(reading *r, const char *path, int64_t number, const char *line, size_t length,
                            mhc_error *error) {
    json_error_t why;
    json_t *object = json_loadb(line, length, 0, &why);
    json_t *question = json_object_get(object, "question"), *answer = json_object_get(object, "answer");
    mhc_status status;
    if (!json_is_string(question) || !json_is_boolean(answer))
        status = mhc__fail(error, MHC_INVALID_ARGUMENT,
                           "%s:%" PRId64 ": expected a JSON object with \"question\" (text) and \"answer\" (true or "
                           "false), found something else",
                           path, number);
    else
        status = append(r, json_string_value(question), json_is_true(answer), error);
    json_decref(object);
    return status;
}

/* One object a line; empty lines are nothing. */
static mhc_status read_jsonl(const char *path, reading *r, mhc_error *error) {
    char *bytes;
    size_t size;
    MHC__TRY(mhc__read_file(path, &bytes, &size, error));
    mhc_status status = MHC_OK;
    int64_t number = 1;
    for (const char *line = bytes, *end = bytes + size; status == MHC_OK && line < end; number++) {
        const char *feed = memchr(line, '\n', (size_t)(end - line));
        size_t length = (size_t)((feed ? feed : end) - line);
        if (length > 0)
            status = read_line(r, path, number, line, length, error);
        line = feed ? feed + 1 : end;
    }
    free(bytes);
    if (status == MHC_OK && r->count == 0)
        status = mhc__fail(error, MHC_INVALID_ARGUMENT, "%s: there are no questions in it", path);
    return status;
}

/* ---- generated questions ---- */

enum { BUILTIN_TRAIN = 9427, BUILTIN_DEV = 3270, BUILTIN_WORDS = 9236, BUILTIN_LENGTH = 8 };
#define BUILTIN_YES 0.623f /* of BoolQ's training questions */

/* Rare words are many, as in a language: the number of a word is the square of a uniform number. */
static mhc_status generate(uint64_t place, int64_t count, reading *r, mhc_error *error) {
    for (int64_t q = 0; q < count; q++) {
        mhc__text text = {0};
        for (int w = 0; w < BUILTIN_LENGTH; w++) {
            mhc__philox bits = mhc__philox_at(place, (uint64_t)(q * BUILTIN_LENGTH + w), mhc__philox_place(0xB001u, 0));
            float u = mhc__uniform(bits.v[0]);
            mhc__text_format(&text, "%sw%d", w ? " " : "", (int)(u * u * BUILTIN_WORDS));
        }
        bool yes = mhc__uniform(mhc__philox_at(place, (uint64_t)q, mhc__philox_place(0xB001u, 1)).v[0]) < BUILTIN_YES;
        mhc_status status = text.failed ? mhc__fail(error, MHC_OUT_OF_MEMORY, "questions: no memory")
                                        : append(r, text.data, yes, error);
        mhc__text_free(&text);
        MHC__TRY(status);
    }
    return MHC_OK;
}

/* ---- words and rows ---- */

static const char SPACES[] = " \t\n\v\f\r";

/* The next word of *text, NULL at the end; its length into *length. */
static const char *next_word(const char **text, size_t *length) {
    const char *word = *text + strspn(*text, SPACES);
    *length = strcspn(word, SPACES);
    *text = word + *length;
    return *length ? word : NULL;
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static mhc_status collect_words(mhc__questions *questions, const reading *r, mhc_error *error) {
    int64_t all = 0, kept = 0;
    size_t length;
    for (int64_t q = 0; q < r->count; q++)
        for (const char *text = r->question[q]; next_word(&text, &length);)
            all++;
    char **words = calloc((size_t)(all ? all : 1), sizeof *words);
    bool failed = !words;
    all = 0;
    for (int64_t q = 0; !failed && q < r->count; q++)
        for (const char *text = r->question[q], *word; !failed && (word = next_word(&text, &length));) {
            words[all] = strndup(word, length);
            failed = !words[all];
            all += !failed;
        }
    if (failed) {
        free_texts(words, all);
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "questions: no memory for their words");
    }
    qsort(words, (size_t)all, sizeof *words, by_bytes);
    for (int64_t i = 0; i < all; i++) {
        if (kept && !strcmp(words[kept - 1], words[i]))
            free(words[i]);
        else
            words[kept++] = words[i];
    }
    questions->words = words;
    questions->word_count = kept;
    return MHC_OK;
}

static int32_t id_of(const mhc__questions *questions, const char *word, size_t length) {
    int64_t low = 0, high = questions->word_count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        const char *there = questions->words[middle];
        int order = strncmp(there, word, length);
        if (order == 0 && there[length])
            order = 1;
        if (order == 0)
            return (int32_t)(middle + 1);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}

static mhc_status encode(mhc__questions *questions, const reading *r, part *to, mhc_error *error) {
    const int64_t width = questions->sequence + 1;
    MHC__TRY(MHC__ALLOCATE(to->rows, r->count * width, "the rows of the questions", error));
    to->owner = questions;
    to->count = r->count;
    for (int64_t q = 0; q < r->count; q++) {
        int32_t *row = to->rows + q * width;
        const char *text = r->question[q], *word;
        size_t length;
        for (int i = 0; i < questions->sequence && (word = next_word(&text, &length)); i++)
            row[i] = id_of(questions, word, length);
        row[width - 1] = r->answer[q];
        to->yes += r->answer[q];
    }
    return MHC_OK;
}

/* ---- sources ---- */

static void fill_row(const part *p, int64_t question, int32_t *row) {
    const int64_t width = p->owner->sequence + 1;
    if (question >= 0) {
        memcpy(row, p->rows + question * width, (size_t)width * sizeof *row);
        return;
    }
    memset(row, 0, (size_t)width * sizeof *row);
    row[width - 1] = -1;
}

static mhc_status fill(const part *p, bool shuffled, int64_t index, int batch, int sequence, int32_t *tokens,
                       mhc_error *error) {
    if (sequence != p->owner->sequence)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "questions: opened for rows of %d words, asked for %d",
                         p->owner->sequence, sequence);
    int64_t batches = (p->count + batch - 1) / batch, epoch = index / batches, first = index % batches * batch;
    for (int r = 0; r < batch; r++) {
        int64_t place = first + r;
        if (place >= p->count)
            place = -1;
        else if (shuffled)
            place = (int64_t)mhc__permute(p->owner->seed, (uint64_t)epoch, (uint64_t)p->count, (uint64_t)place);
        fill_row(p, place, tokens + (int64_t)r * (sequence + 1));
    }
    return MHC_OK;
}

static mhc_status fill_train(void *self, int64_t index, int batch, int sequence, int32_t *tokens, mhc_error *error) {
    return fill(self, true, index, batch, sequence, tokens, error);
}

static mhc_status fill_dev(void *self, int64_t index, int batch, int sequence, int32_t *tokens, mhc_error *error) {
    return fill(self, false, index, batch, sequence, tokens, error);
}

mhc__source mhc__questions_train(mhc__questions *questions) {
    return (mhc__source){&questions->parts[MHC__QUESTIONS_TRAIN], fill_train};
}

mhc__source mhc__questions_dev(mhc__questions *questions) {
    part *dev = &questions->parts[MHC__QUESTIONS_DEV];
    return (mhc__source){dev, dev->count ? fill_dev : NULL};
}

/* ---- opening ---- */

static bool is_folder(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* FOLDER/NAME, if it is there or has to be. */
static mhc_status read_from_folder(const char *folder, const char *name, bool needed, reading *r, mhc_error *error) {
    bool there = true;
    char *path = mhc__format("%s/%s", folder, name);
    mhc_status status =
        path ? mhc__path_exists(path, &there, error) : mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", folder);
    if (status == MHC_OK && (needed || there))
        status = read_jsonl(path, r, error);
    free(path);
    return status;
}

static mhc_status read_parts(const mhc__data_config *config, reading *train, reading *dev, mhc_error *error) {
    if (!strcmp(config->path, "questions")) {
        MHC__TRY(generate(MHC__QUESTIONS_TRAIN, BUILTIN_TRAIN, train, error));
        return generate(MHC__QUESTIONS_DEV, BUILTIN_DEV, dev, error);
    }
    const bool folder = is_folder(config->path);
    MHC__TRY(folder ? read_from_folder(config->path, "train.jsonl", true, train, error)
                    : read_jsonl(config->path, train, error));
    if (config->eval_path[0])
        return read_jsonl(config->eval_path, dev, error);
    return folder ? read_from_folder(config->path, "dev.jsonl", false, dev, error) : MHC_OK;
}

mhc_status mhc__questions_open(const mhc__data_config *config, int sequence, uint64_t seed, mhc__questions **out,
                               mhc_error *error) {
    *out = NULL;
    if (sequence < 1)
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "questions: %d words in a row, expected at least 1", sequence);
    mhc__questions *questions = calloc(1, sizeof *questions);
    if (!questions)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "questions: no memory");
    questions->sequence = sequence;
    questions->seed = seed;
    reading train = {0}, dev = {0};
    mhc_status status = read_parts(config, &train, &dev, error);
    if (status == MHC_OK)
        status = collect_words(questions, &train, error);
    if (status == MHC_OK)
        status = encode(questions, &train, &questions->parts[MHC__QUESTIONS_TRAIN], error);
    if (status == MHC_OK && dev.count)
        status = encode(questions, &dev, &questions->parts[MHC__QUESTIONS_DEV], error);
    reading_free(&train);
    reading_free(&dev);
    if (status == MHC_OK)
        *out = questions;
    else
        mhc__questions_close(questions);
    return status;
}

void mhc__questions_close(mhc__questions *questions) {
    if (!questions)
        return;
    for (int p = 0; p < 2; p++)
        mhc__release(questions->parts[p].rows);
    free_texts(questions->words, questions->word_count);
    free(questions);
}

int mhc__questions_vocabulary(const mhc__questions *questions) {
    return (int)questions->word_count + 1;
}

int64_t mhc__questions_count(const mhc__questions *questions, mhc__questions_part p) {
    return questions->parts[p].count;
}

int64_t mhc__questions_yes(const mhc__questions *questions, mhc__questions_part p) {
    return questions->parts[p].yes;
}

int64_t mhc__questions_batches(const mhc__questions *questions, mhc__questions_part p, int batch) {
    return (questions->parts[p].count + batch - 1) / batch;
}
