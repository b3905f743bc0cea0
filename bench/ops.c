/* Every operation of the library against the limit of this machine: one table each. docs/performance.md says how to
 * read them. */
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/threads.h"
#include "machine.h"
#include "operations.h"
#include "simd/isa.h"

enum { MOST = 16, OPERATIONS_MOST = 32 };

typedef struct list {
    int64_t values[MOST];
    int count;
} list;

typedef struct settings {
    list channels, streams, tokens, threads, types;
    bool chosen[OPERATIONS_MOST];
    const char *preset, *constraint; /* constraint NULL: the preset's */
    int rounds;
    double least_seconds;
    bool csv;
} settings;

typedef struct result {
    const mhc__operation *operation;
    mhc_type type;
    int64_t channels, tokens;
    int streams, threads;
    mhc__spread seconds;
    mhc__cost cost;
    mhc__limit limit;
    double canary; /* share of the multiply-adds measured at the start, beside these rounds */
} result;

typedef struct results {
    result *rows;
    int count, room;
} results;

/* --------------------------------------------------------------------------------------------------------- arguments
 */

static int usage(FILE *file, const char *complaint, const char *found) {
    if (complaint)
        fprintf(file, "bench_ops: %s, found '%s'\n", complaint, found);
    fprintf(file,
            "bench_ops [--ops NAME,...] [--channels C,...] [--streams n,...] [--tokens T,...] [--threads N,...]\n"
            "          [--types fp32,bf16,fp16] [--preset NAME] [--constraint NAME] [--rounds 7] [--milliseconds 5]\n"
            "          [--csv] [--all]\n"
            "  --types          of the elements of streams and rows; fp32 where it is not given\n"
            "  --milliseconds   the least that one sample lasts; a row is the median of --rounds samples\n"
            "  --all            C 256,512,1024,2560,4096,7168, n 2,4,8, T 1,16,2048; without it C 256,1024,2560,\n"
            "                   n 4, T 1,2048; options after it narrow it down\n"
            "operations:");
    for (const mhc__operation *o = MHC__OPERATIONS; o->name; o++)
        fprintf(file, " %s", o->name);
    fprintf(file, "\npresets:");
    for (int i = 1; mhc_spec_preset_name(i); i++) /* 0 is the residual: nothing to measure */
        fprintf(file, " %s", mhc_spec_preset_name(i));
    fprintf(file, "\nconstraints, in place of the preset's:");
    for (int i = 0; mhc_constraint_name(i); i++)
        fprintf(file, " %s", mhc_constraint_name(i));
    fprintf(file, "\n");
    return complaint ? 2 : 0;
}

/* False at anything but whole numbers in 1..most with commas between them. */
static bool read_list(const char *text, int64_t most, list *out) {
    list read = {{0}, 0};
    for (const char *at = text;; at++) {
        char *end;
        long long value = strtoll(at, &end, 10);
        if (end == at || value < 1 || value > most || read.count == MOST || (*end != ',' && *end != 0))
            return false;
        read.values[read.count++] = value;
        at = end;
        if (!*at)
            break;
    }
    *out = read;
    return true;
}

static bool read_types(const char *text, list *out) {
    list read = {{0}, 0};
    for (const char *at = text;;) {
        size_t length = strcspn(at, ",");
        int type = MHC_FP32;
        while (type <= MHC_FP16 && (strlen(mhc__type_name((mhc_type)type)) != length ||
                                    memcmp(mhc__type_name((mhc_type)type), at, length) != 0))
            type++;
        if (type > MHC_FP16 || read.count == MOST)
            return false;
        read.values[read.count++] = type;
        at += length;
        if (!*at)
            break;
        at++;
    }
    *out = read;
    return true;
}

static bool read_operations(const char *text, settings *chosen) {
    memset(chosen->chosen, 0, sizeof chosen->chosen);
    for (const char *at = text; *at;) {
        size_t length = strcspn(at, ",");
        int i = 0;
        while (MHC__OPERATIONS[i].name &&
               (strlen(MHC__OPERATIONS[i].name) != length || memcmp(MHC__OPERATIONS[i].name, at, length) != 0))
            i++;
        if (!MHC__OPERATIONS[i].name)
            return false;
        chosen->chosen[i] = true;
        at += length;
        at += *at == ',';
    }
    return *text != 0;
}

