/* All constraints on one model: the same function at the start, the same mass off the diagonal, each at its own rate.
 */
#include "study/constraints.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "study/text_model.h"

static const char *const OWN_FIELDS[] = {"connections", "rates", "sweep_steps", "off_diagonal", NULL};
static const char *const OWN_OPTIONS[][2] = {{"train.lr", "study.rates"},
                                             {"model.off_diagonal", "study.off_diagonal"},
                                             {"model.constraint", "study.connections"},
                                             {NULL, NULL}};

#define OF(name)                                                                                                       \
    {                                                                                                                  \
        name, name, "paper", {                                                                                         \
            "model.constraint=" name                                                                                   \
        }                                                                                                              \
    }
static const mhc__variant VARIANTS[] = {
    {"residual-wide", "residual, wider", "residual", {NULL}},
    OF("none"),
    OF("identity"),
    OF("exp"),
    OF("sinkhorn"),
    OF("permutations"),
    OF("circulant"),
    OF("row-stochastic"),
    OF("birkhoff"),
    OF("kronecker"),
    OF("spectral"),
    OF("rotation"),
    OF("orthogonal"),
    {.name = NULL},
};

static const char CONNECTIONS[] = "residual,residual-wide,identity,none,exp,row-stochastic,sinkhorn,birkhoff,"
                                  "permutations,circulant,kronecker,spectral,rotation,orthogonal";

static mhc_status read_number(const char *text, const char *name, double low, double high, double *value,
                              mhc_error *error) {
    char *end;
    *value = strtod(text, &end);
    if (end == text || *end || !(*value > low && *value < high))
        return mhc__fail(error, MHC_INVALID_ARGUMENT, "study.%s: expected a number between %g and %g, found \"%s\"",
                         name, low, high, text);
    return MHC_OK;
}

static mhc_status read_rates(mhc__constraints *study, mhc_error *error) {
    const char *list = mhc__study_setting(study->options, "rates", "3e-3,1e-2,3e-2");
    char piece[32];
    while (mhc__study_next_piece(&list, piece, sizeof piece)) {
        if (study->rate_count == MHC__CONSTRAINTS_RATES)
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "study.rates: more than %d", MHC__CONSTRAINTS_RATES);
        double *rate = &study->rates[study->rate_count];
        MHC__TRY(read_number(piece, "rates", 0, 10, rate, error));
        if (study->rate_count && rate[0] <= rate[-1])
            return mhc__fail(error, MHC_INVALID_ARGUMENT, "study.rates: expected rising numbers, found %g after %g",
                             rate[0], rate[-1]);
        study->rate_count++;
    }
    return MHC_OK;
}

static void choose_size(mhc__constraints *study) {
    mhc__config *config = &study->config;
    bool quick = study->options->size == MHC__SIZE_QUICK;
    *config = mhc__study_text_model();
    config->model.channels = 64;
    config->model.ffn = 256;
    config->model.sequence = 64;
    config->model.contract = MHC__CONTRACT_MEAN; /* the residual's own, for one stream */
    config->train.probe_every = 20;
    config->train.steps = quick ? 20 : MHC__CONSTRAINTS_STEPS;
    config->data.eval_share = 0.02f;
}

static int reference_of(const mhc__constraints *study) {
    int found = mhc__choice_find(study->choices, study->choice_count, "sinkhorn");
    for (int c = 0; found < 0 && c < study->choice_count; c++)
        if (!mhc__choice_is_residual(&study->choices[c]))
            found = c;
    return found;
}

