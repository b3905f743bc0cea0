/* The table of commands: what each accepts and how it is explained. */
#include <string.h>

#include "command.h"

#define SET                                                                                                            \
    { "set", MHC__OPTION_LIST, "FIELD=VALUE", "overrides a field, e.g. train.steps=100; any number of times", 0, 0 }
#define END                                                                                                            \
    { NULL, MHC__OPTION_FLAG, NULL, NULL, 0, 0 }

static const mhc__option train_options[] = {
    {"data", MHC__OPTION_TEXT, "TEXT", "a text file or folder to learn; the same as --set data.path=TEXT", 0, 0},
    {"out", MHC__OPTION_TEXT, "DIR", "the run's folder (default: runs/CONNECTION-TIME)", 0, 0},
    SET,
    {"resume", MHC__OPTION_TEXT, "DIR", "go on with the run in DIR from its newest checkpoint", 0, 0},
    {"dry-run", MHC__OPTION_FLAG, NULL, "print the memory that the run would take, by part, and stop", 0, 0},
    {"quiet", MHC__OPTION_FLAG, NULL, "no progress line", 0, 0},
    END};

static const mhc__option eval_options[] = {
    {"data", MHC__OPTION_TEXT, "TEXT", "evaluate on all of this text instead of the run's held-out part", 0, 0},
    {"batches", MHC__OPTION_INTEGER, "N", "stop after N batches (default: all; of endless data train.eval_batches)", 1,
     1e9},
    {"threads", MHC__OPTION_INTEGER, "N", "worker threads (default: all)", 1, 4096},
    END};

static const mhc__option sample_options[] = {
    {"prompt", MHC__OPTION_TEXT, "TEXT", "what the text begins with (default: a line feed)", 0, 0},
    {"tokens", MHC__OPTION_INTEGER, "N", "how many tokens to write (default: 256)", 0, 1e9},
    {"temperature", MHC__OPTION_NUMBER, "T", "0 takes the likeliest token, 1 the model's own spread (default: 0.8)", 0,
     1000},
    {"top-k", MHC__OPTION_INTEGER, "K", "choose among the K likeliest tokens; 0: among all (default: 0)", 0, 1e9},
    {"seed", MHC__OPTION_INTEGER, "S", "of the choices; the same seed writes the same text (default: 42)", 0, 1e15},
    {"threads", MHC__OPTION_INTEGER, "N", "worker threads (default: all)", 1, 4096},
    END};

static const mhc__option study_options[] = {
    {"quick", MHC__OPTION_FLAG, NULL, "a small size: minutes on two cores", 0, 0},
    {"published", MHC__OPTION_FLAG, NULL, "the size of the published experiment, which may take a day", 0, 0},
    {"steps", MHC__OPTION_INTEGER, "N", "updates of each model (default: the study's own)", 1, 1e12},
    {"data", MHC__OPTION_TEXT, "TEXT", "the text to train on (default: the study's own)", 0, 0},
    {"seeds", MHC__OPTION_INTEGER, "N", "repeat with N seeds, and give mean and spread", 1, 1000},
    {"seed", MHC__OPTION_INTEGER, "S", "the first seed (default: 42)", 0, 1e15},
    {"out", MHC__OPTION_TEXT, "DIR", "where results go (default: runs/NAME)", 0, 0},
    {"threads", MHC__OPTION_INTEGER, "N", "worker threads (default: all)", 1, 4096},
    SET,
    {"quiet", MHC__OPTION_FLAG, NULL, "notes, but no progress line", 0, 0},
    END};

static const mhc__option watch_options[] = {{"once", MHC__OPTION_FLAG, NULL, "show how far it is, and leave", 0, 0},
                                            END};

static const mhc__option report_options[] = {{"out", MHC__OPTION_TEXT, "FOLDER",
                                              "where the page goes (default: DIR/report; of several runs: runs/report)",
                                              0, 0},
                                             END};

