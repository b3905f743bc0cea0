/* Sentences of the contraction report, each chosen by what was measured. */
#include <math.h>
#include <string.h>

#include "probe/range.h"
#include "study/contraction.h"
#include "study/summary.h"

enum { START, NARROW, WIDE };
#define NEAR 0.09 /* a mass up to this is near the identity */
/* Within this of each other, or of 1, volumes and what is left are called alike. */
#define ALIKE 0.1

typedef mhc__contraction_study study_t;

static const mhc__contraction *deepest(const study_t *study, int map, int spread) {
    return &study->maps[map][study->depth_count - 1][spread];
}

static const mhc__contraction *shallowest(const study_t *study, int map, int spread) {
    return &study->maps[map][0][spread];
}

/* "0.55", "1e-300" and what doubles don't hold. */
static void say_left(double ln, mhc__text *text) {
    if (isnan(ln))
        mhc__text_format(text, "not a number");
    else if (isinf(ln) && ln < 0)
        mhc__text_format(text, "nothing");
    else if (ln < -600)
        mhc__text_format(text, "10^%.0f", ln / log(10));
    else
        mhc__text_format(text, "%.3g", exp(ln));
}

static void say_half_life(const mhc__contraction *c, mhc__text *text) {
    if (isinf(c->half_life))
        mhc__text_format(text, "more than %d", c->sites);
    else
        mhc__text_format(text, "%g", c->half_life);
}

static bool alike(mhc__range range, double of) {
    return range.low >= of * (1 - ALIKE) && range.high <= of * (1 + ALIKE);
}

static void published_starts(const study_t *study, mhc__html *html) {
    mhc__text said = {0};
    for (int map = 0; map < MHC__CONTRACTION_MAPS; map++) {
        if (mhc__contraction_maps[map].group != MHC__MAPS_PUBLISHED)
            continue;
        mhc__text_format(&said, "%s%s ", said.length ? "; " : "", mhc__contraction_maps[map].name);
        say_left(mhc__contraction_left(shallowest(study, map, START)), &said);
        mhc__text_format(&said, " and ");
        say_left(mhc__contraction_left(deepest(study, map, START)), &said);
    }
    mhc__html_item(html,
                   "**At published starts** this is left of a difference between streams after %d and %d sites: %s.",
                   study->depths[0], study->depths[study->depth_count - 1], said.data ? said.data : "");
    mhc__text_free(&said);
}

static bool has_law(const mhc__contraction *c) {
    return c->on_differences && isfinite(c->volume) && c->mass > 1e-9;
}

/* Where the mass of a site is small, what is the volume over it? Isometries have a mass and no volume: the law is not
 * for them. */
static void the_law(const study_t *study, mhc__html *html) {
    mhc__range near = MHC__RANGE_EMPTY, far = MHC__RANGE_EMPTY, first = MHC__RANGE_EMPTY;
    const int sites = study->depths[study->depth_count - 1];
    for (int map = 0; map < MHC__CONTRACTION_MAPS; map++)
        for (int spread = 0; spread < MHC__CONTRACTION_SPREADS; spread++) {
            const mhc__contraction *c = deepest(study, map, spread);
            mhc_constraint_kind kind = mhc__contraction_maps[map].constraint;
            if (!has_law(c) || kind == MHC_CONSTRAINT_ROTATION || kind == MHC_CONSTRAINT_ORTHOGONAL)
                continue;
            mhc__widen(c->mass <= NEAR ? &near : &far, c->total / mhc__contraction_law(c));
            if (c->mass <= NEAR)
                mhc__widen(&first, c->total / (sites * c->mass_first));
        }
    if (near.low <= near.high)
        mhc__html_item(html,
                       "**The law of volumes**, -ln|det H| = sum of 1 - H_ii, %s near the identity for the constraints "
                       "that are no isometries: over %d sites the volume is %.3g to %.3g times the law's "
                       "where that sum is at most %g, and %.3g to %.3g times what the first site alone says.",
                       alike(near, 1) ? "holds" : "does not hold for all,", sites, near.low, near.high, NEAR, first.low,
                       first.high);
    if (far.low <= far.high)
        mhc__html_item(html, "Where the sum is larger, the volume is %.3g to %.3g times the law's.", far.low, far.high);
}

/* The same mass at the start: what differs? */
static void matched(const study_t *study, mhc__html *html) {
    mhc__range shrink = MHC__RANGE_EMPTY, kept = MHC__RANGE_EMPTY;
    for (int map = 0; map < MHC__CONTRACTION_MAPS; map++) {
        const mhc__contraction *c = shallowest(study, map, START);
        if (mhc__contraction_maps[map].group != MHC__MAPS_MATCHED)
            continue;
        mhc_constraint_kind kind = mhc__contraction_maps[map].constraint;
        bool isometry =
            kind == MHC_CONSTRAINT_ROTATION || kind == MHC_CONSTRAINT_ORTHOGONAL || kind == MHC_CONSTRAINT_IDENTITY;
        mhc__widen(isometry ? &kept : &shrink, exp(-c->total / (MHC__CONTRACTION_N - 1)));
    }
    mhc__html_item(
        html,
        "**With the same mass off the diagonal** (%.4f of each row, at which the law leaves half after %d "
        "sites) %.3g to %.3g is left after %d sites, geometric mean over directions; of identity, rotation and "
        "orthogonal %.3g to %.3g. %s",
        (MHC__CONTRACTION_N - 1) * log(2) / (MHC__CONTRACTION_N * MHC__CONTRACTION_HALF), MHC__CONTRACTION_HALF,
        shrink.low, shrink.high, study->depths[0], kept.low, kept.high,
        shrink.high <= shrink.low * (1 + ALIKE)
            ? "Parametrisations of doubly stochastic matrices do not differ in how much is lost."
            : "The mass alone does not say how much is lost.");
}

