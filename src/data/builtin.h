/* A generated text that looks like language, so that everything runs with no download. What a model can learn from it
 * is in docs/data.md: spelling and word order, agreement of number, brackets that nest and close, counting, copying of
 * names, things and made-up words.
 *
 * Every choice of the generator is uniform over a known number of outcomes, and different choices give different text.
 * So the sum of log2(outcomes) is the exact information content: no model can do better on average than *bits / bytes
 * bits per byte. */
#ifndef MHC_DATA_BUILTIN_H
#define MHC_DATA_BUILTIN_H

#include <stdint.h>

#include "base/text.h"

#define MHC__BUILTIN_BYTES 2000000
#define MHC__BUILTIN_SEED  2512

/* At least `bytes` bytes, ending with a whole paragraph. bits may be NULL. */
mhc_status mhc__builtin_text(uint64_t seed, int64_t bytes, mhc__text *text, double *bits, mhc_error *error);

#endif
