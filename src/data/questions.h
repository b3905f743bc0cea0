/* Yes/no questions as rows for a classifier: the questions alone of BoolQ (google-research-datasets/boolean-questions),
 * as boolq-100 takes them. A question is lower-cased (ASCII) and split at white space; the distinct words of the
 * training questions, sorted by their bytes, are ids 1, 2, …; 0 is padding, and any other word. A row is `sequence`
 * ids, padded on the right or cut, then the class: 1 yes, 0 no, -1 for a row that doesn't count. */
#ifndef MHC_DATA_QUESTIONS_H
#define MHC_DATA_QUESTIONS_H

#include "data/corpus.h"

typedef struct mhc__questions mhc__questions;

/* config->path: a file with one JSON object a line that has "question" (text) and "answer" (true or false); a folder
 * with train.jsonl and maybe dev.jsonl, as `mhc data get boolq` leaves it; or "questions": generated ones of the same
 * number, length and share of yes, whose answers depend on nothing. config->eval_path: the dev questions of a file.
 * Errors name file and line. */
mhc_status mhc__questions_open(const mhc__data_config *config, int sequence, uint64_t seed, mhc__questions **out,
                               mhc_error *error);
void mhc__questions_close(mhc__questions *questions);

typedef enum mhc__questions_part { MHC__QUESTIONS_TRAIN, MHC__QUESTIONS_DEV } mhc__questions_part;

int mhc__questions_vocabulary(const mhc__questions *questions);
int64_t mhc__questions_count(const mhc__questions *questions, mhc__questions_part part); /* 0: there are no dev ones */
int64_t mhc__questions_yes(const mhc__questions *questions, mhc__questions_part part);
/* Batches of one pass over a part; the last is filled up with rows that don't count. */
int64_t mhc__questions_batches(const mhc__questions *questions, mhc__questions_part part, int batch);
/* Training: every question once an epoch, each in another order, which (seed, epoch) decide. */
mhc__source mhc__questions_train(mhc__questions *questions);
mhc__source mhc__questions_dev(mhc__questions *questions); /* in their order; fill is NULL without any */

#endif
