#include "report/plot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file/atomic.h"

/* Exit code of the child when gnuplot itself could not be started; gnuplot's own failures are 1. */
enum { EXIT_NOT_STARTED = 127 };

const mhc__plot_colour mhc__plot_colours[MHC__PLOT_COLOURS] = {
    {"1", 0x2ecc71, 0x2ecc71},    {"2", 0xe74c3c, 0xff6f61},    {"3", 0x3498db, 0x4fb3f3},
    {"4", 0x9b59b6, 0xc48be0},    {"5", 0xf39c12, 0xf5b041},    {"6", 0x34495e, 0xa9bccf},
    {"7", 0x16a085, 0x3fd0b5},    {"8", 0xc2185b, 0xf06292},    {"9", 0x7f8c8d, 0xaab7b8},
    {"10", 0x795548, 0xbc9a8c},   {"11", 0x9e9d24, 0xd4d355},   {"12", 0x1a237e, 0x8c9eff},
    {"ink", 0x000000, 0xe4e8ec},  {"text", 0x333333, 0xc9d1d9}, {"border", 0x555555, 0x8b949e},
    {"grid", 0xd2d6da, 0x3a424b},
};

/* The last line of what the process said, which is where gnuplot names the mistake. */
static void last_line(char *text) {
    size_t length = strlen(text);
    while (length && (text[length - 1] == '\n' || text[length - 1] == ' '))
        text[--length] = '\0';
    char *newline = strrchr(text, '\n');
    if (newline)
        memmove(text, newline + 1, strlen(newline + 1) + 1);
}

/* Between fork and exec only async-signal-safe calls: the caller may have threads. -d: no ~/.gnuplot, so that a picture
 * depends on its script alone. */
static void become_gnuplot(const char *folder, const char *argument, int report) {
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 || dup2(report, STDERR_FILENO) < 0)
        _exit(EXIT_NOT_STARTED);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL); /* a caller that takes signals on a thread of its own blocks them */
    if (folder && chdir(folder) != 0)
        _exit(EXIT_NOT_STARTED);
    execlp("gnuplot", "gnuplot", "-d", argument, (char *)NULL);
    _exit(EXIT_NOT_STARTED);
}

