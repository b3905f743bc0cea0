/* What a command of the program is: a row of a table, from which parsing, help and suggestions all follow. */
#ifndef MHC_CLI_COMMAND_H
#define MHC_CLI_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* Exit codes of the program. */
enum { MHC__EXIT_FINE = 0, MHC__EXIT_FAILED = 1, MHC__EXIT_MISUSE = 2 };

typedef enum mhc__option_kind {
    MHC__OPTION_FLAG,    /* --quiet */
    MHC__OPTION_TEXT,    /* --out DIR */
    MHC__OPTION_LIST,    /* --set A=B, any number of times */
    MHC__OPTION_INTEGER, /* --tokens N, within least..most */
    MHC__OPTION_NUMBER   /* --temperature T, within least..most */
} mhc__option_kind;

typedef struct mhc__option {
    const char *name; /* without the dashes; NULL ends a table */
    mhc__option_kind kind;
    const char *argument; /* its name in the help; NULL for a flag */
    const char *help;     /* one line */
    double least, most;   /* of INTEGER (exact up to 2^53) and NUMBER */
} mhc__option;

#define MHC__MAX_OPTIONS  16
#define MHC__MAX_OPERANDS 64

typedef struct mhc__command mhc__command;

/* The command line of one command, parsed. Texts point into argv. */
typedef struct mhc__arguments {
    const mhc__command *command;
    const char **values[MHC__MAX_OPTIONS]; /* by option; several for a LIST, the last one given otherwise */
    int counts[MHC__MAX_OPTIONS];
    const char *operands[MHC__MAX_OPERANDS];
    int operand_count;
} mhc__arguments;

struct mhc__command {
    const char *name, *group, *summary;
    const char *operands; /* as the usage line shows them */
    int least_operands, most_operands;
    const mhc__option *options;
    const char *help;                            /* paragraphs, each line ended by a line feed */
    int (*run)(const mhc__arguments *arguments); /* returns the exit code */
};

/* The table, in the order of the help; NULL past the last. NULL for an unknown name. */
const mhc__command *mhc__command_at(int index);
const mhc__command *mhc__command_find(const char *name);

/* Parses the words after the command's name. On wrong use: says so and returns MHC__EXIT_MISUSE. "--help" and "-h" set
 * *help. */
int mhc__arguments_parse(const mhc__command *command, int count, char **words, mhc__arguments *arguments, bool *help);
void mhc__arguments_free(mhc__arguments *arguments);
bool mhc__option_given(const mhc__arguments *arguments, const char *name);
const char *mhc__option_text(const mhc__arguments *arguments, const char *name); /* NULL when not given */
const char *const *mhc__option_list(const mhc__arguments *arguments, const char *name, int *count);
int64_t mhc__option_integer(const mhc__arguments *arguments, const char *name, int64_t otherwise);
double mhc__option_number(const mhc__arguments *arguments, const char *name, double otherwise);
const char *mhc__operand(const mhc__arguments *arguments, int index); /* NULL when not given */

/* Prints "mhc: <message>" on stderr; returns MHC__EXIT_FAILED, or MHC__EXIT_MISUSE for a message about --set or --data.
 */
int mhc__failed(const mhc_error *error);
/* Prints "mhc NAME: <message> (`mhc help NAME` says more)" on stderr, in one line; returns MHC__EXIT_MISUSE. */
int mhc__misused(const mhc__command *command, const char *format, ...) MHC__PRINTF(2, 3);

/* The help pages, on stdout. */
void mhc__help_front(void);
void mhc__help_command(const mhc__command *command);

/* The commands, one per file. */
int mhc__command_train(const mhc__arguments *arguments);
int mhc__command_eval(const mhc__arguments *arguments);
int mhc__command_sample(const mhc__arguments *arguments);
int mhc__command_study(const mhc__arguments *arguments);
int mhc__command_data(const mhc__arguments *arguments);
int mhc__command_config(const mhc__arguments *arguments);
int mhc__command_inspect(const mhc__arguments *arguments);
int mhc__command_report(const mhc__arguments *arguments);
int mhc__command_watch(const mhc__arguments *arguments);
int mhc__command_check(const mhc__arguments *arguments);
int mhc__command_doctor(const mhc__arguments *arguments);
int mhc__command_help(const mhc__arguments *arguments);

#endif
