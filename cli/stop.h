/* Ctrl-C and SIGTERM: the first asks the work to save and stop, the second ends the program at once. */
#ifndef MHC_CLI_STOP_H
#define MHC_CLI_STOP_H

/* Installs the handlers and returns the flag they set. */
const volatile int *mhc__stop_on_signals(void);

#endif