/* Reads until the end so that gnuplot never blocks on a full pipe; keeps the last bytes. */
static void read_tail(int descriptor, char *tail, size_t size) {
    size_t used = 0;
    char chunk[512];
    for (;;) {
        ssize_t got = read(descriptor, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        size_t count = (size_t)got;
        if (used + count > size - 1) {
            size_t drop = used + count - (size - 1);
            drop = drop > used ? used : drop;
            memmove(tail, tail + drop, used - drop);
            used -= drop;
        }
        size_t fits = count < size - 1 - used ? count : size - 1 - used;
        memcpy(tail + used, chunk + count - fits, fits);
        used += fits;
    }
    tail[used] = '\0';
}

static mhc_status run_gnuplot(const char *folder, const char *argument, mhc_error *error) {
    int ends[2];
    if (pipe(ends) != 0)
        return mhc__fail(error, MHC_IO, "gnuplot: pipe: %s", strerror(errno));
    pid_t child = fork();
    if (child < 0) {
        int reason = errno;
        close(ends[0]);
        close(ends[1]);
        return mhc__fail(error, MHC_IO, "gnuplot: fork: %s", strerror(reason));
    }
    if (child == 0)
        become_gnuplot(folder, argument, ends[1]);
    close(ends[1]);
    char said[1024];
    read_tail(ends[0], said, sizeof said);
    close(ends[0]);
    int state = 0;
    while (waitpid(child, &state, 0) < 0)
        if (errno != EINTR)
            return mhc__fail(error, MHC_IO, "gnuplot: waitpid: %s", strerror(errno));
    if (WIFEXITED(state) && WEXITSTATUS(state) == 0)
        return MHC_OK;
    if (WIFEXITED(state) && WEXITSTATUS(state) == EXIT_NOT_STARTED)
        return mhc__fail(error, MHC_UNSUPPORTED,
                         "gnuplot is not installed (Debian: apt install gnuplot-nox); the data and the script of each "
                         "picture are written all the same");
    last_line(said);
    if (WIFSIGNALED(state))
        return mhc__fail(error, MHC_IO, "gnuplot: ended by signal %d %s", WTERMSIG(state), said);
    return mhc__fail(error, MHC_IO, "gnuplot: exit code %d: %.700s", WEXITSTATUS(state), said);
}

mhc_status mhc__plot_available(mhc_error *error) {
    return run_gnuplot(NULL, "--version", error);
}

/* Line 1 is wider than the others: mHC often lies exactly on the baseline, which must stay visible under it. The script
 * draws both pictures by loading itself once per terminal, so that a person who edits it redraws with
 * `gnuplot NAME.gp` and nothing else. */
static void script(mhc__text *text, const char *name, const char *body, int width, int height) {
    mhc__text_format(text, "# Draws %s.png and %s.svg from %s.tsv:  gnuplot %s.gp\n", name, name, name, name);
    mhc__text_format(text, "if (!exists(\"drawing\")) {\n    drawing = 1\n");
    mhc__text_format(text,
                     "    if (strstrt(GPVAL_TERMINALS, \"pngcairo\") > 0) {\n"
                     "        set terminal pngcairo size %d,%d font \"DejaVu Sans,11\" background \"#ffffff\"\n"
                     "    } else {\n        set terminal png size %d,%d\n    }\n",
                     width, height, width, height);
    mhc__text_format(text, "    set output '%s.png'; load '%s.gp'; unset output\n", name, name);
    mhc__text_format(text,
                     "    set terminal svg size %d,%d dynamic font \"DejaVu Sans,Helvetica,Arial,sans-serif\" "
                     "fontscale 1.1 background \"#ffffff\"\n",
                     width, height);
    mhc__text_format(text, "    set output '%s.svg'; load '%s.gp'; unset output\n    exit\n}\n", name, name);
    mhc__text_format(text, "reset\nset datafile separator \"\\t\"\nset datafile missing \"NaN\"\n"
                           "set border 3 linecolor rgb \"#555555\"\nset tics nomirror textcolor rgb \"#333333\"\n"
                           "set grid linecolor rgb \"#d2d6da\" linewidth 1\nset key noopaque spacing 1.1\n");
    for (int i = 0; i < MHC__PLOT_STYLES; i++)
        mhc__text_format(text, "set style line %d linecolor rgb \"#%06x\" linewidth %d%s\n", i + 1,
                         mhc__plot_colours[i].rgb, i == 0 ? 4 : 2, i == 1 ? " dashtype (6,3)" : "");
    mhc__text_format(text, "%s", body);
}

static mhc_status picture_there(const char *folder, const char *name, const char *type, mhc_error *error) {
    char *path = mhc__format("%s/%s.%s", folder, name, type);
    struct stat state;
    bool there = path && stat(path, &state) == 0 && state.st_size > 0;
    free(path);
    if (!there)
        return mhc__fail(error, MHC_IO, "%s/%s.%s: gnuplot reported success but drew nothing (disk full?)", folder,
                         name, type);
    return MHC_OK;
}

static mhc_status write_inputs(const char *folder, const char *name, const char *tsv, const mhc__text *gp,
                               mhc_error *error) {
    char *data_path = mhc__format("%s/%s.tsv", folder, name), *script_path = mhc__format("%s/%s.gp", folder, name);
    mhc_status status = MHC_OK;
    if (gp->failed || !data_path || !script_path)
        status = mhc__fail(error, MHC_OUT_OF_MEMORY, "%s/%s: no memory for the picture", folder, name);
    if (status == MHC_OK)
        status = mhc__write_file(data_path, tsv, strlen(tsv), error);
    if (status == MHC_OK)
        status = mhc__write_file(script_path, gp->data, gp->length, error);
    free(data_path);
    free(script_path);
    return status;
}

mhc_status mhc__plot(const char *folder, const char *name, const char *tsv, const char *gnuplot, int width, int height,
                     mhc_error *error) {
    mhc__text gp = {0};
    script(&gp, name, gnuplot, width, height);
    mhc_status status = write_inputs(folder, name, tsv, &gp, error);
    mhc__text_free(&gp);
    MHC__TRY(status);
    char *file = mhc__format("%s.gp", name);
    if (!file)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s/%s: no memory for the picture", folder, name);
    status = run_gnuplot(folder, file, error);
    free(file);
    if (status == MHC_UNSUPPORTED)
        return status;
    if (status != MHC_OK)
        return mhc__fail_in(error, status, "%s/%s.gp", folder, name);
    MHC__TRY(picture_there(folder, name, "png", error));
    return picture_there(folder, name, "svg", error);
}
