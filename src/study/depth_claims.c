/* The claims of mhc-poc and their rules. What it published for each depth is in depth_page.c. */
#include "study/depth_claims.h"

#include <math.h>

#define DOCS "docs/results.md and README.md of github.com/softwarewrighter/mHC-poc at cf4504f"
#define BLOG "Deepseek Papers (1/2): mHC - Training Stability at Any Depth (blog, 2026-02-01)"
#define CUDA "cuda/docs/results.md and comparisons.md of github.com/softwarewrighter/mHC-poc at cf4504f"

/* A loss below this is a task that is solved, as the claims say it. */
#define SOLVED 0.01
/* A state that grows more than this in a block. */
#define GROWS 1.1
/* log10(1/4), to which long products of mixing doubly stochastic 4 x 4 matrices tend. */
#define QUARTER (-0.6020599913)

typedef mhc__depth_evidence evidence;
typedef mhc__depth_model model;

/* The place of a depth; -1: it was not run. */
static int place_of(const evidence *e, int blocks) {
    for (int d = 0; d < e->depth_count; d++)
        if (e->depths[d] == blocks)
            return d;
    return -1;
}

/* Whether a model was run at every depth; says so where not. */
static bool missing(const evidence *e, mhc__depth_which which, const char *name, mhc__finding *finding) {
    for (int d = 0; d < e->depth_count; d++)
        if (!e->at[d][which].there) {
            mhc__ruled(finding, MHC__NOT_DECIDED, "It takes the model `%s`, which is not part of this run.", name);
            return true;
        }
    return false;
}

static bool without(const evidence *e, int blocks, mhc__finding *finding) {
    if (place_of(e, blocks) >= 0)
        return false;
    mhc__ruled(finding, MHC__NOT_DECIDED, "It takes %d blocks: --set study.depths=%d.", blocks, blocks);
    return true;
}

static bool solved(const model *m) {
    return m->loss_worst < SOLVED;
}

/* Where a loss is not low enough, a small or short run does not show that it never would be. */
static bool too_small(const evidence *e, const model *m) {
    return !e->full_size || m->steps < 200;
}

static void hc_gain(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    if (missing(e, MHC__DEPTH_HC, "mhc-poc-hc", finding))
        return;
    bool from_start = true, grows = true;
    double moved = 0;
    for (int d = 0; d < e->depth_count; d++) {
        const model *m = &e->at[d][MHC__DEPTH_HC];
        mhc__measured(finding, "%d blocks %.3f before the first update, %.3f at the end", e->depths[d], m->proxy_start,
                      m->proxy_end);
        moved = fmax(moved, fabs(m->proxy_end - m->proxy_start));
        from_start &= fabs(m->proxy_start - m->proxy_end) < 0.2 * fabs(m->proxy_end);
        grows &= m->proxy_end > 0.4 * e->depths[d];
    }
    double slope = NAN;
    if (e->depth_count > 1) {
        int last = e->depth_count - 1;
        slope = (e->at[last][MHC__DEPTH_HC].proxy_start - e->at[0][MHC__DEPTH_HC].proxy_start) /
                (e->depths[last] - e->depths[0]);
        mhc__measured(finding, "%.4f a block", slope);
    }
    if (!grows)
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "It does not grow so with depth.");
    else if (from_start)
        mhc__ruled(
            finding, MHC__OTHER_REASON,
            "The gain is there before the first update: HC's H_res start at exp(2 I - J), whose rows sum to e + 3/e "
            "= 3.82, so the largest entry of their product grows by log10(e + 3/e) = 0.582 a block. Training moves "
            "it by %.2f at most.",
            moved);
    else
        mhc__ruled(finding, MHC__REPRODUCED, "It grows with depth, and training makes it so.");
}

