/* Whether the streams of a pass all carry the same, and why: n of them are one then, and no experiment on mixing means
 * anything. */
#ifndef MHC_PROBE_COPIES_H
#define MHC_PROBE_COPIES_H

#include "base/text.h"
#include "model/model.h"

/* Streams are copies where their spread (docs/metrics.md) is at most this: rounding, not signal. */
#define MHC__COPIES_SPREAD 1e-5

typedef enum mhc__copies { MHC__NO_COPIES, MHC__COPIES_FOR_NOW, MHC__COPIES_FOR_GOOD } mhc__copies;

/* After a training forward whose streams have this spread. NO_COPIES for a model of one stream, or whose streams
 * differ. Else appends one sentence to text that says so, names the cause, found in the coefficients of the pass, and
 * whether training can set the streams apart; FOR_GOOD where it can't. tokens: how many are looked at; 0: all. */
mhc__copies mhc__copies_explain(const mhc__model *model, double spread, int64_t tokens, mhc__text *text);

#endif
