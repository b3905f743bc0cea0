/* Each operation once, at small sizes, on one thread, for callgrind: bench/count runs this program under it, collects
 * the instructions of `counted` alone, and compares them with bench/counts.tsv. Prints what the counts depend on, then
 * a line for each call of `counted`, in order. */
#include <stdio.h>

#include "operations.h"
#include "simd/isa.h"

enum { CHANNELS = 256, TOKENS = 33 }; /* two blocks of 16 tokens, and a rest */

#if defined(__x86_64__)
#define ARCHITECTURE "x86_64"
#elif defined(__aarch64__)
#define ARCHITECTURE "aarch64"
#else
#define ARCHITECTURE "other"
#endif
#if defined(__clang__)
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

/* bench/count tells callgrind this name. Called through `call` alone, so that the compiler neither inlines it nor makes
 * a copy with another name. */
static mhc_status counted(const mhc__operation *operation, const mhc_context *context, const mhc__subject *subject,
                          mhc_error *error) {
    mhc_status status = operation->run(context, subject, error);
    __asm__ volatile("" ::: "memory"); /* no jump to run in place of a call: it has to end inside */
    return status;
}
static mhc_status (*volatile call)(const mhc__operation *, const mhc_context *, const mhc__subject *,
                                   mhc_error *) = counted;

static mhc_status count_all(const char *preset, mhc_type type, int streams, mhc_error *error) {
    mhc_context context = mhc_context_cpu(1);
    mhc__subject subject;
    mhc_status status =
        mhc__subject_open(&subject, &MHC__HOST_MEMORY, preset, NULL, type, streams, CHANNELS, TOKENS, error);
    if (status == MHC_OK)
        status = mhc__operations_prepare(&context, &subject, error);
    for (const mhc__operation *o = MHC__OPERATIONS; status == MHC_OK && o->name; o++) {
        if (type != MHC_FP32 && !o->whole_channels)
            continue;                               /* works on floats alone */
        status = o->run(&context, &subject, error); /* what only a first call does is not counted */
        if (status == MHC_OK)
            status = call(o, &context, &subject, error);
        if (status == MHC_OK)
            printf("%s\t%s\t%s\t%d\t%d\t%d\n", o->name, preset, mhc__type_name(type), streams, CHANNELS, TOKENS);
    }
    mhc__subject_close(&subject);
    return status;
}

int main(void) {
    static const struct {
        const char *preset;
        int streams;
    } CASES[] = {{"paper", 2}, {"paper", 4}, {"paper", 8}, {"deepseek-v4", 4}};
    printf("# %s, %s, %s\n", COMPILER, ARCHITECTURE, mhc__isa_name(mhc__isa_chosen()));
    mhc_error error;
    for (size_t i = 0; i < 2 * sizeof CASES / sizeof CASES[0]; i++)
        if (count_all(CASES[i / 2].preset, i % 2 ? MHC_BF16 : MHC_FP32, CASES[i / 2].streams, &error) != MHC_OK) {
            fprintf(stderr, "bench_count: %s\n", error.message);
            return 1;
        }
    return 0;
}