static void mhc_gain(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    if (missing(e, MHC__DEPTH_MHC, "mhc-poc", finding))
        return;
    bool there = true;
    for (int d = 0; d < e->depth_count; d++) {
        const model *m = &e->at[d][MHC__DEPTH_MHC];
        mhc__measured(finding, "%d blocks %.3f, %.3f", e->depths[d], m->proxy_start, m->proxy_end);
        there &= fabs(m->proxy_start - QUARTER) < 0.1 && fabs(m->proxy_end - QUARTER) < 0.1;
    }
    mhc__measured(finding, "24 random doubly stochastic matrices %.3f, 1/4 everywhere %.3f, identities %.3f",
                  e->proxy_random, e->proxy_uniform, e->proxy_identity);
    if (!there)
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "It leaves log10(1/4) by more than 0.1.");
    else if (fabs(e->proxy_random - QUARTER) < 0.1)
        mhc__ruled(
            finding, MHC__OTHER_REASON,
            "Any long product of mixing doubly stochastic 4 x 4 matrices tends to 1/4 everywhere, whose log10 is "
            "-0.602. It says nothing about training.");
    else
        mhc__ruled(finding, MHC__REPRODUCED, "It stays within 0.1 of log10(1/4).");
}

static void attenuates(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    if (missing(e, MHC__DEPTH_MHC, "mhc-poc", finding))
        return;
    double off = 0, growth = 0;
    for (int d = 0; d < e->depth_count; d++) {
        off = fmax(off, e->at[d][MHC__DEPTH_MHC].composite_off);
        growth = fmax(growth, e->at[d][MHC__DEPTH_MHC].growth);
    }
    mhc__measured(finding, "sums of the product of all H_res are 1 within %.0e", off);
    mhc__measured(finding, "the state grows by %.3f a block", growth);
    if (off < 1e-2 && growth > GROWS)
        mhc__ruled(
            finding, MHC__NOT_REPRODUCED,
            "The product keeps the mean of the streams as it is; its entries of 1/4 average the streams. And the "
            "state grows all the same, because the wrapped block carries its own residuals past the connection.");
    else if (off < 1e-2)
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "The product keeps the mean of the streams as it is.");
    else
        mhc__ruled(finding, MHC__REPRODUCED, "Sums of the product are not 1.");
}

static void bounds_signal(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    if (missing(e, MHC__DEPTH_MHC, "mhc-poc", finding))
        return;
    bool bounded = true, controlled = true;
    for (int d = 0; d < e->depth_count; d++) {
        const model *m = &e->at[d][MHC__DEPTH_MHC], *own = &e->at[d][MHC__DEPTH_MHC_NO_INNER];
        mhc__measured(finding, "signal out/in at %d blocks %.2e, %.3f a block", e->depths[d], m->signal, m->growth);
        if (own->there)
            mhc__measured(finding, "without the inner residual %.2e, %.3f a block", own->signal, own->growth);
        bounded &= m->growth < GROWS;
        controlled &= own->there && own->growth < GROWS;
    }
    if (bounded)
        mhc__ruled(finding, MHC__REPRODUCED, "It grows by less than a tenth a block.");
    else
        mhc__ruled(
            finding, MHC__NOT_REPRODUCED,
            "The state doubles in every block: the wrapped block has its own residuals inside, so that a block's "
            "input is added twice.%s",
            controlled ? " Without them it is bounded, as the paper has it." : "");
}

static void hc_explodes(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    if (without(e, 48, finding) || missing(e, MHC__DEPTH_HC, "mhc-poc-hc", finding))
        return;
    int d = place_of(e, 48);
    const model *m = &e->at[d][MHC__DEPTH_HC], *robust = &e->at[d][MHC__DEPTH_HC_ROBUST];
    if (m->not_finite >= 0)
        mhc__measured(finding, "NaN or Inf from step %lld", (long long)m->not_finite);
    else
        mhc__measured(finding, "loss %.4g", m->loss);
    if (robust->there && robust->not_finite < 0)
        mhc__measured(finding, "with a norm that does not overflow finite, loss %.4g after %lld steps", robust->loss,
                      (long long)robust->steps);
    else if (robust->there)
        mhc__measured(finding, "with a norm that does not overflow NaN or Inf from step %lld",
                      (long long)robust->not_finite);
    if (m->not_finite < 0)
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "It stays finite.");
    else if (m->not_finite == 0 && robust->there && robust->not_finite < 0)
        mhc__ruled(
            finding, MHC__OTHER_REASON,
            "It fails before any training: the streams pass 1.8e19 after some 28 blocks, whose square overflows fp32 "
            "inside LayerNorm. With a norm that scales first the same model is finite%s.",
            robust->loss < 5 ? ", and learns" : "");
    else if (m->not_finite == 0)
        mhc__ruled(finding, MHC__OTHER_REASON, "It is not finite in the very first pass, before any training.");
    else
        mhc__ruled(finding, MHC__REPRODUCED, "It became NaN or Inf in training.");
}

