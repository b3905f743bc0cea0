#include "stop.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"

/* timeout(1) and job schedulers send to the process and to its group: both are one request. */
#define ONE_REQUEST 1.0 /* seconds */

/* Read by the threads that work: with atomics of its type, an int as far as those know. */
static volatile int stop_wanted;
static sigset_t stop_signals; /* written before there is a second thread */

/* A terminal that closes sends SIGHUP; under nohup, which ignores it, it means nothing. */
static bool hangs_up(void) {
    struct sigaction now;
    return sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler != SIG_IGN;
}

static void choose_signals(void) {
    sigemptyset(&stop_signals);
    sigaddset(&stop_signals, SIGINT);
    sigaddset(&stop_signals, SIGTERM);
    if (hangs_up())
        sigaddset(&stop_signals, SIGHUP);
}

static void *wait_for_signals(void *unused) {
    (void)unused;
    int number = 0;
    sigwait(&stop_signals, &number);
    __atomic_store_n(&stop_wanted, 1, __ATOMIC_RELAXED);
    double first = mhc__clock_seconds();
    do
        sigwait(&stop_signals, &number);
    while (mhc__clock_seconds() - first < ONE_REQUEST);
    /* The default action, on this thread: the end of the program, as the shell expects to see it. */
    pthread_sigmask(SIG_UNBLOCK, &stop_signals, NULL);
    raise(number);
    return NULL;
}

const volatile int *mhc__stop_on_signals(void) {
    choose_signals();
    /* Also where the parent ignores them, as shells do for background jobs: an ignored signal never arrives. */
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    pthread_t waiter;
    pthread_sigmask(SIG_BLOCK, &stop_signals, NULL);
    if (pthread_create(&waiter, NULL, wait_for_signals, NULL) == 0)
        pthread_detach(waiter);
    else
        pthread_sigmask(SIG_UNBLOCK, &stop_signals, NULL);
    return &stop_wanted;
}

bool mhc__stop_asked(void) {
    return __atomic_load_n(&stop_wanted, __ATOMIC_RELAXED) != 0;
}
