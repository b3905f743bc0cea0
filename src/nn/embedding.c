#include "nn/embedding.h"

#include <stddef.h>

#include "base/compiler.h"
#include "base/threads.h"

#define ROWS 64

MHC__CLONES static void add_rows(int64_t channels, const float *a, const float *b, float *y) {
#pragma omp simd
    for (int64_t c = 0; c < channels; c++)
        y[c] = a[c] + b[c];
}

void mhc__embedding_forward(int threads, int64_t tokens, int64_t sequence, int64_t channels, const int32_t *ids,
                            const float *token, const float *position, float *y) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < mhc__blocks(tokens, ROWS); block++)
        for (int64_t t = block * ROWS; t < mhc__min(tokens, (block + 1) * ROWS); t++) {
            const float *row = token + ids[t] * channels;
            if (position)
                add_rows(channels, row, position + t % sequence * channels, y + t * channels);
            else
                for (int64_t c = 0; c < channels; c++)
                    y[t * channels + c] = row[c];
        }
}

int64_t mhc__embedding_scratch(int64_t tokens, int64_t vocabulary) {
    return tokens + vocabulary + 1;
}

/* Tokens in order of their id, and in order of position within one id (counting sort): start[v]..start[v+1] are those
 * of id v. A row of the gradient then has one owner, which adds in a fixed order. */
static void bucket(int64_t tokens, int64_t vocabulary, const int32_t *ids, int64_t *start, int64_t *order) {
    for (int64_t v = 0; v <= vocabulary; v++)
        start[v] = 0;
    for (int64_t t = 0; t < tokens; t++)
        start[ids[t]]++;
    int64_t end = 0;
    for (int64_t v = 0; v <= vocabulary; v++)
        start[v] = end += start[v];
    /* Going down, each end moves to its start. */
    for (int64_t t = tokens - 1; t >= 0; t--)
        order[--start[ids[t]]] = t;
}

void mhc__embedding_backward(int threads, int64_t tokens, int64_t sequence, int64_t channels, int64_t vocabulary,
                             const int32_t *ids, const float *dy, float *dtoken, float *dposition, int64_t *scratch) {
    int64_t *start = scratch, *order = scratch + vocabulary + 1;
    bucket(tokens, vocabulary, ids, start, order);
#pragma omp parallel for num_threads(threads) schedule(dynamic, 16)
    for (int64_t v = 0; v < vocabulary; v++)
        for (int64_t i = start[v]; i < start[v + 1]; i++)
            add_rows(channels, dtoken + v * channels, dy + order[i] * channels, dtoken + v * channels);
    if (!dposition)
        return;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t s = 0; s < mhc__min(sequence, tokens); s++)
        for (int64_t t = s; t < tokens; t += sequence)
            add_rows(channels, dposition + s * channels, dy + t * channels, dposition + s * channels);
}
