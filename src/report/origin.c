#include "report/origin.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/threads.h"
#include "gemm/gemm.h"
#include "mhc/version.h"
#include "report/commit.h"
#include "report/plot.h"
#include "report/run_log.h"
#include "simd/isa.h"

const char *mhc__origin_commit(void) {
    return MHC__COMMIT;
}

#define TEXT_OF(number)  #number
#define VERSION(a, b, c) TEXT_OF(a) "." TEXT_OF(b) "." TEXT_OF(c)

const char *mhc__origin_compiler(void) {
#if defined __clang__
    return "clang " VERSION(__clang_major__, __clang_minor__, __clang_patchlevel__);
#elif defined __GNUC__
    return "gcc " VERSION(__GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#else
    return "another compiler than gcc and clang";
#endif
}

/* "model name : X" of the first processor; Arm's kernels have no such line. */
void mhc__origin_cpu(char *name, size_t size) {
    struct utsname system;
    snprintf(name, size, "%s", uname(&system) == 0 ? system.machine : "unknown");
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[512];
    while (file && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon)
            continue;
        snprintf(name, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
        break;
    }
    if (file)
        fclose(file);
}

static void libraries(mhc__table *table) {
    mhc__text text = {0};
    mhc__text_format(&text, "matrix products: %s; Jansson %s; gnuplot %s", mhc__gemm_provider(), jansson_version_str(),
                     mhc__plot_available(NULL) == MHC_OK ? "found" : "not found");
    mhc__table_cell(table, "Libraries");
    mhc__table_cell(table, "%s", text.data ? text.data : "");
    table->failed |= text.failed;
    mhc__text_free(&text);
}

static void program(mhc__table *table) {
    const char *commit = mhc__origin_commit();
    mhc__table_cell(table, "Program");
    if (*commit)
        mhc__table_cell(table, "mhc %s, commit `%s`%s, built with %s", mhc_version(), commit,
                        strchr(commit, '+') ? " (files differed from it)" : "", mhc__origin_compiler());
    else
        mhc__table_cell(table, "mhc %s, built with %s outside of a git checkout", mhc_version(),
                        mhc__origin_compiler());
}

static void machine(const mhc__origin *origin, mhc__table *table) {
    char cpu[160];
    struct utsname system;
    mhc__origin_cpu(cpu, sizeof cpu);
    int threads = origin->threads ? origin->threads : mhc__default_threads();
    mhc__table_cell(table, "Machine");
    mhc__table_cell(table, "%s; instruction set %s; %d thread%s on %ld processors%s%s", cpu,
                    mhc__isa_name(mhc__isa_chosen()), threads, threads == 1 ? "" : "s", sysconf(_SC_NPROCESSORS_ONLN),
                    uname(&system) == 0 ? "; " : "", uname(&system) == 0 ? system.sysname : "");
}

static void times(const mhc__origin *origin, mhc__table *table) {
    if (isfinite(origin->seconds)) {
        char duration[32];
        mhc__duration(origin->seconds, duration, sizeof duration);
        mhc__table_cell(table, "Time");
        mhc__table_cell(table, "%s of training or measuring", duration);
    }
    time_t now = time(NULL);
    struct tm utc;
    char when[32];
    if (gmtime_r(&now, &utc) && strftime(when, sizeof when, "%Y-%m-%d %H:%M UTC", &utc)) {
        mhc__table_cell(table, "Written");
        mhc__table_cell(table, "%s", when);
    }
}

void mhc__origin_section(mhc__html *html, const mhc__origin *origin) {
    mhc__table table;
    mhc__html_section(html, "Where these numbers come from");
    mhc__html_paragraph(html, "This command repeats it:");
    mhc__html_code(html, origin->command);
    mhc__table_start(&table, "What|Value");
    if (origin->seeds) {
        mhc__table_cell(&table, "Random seeds");
        mhc__table_cell(&table, "%s", origin->seeds);
    }
    program(&table);
    libraries(&table);
    machine(origin, &table);
    times(origin, &table);
    mhc__html_facts(html, &table);
    mhc__table_free(&table);
}
