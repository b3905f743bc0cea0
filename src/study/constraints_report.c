#include <math.h>
#include <string.h>

#include "file/atomic.h"
#include "mhc/constraint.h"
#include "study/constraints.h"
#include "study/page.h"
#include "study/summary.h"

static const char QUESTION[] =
    "Sinkhorn's doubly stochastic matrices are one of a dozen ways to keep H_res in bounds. Publications compare "
    "theirs "
    "to the residual or to unconstrained matrices, at one learning rate, with starts that differ. Which constraint is "
    "better where all start as the same function, with the same mass off the diagonal, each at a rate of its own, "
    "and is any better than a residual network with as many parameters?";

/* "row, column sums, nonnegative, …" or "–". */
static void promises_cell(const mhc__arm *arm, mhc__table *table) {
    static const struct {
        unsigned property;
        const char *name;
    } names[] = {{MHC_ROW_SUMS, "rows"},
                 {MHC_COLUMN_SUMS, "columns"},
                 {MHC_NONNEGATIVE, "nonnegative"},
                 {MHC_NONEXPANSIVE, "non-expansive"},
                 {MHC_ISOMETRY, "isometry"}};
    mhc_spec spec;
    mhc_error ignored;
    unsigned found = 0;
    if (mhc__model_config_spec(&arm->config.model, &spec, &ignored) == MHC_OK &&
        mhc_constraint_properties(&spec, &found, &ignored) != MHC_OK)
        found = 0;
    mhc__text text = {0};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (found & names[i].property)
            mhc__text_format(&text, "%s%s", text.length ? ", " : "", names[i].name);
    mhc__table_cell(table, "%s", text.data ? text.data : "–");
    mhc__text_free(&text);
}

static void difference_cells(const mhc__paired *d, mhc__table *table) {
    if (!isfinite(d->mean))
        mhc__table_cell(table, "–");
    else if (isnan(d->low))
        mhc__table_cell(table, "%+.4f", d->mean);
    else
        mhc__table_cell(table, "%+.4f [%+.4f, %+.4f]", d->mean, d->low, d->high);
    if (isnan(d->holm))
        mhc__table_cell(table, "–");
    else
        mhc__table_cell(table, "%.3f", d->holm);
}

/* A dash where there is nothing to measure: one stream has no other to compare with. */
static void probed_cell(double value, mhc__table *table) {
    if (isnan(value))
        mhc__table_cell(table, "–");
    else
        mhc__table_number(table, value);
}

static double flop(const mhc__constraints *study, int c) {
    return study->costs[c].layers + study->costs[c].connection;
}

static void fill_table(const mhc__constraints *study, mhc__table *table) {
    mhc__paired less[MHC__STUDY_MAX_CHOICES], than[MHC__STUDY_MAX_CHOICES];
    int control = mhc__choice_find(study->choices, study->choice_count, "residual");
    mhc__constraints_against(study, control, less);
    mhc__constraints_against(study, study->reference, than);
    mhc__table_start(table,
                     "Constraint|Parameters|Rate|Logits off at the start|Held-out loss|"
                     "Less the residual's|p to the residual|Less the reference's|p to the reference|ms per step|"
                     "MFLOP per token|Training loss, same tokens|Same FLOP|Same seconds|"
                     "Composite gain forward|Composite gain backward|Log-volume|Cosine of streams|Spread|Promises");
    double seconds = control < 0 ? NAN : mhc__constraints_step_seconds(study, control);
    for (int c = 0; c < study->choice_count; c++) {
        const mhc__arm *arms = mhc__constraints_arm(study, c, 0);
        mhc__composite gains = mhc__composite_of(arms, study->seeds);
        double own = mhc__constraints_step_seconds(study, c);
        mhc__table_cell(table, "%s", study->choices[c].label);
        mhc__table_cell(table, "%lld", (long long)study->costs[c].parameters);
        mhc__table_number(table, (double)arms->config.train.lr);
        mhc__table_cell(table, "%.2g", study->starts[c].off);
        mhc__held_out_cell(mhc__constraints_arm(study, c, 0), study->seeds, table);
        difference_cells(&less[c], table);
        difference_cells(&than[c], table);
        mhc__table_cell(table, "%.2f", 1e3 * own);
        mhc__table_cell(table, "%.3f", 1e-6 * flop(study, c));
        mhc__table_number(table, mhc__constraints_loss_at(study, c, 1));
        mhc__table_number(
            table, control < 0 ? NAN : mhc__constraints_loss_at(study, c, flop(study, control) / flop(study, c)));
        mhc__table_number(table, mhc__constraints_loss_at(study, c, seconds / own));
        mhc__table_number(table, gains.forward.high);
        mhc__table_number(table, gains.backward.high);
        probed_cell(mhc__constraints_number(study, c, "log_volume"), table);
        probed_cell(mhc__constraints_number(study, c, "stream_cosine"), table);
        probed_cell(mhc__constraints_number(study, c, "stream_spread"), table);
        promises_cell(arms, table);
    }
}

static void fill_rates(const mhc__constraints *study, mhc__table *table) {
    char head[256] = "Constraint";
    for (int r = 0; r < study->rate_count; r++)
        snprintf(head + strlen(head), sizeof head - strlen(head), "|%g", study->rates[r]);
    mhc__table_start(table, head);
    for (int c = 0; c < study->choice_count; c++) {
        mhc__table_cell(table, "%s", study->choices[c].label);
        for (int r = 0; r < study->rate_count; r++)
            if (isfinite(study->swept[c].loss[r]))
                mhc__table_cell(table, "%.4f", study->swept[c].loss[r]);
            else
                mhc__table_cell(table, "NaN");
    }
}

