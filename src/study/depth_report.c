#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "file/atomic.h"
#include "study/depth.h"

static const struct {
    const char *head;
    mhc__depth_value which;
} COLUMNS[] = {
    {"Final loss", MHC__DEPTH_LOSS_END},         {"Largest gradient norm", MHC__DEPTH_GRAD_MAX},
    {"Signal out/in, start", MHC__DEPTH_SIGNAL}, {"trained", MHC__DEPTH_SIGNAL_END},
    {"Growth per block", MHC__DEPTH_GROWTH},     {"Gradient first/last, start", MHC__DEPTH_GRADIENT},
    {"trained", MHC__DEPTH_GRADIENT_END},        {"Composite gain, start", MHC__DEPTH_COMPOSITE},
    {"largest", MHC__DEPTH_COMPOSITE_MAX},       {"largest backward", MHC__DEPTH_COMPOSITE_BACK_MAX},
    {"Gain proxy (log10)", MHC__DEPTH_PROXY},    {"Stream spread", MHC__DEPTH_SPREAD},
};
enum { COLUMN_COUNT = sizeof COLUMNS / sizeof COLUMNS[0] };

static void fill_table(mhc__depth *study, mhc__table *table) {
    mhc__text head = {0};
    mhc__text_format(&head, "Connection|Blocks");
    for (int i = 0; i < COLUMN_COUNT; i++)
        mhc__text_format(&head, "|%s", COLUMNS[i].head);
    mhc__text_format(&head, "|NaN or Inf|Seconds per step");
    mhc__table_start(table, head.data ? head.data : "");
    table->failed |= head.failed;
    mhc__text_free(&head);
    for (int d = 0; d < study->depth_count; d++)
        for (int c = 0; c < study->connection_count; c++) {
            mhc__table_cell(table, "%s", mhc__depth_label(study, c));
            mhc__table_cell(table, "%d", study->depths[d]);
            for (int i = 0; i < COLUMN_COUNT; i++)
                mhc__table_number(table, mhc__depth_mean(study, d, c, COLUMNS[i].which));
            int broken = 0;
            for (int s = 0; s < study->seeds; s++)
                broken += mhc__depth_arm(study, d, c, s)->not_finite_at >= 0;
            const mhc__arm *first = mhc__depth_arm(study, d, c, 0);
            if (!broken)
                mhc__table_cell(table, "–");
            else if (study->seeds == 1)
                mhc__table_cell(table, "step %lld", (long long)first->not_finite_at);
            else
                mhc__table_cell(table, "%d of %d runs", broken, study->seeds);
            mhc__table_number(table, mhc__depth_mean(study, d, c, MHC__DEPTH_SECONDS));
        }
}

static mhc_status write_text(const char *folder, const char *name, mhc__text *text, mhc_error *error) {
    char *path = mhc__format("%s/%s", folder, name);
    mhc_status status = text->failed || !path ? mhc__fail(error, MHC_OUT_OF_MEMORY, "%s/%s: no memory", folder, name)
                                              : mhc__write_file(path, text->data, text->length, error);
    free(path);
    mhc__text_free(text);
    return status;
}

/* The columns that fit a terminal. */
static void say(mhc__depth *study) {
    mhc__table table;
    mhc__text plain = {0};
    mhc__table_start(&table, "Connection|Blocks|Final loss|Signal out/in|Gradient first/last|Composite gain|NaN");
    for (int d = 0; d < study->depth_count; d++)
        for (int c = 0; c < study->connection_count; c++) {
            mhc__table_cell(&table, "%s", mhc__depth_label(study, c));
            mhc__table_cell(&table, "%d", study->depths[d]);
            mhc__table_number(&table, mhc__depth_mean(study, d, c, MHC__DEPTH_LOSS_END));
            mhc__table_number(&table, mhc__depth_mean(study, d, c, MHC__DEPTH_SIGNAL_END));
            mhc__table_number(&table, mhc__depth_mean(study, d, c, MHC__DEPTH_GRADIENT_END));
            mhc__table_number(&table, mhc__depth_mean(study, d, c, MHC__DEPTH_COMPOSITE_MAX));
            mhc__table_cell(&table, mhc__depth_mean(study, d, c, MHC__DEPTH_BAD_STEPS) > 0 ? "yes" : "no");
        }
    mhc__table_plain(&table, &plain);
    if (plain.data && !plain.failed)
        mhc__study_note(study->options, "\n%s", plain.data);
    mhc__text_free(&plain);
    mhc__table_free(&table);
}

