/* The tables of mhc-poc, and ours beside them. */
#include <math.h>
#include <string.h>

#include "study/depth_claims.h"
#include "study/page.h"
#include "study/summary.h"

const mhc__depth_published *mhc__depth_published_of(const char *connection, int blocks) {
    /* gains rounded as published; 5.54 is ln 256, guessing */
    static const mhc__depth_published published[] = {
        {"residual", 12, 1.78, 0, 0.0008, 0},           {"residual", 24, 1.86, 0, 0.0011, 0},
        {"residual", 48, 3.79, 0, 0.0016, 0},           {"mhc-poc-hc", 12, 0.0001, 7.0, 0.0004, 6.3},
        {"mhc-poc-hc", 24, 0.0001, 14.4, 0.0004, 13.3}, {"mhc-poc-hc", 48, 5.54, 27.3, NAN, NAN},
        {"mhc-poc", 12, 0.002, -0.5, 0.0005, -0.6},     {"mhc-poc", 24, 0.0002, -0.6, 0.0005, -0.6},
        {"mhc-poc", 48, 0.0002, -0.6, 0.0005, -0.6},
    };
    for (size_t i = 0; i < sizeof published / sizeof published[0]; i++)
        if (published[i].blocks == blocks && !strcmp(published[i].connection, connection))
            return &published[i];
    return NULL;
}

static void published_cell(mhc__table *table, const mhc__depth_published *published, double value) {
    if (!published)
        mhc__table_cell(table, "–");
    else
        mhc__table_number(table, value);
}

static void measured_cell(const mhc__sweep *study, int d, int c, mhc__sweep_value which, mhc__table *table) {
    double mean, deviation;
    mhc__sweep_over_seeds(study, d, c, which, &mean, &deviation);
    if (study->seeds > 1)
        mhc__table_mean(table, mean, deviation);
    else
        mhc__table_number(table, mean);
}

static void fill_table(mhc__sweep *study, mhc__table *table) {
    mhc__table_start(table, "Blocks|Model|Loss, MLX|Loss, CUDA|Loss here|Gain, MLX|Gain, CUDA|Gain here, start|end|"
                            "NaN or Inf here");
    for (int d = 0; d < study->depth_count; d++)
        for (int c = 0; c < study->choice_count; c++) {
            const mhc__depth_published *published = mhc__depth_published_of(study->choices[c].name, study->depths[d]);
            mhc__table_cell(table, "%d", study->depths[d]);
            mhc__table_cell(table, "%s", study->choices[c].label);
            published_cell(table, published, published ? published->mlx_loss : NAN);
            published_cell(table, published, published ? published->cuda_loss : NAN);
            measured_cell(study, d, c, MHC__SWEEP_LOSS_LAST, table);
            published_cell(table, published, published ? published->mlx_gain : NAN);
            published_cell(table, published, published ? published->cuda_gain : NAN);
            measured_cell(study, d, c, MHC__SWEEP_PROXY_START, table);
            measured_cell(study, d, c, MHC__SWEEP_PROXY, table);
            mhc__failures failures = mhc__failures_of(mhc__sweep_arm(study, d, c, 0), study->seeds);
            if (failures.count)
                mhc__table_cell(table, "from step %lld", (long long)failures.first);
            else
                mhc__table_cell(table, "–");
        }
}

mhc_status mhc__depth_page(mhc__sweep *study, mhc__html *html, mhc_error *error) {
    const mhc__depth_evidence evidence = mhc__depth_evidence_of(study);
    MHC__TRY(mhc__page_claims(html, mhc__depth_claims, mhc__depth_claim_count, &evidence, study->folder.report,
                              study->options, error));
    mhc__table table;
    fill_table(study, &table);
    mhc__html_section(html, "Published, and here");
    mhc__html_table(
        html, &table,
        "MLX: 800 steps; CUDA: 200 steps, as published. Loss: that of the last step, one minibatch, in nats. "
        "Gain: the published proxy, log10 of the largest entry of the product of all H_res; 0 for the "
        "baseline. There it is taken after each update, here before it, and at the end after the last.");
    mhc__table_free(&table);
    long long steps = (long long)study->config.train.steps;
    if (study->config.model.channels != 256 || study->config.model.sequence != 128)
        mhc__html_note(
            html,
            "The published models have 256 channels and rows of 128 tokens; these have %d and %d. Gains, growth "
            "per block and overflow do not depend on that; losses do.",
            study->config.model.channels, study->config.model.sequence);
    else if (steps != 200 && steps != 800)
        mhc__html_note(html, "The published runs have 800 (MLX) and 200 (CUDA) steps; this one has %lld.", steps);
    return MHC_OK;
}
