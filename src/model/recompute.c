/* Recomputation in backward (arXiv 2512.24880 section 4.3.2). Sites are taken in spans. Forward keeps the streams at
 * the beginning of a span and every z; the streams inside, u and the norms' outputs lie in arrays that all spans share,
 * and are made again when backward comes to a span. The plain residual adds z in place, so its states are what is kept:
 * its spans are single sites, and the norms' outputs alone are made again. */
#include "base/threads.h"
#include "model/internal.h"
#include "model/steps.h"

int mhc__span_of(const mhc__model *model, int recompute) {
    if (recompute == 0 || mhc__is_bag(model)) /* of a bag all is kept: its rows are few */
        return 0;
    if (mhc__is_plain(model))
        return 1;
    return recompute < 0 ? mhc_recompute_span(model->spec.streams, model->sites)
                         : (int)mhc__min(recompute, model->sites);
}

bool mhc__is_present(const mhc__activations *at, int sites, int site) {
    const int span = at->layout.span;
    return span == 0 || site % span == 0 || site == sites || site / span == at->present;
}

static mhc_status replay(const mhc__run *run, int first, int end) {
    const mhc__model *model = run->model;
    mhc__activations *at = run->at;
    int64_t channels = model->widths.channels;
    for (int site = first; site < end; site++) {
        const mhc__site_state *state = &at->sites[site];
        mhc_recompute_step *step = &at->steps[site];
        *step = (mhc_recompute_step){.coefficients = state->coefficients, .u = mhc_rows_of(state->u, channels)};
        if (site + 1 == end) /* the next span begins there, with streams that were kept */
            continue;
        step->z = mhc_rows_of(state->z, channels);
        step->out = mhc__state(run, site + 1);
    }
    const float *carried = mhc__is_shifted(model) && first > 0 ? at->sites[first - 1].coefficients : NULL;
    return mhc_recompute(run->context, &model->spec, at->tokens, mhc__state(run, first), carried, at->steps + first,
                         end - first, run->error);
}

static void replay_norms(const mhc__run *run, int site) {
    const bool blocks = mhc__wraps_blocks(run->model);
    if (blocks || site % 2 == 0)
        mhc__attention_norm(run, blocks ? site : site / 2);
    if (blocks || site % 2)
        mhc__feed_forward_norm(run, blocks ? site : site / 2);
}

mhc_status mhc__recall(const mhc__run *run, int site) {
    mhc__activations *at = run->at;
    const int span = at->layout.span;
    if (span == 0 || site / span == at->present)
        return MHC_OK;
    const int first = site / span * span, end = (int)mhc__min(first + span, run->model->sites);
    at->present = -1;
    if (!mhc__is_plain(run->model))
        MHC__TRY(replay(run, first, end));
    for (int s = first; s < end; s++)
        replay_norms(run, s);
    at->present = site / span;
    return MHC_OK;
}