static void dynamic_part(const study_t *study, mhc__html *html) {
    mhc__range ratio = MHC__RANGE_EMPTY;
    for (int map = 0; map < MHC__CONTRACTION_MAPS; map++) {
        double start = shallowest(study, map, START)->volume, narrow = shallowest(study, map, NARROW)->volume;
        if (isfinite(start) && start > 1e-6 && isfinite(narrow))
            mhc__widen(&ratio, narrow / start);
    }
    const mhc__contraction *start = shallowest(study, 0, START), *wide = shallowest(study, 0, WIDE);
    mhc__text said = {0};
    say_left(mhc__contraction_left(start), &said);
    mhc__text_format(&said, " to ");
    say_left(mhc__contraction_left(wide), &said);
    mhc__html_item(
        html,
        "**The part that depends on inputs** changes %s as it starts (scale %g: volumes %.4g to %.4g times "
        "those of the start); once it is wide, at a scale of %g, what %s leaves goes from %s after %d sites.",
        alike(ratio, 1) ? "little" : "much", mhc__contraction_spreads[NARROW], ratio.low, ratio.high,
        mhc__contraction_spreads[WIDE], mhc__contraction_maps[0].name, said.data ? said.data : "", study->depths[0]);
    mhc__text_free(&said);
}

static void leaky(const study_t *study, mhc__html *html) {
    int held = 0, stacks = 0;
    bool flat = true;
    mhc__text said = {0};
    for (int map = 0; map < MHC__CONTRACTION_MAPS; map++) {
        const mhc__contraction_map *m = &mhc__contraction_maps[map];
        if (!(m->beta > 0))
            continue;
        mhc__range left = MHC__RANGE_EMPTY;
        for (int d = 0; d < study->depth_count; d++) {
            for (int spread = 0; spread < MHC__CONTRACTION_SPREADS; spread++) {
                const mhc__contraction *c = &study->maps[map][d][spread];
                if (m->beta >= c->sites)
                    continue; /* no bound */
                stacks++;     /* 1e-5: the matrices are fp32 */
                held += c->smallest_low >= c->sites * log(1 - m->beta / c->sites) - 1e-5 * c->sites;
            }
            mhc__widen(&left, exp(mhc__contraction_left(&study->maps[map][d][WIDE])));
        }
        flat = flat && left.high <= left.low * (1 + ALIKE);
        mhc__text_format(&said, "%s%g: %.3g to %.3g", said.length ? ", " : "", m->beta, left.low, left.high);
    }
    mhc__html_item(html,
                   "**leaky** kept its bound, no difference below (1 - β/L)^L, in %d of %d stacks. What it leaves %s "
                   "on the number of sites (β: over %d to %d sites): %s.",
                   held, stacks, flat ? "hardly depends" : "depends", study->depths[0],
                   study->depths[study->depth_count - 1], said.data ? said.data : "");
    mhc__text_free(&said);
}

static void about_model(const mhc__subject *s, mhc__html *html) {
    const mhc__contraction *before = &s->before.maps, *after = &s->after.maps;
    if (!s->finite) {
        mhc__html_item(html, "**%s** was not finite at some step.", s->label);
        return;
    }
    int last = s->after.points - 1;
    if (isnan(s->after.kept[last]) || s->after.spread <= MHC__ONE_STREAM) {
        mhc__html_item(html, "**%s** has no differences between streams to speak of (spread %.2g).", s->label,
                       s->after.spread);
        return;
    }
    mhc__text said = {0};
    mhc__text_format(&said, "of a random difference ");
    say_left(mhc__contraction_left(before), &said);
    mhc__text_format(&said, " gets through its %d matrices at the start and ", after->sites);
    say_left(mhc__contraction_left(after), &said);
    mhc__text_format(&said, " trained (half after ");
    say_half_life(before, &said);
    mhc__text_format(&said, " and ");
    say_half_life(after, &said);
    mhc__text_format(&said, " sites)");
    mhc__text_format(&said, "; of the energy of what the first layer wrote ");
    say_left(s->after.kept[last], &said);
    mhc__text_format(&said, " is left before contraction, %.2g of all that is there", s->after.share[last]);
    mhc__text_format(&said,
                     "; the gradient of the first streams is %.3g of that of the last, their part in differences, "
                     "after the first site, %.3g",
                     s->after.gradient[0] / s->after.gradient[last], s->after.rest[1] / s->after.gradient[last]);
    mhc__html_item(html, "**%s**: %s.", s->label, said.data ? said.data : "");
    mhc__text_free(&said);
}

void mhc__contraction_findings(const study_t *study, mhc__html *html) {
    mhc__html_list_start(html);
    published_starts(study, html);
    the_law(study, html);
    matched(study, html);
    dynamic_part(study, html);
    leaky(study, html);
    for (int i = 0; i < study->subject_count; i++)
        about_model(&study->subjects[i], html);
    mhc__html_list_end(html);
}
