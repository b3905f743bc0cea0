/* The claims of boolq-100 (README.md at 888e83a) and their rules. */
#include <math.h>

#include "study/flow.h"

static const char README[] = "README.md of github.com/ApurvPujari/mHC-implementation at 888e83a";
static const char PICTURE[] = "README.md, and its picture mhc_hc_gradient_flow_100L.png";

/* Accuracies this many standard errors above the majority's share are seen as better. */
#define BETTER_ERRORS 2
/* A loss this much below the entropy of the answers is seen as having learned from the questions. */
#define LEARNED_NATS 0.02
/* A weight that moved this far, by its norm at the start, is called moving. */
#define MOVED 0.01
/* Norms of raw matrices that move less than this are called constant. */
#define CONSTANT 0.1
/* Streams that grow more than this from the first layer to the last are called growing. */
#define GROWING 1e3
/* By then the published pictures show the burst. */
enum { BURST_STEPS = 4100 };

static bool needs(const mhc__flow_model *model, const char *name, mhc__finding *finding) {
    if (model->there && model->steps > 0)
        return true;
    mhc__ruled(finding, MHC__NOT_DECIDED, "%s was not run here.", name);
    return false;
}

static void gradient_range(const void *evidence, mhc__finding *finding) {
    const mhc__flow_model *m = &((const mhc__flow_evidence *)evidence)->mhc;
    if (!needs(m, "boolq-100", finding))
        return;
    mhc__measured(finding, "%.3g to %.3g; outside of the range in %lld of %lld steps", m->gradient_min, m->gradient_max,
                  (long long)m->outside, (long long)m->steps);
    if (isfinite(m->growth))
        mhc__measured(finding, "before training the streams grow %.3g times from the first layer to the last",
                      m->growth);
    if (m->outside == 0)
        mhc__ruled(finding, MHC__REPRODUCED, "Every layer stayed in the range in every step.");
    else if (!(m->gradient_max > MHC__FLOW_CLAIMED_MOST))
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "Gradients were smaller.");
    else
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "Gradients were up to %.1g times larger%s.%s",
                   m->gradient_max / MHC__FLOW_CLAIMED_MOST,
                   m->gradient_max_early >= m->gradient_max ? ", at the start most of all" : "",
                   m->growth > GROWING ? " There is no norm anywhere, and the streams grow with depth." : "");
}

/* The first layer's stays this many times above the baseline's. */
static bool stays_above(const mhc__flow_model *control, const mhc__flow_model *hc) {
    return control->there && control->first_layer_min > 1e3 * hc->first_layer_min;
}

static void vanishing(const void *evidence, mhc__finding *finding) {
    const mhc__flow_evidence *e = evidence;
    if (!needs(&e->hc, "boolq-100-hc", finding))
        return;
    mhc__measured(finding, "the first layer's gradient falls to %.3g", e->hc.first_layer_min);
    if (e->residual.there)
        mhc__measured(finding, "a residual network's to %.3g", e->residual.first_layer_min);
    if (e->identity_start.there)
        mhc__measured(finding, "to %.3g in the same network where H_res starts as the identity",
                      e->identity_start.first_layer_min);
    if (!(e->hc.first_layer_min < 1e-15))
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "It did not fall below 1e-15.");
    else if (stays_above(&e->residual, &e->hc))
        mhc__ruled(
            finding, MHC__OTHER_REASON, "It vanishes, but not in a network with residuals.%s",
            stays_above(&e->identity_start, &e->hc)
                ? " It is the raw random H of this baseline: nothing else differs from the network whose H start "
                  "as the identity, with H_pre = 1/n and H_post = 1."
                : "");
    else
        mhc__ruled(finding, MHC__REPRODUCED, "It fell below 1e-15.");
}

static void ratios(const void *evidence, mhc__finding *finding) {
    const mhc__flow_evidence *e = evidence;
    if (!needs(&e->hc, "boolq-100-hc", finding) || !needs(&e->mhc, "boolq-100", finding))
        return;
    mhc__measured(finding, "baseline %.3g in the first 100 steps, %.3g in the last 500", e->hc.ratio_early,
                  e->hc.ratio_late);
    mhc__measured(finding, "mHC %.3g and %.3g", e->mhc.ratio_early, e->mhc.ratio_late);
    bool baseline = e->hc.ratio_early >= 1e12, mhc = e->mhc.ratio_late >= 10 && e->mhc.ratio_late <= 1000;
    if (baseline && e->mhc.steps < 3000)
        mhc__ruled(finding, MHC__NOT_DECIDED,
                   "The baseline's is as published; mHC's is of the end of training, which takes more steps than %lld.",
                   (long long)e->mhc.steps);
    else if (baseline && mhc)
        mhc__ruled(finding, MHC__REPRODUCED, "Both are as published, within a factor of 1,000 and of 10.");
    else
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "%s%s%s.", baseline ? "" : "The baseline's ratio is below 1e12",
                   !baseline && !mhc ? ", and " : "",
                   mhc        ? ""
                   : baseline ? "mHC's ratio is not about 100 at the end"
                              : "mHC's is not about 100");
}

