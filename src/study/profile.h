/* One pass through a model, looked at site by site: how large the streams are, and how large the gradient that comes
 * back through them. Measured on one fixed batch before training and again after it. */
#ifndef MHC_STUDY_PROFILE_H
#define MHC_STUDY_PROFILE_H

#include <stdint.h>

#include "model/model.h"
#include "probe/gains.h"
#include "train/config.h"
#include "train/source.h"

/* Arrays have points = sites + 1 values: the streams entering each site, then those before contraction. */
typedef struct mhc__profile {
    int points;
    double *norm;         /* ||x||_2 of a token, mean over tokens; of several streams their root mean square */
    double *norm_of_mean; /* of the mean stream */
    double *gradient;     /* sqrt(mean over tokens of ||dL/dX_t||^2), all streams together */
    double loss;
    mhc__gains gains;
    /* The coefficients of all sites (NaN for residual): how far res is from the identity and from 1/n in its largest
     * entry, and the range of post and of the sum of pre (NaN in files of before it was written). */
    double res_from_identity, res_from_uniform, post_min, post_max, pre_sum_min, pre_sum_max;
} mhc__profile;

/* Forward and backward of batch number 0 of source as `train` would run it: its batch, seed, precision and threads, in
 * training mode (so that backward is possible; dropout as configured, masks of step 0). The model's gradients are zero
 * afterwards. A pass that is not finite is no error: its values are NaN. */
mhc_status mhc__profile_measure(mhc__model *model, const mhc__source *source, const mhc__train_config *train,
                                mhc__profile *profile, mhc_error *error);
void mhc__profile_free(mhc__profile *profile);

/* JSON. An absent file is MHC_IO. */
mhc_status mhc__profile_save(const char *path, const mhc__profile *profile, mhc_error *error);
mhc_status mhc__profile_load(const char *path, mhc__profile *profile, mhc_error *error);

#endif
