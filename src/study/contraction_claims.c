/* Published claims on what products of mixing matrices do, and the rules that decide them. */
#include <math.h>
#include <string.h>

#include "study/contraction.h"

typedef mhc__contraction_evidence evidence;

/* A row sum this near to 1 is 1: what a finite iteration leaves. */
#define ONE 1e-3
/* Cosines of one seed that are nearer than this have no order. */
#define COSINES 0.01
/* And effective ranks. */
#define RANKS 0.05

static void keeps_signals(const void *data, mhc__finding *f) {
    const evidence *e = data;
    if (isnan(e->paper_left) || isnan(e->paper_left_start)) {
        mhc__ruled(f, MHC__NOT_DECIDED, "it takes a trained model named `sinkhorn` or `paper`");
        return;
    }
    mhc__measured(f, "row sums of the product of %d matrices within %.2g of 1", e->sites, e->paper_forward_off);
    mhc__measured(f, "of a difference between streams %.3g is left at the start, %.3g trained", e->paper_left_start,
                  e->paper_left);
    bool sums = e->paper_forward_off <= ONE;
    bool kept = e->paper_left >= 0.5 && e->paper_left_start >= 0.5;
    if (sums && kept)
        mhc__ruled(f, MHC__REPRODUCED, "the mean is kept, and half of the differences or more");
    else if (sums)
        mhc__ruled(f, MHC__OTHER_REASON,
                   "the sums hold, but they say something about the mean of the streams alone: the product is no "
                   "identity, and differences shrink through it");
    else
        mhc__ruled(f, MHC__NOT_REPRODUCED, "the row sums of the product left 1 by more than %g", ONE);
}

static void near_uniform(const void *data, mhc__finding *f) {
    const evidence *e = data;
    if (isnan(e->paper_uniform_ten)) {
        mhc__ruled(f, MHC__NOT_DECIDED, "it takes a trained model named `sinkhorn` or `paper` of ten sites or more");
        return;
    }
    mhc__measured(f, "the product of the first ten matrices is %.3g from 1/n (Frobenius norm; the identity: %.3g)",
                  e->paper_uniform_ten, sqrt(e->streams - 1));
    if (e->paper_uniform_ten <= 0.2)
        mhc__ruled(f, MHC__REPRODUCED, "its entries are off 1/n by %.2g, root mean square",
                   e->paper_uniform_ten / e->streams);
    else
        mhc__ruled(f, MHC__NOT_REPRODUCED, "its entries are off 1/n by %.2g, root mean square",
                   e->paper_uniform_ten / e->streams);
}

static void lower_rank(const void *data, mhc__finding *f) {
    const evidence *e = data;
    if (isnan(e->paper_rank) || isnan(e->hc_rank)) {
        mhc__ruled(f, MHC__NOT_DECIDED, "it takes `sinkhorn` (or `paper`) and `no-constraint` (or `hc`), trained");
        return;
    }
    mhc__measured(f, "effective rank of the product: mHC %.3g, HC %.3g", e->paper_rank, e->hc_rank);
    if (fabs(e->paper_rank - e->hc_rank) < RANKS)
        mhc__ruled(f, MHC__NOT_DECIDED, "they are within %g of each other, and there is one seed", RANKS);
    else if (e->paper_rank < e->hc_rank)
        mhc__ruled(f, MHC__REPRODUCED, "mHC's product has fewer directions left, in one seed each");
    else
        mhc__ruled(f, MHC__NOT_REPRODUCED, "HC's product has no more directions left than mHC's");
}

