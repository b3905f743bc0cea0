#include <math.h>
#include <string.h>

#include "file/atomic.h"
#include "mhc/constraint.h"
#include "study/ablation.h"
#include "study/page.h"

static const char QUESTION[] =
    "Hyper-connections read a layer's input from several streams (H_pre), write its output to them (H_post) and mix "
    "them (H_res). The paper fixes these maps one by one, for HC, and finds that a learned H_res lowers the loss the "
    "most. Its table has no row in which H_pre and H_post are learned and H_res is the identity. What does that row "
    "say, and what does the table say of mHC?";

static void difference_cell(const mhc__ablation_difference *d, int seeds, mhc__table *table) {
    if (!d->there)
        mhc__table_cell(table, "–");
    else if (seeds > 1)
        mhc__table_cell(table, "%+.4f ± %.4f", d->mean, d->error);
    else
        mhc__table_cell(table, "%+.4f", d->mean);
}

static void row(const mhc__ablation *study, int c, mhc__table *table) {
    static const char *const seen[] = {"too few seeds", "no", "yes"};
    const mhc__arm *arms = mhc__ablation_arm(study, c, 0);
    const mhc__model_config *model = &arms->config.model;
    bool residual = mhc__choice_is_residual(&study->choices[c]);
    int fixed = mhc__choice_find(study->choices, study->choice_count, "residual");
    mhc__ablation_difference d = mhc__ablation_between(study, c, fixed);
    double published = mhc__ablation_published(study->choices[c].name);
    bool identity = residual || model->constraint == MHC_CONSTRAINT_IDENTITY + 1;
    mhc__table_cell(table, "%s", study->choices[c].label);
    mhc__table_cell(table, "%s", identity ? "I" : "learned");
    mhc__table_cell(table, "%s", residual || model->pre == MHC__PRE_MEAN ? "1/n" : "learned");
    mhc__table_cell(table, "%s", residual || model->post == MHC__POST_ONES ? "1" : "learned");
    mhc__held_out_cell(arms, study->seeds, table);
    difference_cell(&d, study->seeds, table);
    mhc__table_cell(table, "%s", !d.there || residual ? "–" : seen[d.seen]);
    if (isfinite(published))
        mhc__table_cell(table, "%+.3f", published);
    else
        mhc__table_cell(table, "–");
    if (residual)
        mhc__table_cell(table, "–");
    else
        mhc__table_number(table, mhc__gain_range(arms, study->seeds, offsetof(mhc__gains, spread)).high);
    mhc__table_number(table, mhc__composite_of(arms, study->seeds).forward.high);
    mhc__table_number(table, mhc__composite_of(arms, study->seeds).backward.high);
}

static void fill_table(const mhc__ablation *study, mhc__table *table) {
    mhc__table_start(table, "Model|H_res|H_pre|H_post|Held-out loss|Less the residual's|Seen|Published|Stream spread|"
                            "Composite gain forward|Composite gain backward");
    for (int c = 0; c < study->choice_count; c++)
        row(study, c, table);
}

static void how_it_was_run(const mhc__ablation *study, mhc__html *html) {
    const mhc__arm *arm = mhc__ablation_arm(study, 0, 0);
    const mhc__config *config = &arm->config;
    bool builtin = !strcmp(config->data.path, "builtin");
    mhc__html_section(html, "How it was run");
    mhc__html_paragraph(
        html,
        "%d blocks, %d channels, %d heads, %d streams, a site around attention and feed-forward each; %lld steps of %d "
        "rows of %d tokens, learning rate %g; text: %s (%lld tokens for training, %lld held out, vocabulary %d). The "
        "held-out loss is that of the whole held-out part after the last step. All models of a seed start from the "
        "same weights where their shapes agree, and see the same batches. What is fixed has the paper's values, and "
        "no parameters; with all three fixed, the model is the residual.",
        config->model.blocks, config->model.channels, config->model.heads, study->config.model.streams,
        (long long)config->train.steps, config->train.batch, config->model.sequence, (double)config->train.lr,
        builtin ? "the built-in corpus" : config->data.path, (long long)arm->train_tokens,
        (long long)arm->held_out.tokens, config->model.vocabulary);
    if (builtin)
        mhc__html_note(html,
                       "The built-in corpus is generated. For a real text: `mhc data get tinyshakespeare`, then `mhc "
                       "study ablation --data data/input.txt`.");
    if (config->train.steps < 800)
        mhc__html_note(html, "The default has 800 steps; this run has %lld.", (long long)config->train.steps);
    mhc__html_paragraph(html,
                        "The paper gives neither the model nor the number of steps of its table; its differences are "
                        "shown for their sign and order.");
}

static mhc_status build_page(mhc__ablation *study, const mhc__table *table, mhc__html *html, mhc_error *error) {
    mhc__ablation_evidence evidence = mhc__ablation_gather(study);
    mhc__html_start(html, "Which of the three maps matters",
                    "`mhc study ablation`: table 1 of the mHC paper, with its missing row, for HC and for mHC");
    mhc__html_section(html, "The question");
    mhc__html_paragraph(html, "%s", QUESTION);
    mhc__html_section(html, "What was found");
    mhc__ablation_findings(study, html);
    MHC__TRY(mhc__page_claims(html, mhc__ablation_claims, MHC__ABLATION_CLAIMS, &evidence, study->folder.report,
                              study->options, error));
    mhc__html_section(html, "The table");
    mhc__html_table(
        html, table,
        "Held-out loss in nats per token, mean ± sample standard deviation over seeds; less the residual's: "
        "mean over seeds of the paired difference ± its standard error. Seen: the same sign in all seeds, "
        "three or more, and more than twice the standard error. Published: of HC, arXiv 2512.24880, table "
        "1. Spread: the largest distance of a stream from the mean of the streams over their rms, and the "
        "composite gains are the largest as well, of all steps and seeds.");
    mhc__html_section(html, "Pictures");
    return mhc__ablation_figures(study, html, error);
}

mhc_status mhc__ablation_report(mhc__ablation *study, mhc_error *error) {
    MHC__TRY(mhc__make_folders(study->folder.report, error));
    mhc__table table;
    mhc__html html;
    fill_table(study, &table);
    mhc_status status = build_page(study, &table, &html, error);
    how_it_was_run(study, &html);
    mhc__html_section(&html, "What to try next");
    mhc__html_code(&html, "mhc study ablation --data TEXT --seeds 5 --out runs/ablation-5\n"
                          "# all eight combinations of HC\n"
                          "mhc study ablation --set study.connections=residual,hc-pre,hc-post,hc-pre-post,hc-res,"
                          "hc-res-pre,hc-res-post,hc --out runs/ablation-hc\n");
    const mhc__page_ending ending = {"ablation",
                                     study->options,
                                     study->folder.report,
                                     study->seeds,
                                     mhc__arms_seconds(study->arms, study->choice_count * study->seeds),
                                     &table,
                                     &table};
    status = mhc__page_end(status, &ending, &html, error);
    mhc__table_free(&table);
    return status;
}
