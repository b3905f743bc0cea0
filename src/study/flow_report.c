#include <math.h>
#include <string.h>

#include "file/atomic.h"
#include "study/flow.h"
#include "study/page.h"
#include "study/summary.h"

typedef double (*quantity)(const mhc__flow_arm *flow);

static const mhc__evaluation *last_evaluation(const mhc__flow_arm *flow) {
    return flow->log.evaluation_count ? &flow->log.evaluations[flow->log.evaluation_count - 1] : NULL;
}

static double accuracy(const mhc__flow_arm *flow) {
    return last_evaluation(flow) ? 100 * last_evaluation(flow)->accuracy : NAN;
}

static double yes(const mhc__flow_arm *flow) {
    return last_evaluation(flow) ? 100 * last_evaluation(flow)->yes : NAN;
}

static double moved_least(const mhc__flow_arm *flow) {
    return last_evaluation(flow) ? last_evaluation(flow)->moved_min : NAN;
}

static double moved_most(const mhc__flow_arm *flow) {
    return last_evaluation(flow) ? last_evaluation(flow)->moved_max : NAN;
}

static double of_layer(const mhc__flow_arm *flow, int64_t step, int layer) {
    return step < flow->log.count && step >= 0 ? mhc__layer_at(&flow->log, step, MHC__LAYER_GRADIENT, layer) : NAN;
}

static double first_at_start(const mhc__flow_arm *flow) {
    return of_layer(flow, 0, 0);
}

static double last_at_start(const mhc__flow_arm *flow) {
    return of_layer(flow, 0, flow->log.layers - 1);
}

static double first_at_end(const mhc__flow_arm *flow) {
    return of_layer(flow, flow->log.count - 1, 0);
}

static double last_at_end(const mhc__flow_arm *flow) {
    return of_layer(flow, flow->log.count - 1, flow->log.layers - 1);
}

static double seconds(const mhc__flow_arm *flow) {
    return flow->arm.seconds / (double)flow->arm.series.count;
}

static const struct {
    const char *head;
    quantity of;
} COLUMNS[] = {
    {"Loss at the end", mhc__flow_loss_late},
    {"Dev accuracy %", accuracy},
    {"says yes %", yes},
    {"First layer's gradient, first step", first_at_start},
    {"last step", first_at_end},
    {"Last layer's gradient, first step", last_at_start},
    {"last step", last_at_end},
    {"Weights moved, least", moved_least},
    {"most", moved_most},
    {"Seconds per step", seconds},
};
enum { COLUMN_COUNT = sizeof COLUMNS / sizeof COLUMNS[0] };

static void number_cell(const mhc__flow *study, int c, quantity of, mhc__table *table) {
    double values[MHC__STUDY_MAX_SEEDS], mean, deviation;
    for (int s = 0; s < study->seeds; s++)
        values[s] = of(mhc__flow_at(study, c, s));
    mhc__mean_spread(values, study->seeds, &mean, &deviation);
    if (study->seeds > 1)
        mhc__table_mean(table, mean, deviation);
    else
        mhc__table_number(table, mean);
}

static void bursts_cell(const mhc__flow *study, int c, mhc__table *table) {
    mhc__text cell = {0};
    for (int s = 0; s < study->seeds; s++) {
        int64_t burst = mhc__flow_burst(&mhc__flow_at(study, c, s)->log);
        if (burst >= 0)
            mhc__text_format(&cell, "%s%lld", cell.length ? ", " : "", (long long)burst);
    }
    mhc__table_cell(table, "%s", cell.data ? cell.data : "–");
    table->failed |= cell.failed;
    mhc__text_free(&cell);
}

/* columns: how many of them, from the left. */
static void main_table(const mhc__flow *study, int columns, mhc__table *table) {
    mhc__text head = {0};
    mhc__text_format(&head, "Model");
    for (int i = 0; i < columns; i++)
        mhc__text_format(&head, "|%s", COLUMNS[i].head);
    mhc__text_format(&head, "|Burst at step|NaN or Inf");
    mhc__table_start(table, head.data ? head.data : "");
    table->failed |= head.failed;
    mhc__text_free(&head);
    for (int c = 0; c < study->choice_count; c++) {
        mhc__table_cell(table, "%s", study->choices[c].label);
        for (int i = 0; i < columns; i++)
            number_cell(study, c, COLUMNS[i].of, table);
        bursts_cell(study, c, table);
        int64_t first = -1;
        for (int s = 0; s < study->seeds; s++) {
            int64_t step = mhc__flow_at(study, c, s)->arm.not_finite_at;
            first = step >= 0 && (first < 0 || step < first) ? step : first;
        }
        if (first >= 0)
            mhc__table_cell(table, "from step %lld", (long long)first);
        else
            mhc__table_cell(table, "–");
    }
}

