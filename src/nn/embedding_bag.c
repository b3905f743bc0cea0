#include "nn/embedding_bag.h"

#include "base/compiler.h"
#include "base/threads.h"

#define COLUMNS 32 /* channels that one thread takes at a time in backward: it alone adds to them */

MHC__CLONES static void mean_of_rows(int64_t sequence, int64_t channels, const int32_t *ids, const float *token,
                                     float *y) {
    for (int64_t c = 0; c < channels; c++)
        y[c] = 0.0f;
    for (int64_t s = 0; s < sequence; s++) {
        const float *row = token + ids[s] * channels;
        for (int64_t c = 0; c < channels; c++)
            y[c] += row[c];
    }
    for (int64_t c = 0; c < channels; c++)
        y[c] /= (float)sequence;
}

MHC__CLONES static void add_columns(int64_t rows, int64_t sequence, int64_t channels, int64_t first, int64_t width,
                                    const int32_t *ids, const float *dy, float *dtoken) {
    for (int64_t b = 0; b < rows; b++) {
        float share[COLUMNS];
        for (int64_t c = 0; c < width; c++)
            share[c] = dy[b * channels + first + c] / (float)sequence;
        for (int64_t s = 0; s < sequence; s++) {
            float *row = dtoken + ids[b * sequence + s] * channels + first;
            for (int64_t c = 0; c < width; c++)
                row[c] += share[c];
        }
    }
}

void mhc__embedding_bag_forward(int threads, int64_t rows, int64_t sequence, int64_t channels, const int32_t *ids,
                                const float *token, float *y) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t b = 0; b < rows; b++)
        mean_of_rows(sequence, channels, ids + b * sequence, token, y + b * channels);
}

void mhc__embedding_bag_backward(int threads, int64_t rows, int64_t sequence, int64_t channels, const int32_t *ids,
                                 const float *dy, float *dtoken) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t block = 0; block < mhc__blocks(channels, COLUMNS); block++)
        add_columns(rows, sequence, channels, block * COLUMNS, mhc__min(COLUMNS, channels - block * COLUMNS), ids, dy,
                    dtoken);
}
