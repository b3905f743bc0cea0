#include <math.h>

#include "study/intervene.h"

typedef mhc__intervene_result result;

static void say_cost(const result *r, mhc__text *text) {
    if (!isfinite(r->cost)) {
        mhc__text_format(text, "the loss is not finite");
        return;
    }
    mhc__text_format(text, "%.2g nats per token %s (standard error %.1g)", fabs(r->cost), r->cost < 0 ? "less" : "more",
                     r->error);
    if (!r->seen)
        mhc__text_format(text, ", which this text does not tell from none");
}

static bool costs(const result *r) {
    return !isfinite(r->cost) || (r->seen && r->cost > 0);
}

/* Does the model use its mixing at all, and does it matter that it is another one for each token? */
static void about_mixing(const mhc__intervene_model *model, mhc__html *html) {
    const result *identity = mhc__intervene_find(model, MHC__MAP_RES, MHC__BY_IDENTITY, 0),
                 *mean = mhc__intervene_find(model, MHC__MAP_RES, MHC__BY_MEAN, 0);
    mhc__text said = {0};
    if (!identity || !mean)
        return;
    mhc__text_format(&said, "**%s.** With H_res = I in all sites: ", model->label);
    say_cost(identity, &said);
    mhc__text_format(&said, "; with the token means: ");
    say_cost(mean, &said);
    if (!costs(identity))
        mhc__text_format(&said, ". This text shows no loss without its mixing.");
    else if (!costs(mean))
        mhc__text_format(&said, ". It uses its mixing; this text does not tell one matrix for each site from one for "
                                "each token.");
    else if (!isfinite(mean->cost) || !isfinite(identity->cost))
        mhc__text_format(&said, ". It uses its mixing, and what differs in it from token to token.");
    else
        mhc__text_format(&said,
                         ". It uses its mixing, and %s of what it loses without is lost with the means as well: what "
                         "differs from token to token.",
                         mean->cost > 0.5 * identity->cost ? "most" : "less than half");
    if (model->isometry)
        mhc__text_format(&said, " Means of rotations shrink differences: what the means cost is that as well.");
    mhc__html_item_text(html, &said);
}

/* A verdict takes three batches, like that of a cost. */
static void compare_halves(const result *early, const result *late, bool enough, mhc__text *said) {
    const bool early_ends = !isfinite(early->cost), late_ends = !isfinite(late->cost);
    if (early_ends != late_ends) {
        mhc__text_format(said, ". Only the %s half cannot do without its own.", early_ends ? "first" : "second");
        return;
    }
    if (early_ends) {
        mhc__text_format(said, ".");
        return;
    }
    const double apart = early->cost - late->cost, error = hypot(early->error, late->error);
    const bool first = apart > 0;
    if (!enough || !(fabs(apart) > 2 * error))
        mhc__text_format(said, ". This text does not tell the halves apart.");
    else if (costs(first ? early : late))
        mhc__text_format(said, ". The %s half needs its own more.", first ? "first" : "second");
    else
        mhc__text_format(said, ". The %s half loses less.", first ? "second" : "first");
}

static void about_halves(const mhc__intervene_model *model, mhc__html *html) {
    static const mhc__substitute kinds[] = {MHC__BY_IDENTITY, MHC__BY_UNIFORM};
    for (int k = 0; k < 2; k++) {
        const result *early = mhc__intervene_find(model, MHC__MAP_RES, kinds[k], 1),
                     *late = mhc__intervene_find(model, MHC__MAP_RES, kinds[k], 2);
        mhc__text said = {0};
        if (!early || !late)
            return;
        mhc__text_format(&said, "%s: H_res = %s in the first half of the sites: ", model->label,
                         mhc__substitute_name(kinds[k]));
        say_cost(early, &said);
        mhc__text_format(&said, "; in the second half: ");
        say_cost(late, &said);
        compare_halves(early, late, model->batches >= MHC__INTERVENE_BATCHES, &said);
        mhc__html_item_text(html, &said);
    }
}

static void about_gates(const mhc__intervene_model *model, mhc__html *html) {
    const result *pre = mhc__intervene_find(model, MHC__MAP_PRE, MHC__BY_MEAN, 0),
                 *post = mhc__intervene_find(model, MHC__MAP_POST, MHC__BY_MEAN, 0);
    mhc__text said = {0};
    if (!pre || !post)
        return;
    mhc__text_format(&said, "%s: with the token means of H_pre: ", model->label);
    say_cost(pre, &said);
    mhc__text_format(&said, "; of H_post: ");
    say_cost(post, &said);
    mhc__text_format(&said, ".");
    mhc__html_item_text(html, &said);
}

static void about_sites(const mhc__intervene_model *model, mhc__html *html) {
    const result *worst = NULL;
    for (int i = MHC__INTERVENE_HALVES; i < model->count; i++)
        if (model->results[i].seen && model->results[i].cost > 0 && (!worst || model->results[i].cost > worst->cost))
            worst = &model->results[i];
    mhc__text said = {0};
    if (!worst) {
        mhc__text_format(&said, "%s: no site alone loses anything that this text can tell.", model->label);
    } else {
        mhc__text_format(&said, "%s: the one site that loses most by itself is number %d of %d, with H_res = %s: ",
                         model->label, worst->first + 1, model->sites, mhc__substitute_name(worst->by));
        say_cost(worst, &said);
        mhc__text_format(&said, ".");
    }
    mhc__html_item_text(html, &said);
}

void mhc__intervene_findings(const mhc__intervene_model *model, mhc__html *html) {
    if (model->failed) {
        mhc__html_item(html, "**%s was not finite in training**: nothing was measured.", model->label);
        return;
    }
    about_mixing(model, html);
    about_halves(model, html);
    about_gates(model, html);
    about_sites(model, html);
}