/* ---- what was published ---- */

enum { EPOCHS = 20 };
static const double EPOCH_LOSS[2][EPOCHS] = {{.6067, .7088, .5325, .6113, .6118, .7704, .6586, .6344, .6603, .6823,
                                              .6595, .5823, .6836, .6833, .6585, .7139, .7149, .6325, .7384, .6837},
                                             {.5923, .7000, .5381, .6136, .6077, .7756, .6585, .6351, .6625, .6820,
                                              .6597, .5904, .6824, .6861, .6590, .7174, .7170, .6323, .7364, .6813}};
static const char *const PUBLISHED[2] = {"boolq-100-hc", "boolq-100"};

static void epoch_table(const mhc__flow *study, mhc__table *table) {
    mhc__text head = {0};
    mhc__text_format(&head, "Epoch|baseline, published|mHC, published");
    for (int c = 0; c < study->choice_count; c++)
        mhc__text_format(&head, "|%s", study->choices[c].label);
    mhc__table_start(table, head.data ? head.data : "");
    table->failed |= head.failed;
    mhc__text_free(&head);
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        int64_t step = (epoch + 1) * mhc__flow_at(study, 0, 0)->log.every - 1;
        if (step >= study->config.train.steps)
            break;
        mhc__table_cell(table, "%d", epoch + 1);
        for (int i = 0; i < 2; i++)
            mhc__table_cell(table, "%.4f", EPOCH_LOSS[i][epoch]);
        for (int c = 0; c < study->choice_count; c++) {
            const mhc__series *series = &mhc__flow_at(study, c, 0)->arm.series;
            if (step < series->count && isfinite(series->at[step].loss))
                mhc__table_cell(table, "%.4f", series->at[step].loss);
            else
                mhc__table_cell(table, "NaN");
        }
    }
}

static const struct {
    int layer;
    double res[2][2], pre[2][2], post[2][2]; /* [baseline, mHC][first, last] */
} NORMS[MHC__FLOW_LAYERS] = {
    {0, {{1.918, 1.862}, {1.898, 1.904}}, {{1.124, 1.122}, {1.312, 1.309}}, {{1.423, 1.399}, {1.645, 1.637}}},
    {40, {{2.091, 2.145}, {2.197, 2.197}}, {{1.097, 0.925}, {1.299, 1.290}}, {{1.231, 1.105}, {0.987, 0.988}}},
    {80, {{1.991, 1.877}, {1.826, 1.834}}, {{1.004, 0.761}, {0.883, 0.886}}, {{1.467, 1.221}, {1.441, 1.452}}},
    {99, {{2.067, 2.103}, {1.926, 1.926}}, {{1.029, 0.727}, {1.325, 1.328}}, {{0.906, 0.697}, {1.034, 1.026}}},
};

static void change(mhc__table *table, double first, double last) {
    mhc__table_cell(table, "%.3f → %.3f", first, last);
}

static void measured_change(const mhc__flow_arm *flow, mhc__layer_value which, int layer, mhc__table *table) {
    if (flow->log.count)
        change(table, mhc__layer_at(&flow->log, 0, which, layer),
               mhc__layer_at(&flow->log, flow->log.count - 1, which, layer));
    else
        mhc__table_cell(table, "–");
}

static void norm_table(const mhc__flow *study, mhc__table *table) {
    int layers[MHC__FLOW_LAYERS];
    mhc__flow_layers(study->config.model.blocks, layers);
    mhc__table_start(table,
                     "Model|Layer|H_res raw, published|here|projected|H_pre raw, published|here|projected|H_post "
                     "raw, published|here|projected");
    for (int i = 0; i < 2; i++) {
        int c = mhc__choice_find(study->choices, study->choice_count, PUBLISHED[i]);
        if (c < 0)
            continue;
        const mhc__flow_arm *flow = mhc__flow_at(study, c, 0);
        for (int l = 0; l < MHC__FLOW_LAYERS; l++) {
            bool same = layers[l] == NORMS[l].layer;
            const double(*published[3])[2] = {NORMS[l].res, NORMS[l].pre, NORMS[l].post};
            static const mhc__layer_value raw[3] = {MHC__LAYER_RES_RAW, MHC__LAYER_PRE_RAW, MHC__LAYER_POST_RAW};
            static const mhc__layer_value made[3] = {MHC__LAYER_RES, MHC__LAYER_PRE, MHC__LAYER_POST};
            mhc__table_cell(table, "%s", study->choices[c].label);
            mhc__table_cell(table, "%d", layers[l]);
            for (int k = 0; k < 3; k++) {
                if (same)
                    change(table, published[k][i][0], published[k][i][1]);
                else
                    mhc__table_cell(table, "–");
                measured_change(flow, raw[k], layers[l], table);
                measured_change(flow, made[k], layers[l], table);
            }
        }
    }
}

