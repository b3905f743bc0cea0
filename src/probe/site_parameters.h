/* Which named tensors belong to which site. Names: docs/tensors.md. */
#ifndef MHC_PROBE_SITE_PARAMETERS_H
#define MHC_PROBE_SITE_PARAMETERS_H

#include "model/model.h"

typedef enum mhc__tensor_role { MHC__TENSOR_ELSEWHERE, MHC__TENSOR_LAYER, MHC__TENSOR_CONNECTION } mhc__tensor_role;

/* The site around which the tensor lies, into *site, and whether it is of the site's layer or of its connection.
 * ELSEWHERE, and -1: embeddings, the final norm, the head. */
mhc__tensor_role mhc__tensor_place(const mhc__model *model, const mhc__parameter *parameter, int *site);

/* hc.base of a site: its logits in their order, pre, post, res. NULL for a residual model. */
const mhc__parameter *mhc__site_base(const mhc__model *model, int site);
/* hc.fn, hc.base and hc.scale of a site, NULL where it has none. */
void mhc__site_tensors(const mhc__model *model, int site, const mhc__parameter *tensors[3]);
/* How many of them belong to pre and to post; the rest is of res. */
void mhc__base_parts(const mhc__model *model, int64_t *pre, int64_t *post);

#endif
