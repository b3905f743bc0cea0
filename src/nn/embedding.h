/* Token and learned position embeddings: y_t = token[id_t] + position[t mod sequence] (position may be NULL). */
#ifndef MHC_NN_EMBEDDING_H
#define MHC_NN_EMBEDDING_H

#include <stdint.h>

void mhc__embedding_forward(int threads, int64_t tokens, int64_t sequence, int64_t channels, const int32_t *ids,
                            const float *token, const float *position, float *y);
/* dtoken and dposition (may be NULL) added to, in a fixed order whatever the thread count. scratch:
 * mhc__embedding_scratch int64s. */
int64_t mhc__embedding_scratch(int64_t tokens, int64_t vocabulary);
void mhc__embedding_backward(int threads, int64_t tokens, int64_t sequence, int64_t channels, int64_t vocabulary,
                             const int32_t *ids, const float *dy, float *dtoken, float *dposition, int64_t *scratch);

#endif