static void mhc_converges(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    if (without(e, 48, finding) || missing(e, MHC__DEPTH_MHC, "mhc-poc", finding))
        return;
    const model *m = &e->at[place_of(e, 48)][MHC__DEPTH_MHC];
    mhc__measured(finding, "loss %.4g after %lld steps, the worst of %d seed%s %.4g", m->loss, (long long)m->steps,
                  e->seeds, e->seeds > 1 ? "s" : "", m->loss_worst);
    const model *none = &e->at[place_of(e, 48)][MHC__DEPTH_NO_BLOCKS];
    if (none->there)
        mhc__measured(finding, "of the network without any block %.4g", none->loss);
    if (solved(m) && none->there && solved(none))
        mhc__ruled(finding, MHC__OTHER_REASON,
                   "It is below %g, and so is the loss of embedding and head without any block: the task is a map from "
                   "one token to the next, and shows nothing about depth.",
                   SOLVED);
    else if (solved(m))
        mhc__ruled(finding, MHC__REPRODUCED, "It is below %g%s.", SOLVED,
                   none->there ? "; embedding and head without any block don't get there in as many steps" : "");
    else if (too_small(e, m))
        mhc__ruled(finding, MHC__NOT_DECIDED, "It takes the published size and 200 steps: without --quick.");
    else
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "It is not below %g.", SOLVED);
}

static void baseline_struggles(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    if (without(e, 24, finding) || without(e, 48, finding) || missing(e, MHC__DEPTH_RESIDUAL, "residual", finding))
        return;
    bool fine = true, short_run = false, mlx_fails = true;
    const int depths[2] = {24, 48};
    for (int i = 0; i < 2; i++) {
        int d = place_of(e, depths[i]);
        const model *m = &e->at[d][MHC__DEPTH_RESIDUAL], *mlx = &e->at[d][MHC__DEPTH_RESIDUAL_MLX];
        mhc__measured(finding, "%d blocks %.4g", depths[i], m->loss);
        if (mlx->there)
            mhc__measured(finding, "as MLX starts and trains it %.4g", mlx->loss);
        fine &= solved(m);
        short_run |= too_small(e, m);
        mlx_fails &= mlx->there && !(mlx->loss < 10 * m->loss);
    }
    const char *cause = mlx_fails ? " With MLX's embedding of N(0, 1/16) and AdamW without bias correction the same "
                                    "network does: that start is the cause, not the residual connection."
                                  : "";
    if (fine)
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "As PyTorch starts it, it solves the task at both depths.%s", cause);
    else if (short_run)
        mhc__ruled(finding, MHC__NOT_DECIDED, "It takes the published size and 200 steps: without --quick.%s", cause);
    else
        mhc__ruled(finding, MHC__REPRODUCED, "It does not solve the task.");
}

static void stable_at_12(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    static const char *const names[] = {"residual", "mhc-poc-hc", "mhc-poc"};
    if (without(e, 12, finding))
        return;
    bool fine = true, short_run = false;
    for (int m = MHC__DEPTH_RESIDUAL; m <= MHC__DEPTH_MHC; m++) {
        if (missing(e, (mhc__depth_which)m, names[m], finding))
            return;
        const model *here = &e->at[place_of(e, 12)][m];
        mhc__measured(finding, "%s %.4g", names[m], here->loss);
        fine &= solved(here);
        short_run |= too_small(e, here);
    }
    if (fine)
        mhc__ruled(finding, MHC__REPRODUCED,
                   "All three solve the task. (The published MLX table has 1.78 for the baseline.)");
    else if (short_run)
        mhc__ruled(finding, MHC__NOT_DECIDED, "It takes the published size and 200 steps: without --quick.");
    else
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "Not all of them solve the task.");
}

