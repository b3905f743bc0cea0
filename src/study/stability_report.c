#include <math.h>
#include <string.h>

#include "file/atomic.h"
#include "study/page.h"
#include "study/stability.h"
#include "study/stability_claims.h"
#include "study/stability_table.h"
#include "study/summary.h"

static void our_row(mhc__stability *study, int c, mhc__table *table) {
    mhc__table_cell(table, "%s", study->choices[c].label);
    mhc__table_cell(table, study->seeds > 1 ? "here, %d seeds" : "here", study->seeds);
    for (int column = 0; column < MHC__STABILITY_COLUMNS; column++) {
        double values[MHC__STUDY_MAX_SEEDS], mean, spread;
        for (int s = 0; s < study->seeds; s++) {
            double row[MHC__STABILITY_COLUMNS];
            mhc__stability_row(&mhc__stability_arm(study, c, s)->series, study->every, row);
            values[s] = row[column];
        }
        mhc__mean_spread(values, study->seeds, &mean, &spread);
        int digits = column <= MHC__MIN_LOSS ? 3 : 2;
        if (!isfinite(mean))
            mhc__table_cell(table, "NaN");
        else if (study->seeds > 1)
            mhc__table_cell(table, "%.*f ± %.*f", digits, mean, digits, spread);
        else
            mhc__table_cell(table, "%.*f", digits, mean);
    }
}

static void published_table(mhc__stability *study, mhc__table *table) {
    mhc__text head = {0};
    mhc__text_format(&head, "Model|Source");
    for (int i = 0; i < MHC__STABILITY_COLUMNS; i++)
        mhc__text_format(&head, "|%s", mhc__stability_heads[i]);
    mhc__table_start(table, head.data ? head.data : "");
    table->failed |= head.failed;
    mhc__text_free(&head);
    for (int c = 0; c < study->choice_count; c++) {
        our_row(study, c, table);
        const double *published = mhc__stability_published(study->choices[c].name);
        if (!published)
            continue;
        mhc__table_cell(table, "%s", study->choices[c].label);
        mhc__table_cell(table, "published");
        for (int i = 0; i < MHC__STABILITY_COLUMNS; i++)
            mhc__table_cell(table, "%.*f", i <= MHC__MIN_LOSS ? 3 : 2, published[i]);
    }
}

static void range_cell(mhc__table *table, mhc__range range) {
    if (!isfinite(range.low) || !isfinite(range.high))
        mhc__table_cell(table, "NaN");
    else if (range.high - range.low < 5e-5)
        mhc__table_cell(table, "%.4f", range.high);
    else
        mhc__table_cell(table, "%.4f … %.4f", range.low, range.high);
}

static void cell(mhc__table *table, const char *format, double value) {
    char text[32];
    snprintf(text, sizeof text, isfinite(value) ? format : "NaN", value);
    mhc__table_cell(table, "%s", text);
}

/* The coefficients after training, of all seeds. A plain residual has none. */
static void coefficient_cells(const mhc__arm *arms, int seeds, bool residual, mhc__table *table) {
    mhc__range identity = {0, 0}, uniform = {0, 0}, post = MHC__RANGE_EMPTY;
    for (int s = 0; s < seeds; s++) {
        mhc__widen(&identity, arms[s].after.res_from_identity);
        mhc__widen(&uniform, arms[s].after.res_from_uniform);
        mhc__widen(&post, arms[s].after.post_min);
        mhc__widen(&post, arms[s].after.post_max);
    }
    for (int i = 0; residual && i < 3; i++)
        mhc__table_cell(table, "–");
    if (residual)
        return;
    cell(table, "%.4f", identity.high);
    cell(table, "%.4f", uniform.high);
    range_cell(table, post);
}

/* What the published table does not look at. All seeds and steps of an arm together. */
static void stream_table(mhc__stability *study, mhc__table *table) {
    mhc__table_start(table, "Model|Preset|Stream spread|Composite gain forward|Composite gain backward|"
                            "Smallest column sum|Largest single gain|H_res from I|H_res from 1/n|H_post|"
                            "Seconds per step");
    for (int c = 0; c < study->choice_count; c++) {
        const mhc__arm *arms = mhc__stability_arm(study, c, 0);
        bool residual = mhc__choice_is_residual(&study->choices[c]);
        mhc__composite composite = mhc__composite_of(arms, study->seeds);
        mhc__range single = mhc__gain_range(arms, study->seeds, offsetof(mhc__gains, single_forward));
        mhc__widen_by(&single, mhc__gain_range(arms, study->seeds, offsetof(mhc__gains, single_backward)));
        double seconds = 0;
        int64_t steps = 0;
        for (int s = 0; s < study->seeds; s++) {
            seconds += arms[s].seconds;
            steps += arms[s].series.count;
        }
        mhc__table_cell(table, "%s", study->choices[c].label);
        mhc__table_cell(table, "%s", study->choices[c].name);
        if (residual)
            mhc__table_cell(table, "–");
        else
            cell(table, "%.2g", mhc__gain_range(arms, study->seeds, offsetof(mhc__gains, spread)).high);
        range_cell(table, composite.forward);
        range_cell(table, composite.backward);
        range_cell(table, composite.column_min);
        mhc__table_number(table, single.high);
        coefficient_cells(arms, study->seeds, residual, table);
        mhc__table_cell(table, "%.3f", seconds / (double)steps);
    }
}