static void collapse(const void *evidence, mhc__finding *finding) {
    const mhc__flow_model *m = &((const mhc__flow_evidence *)evidence)->hc;
    if (!needs(m, "boolq-100-hc", finding))
        return;
    const char *plural = m->seeds > 1 ? "s" : "";
    if (m->bursts > 1)
        mhc__measured(finding, "bursts in %d of %d seed%s, first at steps %lld to %lld", m->bursts, m->seeds, plural,
                      (long long)m->burst_first, (long long)m->burst_last);
    else if (m->bursts == 1)
        mhc__measured(finding, "a burst in 1 of %d seed%s, at step %lld", m->seeds, plural, (long long)m->burst_first);
    else
        mhc__measured(finding, "no burst in %lld steps of %d seed%s", (long long)m->steps, m->seeds, plural);
    if (m->bursts == 0 && m->steps < BURST_STEPS)
        mhc__ruled(finding, MHC__NOT_DECIDED, "It takes at least %d steps; this run has %lld.", BURST_STEPS,
                   (long long)m->steps);
    else if (m->bursts == m->seeds && m->burst_first >= 3700 && m->burst_last <= 3900)
        mhc__ruled(finding, MHC__REPRODUCED, "Each burst lies between steps 3,700 and 3,900.");
    else
        mhc__ruled(finding, MHC__NOT_REPRODUCED,
                   m->bursts ? "There are bursts, but not at that step; the published pictures themselves show it at "
                               "3,950 to 4,050."
                             : "There is none. The published weights had no random seed.");
}

static void drift(const void *evidence, mhc__finding *finding) {
    const mhc__flow_model *m = &((const mhc__flow_evidence *)evidence)->hc;
    if (!needs(m, "boolq-100-hc", finding))
        return;
    mhc__measured(finding, "the norm of a raw H_res, H_pre or H_post moves by %.1f %% at most %s",
                  100 * m->routing_change, m->burst >= 0 ? "before the burst" : "in the whole run");
    if (m->burst < 0 && m->steps < BURST_STEPS)
        mhc__ruled(finding, MHC__NOT_DECIDED,
                   "Nothing has collapsed; it takes at least %d steps, and this run has %lld.", BURST_STEPS,
                   (long long)m->steps);
    else if (m->routing_change <= CONSTANT)
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "The norms of the matrices do not drift%s.",
                   m->burst >= 0 ? " before the burst" : ", and nothing collapses");
    else if (m->burst < 0)
        mhc__ruled(finding, MHC__NOT_DECIDED, "They move, but nothing collapsed in %lld steps.", (long long)m->steps);
    else
        mhc__ruled(finding, MHC__REPRODUCED, "They drift by more than %.0f %% before the burst.", 100 * CONSTANT);
}

static void rock_solid(const void *evidence, mhc__finding *finding) {
    const mhc__flow_model *m = &((const mhc__flow_evidence *)evidence)->mhc;
    if (!needs(m, "boolq-100", finding))
        return;
    mhc__measured(finding, "mean raw norm %.3f in the first step, %.3f in the last; a layer's moves by %.1f %% at most",
                  m->raw_start, m->raw_end, 100 * m->raw_change);
    mhc__measured(finding, "projected norm %.3f to %.3f", m->projected_min, m->projected_max);
    if (fabs(m->raw_end - 1.9) > 0.3 || m->raw_change > CONSTANT)
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "The norm is not about 1.9, or not constant.");
    else if (fabs(m->raw_start - 2) < 0.3)
        mhc__ruled(finding, MHC__OTHER_REASON,
                   "1.9 is the norm of the logits as Xavier draws them (2.0 on average), before any projection, and it "
                   "hardly moves. The norm of a projected matrix lies between 1 and 2 whatever happens.");
    else
        mhc__ruled(finding, MHC__REPRODUCED, "The norm is about 1.9 and constant.");
}

static void no_instability(const void *evidence, mhc__finding *finding) {
    const mhc__flow_model *m = &((const mhc__flow_evidence *)evidence)->mhc;
    if (!needs(m, "boolq-100", finding))
        return;
    mhc__measured(finding, "largest gradient of a layer in the first 100 steps %.3g", m->gradient_max_early);
    if (m->burst >= 0)
        mhc__measured(finding, "a burst at step %lld", (long long)m->burst);
    else
        mhc__measured(finding, "no burst in %lld steps", (long long)m->steps);
    if (m->gradient_max_early > 1e3)
        mhc__ruled(finding, MHC__CONTRADICTED,
                   "Training starts in an explosion here, as in the published picture, whose curves begin at 1e15.");
    else if (m->burst >= 0)
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "There is a burst.");
    else
        mhc__ruled(finding, MHC__REPRODUCED, "No explosion and no burst was seen.");
}

