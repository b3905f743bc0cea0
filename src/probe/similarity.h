/* How alike streams are as representations of the tokens, whatever turns one into the other: linear centred kernel
 * alignment (Kornblith et al., ICML 2019). Definitions: docs/metrics.md. */
#ifndef MHC_PROBE_SIMILARITY_H
#define MHC_PROBE_SIMILARITY_H

#include "probe/mixing.h"

/* Of more tokens this many are looked at: the alignment compares each with each. */
enum { MHC__SIMILARITY_TOKENS = 256 };

typedef struct mhc__similarity {
    int points;          /* sites + 1 */
    int64_t tokens;      /* looked at */
    double *of_streams;  /* [points]: mean over pairs of streams; NaN with one */
    double *from_before; /* [points]: mean stream with that one point before; NaN at the first */
} mhc__similarity;

/* After a training forward. NaN where a stream is the same for all tokens, or not finite. */
mhc_status mhc__similarity_measure(mhc__model *model, const mhc__mixing_options *options, mhc__similarity *similarity,
                                   mhc_error *error);
void mhc__similarity_free(mhc__similarity *similarity);

/* Of x [tokens, channels]: gram [tokens, tokens] = centred x times its transpose; x is centred in place. */
void mhc__centred_gram(int threads, int64_t tokens, int64_t channels, double *x, double *gram);
/* <a, b> / (|a| |b|) of two centred Gram matrices: their alignment, 0 to 1. */
double mhc__alignment(int64_t tokens, const double *a, const double *b);

#endif
