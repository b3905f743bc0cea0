#include "probe/site_parameters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One site for each block, or two. */
static bool wraps_blocks(const mhc__model *model) {
    return mhc__model_sites(model) == mhc__model_configuration(model)->blocks;
}

mhc__tensor_role mhc__tensor_place(const mhc__model *model, const mhc__parameter *parameter, int *site) {
    static const char BLOCKS[] = "blocks.";
    *site = -1;
    if (strncmp(parameter->name, BLOCKS, sizeof BLOCKS - 1) != 0)
        return MHC__TENSOR_ELSEWHERE;
    char *rest;
    int block = (int)strtol(parameter->name + sizeof BLOCKS - 1, &rest, 10);
    *site = wraps_blocks(model) ? block : 2 * block + (strncmp(rest, ".ffn.", 5) == 0);
    return strstr(rest, ".hc.") ? MHC__TENSOR_CONNECTION : MHC__TENSOR_LAYER;
}

static const mhc__parameter *tensor_of(const mhc__model *model, int site, const char *tensor) {
    char name[64];
    if (wraps_blocks(model))
        snprintf(name, sizeof name, "blocks.%d.hc.%s", site, tensor);
    else
        snprintf(name, sizeof name, "blocks.%d.%s.hc.%s", site / 2, site % 2 ? "ffn" : "attn", tensor);
    return mhc__model_parameter_find(model, name);
}

const mhc__parameter *mhc__site_base(const mhc__model *model, int site) {
    return tensor_of(model, site, "base");
}

void mhc__site_tensors(const mhc__model *model, int site, const mhc__parameter *tensors[3]) {
    static const char *const names[3] = {"fn", "base", "scale"};
    for (int i = 0; i < 3; i++)
        tensors[i] = tensor_of(model, site, names[i]);
}

void mhc__base_parts(const mhc__model *model, int64_t *pre, int64_t *post) {
    const mhc_spec *spec = mhc__model_spec(model);
    *pre = mhc_gate_logits(&spec->pre, spec->streams);
    *post = mhc_gate_logits(&spec->post, spec->streams);
}
