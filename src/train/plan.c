#include "train/plan.h"

#include "mhc/context.h"

mhc_status mhc__train_plan(const mhc__model_config *model, const mhc__train_config *train, bool evaluates,
                           mhc__train_memory *memory, mhc_error *error) {
    mhc__model_memory parts;
    MHC__TRY(mhc__train_config_check(train, error));
    MHC__TRY(mhc__model_plan(model, train->batch, mhc_context_cpu(train->threads).threads, mhc__train_recompute(train),
                             &parts, error));
    if (!evaluates || train->eval_every == 0)
        parts.evaluation = 0;
    *memory = (mhc__train_memory){
        .model = parts,
        .optimizer = 2 * parts.weights,
        .batch = train->batch * ((int64_t)model->sequence + 1) * (int64_t)sizeof(int32_t),
    };
    memory->total = parts.weights + parts.gradients + parts.streams + parts.activations + parts.backward +
                    parts.workspace + parts.evaluation + memory->optimizer + memory->batch;
    return MHC_OK;
}
