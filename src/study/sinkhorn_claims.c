#include <math.h>

#include "study/sinkhorn.h"

typedef mhc__sinkhorn_evidence evidence;

enum { TWENTY = 4 }; /* of mhc__sinkhorn_times */

/* Sums off by more than a thousandth in this share of the draws and less are called enough. */
#define ENOUGH 0.01

/* Shares of the draws whose sums are off by more than a thousandth. */
static void twenty_suffice(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    int least = 0, most = 0, held = 0;
    mhc__text where = {0};
    for (int c = 0; c < MHC__SINKHORN_CASES; c++) {
        double above = e->cases[c].above[TWENTY];
        least = above < e->cases[least].above[TWENTY] ? c : least;
        most = above > e->cases[most].above[TWENTY] ? c : most;
        if (above <= ENOUGH)
            mhc__text_format(&where, "%s%s", held++ ? ", " : "", mhc__sinkhorn_cases[c].name);
    }
    mhc__measured(finding, "sums off by more than 1e-3 after 20 cycles: %.3g %% of the matrices with logits %s",
                  100 * e->cases[least].above[TWENTY], mhc__sinkhorn_cases[least].name);
    mhc__measured(finding, "%.3g %% with %s", 100 * e->cases[most].above[TWENTY], mhc__sinkhorn_cases[most].name);
    if (held == MHC__SINKHORN_CASES)
        mhc__ruled(finding, MHC__REPRODUCED, "For all kinds of logits tried.");
    else if (held)
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "It depends on the logits: of %d kinds it holds for %s.",
                   MHC__SINKHORN_CASES, where.data ? where.data : "");
    else
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "For none of the kinds of logits tried.");
    finding->reason.failed |= where.failed;
    mhc__text_free(&where);
}

static void rate_is_sigma(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    double worst = 0;
    int decided = 0;
    for (int c = 0; c < MHC__SINKHORN_CASES; c++)
        if (isfinite(e->cases[c].rate_off)) {
            worst = fmax(worst, e->cases[c].rate_off);
            decided++;
        }
    mhc__measured(finding, "median distance of the ratio of two errors from σ²: at most %.2g over %d kinds of logits",
                  worst, decided);
    if (decided == 0)
        mhc__ruled(finding, MHC__NOT_DECIDED, "No matrix came near enough to its limit; it takes more cycles.");
    else if (worst <= 1e-3)
        mhc__ruled(finding, MHC__REPRODUCED, "Wherever the iteration came near its limit.");
    else
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "The ratio is another for at least one kind of logits.");
}

/* The largest column sum of products of independent layers, or of one matrix with itself. */
typedef double figure_of(const mhc__sinkhorn_stack *stack);

/* The stack with the largest figure, of those with one matrix in all layers or of the others. */
static const mhc__sinkhorn_stack *largest_of(const evidence *e, bool shared, figure_of *figure) {
    const mhc__sinkhorn_stack *most = NULL;
    for (int k = 0; k < MHC__SINKHORN_STACKS; k++) {
        const mhc__sinkhorn_stack *stack = &e->stacks[k];
        if (stack->shared == shared && (!most || figure(stack) > figure(most)))
            most = stack;
    }
    return most;
}

static double usual_when_deep(const mhc__sinkhorn_stack *stack) {
    double most = 0;
    for (int depth = 1; depth < MHC__SINKHORN_DEPTHS; depth++)
        most = fmax(most, stack->p95[depth]);
    return most;
}

static double most_of_24(const mhc__sinkhorn_stack *stack) {
    return stack->most[1];
}

