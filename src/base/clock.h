/* Monotonic seconds, for durations. */
#ifndef MHC_BASE_CLOCK_H
#define MHC_BASE_CLOCK_H

double mhc__clock_seconds(void);

#endif
