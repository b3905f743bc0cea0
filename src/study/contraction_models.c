/* Models: one batch through each, with the weights it starts from and with those it was trained to. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "mhc/context.h"
#include "probe/gradient_flow.h"
#include "probe/look.h"
#include "probe/state.h"
#include "probe/transport.h"
#include "study/contraction.h"

static void look_free(mhc__contraction_look *look) {
    mhc__contraction_free(&look->maps);
    mhc__release(look->kept);
    mhc__release(look->share);
    mhc__release(look->difference);
    mhc__release(look->gradient);
    mhc__release(look->of_mean);
    mhc__release(look->rest);
    *look = (mhc__contraction_look){0};
}

static mhc_status look_allocate(int points, mhc__contraction_look *look, mhc_error *error) {
    const char *what = "what is seen of a model";
    *look = (mhc__contraction_look){.points = points};
    MHC__TRY(MHC__ALLOCATE(look->kept, points, what, error));
    MHC__TRY(MHC__ALLOCATE(look->share, points, what, error));
    MHC__TRY(MHC__ALLOCATE(look->difference, points, what, error));
    MHC__TRY(MHC__ALLOCATE(look->gradient, points, what, error));
    MHC__TRY(MHC__ALLOCATE(look->of_mean, points, what, error));
    return MHC__ALLOCATE(look->rest, points, what, error);
}

/* Streams start as copies: the first differences are those that site 0 wrote. */
static mhc_status look_at_transport(mhc__model *model, const mhc__mixing *mixing, int threads,
                                    mhc__contraction_look *look, mhc_error *error) {
    mhc__transport transport;
    MHC__TRY(mhc__transport_measure(model, mixing, 1, threads, &transport, error));
    look->kept[0] = look->share[0] = NAN;
    for (int p = 0; p < transport.points; p++) {
        look->kept[p + 1] = transport.kept[p].mean;
        look->share[p + 1] = transport.share[p];
    }
    mhc__transport_free(&transport);
    return MHC_OK;
}

static mhc_status look_at_states(mhc__model *model, int threads, mhc__contraction_look *look, mhc_error *error) {
    mhc__states states;
    MHC__TRY(mhc__states_measure(model, threads, 0, &states, error));
    for (int p = 0; p < look->points; p++)
        look->difference[p] = mhc__state_at(&states, p, MHC__STATE_DIFFERENCE_SHARE);
    look->spread = mhc__states_spread(&states);
    look->cosine = mhc__state_at(&states, look->points - 1, MHC__STATE_COSINE);
    mhc__states_free(&states);
    return MHC_OK;
}

static mhc_status look_at_pass(mhc__model *model, int threads, mhc__contraction_look *look, mhc_error *error) {
    const mhc__mixing_options options = {threads, 0, true};
    mhc__mixing mixing;
    MHC__TRY(mhc__mixing_of_model(model, &options, &mixing, error));
    mhc_status status = mhc__contraction_of(&mixing, &look->maps, error);
    if (status == MHC_OK)
        status = look_at_transport(model, &mixing, threads, look, error);
    if (status == MHC_OK)
        status = look_at_states(model, threads, look, error);
    mhc__mixing_free(&mixing);
    return status;
}

/* Forward and backward, then all measurements. */
static mhc_status look_at(mhc__model *model, const mhc__pass *pass, int threads, mhc__contraction_look *look,
                          mhc_error *error) {
    mhc_context context = mhc_context_cpu(threads);
    mhc__gradient_flow flow;
    MHC__TRY(look_allocate(mhc__model_sites(model) + 1, look, error));
    MHC__TRY(mhc__gradient_flow_start(&flow, model, context.threads, error));
    mhc__model_zero_gradients(model, &context);
    mhc_status status = mhc__model_forward(model, &context, pass, &look->loss, error);
    if (status == MHC_OK)
        status = mhc__model_backward(model, &context, pass, error);
    for (int p = 0; status == MHC_OK && p < look->points; p++) {
        look->gradient[p] = flow.norm[p];
        look->of_mean[p] = flow.of_mean[p];
        look->rest[p] = flow.of_differences[p];
    }
    mhc__gradient_flow_stop(&flow);
    return status == MHC_OK ? look_at_pass(model, context.threads, look, error) : status;
}

