/* Ctrl-C, SIGTERM and a terminal that closes (SIGHUP, unless ignored): the first asks the work to save and stop,
 * another one a second later or more ends the program at once.
 *
 * A thread of its own waits for them, and all others block them. No handler may run on a thread that computes: the
 * matrix products of oneDNN 2.6 point rsp into their heap buffer, and the kernel would write the handler's frame over
 * what lies below it (docs/decisions/0013-signals.md). */
#ifndef MHC_CLI_STOP_H
#define MHC_CLI_STOP_H

#include <stdbool.h>

/* Returns the flag that the first signal sets. Once, and before the first parallel loop: threads inherit what is
 * blocked. Where no thread can be made, the first signal ends the program. */
const volatile int *mhc__stop_on_signals(void);
/* Whether it is set. */
bool mhc__stop_asked(void);

#endif
