/* What takes the place of a model's coefficients in an evaluation: overrides for mhc__model_override_coefficients. */
#ifndef MHC_PROBE_INTERVENTION_H
#define MHC_PROBE_INTERVENTION_H

#include "model/model.h"

/* Of each site, over the tokens that passed: sums of the coefficients. */
typedef struct mhc__coefficient_means {
    int sites, streams;
    double *sums;  /* [sites, n (n + 2)] */
    int64_t *rows; /* [sites] */
} mhc__coefficient_means;

/* MHC_INVALID_ARGUMENT for a model without coefficients. */
mhc_status mhc__coefficient_means_open(const mhc__model *model, mhc__coefficient_means *means, mhc_error *error);
void mhc__coefficient_means_close(mhc__coefficient_means *means);
/* An override that changes nothing; self: mhc__coefficient_means. */
void mhc__coefficient_means_add(void *self, int site, int64_t rows, float *coefficients);

typedef enum mhc__map { MHC__MAP_PRE, MHC__MAP_POST, MHC__MAP_RES, MHC__MAPS } mhc__map;
typedef enum mhc__substitute {
    MHC__BY_IDENTITY, /* of res: I */
    MHC__BY_UNIFORM,  /* of res: 1/n everywhere */
    MHC__BY_MEAN,     /* the mean over tokens; of rotations no rotation, but a contraction */
    MHC__SUBSTITUTES
} mhc__substitute;
const char *mhc__map_name(mhc__map map);                      /* "H_pre", "H_post", "H_res" */
const char *mhc__substitute_name(mhc__substitute substitute); /* "I", "1/n", "token mean" */

/* One map of the sites first..end-1. */
typedef struct mhc__intervention {
    mhc__map map;
    mhc__substitute by; /* of pre and post: MHC__BY_MEAN alone */
    int first, end;
    const mhc__coefficient_means *means;
} mhc__intervention;

/* The override; self: mhc__intervention. */
void mhc__intervention_act(void *self, int site, int64_t rows, float *coefficients);

#endif