/* Of the two published tables. */
static void identical_platforms(const void *data, mhc__finding *finding) {
    static const char *const names[] = {"residual", "mhc-poc-hc", "mhc-poc"};
    static const int depths[] = {12, 24, 48};
    (void)data;
    double worst = 0, hc = 0, mhc = 0;
    const mhc__depth_published *most = NULL;
    for (int i = 0; i < 9; i++) {
        const mhc__depth_published *p = mhc__depth_published_of(names[i % 3], depths[i / 3]);
        double apart = fabs(log10(p->mlx_loss / p->cuda_loss)), gains = fabs(p->mlx_gain - p->cuda_gain);
        if (apart > worst) { /* NaN: not */
            worst = apart;
            most = p;
        }
        hc = i % 3 == 1 ? fmax(hc, gains) : hc;
        mhc = i % 3 == 2 ? fmax(mhc, gains) : mhc;
    }
    if (most)
        mhc__measured(finding, "final losses differ by up to a factor of %.0f (%s, %d blocks: MLX %g, CUDA %g)",
                      pow(10, worst), most->connection, most->blocks, most->mlx_loss, most->cuda_loss);
    mhc__measured(finding, "gains by up to %.1f for HC and %.1f for mHC", hc, mhc);
    if (worst > 1)
        mhc__ruled(finding, MHC__CONTRADICTED,
                   "Its own two tables differ. What agrees is mHC's gain, which any long product of mixing doubly "
                   "stochastic matrices has.");
    else
        mhc__ruled(finding, MHC__REPRODUCED, "Its two tables agree within a factor of ten.");
}

static void proxy_validates(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    mhc__measured(finding, "one iteration, rows alone, or 1/4 everywhere change the proxy of 24 blocks by %.4f at most",
                  e->proxy_wrong);
    if (e->proxy_wrong <= 0.01)
        mhc__ruled(
            finding, MHC__NOT_REPRODUCED,
            "A check that wrong projections pass can't validate one: for these symmetric logits the row softmax is "
            "doubly stochastic already.");
    else
        mhc__ruled(finding, MHC__REPRODUCED, "A wrong projection shows in it.");
}

static void no_nan(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    const mhc__depth_published *p = mhc__depth_published_of("mhc-poc-hc", 48);
    int broken = 0, there = 0;
    for (int d = 0; d < e->depth_count; d++)
        for (int m = MHC__DEPTH_RESIDUAL; m <= MHC__DEPTH_MHC; m++) {
            there += e->at[d][m].there;
            if (e->at[d][m].there && e->at[d][m].not_finite >= 0) {
                broken++;
                mhc__measured(finding, "%s at %d blocks from step %lld",
                              m == MHC__DEPTH_HC    ? "HC"
                              : m == MHC__DEPTH_MHC ? "mHC"
                                                    : "baseline",
                              e->depths[d], (long long)e->at[d][m].not_finite);
            }
        }
    if (!broken)
        mhc__measured(finding, "none of %d models", there);
    if (isnan(p->cuda_loss))
        mhc__ruled(finding, MHC__CONTRADICTED, "Its own CUDA table has NaN for HC at 48 blocks.");
    else if (broken)
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "Some are not finite.");
    else
        mhc__ruled(finding, MHC__REPRODUCED, "All are finite.");
}

