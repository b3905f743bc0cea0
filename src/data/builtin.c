#include "data/builtin.h"

#include <math.h>

#include "base/philox.h"

static const char *const NAMES[] = {"Ada",   "Boris", "Clara", "David", "Elena", "Felix", "Greta",  "Hugo",
                                    "Irene", "Jonas", "Karin", "Liam",  "Marta", "Nils",  "Olga",   "Pavel",
                                    "Quinn", "Rosa",  "Simon", "Tilda", "Ugo",   "Vera",  "Walter", "Xenia",
                                    "Yusuf", "Zoe",   "Anton", "Bella", "Cyrus", "Diana", "Emil",   "Frida"};
static const char *const THINGS[] = {"lamp",   "book",  "stone", "apple", "map",   "rope",  "coin",  "drum",
                                     "basket", "chair", "kite",  "horn",  "wheel", "glove", "spoon", "bell"};
static const char *const ANIMALS[] = {"cat", "dog", "bird", "horse", "frog", "bear", "crow", "goat"};
static const char *const QUALITIES[] = {"small", "red", "old", "quiet", "heavy", "bright", "strange", "young"};
/* What one does, what several do: the verb agrees with the number. */
static const char *const VERBS[][2] = {{"runs", "run"},   {"sleeps", "sleep"}, {"sings", "sing"}, {"waits", "wait"},
                                       {"falls", "fall"}, {"jumps", "jump"},   {"hides", "hide"}, {"shines", "shine"}};
static const char *const SAYINGS[] = {"says", "thinks", "knows", "hopes"};

#define COUNT(list) ((uint32_t)(sizeof(list) / sizeof(list)[0]))

typedef struct writer {
    uint64_t seed, drawn;
    double bits;
    mhc__text *text;
} writer;

/* Uniform in 0..outcomes-1; the 64-bit product leaves a bias below 2^-32. */
static uint32_t choose(writer *w, uint32_t outcomes) {
    mhc__philox r = mhc__philox_at(w->seed, w->drawn++, mhc__philox_place(0x7E47u, 0));
    w->bits += log2((double)outcomes);
    return (uint32_t)((uint64_t)r.v[0] * outcomes >> 32);
}

static void write_clause(writer *w) {
    uint32_t several = choose(w, 2);
    const char *quality = QUALITIES[choose(w, COUNT(QUALITIES))], *animal = ANIMALS[choose(w, COUNT(ANIMALS))];
    const char *verb = VERBS[choose(w, COUNT(VERBS))][several];
    if (several)
        mhc__text_format(w->text, "the %s %ss %s", quality, animal, verb);
    else
        mhc__text_format(w->text, "one %s %s %s", quality, animal, verb);
}

/* NAME says (NAME thinks (the old cats run)): each level opens a bracket that has to be closed. */
static void write_nested(writer *w, const char *const who[2], int depth) {
    mhc__text_format(w->text, "%s %s (", who[choose(w, 2)], SAYINGS[choose(w, COUNT(SAYINGS))]);
    if (depth < 3 && choose(w, 2))
        write_nested(w, who, depth + 1);
    else
        write_clause(w);
    mhc__text_append(w->text, ")", 1);
}

/* The last sentence follows from the first. */
static void write_gift(writer *w, const char *const who[2]) {
    uint32_t giver = choose(w, 2);
    const char *thing = THINGS[choose(w, COUNT(THINGS))];
    mhc__text_format(w->text, "%s gives the %s to %s. Now %s has the %s", who[giver], thing, who[1 - giver],
                     who[1 - giver], thing);
}

static void write_count(writer *w, const char *const who[2]) {
    uint32_t start = choose(w, 90), length = 3 + choose(w, 4);
    mhc__text_format(w->text, "%s counts", who[choose(w, 2)]);
    for (uint32_t i = 0; i < length; i++)
        mhc__text_format(w->text, " %u", start + i);
}

static void write_word(writer *w) {
    char word[6] = {0};
    for (int i = 0; i < 5; i++)
        word[i] = (char)('a' + choose(w, 26));
    mhc__text_format(w->text, "The word is %s, say it again: %s", word, word);
}

static void write_sentence(writer *w, const char *const who[2]) {
    switch (choose(w, 4)) {
    case 0:
        write_nested(w, who, 1);
        break;
    case 1:
        write_gift(w, who);
        break;
    case 2:
        write_count(w, who);
        break;
    default:
        write_word(w);
        break;
    }
    mhc__text_append(w->text, ". ", 2);
}

mhc_status mhc__builtin_text(uint64_t seed, int64_t bytes, mhc__text *text, double *bits, mhc_error *error) {
    writer w = {.seed = seed, .text = text};
    while (!text->failed && (int64_t)text->length < bytes) {
        uint32_t first = choose(&w, COUNT(NAMES)), other = choose(&w, COUNT(NAMES) - 1);
        const char *const who[2] = {NAMES[first], NAMES[other < first ? other : other + 1]};
        mhc__text_format(text, "%s meets %s. ", who[0], who[1]);
        for (uint32_t sentences = 3 + choose(&w, 6); sentences > 0; sentences--)
            write_sentence(&w, who);
        mhc__text_append(text, "\n", 1);
    }
    if (bits)
        *bits = w.bits;
    return text->failed ? mhc__fail(error, MHC_OUT_OF_MEMORY, "built-in text: no memory") : MHC_OK;
}
