/* Seconds of one site, forward and forward with backward, for bench/compare_torch --site, which runs
 * bench/torch_site.py beside it. Prints a line of JSON for each. The layer between pre and merge costs nothing: its
 * output and its gradient lie there, as a layer would have left them. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "operations.h"

typedef struct settings {
    char kind[32];
    long dim, tokens, streams, threads, rounds;
} settings;

static int read_settings(int count, char **arguments, settings *chosen) {
    static const struct option OPTIONS[] = {{"kind", 1, NULL, 0},    {"dim", 1, NULL, 1},     {"tokens", 1, NULL, 2},
                                            {"streams", 1, NULL, 3}, {"threads", 1, NULL, 4}, {"rounds", 1, NULL, 5},
                                            {NULL, 0, NULL, 0}};
    *chosen = (settings){"paper", 1024, 2048, 4, 2, 9};
    long *const fields[] = {NULL, &chosen->dim, &chosen->tokens, &chosen->streams, &chosen->threads, &chosen->rounds};
    int option;
    while ((option = getopt_long(count, arguments, "", OPTIONS, NULL)) != -1) {
        char *end = "";
        if (option == 0)
            snprintf(chosen->kind, sizeof chosen->kind, "%s", optarg);
        else if (option <= 5)
            *fields[option] = strtol(optarg, &end, 10);
        if (option > 5 || *end || (option > 0 && (*fields[option] < 1 || *fields[option] > 1 << 24)))
            return 0;
    }
    return optind == count && chosen->rounds <= MHC__MOST_ROUNDS && chosen->threads <= 1024 &&
           chosen->streams <= MHC_MAX_STREAMS;
}

static const mhc__operation *operation(const char *name) {
    const mhc__operation *o = MHC__OPERATIONS;
    while (strcmp(o->name, name) != 0)
        o++;
    return o;
}

static mhc_status measure(const settings *chosen, mhc_error *error) {
    mhc__subject subject;
    mhc_status status = mhc__subject_open(&subject, &MHC__HOST_MEMORY, chosen->kind, NULL, MHC_FP32,
                                          (int)chosen->streams, chosen->dim, chosen->tokens, error);
    static const char *const NAMES[] = {"forward", "forward+backward"};
    mhc__call calls[2];
    mhc__timed entries[2];
    for (int i = 0; i < 2; i++) {
        calls[i] = (mhc__call){.first = operation("site"),
                               .then = i ? operation("site-back") : NULL,
                               .subject = &subject,
                               .context = mhc_context_cpu((int)chosen->threads)};
        entries[i] = (mhc__timed){.run = mhc__call_run, .self = &calls[i]};
    }
    if (status == MHC_OK && !mhc__measure(entries, 2, (int)chosen->rounds, 0.02))
        status = mhc__fail(error, MHC_OUT_OF_MEMORY, "no memory for the samples");
    for (int i = 0; status == MHC_OK && i < 2; i++) {
        status = calls[i].status;
        *error = calls[i].error;
        if (status == MHC_OK)
            printf("{\"kind\": \"%s\", \"threads\": %ld, \"median_s\": %.9f, \"min_s\": %.9f, \"max_s\": %.9f}\n",
                   NAMES[i], chosen->threads, entries[i].seconds.median, entries[i].seconds.least,
                   entries[i].seconds.most);
    }
    mhc__subject_close(&subject);
    return status;
}

int main(int count, char **arguments) {
    settings chosen;
    if (!read_settings(count, arguments, &chosen)) {
        fprintf(stderr, "bench_site [--kind paper] [--dim 1024] [--tokens 2048] [--streams 4] [--threads 2] "
                        "[--rounds 9]\n");
        return 2;
    }
    mhc_error error;
    if (measure(&chosen, &error) != MHC_OK) {
        fprintf(stderr, "bench_site: %s\n", error.message);
        return 1;
    }
    return 0;
}