static mhc_status read_options(mhc__constraints *study, mhc_error *error) {
    const mhc__study_options *options = study->options;
    double mass, steps;
    MHC__TRY(mhc__study_settings_check(options, OWN_FIELDS, error));
    MHC__TRY(mhc__study_choose(options, VARIANTS, CONNECTIONS, study->choices, &study->choice_count, error));
    MHC__TRY(mhc__study_seeds(options, &study->seeds, error));
    if (!options->seeds)
        study->seeds = study->options->size == MHC__SIZE_QUICK ? 3 : 5;
    MHC__TRY(read_rates(study, error));
    MHC__TRY(read_number(mhc__study_setting(options, "off_diagonal", "0.1"), "off_diagonal", 0, 1, &mass, error));
    study->off_diagonal = (float)mass;
    MHC__TRY(mhc__study_folders(options, "constraints", &study->folder, error));
    choose_size(study);
    const char *sweep = mhc__study_setting(options, "sweep_steps", NULL);
    if (sweep) {
        MHC__TRY(read_number(sweep, "sweep_steps", 0, 1e9, &steps, error));
        study->sweep_steps = steps < 1 ? 1 : (int)steps;
    }
    MHC__TRY(mhc__study_configure(options, 0.05, OWN_OPTIONS, &study->config, error));
    const int64_t all = study->config.train.steps;
    if (!sweep)
        study->sweep_steps = (int)(options->size == MHC__SIZE_QUICK ? mhc__min(10, all) : all);
    study->reference = reference_of(study);
    return mhc__study_needs_held_out(&study->config.data, error);
}

/* Makes arm the model of a choice, with what the choice's settings can't say. */
static mhc_status choose(const mhc__constraints *study, int choice, const mhc__config *config, uint64_t seed,
                         const char *prefix, mhc__arm *arm, mhc_error *error) {
    const mhc__choice *chosen = &study->choices[choice];
    MHC__TRY(mhc__arm_choose(arm, chosen, config, seed, study->folder.out, prefix, error));
    mhc__model_config *model = &arm->config.model;
    if (!strcmp(chosen->name, "residual-wide") && study->widened)
        model->ffn = study->widened;
    if (model->constraint && model->constraint != MHC_CONSTRAINT_IDENTITY + 1)
        model->off_diagonal = study->off_diagonal;
    return MHC_OK;
}

static mhc_status match(mhc__constraints *study, mhc_error *error) {
    int wide = mhc__choice_find(study->choices, study->choice_count, "residual-wide");
    if (wide < 0 || study->reference < 0)
        return MHC_OK;
    mhc__arm residual = {0}, like = {0};
    MHC__TRY(choose(study, wide, &study->config, 0, "", &residual, error));
    MHC__TRY(choose(study, study->reference, &study->config, 0, "", &like, error));
    return mhc__constraints_match(&residual.config, &like.config, &study->widened, error);
}

static mhc_status run_arm(const mhc__constraints *study, int choice, const char *what, mhc__arm *arm,
                          mhc_error *error) {
    MHC__TRY(mhc__study_stopped(study->options, error));
    snprintf(arm->label, sizeof arm->label, "%-15s %s", study->choices[choice].label, what);
    MHC__TRY(mhc__arm_run(arm, study->options, error));
    return mhc__arm_needs_held_out(arm, error);
}

static mhc_status sweep(mhc__constraints *study, int choice, mhc_error *error) {
    mhc__constraints_rates *swept = &study->swept[choice];
    for (int r = 0; r < study->rate_count; r++) {
        mhc__config config = study->config;
        char prefix[48], what[48];
        config.train.steps = study->sweep_steps;
        config.train.warmup = config.train.warmup * study->sweep_steps / study->config.train.steps;
        config.train.lr = (float)study->rates[r];
        snprintf(prefix, sizeof prefix, "rate-%g-", study->rates[r]);
        snprintf(what, sizeof what, "rate %g", study->rates[r]);
        mhc__arm arm = {0};
        mhc_status status = choose(study, choice, &config, study->options->seed, prefix, &arm, error);
        if (status == MHC_OK)
            status = run_arm(study, choice, what, &arm, error);
        swept->loss[r] = arm.not_finite_at < 0 ? arm.held_out.loss : NAN;
        study->sweep_seconds += arm.seconds;
        mhc__arm_free(&arm);
        MHC__TRY(status);
    }
    swept->best = mhc__constraints_best(swept->loss, study->rate_count);
    return MHC_OK;
}