/* Why a model that did not learn did not, from its loss and answers. */
static const char *not_learned(const mhc__flow_evidence *e, bool fits, bool answers) {
    const mhc__flow_model *m = &e->mhc;
    if (fits)
        return isfinite(m->accuracy)
                   ? "It fits training questions, but answers others no better than the majority's answer."
                   : "It fits training questions; what it answers to others was not measured.";
    if (answers)
        return "It answers better than the majority's answer, but the loss is not below that of answering alike.";
    return m->loss_late <= e->prior_entropy + LEARNED_NATS
               ? "It stays at the majority's share: the loss is that of answering every question alike."
               : "The loss is above that of answering every question alike.";
}

static void trainable(const void *evidence, mhc__finding *finding) {
    const mhc__flow_evidence *e = evidence;
    const mhc__flow_model *m = &e->mhc;
    if (!needs(m, "boolq-100", finding))
        return;
    double chance = sqrt(e->majority * (1 - e->majority) / (double)e->dev_questions);
    mhc__measured(finding, "loss %.4g at the end, entropy of the answers %.4f", m->loss_late, e->prior_entropy);
    if (isfinite(m->accuracy))
        mhc__measured(finding, "%.2f %% of the dev questions right, %.2f %% by saying the commoner answer always",
                      100 * m->accuracy, 100 * e->majority);
    if (e->hc.there && isfinite(e->hc.accuracy))
        mhc__measured(finding, "baseline %.4g and %.2f %%", e->hc.loss_late, 100 * e->hc.accuracy);
    if (isfinite(m->moved_min))
        mhc__measured(finding, "the weight of each layer moved by at least %.3g of its norm", m->moved_min);
    if (isfinite(m->moved_min) && e->hc.there && isfinite(e->hc.moved_min))
        mhc__measured(finding, "those of the baseline by %.3g", e->hc.moved_min);
    bool fits = m->loss_late < e->prior_entropy - LEARNED_NATS;
    bool answers = m->accuracy > e->majority + BETTER_ERRORS * chance;
    if (fits && answers)
        mhc__ruled(finding, MHC__REPRODUCED, "It answers better than the majority's answer, beyond chance.");
    else if (!e->real_questions)
        mhc__ruled(finding, MHC__NOT_DECIDED,
                   "The answers of generated questions depend on nothing. `mhc data get boolq`, then --data data.");
    else
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "%s%s", not_learned(e, fits, answers),
                   m->moved_min > MOVED ? " The weights of all its layers do move." : "");
}

static void ordinary(const void *evidence, mhc__finding *finding) {
    const mhc__flow_evidence *e = evidence;
    const struct {
        const char *name;
        const mhc__flow_model *model;
    } controls[] = {{"residual", &e->residual},
                    {"residual with norms", &e->residual_norm},
                    {"HC, identity start", &e->identity_start}};
    int there = 0, vanish = 0;
    if (!needs(&e->hc, "boolq-100-hc", finding))
        return;
    mhc__measured(finding, "last layer over first, first 100 and last 500 steps: baseline %.3g and %.3g",
                  e->hc.ratio_early, e->hc.ratio_late);
    for (int i = 0; i < 3; i++) {
        if (!controls[i].model->there)
            continue;
        mhc__measured(finding, "%s %.3g and %.3g", controls[i].name, controls[i].model->ratio_early,
                      controls[i].model->ratio_late);
        there++;
        vanish += controls[i].model->ratio_early > 1e6;
    }
    if (there == 0)
        mhc__ruled(finding, MHC__NOT_DECIDED, "It takes a residual network beside it.");
    else if (vanish == there && e->hc.ratio_early > 1e6)
        mhc__ruled(finding, MHC__REPRODUCED, "The others vanish so as well.");
    else if (e->hc.ratio_early > 1e6)
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "%d of %d networks that start at the identity do not vanish so.",
                   there - vanish, there);
    else
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "The baseline itself did not vanish.");
}

