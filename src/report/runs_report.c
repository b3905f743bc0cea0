/* The page about runs: one, or several side by side. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config/field.h"
#include "file/atomic.h"
#include "report/origin.h"
#include "report/run_log.h"
#include "report/runs.h"

static int64_t steps_not_finite(const mhc__run *run) {
    const double *loss = mhc__metrics_column(&run->metrics, "loss");
    int64_t count = 0;
    for (int64_t i = 0; loss && i < run->metrics.rows; i++)
        count += !isfinite(loss[i]);
    return count;
}

static void run_cells(const mhc__run *run, mhc__table *table) {
    char time[32];
    const mhc__model_config *model = &run->config.model;
    mhc__table_cell(table, "%s", run->name);
    if (run->has_config) {
        mhc__table_cell(table, "%s", model->connection);
        mhc__table_cell(table, "%d", model->blocks);
        mhc__table_cell(table, "%d", model->channels);
        mhc__table_cell(table, "%lld of %lld", (long long)run->metrics.step[run->metrics.rows - 1] + 1,
                        (long long)run->config.train.steps);
    } else {
        for (int i = 0; i < 3; i++)
            mhc__table_cell(table, "–");
        mhc__table_cell(table, "%lld", (long long)run->metrics.step[run->metrics.rows - 1] + 1);
    }
    mhc__table_number(table, mhc__run_tail(run, "loss", 0.05));
    mhc__table_number(table, mhc__run_least(run, "loss"));
    double held_out = mhc__run_last(run, "eval_loss");
    if (isfinite(held_out))
        mhc__table_number(table, held_out);
    else
        mhc__table_cell(table, "–");
    mhc__table_number(table, mhc__run_median(run, "grad_norm"));
    mhc__table_number(table, mhc__run_most(run, "grad_norm"));
    double tokens = mhc__run_step_tokens(run), seconds = mhc__run_median(run, "seconds");
    mhc__table_number(table, (isfinite(tokens) ? tokens : NAN) / seconds);
    mhc__duration(mhc__run_sum(run, "seconds"), time, sizeof time);
    mhc__table_cell(table, "%s", time);
    int64_t bad = steps_not_finite(run);
    if (bad)
        mhc__table_cell(table, "%lld steps", (long long)bad);
    else
        mhc__table_cell(table, "–");
}

static void fill_table(const mhc__runs *runs, mhc__table *table) {
    mhc__table_start(table, "Run|Connection|Blocks|Channels|Steps|Final loss|Least loss|Held-out loss|Gradient norm|"
                            "largest|Tokens/s|Time|NaN or Inf");
    for (int r = 0; r < runs->count; r++)
        run_cells(&runs->run[r], table);
}

static void field_text(const mhc__field *field, const mhc__run *run, mhc__text *text) {
    if (run->has_config)
        mhc__field_print(field, &run->config, text);
    if (!text->length)
        mhc__text_format(text, "–");
}

static bool differs(const mhc__field *field, const mhc__runs *runs) {
    const mhc__run *first = NULL;
    bool differ = false;
    for (int r = 0; r < runs->count; r++) {
        if (!runs->run[r].has_config)
            continue;
        if (!first)
            first = &runs->run[r];
        mhc__text a = {0}, b = {0};
        field_text(field, first, &a);
        field_text(field, &runs->run[r], &b);
        differ |= a.data && b.data && strcmp(a.data, b.data) != 0;
        mhc__text_free(&a);
        mhc__text_free(&b);
    }
    return differ;
}

/* One row for each setting in which the runs differ, one column for each run. */
static void fill_differences(const mhc__runs *runs, mhc__table *table) {
    mhc__text head = {0};
    mhc__text_format(&head, "Setting");
    for (int r = 0; r < runs->count; r++) {
        mhc__text_format(&head, "|");
        for (const char *c = runs->run[r].name; *c; c++)
            mhc__text_append(&head, *c == '|' ? "/" : c, 1);
    }
    mhc__table_start(table, head.data ? head.data : "");
    table->failed |= head.failed;
    mhc__text_free(&head);
    for (int i = 0; i < mhc__field_count; i++) {
        const mhc__field *field = &mhc__fields[i];
        if (!differs(field, runs))
            continue;
        mhc__table_cell(table, "%s.%s", field->section, field->name);
        for (int r = 0; r < runs->count; r++) {
            mhc__text value = {0};
            field_text(field, &runs->run[r], &value);
            mhc__table_cell(table, "%s", value.data ? value.data : "");
            mhc__text_free(&value);
        }
    }
}