static void gradients(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    static const char *const names[] = {"baseline", "HC", "mHC"};
    if (without(e, 48, finding) || missing(e, MHC__DEPTH_RESIDUAL, "residual", finding) ||
        missing(e, MHC__DEPTH_HC, "mhc-poc-hc", finding) || missing(e, MHC__DEPTH_MHC, "mhc-poc", finding))
        return;
    int baseline_spikes = 0, mhc_spikes = 0;
    bool decays = true;
    for (int d = 0; d < e->depth_count; d++)
        for (int m = MHC__DEPTH_RESIDUAL; m <= MHC__DEPTH_MHC; m++) {
            const model *here = &e->at[d][m];
            if (here->not_finite < 0)
                mhc__measured(finding, "%s at %d blocks: %d spikes, slope %.2f", names[m], e->depths[d], here->spikes,
                              here->slope);
            baseline_spikes += m == MHC__DEPTH_RESIDUAL ? here->spikes : 0;
            mhc_spikes += m == MHC__DEPTH_MHC ? here->spikes : 0;
            decays &= m != MHC__DEPTH_RESIDUAL || here->slope < 0;
        }
    const model *hc = &e->at[place_of(e, 48)][MHC__DEPTH_HC];
    bool erratic = hc->not_finite < 0 && hc->spikes > 0;
    if (baseline_spikes == 0 && mhc_spikes == 0 && decays && erratic)
        mhc__ruled(finding, MHC__REPRODUCED, "Baseline and mHC are smooth, HC at 48 blocks has spikes.");
    else
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "%s%s%s%s",
                   baseline_spikes ? "The baseline has spikes. "
                   : decays        ? ""
                                   : "The baseline's does not decay. ",
                   mhc_spikes ? "mHC has spikes. " : "",
                   hc->not_finite >= 0 ? "HC at 48 blocks has no gradient at all, it is not finite. "
                   : erratic           ? ""
                                       : "HC at 48 blocks is as smooth as the others. ",
                   "The published MLX picture shows the baseline growing, with spikes to 2e4.");
}

static void demo_monotonic(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    int d = place_of(e, 24);
    if (!e->demo_mhc || d < 0 || !e->at[d][MHC__DEPTH_MHC].there) {
        mhc__ruled(finding, MHC__NOT_DECIDED, "It takes the configuration demo_mhc, under \"What to try next\".");
        return;
    }
    const model *m = &e->at[d][MHC__DEPTH_MHC];
    mhc__measured(finding, "%.3f at the start, %.4f at the end; it rises in %d of %lld steps", m->gradient_start,
                  m->gradient_end, m->rises, (long long)m->steps);
    if (m->rises == 0)
        mhc__ruled(finding, MHC__REPRODUCED, "It never rises.");
    else
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "It goes down on the whole, but not monotonically.");
}

static void lowest_loss(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    int others = 0, here = 0;
    for (int i = 0; i < 3; i++) {
        static const int depths[] = {12, 24, 48};
        double own = mhc__depth_published_of("mhc-poc", depths[i])->cuda_loss;
        others += mhc__depth_published_of("residual", depths[i])->cuda_loss < own ||
                  mhc__depth_published_of("mhc-poc-hc", depths[i])->cuda_loss < own;
    }
    for (int d = 0; d < e->depth_count; d++) {
        const model *at = e->at[d];
        if (!at[MHC__DEPTH_MHC].there || !at[MHC__DEPTH_RESIDUAL].there)
            continue;
        bool lowest = !(at[MHC__DEPTH_RESIDUAL].loss < at[MHC__DEPTH_MHC].loss) &&
                      !(at[MHC__DEPTH_HC].there && at[MHC__DEPTH_HC].loss < at[MHC__DEPTH_MHC].loss);
        here += lowest;
        mhc__measured(finding, "%d blocks: baseline %.4g, HC %.4g, mHC %.4g", e->depths[d],
                      at[MHC__DEPTH_RESIDUAL].loss, at[MHC__DEPTH_HC].there ? at[MHC__DEPTH_HC].loss : NAN,
                      at[MHC__DEPTH_MHC].loss);
    }
    if (others)
        mhc__ruled(finding, MHC__CONTRADICTED,
                   "In its own table another model is lower at %d of 3 depths. Here mHC is "
                   "lowest at %d of %d.",
                   others, here, e->depth_count);
    else if (here == e->depth_count)
        mhc__ruled(finding, MHC__REPRODUCED, "It is lowest at every depth here.");
    else
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "It is lowest at %d of %d depths here.", here, e->depth_count);
}

static bool alike(const model *a, const model *b) {
    return a->loss < 1.1 * b->loss + 1e-3 && b->loss < 1.1 * a->loss + 1e-3;
}