static void iterations(const void *evidence, mhc__finding *finding) {
    const mhc__flow_evidence *e = evidence;
    mhc__measured(finding, "sums off by %.1e after 10, %.1e after 20, %.1e after 40 iterations at most",
                  e->sinkhorn_residual[0], e->sinkhorn_residual[1], e->sinkhorn_residual[2]);
    mhc__measured(finding, "the network runs %d", e->sinkhorn_iterations);
    if (e->sinkhorn_iterations != 20)
        mhc__ruled(finding, MHC__CONTRADICTED, "The published run uses %d%s.", e->sinkhorn_iterations,
                   e->sinkhorn_residual[1] < 1e-5 ? "; for logits like these 20 would do" : "");
    else if (e->sinkhorn_residual[1] < 1e-5)
        mhc__ruled(finding, MHC__REPRODUCED, "Twenty are run, and suffice for logits as they start.");
    else
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "Twenty leave sums off by more than 1e-5.");
}

/* Its own notebook: 7.6 steps a second for the baseline, 1.28 s a step for mHC, 5,900 steps each. */
static void two_hours(const void *evidence, mhc__finding *finding) {
    const mhc__flow_evidence *e = evidence;
    const double hours[2] = {5900 / 7.6 / 3600, 5900 * 1.28 / 3600};
    if (e->hc.there && e->mhc.there)
        mhc__measured(finding, "%.3f s a step for the baseline, %.3f s for mHC: %.2f times", e->hc.seconds,
                      e->mhc.seconds, e->mhc.seconds / e->hc.seconds);
    if (fabs(hours[0] - 2) < 0.5 && fabs(hours[1] - 2) < 0.5)
        mhc__ruled(finding, MHC__REPRODUCED, "The notebook's speeds give about two hours each.");
    else
        mhc__ruled(finding, MHC__CONTRADICTED,
                   "The notebook's own speeds give %.0f minutes for the baseline and %.0f for mHC.", 60 * hours[0],
                   60 * hours[1]);
}

const mhc__claim mhc__flow_claims[] = {
    {"boolq-100-35", "mHC keeps the gradients of all layers within 1e-7 to 1e-2 throughout training.", README,
     "1e-7 to 1e-2", "The least and the largest gradient norm of a layer's weight, over all layers and steps.",
     gradient_range, NULL},
    {"boolq-100-36", "The baseline's gradients vanish to 1e-17.", PICTURE,
     "1e-17 (the picture clamps at 1e-15; its axis implies 1e-21)",
     "The least gradient norm of the first layer is below 1e-15. The reason is another where a residual network stays "
     "1,000 times above it.",
     vanishing, NULL},
    {"boolq-100-37", "The last layer's gradient over the first's is about 1e15 for the baseline and 100 for mHC.",
     README, "1e15; 100",
     "Medians: at least 1e12 in the first 100 steps of the baseline, 10 to 1,000 in mHC's last 500.", ratios, NULL},
    {"boolq-100-38", "The baseline collapses at step 3,800 or so in a gradient explosion.", README, "step 3,800",
     "A burst is a step after 100 whose largest gradient norm is more than 100 times the median of the 100 steps "
     "before. "
     "Reproduced where every seed has its first between 3,700 and 3,900.",
     collapse, NULL},
    {"boolq-100-39", "The collapse comes from drift of the routing matrices, which the constraint prevents.", README,
     NULL, "The norm of some layer's raw H_res, H_pre or H_post moves by more than 10 % before the burst.", drift,
     NULL},
    {"boolq-100-40", "mHC's matrices are rock-solid: H_res is about 1.9.", README, "1.9",
     "Mean raw norm 1.6 to 2.2 at the end, no layer's moved by more than 10 %; the reason is another where it is 2.0 ± "
     "0.3 "
     "in the first step already.",
     rock_solid, NULL},
    {"boolq-100-41", "mHC trains without instability.", PICTURE, "no instability",
     "No gradient norm above 1,000 in the first 100 steps, and no burst after them.", no_instability, NULL},
    {"boolq-100-42", "mHC makes a network of 100 layers trainable; its deep layers learn.", README, "active (1e-7)",
     "Mean loss of the last epoch (or quarter) more than 0.02 below the entropy of the training answers, and dev "
     "accuracy more than "
     "two standard errors above the majority's share.",
     trainable, NULL},
    {"boolq-100-43", "The baseline stands for ordinary deep networks.", README, NULL,
     "The controls' ratio of last to first layer exceeds 1e6 in the first 100 steps as the baseline's does.", ordinary,
     NULL},
    {"boolq-100-44", "Twenty Sinkhorn iterations are used and suffice.", README, "20",
     "The number that the network runs; the largest error of a sum after 10, 20 and 40 over 2,000 draws of its start.",
     iterations, NULL},
    {"boolq-100-45", "Training takes about two hours per model.", README,
     "2 hours; 13 minutes and 2 h 07 by its notebook",
     "5,900 steps at the notebook's own speeds are 1.5 to 2.5 hours for both.", two_hours, NULL},
};
const int mhc__flow_claim_count = sizeof mhc__flow_claims / sizeof mhc__flow_claims[0];
