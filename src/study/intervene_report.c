#include <math.h>
#include <string.h>

#include "file/atomic.h"
#include "study/intervene.h"
#include "study/page.h"

static const char QUESTION[] =
    "A trained model has learned how its streams mix. Does it need that? Its matrices are replaced while it reads text "
    "that it was not trained on: by the identity (nothing mixes), by 1/n (everything does), by their own mean over "
    "tokens "
    "(nothing depends on the token), in all sites, in the first half or in the second, or in one. What it loses says "
    "what the matrices do for the model as it is; a model trained without them might not miss them (`mhc study "
    "ablation`).";

static void fill_table(const mhc__intervene *study, mhc__table *table) {
    mhc__table_start(table, "Model|Map|Replaced by|Sites|Held-out loss|Cost|Standard error|Seen");
    for (int m = 0; m < study->model_count; m++) {
        const mhc__intervene_model *model = &study->models[m];
        if (model->failed)
            continue;
        mhc__table_cell(table, "%s", model->label);
        mhc__table_cell(table, "as trained");
        mhc__table_cell(table, "–");
        mhc__table_cell(table, "–");
        mhc__table_cell(table, "%.4f", model->loss);
        for (int i = 0; i < 3; i++)
            mhc__table_cell(table, "–");
        for (int i = 0; i < MHC__INTERVENE_HALVES; i++) {
            const mhc__intervene_result *r = &model->results[i];
            mhc__table_cell(table, "%s", model->label);
            mhc__table_cell(table, "%s", mhc__map_name(r->map));
            mhc__table_cell(table, "%s", mhc__substitute_name(r->by));
            mhc__table_cell(table, "%d to %d", r->first + 1, r->end);
            mhc__table_cell(table, isfinite(r->loss) ? "%.4f" : "NaN", r->loss);
            mhc__table_cell(table, isfinite(r->cost) ? "%+.2g" : "NaN", r->cost);
            mhc__table_cell(table, isfinite(r->error) ? "%.1g" : "–", r->error);
            mhc__table_cell(table, "%s", r->seen ? "yes" : "no");
        }
    }
}

static void how_it_was_run(const mhc__intervene *study, mhc__html *html) {
    const bool own = !mhc__study_setting(study->options, "checkpoint", NULL);
    const mhc__config *config = &study->config;
    mhc__html_section(html, "How it was run");
    if (own)
        mhc__html_paragraph(html,
                            "Models trained here: %d blocks, %d channels, %d streams, a site around attention and "
                            "feed-forward each; %lld steps of %d rows of %d tokens; text: %s, of which the last %g %% "
                            "are held out. A finding about them is one about small models on little text.",
                            config->model.blocks, config->model.channels, config->model.streams,
                            (long long)config->train.steps, config->train.batch, config->model.sequence,
                            strcmp(config->data.path, "builtin") ? config->data.path : "the built-in corpus",
                            100 * (double)config->data.eval_share);
    mhc__html_list_start(html);
    for (int m = 0; m < study->model_count; m++)
        if (!study->models[m].failed)
            mhc__html_item(html, "%s: `%s`, step %lld, %d sites, %d streams; %lld held-out tokens in %lld batches.",
                           study->models[m].label, study->models[m].path, (long long)study->models[m].step,
                           study->models[m].sites, study->models[m].streams, (long long)study->models[m].tokens,
                           (long long)study->models[m].batches);
    mhc__html_list_end(html);
    mhc__html_paragraph(
        html, "Replaced coefficients act where the mapping's own would: in reading the layer's input, in "
              "spreading its output and in mixing. Mappings of later sites see the streams that follow from "
              "it. Token means are those over the same text, of the model as it is. Sites are numbered from 1; "
              "the first half is that of the smaller numbers.");
}

static mhc_status build_page(mhc__intervene *study, const mhc__table *table, mhc__html *html, mhc_error *error) {
    mhc__html_start(html, "What a trained model loses without its maps",
                    "`mhc study intervene`: H_res, H_pre and H_post replaced in a model as it was trained");
    mhc__html_section(html, "The question");
    mhc__html_paragraph(html, "%s", QUESTION);
    mhc__html_section(html, "What was found");
    mhc__html_list_start(html);
    for (int m = 0; m < study->model_count; m++)
        mhc__intervene_findings(&study->models[m], html);
    mhc__html_list_end(html);
    mhc__html_section(html, "Pictures");
    MHC__TRY(mhc__intervene_figures(study, html, error));
    mhc__html_section(html, "The table");
    mhc__html_table(html, table,
                    "Losses in nats per token of the held-out text. Cost: less the model's own. Standard error: of the "
                    "cost, over batches of the text. Seen: the cost is more than twice that, of three batches or more. "
                    "Costs of single sites are in `interventions.jsonl`.");
    how_it_was_run(study, html);
    return MHC_OK;
}

mhc_status mhc__intervene_report(mhc__intervene *study, mhc_error *error) {
    MHC__TRY(mhc__make_folders(study->folder.report, error));
    mhc__table table;
    mhc__html html;
    double seconds = 0;
    fill_table(study, &table);
    mhc_status status = build_page(study, &table, &html, error);
    mhc__html_section(&html, "What to try next");
    mhc__html_code(&html, "mhc study intervene --set study.checkpoint=RUN --out runs/intervene-run\n"
                          "mhc study ablation      # what models lose that are trained without\n");
    for (int m = 0; m < study->model_count; m++)
        seconds += study->models[m].seconds;
    const mhc__page_ending ending = {"intervene", study->options, study->folder.report, 1, seconds, &table, &table};
    status = mhc__page_end(status, &ending, &html, error);
    mhc__table_free(&table);
    return status;
}