static void reaches(const evidence *e, double gain, const char *what, figure_of *figure, mhc__finding *finding) {
    const mhc__sinkhorn_stack *apart = largest_of(e, false, figure), *alike = largest_of(e, true, figure);
    mhc__measured(finding, "%s: %.3g (%s)", what, figure(apart), apart->name);
    mhc__measured(finding, "%.3g (%s)", figure(alike), alike->name);
    int kinds = 0, reaching = 0;
    for (int k = 0; k < MHC__SINKHORN_STACKS; k++) {
        kinds += !e->stacks[k].shared;
        reaching += !e->stacks[k].shared && figure(&e->stacks[k]) >= gain;
    }
    if (reaching)
        mhc__ruled(finding, MHC__REPRODUCED, "Independent random layers reach it, with %d of %d kinds of logits.",
                   reaching, kinds);
    else if (figure(alike) >= gain)
        mhc__ruled(finding, MHC__OTHER_REASON,
                   "Errors of independent layers average out; it takes layers whose errors agree, not depth alone.");
    else
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "Neither independent nor equal random layers reach it.");
}

static void paper_gain(const void *data, mhc__finding *finding) {
    reaches(data, 1.6, "largest column sum of a product of 24 to 120, 95 of 100", usual_when_deep, finding);
}

static void lite_gain(const void *data, mhc__finding *finding) {
    reaches(data, 3.2, "largest column sum of all products of 24", most_of_24, finding);
}

static void boolq_twenty(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    mhc__measured(finding, "largest residual at its own start after 10, 20, 40 iterations: %.2g, %.2g, %.2g",
                  e->boolq_residual[0], e->boolq_residual[1], e->boolq_residual[2]);
    mhc__measured(finding, "its code does %d", e->boolq_iterations);
    bool suffice = e->boolq_residual[1] <= 1e-6;
    if (e->boolq_iterations != 20)
        mhc__ruled(finding, MHC__CONTRADICTED, "Its own code uses %d. At its start 20 %s.", e->boolq_iterations,
                   e->boolq_residual[0] <= 1e-6 ? "would do, and so would 10"
                   : suffice                    ? "would do"
                                                : "would not do");
    else
        mhc__ruled(finding, suffice ? MHC__REPRODUCED : MHC__NOT_REPRODUCED, "At its own start.");
}

const mhc__claim mhc__sinkhorn_claims[MHC__SINKHORN_CLAIMS] = {
    {.id = "sinkhorn-20",
     .text = "Twenty iterations are enough for a doubly stochastic matrix in practice.",
     .source = "arXiv 2512.24880, section 4.2 (t_max = 20)",
     .published = "t_max = 20",
     .rule =
         "Reproduced where at most 1 % of the matrices have a sum off by more than 1e-3 after 20 cycles, for all kinds "
         "of logits.",
     .decide = twenty_suffice},
    {.id = "sinkhorn-rate",
     .text = "Near the limit each cycle makes the error σ² times smaller, σ being the limit's second singular value.",
     .source = "Knight, SIAM J. Matrix Anal. Appl. 30, 2008",
     .published = NULL,
     .rule =
         "Reproduced where the median distance of the observed ratio from σ² is at most 1e-3 for all kinds of logits.",
     .decide = rate_is_sigma},
    {.id = "sinkhorn-composite-paper",
     .text = "The backward gain of the composite map reaches 1.6 because 20 iterations leave an error.",
     .source = "arXiv 2512.24880, figure 7 (60 layers)",
     .published = "about 1.6",
     .rule = "Reproduced where products of independent random layers, 24 to 120 deep, reach it in 5 of 100; true for "
             "another "
             "reason where only products of one matrix with itself do.",
     .decide = paper_gain},
    {.id = "sinkhorn-composite-lite",
     .text = "Over 24 layers the column sums are off by as much as 220 %.",
     .source = "arXiv 2601.05732",
     .published = "column sum 3.2",
     .rule =
         "Reproduced where a product of 24 independent random layers has a column sum of 3.2; true for another reason "
         "where only one of equal layers has.",
     .decide = lite_gain},
    {.id = "boolq-100-44",
     .text = "Twenty Sinkhorn iterations are used and suffice.",
     .source = "README of github.com/ApurvPujari/mHC-implementation",
     .published = "20",
     .rule = "Contradicted where its code does another number; else reproduced where the largest residual over its own "
             "start "
             "is at most 1e-6.",
     .decide = boolq_twenty},
};