static void how_it_was_run(const mhc__constraints *study, mhc__html *html) {
    const mhc__arm *arm = mhc__constraints_arm(study, 0, 0);
    const mhc__config *config = &study->config;
    bool builtin = !strcmp(config->data.path, "builtin");
    mhc__html_section(html, "How it was run");
    mhc__html_paragraph(
        html,
        "%d blocks, %d channels, %d streams, a site around attention and feed-forward each, streams averaged at the "
        "end; %lld steps of %d rows of %d tokens; text: %s (%lld tokens for training, %lld held out). H_pre, H_post "
        "and "
        "the logits of H_res are those of the connection `paper`; with a constraint of its own H_res starts with a "
        "mass of %g off the diagonal (identity: 0). The rate of each is the best of %d by held-out loss after %d steps "
        "with seed %llu; the results "
        "are of the %d seed%s after it, on the same text, so no seed was chosen for being good.",
        config->model.blocks, config->model.channels, config->model.streams, (long long)config->train.steps,
        config->train.batch, config->model.sequence, builtin ? "the built-in corpus" : config->data.path,
        (long long)arm->train_tokens, (long long)arm->held_out.tokens, (double)study->off_diagonal, study->rate_count,
        study->sweep_steps, (unsigned long long)study->options->seed, study->seeds, study->seeds == 1 ? "" : "s");
    if (study->widened && study->reference >= 0) {
        int wide = mhc__choice_find(study->choices, study->choice_count, "residual-wide");
        mhc__html_paragraph(
            html, "\"residual, wider\" has a feed-forward of %d channels, and %+lld parameters against %s.",
            study->widened, (long long)(study->costs[wide].parameters - study->costs[study->reference].parameters),
            study->choices[study->reference].label);
    }
    mhc__html_paragraph(
        html, "FLOP are counted from shapes, three times forward: 2 for each weight that multiplies a token, causal "
              "attention, and the sums over streams of H_pre, H_post and H_res. Norms and what turns logits into "
              "H_res are not counted; they are in the seconds.");
    if (study->config.train.steps < MHC__CONSTRAINTS_STEPS)
        mhc__html_note(html, "The default has %d steps; this run has %lld.", MHC__CONSTRAINTS_STEPS,
                       (long long)study->config.train.steps);
}

static mhc_status build_page(mhc__constraints *study, const mhc__table *table, const mhc__table *rates, mhc__html *html,
                             mhc_error *error) {
    const char *reference = study->reference < 0 ? "none" : study->choices[study->reference].label;
    mhc__text caption = {0};
    mhc__html_start(html, "All constraints on one model",
                    "`mhc study constraints`: the same start, a learning rate for each, a control as large");
    mhc__html_section(html, "The question");
    mhc__html_paragraph(html, "%s", QUESTION);
    mhc__html_section(html, "What was found");
    mhc__constraints_findings(study, html);
    mhc__html_section(html, "The table");
    mhc__text_format(
        &caption,
        "Held-out loss in nats per token, mean ± sample standard deviation over seeds. Differences: mean over paired "
        "seeds and the 95 %% interval of Student's t; p with Holm's correction over the column. The reference is %s; "
        "logits off: the largest difference of a logit to its, before training. Training loss: mean over a tenth of "
        "the "
        "run that ends when the residual's tokens, FLOP and seconds are used up, on the same schedule, which is then "
        "not at its end: it favours what takes less. Seconds are medians of this run, with whatever else the machine "
        "did meanwhile. Gains: the largest of all steps and seeds. Log-volume, cosine and "
        "spread of streams: last step that was measured, mean over seeds.",
        reference);
    html->text.failed |= caption.failed;
    mhc__html_table(html, table, caption.data ? caption.data : "");
    mhc__text_free(&caption);
    mhc__html_section(html, "The rates");
    mhc__html_table(html, rates, "Held-out loss with the first seed, by learning rate.");
    mhc__html_section(html, "Pictures");
    return mhc__constraints_figures(study, html, error);
}

static double seconds_of(const mhc__constraints *study) {
    return study->sweep_seconds + mhc__arms_seconds(study->arms, study->choice_count * study->seeds);
}

mhc_status mhc__constraints_report(mhc__constraints *study, mhc_error *error) {
    MHC__TRY(mhc__make_folders(study->folder.report, error));
    mhc__table table, rates;
    mhc__html html;
    fill_table(study, &table);
    fill_rates(study, &rates);
    mhc_status status = build_page(study, &table, &rates, &html, error);
    how_it_was_run(study, &html);
    mhc__html_section(&html, "What to try next");
    mhc__html_code(&html, "mhc study constraints --data TEXT --seeds 8 --steps 2000 --out runs/constraints-long\n");
    const mhc__page_ending ending = {
        "constraints", study->options, study->folder.report, study->seeds + 1, seconds_of(study), &table, &table};
    if (status == MHC_OK)
        status = mhc__page_table(&rates, study->folder.report, "rates", error);
    status = mhc__page_end(status, &ending, &html, error);
    mhc__table_free(&table);
    mhc__table_free(&rates);
    return status;
}