/* ---- the page ---- */

static void summary(const mhc__flow *study, const mhc__flow_evidence *e, mhc__html *html) {
    mhc__html_section(html, "What it means");
    mhc__html_list_start(html);
    for (int c = 0; c < study->choice_count; c++) {
        const mhc__flow_arm *flow = mhc__flow_at(study, c, 0);
        double first = of_layer(flow, 0, 0), last = of_layer(flow, 0, flow->log.layers - 1);
        mhc__html_item(
            html,
            "**%s.** The gradient of the first layer goes from %.3g in the first step to %.3g in the last, that of "
            "the last layer from %.3g to %.3g.",
            study->choices[c].label, first, first_at_end(flow), last, last_at_end(flow));
    }
    mhc__text losses = {0}, right = {0};
    for (int c = 0; c < study->choice_count; c++) {
        const char *comma = c ? ", " : "";
        mhc__text_format(&losses, "%s%s %.4g", comma, study->choices[c].label,
                         mhc__flow_loss_late(mhc__flow_at(study, c, 0)));
        if (isfinite(accuracy(mhc__flow_at(study, c, 0))))
            mhc__text_format(&right, "%s%s %.1f %%", comma, study->choices[c].label,
                             accuracy(mhc__flow_at(study, c, 0)));
    }
    if (losses.data)
        mhc__html_item(html,
                       "**Learning.** Mean loss at the end: %s; that of answering all questions alike, by the "
                       "share of yes, is %.4f.",
                       losses.data, e->prior_entropy);
    if (right.data)
        mhc__html_item(html,
                       "**Answers.** Of the dev questions right: %s; always giving the commoner answer gets %.1f %%.",
                       right.data, 100 * e->majority);
    html->text.failed |= losses.failed || right.failed;
    mhc__text_free(&losses);
    mhc__text_free(&right);
    mhc__html_list_end(html);
}

static void tables(const mhc__flow *study, mhc__html *html) {
    mhc__table table;
    mhc__html_section(html, "The numbers");
    main_table(study, COLUMN_COUNT, &table);
    mhc__html_table(
        html, &table,
        "Loss: mean of the last epoch, or of the last quarter of a shorter run. Gradient: Frobenius norm of the "
        "gradient of a layer's weight. Moved: distance of a layer's weight "
        "from its start over the norm of its start, least and most over layers. Burst: a step after 100 whose "
        "largest gradient is more than 100 times the median of the 100 steps before. With several seeds: mean "
        "± sample standard deviation.");
    mhc__table_free(&table);
    mhc__html_section(html, "Published, and here");
    norm_table(study, &table);
    mhc__html_table(
        html, &table,
        "Frobenius norms in the first step → in the last. The published ones are of raw parameters, not of the "
        "matrices that act.");
    mhc__table_free(&table);
    epoch_table(study, &table);
    if (mhc__table_rows(&table))
        mhc__html_table(html, &table,
                        "Loss of the last minibatch of each epoch, as the notebook printed it: 19 questions of BoolQ's "
                        "295 batches. Here other questions are in it, the same for all models of a seed.");
    mhc__table_free(&table);
}

