/* The section of the stability report on what lowers mHC's gain: every control beside the baseline and mHC. */
#include <math.h>

#include "study/stability.h"
#include "study/summary.h"

/* Largest activation gain of all steps and seeds; NaN where one was not finite. */
static double gain_of(const mhc__stability *study, int c) {
    mhc__range gain = MHC__RANGE_EMPTY;
    for (int seed = 0; seed < study->seeds; seed++) {
        const mhc__arm *arm = mhc__stability_arm(study, c, seed);
        for (int64_t i = 0; i < arm->series.count; i++)
            mhc__widen(&gain, arm->series.at[i].gains.activation);
        if (arm->not_finite_at >= 0)
            mhc__widen(&gain, NAN);
    }
    return gain.high;
}

static void settings_of(const mhc__choice *choice, mhc__table *table) {
    mhc__text text = {0};
    mhc__text_format(&text, "%s", choice->variant.name ? choice->variant.connection : choice->name);
    for (int i = 0; i < MHC__VARIANT_SETS && choice->variant.set[i]; i++)
        mhc__text_format(&text, ", %s", choice->variant.set[i]);
    mhc__table_cell(table, "%s", text.data ? text.data : "");
    table->failed |= text.failed;
    mhc__text_free(&text);
}

static void off_cell(mhc__table *table, double off) {
    if (isnan(off))
        mhc__table_cell(table, "–");
    else if (off == 0)
        mhc__table_cell(table, "0");
    else
        mhc__table_cell(table, "%.2g", off);
}

void mhc__stability_causes(const mhc__stability *study, mhc__html *html) {
    int base = mhc__choice_find(study->choices, study->choice_count, "residual");
    int mhc = mhc__choice_find(study->choices, study->choice_count, "reproducing-mhc"), controls = 0;
    for (int c = 0; c < study->choice_count; c++)
        controls += study->choices[c].variant.name != NULL;
    if (!controls || base < 0 || mhc < 0)
        return;
    mhc__table table;
    mhc__table_start(&table, "Model|What it is|Largest gain|Times below the baseline's|Logits off mHC's, before "
                             "training|Loss off mHC's, any step");
    double baseline = gain_of(study, base);
    for (int c = 0; c < study->choice_count; c++) {
        double gain = gain_of(study, c);
        mhc__table_cell(&table, "%s", study->choices[c].label);
        settings_of(&study->choices[c], &table);
        mhc__table_number(&table, gain);
        mhc__table_number(&table, baseline / gain);
        off_cell(&table, study->starts[c].logits_off);
        off_cell(&table, mhc__stability_loss_off(study, c, mhc));
    }
    mhc__html_section(html, "What lowers the gain");
    mhc__html_paragraph(html,
                        "mHC differs from the baseline in H_post, which starts at 1/n, and in H_res. The controls take "
                        "one without the other, and each choice of this mHC by itself.");
    mhc__html_table(html, &table,
                    "Logits: largest difference over the first rows of the first batch, without dropout, models as "
                    "they start; loss: over all steps, on the same batches with the same masks; both over all seeds. "
                    "0: the same to the last bit.");
    mhc__table_free(&table);
}
