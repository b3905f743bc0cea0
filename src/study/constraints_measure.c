/* What the constraints study counts and sums up. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/spread.h"
#include "study/constraints.h"
#include "study/summary.h"

int mhc__constraints_best(const double *losses, int count) {
    int best = -1;
    for (int i = 0; i < count; i++)
        if (isfinite(losses[i]) && (best < 0 || losses[i] < losses[best]))
            best = i;
    return best;
}

static mhc_status parameters_of(const mhc__model_config *config, int64_t *count, mhc_error *error) {
    mhc__model *model = NULL;
    mhc__model_config known = *config;
    if (!known.vocabulary)
        known.vocabulary = 256;
    MHC__TRY(mhc__model_create(&known, 0, &model, error));
    *count = mhc__model_parameters_total(model);
    mhc__model_destroy(model);
    return MHC_OK;
}

/* The same model with the plain residual. */
static mhc__model_config plain(const mhc__model_config *config) {
    mhc__model_config model = *config, none = mhc__model_config_default();
    snprintf(model.connection, sizeof model.connection, "residual");
    model.streams = 1;
    model.constraint = none.constraint;
    model.off_diagonal = none.off_diagonal;
    model.static_mapping = none.static_mapping;
    return model;
}

/* Forward: 2 FLOP for each weight that multiplies a token, causal attention, and for each site n C products each of
 * H_pre, H_post and n of H_res. Norms and what turns logits into H_res are left out. */
mhc_status mhc__constraints_cost_of(const mhc__config *config, mhc__constraints_cost *cost, mhc_error *error) {
    const mhc__model_config *model = &config->model;
    mhc__model_config residual = plain(model);
    int64_t layers;
    MHC__TRY(parameters_of(model, &cost->parameters, error));
    MHC__TRY(parameters_of(&residual, &layers, error));
    double width = model->channels, streams = model->streams, vocabulary = model->vocabulary ? model->vocabulary : 256;
    double looked_up = (model->position == MHC__POSITION_LEARNED ? model->sequence * width : 0) +
                       (model->tied ? 0 : vocabulary * width);
    double forward = 2 * ((double)layers - looked_up) + 2.0 * model->blocks * model->sequence * width;
    double mixing = strcmp(model->connection, "residual") ? 2 * streams * width * (2 + streams) : 0;
    cost->layers = 3 * forward;
    cost->connection = 3 * (2 * (double)(cost->parameters - layers) + mhc__model_config_sites(model) * mixing);
    return MHC_OK;
}

mhc_status mhc__constraints_match(const mhc__config *residual, const mhc__config *like, int *width, mhc_error *error) {
    mhc__model_config model = residual->model;
    int64_t wanted, at, next;
    int start = model.ffn ? model.ffn : 4 * model.channels;
    MHC__TRY(parameters_of(&like->model, &wanted, error));
    model.ffn = start;
    MHC__TRY(parameters_of(&model, &at, error));
    model.ffn = start + 1;
    MHC__TRY(parameters_of(&model, &next, error));
    int64_t each = next - at, more = wanted - at;
    *width = start + (int)(more > 0 ? (more + each / 2) / each : 0);
    return MHC_OK;
}

void mhc__constraints_against(const mhc__constraints *study, int base, mhc__paired *results) {
    double differences[MHC__STUDY_MAX_SEEDS];
    for (int c = 0; c < study->choice_count; c++) {
        for (int s = 0; s < study->seeds; s++)
            differences[s] = base < 0 || base == c ? NAN
                                                   : mhc__arm_held_out(mhc__constraints_arm(study, c, s)) -
                                                         mhc__arm_held_out(mhc__constraints_arm(study, base, s));
        results[c] = mhc__paired_of(differences, study->seeds);
    }
    mhc__paired_holm(results, study->choice_count);
}

double mhc__constraints_step_seconds(const mhc__constraints *study, int choice) {
    int64_t count = 0, room = 0;
    for (int s = 0; s < study->seeds; s++)
        room += mhc__constraints_arm(study, choice, s)->series.count;
    double *seconds = calloc((size_t)room + 1, sizeof *seconds), median = NAN;
    if (!seconds)
        return NAN;
    for (int s = 0; s < study->seeds; s++) {
        const mhc__series *series = &mhc__constraints_arm(study, choice, s)->series;
        for (int64_t i = 0; i < series->count; i++)
            if (isfinite(series->at[i].seconds))
                seconds[count++] = series->at[i].seconds;
    }
    if (count)
        median = mhc__spread_of(seconds, (int)count).median;
    free(seconds);
    return median;
}

double mhc__constraints_loss_at(const mhc__constraints *study, int choice, double share) {
    int64_t steps = study->config.train.steps, window = steps / 10 > 0 ? steps / 10 : 1;
    if (!(share > 0))
        return NAN;
    int64_t end = (int64_t)(fmin(share, 1) * (double)steps + 0.5);
    double sum = 0;
    if (end < window)
        return NAN;
    for (int s = 0; s < study->seeds; s++) {
        const mhc__series *series = &mhc__constraints_arm(study, choice, s)->series;
        for (int64_t i = end - window; i < end; i++)
            sum += i < series->count ? series->at[i].loss : NAN;
    }
    return sum / (double)(window * study->seeds);
}

double mhc__constraints_number(const mhc__constraints *study, int choice, const char *name) {
    int number = -1;
    for (int i = 0; i < MHC__STUDY_NUMBERS; i++)
        if (!strcmp(mhc__study_number_name(i), name))
            number = i;
    double sum = number < 0 ? NAN : 0;
    for (int s = 0; number >= 0 && s < study->seeds; s++) {
        const mhc__series *series = &mhc__constraints_arm(study, choice, s)->series;
        int64_t last = series->count - 1;
        while (last >= 0 && !series->at[last].probed)
            last--;
        sum += last >= 0 ? series->at[last].numbers[number] : NAN;
    }
    return sum / study->seeds;
}