static const mhc__option data_options[] = {
    {"out", MHC__OPTION_TEXT, "PATH", "get: the folder (default: data); pack: the file (default: TEXT.tokens)", 0, 0},
    {"mirror", MHC__OPTION_TEXT, "URL", "get: fetch the same file names from this address instead", 0, 0},
    {"tokenizer", MHC__OPTION_TEXT, "KIND", "pack: byte, char or gpt2 (default: byte)", 0, 0},
    {"tokenizer-dir", MHC__OPTION_TEXT, "DIR", "pack: where gpt2's encoder.json and vocab.bpe are", 0, 0},
    {"skip-invalid", MHC__OPTION_FLAG, NULL, "pack: char skips bytes that aren't UTF-8 instead of failing", 0, 0},
    {"quiet", MHC__OPTION_FLAG, NULL, "no progress line", 0, 0},
    END};

static const mhc__option config_options[] = {SET, {"plain", MHC__OPTION_FLAG, NULL, "without comments", 0, 0}, END};

static const mhc__option inspect_options[] = {
    {"h", MHC__OPTION_FLAG, NULL, "print the mixing matrices H of each site as well", 0, 0},
    {"probes", MHC__OPTION_FLAG, NULL, "measure a batch: mixing, streams, gradients, time and memory", 0, 0},
    {"data", MHC__OPTION_TEXT, "PATH", "with --probes: another text than the run's", 0, 0},
    {"tokens", MHC__OPTION_INTEGER, "N", "with --probes: tokens to look at (default: all of the batch)", 0, 1000000000},
    {"out", MHC__OPTION_TEXT, "FILE", "with --probes: all values by site and depth, as JSON lines", 0, 0},
    {"threads", MHC__OPTION_INTEGER, "N", "with --probes: worker threads (default: all)", 1, 4096},
    END};

static const mhc__option check_options[] = {
    {"threads", MHC__OPTION_INTEGER, "N", "worker threads (default: all)", 1, 4096}, END};

#define TRAIN "Train"
#define LOOK  "Use and look"
#define STUDY "Study"
#define ROUND "Around it"

