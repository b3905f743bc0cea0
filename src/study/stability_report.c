#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "file/atomic.h"
#include "study/stability.h"
#include "study/stability_table.h"

static void our_row(mhc__stability *study, int c, mhc__table *table) {
    mhc__table_cell(table, "%s", mhc__stability_label(study, c));
    mhc__table_cell(table, study->seeds > 1 ? "here, %d seeds" : "here", study->seeds);
    for (int column = 0; column < MHC__STABILITY_COLUMNS; column++) {
        double values[1000], mean, spread;
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
    for (int c = 0; c < study->connection_count; c++) {
        our_row(study, c, table);
        const double *published = mhc__stability_published(study->connections[c]);
        if (!published)
            continue;
        mhc__table_cell(table, "%s", mhc__stability_label(study, c));
        mhc__table_cell(table, "published");
        for (int i = 0; i < MHC__STABILITY_COLUMNS; i++)
            mhc__table_cell(table, "%.*f", i <= MHC__MIN_LOSS ? 3 : 2, published[i]);
    }
}

static void range(mhc__table *table, double low, double high) {
    if (!isfinite(low) || !isfinite(high))
        mhc__table_cell(table, "–");
    else if (high - low < 5e-5)
        mhc__table_cell(table, "%.4f", high);
    else
        mhc__table_cell(table, "%.4f … %.4f", low, high);
}

/* What the published table does not look at. All seeds and steps of an arm together. */
static void stream_table(mhc__stability *study, mhc__table *table) {
    mhc__table_start(table, "Model|Preset|Stream spread|Composite gain forward|Composite gain backward|"
                            "Largest single gain|H_res from I|H_res from 1/n|H_post|Seconds per step");
    for (int c = 0; c < study->connection_count; c++) {
        double spread = 0, f[2] = {INFINITY, -INFINITY}, b[2] = {INFINITY, -INFINITY}, single = 0, seconds = 0;
        int64_t steps = 0;
        for (int s = 0; s < study->seeds; s++) {
            const mhc__arm *arm = mhc__stability_arm(study, c, s);
            for (int64_t i = 0; i < arm->series.count; i++) {
                const mhc__gains *g = &arm->series.at[i].gains;
                spread = fmax(spread, g->spread);
                f[0] = fmin(f[0], g->composite_forward);
                f[1] = fmax(f[1], g->composite_forward);
                b[0] = fmin(b[0], g->composite_backward);
                b[1] = fmax(b[1], g->composite_backward);
                single = fmax(single, fmax(g->single_forward, g->single_backward));
            }
            seconds += arm->seconds;
            steps += arm->series.count;
        }
        const mhc__profile *after = &mhc__stability_arm(study, c, 0)->after;
        mhc__table_cell(table, "%s", mhc__stability_label(study, c));
        mhc__table_cell(table, "%s", study->connections[c]);
        bool residual = !strcmp(study->connections[c], "residual");
        mhc__table_cell(table, residual ? "–" : "%.1e", spread);
        range(table, f[0], f[1]);
        range(table, b[0], b[1]);
        mhc__table_number(table, single);
        mhc__table_cell(table, residual ? "–" : "%.4f", after->res_from_identity);
        mhc__table_cell(table, residual ? "–" : "%.4f", after->res_from_uniform);
        range(table, after->post_min, after->post_max);
        mhc__table_cell(table, "%.3f", seconds / (double)steps);
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

static mhc_status write_table(mhc__stability *study, const mhc__table *table, mhc_error *error) {
    mhc__text tsv = {0}, markdown = {0};
    mhc__table_tsv(table, &tsv);
    mhc__table_markdown(table, &markdown);
    mhc_status status = write_text(study->report, "table.tsv", &tsv, error);
    if (status == MHC_OK)
        status = write_text(study->report, "table.md", &markdown, error);
    mhc__text_free(&markdown);
    mhc__text plain = {0};
    mhc__table_plain(table, &plain);
    if (status == MHC_OK && plain.data)
        mhc__study_note(study->options, "\n%s", plain.data);
    mhc__text_free(&plain);
    return status;
}

static void how_it_was_run(mhc__stability *study, mhc__html *html) {
    const mhc__arm *arm = mhc__stability_arm(study, 0, 0);
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
    mhc__html_item(html, "Every step is in `metrics.jsonl`; table and pictures take every %lldth, as published.",
                   (long long)study->every);
    mhc__html_list_end(html);
}

mhc_status mhc__stability_report(mhc__stability *study, mhc_error *error) {
    MHC__TRY(mhc__make_folders(study->report, error));
    mhc__table table, streams;
    published_table(study, &table);
    stream_table(study, &streams);
    mhc__html html;
    mhc__html_start(&html, "Training stability: baseline, HC and mHC",
                    "`mhc study stability`: the experiment of reproducing-mhc, repeated and looked at closely");
    mhc__html_section(&html, "The table");
    mhc__html_table(
        &html, &table,
        "Final and Min Loss in nats; Grad is the global gradient norm before clipping; Amax is the published "
        "name of the activation gain, max |x_L| / max |x_0|. Over the records of every 20th step.");
    mhc__html_section(&html, "What was measured, in words");
    mhc__stability_findings(study, &html);
    mhc__html_section(&html, "What the table does not look at");
    mhc__html_table(&html, &streams,
                    "Spread: largest distance of a stream from the mean of the streams, over their rms, over all sites "
                    "and steps. Gains: range over all steps. The distances of H_res and the range of H_post are those "
                    "after training, over all sites.");
    mhc__html_section(&html, "Pictures");
    mhc_status status = mhc__stability_figures(study, &html, error);
    how_it_was_run(study, &html);
    mhc__html_section(&html, "What to try next");
    mhc__html_code(&html, "mhc study stability --seeds 3 --data TEXT\n"
                          "mhc study stability --set study.connections=residual,hc,paper    # streams that do differ\n"
                          "mhc study depth                                                  # what depth does\n");
    if (status == MHC_OK)
        status = write_table(study, &table, error);
    mhc__table_free(&table);
    mhc__table_free(&streams);
    char *path = mhc__format("%s/index.html", study->report);
    if (status == MHC_OK && !path)
        status = mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory", study->report);
    if (status == MHC_OK)
        status = mhc__html_write(&html, path, error);
    else
        mhc__text_free(&html.text);
    if (status == MHC_OK)
        mhc__study_note(study->options, "report: %s", path);
    free(path);
    return status;
}
