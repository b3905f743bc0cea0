#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "study/ablation.h"

double mhc__ablation_published(const char *choice) {
    static const struct {
        const char *name;
        double less_fixed;
    } rows[] = {{"residual", 0.0}, {"hc-res", -0.022}, {"hc-res-pre", -0.025}, {"hc", -0.027}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!strcmp(rows[i].name, choice))
            return rows[i].less_fixed;
    return NAN;
}

mhc__ablation_difference mhc__ablation_between(const mhc__ablation *study, int a, int b) {
    mhc__ablation_difference found = {.mean = NAN, .error = NAN, .seen = MHC__TOO_FEW_SEEDS};
    double values[MHC__STUDY_MAX_SEEDS];
    if (a < 0 || b < 0)
        return found;
    found.there = true;
    for (int s = 0; s < study->seeds; s++) {
        values[s] = mhc__ablation_arm(study, a, s)->held_out.loss - mhc__ablation_arm(study, b, s)->held_out.loss;
        found.there &= isfinite(values[s]) && mhc__ablation_arm(study, a, s)->not_finite_at < 0 &&
                       mhc__ablation_arm(study, b, s)->not_finite_at < 0;
    }
    if (found.there)
        found.seen = mhc__significance_of(values, study->seeds, &found.mean, &found.error);
    return found;
}

static mhc__ablation_family gather(const mhc__ablation *study, const char *const names[4]) {
    int rows[4], fixed = mhc__choice_find(study->choices, study->choice_count, "residual");
    for (int i = 0; i < 4; i++)
        rows[i] = mhc__choice_find(study->choices, study->choice_count, names[i]);
    return (mhc__ablation_family){
        .res = mhc__ablation_between(study, rows[0], fixed),
        .pre = mhc__ablation_between(study, rows[1], rows[0]),
        .post = mhc__ablation_between(study, rows[2], rows[1]),
        .all = mhc__ablation_between(study, rows[2], fixed),
        .without_res = mhc__ablation_between(study, rows[3], fixed),
        .of_res = mhc__ablation_between(study, rows[2], rows[3]),
    };
}

mhc__ablation_evidence mhc__ablation_gather(const mhc__ablation *study) {
    static const char *const HC[4] = {"hc-res", "hc-res-pre", "hc", "hc-pre-post"};
    static const char *const MHC[4] = {"paper-res", "paper-res-pre", "paper", "paper-pre-post"};
    return (mhc__ablation_evidence){.seeds = study->seeds, .hc = gather(study, HC), .mhc = gather(study, MHC)};
}

static void measure(mhc__finding *finding, const char *what, const mhc__ablation_difference *d) {
    if (d->there)
        mhc__measured(finding, "%s: %+.2g ± %.1g", what, d->mean, d->error);
}

/* Says why where the difference can't be judged. */
static bool undecided(const mhc__ablation_difference *d, mhc__finding *finding) {
    if (!d->there)
        mhc__ruled(finding, MHC__NOT_DECIDED, "One of the two models was not run, or was not finite.");
    else if (d->seen == MHC__TOO_FEW_SEEDS)
        mhc__ruled(finding, MHC__NOT_DECIDED, "It takes three seeds or more.");
    return !d->there || d->seen == MHC__TOO_FEW_SEEDS;
}

static void lowers(const mhc__ablation_difference *d, const char *what, mhc__finding *finding) {
    measure(finding, what, d);
    if (undecided(d, finding))
        return;
    if (d->seen == MHC__NOT_SEEN)
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "No difference is seen over the seeds.");
    else if (d->mean < 0)
        mhc__ruled(finding, MHC__REPRODUCED, "Lower for every seed.");
    else
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "The loss is higher, for every seed.");
}

static void res_lowers(const void *data, mhc__finding *finding) {
    const mhc__ablation_evidence *e = data;
    lowers(&e->hc.res, "H_res learned, less all fixed", finding);
}

static void pre_lowers(const void *data, mhc__finding *finding) {
    const mhc__ablation_evidence *e = data;
    lowers(&e->hc.pre, "H_res and H_pre learned, less H_res alone", finding);
}