static const mhc__command commands[] = {
    {"train", TRAIN, "train a language model, or go on with a run", "[FILE.yaml]", 0, 1, train_options,
     "Trains the model that FILE.yaml describes (`mhc config` prints one to start from; without\n"
     "FILE: the defaults, a small byte-level model with four streams and the paper's mHC).\n"
     "    mhc train --data book.txt\n"
     "is enough to start.\n"
     "\n"
     "The run's folder holds config.yaml (as resolved), tokenizer.json, metrics.jsonl (one line\n"
     "per step), the same as events for TensorBoard (tensorboard --logdir runs; off with --set\n"
     "train.tensorboard=false), checkpoints/ and lock, which keeps a second mhc train out. Every\n"
     "tenth line of metrics.jsonl has gains, streams, gradients and the time of each part of the\n"
     "step as well; --set train.probe=full writes them site by site into probes.jsonl. Ctrl-C, SIGTERM\n"
     "or a terminal that closes finishes the step, saves and says how to go on; a second one ends at\n"
     "once. A run that was stopped or killed goes on with --resume DIR and ends with exactly the\n"
     "weights that it would have had without the stop. --resume takes --set too, e.g. --set\n"
     "train.steps=5000 to train longer; model and seed can't change, and the text only if it is\n"
     "named.\n"
     "\n"
     "Exit code: 0 when all steps are done; 1 when stopped before that, saved or not, so that\n"
     "`mhc train … && mhc sample …` does not sample from half a run.\n",
     mhc__command_train},
    {"eval", LOOK, "loss of a trained model on held-out text", "DIR", 1, 1, eval_options,
     "DIR is a run's folder (its newest checkpoint is taken) or a checkpoint. Prints the mean\n"
     "cross-entropy per token in nats and bits, and the perplexity.\n",
     mhc__command_eval},
    {"sample", LOOK, "write text with a trained model", "DIR", 1, 1, sample_options,
     "Writes to the standard output as it goes. The model sees at most model.sequence tokens:\n"
     "beyond that the window slides, and the beginning is forgotten.\n",
     mhc__command_sample},
    {"watch", LOOK, "a training run in the terminal, as it goes", "DIR", 1, 1, watch_options,
     "Curves of loss, gradient norm and gain, speed and time left, redrawn in place as the run in\n"
     "DIR writes; q or Ctrl-C leaves, and the training goes on. Where the output is no terminal: a\n"
     "line for what is new, at most one a second, until the last step is there.\n",
     mhc__command_watch},
    {"inspect", LOOK, "tensors, norms and mixing matrices of a checkpoint", "DIR|FILE.safetensors", 1, 1,
     inspect_options,
     "Lists every tensor with type, shape, L2 norm, smallest and largest value, and the number of\n"
     "NaN and Inf. With --h, and a run or checkpoint folder: pre, post and res of each site.\n"
     "Static connections have one set per site, and it is exact. Dynamic ones have another set\n"
     "for each token: what is shown then comes from their base alone, as if fn were 0.\n"
     "\n"
     "--probes runs one batch of the run's held-out text (of its training text where nothing is\n"
     "held out) forward and backward, without dropout, and prints what docs/metrics.md defines:\n"
     "gains, log-volume, distances and cycles of each site's matrices, the composite, streams and\n"
     "gradients by depth, and the time and memory of a training step by part.\n",
     mhc__command_inspect},
    {"study", STUDY, "repeat an experiment, from training to the report", "[list|NAME]", 0, 1, study_options,
     NULL, /* written from the table of studies */
     mhc__command_study},
    {"report", STUDY, "draw the report of runs, one or several side by side", "DIR...", 1, MHC__MAX_OPERANDS,
     report_options,
     "DIR is the folder of a training run or of one arm of a study; of a study's folder all arms\n"
     "are taken. The page has a table, what differs in the settings, and curves of everything in\n"
     "metrics.jsonl: loss, gradient norm, speed, gains. It is one file, index.html, that needs\n"
     "nothing else; report.md, the table and each picture's data and script lie beside it.\n"
     "A run that still trains can be drawn as far as it is.\n",
     mhc__command_report},
    {"check", STUDY, "compare with another program's dump, tensor by tensor", "FILE", 1, 1, check_options,
     "FILE is a safetensors file in which another program has stored a model's weights, batches,\n"
     "gradients and losses, or single sites with their inputs, outputs and gradients; docs/tensors.md\n"
     "has the names. Prints one row per tensor. Exit code 1 when anything disagrees.\n",
     mhc__command_check},
    {"data", ROUND, "download, pack and list data", "list | get NAME | pack TEXT", 1, 2, data_options,
     "list        the data sets that `get` knows\n"
     "get NAME    downloads one, goes on where a download was cut, unpacks it, checks it (docs/data.md)\n"
     "pack TEXT   tokenizes a text file or folder once, so that training maps the tokens into memory\n",
     mhc__command_data},
    {"config", ROUND, "print a configuration, resolved and commented", "[FILE.yaml]", 0, 1, config_options,
     "Defaults, then FILE.yaml, then --set, checked. The output is itself a FILE.yaml:\n"
     "    mhc config > mine.yaml\n",
     mhc__command_config},
    {"doctor", ROUND, "what was found on this machine", "", 0, 0, NULL,
     "Instruction set, threads, measured memory bandwidth, libraries and their versions, gnuplot,\n"
     "GPU. Put its output into a bug report.\n",
     mhc__command_doctor},
    {"help", ROUND, "this page, or that of a command", "[COMMAND]", 0, 1, NULL, "", mhc__command_help},
};

const mhc__command *mhc__command_at(int index) {
    return index >= 0 && index < (int)(sizeof commands / sizeof *commands) ? &commands[index] : NULL;
}

const mhc__command *mhc__command_find(const char *name) {
    for (int i = 0; mhc__command_at(i); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}
