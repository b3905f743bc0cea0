/* Differences of paired seeds: intervals of Student's t, and p-values that allow for how many were looked at. */
#ifndef MHC_STUDY_PAIRED_H
#define MHC_STUDY_PAIRED_H

/* The probability that |t| of `freedom` degrees is larger than |t|. */
double mhc__student_p(double t, int freedom);
/* The t that |t| exceeds with probability p, 0 < p < 1. */
double mhc__student_t(double p, int freedom);

typedef struct mhc__paired {
    double mean, low, high; /* 95 % interval; NaN for one value, or one that is not finite */
    double p;               /* two-sided, of a mean of 0; NaN likewise */
    double holm;            /* after mhc__paired_holm */
} mhc__paired;

mhc__paired mhc__paired_of(const double *differences, int count);
/* Holm's step-down over the results whose p is there: holm = the largest of (m - rank) p so far, at most 1. A result
 * with holm <= 0.05 is one of a family in which an error of any is made with 5 % at most. */
void mhc__paired_holm(mhc__paired *results, int count);

#endif
