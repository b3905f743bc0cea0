/* What gradient-flow keeps of every layer at every step, in layers.jsonl, and its evaluations, in evaluations.jsonl. */
#ifndef MHC_STUDY_LAYER_LOG_H
#define MHC_STUDY_LAYER_LOG_H

#include "data/questions.h"
#include "study/arm.h"

/* Of the pass of a step, before its update. Raw: the parameters; else what their maps make of them. */
typedef enum mhc__layer_value {
    MHC__LAYER_GRADIENT, /* Frobenius norm of the gradient of the weight of the layer's linear */
    MHC__LAYER_RES_RAW,  /* Frobenius norms; NaN where the connection has no such matrix, as all that follow */
    MHC__LAYER_RES,
    MHC__LAYER_RES_RAW_MIN, /* entries */
    MHC__LAYER_RES_RAW_MAX,
    MHC__LAYER_PRE_RAW,
    MHC__LAYER_PRE,
    MHC__LAYER_POST_RAW,
    MHC__LAYER_POST,
    MHC__LAYER_VALUES
} mhc__layer_value;

typedef struct mhc__evaluation {
    int64_t steps;               /* done before it */
    double loss, accuracy;       /* of the dev questions */
    double yes;                  /* share of them that the model answers with yes */
    double moved_min, moved_max; /* over layers: ||W - W at the start|| / ||W at the start|| of the linear */
} mhc__evaluation;

typedef struct mhc__layer_log {
    int layers;
    int64_t count, capacity;
    float *values; /* [count, MHC__LAYER_VALUES, layers] */
    mhc__evaluation *evaluations;
    int evaluation_count;
    const mhc__arm *arm;
    mhc__questions *questions; /* for evaluations; the caller's */
    int64_t every;             /* steps between them; there is one at the end */
    FILE *layers_file, *evaluations_file;
    char *layers_path, *evaluations_path;
} mhc__layer_log;

/* As the arm's watch; the log outlives the arm's run. */
mhc__arm_watch mhc__layer_log_watch(mhc__layer_log *log);
/* After the run, before another: closes the files, keeps the values. */
void mhc__layer_log_close(mhc__layer_log *log);
void mhc__layer_log_free(mhc__layer_log *log);

static inline double mhc__layer_at(const mhc__layer_log *log, int64_t step, mhc__layer_value which, int layer) {
    return (double)log->values[(step * MHC__LAYER_VALUES + (int64_t)which) * log->layers + layer];
}

#endif