/* The same batches in the same order: then losses can be compared step by step. */
static bool paired(const mhc__run *a, const mhc__run *b) {
    const mhc__config *x = &a->config, *y = &b->config;
    return a->has_config && b->has_config && x->train.seed == y->train.seed && x->train.batch == y->train.batch &&
           x->train.accumulate == y->train.accumulate && x->model.sequence == y->model.sequence &&
           memcmp(&x->data, &y->data, sizeof x->data) == 0;
}

/* loss(run) - loss(first) over the last tenth of the steps that both have; NaN where they have none. */
static double loss_difference(const mhc__run *run, const mhc__run *first, int64_t *steps) {
    const double *a = mhc__metrics_column(&run->metrics, "loss"), *b = mhc__metrics_column(&first->metrics, "loss");
    int64_t rows = run->metrics.rows < first->metrics.rows ? run->metrics.rows : first->metrics.rows;
    int64_t from = rows - (rows + 9) / 10;
    double sum = 0;
    *steps = rows - from;
    for (int64_t i = from; a && b && i < rows; i++)
        sum += run->metrics.step[i] == first->metrics.step[i] ? a[i] - b[i] : NAN;
    return a && b ? sum / (double)*steps : NAN;
}

static void comparisons(const mhc__runs *runs, mhc__html *html) {
    const mhc__run *first = &runs->run[0];
    mhc__html_section(html, "How they compare");
    mhc__html_list_start(html);
    for (int r = 1; r < runs->count; r++) {
        const mhc__run *run = &runs->run[r];
        int64_t steps;
        double difference = loss_difference(run, first, &steps);
        if (!isfinite(difference))
            mhc__html_item(html, "`%s` and `%s` have no steps in common whose losses are finite.", run->name,
                           first->name);
        else
            mhc__html_item(
                html, "Over the last %lld steps that both have, the loss of `%s` is %.4f %s that of `%s`%s.",
                (long long)steps, run->name, fabs(difference), difference < 0 ? "below" : "above", first->name,
                paired(run, first) ? ", on the same batches"
                                   : "; they did not see the same batches, so that this has their noise in it");
    }
    mhc__html_list_end(html);
    mhc__html_note(html, "A run is one observation. Whether a difference is more than the luck of a seed takes several "
                         "seeds of each: `mhc study` runs them and says so.");
}

static void settings(const mhc__runs *runs, mhc__html *html) {
    mhc__table table;
    fill_differences(runs, &table);
    mhc__html_section(html, "What differs in the settings");
    if (mhc__table_rows(&table))
        mhc__html_table(html, &table, "Every setting that is not the same in all of these runs.");
    else
        mhc__html_paragraph(html, "Nothing: the configurations say the same.");
    mhc__table_free(&table);
}

static void about_one(const mhc__run *run, mhc__html *html) {
    const mhc__config *config = &run->config;
    if (!run->has_config)
        return;
    mhc__html_section(html, "The set-up");
    mhc__html_paragraph(
        html,
        "`%s`, %d blocks of %d channels, %d stream%s; batches of %d x %d rows of %d tokens of %s; learning "
        "rate %g; seed %llu. The whole configuration:",
        config->model.connection, config->model.blocks, config->model.channels, config->model.streams,
        config->model.streams == 1 ? "" : "s", config->train.accumulate, config->train.batch, config->model.sequence,
        config->data.path, (double)config->train.lr, (unsigned long long)config->train.seed);
    mhc__text yaml = {0};
    if (mhc__config_yaml(config, false, &yaml, NULL) == MHC_OK && yaml.data)
        mhc__html_code(html, yaml.data);
    html->text.failed |= yaml.failed;
    mhc__text_free(&yaml);
}

