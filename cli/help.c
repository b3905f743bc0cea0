#include <stdio.h>
#include <string.h>

#include "command.h"
#include "mhc/spec.h"
#include "study/study.h"

static const char front[] =
    "mhc trains language models whose layers are connected by one residual stream (the plain\n"
    "residual), by several free ones (hyper-connections, HC) or by several that are kept on a\n"
    "manifold (mHC, arXiv 2512.24880); it measures what the streams do to signals and gradients,\n"
    "and repeats a published experiment (mhc study list).\n"
    "\n"
    "Three things to type first\n"
    "    mhc train --data book.txt     train on a text of your own; Ctrl-C saves and stops\n"
    "    mhc sample runs/NAME          let the result write\n"
    "    mhc study demo                see what depth does to each: a few minutes, then a report\n";

static const char after[] =
    "\n"
    "Where to go next\n"
    "    mhc help COMMAND              each command in full\n"
    "    mhc config                    every setting with its default and meaning\n"
    "    docs/                         metrics, tensor names, studies; include/mhc/mhc.h is the\n"
    "                                  manual of the library\n"
    "\n"
    "Results go to the standard output, messages to the standard error.\n"
    "Exit codes: 0 fine, 1 failed, 2 wrong use.\n";

void mhc__help_front(void) {
    fputs(front, stdout);
    const char *group = "";
    for (int i = 0; mhc__command_at(i); i++) {
        const mhc__command *command = mhc__command_at(i);
        if (strcmp(group, command->group) != 0)
            printf("\n%s\n", command->group);
        group = command->group;
        printf("    %-9s %s\n", command->name, command->summary);
    }
    fputs(after, stdout);
}

static void print_options(const mhc__option *options) {
    if (!options)
        return;
    printf("\nOptions\n");
    for (; options->name; options++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", options->name, options->argument ? " " : "",
                 options->argument ? options->argument : "");
        printf("    %-20s %s\n", left, options->help);
    }
}

static void print_connections(void) {
    printf("\nConnections\n");
    for (int i = 0; mhc_spec_preset_name(i); i++)
        printf("    %s\n", mhc_spec_preset_name(i));
    printf("include/mhc/spec.h says what each is; tests compare each with its own double-precision definition.\n");
}

static void print_studies(void) {
    printf("Each study trains its models, measures them at every step and writes OUT/report/index.html.\n"
           "Started again with the same settings, it goes on where it was.\n");
    for (int i = 0; mhc__study_at(i); i++) {
        const mhc__study *study = mhc__study_at(i);
        printf("\n%s: %s\n%s", study->name, study->summary, study->help);
    }
}

void mhc__help_command(const mhc__command *command) {
    printf("mhc %s: %s\n\n    mhc %s%s%s%s\n\n", command->name, command->summary, command->name,
           *command->operands ? " " : "", command->operands, command->options ? " [OPTIONS]" : "");
    if (command->help)
        fputs(command->help, stdout);
    else
        print_studies();
    print_options(command->options);
    if (command->run == mhc__command_config)
        print_connections();
}

int mhc__command_help(const mhc__arguments *arguments) {
    const char *name = mhc__operand(arguments, 0);
    const mhc__command *command = name ? mhc__command_find(name) : NULL;
    if (name && !command)
        return mhc__misused(arguments->command, "there is no command \"%.60s\"", name);
    if (!command || command == arguments->command)
        mhc__help_front();
    else
        mhc__help_command(command);
    return MHC__EXIT_FINE;
}
