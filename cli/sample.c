#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/philox.h"
#include "command.h"
#include "mhc/context.h"
#include "run_folder.h"
#include "stop.h"

typedef struct sampling {
    mhc__trained trained;
    int32_t *tokens; /* prompt and what was written */
    int64_t count;
    float *logits;   /* [V] */
    float *sorted;   /* [V]: scratch of the top-k threshold */
    double *weights; /* [V]: scratch of the choice */
    double temperature;
    int64_t top_k;
    uint64_t seed;
} sampling;

static int descending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* A token by softmax(logits / temperature) among the top k. Its random number depends on seed and position alone.
 * choices: ids that the tokenizer knows; a model may have more. */
static int32_t choose(sampling *s, int choices, uint64_t position) {
    float best = s->logits[0], least = -INFINITY;
    int32_t likeliest = 0;
    for (int32_t v = 1; v < choices; v++)
        if (s->logits[v] > best) {
            best = s->logits[v];
            likeliest = v;
        }
    if (s->temperature <= 0.0)
        return likeliest;
    if (s->top_k > 0 && s->top_k < choices) {
        memcpy(s->sorted, s->logits, (size_t)choices * sizeof *s->sorted);
        qsort(s->sorted, (size_t)choices, sizeof *s->sorted, descending);
        least = s->sorted[s->top_k - 1];
    }
    double total = 0.0;
    for (int32_t v = 0; v < choices; v++) {
        double logit = s->logits[v] >= least ? ((double)s->logits[v] - (double)best) / s->temperature : -INFINITY;
        s->weights[v] = exp(logit);
        total += s->weights[v];
    }
    mhc__philox bits = mhc__philox_at(s->seed, position, mhc__philox_place(0x5A3B1E, 0));
    double target = ((double)bits.v[0] * 0x1p-32 + (double)bits.v[1] * 0x1p-64) * total;
    for (int32_t v = 0; v < choices; v++) {
        target -= s->weights[v];
        if (target < 0.0 && s->weights[v] > 0.0)
            return v;
    }
    return likeliest;
}

static mhc_status encode_prompt(sampling *s, const char *prompt, int64_t more, mhc_error *error) {
    int32_t *ids = NULL;
    int64_t count = 0;
    mhc_status status = mhc__tokenizer_encode(s->trained.tokenizer, prompt, strlen(prompt), false, &ids, &count, error);
    if (status != MHC_OK)
        return mhc__fail_in(error, status, "--prompt");
    status = MHC__ALLOCATE(s->tokens, count + more + 1, "tokens", error);
    if (status == MHC_OK && count)
        memcpy(s->tokens, ids, (size_t)count * sizeof *ids);
    s->count = count;
    free(ids);
    return status;
}

/* Without a prompt the text starts after a line feed, or, where the vocabulary has none, after its first token. */
static mhc_status start(sampling *s, const char *prompt, int64_t more, mhc_error *error) {
    if (prompt && *prompt)
        return encode_prompt(s, prompt, more, error);
    if (encode_prompt(s, "\n", more, NULL) == MHC_OK && s->count > 0)
        return MHC_OK;
    mhc__release(s->tokens);
    MHC__TRY(MHC__ALLOCATE(s->tokens, more + 2, "tokens", error));
    s->count = 1;
    return MHC_OK;
}

static mhc_status put(const sampling *s, const int32_t *ids, int64_t count, mhc_error *error) {
    mhc__text text = {0};
    mhc_status status = mhc__tokenizer_decode(s->trained.tokenizer, ids, count, &text, error);
    if (status == MHC_OK && text.failed)
        status = mhc__fail(error, MHC_OUT_OF_MEMORY, "no memory for the text");
    if (status == MHC_OK) {
        fwrite(text.data, 1, text.length, stdout);
        fflush(stdout);
    }
    mhc__text_free(&text);
    return status;
}

static bool all_finite(const float *x, int count) {
    for (int i = 0; i < count; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

static mhc_status write_text(sampling *s, int64_t more, int threads, mhc_error *error) {
    mhc_context context = mhc_context_cpu(threads);
    int window = s->trained.config.model.sequence;
    int choices = mhc__tokenizer_vocabulary(s->trained.tokenizer);
    mhc__stop_on_signals();
    /* When nobody reads any more, main knows what to do with the failed stdout. */
    for (int64_t i = 0; i < more && !ferror(stdout); i++) {
        if (mhc__stop_asked()) {
            putchar('\n');
            return mhc__fail(error, MHC_INTERRUPTED, "stopped after %lld of %lld tokens", (long long)i,
                             (long long)more);
        }
        int length = s->count < window ? (int)s->count : window;
        MHC__TRY(mhc__model_logits(s->trained.model, &context, s->trained.config.train.precision,
                                   s->tokens + s->count - length, length, s->logits, error));
        if (!all_finite(s->logits, choices))
            return mhc__fail(error, MHC_NOT_FINITE, "%s: the model's outputs are not finite", s->trained.checkpoint);
        s->tokens[s->count] = choose(s, choices, (uint64_t)i);
        MHC__TRY(put(s, &s->tokens[s->count++], 1, error));
    }
    return MHC_OK;
}

static mhc_status sample(const mhc__arguments *arguments, sampling *s, mhc_error *error) {
    const char *prompt = mhc__option_text(arguments, "prompt");
    int64_t more = mhc__option_integer(arguments, "tokens", 256);
    s->temperature = mhc__option_number(arguments, "temperature", 0.8);
    s->top_k = mhc__option_integer(arguments, "top-k", 0);
    s->seed = (uint64_t)mhc__option_integer(arguments, "seed", 42);
    MHC__TRY(mhc__trained_open(mhc__operand(arguments, 0), &s->trained, error));
    int vocabulary = s->trained.config.model.vocabulary;
    MHC__TRY(MHC__ALLOCATE(s->logits, vocabulary, "logits", error));
    MHC__TRY(MHC__ALLOCATE(s->sorted, vocabulary, "logits", error));
    MHC__TRY(MHC__ALLOCATE(s->weights, vocabulary, "weights", error));
    MHC__TRY(start(s, prompt, more, error));
    if (prompt)
        MHC__TRY(put(s, s->tokens, s->count, error));
    MHC__TRY(write_text(s, more, (int)mhc__option_integer(arguments, "threads", 0), error));
    putchar('\n');
    return MHC_OK;
}

int mhc__command_sample(const mhc__arguments *arguments) {
    sampling s = {0};
    mhc_error error = {0};
    mhc_status status = sample(arguments, &s, &error);
    mhc__release(s.tokens);
    mhc__release(s.logits);
    mhc__release(s.sorted);
    mhc__release(s.weights);
    mhc__trained_close(&s.trained);
    return status == MHC_OK ? MHC__EXIT_FINE : mhc__failed(&error);
}
