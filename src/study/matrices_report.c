#include <math.h>
#include <string.h>

#include "file/atomic.h"
#include "probe/matrix.h"
#include "study/matrices.h"
#include "study/page.h"

static const char QUESTION[] =
    "What do the mixing matrices of a trained model look like, one by one and multiplied over depth? The sums of their "
    "rows say how much of a signal goes up, those of their columns how much of a gradient comes down. The largest of "
    "them, the gain, hides what the smallest lose; so all are here.";

static void window_name(mhc__matrices_window w, char *text, size_t size) {
    if (w.first == w.last)
        snprintf(text, size, "H %d", w.first);
    else
        snprintf(text, size, "H %d … H %d", w.last, w.first);
}

/* One row for each row of a matrix. */
static void fill_table(const mhc__matrices *study, mhc__table *table) {
    int most = 1;
    for (int m = 0; m < study->model_count; m++)
        most = study->models[m].streams > most ? study->models[m].streams : most;
    mhc__text head = {0};
    mhc__text_format(&head, "Model|Matrix|Row");
    for (int j = 0; j < most; j++)
        mhc__text_format(&head, "|from %d", j + 1);
    mhc__text_format(&head, "|Sum");
    mhc__table_start(table, head.data ? head.data : "");
    table->failed |= head.failed;
    mhc__text_free(&head);
    for (int m = 0; m < study->model_count; m++) {
        const mhc__matrices_model *model = &study->models[m];
        int n = model->streams;
        for (int p = 0; p < model->panel_count && !model->failed; p++) {
            const double *h = model->panels + p * n * n;
            char name[48];
            window_name(model->windows[p], name, sizeof name);
            for (int i = 0; i <= n; i++) {
                mhc__table_cell(table, "%s", model->label);
                mhc__table_cell(table, "%s", name);
                if (i < n)
                    mhc__table_cell(table, "%d", i + 1);
                else
                    mhc__table_cell(table, "sum");
                for (int j = 0; j < most; j++)
                    if (j < n)
                        mhc__table_number(table, i < n ? h[i * n + j] : mhc__column_sum(h, n, j));
                    else
                        mhc__table_cell(table, "–");
                if (i < n)
                    mhc__table_number(table, mhc__row_sum(h, n, i));
                else
                    mhc__table_cell(table, "–");
            }
        }
    }
}

static void findings(const mhc__matrices *study, mhc__html *html) {
    mhc__html_list_start(html);
    for (int m = 0; m < study->model_count; m++) {
        const mhc__matrices_model *s = &study->models[m];
        if (s->failed) {
            mhc__html_item(html, "**%s** was not finite at some step: its matrices are not looked at.", s->label);
            continue;
        }
        mhc__html_item(
            html,
            "**%s**: the largest gain of a single matrix is %.4g forward and %.4g backward, of a product %.4g and %.4g "
            "(of matrices averaged over tokens; the mean of each token's own: %.4g and %.4g).",
            s->label, mhc__matrices_most(s, s->of_mean, MHC__SINGLE_FORWARD),
            mhc__matrices_most(s, s->of_mean, MHC__SINGLE_BACKWARD),
            mhc__matrices_most(s, s->of_mean, MHC__COMPOSITE_FORWARD),
            mhc__matrices_most(s, s->of_mean, MHC__COMPOSITE_BACKWARD),
            mhc__matrices_most(s, s->of_token, MHC__COMPOSITE_FORWARD),
            mhc__matrices_most(s, s->of_token, MHC__COMPOSITE_BACKWARD));
        mhc__html_item(
            html,
            "%s over all %d sites: the smallest row sum is %.4g, the smallest column sum %.4g. Multiplying "
            "the averaged matrices instead of averaging the products changes an entry by up to %.2g of the largest.",
            s->label, s->sites, s->row_min, s->column_min, s->means_off);
    }
    mhc__html_list_end(html);
}

static void how_it_was_run(const mhc__matrices *study, mhc__html *html) {
    const mhc__config *config = &study->config;
    mhc__html_section(html, "How it was run");
    if (study->own)
        mhc__html_paragraph(
            html,
            "Models trained here: %d blocks (a site around attention and one around feed-forward), %d "
            "channels, %d streams; %lld steps of %d rows of %d tokens; text: %s. The paper's figures are "
            "of a model of 27B parameters after 50,000 steps: these show the instrument, not its result.",
            config->model.blocks, config->model.channels, config->model.streams, (long long)config->train.steps,
            config->train.batch, config->model.sequence,
            strcmp(config->data.path, "builtin") ? config->data.path : "the built-in corpus");
    mhc__html_list_start(html);
    for (int m = 0; m < study->model_count; m++)
        if (!study->models[m].failed)
            mhc__html_item(html, "%s: `%s`, connection `%s`, step %lld, %d sites, %d streams; %lld tokens, loss %.4f.",
                           study->models[m].label, study->models[m].path, study->models[m].connection,
                           (long long)study->models[m].step, study->models[m].sites, study->models[m].streams,
                           (long long)study->models[m].tokens, study->models[m].loss);
    mhc__html_list_end(html);
    mhc__html_paragraph(html,
                        "One batch of the run's held-out text, or of its training text where nothing is held out, "
                        "without dropout. Sites are numbered from 1, the newest matrix of a product stands left.");
}

static mhc_status build_page(mhc__matrices *study, mhc__html *html, mhc_error *error) {
    mhc__matrices_evidence evidence = mhc__matrices_gather(study);
    mhc__html_start(html, "Mixing matrices, one by one and multiplied",
                    "`mhc study matrices`: figures 3, 7 and 8 of arXiv 2512.24880 from trained models");
    mhc__html_section(html, "The question");
    mhc__html_paragraph(html, "%s", QUESTION);
    mhc__html_section(html, "What was found");
    findings(study, html);
    mhc__html_section(html, "Pictures");
    MHC__TRY(mhc__matrices_figures(study, html, error));
    MHC__TRY(mhc__page_claims(html, mhc__matrices_claims, MHC__MATRICES_CLAIMS, &evidence, study->folder.report,
                              study->options, error));
    how_it_was_run(study, html);
    return MHC_OK;
}

mhc_status mhc__matrices_report(mhc__matrices *study, mhc_error *error) {
    MHC__TRY(mhc__make_folders(study->folder.report, error));
    mhc__html html = {0};
    mhc__table table;
    double seconds = 0;
    mhc_status status = build_page(study, &html, error);
    mhc__html_section(&html, "What to try next");
    mhc__html_code(&html, "mhc study matrices --set study.checkpoints=RUN,RUN --out runs/matrices-runs\n"
                          "mhc study contraction   # what such products leave of differences\n");
    for (int m = 0; m < study->model_count; m++)
        seconds += study->models[m].seconds;
    fill_table(study, &table);
    const mhc__page_ending ending = {"matrices", study->options, study->folder.report, 1, seconds, &table, NULL};
    status = mhc__page_end(status, &ending, &html, error);
    mhc__table_free(&table);
    return status;
}