/* The constraint acts on nothing where mHC trains as a network without streams, and as one with other matrices does. */
static void constraint_is_key(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    if (missing(e, MHC__DEPTH_RESIDUAL, "residual", finding) ||
        missing(e, MHC__DEPTH_MHC_NO_INNER, "mhc-no-inner", finding))
        return;
    bool same = true;
    int others = 0;
    for (int d = 0; d < e->depth_count; d++) {
        const model *at = e->at[d];
        mhc__measured(finding, "%d blocks: mHC without the inner residual %.4g, baseline %.4g", e->depths[d],
                      at[MHC__DEPTH_MHC_NO_INNER].loss, at[MHC__DEPTH_RESIDUAL].loss);
        same &= alike(&at[MHC__DEPTH_MHC_NO_INNER], &at[MHC__DEPTH_RESIDUAL]);
        for (int m = MHC__DEPTH_IDENTITY; m <= MHC__DEPTH_ROWS; m++)
            if (at[m].there && at[MHC__DEPTH_MHC].there) {
                mhc__measured(finding, "mHC %.4g, with %s %.4g", at[MHC__DEPTH_MHC].loss,
                              m == MHC__DEPTH_IDENTITY ? "H_res = I" : "rows alone", at[m].loss);
                same &= alike(&at[m], &at[MHC__DEPTH_MHC]);
                others++;
            }
    }
    if (same)
        mhc__ruled(
            finding, MHC__NOT_REPRODUCED,
            "With the inner residual taken out, mHC trains as the network without streams does, at every depth%s: "
            "the streams start as copies, and mixing copies changes nothing.",
            others ? ", and with other matrices as with its own" : "");
    else
        mhc__ruled(finding, MHC__NOT_DECIDED,
                   "They differ by more than a tenth; which part of it is the constraint's is not seen here.");
}

/* What compounds grows alike in every block, so that deeper networks grow as much per block. */
static void residuals_compound(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    if (missing(e, MHC__DEPTH_RESIDUAL, "residual", finding))
        return;
    int fast = 0;
    bool finite = true;
    for (int d = 0; d < e->depth_count; d++) {
        const model *m = &e->at[d][MHC__DEPTH_RESIDUAL];
        mhc__measured(finding, "%d blocks: %.3f a block at the start, %.3f trained", e->depths[d], m->growth,
                      m->growth_end);
        fast += fmax(m->growth, m->growth_end) > GROWS;
        finite &= m->not_finite < 0 && isfinite(m->growth_end);
    }
    if (!finite)
        mhc__ruled(finding, MHC__REPRODUCED, "It does not stay finite.");
    else if (fast == e->depth_count)
        mhc__ruled(finding, MHC__REPRODUCED, "The state grows by more than a tenth a block at every depth.");
    else if (fast)
        mhc__ruled(finding, MHC__NOT_REPRODUCED,
                   "The state grows by more than a tenth a block at %d of %d depths and by less at others: it does not "
                   "compound. "
                   "Every step is finite.",
                   fast, e->depth_count);
    else
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "The state grows by less than a tenth a block at all these depths.");
}

static void conservative_lr(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    mhc__measured(finding, "%g, as in its configurations", e->lr);
    if (e->lr > 2e-4)
        mhc__ruled(finding, MHC__CONTRADICTED, "Its own configurations have %.0f times that.", e->lr / 1e-4);
    else
        mhc__ruled(finding, MHC__REPRODUCED, "It is.");
}

/* The largest spread of a model at any depth; NaN where it is not there. */
static double spread_of(const evidence *e, mhc__depth_which which, bool at_the_start) {
    double most = 0;
    for (int d = 0; d < e->depth_count; d++) {
        const model *m = &e->at[d][which];
        most = !m->there ? NAN : fmax(most, at_the_start ? m->spread_start : m->spread_max);
        if (isnan(most))
            return NAN;
    }
    return most;
}

/* What parts copies: the controls, as far as they were run. */
static void measured_parting(const evidence *e, mhc__finding *finding) {
    double uniform = spread_of(e, MHC__DEPTH_UNIFORM, false), large = spread_of(e, MHC__DEPTH_LARGE_EPS, false);
    if (!isnan(uniform))
        mhc__measured(finding, "%.2g at most from logits of 0, where nothing is rounded", uniform);
    if (!isnan(large))
        mhc__measured(finding, "%.2g at most with AdamW's eps at 1e-5", large);
}