static void read_text(settings *chosen, const char *channels, const char *streams, const char *tokens) {
    read_list(channels, 1 << 20, &chosen->channels);
    read_list(streams, MHC_MAX_STREAMS, &chosen->streams);
    read_list(tokens, 1 << 24, &chosen->tokens);
}

static settings default_settings(void) {
    settings chosen = {.preset = "paper", .rounds = 7, .least_seconds = 5e-3, .types = {{MHC_FP32}, 1}};
    read_text(&chosen, "256,1024,2560", "4", "1,2048");
    chosen.threads = (list){{1, mhc__default_threads()}, mhc__default_threads() > 1 ? 2 : 1};
    memset(chosen.chosen, 1, sizeof chosen.chosen);
    return chosen;
}

/* 0: go on; else the exit status, plus one. */
static int read_settings(int count, char **arguments, settings *chosen) {
    enum {
        OPS = 1,
        CHANNELS,
        STREAMS,
        TOKENS,
        THREADS,
        TYPES,
        PRESET,
        CONSTRAINT,
        ROUNDS,
        MILLISECONDS,
        CSV,
        ALL,
        HELP
    };
    static const struct option OPTIONS[] = {
        {"ops", 1, NULL, OPS},
        {"channels", 1, NULL, CHANNELS},
        {"streams", 1, NULL, STREAMS},
        {"tokens", 1, NULL, TOKENS},
        {"threads", 1, NULL, THREADS},
        {"preset", 1, NULL, PRESET},
        {"constraint", 1, NULL, CONSTRAINT},
        {"rounds", 1, NULL, ROUNDS},
        {"milliseconds", 1, NULL, MILLISECONDS},
        {"csv", 0, NULL, CSV},
        {"all", 0, NULL, ALL},
        {"help", 0, NULL, HELP},
        {"types", 1, NULL, TYPES},
        {NULL, 0, NULL, 0},
    };
    *chosen = default_settings();
    int option;
    while ((option = getopt_long(count, arguments, "", OPTIONS, NULL)) != -1) {
        list one = {{0}, 0};
        bool good = true;
        switch (option) {
        case OPS:
            good = read_operations(optarg, chosen);
            break;
        case CHANNELS:
            good = read_list(optarg, 1 << 20, &chosen->channels);
            break;
        case STREAMS:
            good = read_list(optarg, MHC_MAX_STREAMS, &chosen->streams);
            break;
        case TOKENS:
            good = read_list(optarg, 1 << 24, &chosen->tokens);
            break;
        case THREADS:
            good = read_list(optarg, 1024, &chosen->threads);
            break;
        case TYPES:
            good = read_types(optarg, &chosen->types);
            break;
        case ROUNDS:
            good = read_list(optarg, MHC__MOST_ROUNDS, &one) && one.count == 1;
            chosen->rounds = (int)one.values[0];
            break;
        case MILLISECONDS:
            good = read_list(optarg, 60000, &one) && one.count == 1;
            chosen->least_seconds = (double)one.values[0] * 1e-3;
            break;
        case PRESET:
            chosen->preset = optarg;
            break;
        case CONSTRAINT:
            chosen->constraint = optarg;
            break;
        case CSV:
            chosen->csv = true;
            break;
        case ALL:
            read_text(chosen, "256,512,1024,2560,4096,7168", "2,4,8", "1,16,2048");
            break;
        case HELP:
            return usage(stdout, NULL, NULL) + 1;
        default:
            return usage(stderr, "expected an option of these, with its value", arguments[optind - 1]) + 1;
        }
        if (!good)
            return usage(stderr, "expected values in range", optarg) + 1;
    }
    return optind == count ? 0 : usage(stderr, "expected options alone", arguments[optind]) + 1;
}

/* ---------------------------------------------------------------------------------------------------------- measuring
 */

static mhc_status keep(results *all, result row, mhc_error *error) {
    if (all->count == all->room) {
        int room = all->room ? 2 * all->room : 64;
        result *rows = realloc(all->rows, (size_t)room * sizeof *rows);
        if (!rows)
            return mhc__fail(error, MHC_OUT_OF_MEMORY, "no memory for %d results", room);
        all->rows = rows, all->room = room;
    }
    all->rows[all->count++] = row;
    return MHC_OK;
}

/* All chosen operations with all thread counts on one subject, and a canary for each thread count. first: of those that
 * differ in channels or type alone. */