static void how_it_was_run(mhc__depth *study, mhc__html *html) {
    const mhc__config *config = &mhc__depth_arm(study, 0, 0, 0)->config;
    double seconds = 0;
    for (int i = 0; i < study->depth_count * study->connection_count * study->seeds; i++)
        seconds += study->arms[i].seconds;
    mhc__html_section(html, "How it was run");
    bool increment = !strcmp(config->data.path, "increment");
    mhc__html_paragraph(
        html,
        "Width %d, %d heads, feed-forward %d, %d streams; %lld steps of %d rows of %d tokens; AdamW with a "
        "constant learning rate of %g, %s. Data: %s. All models of a depth see the same batches. Training "
        "took %.0f seconds in all.",
        config->model.channels, config->model.heads, config->model.ffn, study->config.model.streams,
        (long long)config->train.steps, config->train.batch, config->model.sequence, (double)config->train.lr,
        config->train.clip > 0 ? "with clipping" : "no clipping, no warm-up",
        increment ? "rows that count upwards modulo 256 from a random start, so that the next token is the "
                    "last one plus one"
                  : config->data.path,
        seconds);
    mhc__html_paragraph(html, "The connections, by the names of their presets:");
    mhc__html_list_start(html);
    for (int c = 0; c < study->connection_count; c++) {
        const mhc__arm *arm = mhc__depth_arm(study, 0, c, 0);
        mhc__html_item(html, "%s: `%s`, around %s", mhc__depth_label(study, c), study->connections[c],
                       arm->config.model.wrap == MHC__WRAP_BLOCK
                           ? "each whole block, which keeps its own two residuals inside"
                           : "attention and feed-forward each");
    }
    mhc__html_list_end(html);
}

static const char NEXT[] =
    "# on a text of your own, wider, longer\n"
    "mhc study depth --data TEXT --set model.channels=128 --steps 500 --out runs/depth-text\n"
    "# the connections of github.com/softwarewrighter/mHC-poc, whose HC overflows at 48 blocks before the first "
    "update\n"
    "mhc study depth --set study.connections=residual,mhc-poc-hc,mhc-poc --out runs/depth-poc\n"
    "# other constraints\n"
    "mhc study depth --set study.connections=residual,paper,megatron,mhc-lite --out runs/depth-more\n"
    "# is it the seed?\n"
    "mhc study depth --seeds 3 --out runs/depth-seeds\n"
    "# the published comparison of HC and mHC, 2,000 steps\n"
    "mhc study stability\n";

static void build_page(mhc__depth *study, const mhc__table *table, mhc__html *html) {
    mhc__html_start(
        html, "What depth does to signals and gradients",
        "Plain residuals, hyper-connections (HC) and manifold-constrained hyper-connections (mHC), measured "
        "side by side by `mhc study depth`");
    mhc__html_section(html, "What it means");
    mhc__depth_findings(study, html);
    mhc__html_section(html, "The numbers");
    mhc__html_table(
        html, table,
        "Final loss: mean of the last five steps, in nats. Signal: norm of the streams before contraction over "
        "that at the embedding; growth per block is its root. Gradient: norm with respect to the first streams "
        "over the last. Composite gain: largest absolute row sum (backward: column sum) of the product of all "
        "H_res. Gain proxy: log10 of its largest entry (mhc-poc). Spread: largest distance of a stream from "
        "the mean stream over the rms.");
}

mhc_status mhc__depth_report(mhc__depth *study, mhc_error *error) {
    MHC__TRY(mhc__make_folders(study->report, error));
    mhc__table table;
    fill_table(study, &table);
    mhc__html html;
    build_page(study, &table, &html);
    mhc__html_section(&html, "Pictures");
    mhc_status status = mhc__depth_figures(study, &html, error);
    how_it_was_run(study, &html);
    mhc__html_section(&html, "What to try next");
    mhc__html_code(&html, NEXT);
    mhc__text tsv = {0}, markdown = {0};
    mhc__table_tsv(&table, &tsv);
    mhc__table_markdown(&table, &markdown);
    if (status == MHC_OK)
        status = write_text(study->report, "table.tsv", &tsv, error);
    if (status == MHC_OK)
        status = write_text(study->report, "table.md", &markdown, error);
    mhc__text_free(&tsv);
    mhc__text_free(&markdown);
    mhc__table_free(&table);
    char *path = mhc__format("%s/index.html", study->report);
    if (status == MHC_OK && !path)
        status = mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", study->report);
    if (status == MHC_OK)
        status = mhc__html_write(&html, path, error);
    else
        mhc__text_free(&html.text);
    if (status == MHC_OK) {
        say(study);
        mhc__study_note(study->options, "report: %s", path);
    }
    free(path);
    return status;
}
