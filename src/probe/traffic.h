/* Bytes that the parts of a training step have to move: every operand of an operation read once, every result written
 * once, as if caches kept nothing from one operation to the next and everything within one. What a step costs beyond
 * its arithmetic, and what fusing saves. Definitions: docs/metrics.md. */
#ifndef MHC_PROBE_TRAFFIC_H
#define MHC_PROBE_TRAFFIC_H

#include "model/model.h"

typedef enum mhc__traffic_part {
    MHC__TRAFFIC_FORWARD_CONNECTIONS, /* pre, seams, the last merge, expansion and contraction */
    MHC__TRAFFIC_FORWARD_LAYERS,      /* norms, products, attention, activation */
    MHC__TRAFFIC_BACKWARD_CONNECTIONS,
    MHC__TRAFFIC_BACKWARD_LAYERS,
    MHC__TRAFFIC_HEAD, /* embedding, final norm, logits and loss, both ways */
    MHC__TRAFFIC_UPDATE,
    MHC__TRAFFIC_PARTS
} mhc__traffic_part;

/* Of a transformer and a micro-batch of `tokens`; a bag has none: all 0. Without recomputation. */
void mhc__traffic_of(const mhc__model *model, int64_t tokens, double bytes[MHC__TRAFFIC_PARTS]);

#endif