static mhc_status measure_subject(const settings *chosen, mhc__machine *machines, const mhc__subject *subject,
                                  bool first, results *all, mhc_error *error) {
    mhc__call calls[OPERATIONS_MOST * MOST];
    mhc__timed entries[OPERATIONS_MOST * MOST + MOST];
    int count = 0, threads = chosen->threads.count;
    for (int i = 0; MHC__OPERATIONS[i].name; i++)
        for (int k = 0; k < threads; k++)
            if (chosen->chosen[i] && (MHC__OPERATIONS[i].whole_channels || first)) {
                mhc_context context = mhc_context_cpu((int)chosen->threads.values[k]);
                calls[count] = (mhc__call){.first = &MHC__OPERATIONS[i], .subject = subject, .context = context};
                entries[count] = (mhc__timed){.run = mhc__call_run, .self = &calls[count]};
                count++;
            }
    for (int k = 0; k < threads; k++)
        entries[count + k] = mhc__canary(&machines[k]);
    if (count && !mhc__measure(entries, count + threads, chosen->rounds, chosen->least_seconds))
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "no memory for the samples");
    mhc_status status = MHC_OK;
    for (int i = 0; status == MHC_OK && i < count; i++) {
        if (calls[i].status != MHC_OK)
            return mhc__fail(error, calls[i].status, "%s: %s", calls[i].first->name, calls[i].error.message);
        int k = i % threads;
        mhc__cost cost = calls[i].first->cost(subject);
        result row = {.operation = calls[i].first,
                      .type = subject->spec.type,
                      .channels = subject->spec.channels,
                      .tokens = subject->tokens,
                      .streams = subject->spec.streams,
                      .threads = calls[i].context.threads,
                      .seconds = entries[i].seconds,
                      .cost = cost,
                      .limit = mhc__limit_of(&machines[k], cost, subject->tokens),
                      .canary = mhc__canary_share(&machines[k], &entries[count + k])};
        status = keep(all, row, error);
    }
    return status;
}

static mhc_status measure_shape(const settings *chosen, mhc__machine *machines, mhc_type type, int64_t channels,
                                int streams, int64_t tokens, bool first, results *all, mhc_error *error) {
    if (isatty(2))
        fprintf(stderr, "\r%s, C %lld, n %d, T %lld    ", mhc__type_name(type), (long long)channels, streams,
                (long long)tokens);
    mhc__subject subject;
    mhc_status status = mhc__subject_open(&subject, &MHC__HOST_MEMORY, chosen->preset, chosen->constraint, type,
                                          streams, channels, tokens, error);
    mhc_context context = mhc_context_cpu((int)chosen->threads.values[chosen->threads.count - 1]);
    if (status == MHC_OK)
        status = mhc__operations_prepare(&context, &subject, error);
    if (status == MHC_OK)
        status = measure_subject(chosen, machines, &subject, first, all, error);
    mhc__subject_close(&subject);
    return status;
}

static mhc_status measure_all(const settings *chosen, mhc__machine *machines, results *all, mhc_error *error) {
    mhc_status status = MHC_OK;
    for (int c = 0; c < chosen->channels.count; c++)
        for (int n = 0; n < chosen->streams.count; n++)
            for (int t = 0; t < chosen->tokens.count; t++)
                for (int k = 0; status == MHC_OK && k < chosen->types.count; k++)
                    status = measure_shape(chosen, machines, (mhc_type)chosen->types.values[k],
                                           chosen->channels.values[c], (int)chosen->streams.values[n],
                                           chosen->tokens.values[t], c == 0 && k == 0, all, error);
    if (isatty(2))
        fprintf(stderr, "\r%48s\r", "");
    return status;
}

/* ----------------------------------------------------------------------------------------------------------- printing
 */

static double bytes_of(const result *row) {
    return row->cost.read + row->cost.written;
}

static void print_row(const result *row) {
    double seconds = row->seconds.median;
    char channels[24] = "-", percent[24];
    const char *type = "-";
    if (row->operation->whole_channels) {
        snprintf(channels, sizeof channels, "%lld", (long long)row->channels);
        type = mhc__type_name(row->type);
    }
    snprintf(percent, sizeof percent, "%.1f%%", 100 * row->limit.seconds / seconds);
    printf("%-4s %6s %2d %6lld %3d %10.2f (%9.2f ..%10.2f) %11.4g %7.1f %8.1f %10.2f %-5s %7s %5.0f%%\n", type,
           channels, row->streams, (long long)row->tokens, row->threads, 1e6 * seconds, 1e6 * row->seconds.least,
           1e6 * row->seconds.most, (double)row->tokens / seconds, bytes_of(row) / seconds * 1e-9,
           row->cost.flops / seconds * 1e-9, 1e6 * row->limit.seconds,
           row->limit.by_flops ? "FMA" : mhc__level_name(row->limit.level), percent, 100 * row->canary);
}

