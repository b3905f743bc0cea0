#include "probe/copies.h"

#include <math.h>
#include <stdbool.h>

#include "base/threads.h"
#include "probe/range.h"
#include "probe/statistics.h"

/* Of all sites and tokens: the largest difference between streams, as a share of the largest value. */
typedef struct sameness {
    double pre, post, rows, columns;
} sameness;

static double apart(const double *values, int n) {
    mhc__range range = MHC__RANGE_EMPTY;
    for (int i = 0; i < n; i++)
        mhc__widen(&range, values[i]);
    double size = mhc__range_from(range, 0.0);
    return size > 0.0 ? (range.high - range.low) / size : 0.0;
}

static void look_at(const float *row, int n, sameness *found) {
    double pre[MHC_MAX_STREAMS], post[MHC_MAX_STREAMS], rows[MHC_MAX_STREAMS] = {0}, columns[MHC_MAX_STREAMS] = {0};
    for (int i = 0; i < n; i++) {
        pre[i] = (double)row[i];
        post[i] = (double)row[n + i];
        for (int j = 0; j < n; j++) {
            rows[i] += (double)row[2 * n + i * n + j];
            columns[j] += (double)row[2 * n + i * n + j];
        }
    }
    found->pre = fmax(found->pre, apart(pre, n));
    found->post = fmax(found->post, apart(post, n));
    found->rows = fmax(found->rows, apart(rows, n));
    found->columns = fmax(found->columns, apart(columns, n));
}

mhc__copies mhc__copies_explain(const mhc__model *model, double spread, int64_t tokens, mhc__text *text) {
    const mhc_spec *spec = mhc__model_spec(model);
    const double same = 1e-5; /* fp32 sums of n values, and what the eps of a convention leaves */
    int n = spec->streams;
    if (!(spread <= MHC__COPIES_SPREAD) || n == 1 || spec->mapping == MHC_MAPPING_NONE)
        return MHC__NO_COPIES;
    int64_t all = spec->mapping == MHC_MAPPING_DYNAMIC ? mhc__model_tokens(model) : 1;
    int64_t count = tokens > 0 ? mhc__min(tokens, all) : all;
    sameness found = {0};
    for (int site = 0; site < mhc__model_sites(model); site++)
        for (int64_t k = 0; k < count; k++)
            look_at(mhc__model_coefficients(model, site) + mhc__sample(all, count, k) * n * (n + 2), n, &found);
    mhc__text_format(text, "the %d streams are copies of one another (spread %.2g), so that H_res mixes nothing: ", n,
                     spread);
    if (found.post > same || found.rows > same) {
        mhc__text_format(text,
                         "H_post or H_res treats them differently, but what that adds is lost beside the streams");
        return MHC__COPIES_FOR_NOW;
    }
    bool parted = found.pre > same || found.columns > same;
    mhc__text_format(text, "every H_post writes the same to each, and the rows of every H_res have equal sums; %s",
                     parted ? "H_pre or the columns of H_res tell them apart, so that training can"
                            : "H_pre and the columns of H_res tell none apart either, so that training can't");
    return parted ? MHC__COPIES_FOR_NOW : MHC__COPIES_FOR_GOOD;
}