static void how_it_was_run(const mhc__flow *study, const mhc__flow_evidence *e, mhc__html *html) {
    const mhc__config *config = &mhc__flow_at(study, 0, 0)->arm.config;
    const mhc__model_config *model = &config->model;
    const mhc__questions *q = study->questions;
    mhc__html_section(html, "How it was run");
    mhc__html_paragraph(
        html,
        "%d words a question, embeddings of width %d and their mean, %d layers of width %d, %d streams; %lld steps of "
        "%d "
        "questions; AdamW without decay, learning rate %g. %lld training questions (%.1f %% yes, vocabulary %d), %lld "
        "dev "
        "questions (%.1f %% yes). All models of a seed start from the same weights and see the same questions.",
        model->sequence, model->embedding, model->blocks, model->channels, study->config.model.streams,
        (long long)config->train.steps, config->train.batch, (double)config->train.lr,
        (long long)mhc__questions_count(q, MHC__QUESTIONS_TRAIN),
        100 * (double)mhc__questions_yes(q, MHC__QUESTIONS_TRAIN) /
            (double)mhc__questions_count(q, MHC__QUESTIONS_TRAIN),
        mhc__questions_vocabulary(q), (long long)e->dev_questions,
        e->dev_questions ? 100 * (double)mhc__questions_yes(q, MHC__QUESTIONS_DEV) / (double)e->dev_questions : 0);
    if (!e->real_questions)
        mhc__html_note(html,
                       "These are generated questions, whose answers depend on nothing: gradients can be compared with "
                       "the published ones, learning can't. `mhc data get boolq`, then `mhc study gradient-flow --data "
                       "data`.");
    if (config->train.steps != 5900)
        mhc__html_note(html, "The published run has 5,900 steps; this one has %lld.", (long long)config->train.steps);
    mhc__html_paragraph(html, "The models:");
    mhc__html_list_start(html);
    for (int c = 0; c < study->choice_count; c++) {
        const mhc__model_config *own = &mhc__flow_at(study, c, 0)->arm.config.model;
        mhc__html_item(html, "%s: `%s`; ReLU on %s%s", study->choices[c].label, own->connection,
                       own->relu == MHC__RELU_STREAMS ? "the streams after each layer, which leaves no identity path"
                                                      : "what a layer adds, which leaves the residual path whole",
                       own->norm == MHC__NORM_NONE ? "; no norm" : "; a LayerNorm before each layer");
    }
    mhc__html_list_end(html);
    mhc__html_paragraph(
        html, "Different from the published run, on purpose: weights have a random seed, norms of matrices are "
              "those of the pass before the update, and no error is passed over in silence.");
}

static const char NEXT[] = "mhc data get boolq\n"
                           "mhc study gradient-flow --data data --published --out runs/gradient-flow-5900\n"
                           "# is the burst's step a property of anything?\n"
                           "mhc study gradient-flow --data data --published --seeds 3 --out runs/gradient-flow-seeds "
                           "--set study.connections=boolq-100-hc,boolq-100\n"
                           "# the same network with the ReLU on a residual stream\n"
                           "mhc study gradient-flow --quick --out runs/gradient-flow-relu "
                           "--set study.connections=residual,residual-relu\n";

static double all_seconds(const mhc__flow *study) {
    double sum = 0;
    for (int i = 0; i < study->choice_count * study->seeds; i++)
        sum += study->arms[i].arm.seconds;
    return sum;
}

static mhc_status build_page(mhc__flow *study, mhc__html *html, mhc_error *error) {
    mhc__flow_evidence evidence = mhc__flow_evidence_of(study);
    summary(study, &evidence, html);
    MHC__TRY(mhc__page_claims(html, mhc__flow_claims, mhc__flow_claim_count, &evidence, study->folder.report,
                              study->options, error));
    tables(study, html);
    mhc__html_section(html, "Pictures");
    MHC__TRY(mhc__flow_figures(study, html, error));
    how_it_was_run(study, &evidence, html);
    mhc__html_section(html, "What to try next");
    mhc__html_code(html, NEXT);
    return MHC_OK;
}

mhc_status mhc__flow_report(mhc__flow *study, mhc_error *error) {
    MHC__TRY(mhc__make_folders(study->folder.report, error));
    mhc__html html;
    mhc__html_start(
        &html, "Gradient flow through 100 layers",
        "`mhc study gradient-flow`: the experiment of boolq-100, repeated, with the residual networks that it "
        "lacks");
    mhc_status status = build_page(study, &html, error);
    mhc__table table, said;
    main_table(study, COLUMN_COUNT, &table);
    main_table(study, 7, &said); /* what fits a terminal */
    const mhc__page_ending ending = {
        "gradient-flow", study->options, study->folder.report, study->seeds, all_seconds(study), &table, &said};
    status = mhc__page_end(status, &ending, &html, error);
    mhc__table_free(&table);
    mhc__table_free(&said);
    return status;
}
