/* Cross-entropy of few classes, in double. loss.h is for vocabularies, whose logits never exist at once. */
#ifndef MHC_NN_CROSS_ENTROPY_H
#define MHC_NN_CROSS_ENTROPY_H

#include <stdint.h>

/* Mean over the rows whose target is not negative, in nats; 0 without any. d_logits (written, may be NULL, may be
 * logits) is the gradient of scale * loss. logits [rows, classes]. */
double mhc__cross_entropy(int64_t rows, int64_t classes, const float *logits, const int32_t *targets, float scale,
                          float *d_logits);

#endif