/* At how many depths one stream that grows as much learns as well, and at how many of these a longer or larger run
 * might still say otherwise; says what both come to. */
static int as_good_alone(const evidence *e, int *too_early, mhc__finding *finding) {
    int depths = 0;
    *too_early = 0;
    for (int d = 0; d < e->depth_count; d++) {
        const model *mhc = &e->at[d][MHC__DEPTH_MHC], *one = &e->at[d][MHC__DEPTH_ONE_STREAM];
        mhc__measured(finding, "%d blocks: loss %.4g, of one stream that grows as much %.4g", e->depths[d], mhc->loss,
                      one->loss);
        bool alone = !(mhc->loss < 0.9 * one->loss);
        depths += alone;
        *too_early += alone && too_small(e, mhc);
    }
    return depths;
}

static void streams_differ(const void *data, mhc__finding *finding) {
    const evidence *e = data;
    if (missing(e, MHC__DEPTH_MHC, "mhc-poc", finding))
        return;
    double start = spread_of(e, MHC__DEPTH_MHC, true), most = spread_of(e, MHC__DEPTH_MHC, false);
    bool copies = start <= 1e-5, by_rounding = spread_of(e, MHC__DEPTH_UNIFORM, false) == 0;
    mhc__measured(finding, "spread of mHC's streams %.2g at the start, %.2g at most", start, most);
    measured_parting(e, finding);
    if (most <= 1e-5) {
        mhc__ruled(finding, MHC__NOT_REPRODUCED, "The streams are copies of each other, up to rounding.");
        return;
    }
    if (missing(e, MHC__DEPTH_ONE_STREAM, "mhc-one-stream", finding))
        return;
    int too_early, alone = as_good_alone(e, &too_early, finding);
    const char *parting = !copies       ? ""
                          : by_rounding ? " The streams start as copies and come apart by rounding alone."
                                        : " The streams start as copies.";
    if (alone > too_early)
        mhc__ruled(finding, MHC__NOT_REPRODUCED,
                   "At %d of %d depths their loss is not a tenth below that of one stream that grows as much in every "
                   "block: nothing is expressed by them.%s",
                   alone - too_early, e->depth_count, parting);
    else if (too_early)
        mhc__ruled(finding, MHC__NOT_DECIDED, "It takes the published size and 200 steps: without --quick.%s", parting);
    else if (copies)
        mhc__ruled(
            finding, MHC__OTHER_REASON,
            "They start as copies. With copies the loss has no slope towards H_res, so the gradient of its logits is "
            "rounding error; AdamW divides that by its own size and takes full steps along it. The streams come "
            "apart by chance%s.",
            by_rounding ? ": from a start that rounds nothing they stay copies to the last bit" : "");
    else
        mhc__ruled(finding, MHC__REPRODUCED, "They differ from the start.");
}

