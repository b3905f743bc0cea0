/* Where numbers come from: the program, its libraries and the machine, for the last part of every report. */
#ifndef MHC_REPORT_ORIGIN_H
#define MHC_REPORT_ORIGIN_H

#include "report/html.h"

/* The git commit that was built, 12 digits and "+" where files differed from it; "" where that isn't known. */
const char *mhc__origin_commit(void);
/* "gcc 12.2.0" or "clang 14.0.6". */
const char *mhc__origin_compiler(void);
/* The processor's name, as the system gives it. */
void mhc__origin_cpu(char *name, size_t size);

typedef struct mhc__origin {
    const char *command; /* repeats it */
    const char *seeds;   /* "42", "42 to 44"; NULL: none was used */
    int threads;         /* 0: all */
    double seconds;      /* of training or, where nothing is trained, measuring, all runs together; NaN: unknown */
} mhc__origin;

/* The section. The machine is the one that writes the page. */
void mhc__origin_section(mhc__html *html, const mhc__origin *origin);

#endif