static void post_lowers(const void *data, mhc__finding *finding) {
    const mhc__ablation_evidence *e = data;
    lowers(&e->hc.post, "all three learned, less H_res and H_pre", finding);
}

/* The table shows a share of the gain that H_res has by itself, not what is lost without it. */
static void res_matters_most(const void *data, mhc__finding *finding) {
    const mhc__ablation_family *f = &((const mhc__ablation_evidence *)data)->hc;
    measure(finding, "all three learned, less all fixed", &f->all);
    measure(finding, "H_res alone", &f->res);
    measure(finding, "H_pre and H_post with H_res = I", &f->without_res);
    measure(finding, "all three, less H_res = I", &f->of_res);
    if (undecided(&f->all, finding) || undecided(&f->res, finding) || undecided(&f->of_res, finding))
        return;
    bool gains = f->all.seen == MHC__SEEN && f->all.mean < 0,
         needed = f->of_res.seen == MHC__SEEN && f->of_res.mean < 0;
    double share = f->res.mean / f->all.mean;
    if (!gains)
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "There is no gain to share out: all three learned are not better.");
    else if (share <= 0.5)
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "H_res alone has %.0f %% of the gain.", 100 * share);
    else if (needed)
        mhc__ruled(finding, MHC__REPRODUCED, "It has %.0f %% of the gain by itself, and without it the loss is higher.",
                   100 * share);
    else
        mhc__ruled(finding, MHC__OTHER_REASON,
                   "It has %.0f %% of the gain by itself, but H_pre and H_post with H_res = I, the row that the table "
                   "lacks, lose nothing against all three.",
                   100 * share);
}

static void identity_is_better(const void *data, mhc__finding *finding) {
    const mhc__ablation_difference *d = &((const mhc__ablation_evidence *)data)->mhc.of_res;
    measure(finding, "mHC, less mHC with H_res = I", d);
    if (undecided(d, finding))
        return;
    if (d->seen == MHC__NOT_SEEN)
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "No difference is seen over the seeds.");
    else if (d->mean > 0)
        mhc__ruled(finding, MHC__REPRODUCED, "mHC's loss is higher, for every seed.");
    else
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "mHC's loss is lower, for every seed.");
}

#define TABLE_1 "arXiv 2512.24880, table 1 (HC; model and steps are not given)"
#define SEEN                                                                                                           \
    "the mean difference of held-out losses over the seeds is below 0, of one sign in all and more than twice its "    \
    "standard error."

const mhc__claim mhc__ablation_claims[MHC__ABLATION_CLAIMS] = {
    {.id = "table-1-res",
     .text = "Learning H_res alone, with H_pre and H_post fixed, lowers the loss.",
     .source = TABLE_1,
     .published = "−0.022",
     .rule = "Reproduced where " SEEN,
     .decide = res_lowers},
    {.id = "table-1-pre",
     .text = "Learning H_pre as well lowers it further.",
     .source = TABLE_1,
     .published = "−0.003 (−0.025 after −0.022)",
     .rule = "Reproduced where " SEEN,
     .decide = pre_lowers},
    {.id = "table-1-post",
     .text = "Learning H_post as well lowers it further.",
     .source = TABLE_1,
     .published = "−0.002 (−0.027 after −0.025)",
     .rule = "Reproduced where " SEEN,
     .decide = post_lowers},
    {.id = "table-1-most",
     .text = "Of the three maps H_res gives the most.",
     .source = TABLE_1,
     .published = "−0.022 of −0.027",
     .rule = "Not reproduced where all three learned have no gain, or H_res alone half of it or less. Else reproduced "
             "where all three are better than H_pre and H_post with H_res = I, and true for another reason where they "
             "are not.",
     .decide = res_matters_most},
    {.id = "identity-hc",
     .text = "mHC with H_res = I is better than mHC.",
     .source = "an article on Zhihu, translated at tylerromero.com (Qwen3 1.7B and 8B, 150B tokens)",
     .published = NULL,
     .rule = "Reproduced where mHC's held-out loss is higher: of one sign in all seeds, and more than twice the "
             "standard error.",
     .decide = identity_is_better},
};
