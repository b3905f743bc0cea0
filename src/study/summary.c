#include "study/summary.h"

#include "study/settings.h"

void mhc__mean_spread(const double *values, int count, double *mean, double *spread) {
    double sum = 0, squares = 0;
    for (int i = 0; i < count; i++)
        sum += values[i];
    *mean = sum / count;
    for (int i = 0; i < count; i++)
        squares += (values[i] - *mean) * (values[i] - *mean);
    *spread = count > 1 ? sqrt(squares / (count - 1)) : 0;
}

void mhc__held_out_cell(const mhc__arm *arms, int seeds, mhc__table *table) {
    double values[MHC__STUDY_MAX_SEEDS], mean, deviation;
    for (int s = 0; s < seeds; s++)
        values[s] = mhc__arm_held_out(&arms[s]);
    mhc__mean_spread(values, seeds, &mean, &deviation);
    if (!isfinite(mean))
        mhc__table_cell(table, "NaN");
    else if (seeds > 1)
        mhc__table_cell(table, "%.4f ± %.4f", mean, deviation);
    else
        mhc__table_cell(table, "%.4f", mean);
}

mhc__failures mhc__failures_of(const mhc__arm *arms, int seeds) {
    mhc__failures failures = {0, -1};
    for (int s = 0; s < seeds; s++) {
        int64_t step = arms[s].not_finite_at;
        if (step < 0)
            continue;
        failures.first = failures.count == 0 || step < failures.first ? step : failures.first;
        failures.count++;
    }
    return failures;
}

static double member(const mhc__gains *gains, size_t offset) {
    return *(const double *)(const void *)((const char *)gains + offset);
}

mhc__range mhc__gain_range(const mhc__arm *arms, int seeds, size_t offset) {
    mhc__range range = MHC__RANGE_EMPTY;
    for (int s = 0; s < seeds; s++) {
        mhc__widen(&range, member(&arms[s].before.gains, offset));
        mhc__widen(&range, member(&arms[s].after.gains, offset));
        for (int64_t i = 0; i < arms[s].series.count; i++)
            mhc__widen(&range, member(&arms[s].series.at[i].gains, offset));
    }
    return range;
}

mhc__composite mhc__composite_of(const mhc__arm *arms, int seeds) {
    return (mhc__composite){mhc__gain_range(arms, seeds, offsetof(mhc__gains, composite_forward)),
                            mhc__gain_range(arms, seeds, offsetof(mhc__gains, composite_backward)),
                            mhc__gain_range(arms, seeds, offsetof(mhc__gains, composite_column_min))};
}

double mhc__composite_off(const mhc__composite *composite) {
    mhc__range off = {0, 0};
    mhc__widen(&off, mhc__range_from(composite->forward, 1));
    mhc__widen(&off, mhc__range_from(composite->backward, 1));
    mhc__widen(&off, mhc__range_from(composite->column_min, 1));
    return off.high;
}

void mhc__range_say(mhc__range range, mhc__text *text) {
    double off = mhc__range_from(range, 1);
    if (off == 0)
        mhc__text_format(text, "exactly 1");
    else if (off <= MHC__GAIN_OF_ONE) /* half a digit up, so that the digit printed is no less than the value */
        mhc__text_format(text, "1 within %.0e", 1.5 * off);
    else if (range.high - range.low <= 5e-5 * fabs(range.high)) /* the digits printed are the same */
        mhc__text_format(text, "%.4g", range.high);
    else
        mhc__text_format(text, "%.4g to %.4g", range.low, range.high);
}

void mhc__composite_say(const mhc__composite *composite, mhc__text *text) {
    mhc__range_say(composite->forward, text);
    mhc__text_format(text, " forward, ");
    mhc__range_say(composite->backward, text);
    mhc__text_format(text, " backward, with smallest column sums of ");
    mhc__range_say(composite->column_min, text);
}

mhc__significance mhc__significance_of(const double *differences, int seeds, double *mean, double *standard_error) {
    double deviation;
    mhc__mean_spread(differences, seeds, mean, &deviation);
    *standard_error = deviation / sqrt((double)seeds);
    if (seeds < 3)
        return MHC__TOO_FEW_SEEDS;
    for (int s = 0; s < seeds; s++)
        if (!(differences[s] * *mean > 0))
            return MHC__NOT_SEEN;
    return fabs(*mean) > 2 * *standard_error ? MHC__SEEN : MHC__NOT_SEEN;
}