static void print_tables(const settings *chosen, const results *all) {
    for (int i = 0; MHC__OPERATIONS[i].name; i++) {
        if (!chosen->chosen[i])
            continue;
        printf("\n%s: %s\n%-4s %6s %2s %6s %3s %10s (%9s ..%10s) %11s %7s %8s %10s %-5s %7s %6s\n",
               MHC__OPERATIONS[i].name, MHC__OPERATIONS[i].what, "type", "C", "n", "T", "thr", "time us", "least",
               "most", "tokens/s", "GB/s", "GFLOP/s", "limit us", "by", "reached", "canary");
        for (int r = 0; r < all->count; r++)
            if (all->rows[r].operation == &MHC__OPERATIONS[i])
                print_row(&all->rows[r]);
    }
}

static void print_csv(const settings *chosen, const results *all) {
    printf("operation,preset,type,channels,streams,tokens,threads,seconds,least,most,tokens_per_s,bytes,flops,limit_s,"
           "level,"
           "by_flops,share,canary\n");
    for (int r = 0; r < all->count; r++) {
        const result *row = &all->rows[r];
        printf("%s,%s,%s,%lld,%d,%lld,%d,%.9g,%.9g,%.9g,%.6g,%.0f,%.0f,%.9g,%s,%d,%.4f,%.3f\n", row->operation->name,
               chosen->preset, mhc__type_name(row->type), (long long)row->channels, row->streams,
               (long long)row->tokens, row->threads, row->seconds.median, row->seconds.least, row->seconds.most,
               (double)row->tokens / row->seconds.median, bytes_of(row), row->cost.flops, row->limit.seconds,
               mhc__level_name(row->limit.level), row->limit.by_flops, row->limit.seconds / row->seconds.median,
               row->canary);
    }
}

/* How far the machine has moved since: what the limits of the tables are worth. */
static void print_drift(FILE *file, const mhc__machine *before, int rounds) {
    mhc__machine after;
    if (!mhc__machine_measure(before->threads, rounds, &after))
        return;
    fprintf(file,
            "machine afterwards, %d thread%s: multiply-adds %.0f%%, DRAM read %.0f%%, DRAM copy %.0f%% of before\n",
            after.threads, after.threads > 1 ? "s" : "", 100 * after.flops.median / before->flops.median,
            100 * after.rates[MHC__DRAM].read.median / before->rates[MHC__DRAM].read.median,
            100 * after.rates[MHC__DRAM].copy.median / before->rates[MHC__DRAM].copy.median);
}

int main(int count, char **arguments) {
    settings chosen;
    int wrong = read_settings(count, arguments, &chosen);
    if (wrong)
        return wrong - 1;
    FILE *notes = chosen.csv ? stderr : stdout;
    mhc__machine machines[MOST];
    for (int k = 0; k < chosen.threads.count; k++) {
        if (!mhc__machine_measure((int)chosen.threads.values[k], chosen.rounds, &machines[k])) {
            fprintf(stderr, "bench_ops: no memory to measure the machine with\n");
            return 1;
        }
        mhc__machine_print(notes, &machines[k]);
    }
    fprintf(notes, "kernels: %s; preset %s%s%s\n", mhc__isa_name(mhc__isa_chosen()), chosen.preset,
            chosen.constraint ? ", constraint " : "", chosen.constraint ? chosen.constraint : "");
    fflush(notes);
    results all = {NULL, 0, 0};
    mhc_error error;
    mhc_status status = measure_all(&chosen, machines, &all, &error);
    if (status == MHC_OK) {
        if (chosen.csv)
            print_csv(&chosen, &all);
        else
            print_tables(&chosen, &all);
        for (int k = 0; k < chosen.threads.count; k++)
            print_drift(notes, &machines[k], chosen.rounds);
    } else
        fprintf(stderr, "bench_ops: %s\n", error.message);
    free(all.rows);
    return status == MHC_OK ? 0 : 1;
}