const mhc__claim mhc__depth_claims[] = {
    {"mhc-poc-16", "HC's gain grows exponentially with depth: 10^7, 10^14, 10^27.", DOCS, "log10: 7.0, 14.4, 27.3",
     "Gain proxy before the first update and after the last, at every depth. The reason is another where they differ "
     "by "
     "less than a fifth.",
     hc_gain, NULL},
    {"mhc-poc-17", "mHC's gain stays at 10^-0.6 at every depth and throughout training.", DOCS, "-0.5, -0.6, -0.6",
     "Gain proxy within 0.1 of log10(1/4). The reason is another where a product of random doubly stochastic matrices "
     "is "
     "there as well.",
     mhc_gain, NULL},
    {"mhc-poc-18", "10^-0.6 is bounded, healthy: the residual path attenuates slightly.", BLOG, NULL,
     "Sums of the product of all H_res are not 1 within 0.01. Growth of the state per block beside it.", attenuates,
     NULL},
    {"mhc-poc-19", "mHC bounds the signal at any depth.", BLOG, NULL,
     "Norm of the streams out over in, before training: below 1.1 a block.", bounds_signal, NULL},
    {"mhc-poc-20", "HC explodes at 48 layers and cannot learn, through amplification in training.", DOCS,
     "loss 5.54 (MLX), NaN (CUDA)",
     "The first step that is NaN or Inf; the reason is another where it is step 0, or where a norm that does not "
     "overflow "
     "keeps it finite.",
     hc_explodes, NULL},
    {"mhc-poc-21", "mHC converges perfectly at 48 layers.", DOCS, "loss 0.0002",
     "Final loss below 0.01 in all seeds; the reason is another where embedding and head without any block get there "
     "as "
     "well.",
     mhc_converges, NULL},
    {"mhc-poc-22", "The plain baseline struggles at 24 layers and oscillates at 48.", BLOG,
     "loss 1.86, 3.79 (MLX); 0.0011, 0.0016 (CUDA)",
     "Final loss below 0.01 at both depths as PyTorch starts it: not so. Beside it, as MLX starts and trains it.",
     baseline_struggles, NULL},
    {"mhc-poc-23", "All three variants are stable at 12 layers.", BLOG, "loss 0.0008, 0.0004, 0.0005 (CUDA)",
     "Final loss below 0.01 of each, in all seeds.", stable_at_12, NULL},
    {"mhc-poc-24", "MLX and CUDA give identical results.", BLOG, "both tables",
     "Final losses of the two published tables agree within a factor of ten.", identical_platforms, NULL},
    {"mhc-poc-25", "An equal gain proxy on two platforms validates the Sinkhorn code.", CUDA, "-0.6 on both",
     "A wrong projection changes the proxy by more than 0.01.", proxy_validates, NULL},
    {"mhc-poc-26", "There are no NaN events on either platform.", CUDA, "0; NaN at 48 layers (CUDA table)",
     "The published tables, and NaN or Inf in any step here.", no_nan, NULL},
    {"mhc-poc-27", "Gradients: the baseline's decay smoothly, HC's are erratic at 48 layers, mHC's are smooth.", DOCS,
     "in words",
     "Spikes are steps whose gradient norm is more than 10 times the median of the 20 before; the slope is that of "
     "log10 "
     "over the last half, per 100 steps.",
     gradients, NULL},
    {"mhc-poc-28", "In the demo mHC's gradient norm decreases monotonically from 0.75 to 0.11.", CUDA, "0.747 to 0.106",
     "The number of steps at which it rises is 0.", demo_monotonic, NULL},
    {"mhc-poc-29", "mHC reaches the lowest final loss at all depths.", CUDA,
     "baseline 0.0008, 0.0011, 0.0016; HC 0.0004, 0.0004, NaN; mHC 0.0005, 0.0005, 0.0005",
     "The rank of its loss at each depth, in the published table and here.", lowest_loss, NULL},
    {"mhc-poc-30", "The doubly stochastic constraint is the key to stable deep training.", BLOG, NULL,
     "Without the inner residual, mHC's final loss differs from that of the network without streams by more than a "
     "tenth.",
     constraint_is_key, NULL},
    {"mhc-poc-31", "Standard residuals compound into instability with depth.", BLOG, NULL,
     "Some run is not finite, or the norm of the state out over in, at the start or trained, is above 1.1 a block at "
     "every depth.",
     residuals_compound, NULL},
    {"mhc-poc-32", "The learning rate is a conservative 1e-4, which is why there is no NaN.", DOCS,
     "1e-4; 2e-3 in its configurations", "The learning rate of the configuration is not above 2e-4.", conservative_lr,
     NULL},
    {"mhc-poc-33", "Scaled-dot-product attention is 1 to 4 % faster.", CUDA, "3.01 against 2.89 steps/s",
     "Times of both forms.", NULL,
     "two forms of attention timed in turns; there is one here, and the claim has no bearing on mHC"},
    {"mhc-poc-34", "mHC gives expressive multi-stream residuals, unlike the baseline.", BLOG, NULL,
     "Some stream differs from the mean stream by more than 1e-5 of the rms in some step, and the loss is a tenth "
     "below "
     "that of one stream that grows as much; the reason is another where no stream differs at the start.",
     streams_differ, NULL},
};
const int mhc__depth_claim_count = sizeof mhc__depth_claims / sizeof mhc__depth_claims[0];
