/* The picture of a run in a terminal: text for a screen of so many columns and lines, made from what was read so far.
 */
#ifndef MHC_REPORT_SCREEN_H
#define MHC_REPORT_SCREEN_H

#include "base/text.h"
#include "report/metrics.h"

typedef struct mhc__screen {
    const char *folder;
    const mhc__metrics *metrics;
    int64_t steps;      /* of the whole run; 0: unknown */
    double step_tokens; /* NaN: unknown */
    double silent;      /* seconds since the last line was written; NaN: unknown */
    int columns, lines; /* of the terminal */
    bool colour;
} mhc__screen;

/* Lines, each ended by a line feed, at most screen->lines of at most screen->columns characters. */
void mhc__screen_draw(const mhc__screen *screen, mhc__text *out);
/* One line that says the same of the newest step. */
void mhc__screen_line(const mhc__screen *screen, mhc__text *out);

/* A curve of y over its index, drawn in braille: width x height characters, without axes, line by line into
 * rows[height]. What isn't finite is left out. low and high: the range that is drawn; logarithmic where it is asked for
 * and possible. */
typedef struct mhc__curve {
    int width, height;
    bool logarithmic;
    double low, high;
} mhc__curve;
void mhc__curve_draw(mhc__curve *curve, const double *values, int64_t count, mhc__text *rows);

#endif
