#include "study/paired.h"

#include <math.h>

#include "study/summary.h"

/* The continued fraction of the incomplete beta function, by Lentz. */
static double beta_fraction(double a, double b, double x) {
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int m = 1; m <= 500; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        double terms[2] = {even, odd}, change = 1;
        for (int i = 0; i < 2; i++) {
            d = 1 + terms[i] * d;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = 1 + terms[i] / c;
            c = fabs(c) < tiny ? tiny : c;
            change = c * d;
            h *= change;
        }
        if (fabs(change - 1) < 1e-15)
            break;
    }
    return h;
}

/* I_x(a, b). */
static double beta_share(double a, double b, double x) {
    if (x <= 0 || x >= 1)
        return x <= 0 ? 0 : 1;
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    return x < (a + 1) / (a + b + 2) ? front * beta_fraction(a, b, x) / a : 1 - front * beta_fraction(b, a, 1 - x) / b;
}

double mhc__student_p(double t, int freedom) {
    return isnan(t) ? NAN : isinf(t) ? 0 : beta_share(freedom / 2.0, 0.5, freedom / (freedom + t * t));
}

double mhc__student_t(double p, int freedom) {
    double low = 0, high = 1;
    while (mhc__student_p(high, freedom) > p)
        high *= 2;
    for (int i = 0; i < 200; i++) {
        double middle = (low + high) / 2;
        *(mhc__student_p(middle, freedom) > p ? &low : &high) = middle;
    }
    return high;
}

mhc__paired mhc__paired_of(const double *differences, int count) {
    mhc__paired found = {.low = NAN, .high = NAN, .p = NAN, .holm = NAN};
    double deviation;
    mhc__mean_spread(differences, count, &found.mean, &deviation);
    if (count < 2 || !isfinite(found.mean))
        return found;
    double error = deviation / sqrt((double)count), t = mhc__student_t(0.05, count - 1);
    found.low = found.mean - t * error;
    found.high = found.mean + t * error;
    found.p = error > 0 ? mhc__student_p(found.mean / error, count - 1) : found.mean == 0 ? 1 : 0;
    return found;
}

void mhc__paired_holm(mhc__paired *results, int count) {
    int there = 0;
    for (int i = 0; i < count; i++)
        there += !isnan(results[i].p);
    for (int i = 0; i < count; i++) {
        results[i].holm = isnan(results[i].p) ? NAN : 0;
        for (int j = 0; j < count; j++) {
            if (!(results[j].p <= results[i].p)) /* those no larger, itself among them */
                continue;
            int smaller = 0;
            for (int k = 0; k < count; k++)
                smaller += results[k].p < results[j].p;
            double value = fmin(1, (there - smaller) * results[j].p);
            results[i].holm = fmax(results[i].holm, value);
        }
    }
}