/* ---- subjects ---- */

/* With the weights of the start, drawn again from the seed, and with those of the checkpoint. */
static mhc_status look_at_subject(const mhc__contraction_study *study, mhc__subject *subject, mhc_error *error) {
    mhc__look look;
    mhc__model *fresh = NULL;
    const char *text = subject->arm ? NULL : study->options->data;
    MHC__TRY(mhc__look_open(subject->folder, text, &look, error));
    const mhc__config *config = &look.trained.config;
    subject->step = look.trained.state.step;
    mhc_status status = mhc__model_create(&config->model, config->train.seed, &fresh, error);
    if (status == MHC_OK)
        status = look_at(fresh, &look.pass, study->options->threads, &subject->before, error);
    if (fresh)
        mhc__model_destroy(fresh);
    if (status == MHC_OK && subject->finite)
        status = look_at(look.trained.model, &look.pass, study->options->threads, &subject->after, error);
    mhc__look_close(&look);
    return status == MHC_OK ? MHC_OK : mhc__fail_in(error, status, "%s", subject->folder);
}

static mhc_status train(mhc__contraction_study *study, int c, mhc_error *error) {
    mhc__arm *arm = &study->arms[c];
    const mhc__choice *choice = &study->choices[c];
    MHC__TRY(mhc__study_stopped(study->options, error));
    MHC__TRY(mhc__arm_choose(arm, choice, &study->config, study->options->seed, study->folder.out, "", error));
    snprintf(arm->label, sizeof arm->label, "%-14s", choice->label);
    MHC__TRY(mhc__arm_run(arm, study->options, error));
    study->seconds += arm->seconds;
    mhc__subject *subject = &study->subjects[study->subject_count++];
    *subject = (mhc__subject){.style = choice->style, .arm = arm, .finite = arm->not_finite_at < 0};
    snprintf(subject->name, sizeof subject->name, "%s", choice->name);
    snprintf(subject->label, sizeof subject->label, "%s", choice->label);
    snprintf(subject->folder, sizeof subject->folder, "%s", arm->folder);
    return MHC_OK;
}

/* In place of models of our own. */
static mhc_status take_checkpoint(mhc__contraction_study *study, const char *path, mhc_error *error) {
    mhc__subject *subject = &study->subjects[study->subject_count++];
    *subject = (mhc__subject){.style = 3, .finite = true};
    if (!*path || strlen(path) >= sizeof subject->folder)
        return mhc__fail(error, MHC_INVALID_ARGUMENT,
                         "study.checkpoint: expected the folder of a run or of a checkpoint, in less than %zu bytes",
                         sizeof subject->folder);
    snprintf(subject->name, sizeof subject->name, "checkpoint");
    snprintf(subject->label, sizeof subject->label, "checkpoint");
    snprintf(subject->folder, sizeof subject->folder, "%s", path);
    return MHC_OK;
}

mhc_status mhc__contraction_models(mhc__contraction_study *study, mhc_error *error) {
    const char *checkpoint = mhc__study_setting(study->options, "checkpoint", NULL);
    if (checkpoint)
        MHC__TRY(take_checkpoint(study, checkpoint, error));
    for (int c = 0; c < study->choice_count; c++)
        MHC__TRY(train(study, c, error));
    for (int i = 0; i < study->subject_count; i++) {
        MHC__TRY(mhc__study_stopped(study->options, error));
        MHC__TRY(look_at_subject(study, &study->subjects[i], error));
    }
    return MHC_OK;
}

void mhc__contraction_models_free(mhc__contraction_study *study) {
    for (int i = 0; i < study->subject_count; i++) {
        look_free(&study->subjects[i].before);
        look_free(&study->subjects[i].after);
    }
    mhc__arms_free(study->arms, study->choice_count);
}
