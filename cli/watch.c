#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "file/atomic.h"
#include "report/runs.h"
#include "report/screen.h"

static volatile sig_atomic_t leave, suspend; /* asked for by a signal */
static struct termios saved;
static volatile sig_atomic_t taken; /* the terminal is set up for drawing */

typedef struct watching {
    const char *folder;
    char *path;
    mhc__metrics metrics;
    bool configured;
    int64_t steps;
    double step_tokens;
} watching;

static void on_signal(int number) {
    if (number == SIGTSTP)
        suspend = 1;
    else if (number != SIGWINCH)
        leave = 1;
}

static void take_signals(void) {
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH};
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal; /* no SA_RESTART: poll ends */
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaction(numbers[i], &action, NULL);
}

static void put(const char *text, size_t length) {
    fwrite(text, 1, length, stdout);
    fflush(stdout);
}

/* The other screen, without a cursor; keys arrive one by one and are not shown. */
static void take_terminal(void) {
    if (taken || tcgetattr(STDIN_FILENO, &saved) != 0)
        return;
    struct termios raw = saved;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) != 0)
        return;
    taken = 1;
    put("\033[?1049h\033[?25l", 14);
}

static void give_terminal_back(void) {
    if (!taken)
        return;
    taken = 0;
    put("\033[?25h\033[?1049l", 14);
    tcsetattr(STDIN_FILENO, TCSANOW, &saved);
}

/* Ctrl-Z: as other programs do it, and drawn anew when it goes on. */
static void sleep_until_called(void) {
    suspend = 0;
    bool had = taken;
    give_terminal_back();
    raise(SIGSTOP);
    if (had)
        take_terminal();
}

/* The configuration may come after the folder; one that can't be read is done without. */
static void configure(watching *watch) {
    mhc__config config;
    bool there = false;
    if (watch->configured || mhc__run_config(watch->folder, &config, &there, NULL) != MHC_OK || !there)
        return;
    watch->configured = true;
    watch->steps = config.train.steps;
    watch->step_tokens = (double)config.train.batch * config.train.accumulate * config.model.sequence;
}

static mhc__screen screen_of(const watching *watch) {
    mhc__screen screen = {.folder = watch->folder,
                          .metrics = &watch->metrics,
                          .steps = watch->steps,
                          .step_tokens = watch->step_tokens,
                          .silent = NAN,
                          .columns = 80,
                          .lines = 24,
                          .colour = !getenv("NO_COLOR")};
    struct stat state;
    struct winsize size;
    if (stat(watch->path, &state) == 0)
        screen.silent = difftime(time(NULL), state.st_mtime);
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row) {
        screen.columns = size.ws_col;
        screen.lines = size.ws_row;
    }
    return screen;
}

static bool finished(const watching *watch) {
    const mhc__metrics *metrics = &watch->metrics;
    return watch->steps && metrics->rows && metrics->step[metrics->rows - 1] + 1 >= watch->steps;
}

/* The whole screen with one write: lines are cleared to their ends, and what is below them. */
static void redraw(const watching *watch) {
    mhc__screen screen = screen_of(watch);
    mhc__text picture = {0}, out = {0};
    screen.lines--; /* the last line feed would scroll */
    if (watch->metrics.rows)
        mhc__screen_draw(&screen, &picture);
    else
        mhc__text_format(&picture, "%.*s: no step yet\n", screen.columns - 14 > 0 ? screen.columns - 14 : 0,
                         watch->folder);
    mhc__text_format(&out, "\033[H");
    for (const char *line = picture.data, *end; line && (end = strchr(line, '\n')); line = end + 1)
        mhc__text_format(&out, "%.*s\033[K\r\n", (int)(end - line), line);
    mhc__text_format(&out, "\033[J");
    if (!out.failed)
        put(out.data, out.length);
    mhc__text_free(&picture);
    mhc__text_free(&out);
}

static void print_line(const watching *watch) {
    mhc__screen screen = screen_of(watch);
    mhc__text out = {0};
    if (watch->metrics.rows)
        mhc__screen_line(&screen, &out);
    else
        mhc__text_format(&out, "no step yet\n");
    if (out.data)
        put(out.data, out.length);
    mhc__text_free(&out);
}

/* Waits for a key or a signal. Whether to go on. */
static bool wait_a_moment(int milliseconds) {
    struct pollfd keys = {.fd = STDIN_FILENO, .events = POLLIN};
    char key;
    int ready = poll(&keys, taken ? 1 : 0, milliseconds);
    if (suspend)
        sleep_until_called();
    if (leave)
        return false;
    if (ready <= 0 || !taken)
        return true;
    if (read(STDIN_FILENO, &key, 1) != 1) /* the terminal is gone */
        return (keys.revents & (POLLHUP | POLLERR | POLLNVAL)) == 0;
    return key != 'q' && key != 'Q';
}

static mhc_status follow(watching *watch, bool once, mhc_error *error) {
    bool terminal = isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) && !once;
    if (terminal)
        take_terminal();
    for (bool first = true;; first = false) {
        bool changed;
        configure(watch);
        MHC__TRY(mhc__metrics_follow(&watch->metrics, &changed, error));
        if (taken)
            redraw(watch);
        else if (first || changed)
            print_line(watch);
        if (once || (!taken && (finished(watch) || ferror(stdout))) || !wait_a_moment(taken ? 500 : 1000))
            return MHC_OK;
    }
}

static mhc_status start(const char *folder, watching *watch, mhc_error *error) {
    struct stat state;
    *watch = (watching){.folder = folder, .step_tokens = NAN};
    if (stat(folder, &state) != 0 || !S_ISDIR(state.st_mode))
        return mhc__fail(error, MHC_IO, "%s: expected the folder of a training run", folder);
    watch->path = mhc__format("%s/metrics.jsonl", folder);
    if (!watch->path)
        return mhc__fail(error, MHC_OUT_OF_MEMORY, "%s: no memory for a path", folder);
    return mhc__metrics_start(&watch->metrics, watch->path, error);
}

int mhc__command_watch(const mhc__arguments *arguments) {
    mhc_error error = {0};
    watching watch;
    take_signals();
    mhc_status status = start(mhc__operand(arguments, 0), &watch, &error);
    if (status == MHC_OK)
        status = follow(&watch, mhc__option_given(arguments, "once"), &error);
    give_terminal_back();
    mhc__metrics_free(&watch.metrics);
    free(watch.path);
    return status == MHC_OK ? MHC__EXIT_FINE : mhc__failed(&error);
}