static void complaints(const mhc__runs *runs, mhc__html *html) {
    for (int r = 0; r < runs->count; r++) {
        const mhc__run *run = &runs->run[r];
        if (*run->complaint)
            mhc__html_note(html, "The configuration of `%s` could not be read: %s", run->name, run->complaint);
        if (run->metrics.skipped)
            mhc__html_note(html, "%lld lines of `%s/metrics.jsonl` are not steps and were left out.",
                           (long long)run->metrics.skipped, run->folder);
    }
}

static mhc_status write_tsv(const mhc__table *table, const char *out, mhc_error *error) {
    mhc__text tsv = {0};
    char *path = mhc__format("%s/table.tsv", out);
    mhc__table_tsv(table, &tsv);
    mhc_status status = tsv.failed || !path ? mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for the table", out)
                                            : mhc__write_file(path, tsv.data, tsv.length, error);
    mhc__text_free(&tsv);
    free(path);
    return status;
}

static void origin(const mhc__runs *runs, const char *command, mhc__html *html) {
    double seconds = 0;
    mhc__text seeds = {0};
    for (int r = 0; r < runs->count; r++) {
        seconds += mhc__run_sum(&runs->run[r], "seconds");
        if (runs->run[r].has_config)
            mhc__text_format(&seeds, "%s%llu (%s)", seeds.length ? ", " : "",
                             (unsigned long long)runs->run[r].config.train.seed, runs->run[r].name);
    }
    mhc__origin from = {command, seeds.data, 0, seconds};
    mhc__origin_section(html, &from);
    html->text.failed |= seeds.failed;
    mhc__text_free(&seeds);
}

static void start(const mhc__runs *runs, mhc__html *html) {
    char title[120];
    if (runs->count == 1)
        snprintf(title, sizeof title, "Run %.100s", runs->run[0].name);
    else
        snprintf(title, sizeof title, "%d runs side by side", runs->count);
    mhc__html_start(html, title, "Drawn by `mhc report` from what the training wrote");
    mhc__html_section(html, "The question");
    mhc__html_paragraph(html,
                        runs->count == 1
                            ? "How the training went: its loss, the size of its gradients, what its residual streams "
                              "did, and how fast it was."
                            : "How these runs went, and in what they differ: losses, gradients, what the residual "
                              "streams did, and speed.");
}

mhc_status mhc__runs_report(const mhc__runs *runs, const char *out, const char *command, FILE *log, mhc_error *error) {
    MHC__TRY(mhc__make_folders(out, error));
    mhc__html html;
    mhc__table table;
    start(runs, &html);
    complaints(runs, &html);
    fill_table(runs, &table);
    mhc__html_section(&html, "The numbers");
    mhc__html_table(
        &html, &table,
        "Final loss: mean of the last twentieth of the steps, in nats per token. Held-out loss: the last one. "
        "Gradient norm, tokens/s: medians of all steps. Time: of all steps together.");
    mhc_status status = write_tsv(&table, out, error);
    mhc__table_free(&table);
    if (runs->count > 1) {
        comparisons(runs, &html);
        settings(runs, &html);
    }
    mhc__html_section(&html, "Pictures");
    if (status == MHC_OK)
        status = mhc__runs_figures(runs, out, &html, log, error);
    if (runs->count == 1)
        about_one(&runs->run[0], &html);
    origin(runs, command, &html);
    if (status == MHC_OK)
        return mhc__html_write(&html, out, error);
    mhc__html_free(&html);
    return status;
}
