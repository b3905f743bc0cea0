#include <string.h>

#include "file/atomic.h"
#include "study/page.h"
#include "study/summary.h"
#include "study/sweep.h"

static const struct {
    const char *head;
    mhc__sweep_value which;
} COLUMNS[] = {
    {"Final loss", MHC__SWEEP_LOSS_END},         {"Largest gradient norm", MHC__SWEEP_GRAD_MAX},
    {"Signal out/in, start", MHC__SWEEP_SIGNAL}, {"trained", MHC__SWEEP_SIGNAL_END},
    {"Growth per block", MHC__SWEEP_GROWTH},     {"Gradient first/last, start", MHC__SWEEP_GRADIENT},
    {"trained", MHC__SWEEP_GRADIENT_END},        {"Composite gain, start", MHC__SWEEP_COMPOSITE},
    {"largest", MHC__SWEEP_COMPOSITE_MAX},       {"largest backward", MHC__SWEEP_COMPOSITE_BACK_MAX},
    {"Gain proxy (log10)", MHC__SWEEP_PROXY},    {"Stream spread", MHC__SWEEP_SPREAD},
};
enum { COLUMN_COUNT = sizeof COLUMNS / sizeof COLUMNS[0] };

static void number_cell(const mhc__sweep *study, int d, int c, mhc__sweep_value which, mhc__table *table) {
    double mean, deviation;
    mhc__sweep_over_seeds(study, d, c, which, &mean, &deviation);
    if (study->seeds > 1)
        mhc__table_mean(table, mean, deviation);
    else
        mhc__table_number(table, mean);
}

static void fill_table(mhc__sweep *study, mhc__table *table) {
    mhc__text head = {0};
    mhc__text_format(&head, "Connection|Blocks");
    for (int i = 0; i < COLUMN_COUNT; i++)
        mhc__text_format(&head, "|%s", COLUMNS[i].head);
    mhc__text_format(&head, "|NaN or Inf|Seconds per step");
    mhc__table_start(table, head.data ? head.data : "");
    table->failed |= head.failed;
    mhc__text_free(&head);
    for (int d = 0; d < study->depth_count; d++)
        for (int c = 0; c < study->choice_count; c++) {
            mhc__table_cell(table, "%s", study->choices[c].label);
            mhc__table_cell(table, "%d", study->depths[d]);
            for (int i = 0; i < COLUMN_COUNT; i++)
                number_cell(study, d, c, COLUMNS[i].which, table);
            mhc__failures failures = mhc__failures_of(mhc__sweep_arm(study, d, c, 0), study->seeds);
            if (!failures.count)
                mhc__table_cell(table, "–");
            else if (study->seeds == 1)
                mhc__table_cell(table, "step %lld", (long long)failures.first);
            else
                mhc__table_cell(table, "%d of %d runs, first in step %lld", failures.count, study->seeds,
                                (long long)failures.first);
            mhc__table_number(table, mhc__sweep_mean(study, d, c, MHC__SWEEP_SECONDS));
        }
}

/* The columns that fit a terminal. */
static void say(mhc__sweep *study) {
    mhc__table table;
    mhc__text plain = {0};
    mhc__table_start(&table, "Connection|Blocks|Final loss|Signal out/in|Gradient first/last|Composite gain|NaN");
    for (int d = 0; d < study->depth_count; d++)
        for (int c = 0; c < study->choice_count; c++) {
            mhc__table_cell(&table, "%s", study->choices[c].label);
            mhc__table_cell(&table, "%d", study->depths[d]);
            number_cell(study, d, c, MHC__SWEEP_LOSS_END, &table);
            number_cell(study, d, c, MHC__SWEEP_SIGNAL_END, &table);
            number_cell(study, d, c, MHC__SWEEP_GRADIENT_END, &table);
            number_cell(study, d, c, MHC__SWEEP_COMPOSITE_MAX, &table);
            mhc__failures failures = mhc__failures_of(mhc__sweep_arm(study, d, c, 0), study->seeds);
            mhc__table_cell(&table, "%s", failures.count ? "yes" : "no");
        }
    mhc__table_plain(&table, &plain);
    if (plain.data && !plain.failed)
        mhc__study_note(study->options, "\n%s", plain.data);
    mhc__text_free(&plain);
    mhc__table_free(&table);
}