static void cosines(const void *data, mhc__finding *f) {
    const evidence *e = data;
    if (isnan(e->paper_cosine) || isnan(e->identity_cosine) || isnan(e->orthogonal_cosine)) {
        mhc__ruled(f, MHC__NOT_DECIDED, "it takes `sinkhorn` (or `paper`), `identity` and `orthogonal`, trained");
        return;
    }
    mhc__measured(f, "cosine of streams before contraction: mHC %.3g, identity %.3g, orthogonal %.3g", e->paper_cosine,
                  e->identity_cosine, e->orthogonal_cosine);
    if (fmin(fabs(e->paper_cosine - e->identity_cosine), fabs(e->identity_cosine - e->orthogonal_cosine)) < COSINES)
        mhc__ruled(f, MHC__NOT_DECIDED, "two of them are within %g of each other, and there is one seed", COSINES);
    else if (e->paper_cosine > e->identity_cosine && e->identity_cosine > e->orthogonal_cosine)
        mhc__ruled(f, MHC__REPRODUCED, "the order is the same; one seed each");
    else
        mhc__ruled(f, MHC__NOT_REPRODUCED, "the order is another one here; one seed each");
}

const mhc__claim mhc__contraction_claims[MHC__CONTRACTION_CLAIMS] = {
    {"contraction-1",
     "Doubly stochastic matrices are closed under products, so that mHC restores the identity mapping through depth.",
     "arXiv 2512.24880, abstract and section 4.1", "composite gain at most 1.6 over 60 layers; HC 3000",
     "Row sums of the product of all sites within 1e-3 of 1, and at least half of a stream difference left, root mean "
     "square over directions, at the start and trained. With the sums alone it is true for another reason.",
     keeps_signals, NULL},
    {"contraction-2", "In trained mHC products of ten layers or more are about uniform, 0.25 in every entry.",
     "zhuanlan.zhihu.com/p/2010852389670908320, Qwen3 1.7B", "diagonals 0.96 of single layers; products uniform",
     "The product of the first ten sites of the trained model is within 0.2 of 1/n in Frobenius norm.", near_uniform,
     NULL},
    {"contraction-3", "The effective rank of mHC's composites is below that of HC's.", "arXiv 2609.32534 (DepthBench)",
     "1.44 to 1.65 against 2.53 to 2.81",
     "Effective rank of the product of all sites, trained, mean over tokens, where they are 0.05 or more apart.",
     lower_rank, NULL},
    {"contraction-4", "Streams of mHC end more alike than with H_res = I, and those of orthogonal mixers less.",
     "arXiv 2609.02672 (oHC)", "cosine 0.81, 0.66, 0.18",
     "Order of the mean cosines before contraction, trained, where they are 0.01 or more apart.", cosines, NULL},
};

/* ---- evidence ---- */

static const mhc__subject *find(const mhc__contraction_study *study, const char *name, const char *other) {
    for (int i = 0; i < study->subject_count; i++) {
        const mhc__subject *s = &study->subjects[i];
        if (s->finite && (!strcmp(s->name, name) || !strcmp(s->name, other)))
            return s;
    }
    return NULL;
}

mhc__contraction_evidence mhc__contraction_gather(const mhc__contraction_study *study) {
    const mhc__subject *paper = find(study, "sinkhorn", "paper"), *hc = find(study, "no-constraint", "hc"),
                       *identity = find(study, "identity", "identity"),
                       *orthogonal = find(study, "orthogonal", "orthogonal");
    evidence e = {0, 0, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    if (paper) {
        e.sites = paper->after.maps.sites;
        e.streams = paper->after.maps.streams;
        e.paper_forward_off = fmax(paper->before.maps.forward_off, paper->after.maps.forward_off);
        e.paper_left_start = exp(mhc__contraction_left(&paper->before.maps));
        e.paper_left = exp(mhc__contraction_left(&paper->after.maps));
        e.paper_uniform_ten = paper->after.maps.uniform_ten;
        e.paper_rank = paper->after.maps.rank;
        e.paper_cosine = paper->after.cosine;
    }
    e.hc_rank = hc ? hc->after.maps.rank : NAN;
    e.identity_cosine = identity ? identity->after.cosine : NAN;
    e.orthogonal_cosine = orthogonal ? orthogonal->after.cosine : NAN;
    return e;
}
