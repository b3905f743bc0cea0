/* The mean of the embeddings of a row's tokens: y_b = (1 / sequence) sum_s token[ids[b, s]]. A padding token counts
 * like any other. */
#ifndef MHC_NN_EMBEDDING_BAG_H
#define MHC_NN_EMBEDDING_BAG_H

#include <stdint.h>

/* ids [rows, sequence], token [V, channels], y [rows, channels]. */
void mhc__embedding_bag_forward(int threads, int64_t rows, int64_t sequence, int64_t channels, const int32_t *ids,
                                const float *token, float *y);
/* dtoken added to, in the order of the ids whatever the thread count. */
void mhc__embedding_bag_backward(int threads, int64_t rows, int64_t sequence, int64_t channels, const int32_t *ids,
                                 const float *dy, float *dtoken);

#endif