/* "every 20th step", "every step": the basis of table and pictures. */
static void basis(const mhc__stability *study, char *text, size_t size) {
    if (study->every == 1)
        snprintf(text, size, "every step");
    else
        snprintf(text, size, "every %lldth step", (long long)study->every);
}

static void how_it_was_run(mhc__stability *study, mhc__html *html) {
    const mhc__arm *arm = mhc__stability_arm(study, 0, 0);
    char records[64];
    basis(study, records, sizeof records);
    const mhc__config *config = &arm->config;
    mhc__html_section(html, "How it was run");
    bool builtin = !strcmp(config->data.path, "builtin");
    mhc__html_paragraph(
        html,
        "%d blocks, %d channels, %d heads, %d streams; batches of %d rows of %d tokens; %lld steps; text: "
        "%s (%lld tokens, vocabulary %d). No held-out part: all numbers are of training batches, as in "
        "the published experiment.",
        config->model.blocks, config->model.channels, config->model.heads, study->config.model.streams,
        config->train.batch, config->model.sequence, (long long)config->train.steps,
        builtin ? "the built-in corpus" : config->data.path, (long long)arm->train_tokens, config->model.vocabulary);
    if (builtin)
        mhc__html_note(html,
                       "The published run used enwik8; this one used the built-in generated corpus, so losses can't be "
                       "compared with the published ones. `mhc data get enwik8`, then `mhc study stability --data "
                       "data/enwik8`.");
    if (config->train.steps != 2000)
        mhc__html_note(html, "The published run has 2,000 steps; this one has %lld.", (long long)config->train.steps);
    mhc__html_paragraph(html, "Different from the published run, on purpose:");
    mhc__html_list_start(html);
    mhc__html_item(html, "All models of a seed start from the same weights and see the same batches and dropout masks. "
                         "There, one generator runs through all three, so that they differ in all of these.");
    mhc__html_item(html,
                   "Activations are measured in the training pass, before the update. There, a second forward pass "
                   "is made after it, with other dropout masks.");
    mhc__html_item(html, "Every step is in `metrics.jsonl`; the first table and the curves take %s%s.", records,
                   study->every == 20 ? ", as published" : "");
    mhc__html_list_end(html);
}

static const char QUESTION[] =
    "What the residual connection does to training: the same transformer learns the same text with plain residuals "
    "(the "
    "baseline), with several streams that mix freely (HC) and with several that mix by a doubly stochastic matrix "
    "(mHC). "
    "Published were a table of final losses, gradient norms and activation gains, and what it was taken to show.";

static void tables(mhc__stability *study, const mhc__table *published, mhc__html *html) {
    char records[64];
    basis(study, records, sizeof records);
    mhc__text caption = {0};
    mhc__text_format(&caption,
                     "Final and Min Loss in nats; Grad is the global gradient norm before clipping; Amax is the "
                     "published name of the activation gain, max |x_L| / max |x_0|. Over the records of %s%s.",
                     records, study->seeds > 1 ? "; mean ± sample standard deviation over seeds" : "");
    html->text.failed |= caption.failed;
    mhc__html_section(html, "The table");
    mhc__html_table(html, published, caption.data ? caption.data : "");
    mhc__text_free(&caption);
    mhc__html_section(html, "What was measured, in words");
    mhc__stability_findings(study, html);
    mhc__stability_causes(study, html);
    mhc__html_section(html, "What the table does not look at");
    mhc__table streams;
    stream_table(study, &streams);
    mhc__html_table(html, &streams,
                    "Spread: largest distance of a stream from the mean of the streams, over their rms, over all "
                    "sites. Spread and gains: over every step and all seeds. H_res from I and from 1/n: the largest "
                    "distance of one entry, not a matrix norm; these and the range of H_post are those after training, "
                    "over all sites and seeds.");
    mhc__table_free(&streams);
}

mhc_status mhc__stability_report(mhc__stability *study, mhc_error *error) {
    MHC__TRY(mhc__make_folders(study->folder.report, error));
    mhc__table table;
    published_table(study, &table);
    mhc__html html;
    mhc__html_start(&html, "Training stability: baseline, HC and mHC",
                    "`mhc study stability`: the experiment of reproducing-mhc, repeated and looked at closely");
    mhc__html_section(&html, "The question");
    mhc__html_paragraph(&html, "%s", QUESTION);
    mhc__stability_evidence evidence = mhc__stability_gather(study);
    mhc_status status = mhc__page_claims(&html, mhc__stability_claims, MHC__STABILITY_CLAIMS, &evidence,
                                         study->folder.report, study->options, error);
    tables(study, &table, &html);
    mhc__html_section(&html, "Pictures");
    if (status == MHC_OK)
        status = mhc__stability_figures(study, &html, error);
    how_it_was_run(study, &html);
    mhc__html_section(&html, "What to try next");
    mhc__html_code(&html, "mhc study stability --seeds 3 --data TEXT\n"
                          "mhc study stability --set study.connections=residual,hc,paper    # streams that do differ\n"
                          "mhc study demo                                                   # what depth does\n");
    const mhc__page_ending ending = {"stability",
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
