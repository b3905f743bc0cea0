/* mhc: trains language models with residual, hyper- and manifold-constrained hyper-connections, and measures them. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "config/nearest.h"
#include "mhc/version.h"
#include "simd/isa.h"

/* A full disk and a closed pipe are errors of one write, which whoever writes reports: not a reason to die in the
 * middle of a run. */
static void ignore_write_signals(void) {
    struct sigaction ignore;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &ignore, NULL);
#ifdef SIGXFSZ
    sigaction(SIGXFSZ, &ignore, NULL);
#endif
}

/* The reader of a pipe has gone: it wanted no more (`mhc help | head`). */
static bool reader_gone(void) {
    struct pollfd output = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&output, 1, 0) == 1 && (output.revents & POLLERR);
}

/* Results that couldn't be written are a failure, unless nobody wanted them. */
static int finish(int code) {
    bool lost = ferror(stdout) != 0;
    errno = 0;
    if (fflush(stdout) != 0)
        lost = true;
    if (!lost || code != MHC__EXIT_FINE || errno == EPIPE || reader_gone())
        return code;
    fprintf(stderr, "mhc: writing to the standard output failed%s%s\n", errno ? ": " : "",
            errno ? strerror(errno) : "");
    return MHC__EXIT_FAILED;
}

static int unknown_command(const char *word) {
    const char *names[32];
    int count = 0;
    for (; mhc__command_at(count) && count < 31; count++)
        names[count] = mhc__command_at(count)->name;
    names[count] = NULL;
    const char *meant = mhc__nearest(word, names);
    if (meant)
        fprintf(stderr, "mhc: unknown command \"%.60s\"; did you mean `mhc %s`?\n", word, meant);
    else
        fprintf(stderr, "mhc: unknown command \"%.60s\"; `mhc help` lists them\n", word);
    return MHC__EXIT_MISUSE;
}

static int run_command(const mhc__command *command, int count, char **words) {
    mhc__arguments arguments;
    bool help;
    int code = mhc__arguments_parse(command, count, words, &arguments, &help);
    if (help)
        mhc__help_command(command);
    else if (code == MHC__EXIT_FINE)
        code = command->run(&arguments);
    mhc__arguments_free(&arguments);
    return code;
}

static void warn_of_environment(void) {
    const char *complaint = mhc__isa_complaint();
    if (complaint)
        fprintf(stderr, "mhc: warning: %s; it is ignored\n", complaint);
}

int main(int count, char **words) {
    ignore_write_signals();
    if (count < 2) {
        fprintf(stderr, "mhc: expected a command; `mhc help` lists them\n");
        return MHC__EXIT_MISUSE;
    }
    const char *word = words[1];
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        printf("mhc %s\n", mhc_version());
        return finish(MHC__EXIT_FINE);
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        word = "help";
    const mhc__command *command = mhc__command_find(word);
    if (!command)
        return unknown_command(word);
    warn_of_environment();
    return finish(run_command(command, count - 2, words + 2));
}
