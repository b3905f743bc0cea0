#include "stop.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>

#include "base/clock.h"

/* timeout(1) and job schedulers send to the process and to its group: both are one request. */
#define ONE_REQUEST 1.0 /* seconds */

static volatile int stop_wanted;

static sigset_t stop_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

static void *wait_for_signals(void *unused) {
    (void)unused;
    sigset_t set = stop_signals();
    int number = 0;
    sigwait(&set, &number);
    stop_wanted = 1;
    double first = mhc__clock_seconds();
    do
        sigwait(&set, &number);
    while (mhc__clock_seconds() - first < ONE_REQUEST);
    /* The default action, on this thread: the end of the program, as the shell expects to see it. */
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    raise(number);
    return NULL;
}

const volatile int *mhc__stop_on_signals(void) {
    sigset_t set = stop_signals();
    /* Also where the parent ignores them, as shells do for background jobs: an ignored signal never arrives. */
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    pthread_t waiter;
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (pthread_create(&waiter, NULL, wait_for_signals, NULL) == 0)
        pthread_detach(waiter);
    else
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    return &stop_wanted;
}