static void how_it_was_run(mhc__sweep *study, mhc__html *html) {
    const mhc__config *config = &mhc__sweep_arm(study, 0, 0, 0)->config;
    mhc__html_section(html, "How it was run");
    static const char *const around[] = {"attention and feed-forward each",
                                         "each whole block, which keeps its own two residuals inside",
                                         "both branches of each block together, without the block's own residuals"};
    static const char *const schedules[] = {"constant learning rate", "cosine from a learning rate",
                                            "learning rate in steps, from"};
    mhc__text warmup = {0};
    mhc__text_format(&warmup, config->train.warmup ? "%lld steps of warm-up" : "no warm-up",
                     (long long)config->train.warmup);
    bool increment = !strcmp(config->data.path, "increment");
    mhc__html_paragraph(
        html,
        "Width %d, %d heads, feed-forward %d, %d streams; %lld steps of %d rows of %d tokens; AdamW, %s of "
        "%g, %s, %s. Data: %s. All models of a depth see the same batches.",
        config->model.channels, config->model.heads, config->model.ffn, study->config.model.streams,
        (long long)config->train.steps, config->train.batch, config->model.sequence, schedules[config->train.schedule],
        (double)config->train.lr, warmup.data ? warmup.data : "",
        config->train.clip > 0 ? "with clipping" : "no clipping",
        increment ? "rows that count upwards modulo 256 from a random start, so that the next token is the "
                    "last one plus one"
                  : config->data.path);
    mhc__text_free(&warmup);
    mhc__html_paragraph(html, "The models:");
    mhc__html_list_start(html);
    for (int c = 0; c < study->choice_count; c++) {
        const mhc__model_config *model = &mhc__sweep_arm(study, 0, c, 0)->config.model;
        mhc__text settings = {0};
        for (int i = 0; i < MHC__VARIANT_SETS && study->choices[c].variant.set[i]; i++)
            mhc__text_format(&settings, "; `%s`", study->choices[c].variant.set[i]);
        mhc__html_item(html, "%s: `%s`, around %s%s", study->choices[c].label, model->connection,
                       mhc__choice_is_residual(&study->choices[c]) ? "attention and feed-forward each"
                                                                   : around[model->wrap],
                       settings.data ? settings.data : "");
        html->text.failed |= settings.failed;
        mhc__text_free(&settings);
    }
    mhc__html_list_end(html);
}

static mhc_status build_page(mhc__sweep *study, const mhc__table *table, mhc__html *html, mhc_error *error) {
    mhc__html_start(html, study->kind->title, study->kind->subtitle);
    mhc__html_section(html, "The question");
    mhc__html_paragraph(html, "%s", study->kind->question);
    mhc__html_section(html, "What it means");
    mhc__sweep_findings(study, html);
    if (study->kind->own_page)
        MHC__TRY(study->kind->own_page(study, html, error));
    mhc__html_section(html, "The numbers");
    mhc__html_table(
        html, table,
        "With several seeds: mean ± sample standard deviation. Final loss: mean of the last five steps, in nats. "
        "Signal: norm of the streams before contraction over that at the embedding; growth per block is its root. "
        "Gradient: norm with respect to the first streams over the last. Composite gain: largest absolute row sum "
        "(backward: column sum) of the product of all H_res, the largest of all steps. Gain proxy: log10 of its "
        "largest entry (mhc-poc). Spread: largest distance of a stream from the mean stream over the rms, the largest "
        "of all steps.");
    mhc__html_section(html, "Pictures");
    if (study->kind->own_figures)
        MHC__TRY(study->kind->own_figures(study, html, error));
    return mhc__sweep_figures(study, html, error);
}

mhc_status mhc__sweep_report(mhc__sweep *study, mhc_error *error) {
    MHC__TRY(mhc__make_folders(study->folder.report, error));
    mhc__table table;
    fill_table(study, &table);
    mhc__html html;
    mhc_status status = build_page(study, &table, &html, error);
    how_it_was_run(study, &html);
    mhc__html_section(&html, "What to try next");
    mhc__html_code(&html, study->kind->next);
    const int arms = study->depth_count * study->choice_count * study->seeds;
    const mhc__page_ending ending = {study->kind->name,
                                     study->options,
                                     study->folder.report,
                                     study->seeds,
                                     mhc__arms_seconds(study->arms, arms),
                                     &table,
                                     NULL};
    if (status == MHC_OK)
        say(study);
    status = mhc__page_end(status, &ending, &html, error);
    mhc__table_free(&table);
    return status;
}