/* Where no rate was finite the smallest is run: that it fails is the result. */
static mhc_status train(mhc__constraints *study, int choice, int seed, mhc_error *error) {
    mhc__config config = study->config;
    mhc__arm *arm = &study->arms[choice * study->seeds + seed];
    uint64_t number = study->options->seed + 1 + (uint64_t)seed;
    int best = study->swept[choice].best;
    char what[48];
    config.train.lr = (float)study->rates[best < 0 ? 0 : best];
    snprintf(what, sizeof what, "seed %llu", (unsigned long long)number);
    MHC__TRY(choose(study, choice, &config, number, "", arm, error));
    return run_arm(study, choice, what, arm, error);
}

static mhc_status compare_starts(mhc__constraints *study, mhc_error *error) {
    const mhc__arm *arms[MHC__STUDY_MAX_CHOICES];
    for (int c = 0; c < study->choice_count; c++)
        arms[c] = mhc__constraints_arm(study, c, 0);
    int against = study->reference < 0 ? 0 : study->reference;
    return mhc__starts_compare(arms[against], arms, study->choice_count, study->starts, error);
}

static mhc_status run_arms(mhc__constraints *study, mhc_error *error) {
    MHC__TRY(match(study, error));
    for (int choice = 0; choice < study->choice_count; choice++)
        MHC__TRY(sweep(study, choice, error));
    for (int seed = 0; seed < study->seeds; seed++)
        for (int choice = 0; choice < study->choice_count; choice++)
            MHC__TRY(train(study, choice, seed, error));
    for (int c = 0; c < study->choice_count; c++)
        MHC__TRY(mhc__constraints_cost_of(&mhc__constraints_arm(study, c, 0)->config, &study->costs[c], error));
    return compare_starts(study, error);
}

static mhc_status work(mhc__constraints *study, mhc_error *error) {
    MHC__TRY(read_options(study, error));
    MHC__TRY(mhc__arms_make(study->choice_count * study->seeds, &study->arms, error));
    MHC__TRY(run_arms(study, error));
    return mhc__constraints_report(study, error);
}

static mhc_status run(const mhc__study_options *options, mhc_error *error) {
    mhc__constraints *study = calloc(1, sizeof *study);
    if (!study)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "constraints: no memory");
    study->options = options;
    mhc_status status = work(study, error);
    mhc__arms_free(study->arms, study->choice_count * study->seeds);
    free(study);
    return status;
}

extern const mhc__study mhc__study_constraints;
const mhc__study mhc__study_constraints = {
    "constraints",
    "all constraints of H_res on one model: the same start, a rate for each, a control with as many parameters",
    "--quick a minute, else one to two hours",
    "own: a comparison that no publication makes",
    "Trains one small transformer (4 blocks, 64 channels, 4 streams) with each constraint of H_res, and the plain\n"
    "residual, as it is and with a feed-forward widened to as many parameters. All mixing matrices start with the\n"
    "same mass off the diagonal. The learning rate of each is the best of study.rates by held-out loss, in runs\n"
    "of the first seed; results are of the seeds after it, with intervals of Student's t over paired seeds and\n"
    "Holm's correction. Compares loss per token, per second and per FLOP, gains, log-volume and streams.\n"
    "\n"
    "  --data TEXT            the text (`mhc data get tinyshakespeare`); default: the built-in corpus\n"
    "  --quick                20 steps, 10 for each rate, 3 seeds\n"
    "  --steps N              1500\n"
    "  --seeds N              5, after the one of the rates\n"
    "  --seed N               42, that of the rates\n"
    "  --out DIR              runs/constraints\n"
    "  --set study.connections=A,B,…    residual, residual-wide, identity, none, exp, row-stochastic, sinkhorn,\n"
    "                         birkhoff, permutations, circulant, kronecker, spectral, rotation, orthogonal\n"
    "  --set study.rates=A,B,…          rising: 3e-3,1e-2,3e-2\n"
    "  --set study.sweep_steps=N        as many as --steps\n"
    "  --set study.off_diagonal=X       0.1, the mass at the start\n"
    "  --set FIELD=VALUE      any other field of `mhc config`, e.g. model.blocks=8\n"
    "\n"
    "A stopped or killed study goes on where it was when the same command is run again.\n"
    "Results: DIR/report/index.html, DIR/report/table.tsv and .md, DIR/report/rates.tsv.\n",
    run};
